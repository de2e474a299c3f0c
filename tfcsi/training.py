"""Training of a pair with the rate in the loss.

The loss of a batch is the mean over its matrices of

    distortion(x, x_hat) + lmbda * bits,

with the bits of the prior (`tfcsi.entropy`) for the very symbols that would be sent.
A training may have stages, each of which trains a part of the pair (`tfcsi.stages`),
and noise on the measured CSI and on the received codeword (`tfcsi.channel_noise`).

All randomness of a step comes from (seed, step), so that a run that was stopped at any
moment and resumed from its last whole epoch ends with the same result.
"""

from __future__ import annotations

import csv
import io
import json
import os
import pathlib
import re
import sys
import time
from collections.abc import Callable

import ml_collections
import numpy as np
import tensorflow as tf
import tqdm

from tfcsi import (
    channel_noise,
    entropy,
    files,
    metrics,
    models,
    rangecoder,
    results,
    transforms,
)
from tfcsi.codec import (
    CALIBRATION_FILE,
    Codec,
    join,
    load_config,
    save_config,
)
from tfcsi.stages import WarmUpCosine, stages_of

LOG_FILE, RUN_FILE = "log.csv", "run.json"
DISTORTIONS = ("nmse", "sse")
AUGMENTATIONS = ("none", "phase", "phase_flip")
NOISES = ("csi_snr_db", "codeword_snr_db")
DENOISED = "denoised"  # Layer of a decoder whose output a "codeword" stage looks at.
_EVAL_BATCH = 500
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
) -> Codec:
    """Trains a codec, keeps the epoch that is best on validation data, and saves it.

    Args:
      config: As in `configs/`; the workdir gets a copy.
      workdir: Folder of the run: config.json, run.json (seed, versions), log.csv,
        tensorboard/, checkpoints/, and at the end codec.npz and calibration.npy (some
        training matrices, float16, by which integer encoders are calibrated).
      h_train: complex64 [n, num_tx, num_delay], max |h| = 0.5 a matrix; may be a memory
        map. Or a function of the number of an epoch, from 0, that gives as many such
        matrices for each and the same ones whenever it is asked.
      h_val: complex64 [n_val, num_tx, num_delay], for the choice of the epoch.
      resume: Continue the run of the workdir; starts one if there is none.
      progress: Show a progress bar beside the line an epoch.
      start: Function of a codec and h_train that sets the weights of the networks and
        of the quantiser before the first epoch, in place of `config.init`.

    Returns:
      The codec with its tables, as `tfcsi.load(workdir)` gives it.

    Raises:
      FileExistsError: If the workdir holds a run and `resume` is False.
      ValueError: If a field of the config is out of range, or differs from that of the
        run that is resumed; if CSI has another shape or scale, or is not finite.
      FloatingPointError: If the loss is no longer finite.
    """
    workdir = pathlib.Path(workdir)
    of_epoch = h_train if callable(h_train) else lambda epoch: h_train
    h_train = of_epoch(0)
    _check(config, h_train, h_val)
    tf.keras.utils.set_random_seed(config.seed)
    run = Run(config, h_train, start)
    _claim(config, workdir, resume)
    state = tf.train.Checkpoint(
        **run.parts, epoch=run.epoch, step=run.step, optimizers=run.optimizers
    )
    manager = tf.train.CheckpointManager(state, workdir / "checkpoints", 1)
    best = tf.train.CheckpointManager(
        tf.train.Checkpoint(**run.parts), workdir / "best", 1
    )
    rows = []
    if manager.latest_checkpoint:
        state.restore(manager.latest_checkpoint).assert_consumed()
        rows = read_log(workdir)[: int(run.epoch)]
    board = tf.summary.create_file_writer(str(workdir / "tensorboard"))

    first = config.epochs - run.stages[-1].epochs  # Epoch that may be chosen.
    while int(run.epoch) < config.epochs:
        began = time.time()
        h_train = of_epoch(int(run.epoch))
        run.enter(h_train)
        row = {"epoch": int(run.epoch) + 1, **run.train_epoch(h_train, progress)}
        row.update(run.validate(h_val))
        row["seconds"] = round(time.time() - began, 3)
        rows.append(row)
        if row["epoch"] > first and _best(rows[first:]) is row:
            best.save(row["epoch"])
        run.epoch.assign_add(1)
        _write_log(workdir / LOG_FILE, rows)
        with board.as_default(step=row["epoch"]):
            for key in row.keys() - {"epoch"}:
                tf.summary.scalar(key, row[key])
        manager.save(row["epoch"])
        print(_line(row, config.epochs), flush=True)

    best.checkpoint.restore(best.latest_checkpoint).assert_consumed()
    codec, h_train = run.codec, of_epoch(config.epochs - 1)
    sample = np.random.default_rng(config.seed).permutation(len(h_train))
    sample = np.sort(sample[:MAX_TABLE_MATRICES])
    codec.use(run.prior.freeze(codec.symbols(h_train[sample])[0]))
    codec.facts = {
        "train_seconds": round(sum(row["seconds"] for row in rows), 1),
        "best_epoch": _best(rows[first:])["epoch"],
    }
    codec.save(workdir)
    with files.replacing(workdir / CALIBRATION_FILE) as temporary:
        with open(temporary, "wb") as file:
            x = transforms.to_real(h_train[sample[:_CALIBRATION_MATRICES]])
            np.save(file, x.astype(np.float16))
    return codec


class Run:
    """What one training holds: codec, prior, optimizers, counters, compiled steps."""

    def __init__(
        self,
        config: ml_collections.ConfigDict,
        h_train: np.ndarray,
        start: Callable[[Codec, np.ndarray], None] | None = None,
    ):
        self.config, self.start = config, start
        self.codec = codec = Codec(config)
        self.prior = entropy.get(config.prior)(
            codec.quantizer.num_symbols, codec.quantizer.num_levels, config.coder
        )
        self.stages = stages_of(config)
        self.steps = len(h_train) // config.batch_size
        network = [
            *codec.encoder.trainable_variables,
            *codec.decoder.trainable_variables,
            *codec.quantizer.trainable_variables,
        ]
        # Networks may share variables.
        self.network = list({variable.ref(): variable for variable in network}.values())
        self.densities = list(self.prior.trainable_variables)
        self.parts = {
            "encoder": codec.encoder,
            "decoder": codec.decoder,
            "quantizer": codec.quantizer,
            "prior": self.prior,
        }
        for stage in self.stages:
            self._selected(stage.train)
        self.epoch = tf.Variable(0, dtype=tf.int64)
        self.step = tf.Variable(0, dtype=tf.int64)
        self.optimizers = [
            tf.keras.optimizers.legacy.Adam(
                WarmUpCosine(peak, self.steps, self.stages, config),
                beta_1=config.beta_1,
            )
            for peak in (config.learning_rate, config.prior_learning_rate)
        ]
        for optimizer, variables in zip(
            self.optimizers, (self.network, self.densities)
        ):
            _build(optimizer, variables)
        self.denoised = None
        if any(stage.loss == "codeword" for stage in self.stages):
            self.denoised = _inner(codec.decoder)
        self.prior_step = tf.function(self._prior_step)

    def enter(self, h_train: np.ndarray) -> None:
        """Makes ready for the coming epoch, which may be the first of a stage."""
        starts = np.cumsum([0] + [stage.epochs for stage in self.stages[:-1]])
        number = int(np.searchsorted(starts, int(self.epoch), "right")) - 1
        if not hasattr(self, "stage") or self.stage is not self.stages[number]:
            self.stage = self.stages[number]
            self.trained = self._selected(self.stage.train)
            self.train_step = tf.function(self._train_step)
            self.eval_step = tf.function(self._eval_step, reduce_retracing=True)
        if int(self.epoch) == starts[number]:
            self._begin(number, h_train)

    def _selected(self, pattern: str) -> list[tf.Variable]:
        """The variables of the layers in whose name the pattern is found."""
        if not pattern:
            return self.network
        names = {
            variable.ref(): f"{part}/{layer.name}"
            for part in ("encoder", "decoder")
            for layer in getattr(self.codec, part).layers
            for variable in layer.trainable_variables
        }
        found = [v for v in self.network if re.search(pattern, names.get(v.ref(), ""))]
        if not found:
            raise ValueError(f"train of a stage is {pattern!r}; no layer has that")
        return found

    def _begin(self, number: int, h_train: np.ndarray) -> None:
        """Initialises weights and quantiser, then fits the prior to the symbols."""
        if self.start and not number:
            self.start(self.codec, h_train)
        elif self.config.init == "klt" and not number:
            model = models.get(self.config.model)
            model.initialize_klt(self.codec.encoder, self.codec.decoder, h_train)
        if not self.stage.quantize or (number and self.stages[number - 1].quantize):
            return
        rng = np.random.default_rng([self.config.seed, 2**31 + number])
        sample = h_train[np.sort(rng.permutation(len(h_train))[:_EVAL_BATCH])]
        x = transforms.to_real(sample)
        if number or not self.start:
            energy = 1.0 if self.config.distortion == "nmse" else np.sum(x**2) / len(x)
            y = self.codec.analysis(x)
            self.codec.quantizer.initialize(y, self.config.lmbda / energy)
        adam = tf.keras.optimizers.legacy.Adam(self.config.prior_warmup_learning_rate)
        _build(adam, self.densities)
        for _ in range(self.config.prior_warmup_steps):
            chosen = np.sort(rng.choice(len(h_train), self.config.batch_size, False))
            self.prior_step(transforms.to_real(h_train[chosen]), adam)
        self.prior.refresh()

    def train_epoch(self, h_train: np.ndarray, progress: bool) -> dict[str, float]:
        """One pass over the training data, in an order that (seed, epoch) sets."""
        rng = np.random.default_rng([self.config.seed, int(self.epoch)])
        order = rng.permutation(len(h_train))
        total = np.zeros(3)
        bar = tqdm.trange(
            self.steps,
            desc=f"epoch {int(self.epoch) + 1}/{self.config.epochs}",
            disable=not progress,
            leave=False,
            mininterval=1.0,
        )
        for i in bar:
            chosen = np.sort(
                order[i * self.config.batch_size :][: self.config.batch_size]
            )
            total += self.train_step(transforms.to_real(h_train[chosen]))
            self._check_finite(total[0])
        self.prior.refresh()
        return self._row("train", total / self.steps)

    def validate(self, h_val: np.ndarray) -> dict[str, float]:
        """Mean loss, NMSE and payload bits of the symbols of the validation data."""
        parts = [
            self.eval_step(
                transforms.to_real(h_val[i : i + _EVAL_BATCH]), tf.constant(i)
            )
            for i in range(0, len(h_val), _EVAL_BATCH)
        ]
        loss, nmse, bits = (np.concatenate(values) for values in zip(*parts))
        self._check_finite(loss.mean())
        return self._row("val", (loss.mean(), nmse.mean(), bits.mean()))

    def _check_finite(self, loss: float) -> None:
        if not np.isfinite(loss):
            raise FloatingPointError(
                f"the loss is not finite at step {int(self.step)}; lower "
                f"learning_rate ({self.config.learning_rate}) or clip_norm "
                f"({self.config.clip_norm})"
            )

    def _row(self, name: str, means) -> dict[str, float]:
        loss, nmse, bits = map(float, means)
        return {
            f"{name}_loss": loss,
            f"{name}_nmse_db": float(metrics.to_db(nmse)),
            f"{name}_bits": bits,
        }

    def _forward(self, x, training: bool, seed):
        """Loss, NMSE and bits of each matrix, float32 [n]."""
        codec, whole = self.codec, training and not self.stage.train
        measured = self._noisy(x, "csi_snr_db", seed)
        y = y_hat = codec.encoder(measured, training=whole)
        bits = tf.zeros(tf.shape(x)[:1])
        if self.stage.quantize:
            u, y_hat = codec.quantizer(y)
            bits = self.prior(u, training=training) + 16.0 * codec.quantizer.num_side
        received = self._noisy(y_hat, "codeword_snr_db", seed)
        x_hat = codec.decoder(join(codec.decoder, received, y_hat), training=whole)
        error = tf.reduce_sum(tf.square(x - x_hat), (1, 2, 3))
        nmse = error / tf.reduce_sum(tf.square(x), (1, 2, 3))
        distortion = nmse if self.config.distortion == "nmse" else error
        if self.stage.loss == "codeword":
            denoised = self.denoised(join(codec.decoder, received, y_hat))
            error = tf.reduce_sum(tf.square(denoised - y_hat), 1)
            distortion = error / tf.reduce_sum(tf.square(y_hat), 1)
        return distortion + self.config.lmbda * bits, nmse, bits

    def _noisy(self, y, field: str, seed):
        """Adds noise of an SNR that is drawn between the limits in the config."""
        limits = self.config.noise[field]
        if not (limits and self.stage.noise):
            return y
        seed = seed + 2**40 * (1 + NOISES.index(field))
        snr_db = channel_noise.draw_snr(tf.shape(y)[0], limits, seed)
        return channel_noise.awgn(y, snr_db, seed + 2**39)

    def _eval_step(self, x, number):
        seed = tf.stack([self.config.seed, -1 - tf.cast(number, tf.int64)])
        return self._forward(x, False, seed)

    def _train_step(self, x):
        seed = tf.stack([self.config.seed, self.step])
        x = augment(x, self.config.augment, seed)
        with tf.GradientTape() as tape:
            parts = self._forward(x, True, seed)
            loss = tf.reduce_mean(parts[0])
        variables = self.trained + self.densities
        gradients = tape.gradient(loss, variables, unconnected_gradients="zero")
        split = len(self.trained)
        clipped, _ = tf.clip_by_global_norm(gradients[:split], self.config.clip_norm)
        self.optimizers[0].apply_gradients(zip(clipped, self.trained))
        if self.densities:
            self.optimizers[1].apply_gradients(zip(gradients[split:], self.densities))
        self.step.assign_add(1)
        return tf.stack([tf.reduce_mean(part) for part in parts])

    def _prior_step(self, x, adam):
        u, _ = self.codec.quantizer(self.codec.encoder(x, training=False))
        with tf.GradientTape() as tape:
            bits = tf.reduce_mean(self.prior(u, training=True))
        if self.densities:
            gradients = tape.gradient(bits, self.densities)
            adam.apply_gradients(zip(gradients, self.densities))


def augment(x: tf.Tensor, kind: str, seed: tf.Tensor) -> tf.Tensor:
    """Draws other matrices of the same law from a batch.

    A global phase rotation leaves the law of a channel unchanged (the phase of a path
    is uniform), and so does a mirrored angle axis when the users surround the base
    station evenly: angle bin k of a centred DFT becomes bin -k.

    Args:
      x: float32 [n, num_tx, num_delay, 2].
      kind: "none", "phase" or "phase_flip".
      seed: int64 [2], sets the draw.

    Returns:
      float32 [n, num_tx, num_delay, 2].
    """
    if kind == "none":
        return x
    phase = tf.random.stateless_uniform([tf.shape(x)[0], 1, 1], seed, 0.0, 2 * np.pi)
    cos, sin = tf.cos(phase), tf.sin(phase)
    re, im = x[..., 0], x[..., 1]
    x = tf.stack([re * cos - im * sin, re * sin + im * cos], -1)
    if kind == "phase":
        return x
    flip = tf.random.stateless_uniform([tf.shape(x)[0], 1, 1, 1], seed + 2**32) < 0.5
    return tf.where(flip, tf.roll(tf.reverse(x, [1]), 1, axis=1), x)


def _inner(decoder: tf.keras.Model) -> tf.keras.Model:
    """The decoder up to the denoised codeword."""
    if not any(layer.name == DENOISED for layer in decoder.layers):
        raise ValueError(
            f"loss of a stage is 'codeword'; the decoder {decoder.name} has no layer "
            f"{DENOISED!r}: use loss 'csi', or a model with a denoiser (csinet_dnnet)"
        )
    return tf.keras.Model(decoder.inputs, decoder.get_layer(DENOISED).output)


def _build(optimizer, variables: list[tf.Variable]) -> None:
    """Makes the slots now, for a checkpoint to restore and a step to be traced once."""
    optimizer._create_all_weights(variables)


def _check(config, h_train: np.ndarray, h_val: np.ndarray) -> None:
    choices = {"distortion": DISTORTIONS, "augment": AUGMENTATIONS}
    choices |= {"init": ("random", "klt"), "coder": rangecoder.CODERS}
    for field, known in choices.items():
        if config[field] not in known:
            raise ValueError(f"{field} is {config[field]!r}; it must be one of {known}")
    for field in ("epochs", "batch_size", "learning_rate", "clip_norm", "lmbda"):
        if not config[field] > 0:
            raise ValueError(f"{field} is {config[field]}; it must be positive")
    for field, limits in config.noise.items():
        if (
            field not in NOISES
            or len(limits) not in (0, 2)
            or list(limits) != sorted(limits)
        ):
            raise ValueError(
                f"noise.{field} is {limits}; {' and '.join(NOISES)} are empty or two "
                f"SNRs in dB, the lower first"
            )
    if len(h_train) < config.batch_size or not len(h_val):
        raise ValueError(
            f"{len(h_train)} training and {len(h_val)} validation matrices; at least "
            f"batch_size = {config.batch_size} and 1 are needed"
        )
    for h in (h_train, h_val):
        transforms.check_csi(h, config.shape, any_scale=False)


def _claim(config, workdir: pathlib.Path, resume: bool) -> None:
    """Writes config.json and run.json, or checks that they fit the resumed run."""
    started = (workdir / "config.json").exists()
    if started and not resume:
        raise FileExistsError(
            f"{workdir} already holds a run: give another --workdir, or --resume"
        )
    if started:
        stored, given = load_config(workdir).to_dict(), config.to_dict()
        given = json.loads(json.dumps(given))
        differs = [
            k for k in given.keys() | stored.keys() if given.get(k) != stored.get(k)
        ]
        if differs:
            raise ValueError(
                f"the run in {workdir} has another config: {sorted(differs)} differ"
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
    files.write_text(workdir / RUN_FILE, json.dumps(facts, indent=2) + "\n")
    save_config(config, workdir)


def _best(rows: list[dict[str, float]]) -> dict[str, float]:
    return min(rows, key=lambda row: row["val_loss"])


def _write_log(path: pathlib.Path, rows: list[dict[str, float]]) -> None:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    files.write_text(path, text.getvalue())


def read_log(workdir: str | os.PathLike) -> list[dict[str, float]]:
    """Returns the rows of a run's log.csv, one an epoch, as numbers."""
    with open(pathlib.Path(workdir, LOG_FILE), newline="") as file:
        rows = [{k: float(v) for k, v in row.items()} for row in csv.DictReader(file)]
    return [{**row, "epoch": int(row["epoch"])} for row in rows]


def _line(row: dict[str, float], epochs: int) -> str:
    return (
        f"epoch {row['epoch']:3d}/{epochs}  "
        f"train {row['train_nmse_db']:7.2f} dB {row['train_bits']:7.1f} bits  "
        f"val {row['val_nmse_db']:7.2f} dB {row['val_bits']:7.1f} bits  "
        f"loss {row['val_loss']:.5f}  {row['seconds']:.0f} s"
    )
