"""HDF5 files: the order of the axes by the writer, and complex numbers.

MATLAB counts the entries of an array column by column, so its axes are reversed in the
files that it writes (v7.3). Python writes them as they are. The name of the file does
not tell which program wrote it: a `.mat` file may come from h5py, and a `.h5` file from
MATLAB. MATLAB marks each data set with the attribute `MATLAB_class`, and the file with
a text in its first bytes.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

import h5py
import numpy as np

from tfcsi.archives import check_declared

_MARK, _CLASS = b"MATLAB", "MATLAB_class"
# Names of real and imaginary parts, in compound types and in pairs of arrays.
PARTS = (
    ("real", "imag"),
    ("re", "im"),
    ("r", "i"),
    ("real", "imaginary"),
    ("i", "q"),
)


class Writer:
    """Tells in which order the axes of the data sets of a file are stored.

    Where any variable of the file has the attribute `MATLAB_class`, each data set
    speaks for itself, since h5py may have added some. Otherwise the first bytes of the
    file tell it for all.
    """

    def __init__(self, file: h5py.File):
        entries = [file.get(name) for name in file]
        marked = any(e is not None and _CLASS in e.attrs for e in entries)
        self._all_reversed = not marked and _by_matlab(file.filename)

    def reverses(self, item: h5py.Dataset) -> bool:
        """Whether the axes of a data set are reversed on disk."""
        return self._all_reversed or _CLASS in item.attrs

    def entry(self, item: h5py.Dataset) -> tuple[tuple, Callable, bool]:
        """Returns shape, reader and whether the axes are those of MATLAB."""
        shape = item.shape or (0,)  # A null data set has no shape.
        if self.reverses(item):
            return shape[::-1], lambda index: item[index[::-1]].T, True
        return shape, item.__getitem__, False

    def whole(self, item: h5py.Dataset) -> np.ndarray:
        """Reads a data set, in the axes of its writer, complex where it is."""
        check_declared(item.file.filename, item.shape or ())
        value = joined(np.asarray(item[()]))
        return value.T if self.reverses(item) else value


def _by_matlab(path: str | os.PathLike) -> bool:
    with open(path, "rb") as file:
        return file.read(len(_MARK)) == _MARK


def datasets(group: h5py.Group, prefix: str = "") -> Iterator[tuple[str, h5py.Dataset]]:
    """Yields (path, data set) of a file and of its groups, in order of their names."""
    for name in group:
        item = group.get(name)
        if isinstance(item, h5py.Dataset):
            yield prefix + name, item
        elif isinstance(item, h5py.Group) and not name.startswith("#"):
            yield from datasets(item, f"{prefix}{name}/")


def joined(block: np.ndarray) -> np.ndarray:
    """Makes complex numbers of a compound type of real and imaginary parts."""
    names = {name.lower(): name for name in block.dtype.names or ()}
    for real, imag in PARTS:
        if set(names) == {real, imag}:
            return block[names[real]] + 1j * block[names[imag]]
    return block
