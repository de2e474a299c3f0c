"""Training of a pair with the rate in the loss.

The loss of a batch is the mean over its matrices of

    distortion(x, x_hat) + lmbda * bits.

The bits are those that the prior (`tfcsi.entropy.priors`) gives to the symbols that
would be sent. A training may have stages, each of which trains a part of the pair
(`tfcsi.training.stages`). Noise may be added to the measured CSI and to the received
codeword.

Inside the scope of a strategy of `tf.distribute`, several devices or workers share each
batch (`tfcsi.training.strategy`).

Everything random in a step follows from (seed, step). A run that was stopped at any
moment is resumed from its last whole epoch and ends with the same result.
"""

from __future__ import annotations

import functools
import json
import os
import pathlib
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

import ml_collections
import numpy as np
import tensorflow as tf

from tfcsi import files, locks, results, transforms
from tfcsi.codecs import schema
from tfcsi.codecs.neural import Codec
from tfcsi.codecs.workdir import (
    CHECKPOINTS,
    CONFIG_FILE,
    RUN_FILE,
    check_free,
    holds_run,
    load_config,
    save_calibration,
    save_config,
)
from tfcsi.training import config as configs
from tfcsi.training import strategy
from tfcsi.training.board import Board
from tfcsi.training.log import LOG_FILE, line, progress_of, read_log, write_log
from tfcsi.training.pair import Pair

_MARK = "tf_data_loop"  # Checkpoints of the first training loop lack this mark.
MAX_TABLE_MATRICES = 20000
_CALIBRATION_MATRICES = 4000


def train(
    config: ml_collections.ConfigDict,
    workdir: str | os.PathLike,
    h_train: np.ndarray | Callable[[int], np.ndarray],
    h_val: np.ndarray,
    resume: bool = False,
    progress: bool = True,
    start: Callable[[Codec, np.ndarray], None] | None = None,
    tensorboard: bool = False,
    make: Callable[..., Any] = Pair,
    source: Codec | None = None,
) -> Codec:
    """Trains a codec, keeps the epoch that is best on validation data, and saves it.

    Args:
      config: As in `configs/`; the workdir gets a copy.
      workdir: Folder of the run: config.json, run.json (seed, versions), log.csv,
        checkpoints/, and at the end codec.npz and calibration.npy (some
        training matrices, float16, by which integer encoders are calibrated).
      h_train: complex64 [n, num_tx, num_delay], max |h| = 0.5 a matrix; may be a memory
        map. Or a function of the number of an epoch, from 0, that gives as many such
        matrices for each and the same ones whenever it is asked.
      h_val: complex64 [n_val, num_tx, num_delay], for the choice of the epoch.
      resume: Continue the run of the workdir; starts one if there is none.
      progress: Show a progress bar beside the line an epoch.
      start: Function of a codec and h_train that sets the weights of the networks
        before the first epoch, in place of `config.init`; with fake quantisation those
        of the quantiser, too.
      tensorboard: Write summaries for TensorBoard to tensorboard/ in the workdir. They
        change nothing in the training.
      make: Class of what is trained, made of config, h_train and start: `Pair`, or one
        with the same attributes and methods, such as `tokens.TokenPair`. Its `finished`
        returns the codec.
      source: Codec whose training this one goes on from. Its epochs and its time become
        the facts `epochs_before` and `train_seconds_before`, and its fact
        `commands_before`, the commands that made it, goes over.

    Returns:
      The codec with its tables, as `tfcsi.load(workdir)` gives it.

    Raises:
      FileExistsError: If the workdir holds a run and `resume` is False, or if another
        process trains there.
      ValueError: If a field of the config is out of range, or differs from that of the
        run that is resumed; if CSI has another shape or scale, or is not finite.
      FloatingPointError: If the loss is no longer finite.
      FileNotFoundError: If the workdir vanishes meanwhile.
    """
    workdir = pathlib.Path(workdir)
    of_epoch = h_train if callable(h_train) else functools.partial(_always, h_train)
    matrices = of_epoch(0)
    _check(config, matrices, h_val)
    with strategy.own_folder(workdir, resume) as own:
        tf.keras.utils.set_random_seed(config.seed)
        pair = make(config, matrices, start)
        with locks.locked(own):
            board = Board(own, h_val) if tensorboard else None
            before = _before(source)
            return _train(
                *(pair, config, own, of_epoch, h_val, resume, progress, board, before)
            )


def _train(
    pair: Any,
    config: ml_collections.ConfigDict,
    workdir: pathlib.Path,
    of_epoch: Callable[[int], np.ndarray],
    h_val: np.ndarray,
    resume: bool,
    progress: bool,
    board: Board | None,
    before: Mapping[str, Any],
) -> Codec:
    """Trains a pair in a folder that is locked; arguments and errors as `train`."""
    _claim(config, workdir, resume)
    state = tf.train.Checkpoint(**pair.state, **{_MARK: tf.Variable(1)})
    manager = tf.train.CheckpointManager(state, workdir / CHECKPOINTS, 1)
    best = tf.train.CheckpointManager(
        tf.train.Checkpoint(**pair.parts), workdir / "best", 1
    )
    rows = []
    if manager.latest_checkpoint:
        _check_mark(manager.latest_checkpoint, workdir)
        state.restore(manager.latest_checkpoint).assert_consumed()
        rows = read_log(workdir)[: int(pair.epoch.numpy())]

    first = config.epochs - pair.stages[-1].epochs  # The best epoch is one after this.
    while int(pair.epoch.numpy()) < config.epochs:
        began = time.monotonic()
        matrices = of_epoch(int(pair.epoch.numpy()))
        pair.enter(matrices)
        row = {
            "epoch": int(pair.epoch.numpy()) + 1,
            **pair.train_epoch(matrices, progress),
        }
        row.update(pair.validate(h_val))
        row["seconds"] = round(time.monotonic() - began, 3)
        rows.append(row)
        locks.check_held(workdir)
        if row["epoch"] > first and _best(rows[first:]) is row:
            best.save(row["epoch"])
        pair.epoch.assign_add(1)
        write_log(workdir / LOG_FILE, rows)
        if board:
            board.write(row, pair.codec)
        manager.save(row["epoch"])
        print(line(row, config.epochs), flush=True)

    locks.check_held(workdir)
    best.checkpoint.restore(best.latest_checkpoint).assert_consumed()
    matrices = of_epoch(config.epochs - 1)
    sample = np.random.default_rng(config.seed).permutation(len(matrices))
    sample = np.sort(sample[:MAX_TABLE_MATRICES])
    facts = {
        "train_seconds": round(sum(row["seconds"] for row in rows), 1),
        "best_epoch": _best(rows[first:])["epoch"],
        "num_train": len(matrices),
        "num_val": len(h_val),
        **progress_of(rows),
        **before,
    }
    codec = pair.finished(matrices[sample], facts)
    codec.save(workdir)
    x = transforms.to_real(matrices[sample[:_CALIBRATION_MATRICES]])
    save_calibration(workdir, x)
    return codec


def _before(source: Codec | None) -> dict[str, Any]:
    """What all trainings took that made a codec."""
    if source is None:
        return {}
    facts: dict[str, Any] = source.facts
    seconds = facts.get("train_seconds", 0) + facts.get("train_seconds_before", 0)
    return {
        "epochs_before": source.config.epochs + facts.get("epochs_before", 0),
        "train_seconds_before": round(seconds, 1),
        "commands_before": list(facts.get("commands_before", [])),
    }


def _always(h_train: np.ndarray, epoch: int) -> np.ndarray:
    """The matrices of any epoch where they are the same for all."""
    del epoch
    return h_train


def _check(
    config: ml_collections.ConfigDict, h_train: np.ndarray, h_val: np.ndarray
) -> None:
    """Refuses a config or matrices that cannot be trained on."""
    schema.check(config, whole=True)
    strategy.check_batch(config.batch_size)
    if len(h_train) < config.batch_size or not len(h_val):
        raise ValueError(
            f"{len(h_train)} training and {len(h_val)} validation matrices; at least "
            f"batch_size = {config.batch_size} and 1 are needed"
        )
    for h in (h_train, h_val):
        transforms.check_csi(h, config.shape, any_scale=False)


def _claim(
    config: ml_collections.ConfigDict, workdir: pathlib.Path, resume: bool
) -> None:
    """Writes config.json and run.json, or checks that they fit the resumed run."""
    started = holds_run(workdir)
    check_free(workdir, resume)
    if started:
        schema.check_file(load_config(workdir), workdir / CONFIG_FILE)
        stored, wanted = (
            json.loads(json.dumps(configs.complete(each).to_dict()))
            for each in (load_config(workdir), config)
        )
        differs = [
            k for k in wanted.keys() | stored.keys() if wanted.get(k) != stored.get(k)
        ]
        if differs:
            raise ValueError(
                f"the run in {workdir} has another config: it differs in "
                f"{', '.join(sorted(differs))}; give another --workdir, or the config "
                f"of that run"
            )
        return
    workdir.mkdir(parents=True, exist_ok=True)
    facts = {
        "command": results.command_line(sys.argv),
        "seed": config.seed,
        "versions": results.versions(),
        "threads": os.cpu_count(),
        "gpus": len(tf.config.list_physical_devices("GPU")),
    }
    files.write_json(workdir / RUN_FILE, facts)
    save_config(config, workdir)


def _check_mark(checkpoint: str, workdir: pathlib.Path) -> None:
    """Refuses a checkpoint with the optimizers of an earlier loop."""
    names = [name for name, _ in tf.train.list_variables(checkpoint)]
    if not any(name.split("/")[0] == _MARK for name in names):
        raise ValueError(
            f"the run in {workdir} was begun by a version of tfcsi with another "
            f"training loop, so it cannot be resumed: give another --workdir to train "
            f"again. A finished run needs no --resume; it can be used as it is"
        )


def _best(rows: list[dict[str, float]]) -> dict[str, float]:
    return min(rows, key=lambda row: row["val_loss"])
