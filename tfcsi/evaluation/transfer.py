"""Transfer: codecs that are trained on one source of channels and tested on others.

A base station at a new place has few data from there, and it cannot change the phones.
So only the decoder is tuned, on the codewords of a few matrices from the new place. The
encoder, the quantiser and the tables in the phones stay the same. A codec without a
network is not tuned.
"""

from __future__ import annotations

import json
import os
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import ml_collections
import numpy as np

from tfcsi import datasets
from tfcsi.codecs import neural
from tfcsi.codecs.contract import Codec
from tfcsi.codecs.workdir import CODEC_FILE, KINDS, load_config
from tfcsi.evaluation import measure
from tfcsi.training import fit
from tfcsi.training.finetune_decoder import check_tuning, finetune_decoder
from tfcsi.transforms import domain_of

_MAX_VAL = 500  # Number of validation matrices that choose the epoch of a tuning.


def transfer(
    config: ml_collections.ConfigDict,
    data_root: str | os.PathLike,
    workdir: str | os.PathLike,
    train_on: Sequence[str],
    test_on: Sequence[str],
    shots: int,
    limit: int | None = None,
    options: Mapping[str, Mapping[str, Any]] | None = None,
    **tuning: Any,
) -> list[dict]:
    """Trains a codec on each of some sources and tests it on others.

    Every source is read in the domain of the codec, `config.domain`, and scaled to
    max|h| = 0.5 a matrix, as networks are trained.

    Args:
      config: Config of the trainings. Its `dataset`, `scenario` and `source` become
        those of the source. The fields of its `source` are options of all sources of
        its own `dataset`.
      data_root: Folder of the sources, see `tfcsi.datasets`.
      workdir: Folder of the runs, one for each source. A finished run is loaded and a
        stopped one goes on.
      train_on: Names of sources.
      test_on: Names of sources. One that the codec was trained on is the reference.
      shots: Number of training matrices of the test source on which a decoder is tuned,
        besides the test as trained; 0 for no tuning. A source is not tuned to itself.
      limit: Number of test matrices of each source, the first ones; all if None.
      options: Name of a source to options of `datasets.load`, such as
        {"deepmimo_O1_3p5": {"bs": 3}}; they override those of the config.
      **tuning: epochs, batch_size, learning_rate, augment of `finetune_decoder`; not
        needed without shots.

    Returns:
      A point for each pair of sources as trained, and one with the tuned decoder if
      the sources differ and there are shots. A point has train_on, test_on, shots, and
      the entries of `Codec.describe` and `measure.evaluate`.

    Raises:
      ValueError: If a source is not known, has too few matrices, or cannot give
        matrices of the domain and the shape of the config; if options are given for a
        source that is neither trained nor tested on; if a run in the workdir has
        another config; if there are shots for a codec without a network; as `fit.train`
        and `finetune_decoder`.
    """
    if shots and config.model in KINDS:
        raise ValueError(
            f"shots is {shots}; the codec {config.model!r} has no network that could "
            f"be tuned, so give 0"
        )
    names = list(dict.fromkeys([*train_on, *test_on]))
    sources = Sources(config, data_root, names, options or {})
    if shots:
        check_tuning(**tuning)
    # Missing files, options and matrices are found before the trainings, not after.
    tests = {name: sources.load(name, "test")[:limit] for name in test_on}
    others = [name for name in test_on if set(train_on) - {name}]
    few = {name: _few(sources, name, shots, config.seed) for name in others}
    points = []
    for source in train_on:
        codec = _trained(sources, pathlib.Path(workdir, source), source)
        for target, h in tests.items():
            tested = {0: codec}
            if shots and target != source and isinstance(codec, neural.Codec):
                h_train, h_val = few[target]
                tested[shots] = finetune_decoder(
                    codec, h_train, h_val, seed=config.seed, **tuning
                )
            for count, each in tested.items():
                pair = {"train_on": source, "test_on": target, "shots": count}
                known = {**each.describe(), **pair, "dataset": target, "split": "test"}
                points.append({**known, **measure.evaluate(each, h)})
                print(line(points[-1]), flush=True)
    return points


class Sources:
    """Reads sources for one codec: in its domain and shape, each with own options.

    Args:
      config: Config of the codec.
      data_root: Folder of the sources.
      names: Names of the sources.
      options: Options of sources, as in `transfer`.

    Raises:
      ValueError: If a name is not a source, or options are given for another one.
    """

    def __init__(
        self,
        config: ml_collections.ConfigDict,
        data_root: str | os.PathLike,
        names: Sequence[str],
        options: Mapping[str, Mapping[str, Any]],
    ):
        self.config, self._data_root = config, data_root
        if strangers := [name for name in options if name not in names]:
            raise ValueError(
                f"options are given for {strangers[0]!r}, which is none of the sources "
                f"{', '.join(names)}"
            )
        self.domain, self.options = domain_of(config), {}
        for name in names:
            own = datasets.options_of(config, name)
            del own["domain"]  # All sources are read in the domain of the codec.
            self.options[name] = {**own, **options.get(name, {})}

    def config_of(self, name: str) -> ml_collections.ConfigDict:
        """Returns the config of a training on a source.

        Args:
          name: Name of the source.

        Returns:
          A copy of the config with the fields `dataset`, `scenario` and `source` of the
          source.

        Raises:
          ValueError: As `datasets.parts`.
        """
        config = ml_collections.ConfigDict(self.config.to_dict())
        config.dataset, config.scenario = datasets.parts(name)
        if self.options[name] or "source" in config:
            config.source = ml_collections.ConfigDict(self.options[name])
        return config

    def load(self, name: str, split: str) -> np.ndarray:
        """Loads a split of a source.

        Args:
          name: Name of the source.
          split: "train", "val" or "test".

        Returns:
          complex64 [n, num_tx, num_delay], max |h| = 0.5 a matrix.

        Raises:
          ValueError: If the source cannot give the domain or the shape of the config,
            or as `datasets.load`.
        """
        domain, options = self.domain, self.options[name]
        h = datasets.load(name, self._data_root, split, domain, **options)
        if h.shape[1:] != tuple(self.config.shape):
            raise ValueError(
                f"{name} gives matrices of {list(h.shape[1:])} in domain {domain!r}, "
                f"but the codec takes {list(self.config.shape)}; give other options of "
                f"{name} or another --config.shape"
            )
        first = None if split == "test" else self.config.get(f"num_{split}")
        return datasets.take(h, first, name, split)


def line(point: dict) -> str:
    """Returns a point of `transfer` as a line: sources, shots, NMSE and bits."""
    return (
        f"{point['train_on']:24s} -> {point['test_on']:24s} {point['shots']:5d} shots "
        f"{point['nmse_db']:8.2f} dB {point['bits']:8.1f} bits"
    )


def _trained(sources: Sources, folder: pathlib.Path, source: str) -> Codec:
    """Loads the codec of a source if its run is finished, else trains it."""
    config = sources.config_of(source)
    if (folder / CODEC_FILE).exists() and config.model not in KINDS:
        stored = load_config(folder).to_dict()
        wanted = json.loads(json.dumps(config.to_dict()))
        keys = wanted.keys() | stored.keys()
        if differs := sorted(k for k in keys if wanted.get(k) != stored.get(k)):
            raise ValueError(
                f"the run in {folder} has another config: it differs in "
                f"{', '.join(differs)}; give another --workdir"
            )
        return neural.load(folder)
    h_train, h_val = (sources.load(source, split) for split in ("train", "val"))
    print(f"training on {len(h_train)} matrices of {source}", flush=True)
    return fit.train(config, folder, h_train, h_val, resume=True)


def _few(sources: Sources, source: str, shots: int, seed: int) -> tuple:
    """Returns training matrices that the seed chooses, and validation matrices."""
    if not shots:
        return ()
    h = sources.load(source, "train")
    if shots > len(h):
        raise ValueError(f"shots is {shots}; {source} has {len(h)} training matrices")
    chosen = np.sort(np.random.default_rng(seed).permutation(len(h))[:shots])
    return h[chosen], sources.load(source, "val")[:_MAX_VAL]
