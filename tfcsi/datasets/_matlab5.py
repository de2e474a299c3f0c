"""Variables of MATLAB files before v7.3, and the fields of their structs.

Files of version 5 ("MAT-File Format", The MathWorks) are read here, since SciPy's
reader of them, which is compiled, reads beyond the memory of damaged files. SciPy reads
version 4, in Python.
"""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np
import scipy.io

from tfcsi.archives import check_declared

_MATRIX, _COMPRESSED = 14, 15  # Types of elements; those of numbers:
_NUMBERS = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8"}
_NUMBERS |= {12: "i8", 13: "u8"}
_TEXTS = {1: "latin1", 2: "latin1", 4: "utf-16", 16: "utf-8", 17: "utf-16"}
_CELL, _STRUCT, _OBJECT, _CHAR, _NUMERIC = 1, 2, 3, 4, range(6, 16)
_HEAD = 1 << 16  # Bytes of a variable in which its name and its axes lie.
_MOST_DEEP = 64  # Structs and cells that lie in each other.


def entries(path: Path) -> Iterator[tuple[str, tuple, Callable]]:
    """Yields name, shape and reader of each array of a file.

    A field of a struct has the name "struct/field", as in the files of v7.3. That of an
    array of structs is an array of objects, which is no numbers.
    """
    for name, shape, kind in listed(path):

        def load(name: str = name) -> np.ndarray:
            return loaded(path, [name])[name]

        if kind == "struct":
            yield from _fields(name, load())
        else:
            yield name, shape, once(load)


def listed(path: Path) -> list[tuple[str, tuple, str]]:
    """Returns name, shape and class ("struct" or any other) of each variable.

    Raises:
      ValueError: If the file is damaged, or declares more than one of its size may.
    """
    if _is_version_4(path):
        return scipy.io.whosmat(path, appendmat=False)
    out = []
    for order, content in _variables(path, _HEAD):
        kind, _, dims, name, _ = _head(content, order)
        if name:  # Functions have none.
            dims = dims[:-1] if kind == _CHAR else dims  # Of words, not of letters.
            out.append((name, dims, "struct" if kind == _STRUCT else "other"))
    return out


def loaded(path: Path, names: Iterable[str]) -> dict[str, np.ndarray]:
    """Returns variables as SciPy does: structs with fields, and cells as objects.

    Args:
      path: The file.
      names: Their names; those that the file lacks are left out.

    Raises:
      ValueError: As `listed`.
    """
    wanted, out = set(names), {}
    if _is_version_4(path):
        return scipy.io.loadmat(path, variable_names=list(wanted), appendmat=False)
    heads = _variables(path, _HEAD)
    for (order, head), (_, content) in zip(heads, _variables(path, None)):
        name = _head(head, order)[3]
        if name in wanted:
            out[name] = _value(content, order, 0)
    return out


def _is_version_4(path: Path) -> bool:
    with open(path, "rb") as file:
        head = file.read(128)
    if 0 in head[:4]:
        return True
    if len(head) < 128 or head[124:128] not in (b"\0\1IM", b"\1\0MI"):
        raise ValueError("it is no file of MATLAB")
    return False


def _variables(path: Path, most: int | None) -> Iterator[tuple[str, memoryview]]:
    """Yields byte order and content of each variable, `most` bytes of it if given."""
    check_declared(path, (_inflated(path) // 8,))
    with open(path, "rb") as file:
        order = ">" if file.read(128)[126:] == b"MI" else "<"
        while len(tag := file.read(8)) == 8:
            kind, size = struct.unpack(f"{order}2I", tag)
            end = file.tell() + size
            if kind == _COMPRESSED:
                unpacker = zlib.decompressobj()
                content = file.read(size if most is None else min(size, most))
                kind, size = struct.unpack(
                    f"{order}2I", unpacker.decompress(content, 8)
                )
                room = size if most is None else min(size, most)
                content = unpacker.decompress(unpacker.unconsumed_tail, max(room, 1))
            else:
                content = file.read(size if most is None else min(size, most))
            if kind == _MATRIX:
                yield order, memoryview(content)
            file.seek(end)


def _inflated(path: Path) -> int:
    """Returns how many bytes the compressed variables of a file declare."""
    total = 0
    with open(path, "rb") as file:
        order = ">" if file.read(128)[126:] == b"MI" else "<"
        while len(tag := file.read(8)) == 8:
            kind, size = struct.unpack(f"{order}2I", tag)
            end = file.tell() + size
            if kind == _COMPRESSED:
                inner = zlib.decompressobj().decompress(file.read(min(size, _HEAD)), 8)
                total += struct.unpack(f"{order}2I", inner)[1]
            file.seek(end)
    return total


def _element(content: memoryview, order: str) -> tuple[int, memoryview, memoryview]:
    """Returns type and data of the first element, and what is behind it."""
    if len(content) < 8:
        raise ValueError("it is cut off")
    kind, size = struct.unpack_from(f"{order}2I", content)
    start = 8
    if kind >> 16:  # A small one, with its data in place of its size.
        kind, size, start = kind & 0xFFFF, kind >> 16, 4
    end = start + size
    if end > (8 if start == 4 else len(content)):
        raise ValueError("it is cut off")
    return kind, content[start:end], content[max(8, end + -end % 8) :]


def _head(
    content: memoryview, order: str
) -> tuple[int, bool, tuple[int, ...], str, memoryview]:
    """Returns class, whether it is complex, axes, name and what is behind them."""
    _, flags, content = _element(content, order)
    kind, axes, content = _element(content, order)
    _, name, content = _element(content, order)
    if len(flags) != 8 or kind != 5 or not 8 <= len(axes) <= 128 or len(axes) % 4:
        raise ValueError("a variable has no axes")
    dims = struct.unpack(f"{order}{len(axes) // 4}i", axes)
    if min(dims) < 0:
        raise ValueError(f"a variable has the axes {list(dims)}")
    (word,) = struct.unpack_from(f"{order}I", flags)
    return word & 0xFF, bool(word & 0x800), dims, bytes(name).decode("latin1"), content


def _value(content: memoryview, order: str, deep: int) -> np.ndarray:
    """Returns what a variable, or a part of it, holds."""
    if not len(content):
        return np.zeros((0, 0))
    if deep > _MOST_DEEP:
        raise ValueError(f"structs or cells lie deeper than {_MOST_DEEP} in each other")
    kind, is_complex, dims, _, content = _head(content, order)
    count = math.prod(dims)
    if kind in _NUMERIC:
        values, content = _numbers(content, order, count)
        if is_complex:
            values = values + 1j * _numbers(content, order, count)[0]
    elif kind == _CHAR:
        stored, text, _ = _element(content, order)
        endian = {"<": "-le", ">": "-be"}[order]
        name = _TEXTS.get(stored, "latin1").replace("utf-16", f"utf-16{endian}")
        letters = list(bytes(text).decode(name, "replace"))
        if not count or len(letters) != count:
            return np.array(["".join(letters)])
        rows = np.array(letters).reshape(dims, order="F").reshape(-1, dims[-1])
        return np.array(["".join(row) for row in rows]).reshape(dims[:-1])
    elif kind == _CELL:
        values = np.empty(_fitting(count, content), object)
        for i in range(count):
            values[i], content = _part(content, order, deep)
    elif kind in (_STRUCT, _OBJECT):
        if kind == _OBJECT:
            _, _, content = _element(content, order)
        _, width, content = _element(content, order)
        _, names, content = _element(content, order)
        (size,) = struct.unpack(f"{order}i", width)
        if size < 1:
            raise ValueError("a struct has fields without names")
        parts = (bytes(names[i : i + size]) for i in range(0, len(names), size))
        fields = [part.partition(b"\0")[0].decode("latin1") for part in parts]
        if not fields:
            return np.zeros((0,), "V1")
        _fitting(count * len(fields), content)
        values = np.empty(count, [(field, object) for field in fields])
        for i in range(count):
            for field in fields:
                values[field][i], content = _part(content, order, deep)
    else:  # A function, a sparse matrix or an object of a class.
        return np.zeros((0,), "V1")
    return values.reshape(dims, order="F")


def _numbers(
    content: memoryview, order: str, count: int
) -> tuple[np.ndarray, memoryview]:
    kind, data, content = _element(content, order)
    if kind not in _NUMBERS:
        raise ValueError(f"an array is stored as numbers of the unknown type {kind}")
    dtype = np.dtype(f"{order}{_NUMBERS[kind]}")
    if len(data) != count * dtype.itemsize:
        raise ValueError(f"an array of {count} numbers has {len(data)} bytes")
    return np.frombuffer(data, dtype).astype(dtype.newbyteorder("=")), content


def _part(content: memoryview, order: str, deep: int) -> tuple[np.ndarray, memoryview]:
    """Returns the next array of a cell or a struct, and what is behind it."""
    kind, data, content = _element(content, order)
    if kind != _MATRIX:
        raise ValueError(f"an array is expected, and an element of type {kind} follows")
    return _value(data, order, deep + 1), content


def _fitting(count: int, content: memoryview) -> int:
    """Returns the number of elements, each of eight bytes or more, if they fit in."""
    if 8 * count > len(content):
        raise ValueError(f"{count} arrays are declared in {len(content)} bytes")
    return count


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
