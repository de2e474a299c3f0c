"""Trains and measures what an experiment lists.

Each training has a folder of its own, whose name has a fingerprint of the config and
the matrices. A finished training is loaded, a stopped one goes on, and experiments that
train the same network share it.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import pathlib
from collections.abc import Iterator, Mapping
from typing import Any

import ml_collections
import tensorflow as tf

from tfcsi import datasets, models
from tfcsi.channels import blocks
from tfcsi.codecs.contract import Codec
from tfcsi.codecs.workdir import CODEC_FILE, KINDS, load
from tfcsi.models import complexity
from tfcsi.papers import capacity, matrices, measures
from tfcsi.papers.experiment import Budget, Experiment, Line
from tfcsi.training import config as configs
from tfcsi.training import fit

_NUM_CAPACITY = 2000  # Training matrices of the codecs that show a capacity.


def reproduce(
    experiment: Experiment,
    budget: str,
    workdir: str | os.PathLike,
    data_dir: str | os.PathLike | None = None,
    progress: bool = True,
) -> Iterator[list[dict]]:
    """Trains and measures the lines of an experiment.

    Args:
      experiment: What to do.
      budget: A key of its `budgets`.
      workdir: Folder of the folders of all trainings.
      data_dir: Folder of the files of its data set, or of the folders of several data
        sets; None simulates the matrices.
      progress: Show progress bars.

    Yields:
      All points so far, after each training. A point has `codec`, the name of its line;
      `dataset`, the source that it was tested on; `train_on`; `train_steps` and
      `steps_share`, their share of the paper's; `simulated`, the channel in place of
      files; the fields of `each`; and what its measure gives.

    Raises:
      ValueError: If the experiment has no such budget, or as `fit.train`,
        `matrices.read` and the measures.
    """
    if budget not in experiment.budgets:
        raise ValueError(
            f"budget is {budget!r}; {experiment.name} has "
            f"{', '.join(experiment.budgets)}"
        )
    limits = experiment.budgets[budget]
    points: list[dict] = []
    for line, source, fields in jobs(experiment, limits):
        channel = experiment.sources[source]
        config = config_of(line, fields, limits, source, channel, data_dir)
        facts = {"codec": line.name, "train_on": source, **_short(fields)}
        facts |= _cost(config)
        if experiment.measure["kind"] == "cost":
            points.append({**facts, "dataset": source, "split": "none"})
            continue
        splits = matrices.splits(source, channel, config, data_dir, limits.num_test)
        codec, folder = _trained(source, config, workdir, splits, progress)
        facts["split"] = "test"
        if config.model not in KINDS:
            steps = config.epochs * (len(splits.train) // config.batch_size)
            facts["train_steps"] = steps
            if of_paper := line.paper_steps or experiment.paper_steps:
                facts["steps_share"] = steps / of_paper
        measure = line.measure or {**experiment.measure, **limits.measure}
        for target in experiment.test_on or [source]:
            h, channel = splits.test, experiment.sources[target]
            if target != source:
                test = ("test", limits.num_test)
                h = matrices.read(target, channel, config, data_dir, *test)
            facts["dataset"] = target
            if data_dir is None:
                facts["simulated"] = channel
            run = measures.Run(codec, folder, splits, h)
            for point in measures.measure(run, **measure):
                points.append({**codec.describe(), **facts, **point})
        yield points
        tf.keras.backend.clear_session()
    measure = {**experiment.measure, **limits.measure}
    if "capacity" in measure:
        config.num_train = max(config.num_train or 0, _NUM_CAPACITY)
        for source in limits.sources or experiment.sources:
            # The last config; those of an experiment share the matrices.
            of = (experiment.sources[source], config, data_dir, limits.num_test)
            splits = matrices.splits(source, *of)
            arguments = measure["snr_db"], measure["capacity"]
            points += capacity.points(source, splits, *arguments)
    yield points


def jobs(
    experiment: Experiment, budget: Budget
) -> Iterator[tuple[Line, str, dict[str, Any]]]:
    """Yields what is trained: the line, the source, the values of its `each`."""
    for source in budget.sources or experiment.sources:
        for line in experiment.lines:
            if budget.lines is not None and line.name not in budget.lines:
                continue
            each = {k: budget.each.get(k, values) for k, values in line.each.items()}
            for values in itertools.product(*each.values()):
                yield line, source, dict(zip(each, values))


def config_of(
    line: Line,
    fields: Mapping[str, Any],
    budget: Budget,
    source: str,
    channel: str,
    data_dir: str | os.PathLike | None,
) -> ml_collections.ConfigDict:
    """Returns the config of a training.

    Args:
      line: Gives the config and its changes.
      fields: Values of its `each`.
      budget: Gives the fields that shorten the training.
      source: Name of the source.
      channel: Name of the channel that is simulated without files.
      data_dir: Whether there are files.

    Raises:
      ConfigError: If a field is not known.
    """
    shorter = {**budget.fields, **budget.fields_of.get(line.name, {})}
    changes = {**line.fields, **fields, **shorter}
    names = ("dataset", "scenario")
    own = datasets.parts(source) if data_dir else blocks.parts_of(channel)
    if not data_dir:
        changes = {k: v for k, v in changes.items() if not k.startswith("source.")}
    plain = configs.read(line.config)
    changes |= {k: v for k, v in zip(names, own) if plain[k] != v}
    config = configs.read(line.config, [*_changes(changes)])
    if not data_dir:
        config.data = "simulate"
    if "epochs" in shorter and "warmup_epochs" not in changes:
        share = min(1.0, shorter["epochs"] / plain.epochs)
        config.warmup_epochs = share * plain.warmup_epochs
    return config


def _changes(fields: Mapping[str, Any]) -> Iterator[str]:
    """Fields as they stand on a command line."""
    for name, value in fields.items():
        value = tuple(value) if isinstance(value, list) else value
        yield f"{name}={value}"


def _short(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Fields by the last part of their names, as points have them."""
    return {name.rpartition(".")[2]: value for name, value in fields.items()}


def _trained(
    source: str,
    config: ml_collections.ConfigDict,
    workdir: str | os.PathLike,
    splits: matrices.Splits,
    progress: bool,
) -> tuple[Codec, pathlib.Path]:
    """The codec of a training and its folder; a finished training is loaded."""
    digest = hashlib.sha256(json.dumps(config.to_dict(), sort_keys=True).encode())
    for h in (splits.train, splits.val):
        digest.update(repr(h.shape).encode() + h[:8].tobytes())
    name = f"{config.model}_{source}_{digest.hexdigest()[:8]}"
    folder = pathlib.Path(workdir, name)
    if not (folder / CODEC_FILE).exists():
        print(f"training {folder.name}", flush=True)
        fit.train(config, folder, splits.train, splits.val, True, progress)
    return load(folder), folder


def _cost(config: ml_collections.ConfigDict) -> dict[str, int]:
    """Parameters and multiply-accumulates of the networks of a config."""
    if config.model in KINDS:
        return {}
    model, shape = models.get(config.model), tuple(config.shape)
    ue, bs = (
        complexity.count(build(shape, config.latent_dim, **config.network))
        for build in (model.encoder, model.decoder)
    )
    return {
        "latent_dim": config.latent_dim,
        "ue_params": ue["params"],
        "ue_macs": ue["macs"],
        "params": ue["params"] + bs["params"],
        "macs": ue["macs"] + bs["macs"],
    }
