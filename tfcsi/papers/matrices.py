"""The matrices of an experiment: from files, or simulated if there are none."""

from __future__ import annotations

import functools
import json
import os
import pathlib
from typing import NamedTuple

import ml_collections
import numpy as np

from tfcsi import datasets, transforms
from tfcsi.channels import blocks
from tfcsi.codecs.schema import SIMULATED

_NUM_SC = 32  # Subcarriers of simulated matrices in the space-frequency domain.
_NUM_TEST = 1000  # Simulated test matrices, if a budget does not say how many.


class Splits(NamedTuple):
    """Matrices of a source, complex64 [n, num_tx, num_delay], max|h| = 0.5 each."""

    train: np.ndarray
    val: np.ndarray
    test: np.ndarray


def folder_of(data_dir: str | os.PathLike, source: str) -> pathlib.Path:
    """Folder of the files of a source: data_dir, or the folder of the data set in it.

    Args:
      data_dir: Folder of the files of one data set, or of the folders cost2100/,
        quadriga/ and so on.
      source: Name of the source.
    """
    inside = pathlib.Path(data_dir, datasets.parts(source)[0])
    return inside if inside.is_dir() else pathlib.Path(data_dir)


def splits(
    source: str,
    channel: str,
    config: ml_collections.ConfigDict,
    data_dir: str | os.PathLike | None,
    num_test: int | None,
) -> Splits:
    """Reads or simulates the matrices that a config trains on and is tested on.

    Args:
      source: Name of the source.
      channel: Name of the channel that is simulated without files.
      config: Of the training; its domain, options of the source, numbers of matrices
        and seed count.
      data_dir: As `folder_of`; None simulates.
      num_test: Number of test matrices; None for all of the files, or 1000.

    Raises:
      ValueError: As `datasets.read` and `blocks.draw`.
    """
    first = {"train": config.num_train, "val": config.num_val, "test": num_test}
    parts = [
        read(source, channel, config, data_dir, split, first[split])
        for split in blocks.SPLITS
    ]
    return Splits(*parts)


def read(
    source: str,
    channel: str,
    config: ml_collections.ConfigDict,
    data_dir: str | os.PathLike | None,
    split: str,
    num: int | None,
) -> np.ndarray:
    """Reads or simulates one split; arguments and errors as `splits`.

    Returns:
      complex64 [num, num_tx, num_delay].
    """
    options = datasets.options_of(config, source if data_dir else None)
    if data_dir is None:
        num = num or {**SIMULATED, "num_test": _NUM_TEST}[f"num_{split}"]
        return _simulated(channel, split, num, config.seed, options["domain"])
    # Trainings that differ in other fields share the matrices.
    folder = str(folder_of(data_dir, source))
    h = _of_files(source, folder, split, json.dumps(options, sort_keys=True))
    return datasets.take(h, num, source, split)


@functools.lru_cache(maxsize=6)
def _of_files(source: str, folder: str, split: str, options: str) -> np.ndarray:
    return datasets.read(source, folder, split, **json.loads(options))


@functools.lru_cache(maxsize=6)
def _simulated(
    channel: str, split: str, num: int, seed: int, domain: str
) -> np.ndarray:
    """Matrices of a split, the same as `generate` makes."""
    setup: dict[str, object] = {"domain": domain}
    if domain == transforms.DOMAINS[1]:
        setup["num_sc"] = _NUM_SC
    stream = channel, seed, blocks.SPLITS.index(split)
    parts = blocks.blocks_of(num)
    return np.concatenate(
        [blocks.draw(*stream, i, size, setup=setup)[0] for i, _, size in parts]
    )
