"""Reads arrays of .npy, .npz, MATLAB (v5, v7.3) and HDF5 files.

The content of a file tells its format, not its name. Arrays have the axes of the
program that wrote them (`_hdf5`), and compound numbers are complex. A v5 variable can
only be read whole: a real one takes its own size of memory, a complex one up to three
times that.
"""

from __future__ import annotations

import contextlib
import functools
import os
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import h5py
import numpy as np

from tfcsi import hdf5_files
from tfcsi.archives import check_declared
from tfcsi.datasets import _hdf5, _matlab5
from tfcsi.files import ARRAY, check_input

BLOCK = 1000  # Matrices in memory at a time.
NAMED = (".npz", ".mat", ".h5", ".hdf5")  # Files of arrays that have names.
SUFFIXES = (".npy", *NAMED)
ALONE = "array"  # Name of the array of a .npy file.
_ZIP = b"PK"  # What a .npz file begins with.
_LISTED = 20  # Arrays of a file that a message lists.
_H5_CACHE = 1 << 28  # Bytes of HDF5 chunks in memory, so that each is unpacked once.


class DataError(ValueError):
    """A file is missing, unreadable or not of the expected form.

    The message names the file and says what was expected.
    """


class Array:
    """One array of a file, in the axes of its writer, read a block at a time.

    Args:
      path: path of the file, for messages.
      key: name of the array in the file; a data set in an HDF5 group has its path.
      shape: lengths of its axes, in MATLAB's order for what MATLAB wrote.
      get: function from an index (a tuple of slices) to the entries.
      of_matlab: whether MATLAB wrote it, which drops axes of length one at the end.
      axes: names of its axes, if the file tells them (the attribute `axes`).
    """

    def __init__(
        self,
        path: Path,
        key: str,
        shape: tuple,
        get: Callable,
        of_matlab: bool = False,
        axes: str = "",
    ):
        self.path, self.key, self.shape, self._get = path, key, tuple(shape), get
        self.of_matlab, self.axes = of_matlab, axes

    def __getitem__(self, index: tuple) -> np.ndarray:
        block = self._read(index)
        if block.dtype.kind not in "fciu":
            raise DataError(f"{self.path}: {self.key!r} is not numeric: {block.dtype}")
        return block

    def _read(self, index: tuple) -> np.ndarray:
        with wrapped(self.path):
            check_declared(self.path, self.shape)
            return _hdf5.joined(np.asarray(self._get(index)))

    def kind(self) -> str:
        """Returns "complex", "real", "empty", "cell" (of MATLAB) or "not numeric"."""
        if not all(self.shape):
            return "empty"
        letter = self._read((slice(0, 1),) * len(self.shape)).dtype.kind
        kinds = {"c": "complex", **dict.fromkeys("fiu", "real")}
        if self.of_matlab:
            kinds["O"] = "cell"
        return kinds.get(letter, "not numeric")

    def is_complex(self) -> bool:
        """Returns whether the entries are complex."""
        return self.kind() == "complex"

    def blocks(
        self,
        axis: int = 0,
        span: tuple[int, int] | None = None,
        empty: bool = False,
    ) -> Iterator[tuple[str, np.ndarray]]:
        """Yields (label, block), with the axis of the matrices moved to the front.

        Args:
          axis: axis along which matrices follow one another.
          span: first matrix, and the one behind the last; all matrices if None.
          empty: whether a matrix may be all NaN, which stands for no matrix.

        Yields:
          label: path, key and numbers of the matrices, for messages.
          block: [b, ...], at most `BLOCK` matrices.

        Raises:
          DataError: an entry is NaN or infinite; the message has the matrix's number.
        """
        index = [slice(None)] * len(self.shape)
        first, end = span or (0, self.shape[axis])
        for start in range(first, end, BLOCK):
            stop = min(start + BLOCK, end)
            index[axis] = slice(start, stop)
            label = f"{self.path}: {self.key!r}, matrices {start} to {stop - 1}"
            block = np.moveaxis(self[tuple(index)], axis, 0)
            if not np.isfinite(block).all():
                rest = tuple(range(1, block.ndim))
                bad = ~np.isfinite(block).all(axis=rest)
                if empty:
                    bad &= ~np.isnan(block).all(axis=rest)
                if bad.any():
                    raise DataError(
                        f"{self.path}: {self.key!r}, matrix {start + np.argmax(bad)}: "
                        f"NaN or infinite values, expected finite"
                    )
            yield label, block


@contextlib.contextmanager
def arrays(path: Path) -> Iterator[dict[str, Array]]:
    """Opens a file and yields its arrays, which can be read until it is closed.

    Two real arrays `H_re` and `H_im`, or `H/re` and `H/im`, are one complex array `H`.

    Args:
      path: path of the file; its ending is one of `SUFFIXES`.

    Yields:
      Name to array. That of a `.npy` file has the name `ALONE`.

    Raises:
      DataError: the file is missing, unreadable or of another format.
    """
    check_file(path)
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        suffixes = ", ".join(SUFFIXES)
        raise DataError(f"{path}: unknown format, expected one of {suffixes}")
    with contextlib.ExitStack() as stack:
        with wrapped(path):
            if h5py.is_hdf5(path):
                file = stack.enter_context(
                    hdf5_files.opened(path, rdcc_nbytes=_H5_CACHE)
                )
                writer = _hdf5.Writer(file, path)
                known = {
                    name: Array(path, name, *writer.entry(item), _axes_of(item))
                    for name, item in _hdf5.datasets(file)
                }
            elif _begins(path, ARRAY) or (suffix == ".npy" and not _begins(path, _ZIP)):
                shape = np.load(path, mmap_mode="r", allow_pickle=False).shape
                known = {ALONE: Array(path, ALONE, shape, _mapped(path))}
            elif _begins(path, _ZIP) or suffix == ".npz":
                known = {
                    name: Array(path, name, shape, _load_npz(path, name))
                    for name, shape in _npz_shapes(path)
                }
            else:
                known = {
                    name: Array(path, name, shape, get, True)
                    for name, shape, get in _matlab5.entries(path)
                }
        yield _with_pairs(known)


def _begins(path: Path, mark: bytes) -> bool:
    with open(path, "rb") as file:
        return file.read(len(mark)) == mark


def check_file(path: Path) -> None:
    """Raises a DataError unless the path leads to a file that can be read."""
    try:
        check_input(path)
    except OSError as error:
        raise DataError(str(error)) from None


def pick(variables: dict[str, Array], path: Path, key: str, expected: str) -> Array:
    """Returns one array of a file.

    Args:
      variables: the arrays of the file, as `arrays` yields them.
      path: path of the file, for messages.
      key: name of the array.
      expected: what the array should be, for messages.

    Returns:
      The array.

    Raises:
      DataError: there is no such array; the message lists those there are.
    """
    if key not in variables:
        raise DataError(
            f"{path}: no variable {key!r}, expected {expected}; found "
            f"{listing(variables)}"
        )
    return variables[key]


def listing(variables: dict[str, Array]) -> str:
    """Returns the names and shapes of the arrays of a file as a text for messages."""
    return first([f"{key} {list(array.shape)}" for key, array in variables.items()])


def first(texts: list[str]) -> str:
    """Returns the first texts of a list for messages, or "none"."""
    return ", ".join(texts[:_LISTED] + ["..."] * (len(texts) > _LISTED)) or "none"


def find(folder: str | os.PathLike, name: str) -> Path:
    """Returns the path of a file in a folder.

    Args:
      folder: the folder.
      name: name of the file.

    Returns:
      Its path.

    Raises:
      DataError: there is no such file; the message lists the files of the folder.
    """
    path = Path(folder) / name
    if not path.is_file():
        names = sorted(p.name for p in Path(folder).glob("*")) or ["nothing"]
        there = ", ".join(names[:8] + ["..."] * (len(names) > 8))
        raise DataError(f"{path}: no such file; the folder has {there}")
    return path


def _mapped(path: Path) -> Callable:
    """Returns the reader of a `.npy` file, which keeps none of it in memory."""

    def get(index: tuple) -> np.ndarray:
        return np.array(np.load(path, mmap_mode="r", allow_pickle=False)[index])

    return get


def _load_npz(path: Path, key: str) -> Callable:
    """Returns the reader of an array of a `.npz` file."""

    def load() -> np.ndarray:
        with np.load(path, allow_pickle=False) as archive:
            return archive[key]

    return _matlab5.once(load)


def _npz_shapes(path: Path) -> list[tuple[str, tuple]]:
    """Returns name and shape of the arrays of a `.npz` file, from their headers."""
    out = []
    with zipfile.ZipFile(path) as archive:
        for member in archive.namelist():
            with archive.open(member) as file:
                if np.lib.format.read_magic(file) == (1, 0):
                    shape, _, _ = np.lib.format.read_array_header_1_0(file)
                else:
                    shape, _, _ = np.lib.format.read_array_header_2_0(file)
            out.append((member[: -len(".npy")], shape))
    return out


def _axes_of(item: h5py.Dataset) -> str:
    axes = hdf5_files.attribute(item, "axes", "")
    if isinstance(axes, np.ndarray) and axes.size == 1:
        axes = axes.item()
    axes = axes.decode() if isinstance(axes, bytes) else axes
    return axes if isinstance(axes, str) else ""


def _with_pairs(known: dict[str, Array]) -> dict[str, Array]:
    """Joins arrays of real and of imaginary parts, by their names."""
    for name in list(known):
        for real, imag in _hdf5.PARTS:
            stem, part = name[: -len(real)], name[-len(real) :]
            other = stem + (imag if part.islower() else imag.capitalize())
            other = other if other in known else stem + imag.upper()
            if part.lower() != real or stem[-1:] not in ("_", "/", ".", ""):
                continue
            if other in known and known[name].shape == known[other].shape:
                one, two = known.pop(name), known.pop(other)
                key = stem.rstrip("_/.") or f"{name}, {other}"
                get = functools.partial(_pair, one, two)
                known[key] = Array(
                    one.path, key, one.shape, get, one.of_matlab, one.axes
                )
                break
    return known


def _pair(real: Array, imag: Array, index: tuple) -> np.ndarray:
    """Reads complex numbers from the arrays of their parts."""
    return real[index] + 1j * imag[index]


@contextlib.contextmanager
def wrapped(path: Path) -> Iterator[None]:
    """Turns every error that SciPy, h5py and NumPy raise inside into a DataError.

    Args:
      path: path of the file that is read, for the message.

    Raises:
      DataError: the code inside raised an error.
    """
    try:
        yield
    except Exception as error:
        # What NumPy says of arrays of objects.
        if any(words in str(error) for words in ("Object arrays", "Python objects")):
            raise DataError(
                f"{path}: it holds pickled Python objects, which are not read, because "
                f"they can run any code. Save the array alone where they came from: "
                f"numpy.savez('NAME.npz', channel=dataset[0]['user']['channel'])"
            ) from error
        raise DataError(
            f"{path}: cannot be read, truncated or corrupt or of another format "
            f"({type(error).__name__}: {error})"
        ) from error
