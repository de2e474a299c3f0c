"""Files are written whole or not at all: under a temporary name, then renamed."""

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
    """Yields a temporary file that replaces `path` if, and only if, all goes well."""
    path = pathlib.Path(path)
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}.tmp")
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def write_bytes(path: str | os.PathLike, content: bytes) -> None:
    """Writes a file whole or not at all."""
    with replacing(path) as temporary:
        temporary.write_bytes(content)


def write_text(path: str | os.PathLike, content: str) -> None:
    """Writes a UTF-8 text file whole or not at all."""
    write_bytes(path, content.encode())


def write_arrays(path: str | os.PathLike, arrays: Mapping[str, np.ndarray]) -> None:
    """Writes a compressed `.npz` file whole or not at all."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    write_bytes(path, buffer.getvalue())


def part(arrays: Mapping[str, np.ndarray], name: str) -> dict[str, np.ndarray]:
    """Returns the arrays "name/KEY" as KEY to array."""
    prefix = f"{name}/"
    return {k[len(prefix) :]: v for k, v in arrays.items() if k.startswith(prefix)}
