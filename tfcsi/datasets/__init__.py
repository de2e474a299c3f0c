"""Data sources: one module each, which owns its file keys and constants.

`load(name, data_root, split)` reads any of `SOURCES`. The name is that of the module
and of one of its scenarios; `data_root` has a folder for each module:

    cost2100/   DATA_H{train,val,test}{in,out}.mat
    quadriga/   quadriga_uma_nlos_{28ghz,5p3ghz,300mhz}.mat
    raytraced/  munich_3p5ghz.npz, street_canyon_3p5ghz.npz
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np

from tfcsi.datasets import cost2100, quadriga, raytraced

DATASETS = {"cost2100": cost2100, "quadriga": quadriga, "raytraced": raytraced}

Loader = Callable[[os.PathLike, str], np.ndarray]


def _cost2100(scenario: str) -> Loader:
    return lambda data_dir, split: cost2100.load(data_dir, split, scenario)


def _of_file(module: ModuleType, name: str) -> Loader:
    return lambda data_dir, split: module.load(data_dir, name, split)


# Name of a source to its loader: (folder of its files, split) -> h.
SOURCES: dict[str, Loader] = {
    **{f"cost2100_{name}": _cost2100(name) for name in cost2100.SCENARIOS},
    **{f"quadriga_{name}": _of_file(quadriga, name) for name in quadriga.FILES},
    **{f"raytraced_{name}": _of_file(raytraced, name) for name in raytraced.FILES},
}


def get(name: str) -> ModuleType:
    """The module of a data source, by name.

    Raises:
      ValueError: no such source; the message lists those there are.
    """
    if name not in DATASETS:
        raise ValueError(f"unknown dataset {name!r}; known: {', '.join(DATASETS)}")
    return DATASETS[name]


def load(name: str, data_root: str | os.PathLike, split: str) -> np.ndarray:
    """Loads the matrices of one split of a source.

    Args:
      name: a key of `SOURCES`.
      data_root: folder of the folders named above; may be read-only.
      split: "train", "val" or "test".

    Returns:
      [n, num_tx, num_delay], complex64, angles (zero in the middle) by delay taps,
      zero-centred, max|h| = 0.5 a matrix.

    Raises:
      ValueError: unknown name or split; the message lists those there are.
      DataError: a file is missing, unreadable or of another form.
    """
    folder, _ = parts(name)
    return SOURCES[name](Path(data_root) / folder, split)


def parts(name: str) -> tuple[str, str]:
    """Module and scenario that the name of a source is made of, or a ValueError."""
    if name not in SOURCES:
        raise ValueError(f"unknown source {name!r}; known: {', '.join(SOURCES)}")
    module, _, scenario = name.partition("_")
    return module, scenario
