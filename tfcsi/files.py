"""Files: what may be read and written, and writing them whole or not at all.

A file is written under a temporary name, which is then renamed.
"""

from __future__ import annotations

import contextlib
import io
import json
import math
import os
import pathlib
import shutil
import stat
import tempfile
import uuid
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Literal

import numpy as np
import numpy.typing as npt


@contextlib.contextmanager
def replacing(path: str | os.PathLike) -> Iterator[pathlib.Path]:
    """Yields a temporary file, which replaces `path` unless an exception is raised.

    A link stays, and the file it leads to is replaced. A device or a pipe, such as
    /dev/null, cannot be replaced: it is yielded itself and written to. So are standard
    output and other open streams, behind what they hold already.

    Args:
      path: File to write; it need not exist, but its folder must.

    Yields:
      Path of the file to write to, in the folder of `path`.

    Raises:
      IsADirectoryError: If `path` is a folder.
      FileNotFoundError: If the folder of `path` does not exist.
    """
    if (number := stream_number(path)) is not None:
        with tempfile.TemporaryDirectory() as folder:
            written = pathlib.Path(folder, "stream")
            yield written
            with named(path, written), open(os.dup(number), "wb") as stream:
                with open(written, "rb") as content:
                    shutil.copyfileobj(content, stream)
        return
    target, path = path, pathlib.Path(os.path.realpath(path))
    if path.is_dir():
        raise IsADirectoryError(f"{target} is a folder; give the name of a file")
    if path.exists() and not path.is_file():
        with named(target, path):
            yield path
        return
    check_parent(target)
    temporary = path.with_name(f".{uuid.uuid4().hex}.tmp")
    try:
        with named(target, temporary):
            yield temporary
            os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def stream_number(path: str | os.PathLike) -> int | None:
    """Returns the number of the open stream that a path such as /dev/stdout names."""
    name = os.fspath(path)
    if name in ("/dev/stdout", "/dev/stderr"):
        return 1 if name.endswith("out") else 2
    place, _, number = name.rpartition("/")
    return int(number) if place in _FOLDERS and number.isdigit() else None


@contextlib.contextmanager
def named(path: str | os.PathLike, temporary: pathlib.Path) -> Iterator[None]:
    """Errors of a file that is written name `path`, not a temporary name or none.

    Args:
      path: File that is written.
      temporary: Its temporary name.
    """
    try:
        yield
    except OSError as error:
        told, other = str(error), error.filename not in (None, str(temporary))
        if other or (os.fspath(path) in told and str(temporary) not in told):
            raise
        if error.errno is None:
            reason = str(error).replace(str(temporary), os.fspath(path))
            raise OSError(f"{os.fspath(path)}: {reason}") from error
        reason = os.strerror(error.errno)
        raise OSError(error.errno, reason, os.fspath(path)) from error


def check_parent(path: str | os.PathLike) -> None:
    """Refuses a file to write if its folder is missing or cannot be written to.

    Args:
      path: File to write; it need not exist.

    Raises:
      FileNotFoundError: If the folder does not exist, or is a file.
      PermissionError: If no file can be made there.
    """
    folder = pathlib.Path(os.path.realpath(path)).parent
    if not folder.is_dir():
        reason = "is a file" if folder.exists() else "does not exist"
        raise FileNotFoundError(f"{os.fspath(path)}: the folder {folder} {reason}")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise PermissionError(
            f"{os.fspath(path)}: there is no permission to write to the folder {folder}"
        )


def check_folder(path: str | os.PathLike) -> None:
    """Refuses a folder to write to that is a file, or cannot be made or written to.

    Args:
      path: The folder; it need not exist, and is not made.

    Raises:
      NotADirectoryError: If it, or a folder above it, is a file.
      PermissionError: If no file can be made there.
    """
    folder = pathlib.Path(os.path.realpath(path))
    there = next(f for f in (folder, *folder.parents) if os.path.lexists(f))
    if not there.is_dir():
        name = os.fspath(path) if there == folder else there
        raise NotADirectoryError(f"{name} is a file; give a folder")
    if not os.access(there, os.W_OK | os.X_OK):
        raise PermissionError(
            f"{os.fspath(path)}: there is no permission to write to the folder {there}"
        )


# What a path that is no regular file leads to, by the type in its mode.
_KINDS = {
    stat.S_IFDIR: "is a folder; give the name of a file",
    stat.S_IFIFO: "is a pipe; give a file",
    stat.S_IFSOCK: "is a socket; give a file",
    stat.S_IFCHR: "is a device; give a file",
    stat.S_IFBLK: "is a device; give a file",
}
_FOLDERS = ("/dev/fd", "/proc/self/fd")
_STREAMS = ("/dev/stdin", "/dev/fd/", "/proc/self/fd/")  # Open before they are read.


def check_input(path: str | os.PathLike, stream: bool = False) -> None:
    """Refuses a path to read that does not lead to a file, and says what it is.

    Args:
      path: File to read.
      stream: Whether standard input and other open streams are read as well.

    Raises:
      FileNotFoundError: If there is no such file, or a link leads nowhere.
      IsADirectoryError: If it is a folder.
      PermissionError: If it may not be read.
      OSError: If it is a pipe, a device or a socket.
    """
    name = os.fspath(path)
    if stream and name.startswith(_STREAMS):
        return
    try:
        mode = os.stat(name).st_mode
    except (FileNotFoundError, NotADirectoryError):
        if os.path.islink(name):
            raise FileNotFoundError(
                f"{name} is a link to {os.readlink(name)}, which does not exist"
            ) from None
        raise FileNotFoundError(f"{name}: no such file") from None
    if stat.S_IFMT(mode) == stat.S_IFDIR:
        raise IsADirectoryError(f"{name} {_KINDS[stat.S_IFDIR]}")
    if not stat.S_ISREG(mode):
        raise OSError(f"{name} {_KINDS.get(stat.S_IFMT(mode), 'is no file')}")
    if not os.access(name, os.R_OK):
        raise PermissionError(f"{name}: there is no permission to read it")


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
      OSError: As `check_parent`.
    """
    if stream_number(path) is not None:
        return
    path = pathlib.Path(path)
    if path.is_dir():
        raise IsADirectoryError(f"{path} is a folder; give the name of a file")
    if path.exists() and not path.is_file():  # A device is written to as it is.
        return
    check_parent(path)
    if not path.exists():
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


def read_csi(
    path: str | os.PathLike, mmap_mode: Literal["r"] | None = None
) -> np.ndarray:
    """Reads CSI matrices where NumPy alone is installed.

    Args:
      path: A .npy file, complex [n, num_tx, num_delay] or one matrix.
      mmap_mode: "r" for a memory map, None for an array in memory.

    Returns:
      complex [n, num_tx, num_delay].

    Raises:
      OSError: If the file cannot be opened.
      ValueError: If it is no .npy file, or does not hold complex matrices.
    """
    check_input(path)
    try:  # The map compares the declared size with that of the file.
        h = np.load(path, mmap_mode or "r", allow_pickle=False)
    except OSError:
        raise
    except Exception as error:  # A damaged file raises errors of many kinds.
        raise ValueError(f"{path} cannot be read as a .npy file: {error}") from error
    kind = f"{h.dtype} {list(h.shape)}" if isinstance(h, np.ndarray) else "an archive"
    if not isinstance(h, np.ndarray) or h.ndim not in (2, 3) or h.dtype.kind != "c":
        raise ValueError(
            f"{path} holds {kind}; give a .npy file of one complex matrix or of [n, "
            f"num_tx, num_delay]"
        )
    h = h if mmap_mode else np.array(h)
    return h[None] if h.ndim == 2 else h


def allocated(
    path: str | os.PathLike, dtype: npt.DTypeLike, shape: tuple[int, ...]
) -> np.memmap:
    """Makes a `.npy` file of zeros, with its space on the disk, as a memory map.

    A write to a memory map of a file without space ends the process without a message.

    Args:
      path: File to write.
      dtype: Type of the entries.
      shape: Lengths of the axes.

    Returns:
      The memory map, which may be written to.

    Raises:
      OSError: If the disk has too little space.
    """
    made = np.lib.format.open_memmap(path, "w+", dtype, shape)
    with open(path, "r+b") as file:
        os.posix_fallocate(file.fileno(), 0, os.path.getsize(path))
    return made


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


def read_bytes(path: str | os.PathLike) -> bytes:
    """Returns the content of a file; errors as `check_input`."""
    check_input(path)
    return pathlib.Path(path).read_bytes()


MOST_TEXT = 1 << 26  # Bytes of a JSON file that is read.


def read_json(path: str | os.PathLike) -> Any:
    """Reads a JSON file.

    Args:
      path: The file, of at most `MOST_TEXT` bytes.

    Raises:
      ValueError: If it is larger or no JSON. The message names the file.
      OSError: As `check_input`.
    """
    check_input(path)
    if (size := os.path.getsize(path)) > MOST_TEXT:
        raise ValueError(f"{path} is damaged: it has {size:,} bytes")
    try:
        return json.loads(pathlib.Path(path).read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} is damaged: {error}") from error


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
    """Returns the arrays with names that begin with a prefix, without this prefix.

    Args:
      arrays: Name of each array to the array, such as "prior/counts".
      name: The prefix without its slash, such as "prior".

    Returns:
      The rest of each name, such as "counts", to the array. Empty if none begins so.
    """
    prefix = f"{name}/"
    return {k[len(prefix) :]: arrays[k] for k in arrays if k.startswith(prefix)}
