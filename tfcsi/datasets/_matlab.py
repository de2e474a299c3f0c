"""Writes MATLAB files block by block; `_files` reads them."""

from __future__ import annotations

import struct
import tempfile
import zlib
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np

from tfcsi.datasets import _files
from tfcsi.files import replacing


def write_mat(path: Path, key: str, num: int, rows: Callable, version: str) -> None:
    """Writes one MATLAB variable [num, width], as MATLAB v5 or v7.3, block by block.

    Args:
      path: path of the file to write.
      key: name of the variable.
      num: number of its rows, at least one.
      rows: function from (start, stop) to a block of rows, float64 or complex128.
      version: "5" or "7.3".

    Raises:
      ValueError: unknown version.
    """
    if version not in ("5", "7.3"):
        raise ValueError(f"unknown MATLAB version {version!r}; known: 5, 7.3")
    spans = [(i, min(i + _files.BLOCK, num)) for i in range(0, num, _files.BLOCK)]
    head = rows(0, 1)
    with replacing(path) as temporary:
        if version == "5":
            # On disk the columns follow one another, so the rows are collected first.
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
        with open(temporary, "r+b") as file:  # MATLAB knows v7.3 files by this mark.
            file.write(b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM")


def _write_v5(path: Path, key: str, columns: np.ndarray) -> None:
    """Writes columns [width, num], double or complex, as one compressed variable.

    The writer of SciPy would hold the variable in memory three times.
    """
    is_complex = columns.dtype.kind == "c"
    width, num = columns.shape
    name = key.encode().ljust(-(-len(key) // 8) * 8, b"\0")
    head = struct.pack("<4I", 6, 8, 6 | is_complex << 11, 0)  # Class double, flags.
    head += struct.pack("<2I2i", 5, 8, num, width)
    head += struct.pack("<2I", 1, len(key)) + name
    size = len(head) + (1 + is_complex) * (8 + 8 * num * width)
    step = max(1, (1 << 22) // num)
    with open(path, "wb") as file:
        file.write(b"MATLAB 5.0 MAT-file".ljust(116) + bytes(8) + b"\x00\x01IM")
        file.write(
            struct.pack("<2I", 15, 0)
        )  # A compressed element; its length follows.
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
