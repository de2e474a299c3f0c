"""CSI matrices from a file of the user's: .npy, .mat, .h5."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from tfcsi import transforms
from tfcsi.datasets import _files
from tfcsi.datasets._files import DataError
from tfcsi.datasets.cost2100 import WIDTH, from_ht


def read_csi(path: str | os.PathLike, key: str | None = None) -> np.ndarray:
    """Reads CSI matrices from a file of the user's.

    An array is complex [n, num_tx, num_delay], or real [n, num_tx, num_delay, 2], or
    real [n, 2048] in the published form of `HT`. A complex 3-D variable of a MATLAB
    file may also have its matrices last, [num_tx, num_delay, n], which is how MATLAB
    users store them: taken so if only its first two axes are of one length.

    Args:
      path: a `.npy`, `.mat` (v5 or v7.3), `.h5` or `.hdf5` file.
      key: variable or dataset to read; by default the only one that fits.

    Returns:
      [n, num_tx, num_delay], complex64, zero-centred.

    Raises:
      DataError: the file is missing, unreadable or of another form, has NaN or infinite
        values, or several or no variables fit and `key` is None.
    """
    path = Path(path)
    with _files.arrays(path) as found:
        if key is None:
            fits = [k for k, array in found.items() if _form(array.shape)]
            if len(fits) != 1:
                raise DataError(
                    f"{path}: {len(fits)} variables could be CSI, so name one by its "
                    f"key; found {_files.listing(found)}"
                )
            key = fits[0]
        array = _files.pick(found, path, key, "CSI matrices")
        form, shape = _form(array.shape), array.shape
        if form is None or (form == "h") != array.is_complex():
            kind = "complex" if array.is_complex() else "real"
            raise DataError(
                f"{path}: {key!r} is {kind} {list(shape)}, expected complex "
                f"[n, num_tx, num_delay], real [n, num_tx, num_delay, 2] or real "
                f"[n, {WIDTH}]"
            )
        last = path.suffix.lower() == ".mat" and form == "h" and _matrices_last(shape)
        h = []
        for where, block in array.blocks(axis=2 if last else 0):
            if form == "ht":
                block = from_ht(block, where)
            if form != "h":
                block = transforms.to_complex(block)
            h.append(block.astype(np.complex64))
    return np.concatenate(h)


def _form(shape: tuple) -> str | None:
    """What an array of this shape could be: "ht", "h", "x" or nothing."""
    if 0 in shape:
        return None
    if len(shape) == 2 and shape[1] == WIDTH:
        return "ht"
    if len(shape) == 4 and shape[-1] == 2:
        return "x"
    return "h" if len(shape) == 3 else None


def _matrices_last(shape: tuple) -> bool:
    """Whether a MATLAB array is [num_tx, num_delay, n], by num_tx = num_delay."""
    return shape[0] == shape[1] != shape[2]
