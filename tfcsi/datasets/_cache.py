"""Keeps converted variables of files as memory maps.

They lie in `cache_dir`, or `$TFCSI_CACHE`, or `$XDG_CACHE_HOME/tfcsi`, or
`~/.cache/tfcsi`. A file appears only when it is complete.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from tfcsi.datasets import _files
from tfcsi.datasets._files import DataError
from tfcsi.files import replacing


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
      cache_dir: folder of the converted variables; by default the user's cache.

    Returns:
      [n, *shape], `dtype`, a read-only memory map.

    Raises:
      DataError: the file is unreadable, or the variable is missing or not [n, width].
    """
    stat = path.stat()
    # The path names all conversions of a file; size and time name the current one.
    stem = f"{path.stem}-{_digest(os.path.abspath(path))}"
    name = f"{stem}-{_digest(f'{stat.st_size} {stat.st_mtime_ns}')}.npy"
    target = _cache_folder(cache_dir) / name
    if not target.is_file():
        expected = f"{key} [n, {width}]"
        with _files.arrays(path) as variables:
            array = _files.pick(variables, path, key, expected)
            if len(array.shape) != 2 or array.shape[1] != width or not array.shape[0]:
                raise DataError(
                    f"{path}: {key} is {list(array.shape)}, expected {expected}"
                )
            with _cache_errors(target), replacing(target) as temporary:
                shape = (array.shape[0], *shape)
                descr = np.lib.format.dtype_to_descr(np.dtype(dtype))
                header = {"descr": descr, "fortran_order": False, "shape": shape}
                with open(temporary, "wb") as file:
                    np.lib.format.write_array_header_1_0(file, header)
                    for label, block in array.blocks():
                        converted = convert(block, label)
                        file.write(np.ascontiguousarray(converted, dtype).data)
        for stale in set(target.parent.glob(f"{stem}-*.npy")) - {target}:
            stale.unlink(missing_ok=True)
    return np.load(target, mmap_mode="r")


@contextlib.contextmanager
def _cache_errors(target: Path) -> Iterator[None]:
    """Makes the folder of a cache; errors name it and what moves it."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        yield
    except OSError as error:
        raise OSError(
            f"the cache {target.parent} cannot be written ({error.strerror or error}): "
            f"make space there, or name another folder by the variable TFCSI_CACHE"
        ) from error


def _cache_folder(cache_dir: str | os.PathLike | None) -> Path:
    if cache_dir is not None:
        return Path(cache_dir)
    if os.environ.get("TFCSI_CACHE"):
        return Path(os.environ["TFCSI_CACHE"])
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tfcsi"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
