"""Files of 3GPP 38.901 UMa NLOS channels that were made with QuaDRiGa.

A file `quadriga_uma_nlos_*.mat` is MATLAB v7.3 with `H`, complex, in MATLAB's axes
[32 angles, 32 delays, n] (h5py shows [n, 32, 32]): the first delay taps of 20 MHz, and
the FFT over a 32-element half-wavelength array with its zero angle first. The users'
positions in the files show that: the strongest bin follows 16 sin(azimuth), counted
from bin 0. Here the zero angle is moved to the middle, where COST 2100 files have it.
"""

from __future__ import annotations

import os

import numpy as np

from tfcsi.datasets import _files
from tfcsi.datasets._files import DataError

KEY = "H"
NUM_TX, NUM_DELAY = 32, 32
FILES = {
    "28ghz": "quadriga_uma_nlos_28ghz.mat",
    "5p3ghz": "quadriga_uma_nlos_5p3ghz.mat",
    "300mhz": "quadriga_uma_nlos_300mhz.mat",
}


def load(data_dir: str | os.PathLike, name: str, split: str) -> np.ndarray:
    """Loads the matrices of one split.

    Args:
      data_dir: folder of the files; may be read-only.
      name: a key of `FILES`, the carrier frequency.
      split: "train", "val" or "test"; the last 400 matrices of a file are test, the 200
        before them validation.

    Returns:
      [n, 32, 32], complex64, angles (zero in the middle) by delay taps, each matrix
      scaled to max|h| = 0.5.

    Raises:
      ValueError: unknown name or split.
      DataError: the file is missing, unreadable, or not H [32, 32, n] complex, finite.
    """
    if name not in FILES:
        raise ValueError(f"unknown name {name!r}; known: {', '.join(FILES)}")
    path = _files.find(data_dir, FILES[name])
    expected = f"complex {KEY} [{NUM_TX}, {NUM_DELAY}, n]"
    with _files.arrays(path) as found:
        array = _files.pick(found, path, KEY, expected)
        if array.shape[:-1] != (NUM_TX, NUM_DELAY) or not array.is_complex():
            kind = "complex" if array.is_complex() else "real"
            raise DataError(
                f"{path}: {KEY!r} is {kind} {list(array.shape)}, expected {expected}"
            )
        return _files.read_split(
            array, 2, split, lambda block: np.fft.fftshift(block, axes=1)
        )
