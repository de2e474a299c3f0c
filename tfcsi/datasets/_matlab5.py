"""Variables of MATLAB files before v7.3, and the fields of their structs."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import scipy.io

from tfcsi.archives import check_declared

_COMPRESSED = 15  # Type of an element of a file.


def entries(path: Path) -> Iterator[tuple[str, tuple, Callable]]:
    """Yields name, shape and reader of each array of a file.

    A field of a struct has the name "struct/field", as in the files of v7.3. That of an
    array of structs is an array of objects, which is no numbers.
    """
    # SciPy takes the memory of a whole variable to list it.
    check_declared(path, (_inflated(path) // 8,))
    for name, shape, kind in scipy.io.whosmat(path, appendmat=False):

        def load(name: str = name) -> np.ndarray:
            return scipy.io.loadmat(path, variable_names=[name], appendmat=False)[name]

        if kind == "struct":
            yield from _fields(name, load())
        else:
            yield name, shape, once(load)


def _inflated(path: Path) -> int:
    """Returns how many bytes the compressed variables of a file declare."""
    total = 0
    with open(path, "rb") as file:
        head = file.read(128)
        if 0 in head[:4]:  # Version 4, which compresses nothing.
            return 0
        order = ">" if head[126:128] == b"MI" else "<"
        while len(tag := file.read(8)) == 8:
            kind, size = struct.unpack(f"{order}2I", tag)
            end = file.tell() + size
            if kind == _COMPRESSED:
                inner = zlib.decompressobj().decompress(
                    file.read(min(size, 1 << 16)), 8
                )
                total += struct.unpack(f"{order}2I", inner)[1]
            file.seek(end)
    return total


def once(load: Callable[[], np.ndarray]) -> Callable:
    """Returns the reader of an array that is loaded whole at its first call."""
    loaded: list[np.ndarray] = []

    def get(index: tuple) -> np.ndarray:
        if not loaded:
            loaded.append(load())
        return loaded[0][index]

    return get


def _fields(name: str, structs: np.ndarray) -> Iterator[tuple[str, tuple, Callable]]:
    for field in structs.dtype.names or ():
        values, path = structs[field], f"{name}/{field}"
        if values.size == 1:
            values = np.asarray(values.item())
        if values.dtype.names:
            yield from _fields(path, values)
        else:
            yield path, values.shape, values.__getitem__
