"""Writes files whole or not at all: under a temporary name, which is then renamed."""

from __future__ import annotations

import contextlib
import io
import os
import pathlib
import uuid
from collections.abc import Iterator, Mapping

import numpy as np


@contextlib.contextmanager
def replacing(path: str | os.PathLike) -> Iterator[pathlib.Path]:
    """Yields a temporary file, which replaces `path` unless an exception is raised.

    A link stays, and the file it leads to is replaced. A device or a pipe, such as
    /dev/null, cannot be replaced: it is yielded itself and written to.

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


def write_bytes(path: str | os.PathLike, content: bytes) -> None:
    """Writes bytes to a file, whole or not at all."""
    with replacing(path) as temporary:
        temporary.write_bytes(content)


def write_text(path: str | os.PathLike, content: str) -> None:
    """Writes text to a UTF-8 file, whole or not at all."""
    write_bytes(path, content.encode())


def write_arrays(path: str | os.PathLike, arrays: Mapping[str, np.ndarray]) -> None:
    """Writes arrays to a compressed `.npz` file, whole or not at all."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    write_bytes(path, buffer.getvalue())


def part(arrays: Mapping[str, np.ndarray], name: str) -> dict[str, np.ndarray]:
    """Returns the arrays whose names begin with "name/", without this prefix."""
    prefix = f"{name}/"
    return {k[len(prefix) :]: v for k, v in arrays.items() if k.startswith(prefix)}
