"""Text of any length in HDF5 files, which lies in global heaps that may be damaged.

HDF5 follows the sizes of the objects of a heap without end if one of them is zero, as
in `H5HG__cache_heap_deserialize` of HDF5 1.14 and 2.0. So a heap is checked here before
HDF5 gets its bytes (HDF5 File Format Specification 3.0, section III.E).
"""

from __future__ import annotations

import io
import mmap
from collections.abc import Mapping
from typing import Any

import h5py
import numpy as np

_MARK = b"GCOL\x01"
_MARK_END = 8  # Mark with the version, and three bytes of zeros.
_ALIGN = 8  # Bytes that the sizes in a heap are rounded up to.


def is_in_heap(dtype: np.dtype) -> bool:
    """Returns whether values of a type lie in a heap: text or lists of any length.

    References to objects, which are the cells of MATLAB, do not.
    """
    return dtype.hasobject and h5py.check_ref_dtype(dtype) is not h5py.Reference


def attribute(item: h5py.Dataset | h5py.Group, name: str, default: Any = None) -> Any:
    """Reads an attribute of a file of others.

    Args:
      item: Data set or group of a file that is open for reading.
      name: Name of the attribute.
      default: What is returned if there is none.

    Raises:
      ValueError: If it lies in a heap that is damaged.
    """
    attrs: Mapping = item.attrs
    if name not in attrs or not is_in_heap(item.attrs.get_id(name).dtype):
        return attrs.get(name, default)
    sizes = item.file.id.get_create_plist().get_sizes()
    with _Checked(item.file.filename, sizes[1]) as checked:
        try:
            with h5py.File(checked, "r") as file:
                return file[item.name].attrs[name]
        except Exception:
            if checked.damage:
                raise ValueError(checked.damage) from None
            raise


class _Checked(io.FileIO):
    """A file whose global heaps are checked before their bytes are read.

    Attributes:
      damage: What is wrong with a heap; empty as long as nothing is known.
    """

    def __init__(self, path: str, num_size: int):
        """Takes the path, and the bytes of a size in the file."""
        super().__init__(path)
        self.damage, self._num_size = "", num_size
        self._all = mmap.mmap(self.fileno(), 0, access=mmap.ACCESS_READ)

    def readinto(self, buffer: Any) -> int:
        """Reads as `io.FileIO`; raises OSError at a damaged heap."""
        start = self.tell()
        end = start + len(memoryview(buffer).cast("B"))
        at = self._all.find(_MARK, max(0, start - len(_MARK) + 1), end + len(_MARK) - 1)
        while at >= 0:
            self.damage = self.damage or self._damage_at(at)
            if self.damage:
                raise OSError(self.damage)
            at = self._all.find(_MARK, at + 1, end + len(_MARK) - 1)
        return super().readinto(buffer)

    def _damage_at(self, at: int) -> str:
        """What is wrong with the heap at a byte, or nothing."""
        header = _aligned(_MARK_END + self._num_size)
        size = self._number(at + _MARK_END)
        if not header <= size <= len(self._all) - at:
            return f"the heap at byte {at} has a size of {size}"
        of_object = _aligned(8 + self._num_size)
        place = header
        while place + of_object <= size:
            index = int.from_bytes(self._all[at + place : at + place + 2], "little")
            length = self._number(at + place + 8)
            needed = of_object + _aligned(length) if index else length
            if not of_object <= needed <= size - place:
                return f"the heap at byte {at} has an object of {length} bytes"
            place += needed
        return ""

    def _number(self, at: int) -> int:
        return int.from_bytes(self._all[at : at + self._num_size], "little")

    def close(self) -> None:
        """Closes the file."""
        if not self.closed:
            self._all.close()
        super().close()


def _aligned(size: int) -> int:
    return -(-size // _ALIGN) * _ALIGN
