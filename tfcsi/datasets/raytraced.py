"""Files of ray-traced channels in the form of a DeepMIMO data set.

A file `*_3p5ghz.npz` holds `channel`, complex [n, 1, 32, 32]. Its axes are users, the
antenna of the user, antennas of the base station, and subcarriers of rising frequency.
The matrices are transformed like the published COST 2100 files: an FFT over antennas
with the zero angle in the middle, and an inverse FFT over subcarriers. All 32 delay
taps are kept, so no energy is lost. Delays beyond 320 ns, the inverse of the subcarrier
spacing, wrap around.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np

from tfcsi.datasets import _files, _splits, deepmimo
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
      timing: "absolute" keeps the delays of the file, from the base station to the
        user; "strongest" counts them from the strongest path, see
        `transforms.synchronize`.
      num_val: number of matrices for validation.
      num_test: number of matrices for test.
      keep_empty: whether matrices of zeros or NaN are kept, as zeros.
    """

    timing: str = "absolute"
    num_val: int = _splits.NUM_VAL
    num_test: int = _splits.NUM_TEST
    keep_empty: bool = False


def _read(
    folder: Path, scenario: str, split: str, domain: str, options: Options
) -> tuple[np.ndarray, None]:
    """Reads matrices [n, 32, 32].

    The last `num_test` of a file are for test, the `num_val` before them for
    validation.
    """
    return _of_path(_files.find(folder, FILES[scenario]), split, domain, options), None


def _of_path(path: Path, split: str, domain: str, options: Options) -> np.ndarray:
    array = deepmimo.generated(path)
    if array.shape[1:] != (1, NUM_TX, NUM_SC) or not array.is_complex():
        kind = "complex" if array.is_complex() else "real"
        raise DataError(
            f"{path}: {KEY!r} is {kind} {list(array.shape)}, expected complex {KEY} "
            f"[n, 1, {NUM_TX}, {NUM_SC}]"
        )
    o, matrices = options, deepmimo.arranged(array, 0)
    convert = deepmimo.converter(matrices, domain, NUM_SC, "spread", o.timing)
    counts = (o.num_val, o.num_test)
    return _splits.read_split(
        matrices, split, convert, *counts, keep_empty=o.keep_empty
    )


def _of_file(path: Path, domain: str, options: Options) -> np.ndarray:
    """Reads all matrices of a file."""
    return _of_path(path, _splits.ALL, domain, options)


def _owns(path: Path, options: Options | None) -> bool:
    """Whether a file has the form of a generated data set, and the run is of these."""
    return options is not None and deepmimo.DATASET.owns(path, deepmimo.Options())


DATASET = Dataset("raytraced", _read, Options, _of_file, _owns, tuple(FILES))
load = DATASET.load
