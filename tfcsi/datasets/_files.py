"""Arrays in .npy, .npz, MATLAB (v5, v7.3) and HDF5 files: read, cached, written.

MATLAB v7.3 files are HDF5 with axes reversed on disk and complex numbers as a compound
(real, imag); here they are given MATLAB's axes and are complex. A v5 variable can only
be read whole: a real one takes its own size of memory, a complex one up to three times.
Conversions are kept as memory maps in `cache_dir`, or `$TFCSI_CACHE`, or
`$XDG_CACHE_HOME/tfcsi`, or `~/.cache/tfcsi`. Files appear only when complete.
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

BLOCK = 1000  # matrices in memory at a time
NUM_VAL, NUM_TEST = 200, 400  # matrices of a file that holds all splits
_H5_CACHE = 1 << 28  # bytes of HDF5 chunks held, so that none is unpacked twice


class DataError(ValueError):
    """A file is missing, unreadable or not of the expected form; says which and how."""


class Array:
    """One array of a file, in the axes of its writer, read a block at a time.

    Args:
      path: the file, for messages.
      key: name of the array in the file.
      shape: its axes, in MATLAB's order for MATLAB files.
      get: reads an index (a tuple of slices).
    """

    def __init__(self, path: Path, key: str, shape: tuple, get: Callable):
        self.path, self.key, self.shape, self._get = path, key, tuple(shape), get

    def __getitem__(self, index: tuple) -> np.ndarray:
        with _wrapped(self.path):
            block = np.asarray(self._get(index))
        if block.dtype.names == ("real", "imag"):
            block = block["real"] + 1j * block["imag"]
        if block.dtype.kind not in "fciu":
            raise DataError(f"{self.path}: {self.key!r} is not numeric: {block.dtype}")
        return block

    def is_complex(self) -> bool:
        """Whether the entries are complex, read off the first one."""
        return self[(slice(0, 1),) * len(self.shape)].dtype.kind == "c"

    def blocks(
        self, axis: int = 0, span: tuple[int, int] | None = None
    ) -> Iterator[tuple[str, np.ndarray]]:
        """Yields (where, block): matrices counted by `axis`, moved to the front.

        Those from span[0] to before span[1], or all.
        """
        index = [slice(None)] * len(self.shape)
        first, end = span or (0, self.shape[axis])
        for start in range(first, end, BLOCK):
            stop = min(start + BLOCK, end)
            index[axis] = slice(start, stop)
            where = f"{self.path}: {self.key!r}, matrices {start} to {stop - 1}"
            block = np.moveaxis(self[tuple(index)], axis, 0)
            if not np.isfinite(block).all():
                raise DataError(f"{where}: NaN or infinite values, expected finite")
            yield where, block


@contextlib.contextmanager
def arrays(path: Path) -> Iterator[dict[str, Array]]:
    """Opens a file and yields its arrays by name (a `.npy` has one, "array")."""
    if not path.is_file():
        raise DataError(f"{path}: no such file")
    suffix = path.suffix.lower()
    if suffix not in (".npy", ".mat", ".h5", ".hdf5"):
        raise DataError(f"{path}: unknown format, expected .npy, .mat, .h5 or .hdf5")
    with contextlib.ExitStack() as stack:
        with _wrapped(path):
            if suffix == ".npy":
                array = np.load(path, mmap_mode="r", allow_pickle=False)
                found = {"array": (array.shape, array.__getitem__)}
            elif suffix == ".mat" and not h5py.is_hdf5(path):
                found = {
                    name: (shape, _v5_getter(path, name))
                    for name, shape, _ in scipy.io.whosmat(path, appendmat=False)
                }
            else:
                file = stack.enter_context(h5py.File(path, rdcc_nbytes=_H5_CACHE))
                items = {k: v for k, v in file.items() if isinstance(v, h5py.Dataset)}
                access = _v73_getter if suffix == ".mat" else _h5_getter
                found = {name: access(item) for name, item in items.items()}
        yield {k: Array(path, k, shape, get) for k, (shape, get) in found.items()}


def npz(path: Path, key: str, expected: str) -> Array:
    """One array of a `.npz` file, read whole; DataError if it is not there."""
    if not path.is_file():
        raise DataError(f"{path}: no such file")
    with _wrapped(path), np.load(path, allow_pickle=False) as archive:
        names = list(archive.files)
        array = archive[key] if key in names else None
    if array is None:
        found = ", ".join(names) or "none"
        raise DataError(
            f"{path}: no variable {key!r}, expected {expected}; found {found}"
        )
    return Array(path, key, array.shape, array.__getitem__)


def pick(found: dict[str, Array], path: Path, key: str, expected: str) -> Array:
    """One of the arrays of a file, or a DataError that lists those there are."""
    if key not in found:
        raise DataError(
            f"{path}: no variable {key!r}, expected {expected}; found {listing(found)}"
        )
    return found[key]


def listing(found: dict[str, Array]) -> str:
    """Names and shapes of the arrays of a file, for messages."""
    return ", ".join(f"{k} {list(v.shape)}" for k, v in found.items()) or "none"


def find(folder: str | os.PathLike, name: str) -> Path:
    """Path of a file, or a DataError that says what the folder has instead."""
    path = Path(folder) / name
    if not path.is_file():
        there = sorted(p.name for p in Path(folder).glob("*")) or ["nothing"]
        there = ", ".join(there[:8] + ["..."] * (len(there) > 8))
        raise DataError(f"{path}: no such file; the folder has {there}")
    return path


def read_split(array: Array, axis: int, split: str, convert: Callable) -> np.ndarray:
    """Reads the matrices of a split of a file that holds all of them.

    The last 400 matrices are "test", the 200 before them "val", the others "train".

    Args:
      array: of the file.
      axis: by which its matrices are counted.
      split: "train", "val" or "test".
      convert: block [b, ...] to angular-delay matrices [b, num_tx, num_delay], complex.

    Returns:
      [n, num_tx, num_delay], complex64, each matrix scaled to max|h| = 0.5.

    Raises:
      ValueError: unknown split.
      DataError: too few matrices, a matrix of NaN, infinite or only zero values.
    """
    num = array.shape[axis]
    ends = (0, num - NUM_TEST - NUM_VAL, num - NUM_TEST, num)
    spans = dict(zip(("train", "val", "test"), zip(ends, ends[1:])))
    if split not in spans:
        raise ValueError(f"unknown split {split!r}; known: {', '.join(spans)}")
    if ends[1] < 1:
        raise DataError(
            f"{array.path}: {num} matrices in {array.key!r}, expected at least "
            f"{NUM_VAL + NUM_TEST + 1}: the last {NUM_TEST} are for test, the "
            f"{NUM_VAL} before them for validation"
        )
    h = []
    for where, block in array.blocks(axis, spans[split]):
        if not block.any(axis=tuple(range(1, block.ndim))).all():
            raise DataError(f"{where}: a matrix is all zero and has no scale")
        x01, _ = transforms.to_unit_interval(convert(block))
        h.append(transforms.from_unit_interval(x01))
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
    """Memory map of a converted variable, made if the file is new or has changed.

    Args:
      path: the file.
      key: its variable, [n, width].
      width: length of a row on disk.
      shape: axes of a row once converted.
      dtype: type once converted.
      convert: (block, where) to a block [b, *shape]; may raise DataError.
      cache_dir: folder of the conversions.

    Returns:
      [n, *shape], `dtype`, a read-only memory map.
    """
    stat = path.stat()
    # The path finds the conversions of a file; size and time tell the current one.
    stem = f"{path.stem}-{_digest(os.path.abspath(path))}"
    name = f"{stem}-{_digest(f'{stat.st_size} {stat.st_mtime_ns}')}.npy"
    target = _cache_folder(cache_dir) / name
    if not target.is_file():
        expected = f"{key} [n, {width}]"
        with arrays(path) as found:
            array = pick(found, path, key, expected)
            if len(array.shape) != 2 or array.shape[1] != width or not array.shape[0]:
                raise DataError(
                    f"{path}: {key} is {list(array.shape)}, expected {expected}"
                )
            target.parent.mkdir(parents=True, exist_ok=True)
            with replacing(target) as temporary:
                shape = (array.shape[0], *shape)
                out = np.lib.format.open_memmap(temporary, "w+", dtype, shape)
                for i, (where, block) in enumerate(array.blocks()):
                    out[i * BLOCK : i * BLOCK + len(block)] = convert(block, where)
                out.flush()
                del out
        for stale in set(target.parent.glob(f"{stem}-*.npy")) - {target}:
            stale.unlink(missing_ok=True)
    return np.load(target, mmap_mode="r")


def write_mat(path: Path, key: str, num: int, rows: Callable, version: str) -> None:
    """Writes one MATLAB variable [num, width], as MATLAB v5 or v7.3.

    Args:
      path: file to write.
      key: name of the variable.
      num: its rows, at least one.
      rows: (start, stop) to a block of rows, float64 or complex128.
      version: "5" (held in memory once) or "7.3" (written in blocks).

    Raises:
      ValueError: unknown version.
    """
    if version not in ("5", "7.3"):
        raise ValueError(f"unknown MATLAB version {version!r}; known: 5, 7.3")
    spans = [(i, min(i + BLOCK, num)) for i in range(0, num, BLOCK)]
    with replacing(path) as temporary:
        if version == "5":
            array = np.concatenate([rows(*span) for span in spans])
            mat = {key: array}
            scipy.io.savemat(temporary, mat, appendmat=False, do_compression=True)
            return
        head = rows(0, 1)
        dtype, width = head.dtype, head.shape[1]
        if dtype.kind == "c":
            dtype = np.dtype([("real", np.float64), ("imag", np.float64)])
        with h5py.File(temporary, "w", userblock_size=512) as file:
            chunks = (width, min(num, 64))
            options = {"chunks": chunks, "compression": "gzip", "compression_opts": 3}
            dataset = file.create_dataset(key, (width, num), dtype, **options)
            dataset.attrs["MATLAB_class"] = np.bytes_("double")
            for start, stop in spans:
                block = np.ascontiguousarray(rows(start, stop).T)
                dataset[:, start:stop] = block.view(dtype)
        with open(temporary, "r+b") as file:  # by which MATLAB knows its v7.3 files
            file.write(b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM")


def _v5_getter(path: Path, key: str) -> Callable:
    """Reader of a v5 variable, which is loaded whole at the first call."""
    loaded: list[np.ndarray] = []

    def get(index: tuple) -> np.ndarray:
        if not loaded:
            mat = scipy.io.loadmat(path, variable_names=[key], appendmat=False)
            loaded.append(mat[key])
        return loaded[0][index]

    return get


def _v73_getter(item: h5py.Dataset) -> tuple[tuple, Callable]:
    """Shape and reader of a v7.3 variable, with its axes in MATLAB's order."""
    return item.shape[::-1], lambda index: item[index[::-1]].T


def _h5_getter(item: h5py.Dataset) -> tuple[tuple, Callable]:
    """Shape and reader of a data set of an HDF5 file."""
    return item.shape, item.__getitem__


@contextlib.contextmanager
def _wrapped(path: Path) -> Iterator[None]:
    """Turns whatever the readers of scipy, h5py and NumPy raise into a DataError."""
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
