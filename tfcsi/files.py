"""Writes files whole or not at all: under a temporary name, which is then renamed."""

from __future__ import annotations

import contextlib
import io
import json
import math
import os
import pathlib
import uuid
from collections.abc import Iterable, Iterator, Mapping

import numpy as np


@contextlib.contextmanager
def replacing(path: str | os.PathLike) -> Iterator[pathlib.Path]:
    """Yields a temporary file, which replaces `path` unless an exception is raised.

    A link stays, and the file it leads to is replaced. A device or a pipe, such as
    /dev/null, cannot be replaced: it is yielded itself and written to.

    Args:
      path: File to write; it need not exist, but its folder must.

    Yields:
      Path of the file to write to, in the folder of `path`.

    Raises:
      IsADirectoryError: If `path` is a folder.
      FileNotFoundError: If the folder of `path` does not exist.
    """
    path = pathlib.Path(os.path.realpath(path))
    if path.is_dir():
        raise IsADirectoryError(f"{path} is a folder; give the name of a file")
    if path.exists() and not path.is_file():
        yield path
        return
    if not path.parent.is_dir():
        raise FileNotFoundError(f"{path}: the folder {path.parent} does not exist")
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}.tmp")
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


# What the files that commands write begin with.
PACKETS, ARRAY, PAGE, PICTURE = b"TCSI", b"\x93NUMPY", b"<!doctype html", b"\x89PNG"
_WORDS = {
    PACKETS: "a file of packets",
    ARRAY: "an array file (.npy)",
    PAGE: "an HTML page",
    PICTURE: "a PNG picture",
}


def check_output(
    path: str | os.PathLike, kind: bytes, inputs: Iterable[str | os.PathLike] = ()
) -> None:
    """Refuses to write over a file that is read, or that is of another kind.

    A file of the same kind may be replaced, and so may an empty one.

    Args:
      path: File to write; it need not exist.
      kind: `PACKETS`, `ARRAY`, `PAGE` or `PICTURE`.
      inputs: Files that are read and stay as they are.

    Raises:
      FileExistsError: If the file exists and must stay.
      IsADirectoryError: If it is a folder.
    """
    path = pathlib.Path(path)
    if path.is_dir():
        raise IsADirectoryError(f"{path} is a folder; give the name of a file")
    if not path.is_file():
        return
    for read in inputs:
        if os.path.exists(read) and path.samefile(read):
            raise FileExistsError(
                f"{path} is a file that is read here; give another --output"
            )
    with open(path, "rb") as file:
        head = file.read(len(kind))
    if head and head.lower() != kind.lower():
        raise FileExistsError(
            f"{path} exists and is not {_WORDS[kind]}, so it is not replaced; give "
            f"another --output"
        )


def read_csi(path: str | os.PathLike) -> np.ndarray:
    """Reads CSI matrices where NumPy alone is installed.

    Args:
      path: A .npy file, complex [n, num_tx, num_delay] or one matrix.

    Returns:
      complex [n, num_tx, num_delay].

    Raises:
      OSError: If the file cannot be opened.
      ValueError: If it is no .npy file, or does not hold complex matrices.
    """
    try:
        h = np.load(path, allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise ValueError(f"{path} cannot be read as a .npy file: {error}") from error
    kind = f"{h.dtype} {list(h.shape)}" if isinstance(h, np.ndarray) else "an archive"
    if not isinstance(h, np.ndarray) or h.ndim not in (2, 3) or h.dtype.kind != "c":
        raise ValueError(
            f"{path} holds {kind}; give a .npy file of one complex matrix or of [n, "
            f"num_tx, num_delay]"
        )
    return h[None] if h.ndim == 2 else h


def write_bytes(path: str | os.PathLike, content: bytes) -> None:
    """Writes bytes to a file, whole or not at all; errors as `replacing`."""
    with replacing(path) as temporary:
        temporary.write_bytes(content)


def write_text(path: str | os.PathLike, content: str) -> None:
    """Writes text to a UTF-8 file, whole or not at all; errors as `replacing`."""
    write_bytes(path, content.encode())


def write_json(
    path: str | os.PathLike,
    content: object,
    indent: int = 2,
    sort_keys: bool = False,
) -> None:
    """Writes a JSON file, whole or not at all.

    Args:
      path: File to write.
      content: What JSON can hold. NaN and infinity are not among that.
      indent: Spaces a level.
      sort_keys: Whether the keys are sorted.

    Raises:
      ValueError: If a number is not finite. The message names it, and no file is
        written.
      OSError: As `replacing`.
    """
    for place, number in _numbers(content, ""):
        if not math.isfinite(number):
            raise ValueError(
                f"{path} is not written: {place} is {number}, and JSON holds finite "
                f"numbers only"
            )
    text = json.dumps(content, indent=indent, sort_keys=sort_keys, allow_nan=False)
    write_text(path, text + "\n")


def _numbers(content: object, place: str) -> Iterator[tuple[str, float]]:
    """Yields the numbers of what JSON can hold, each with its place."""
    if isinstance(content, Mapping):
        for key, value in content.items():
            yield from _numbers(value, f"{place}.{key}" if place else str(key))
    elif isinstance(content, (list, tuple)):
        for i, value in enumerate(content):
            yield from _numbers(value, f"{place}[{i}]")
    elif isinstance(content, float):
        yield place, content


def write_arrays(path: str | os.PathLike, arrays: Mapping[str, np.ndarray]) -> None:
    """Writes arrays to a compressed `.npz` file, whole or not at all.

    Args:
      path: File to write.
      arrays: Name of each array to the array.

    Raises:
      OSError: As `replacing`.
    """
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    write_bytes(path, buffer.getvalue())


def part(arrays: Mapping[str, np.ndarray], name: str) -> dict[str, np.ndarray]:
    """Returns the arrays whose names begin with a prefix, without this prefix.

    Args:
      arrays: Name of each array to the array, such as "prior/counts".
      name: The prefix without its slash, such as "prior".

    Returns:
      The rest of each name, such as "counts", to the array. Empty if none begins so.
    """
    prefix = f"{name}/"
    return {k[len(prefix) :]: v for k, v in arrays.items() if k.startswith(prefix)}
