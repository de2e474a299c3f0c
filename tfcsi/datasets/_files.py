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
import struct
import tempfile
import zlib
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
        with wrapped(self.path):
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
        with wrapped(path):
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
    with wrapped(path), np.load(path, allow_pickle=False) as archive:
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


def split_users(
    num: int,
    split: str,
    where: str | os.PathLike,
    num_val: int = NUM_VAL,
    num_test: int = NUM_TEST,
) -> np.ndarray:
    """Places of the matrices of a split among `num`.

    The last `num_test` are "test", the `num_val` before them "val", the others "train".

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
            f"{where}, expected at least {num_val + num_test + 1}: the last "
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
      array: of the file.
      axis: by which its matrices are counted.
      split: "train", "val" or "test", as `split_users` takes them.
      convert: block [b, ...] to matrices [b, num_tx, num_delay], complex.
      num_val: matrices for validation.
      num_test: matrices for test.
      order: [n], places in the file from which the splits are taken; their own order
        if None. The matrices of a split come in the order of the file.

    Returns:
      [n, num_tx, num_delay], complex64, each matrix scaled to max|h| = 0.5.

    Raises:
      ValueError: unknown split.
      DataError: too few matrices, a matrix of NaN, infinite or only zero values.
    """
    num = array.shape[axis]
    where = f"{array.path}: {num} matrices in {array.key!r}"
    chosen = split_users(num, split, where, num_val, num_test)
    if order is not None:
        chosen = np.sort(order[chosen])
    h, first = [], int(chosen[0])
    for where, block in array.blocks(axis, (first, int(chosen[-1]) + 1)):
        inside = chosen[(chosen >= first) & (chosen < first + len(block))] - first
        first, block = first + len(block), block[inside]
        if not block.any(axis=tuple(range(1, block.ndim))).all():
            raise DataError(f"{where}: a matrix is all zero and has no scale")
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
      version: "5" or "7.3"; both are written in blocks.

    Raises:
      ValueError: unknown version.
    """
    if version not in ("5", "7.3"):
        raise ValueError(f"unknown MATLAB version {version!r}; known: 5, 7.3")
    spans = [(i, min(i + BLOCK, num)) for i in range(0, num, BLOCK)]
    head = rows(0, 1)
    with replacing(path) as temporary:
        if version == "5":
            # On disk the columns follow one another, so the rows wait in a file.
            with tempfile.TemporaryFile(dir=path.parent) as scratch:
                columns = np.memmap(scratch, head.dtype, shape=(head.shape[1], num))
                for start, stop in spans:
                    columns[:, start:stop] = rows(start, stop).T
                _write_v5(temporary, key, columns)
                del columns
            return
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


def _write_v5(path: Path, key: str, columns: np.ndarray) -> None:
    """Writes columns [width, num], double or complex, as one compressed variable.

    scipy's writer holds a variable in memory three times.
    """
    is_complex = columns.dtype.kind == "c"
    width, num = columns.shape
    name = key.encode().ljust(-(-len(key) // 8) * 8, b"\0")
    head = struct.pack("<4I", 6, 8, 6 | is_complex << 11, 0)  # class double, flags
    head += struct.pack("<2I2i", 5, 8, num, width)
    head += struct.pack("<2I", 1, len(key)) + name
    size = len(head) + (1 + is_complex) * (8 + 8 * num * width)
    step = max(1, (1 << 22) // num)
    with open(path, "wb") as file:
        file.write(b"MATLAB 5.0 MAT-file".ljust(116) + bytes(8) + b"\x00\x01IM")
        file.write(struct.pack("<2I", 15, 0))  # a compressed element, its length below
        zipped = zlib.compressobj(1)
        file.write(zipped.compress(struct.pack("<2I", 14, size) + head))
        for part in ("real", "imag")[: 1 + is_complex]:
            file.write(zipped.compress(struct.pack("<2I", 9, 8 * num * width)))
            for i in range(0, width, step):
                block = columns[i : i + step]
                block = getattr(block, part) if is_complex else block
                file.write(zipped.compress(block.tobytes()))
        file.write(zipped.flush())
        length = file.tell() - 136
        file.seek(132)
        file.write(struct.pack("<I", length))


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
def wrapped(path: Path) -> Iterator[None]:
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
