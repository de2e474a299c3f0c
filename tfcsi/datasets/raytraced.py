"""Files of ray-traced channels in the form of a DeepMIMO data set.

A file `*_3p5ghz.npz` holds `channel`, complex [n, 1, 32, 32]: users, their antenna,
antennas of the base station, subcarriers of rising frequency. `deepmimo` reads it. It
becomes angular-delay as COST 2100's files did: the FFT over antennas with zero angle in
the middle, the inverse FFT over subcarriers. All 32 delays are kept, so nothing is
lost; delays of more than 320 ns, the inverse of the subcarrier spacing, wrap around.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np

from tfcsi.datasets import _files, deepmimo
from tfcsi.datasets._files import DataError
from tfcsi.datasets.contract import Dataset
from tfcsi.datasets.deepmimo import KEY

NUM_TX, NUM_SC = 32, 32
FILES = {
    "munich": "munich_3p5ghz.npz",
    "street_canyon": "street_canyon_3p5ghz.npz",
}


@dataclasses.dataclass(frozen=True)
class Options:
    """Options of `load`.

    Attributes:
      timing: "absolute", delays as in the file, from the base station to the user; or
        "strongest", see `transforms.synchronize`.
    """

    timing: str = "absolute"


def _read(
    folder: Path, scenario: str, split: str, domain: str, options: Options
) -> tuple[np.ndarray, None]:
    """Matrices [n, 32, 32]: the last 400 are test, the 200 before them validation."""
    path = _files.find(folder, FILES[scenario])
    array = deepmimo.generated(path)
    if array.shape[1:] != (1, NUM_TX, NUM_SC) or not array.is_complex():
        kind = "complex" if array.is_complex() else "real"
        raise DataError(
            f"{path}: {KEY!r} is {kind} {list(array.shape)}, expected complex {KEY} "
            f"[n, 1, {NUM_TX}, {NUM_SC}]"
        )
    convert = deepmimo.converter(array, domain, 0, NUM_SC, "spread", options.timing)
    return _files.read_split(array, 0, split, convert), None


DATASET = Dataset("raytraced", _read, Options, tuple(FILES))
load = DATASET.load
