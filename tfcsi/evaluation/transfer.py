"""Transfer: codecs trained on one source of channels and tested on others.

A base station that moves to another place has a little data from there and phones that
it cannot change. So the few-shot fine-tuning here trains the decoder alone, on what the
encoder, quantiser and tables that are already in the phones make of a few matrices.
"""

from __future__ import annotations

import json
import os
import pathlib
from collections.abc import Sequence

import ml_collections
import numpy as np

from tfcsi import datasets
from tfcsi.codecs import neural
from tfcsi.codecs.neural import Codec
from tfcsi.codecs.workdir import CODEC_FILE, load_config
from tfcsi.evaluation import measure
from tfcsi.training import run
from tfcsi.training.finetune_decoder import check_tuning, finetune_decoder

_MAX_VAL = 500  # Validation matrices that choose the epoch of a fine-tuning.


def transfer(
    config: ml_collections.ConfigDict,
    data_root: str | os.PathLike,
    workdir: str | os.PathLike,
    train_on: Sequence[str],
    test_on: Sequence[str],
    shots: int,
    limit: int | None = None,
    **tuning,
) -> list[dict]:
    """Trains a codec on each of some sources and tests it on others.

    Args:
      config: Of the trainings; its `dataset` and `scenario` become those of the source.
      data_root: Folder of the sources, see `tfcsi.datasets`.
      workdir: Folder of the runs, one a source; a finished run is loaded, a stopped one
        goes on.
      train_on: Names of sources.
      test_on: Names of sources. One that the codec was trained on is the reference.
      shots: Training matrices of the test source that a decoder is tuned on, besides
        the test as trained; 0 for no tuning. A source is not tuned to itself.
      limit: Test matrices of each source, the first ones; all if None.
      **tuning: epochs, batch_size, learning_rate, augment of `finetune_decoder`.

    Returns:
      A point for each pair of sources and, but on the source itself, number of shots:
      train_on, test_on, shots, and as `Codec.describe` and `measure.evaluate`.

    Raises:
      ValueError: If a source is not known or has too few matrices, or a run in the
        workdir has another config; as `run.train` and `finetune_decoder`.
    """
    for name in [*train_on, *test_on]:
        datasets.parts(name)
    check_tuning(**tuning)
    # What lacks is found before the trainings, not after them.
    tests = {name: datasets.load(name, data_root, "test")[:limit] for name in test_on}
    others = [name for name in test_on if set(train_on) - {name}]
    few = {name: _few(name, data_root, shots, config.seed) for name in others}
    points = []
    for source in train_on:
        codec = _trained(config, data_root, pathlib.Path(workdir, source), source)
        for target, h in tests.items():
            tested = {0: codec}
            if shots and target != source:
                tested[shots] = finetune_decoder(
                    codec, *few[target], seed=config.seed, **tuning
                )
            for count, each in tested.items():
                pair = {"train_on": source, "test_on": target, "shots": count}
                known = {**each.describe(), **pair, "dataset": target, "split": "test"}
                points.append({**known, **measure.evaluate(each, h)})
                print(line(points[-1]), flush=True)
    return points


def line(point: dict) -> str:
    """Returns a line of text on a point of `transfer`."""
    return (
        f"{point['train_on']:24s} -> {point['test_on']:24s} {point['shots']:5d} shots "
        f"{point['nmse_db']:8.2f} dB {point['bits']:8.1f} bits"
    )


def _trained(config, data_root, folder: pathlib.Path, source: str) -> Codec:
    """The codec of a source: loaded if its run is finished, else trained."""
    config = ml_collections.ConfigDict(config.to_dict())
    config.dataset, config.scenario = datasets.parts(source)
    if (folder / CODEC_FILE).exists():
        stored, given = load_config(folder).to_dict(), config.to_dict()
        given = json.loads(json.dumps(given))
        keys = given.keys() | stored.keys()
        if differs := sorted(k for k in keys if given.get(k) != stored.get(k)):
            raise ValueError(
                f"the run in {folder} has another config: {differs} differ; give "
                f"another --workdir"
            )
        return neural.load(folder)
    h_train, h_val = (datasets.load(source, data_root, s) for s in ("train", "val"))
    print(f"training on {len(h_train)} matrices of {source}", flush=True)
    return run.train(config, folder, h_train, h_val, resume=True)


def _few(source: str, data_root, shots: int, seed: int) -> tuple:
    """Training matrices of a source that the seed chooses, and for validation."""
    if not shots:
        return ()
    h = datasets.load(source, data_root, "train")
    if shots > len(h):
        raise ValueError(f"shots is {shots}; {source} has {len(h)} training matrices")
    chosen = np.sort(np.random.default_rng(seed).permutation(len(h))[:shots])
    return h[chosen], datasets.load(source, data_root, "val")[:_MAX_VAL]
