"""Files of ray-traced channels in the form of a DeepMIMO data set.

A file `*_3p5ghz.npz` holds `channel`, complex [n, 1, 32, 32]: users, their antenna,
antennas of the base station, subcarriers of rising frequency. `deepmimo` reads it. It
becomes angular-delay as COST 2100's files did: the FFT over antennas with zero angle in
the middle, the inverse FFT over subcarriers. All 32 delays are kept, so nothing is
lost; delays of more than 320 ns, the inverse of the subcarrier spacing, come round.
"""

from __future__ import annotations

import os

import numpy as np

from tfcsi import transforms
from tfcsi.datasets import _files, deepmimo
from tfcsi.datasets._files import DataError
from tfcsi.datasets.deepmimo import KEY

NUM_TX, NUM_SC = 32, 32
FILES = {
    "munich": "munich_3p5ghz.npz",
    "street_canyon": "street_canyon_3p5ghz.npz",
}


def load(
    data_dir: str | os.PathLike,
    name: str,
    split: str,
    domain: str = "angular_delay",
    timing: str = "absolute",
) -> np.ndarray:
    """Loads the matrices of one split.

    Args:
      data_dir: folder of the files; may be read-only.
      name: a key of `FILES`, the street.
      split: "train", "val" or "test"; the last 400 matrices of a file are test, the 200
        before them validation.
      domain: "angular_delay" or "space_frequency".
      timing: "absolute", delays as in the file, from the base station to the user; or
        "strongest", see `transforms.synchronize`.

    Returns:
      [n, 32, 32], complex64, angles (zero in the middle) by delay taps, or antennas by
      subcarriers, each matrix scaled to max|h| = 0.5.

    Raises:
      ValueError: unknown name, split, domain or timing.
      DataError: the file is missing, unreadable, or not `channel` [n, 1, 32, 32]
        complex, finite.
    """
    if name not in FILES:
        raise ValueError(f"unknown name {name!r}; known: {', '.join(FILES)}")
    transforms.check_domain(domain)
    expected = f"complex {KEY} [n, 1, {NUM_TX}, {NUM_SC}]"
    path = _files.find(data_dir, FILES[name])
    array = deepmimo.generated(path)
    if array.shape[1:] != (1, NUM_TX, NUM_SC) or not array.is_complex():
        kind = "complex" if array.is_complex() else "real"
        raise DataError(
            f"{path}: {KEY!r} is {kind} {list(array.shape)}, expected {expected}"
        )
    convert = deepmimo.converter(array, domain, 0, NUM_SC, "spread", timing)
    return _files.read_split(array, 0, split, convert)
