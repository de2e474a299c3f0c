"""A data set of one's own: a file of NumPy for each split.

The folder has `SCENARIO_train.npy`, `SCENARIO_val.npy` and `SCENARIO_test.npy`, each
complex [n, num_tx, num_delay] in the angular-delay domain. The source of a scenario
"hall" is `own_hall`:

    tfcsi train --config=classical:own_taps --data_root=DIR --sources=own_hall \
        --workdir=runs/own
"""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np

from tfcsi import files, transforms
from tfcsi.datasets.contract import Dataset


@dataclasses.dataclass(frozen=True)
class Options:
    """Options of `load`; there are none."""


def _of_file(path: Path, domain: str, options: Options) -> np.ndarray:
    """Reads all matrices of a file, max |h| = 0.5 a matrix."""
    del domain, options
    return transforms.to_peak(files.read_csi(path))[0]


def _read(
    folder: Path, scenario: str, split: str, domain: str, options: Options
) -> tuple[np.ndarray, None]:
    """Reads the matrices of a split; None because nothing was cut off here."""
    return _of_file(folder / f"{scenario}_{split}.npy", domain, options), None


def _owns(path: Path, options: Options | None) -> bool:
    """Whether a file is of this data set: a .npy file has no mark, so the run tells."""
    return options is not None and path.suffix == ".npy"


DATASET = Dataset(
    "own", _read, Options, _of_file, _owns, own=("",), domains=("angular_delay",)
)
load = DATASET.load
