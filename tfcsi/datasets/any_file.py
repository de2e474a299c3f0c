"""Reads CSI matrices from a file of the user's own: .npy, .mat or .h5."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from tfcsi import transforms
from tfcsi.datasets import _files
from tfcsi.datasets._files import DataError
from tfcsi.datasets.cost2100 import WIDTH, from_ht


def read_csi(path: str | os.PathLike, key: str | None = None) -> np.ndarray:
    """Reads CSI matrices from a file of the user's own.

    The array is complex [n, num_tx, num_delay], or real [n, num_tx, num_delay, 2], or
    real [n, 2048] in the published form of `HT`. MATLAB users often store the matrices
    last, [num_tx, num_delay, n]: a complex variable of a MATLAB file is read like that
    if only its first two axes have the same length.

    Args:
      path: path of a `.npy`, `.mat` (v5 or v7.3), `.h5` or `.hdf5` file.
      key: name of the variable or dataset; by default the only one that fits.

    Returns:
      [n, num_tx, num_delay], complex64, zero-centred.

    Raises:
      DataError: the file is missing, unreadable or of another form, has NaN or infinite
        values, or several or no variables fit and `key` is None.
    """
    path = Path(path)
    with _files.arrays(path) as variables:
        if key is None:
            fits = [k for k, array in variables.items() if _form(array.shape)]
            if len(fits) != 1:
                raise DataError(
                    f"{path}: {len(fits)} variables could be CSI, so name one by its "
                    f"key; found {_files.listing(variables)}"
                )
            key = fits[0]
        array = _files.pick(variables, path, key, "CSI matrices")
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
        for label, block in array.blocks(axis=2 if last else 0):
            if form == "ht":
                block = from_ht(block, label)
            if form != "h":
                block = transforms.to_complex(block)
            h.append(block.astype(np.complex64))
    return np.concatenate(h)


def _form(shape: tuple) -> str | None:
    """Returns what an array of this shape could be: "ht", "h", "x", or None."""
    if 0 in shape:
        return None
    if len(shape) == 2 and shape[1] == WIDTH:
        return "ht"
    if len(shape) == 4 and shape[-1] == 2:
        return "x"
    return "h" if len(shape) == 3 else None


def _matrices_last(shape: tuple) -> bool:
    """Whether a MATLAB array is [num_tx, num_delay, n], with num_tx = num_delay."""
    return shape[0] == shape[1] != shape[2]
