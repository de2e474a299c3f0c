"""HDF5 files of others, opened so that what HDF5 does not check is refused before.

Text of any length, fill values that are text, and the parts of virtual data sets lie in
global heaps. HDF5 follows the sizes of the objects of a heap without end if one of them
is zero, as in `H5HG__cache_heap_deserialize` of HDF5 1.14 and 2.0. So each heap is
checked here before HDF5 gets its bytes (HDF5 File Format Specification 3.0, section
III.E).

HDF5 also makes room for the length that a text of any length declares, up to 4 GiB,
before it looks for the text (`H5T__conv_vlen`). So no such text is read but the
attribute `axes`, and its length is compared with its heap (section IV.A.2.m).
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import weakref
from collections.abc import Iterator
from typing import Any

import h5py
import numpy as np

_MARK = b"GCOL\x01"
_SIZE_AT = 8  # Behind the mark with its version are three bytes that HDF5 skips.
_LEAST = 4096  # Bytes of a heap; HDF5 refuses a smaller one.
_MOST_OBJECTS = 1 << 16  # Of a heap; their numbers have 16 bits.
_ALIGN = 8  # Bytes that the sizes in a heap are rounded up to.
_BLOCK = 1 << 20  # Bytes that are searched, or of a heap that are read, at a time.
_TEXT = "axes"  # The attribute that may be text of any length.
_NAME = _TEXT.encode() + b"\0"
# Bytes of an attribute ahead of its name, and that its parts are rounded up to, by its
# version.
_ATTRIBUTES = {1: (8, 8), 2: (8, 1), 3: (9, 1)}
_ANY_LENGTH = 9  # The class of a data type of any length.


@contextlib.contextmanager
def opened(path: str | os.PathLike, **options: Any) -> Iterator[h5py.File]:
    """Opens a HDF5 file of others for reading, until the context ends.

    Its `filename` is not the path, and links to other files must not be followed: each
    of them leads to the file itself.

    Args:
      path: The file.
      **options: Options of `h5py.File`.

    Yields:
      The file. What is read of it raises OSError where it lies in a damaged heap.

    Raises:
      OSError: If it cannot be read or is no HDF5 file.
    """
    with h5py.File(path, "r") as file:
        layout = file.id.get_create_plist()
        num_address, num_size = layout.get_sizes()
        start = layout.get_userblock()
    with _Checked(path, num_address, num_size, start) as checked:
        file = h5py.File(checked, "r", **options)
        # HDF5 may end the process with a signal if it closes a file after Python's end.
        close = weakref.finalize(checked, file.close)
        try:
            yield file
        finally:
            close()


def attribute(item: h5py.Dataset | h5py.Group, name: str, default: Any) -> Any:
    """Returns an attribute of an entry of a file that `opened` opened.

    Args:
      item: The entry.
      name: Name of the attribute.
      default: What is returned if there is none, or if it has any length. Only `axes`
        may be one text of any length.

    Raises:
      OSError: If it cannot be read, or is a longer text than the file has.
    """
    try:
        if name not in item.attrs:
            return default
        kind = item.attrs.get_id(name)
        if kind.dtype.hasobject:
            is_text = name == _TEXT and h5py.check_string_dtype(kind.dtype) is not None
            if not is_text or kind.get_space().get_simple_extent_npoints() != 1:
                return default
        return item.attrs[name]
    except (KeyError, RuntimeError) as error:
        raise OSError(f"the attribute {name} of {item.name}: {error}") from error


class _Checked(io.RawIOBase):
    """A file whose global heaps and texts are checked before their bytes are read.

    HDF5 may take a heap from the middle of the bytes that it was given, so all of them
    are searched for marks. A mark in numbers or text has no size of a heap behind it,
    unless these are parts of another HDF5 file. Attributes are found by their name.

    The place in the file is kept here, so that processes may share it after a fork.
    """

    def __init__(
        self, path: str | os.PathLike, num_address: int, num_size: int, start: int = 0
    ):
        """Takes the path, and the bytes of an address, of a size, and ahead of HDF5."""
        super().__init__()
        self._file = open(path, "rb", buffering=0)
        self._size = os.fstat(self._file.fileno()).st_size
        self._at, self._num_size = 0, num_size
        self._num_address, self._start = num_address, start
        self._sound: set[int] = set()  # Places of heaps.
        self._walked = 0  # Bytes of the sound heaps.

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Moves to a place and returns it, as `io.RawIOBase`."""
        self._at = offset + (0, self._at, self._size)[whence]
        return self._at

    def tell(self) -> int:
        """Returns the place."""
        return self._at

    def readinto(self, buffer: Any) -> int:
        """Reads as `io.RawIOBase`, all that there is; raises OSError at a damaged heap.

        h5py does not ask how many bytes were read.
        """
        view = memoryview(buffer).cast("B")
        reach = _SIZE_AT + self._num_size - 1  # Of a mark that begins in the bytes.
        before = min(self._at, reach)
        for start in range(0, len(view), _BLOCK):
            part = view[start : start + _BLOCK]
            at = self._at + start
            near = self._read(at - before, before + len(part) + reach)
            held = memoryview(near)[before : before + len(part)]
            part[: len(held)] = held
            if len(held) < len(part) and at + len(held) < self._size:
                raise OSError(f"byte {at + len(held)} cannot be read")
            if _MARK in near:
                marks = [found.start() for found in re.finditer(_MARK, near)]
                self._check_heaps(at - before, np.array(marks), near)
            if _NAME in near:
                for found in re.finditer(re.escape(_NAME), near):
                    self._check_text(at - before + found.start())
        count = min(len(view), max(0, self._size - self._at))
        self._at += count
        return count

    def _read(self, at: int, size: int) -> bytes:
        parts = []
        while size and (part := os.pread(self._file.fileno(), size, at)):
            parts.append(part)
            at, size = at + len(part), size - len(part)
        return b"".join(parts)

    def _check_heaps(self, start: int, marks: np.ndarray, near: bytes) -> None:
        """Checks the heaps behind marks in some bytes, which are those from `start`."""
        content = np.frombuffer(near + bytes(_SIZE_AT + self._num_size), np.uint8)
        digits = content[marks[:, None] + _SIZE_AT + np.arange(self._num_size)]
        sizes = digits.astype(np.float64) @ 256.0 ** np.arange(self._num_size)
        fits = (sizes >= _LEAST) & (sizes <= self._size - start - marks)
        for at in (start + marks[fits]).tolist():  # HDF5 refuses the other sizes.
            if at not in self._sound:
                self._check(at)
                self._sound.add(at)

    def _check(self, at: int) -> None:
        """Raises OSError if the heap at a byte is damaged."""
        size = self._number(self._read(at + _SIZE_AT, self._num_size))
        if self._walked + size > self._size:
            raise OSError(f"the heap at byte {at} lies in others")
        place = _aligned(_SIZE_AT + self._num_size)
        of_object = _aligned(8 + self._num_size)  # Bytes ahead of each object.
        block, first = b"", 0
        for _ in range(_MOST_OBJECTS + 1):
            if place + of_object > size:
                self._walked += size
                return
            if not first <= place <= first + len(block) - of_object:
                block, first = self._read(at + place, min(_BLOCK, size - place)), place
            head = block[place - first : place - first + of_object]
            length = self._number(head[8:])
            needed = of_object + _aligned(length) if any(head[:2]) else length
            if not of_object <= needed <= size - place:
                raise OSError(f"the heap at byte {at} has an object of {length} bytes")
            place += needed
        raise OSError(f"the heap at byte {at} has more than {_MOST_OBJECTS} objects")

    def _check_text(self, at: int) -> None:
        """Raises OSError if an attribute whose name is at a byte is a text too long."""
        near = self._read(max(0, at - 9), min(9, at)).rjust(9, b"\0")
        for version, (ahead, align) in _ATTRIBUTES.items():
            if near[-ahead] != version:
                continue
            sizes = np.frombuffer(near[-ahead:], "<u2", 3, offset=2).tolist()
            name, kind, space = (_aligned(size, align) for size in sizes)
            if version > 1 and near[1 - ahead] % 2:
                raise OSError(f"an attribute {_TEXT} has a shared data type: copy it")
            described = self._read(at + name, 16).ljust(16, b"\0")
            if described[0] % 16 != _ANY_LENGTH:
                continue
            size_of_one = int.from_bytes(described[12:], "little")
            place = self._read(at + name + kind + space, 4 + self._num_address)
            length = int.from_bytes(place[:4], "little") * size_of_one
            heap = self._start + int.from_bytes(place[4:], "little")
            if length > self._size_of_heap(heap):
                raise OSError(
                    f"an attribute {_TEXT} of {length} bytes is longer than its heap"
                )

    def _size_of_heap(self, at: int) -> int:
        if at >= self._size:
            return 0
        head = self._read(at, _SIZE_AT + self._num_size)
        is_heap = head.startswith(_MARK)
        return min(self._size - at, self._number(head[_SIZE_AT:])) if is_heap else 0

    def _number(self, content: bytes) -> int:
        return int.from_bytes(content[: self._num_size], "little")

    def close(self) -> None:
        """Closes the file."""
        self._file.close()
        super().close()


def _aligned(size: int, align: int = _ALIGN) -> int:
    return -(-size // align) * align
