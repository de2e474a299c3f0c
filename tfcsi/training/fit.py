"""Fitting of the codecs that have no network: counts and statistics, no gradient steps.

The codec `learned` has networks, and runs without TensorFlow once it is trained.

Each module of `workdir.KINDS` but that of the neural codecs has a function
`fit(h_train, h_val, **options)`. Its options are the field `network` of a config. No
TensorFlow is imported.
"""

from __future__ import annotations

import importlib
import json
import os
import pathlib
import sys
import time
from collections.abc import Callable

import ml_collections
import numpy as np

from tfcsi import files, results, transforms
from tfcsi.codecs import schema
from tfcsi.codecs.contract import Codec
from tfcsi.codecs.workdir import (
    CODEC_FILE,
    KINDS,
    RUN_FILE,
    check_free,
    holds_run,
    load,
    read_config,
)
from tfcsi.training import config as configs

# Fields of a config that a codec without a network keeps in its config.json.
_KEPT = ("model", "dataset", "scenario", "domain", "source", "network", "seed")


def train(
    config: ml_collections.ConfigDict,
    workdir: str | os.PathLike,
    h_train: np.ndarray | Callable[[int], np.ndarray],
    h_val: np.ndarray,
    resume: bool = False,
    progress: bool = True,
    tensorboard: bool = False,
) -> Codec:
    """Trains the codec of a config and saves it: a network, or a codec without one.

    Args:
      config: As in `configs/`.
      workdir: Folder of the run; a codec without a network has config.json, codec.npz
        and run.json there.
      h_train: complex64 [n, num_tx, num_delay], or a function as `run.train` takes it.
      h_val: complex64 [n_val, num_tx, num_delay], for what is chosen by validation.
      resume: Go on with the run of the workdir; a finished fit is loaded.
      progress: Show a progress bar, if there are epochs.
      tensorboard: As of `run.train`; a codec without a network has nothing to show.

    Returns:
      The codec, as `tfcsi.load(workdir)` gives it.

    Raises:
      FileExistsError: If the workdir holds a run and `resume` is False.
      ValueError: If the run of the workdir has another config, or as `run.train`.
    """
    if config.model not in KINDS:
        from tfcsi.training import run

        parts = h_train, h_val
        return run.train(
            config, workdir, *parts, resume, progress, tensorboard=tensorboard
        )
    schema.check(config, whole=True)
    if "domain" in config.network:  # Some codecs need to know the domain.
        config.network.domain = transforms.domain_of(config)
    workdir = pathlib.Path(workdir)
    fields = {k: v for k, v in config.to_dict().items() if k in _KEPT}
    fields = json.loads(json.dumps(fields))
    check_free(workdir, resume)
    if holds_run(workdir):
        whole = configs.complete(read_config(workdir)).to_dict()
        stored = json.loads(json.dumps(whole))
        differs = sorted(k for k in _KEPT if stored.get(k) != fields.get(k))
        if differs:
            raise ValueError(
                f"the run in {workdir} has another config: it differs in "
                f"{', '.join(differs)}; give another --workdir, or the config of that "
                f"run"
            )
        if (workdir / CODEC_FILE).exists():
            return load(workdir)
    matrices = h_train(0) if callable(h_train) else h_train
    for h in (matrices, h_val):
        transforms.check_csi(h, matrices.shape[1:], any_scale=True)
    asked, size = tuple(config.shape), matrices.shape[1:]
    if asked not in (size, schema.FIELDS["shape"].default):
        raise ValueError(f"shape is {asked}, the matrices are {size[0]} x {size[1]}")
    if config.model == "learned" and not config.network.weights:
        from tfcsi.training import run, tokens

        config.shape = size
        make = tokens.TokenPair
        return run.train(config, workdir, h_train, h_val, resume, progress, make=make)
    began = time.monotonic()
    module = importlib.import_module(KINDS[config.model])
    codec = module.fit(matrices, h_val, **config.network)
    codec.config.update(fields)
    facts = {
        "command": results.command_line(sys.argv),
        "seed": config.seed,
        "versions": results.versions(),
        "train_seconds": round(time.monotonic() - began, 1),
        "num_train": len(matrices),
        "num_val": len(h_val),
    }
    workdir.mkdir(parents=True, exist_ok=True)
    files.write_json(workdir / RUN_FILE, facts)
    codec.save(workdir)
    packets = codec.compress(h_val)
    bits = 8 * np.mean([len(packet) for packet in packets])
    print(
        f"{codec.name} fitted to {len(matrices)} matrices in "
        f"{facts['train_seconds']:.0f} s: {bits:.1f} bits a validation matrix",
        flush=True,
    )
    return codec
