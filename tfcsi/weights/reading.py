"""Reads a file of weights of any kind, which its first bytes tell."""

from __future__ import annotations

import os
from collections.abc import Iterable

import numpy as np

from tfcsi import files
from tfcsi.archives import Archive
from tfcsi.weights import keras_files, pytorch

NUMPY = "w/"  # Before the names of weights in archives that hold other arrays, too.


def read(path: str | os.PathLike) -> dict[str, np.ndarray]:
    """Reads the weights of a file.

    Args:
      path: A file of PyTorch (.pth, .pth.tar, .pt), of Keras (.h5) or of NumPy (.npz).
        If names in a .npz file begin with "w/", those are the weights.

    Returns:
      Name of each weight to its numbers, as the file has them.

    Raises:
      OSError: If the file cannot be read.
      ValueError: If it is of no such kind, is damaged, or holds a weight that is not
        finite. The message names the file.
    """
    files.check_input(path)
    with open(path, "rb") as file:
        head = file.read(len(keras_files.HDF5))
    if head == keras_files.HDF5:
        arrays = keras_files.read(path)
    elif head.startswith(pytorch.ZIP) and os.fspath(path).endswith(".npz"):
        arrays = _of_archive(Archive(path))
    else:
        arrays = pytorch.read(path)
    for name, array in arrays.items():
        if array.dtype.kind not in "fiub":
            raise ValueError(f"{path}: {name} is of {array.dtype}; weights are numbers")
        if not np.isfinite(array).all():
            raise ValueError(f"{path}: {name} is not finite")
    return arrays


def read_all(paths: Iterable[str | os.PathLike]) -> list[dict[str, np.ndarray]]:
    """Reads the weights of some files, as `read`."""
    return [read(path) for path in paths]


def _of_archive(archive: Archive) -> dict[str, np.ndarray]:
    marked = [name for name in archive if name.startswith(NUMPY)]
    if marked:
        return {name[len(NUMPY) :]: archive[name] for name in marked}
    return {name: archive[name] for name in archive}
