"""HDF5 files of others, opened so that a damaged heap is refused before HDF5 reads it.

Text of any length, fill values that are text, and the parts of virtual data sets lie in
global heaps. HDF5 follows the sizes of the objects of a heap without end if one of them
is zero, as in `H5HG__cache_heap_deserialize` of HDF5 1.14 and 2.0. So each heap is
checked here before HDF5 gets its bytes (HDF5 File Format Specification 3.0, section
III.E).
"""

from __future__ import annotations

import contextlib
import io
import os
import weakref
from collections.abc import Iterator
from typing import Any

import h5py

_MARK = b"GCOL\x01"
_MARK_END = 8  # Mark with the version, and three bytes that HDF5 skips.
_LEAST = 4096  # Bytes of a heap; HDF5 refuses a smaller one.
_ALIGN = 8  # Bytes that the sizes in a heap are rounded up to.
# HDF5 keeps the bytes of shorter reads, and takes a heap from the middle of them.
_KEPT = 1 << 20


@contextlib.contextmanager
def opened(path: str | os.PathLike, **options: Any) -> Iterator[h5py.File]:
    """Opens a HDF5 file of others for reading, until the context ends.

    Its `filename` is not the path.

    Args:
      path: The file.
      **options: Options of `h5py.File`.

    Yields:
      The file. What is read of it raises OSError where it lies in a damaged heap.

    Raises:
      OSError: If it cannot be read or is no HDF5 file.
    """
    with h5py.File(path, "r") as file:
        num_size = file.id.get_create_plist().get_sizes()[1]
    with _Checked(path, num_size) as checked:
        file = h5py.File(checked, "r", **options)
        # HDF5 may end the process with a signal if it closes a file after Python's end.
        close = weakref.finalize(checked, file.close)
        try:
            yield file
        finally:
            close()


class _Checked(io.RawIOBase):
    """A file whose global heaps are checked before their bytes are read.

    The place in it is kept here, so that processes may share it after a fork.
    """

    def __init__(self, path: str | os.PathLike, num_size: int):
        """Takes the path, and the bytes of a size in the file."""
        super().__init__()
        self._file = open(path, "rb", buffering=0)
        self._size = os.fstat(self._file.fileno()).st_size
        self._at, self._num_size = 0, num_size
        self._heaps: dict[int, int] = {}  # Place to size of those that are sound.

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Moves to a place and returns it, as `io.RawIOBase`."""
        self._at = offset + (0, self._at, self._size)[whence]
        return self._at

    def tell(self) -> int:
        """Returns the place."""
        return self._at

    def readinto(self, buffer: Any) -> int:
        """Reads as `io.RawIOBase`; raises OSError at a damaged heap."""
        view = memoryview(buffer).cast("B")
        before = min(self._at, len(_MARK) - 1)
        if len(view) < _KEPT:
            near = self._read(self._at - before, before + len(view) + len(_MARK) - 1)
            here = near[before : before + len(view)]
            view[: len(here)] = here
            found = near.find(_MARK)
            while found >= 0:
                self._check(self._at - before + found)
                found = near.find(_MARK, found + 1)
            count = len(here)
        else:
            count = os.preadv(self._file.fileno(), [view], self._at)
            if view[: len(_MARK)] == _MARK:
                self._check(self._at)
        self._at += count
        return count

    def _read(self, at: int, size: int) -> bytes:
        return os.pread(self._file.fileno(), size, at)

    def _check(self, at: int) -> None:
        """Raises OSError if there is a heap at a byte and it is damaged.

        What looks like its mark may be numbers or text; no size of a heap follows then.
        """
        if at in self._heaps:
            return
        header = _aligned(_MARK_END + self._num_size)
        size = self._number(self._read(at + _MARK_END, self._num_size))
        if not _LEAST <= size <= self._size - at:
            return  # HDF5 refuses such a size.
        self._heaps[at] = size
        if sum(self._heaps.values()) > self._size:
            raise OSError(f"the heap at byte {at} lies in others")
        heap, place = self._read(at, size), header
        of_object = _aligned(8 + self._num_size)
        while place + of_object <= size:
            is_used = any(heap[place : place + 2])
            length = self._number(heap[place + 8 : place + 8 + self._num_size])
            needed = of_object + _aligned(length) if is_used else length
            if not of_object <= needed <= size - place:
                raise OSError(f"the heap at byte {at} has an object of {length} bytes")
            place += needed

    def _number(self, content: bytes) -> int:
        return int.from_bytes(content[: self._num_size], "little")

    def close(self) -> None:
        """Closes the file."""
        self._file.close()
        super().close()


def _aligned(size: int) -> int:
    return -(-size // _ALIGN) * _ALIGN
