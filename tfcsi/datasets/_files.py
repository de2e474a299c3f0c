"""Reads and caches arrays of .npy, .npz, MATLAB (v5, v7.3) and HDF5 files.

MATLAB v7.3 files are HDF5 files. Their axes are reversed on disk, and their complex
numbers are a compound (real, imag). Here they have MATLAB's axes and are complex. A v5
variable can only be read whole: a real one takes its own size of memory, a complex one
up to three times that. Converted variables are kept as memory maps in `cache_dir`, or
`$TFCSI_CACHE`, or `$XDG_CACHE_HOME/tfcsi`, or `~/.cache/tfcsi`. A file appears only
when it is complete.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import h5py
import numpy as np
import scipy.io

from tfcsi import transforms
from tfcsi.files import replacing

BLOCK = 1000  # Matrices in memory at a time.
NUM_VAL, NUM_TEST = 200, 400  # Matrices of a file that holds all splits.
_H5_CACHE = 1 << 28  # Bytes of HDF5 chunks in memory, so that each is unpacked once.


class DataError(ValueError):
    """A file is missing, unreadable or not of the expected form.

    The message names the file and says what was expected.
    """


class Array:
    """One array of a file, in the axes of its writer, read a block at a time.

    Args:
      path: path of the file, for messages.
      key: name of the array in the file.
      shape: lengths of its axes, in MATLAB's order for MATLAB files.
      get: function from an index (a tuple of slices) to the entries.
    """

    def __init__(self, path: Path, key: str, shape: tuple, get: Callable):
        self.path, self.key, self.shape, self._get = path, key, tuple(shape), get

    def __getitem__(self, index: tuple) -> np.ndarray:
        with wrapped(self.path):
            block = np.asarray(self._get(index))
        if block.dtype.names == ("real", "imag"):
            block = block["real"] + 1j * block["imag"]
        if block.dtype.kind not in "fciu":
            raise DataError(f"{self.path}: {self.key!r} is not numeric: {block.dtype}")
        return block

    def is_complex(self) -> bool:
        """Whether the entries are complex, as the first one is."""
        return self[(slice(0, 1),) * len(self.shape)].dtype.kind == "c"

    def blocks(
        self, axis: int = 0, span: tuple[int, int] | None = None
    ) -> Iterator[tuple[str, np.ndarray]]:
        """Yields (label, block), with the axis of the matrices moved to the front.

        Args:
          axis: axis along which matrices follow one another.
          span: first matrix, and the one behind the last; all matrices if None.

        Yields:
          label: path, key and numbers of the matrices, for messages.
          block: [b, ...], at most `BLOCK` matrices.

        Raises:
          DataError: an entry is NaN or infinite.
        """
        index = [slice(None)] * len(self.shape)
        first, end = span or (0, self.shape[axis])
        for start in range(first, end, BLOCK):
            stop = min(start + BLOCK, end)
            index[axis] = slice(start, stop)
            label = f"{self.path}: {self.key!r}, matrices {start} to {stop - 1}"
            block = np.moveaxis(self[tuple(index)], axis, 0)
            if not np.isfinite(block).all():
                raise DataError(f"{label}: NaN or infinite values, expected finite")
            yield label, block


@contextlib.contextmanager
def arrays(path: Path) -> Iterator[dict[str, Array]]:
    """Opens a file and yields its arrays by name; that of a `.npy` is "array"."""
    if not path.is_file():
        raise DataError(f"{path}: no such file")
    suffix = path.suffix.lower()
    if suffix not in (".npy", ".mat", ".h5", ".hdf5"):
        raise DataError(f"{path}: unknown format, expected .npy, .mat, .h5 or .hdf5")
    with contextlib.ExitStack() as stack:
        with wrapped(path):
            if suffix == ".npy":
                array = np.load(path, mmap_mode="r", allow_pickle=False)
                entries = {"array": (array.shape, array.__getitem__)}
            elif suffix == ".mat" and not h5py.is_hdf5(path):
                entries = {
                    name: (shape, _v5_getter(path, name))
                    for name, shape, _ in scipy.io.whosmat(path, appendmat=False)
                }
            else:
                file = stack.enter_context(h5py.File(path, rdcc_nbytes=_H5_CACHE))
                items = {k: v for k, v in file.items() if isinstance(v, h5py.Dataset)}
                access = _v73_getter if suffix == ".mat" else _h5_getter
                entries = {name: access(item) for name, item in items.items()}
        yield {k: Array(path, k, shape, get) for k, (shape, get) in entries.items()}


def npz(path: Path, key: str, expected: str) -> Array:
    """Returns one array of a `.npz` file, or raises a DataError that lists them."""
    if not path.is_file():
        raise DataError(f"{path}: no such file")
    with wrapped(path), np.load(path, allow_pickle=False) as archive:
        names = list(archive.files)
        array = archive[key] if key in names else None
    if array is None:
        listed = ", ".join(names) or "none"
        raise DataError(
            f"{path}: no variable {key!r}, expected {expected}; found {listed}"
        )
    return Array(path, key, array.shape, array.__getitem__)


def pick(variables: dict[str, Array], path: Path, key: str, expected: str) -> Array:
    """Returns one array of a file, or raises a DataError that lists its arrays."""
    if key not in variables:
        raise DataError(
            f"{path}: no variable {key!r}, expected {expected}; found "
            f"{listing(variables)}"
        )
    return variables[key]


def listing(variables: dict[str, Array]) -> str:
    """Names and shapes of the arrays of a file, for messages."""
    return ", ".join(f"{k} {list(v.shape)}" for k, v in variables.items()) or "none"


def find(folder: str | os.PathLike, name: str) -> Path:
    """Returns the path of a file, or raises a DataError with what the folder holds."""
    path = Path(folder) / name
    if not path.is_file():
        names = sorted(p.name for p in Path(folder).glob("*")) or ["nothing"]
        there = ", ".join(names[:8] + ["..."] * (len(names) > 8))
        raise DataError(f"{path}: no such file; the folder has {there}")
    return path


def split_users(
    num: int,
    split: str,
    label: str | os.PathLike,
    num_val: int = NUM_VAL,
    num_test: int = NUM_TEST,
) -> np.ndarray:
    """Returns the numbers of the matrices of a split.

    The last `num_test` are "test", the `num_val` before them "val", the others "train".

    Args:
      num: number of matrices of all splits.
      split: "train", "val" or "test".
      label: where they come from and how many they are, for messages.
      num_val: number of matrices for validation.
      num_test: number of matrices for test.

    Returns:
      [n], int64, ascending.

    Raises:
      ValueError: unknown split, or nothing for validation or test.
      DataError: too few matrices.
    """
    if min(num_val, num_test) < 1:
        raise ValueError(
            f"num_val is {num_val} and num_test {num_test}; both are 1 or more"
        )
    ends = (0, num - num_test - num_val, num - num_test, num)
    spans = dict(zip(("train", "val", "test"), zip(ends, ends[1:])))
    if split not in spans:
        raise ValueError(f"unknown split {split!r}; known: {', '.join(spans)}")
    if ends[1] < 1:
        raise DataError(
            f"{label}, expected at least {num_val + num_test + 1}: the last "
            f"{num_test} are for test, the {num_val} before them for validation"
        )
    return np.arange(*spans[split])


def read_split(
    array: Array,
    axis: int,
    split: str,
    convert: Callable,
    num_val: int = NUM_VAL,
    num_test: int = NUM_TEST,
    order: np.ndarray | None = None,
) -> np.ndarray:
    """Reads the matrices of a split of a file that holds all of them.

    Args:
      array: the array of the file.
      axis: axis along which its matrices follow one another.
      split: "train", "val" or "test", as in `split_users`.
      convert: function from a block [b, ...] to matrices [b, num_tx, num_delay],
        complex.
      num_val: number of matrices for validation.
      num_test: number of matrices for test.
      order: [n], order of the matrices from which the splits are taken; that of the
        file if None. The matrices of a split always come in the order of the file.

    Returns:
      [n, num_tx, num_delay], complex64, each matrix scaled to max|h| = 0.5.

    Raises:
      ValueError: unknown split.
      DataError: too few matrices, a matrix of NaN, infinite or only zero values.
    """
    num = array.shape[axis]
    label = f"{array.path}: {num} matrices in {array.key!r}"
    chosen = split_users(num, split, label, num_val, num_test)
    if order is not None:
        chosen = np.sort(order[chosen])
    h, first = [], int(chosen[0])
    for label, block in array.blocks(axis, (first, int(chosen[-1]) + 1)):
        inside = chosen[(chosen >= first) & (chosen < first + len(block))] - first
        first, block = first + len(block), block[inside]
        if not block.any(axis=tuple(range(1, block.ndim))).all():
            raise DataError(f"{label}: a matrix is all zero and has no scale")
        if len(block):
            h.append(transforms.to_peak(convert(block))[0])
    return np.concatenate(h)


def cached(
    path: Path,
    key: str,
    width: int,
    shape: tuple,
    dtype: type,
    convert: Callable,
    cache_dir: str | os.PathLike | None = None,
) -> np.ndarray:
    """Returns a memory map of a converted variable.

    The variable is converted if the file is new or has changed.

    Args:
      path: path of the file.
      key: name of its variable, [n, width].
      width: length of a row on disk.
      shape: axes of a converted row.
      dtype: type of the converted entries.
      convert: function from a block and its label to a converted block [b, *shape]; it
        may raise a DataError.
      cache_dir: folder of the converted variables.

    Returns:
      [n, *shape], `dtype`, a read-only memory map.
    """
    stat = path.stat()
    # The path names all conversions of a file; size and time name the current one.
    stem = f"{path.stem}-{_digest(os.path.abspath(path))}"
    name = f"{stem}-{_digest(f'{stat.st_size} {stat.st_mtime_ns}')}.npy"
    target = _cache_folder(cache_dir) / name
    if not target.is_file():
        expected = f"{key} [n, {width}]"
        with arrays(path) as variables:
            array = pick(variables, path, key, expected)
            if len(array.shape) != 2 or array.shape[1] != width or not array.shape[0]:
                raise DataError(
                    f"{path}: {key} is {list(array.shape)}, expected {expected}"
                )
            target.parent.mkdir(parents=True, exist_ok=True)
            with replacing(target) as temporary:
                shape = (array.shape[0], *shape)
                out = np.lib.format.open_memmap(temporary, "w+", dtype, shape)
                for i, (label, block) in enumerate(array.blocks()):
                    out[i * BLOCK : i * BLOCK + len(block)] = convert(block, label)
                out.flush()
                del out
        for stale in set(target.parent.glob(f"{stem}-*.npy")) - {target}:
            stale.unlink(missing_ok=True)
    return np.load(target, mmap_mode="r")


def _v5_getter(path: Path, key: str) -> Callable:
    """Returns the reader of a v5 variable, which is loaded whole at its first call."""
    loaded: list[np.ndarray] = []

    def get(index: tuple) -> np.ndarray:
        if not loaded:
            mat = scipy.io.loadmat(path, variable_names=[key], appendmat=False)
            loaded.append(mat[key])
        return loaded[0][index]

    return get


def _v73_getter(item: h5py.Dataset) -> tuple[tuple, Callable]:
    """Returns shape and reader of a v7.3 variable, with its axes in MATLAB's order."""
    return item.shape[::-1], lambda index: item[index[::-1]].T


def _h5_getter(item: h5py.Dataset) -> tuple[tuple, Callable]:
    """Returns shape and reader of a data set of an HDF5 file."""
    return item.shape, item.__getitem__


@contextlib.contextmanager
def wrapped(path: Path) -> Iterator[None]:
    """Turns every error of the readers of SciPy, h5py and NumPy into a DataError."""
    try:
        yield
    except Exception as error:
        raise DataError(
            f"{path}: cannot be read, truncated or corrupt or of another format "
            f"({type(error).__name__}: {error})"
        ) from error


def _cache_folder(cache_dir: str | os.PathLike | None) -> Path:
    if cache_dir is not None:
        return Path(cache_dir)
    if os.environ.get("TFCSI_CACHE"):
        return Path(os.environ["TFCSI_CACHE"])
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tfcsi"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
