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

from tfcsi.archives import check_declared, limit

# Data sets and groups of a file, and groups that lie in each other.
MOST_ENTRIES, MOST_DEEP = 1 << 14, 32
_MOST_LINKS = 16  # Soft links on the way to an entry, as HDF5 itself.
_BYTES = 64  # Of a file for each entry of a cell or a struct, at least.
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

    def __init__(self, file: h5py.File, path: str | os.PathLike):
        """Takes a file that `hdf5_files.opened` opened, and its path."""
        self._path = path
        _check_count(len(file), "")
        marked = any(_CLASS in entry.attrs for entry in entries(file).values())
        self._all_reversed = not marked and _by_matlab(path)
        self._left = limit(MOST_ENTRIES + os.path.getsize(path) // _BYTES)

    def reverses(self, item: h5py.Dataset) -> bool:
        """Whether the axes of a data set are reversed on disk."""
        return self._all_reversed or _CLASS in item.attrs

    def entry(self, item: h5py.Dataset) -> tuple[tuple, Callable, bool]:
        """Returns shape, reader and whether the axes are those of MATLAB.

        Text and lists of any length are not read: their reader gives empty text.
        """
        shape = item.shape or (0,)  # A null data set has no shape.
        if _is_text(item.dtype):
            return shape, np.broadcast_to(b"", shape).__getitem__, False
        _refuse_outside(item)
        if self.reverses(item):
            return shape[::-1], lambda index: item[index[::-1]].T, True
        return shape, item.__getitem__, False

    def whole(self, item: h5py.Dataset) -> np.ndarray:
        """Reads a data set, in the axes of its writer, complex where it is.

        Text and lists of any length are not read: they are empty text.
        """
        self.count()
        check_declared(self._path, item.shape or ())
        if _is_text(item.dtype):
            return np.broadcast_to(b"", item.shape or ())
        _refuse_outside(item)
        value = joined(np.asarray(item[()]))
        return value.T if self.reverses(item) else value

    def count(self, deep: int = 0) -> None:
        """Counts an entry of a cell or a struct, which may lead to itself.

        Args:
          deep: Number of cells and structs that it lies in.

        Raises:
          ValueError: If there are more than a file of its size has, or it is too deep.
        """
        self._left -= 1
        if self._left < 0 or deep > MOST_DEEP:
            raise ValueError("it has too many entries: some lead back to themselves")


def _is_text(dtype: np.dtype) -> bool:
    """Whether values have any length: text or lists, and not the cells of MATLAB."""
    return dtype.hasobject and h5py.check_ref_dtype(dtype) is not h5py.Reference


def _check_count(count: int, path: str) -> None:
    """Refuses too many entries of groups, and a group of a path that is too deep."""
    most = limit(MOST_ENTRIES)
    if count > most or path.count("/") >= MOST_DEEP:
        raise ValueError(
            f"it has more than {most} arrays, or groups deeper than {MOST_DEEP}"
        )


def _refuse_outside(item: h5py.Dataset) -> None:
    """Refuses a data set whose numbers are in another file.

    HDF5 reads the fill value for it, so the data set must not be text.
    """
    if item.is_virtual or item.external:
        raise ValueError(f"{item.name} has its numbers in another file: copy them")


def own(
    group: h5py.Group, name: str, links: Iterator[int] | None = None
) -> h5py.Dataset | h5py.Group | None:
    """Returns an entry of a group; none of another file is opened.

    Args:
      group: The group.
      name: Name of the entry, or its path from there or from the root.
      links: One number for each soft link that may still be followed.

    Returns:
      The entry; None if there is none, or if links lead to it that lead nowhere.

    Raises:
      ValueError: If it is in another file.
      KeyError: If it is damaged.
    """
    links = iter(range(_MOST_LINKS)) if links is None else links
    here = group.file if name.startswith("/") else group
    for part in name.split("/"):
        if part in ("", "."):
            continue
        link = here.get(part, getlink=True) if isinstance(here, h5py.Group) else None
        if isinstance(link, h5py.ExternalLink):
            raise ValueError(f"{part} leads to another file, {link.filename}: copy it")
        if isinstance(link, h5py.SoftLink):
            here = (
                own(here, link.path, links) if next(links, None) is not None else None
            )
        else:
            here = None if link is None else here[part]
    return here


def entries(group: h5py.Group) -> dict[str, h5py.Dataset | h5py.Group]:
    """Returns the entries of a group that there are, by their names; see `own`."""
    found = {name: own(group, name) for name in group}
    return {name: entry for name, entry in found.items() if entry is not None}


def _by_matlab(path: str | os.PathLike) -> bool:
    with open(path, "rb") as file:
        return file.read(len(_MARK)) == _MARK


def datasets(file: h5py.File) -> Iterator[tuple[str, h5py.Dataset]]:
    """Yields (path, data set) of a file and of its groups, in order of their names.

    Raises:
      ValueError: If there are more than `MOST_ENTRIES`, or groups lie in each other
        deeper than `MOST_DEEP`, or an entry leads to another file.
    """
    left: list[tuple[str, h5py.Group | h5py.Dataset]] = [("", file)]
    count = 0
    while left:
        path, item = left.pop()
        if isinstance(item, h5py.Dataset):
            yield path, item
            continue
        count += len(item)
        _check_count(count, path)
        inner = []
        for name, entry in entries(item).items():
            group = isinstance(entry, h5py.Group) and not name.startswith("#")
            if group or isinstance(entry, h5py.Dataset):
                inner.append((f"{path}/{name}" if path else name, entry))
        left += reversed(inner)


def joined(block: np.ndarray) -> np.ndarray:
    """Makes complex numbers of a compound type of real and imaginary parts."""
    names = {name.lower(): name for name in block.dtype.names or ()}
    for real, imag in PARTS:
        if set(names) == {real, imag}:
            return block[names[real]] + 1j * block[names[imag]]
    return block
