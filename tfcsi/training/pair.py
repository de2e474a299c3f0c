"""Training of a pair: encoder, decoder, quantiser and prior, stage by stage."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

import ml_collections
import numpy as np
import tensorflow as tf

from tfcsi import metrics, models, transforms
from tfcsi.codecs.neural import Codec
from tfcsi.entropy import priors
from tfcsi.training.loop import Group, Loop
from tfcsi.training.objective import Objective
from tfcsi.training.optimizer import Adam, WarmUpCosine
from tfcsi.training.pipeline import csi_batches, in_order, shuffled
from tfcsi.training.stages import Stage, stages_of

_EVAL_BATCH = 500


class Pair:
    """The training of one pair.

    Attributes:
      codec: The codec that is trained; it has no tables yet.
      prior: Its prior.
      stages: Stages of the training.
      epoch: int64 variable, number of epochs so far.
    """

    def __init__(
        self,
        config: ml_collections.ConfigDict,
        h_train: np.ndarray,
        start: Callable[[Codec, np.ndarray], None] | None = None,
    ):
        """Builds the networks and all that trains them.

        Args:
          config: Of the run, checked.
          h_train: complex64 [n, num_tx, num_delay].
          start: As in `run.train`.

        Raises:
          ValueError: If the config names what is not known or does not fit the model.
        """
        self.config = config
        self._start = start
        self._initialize_klt = models.get(config.model).initialize_klt
        if config.init == "klt" and not (start or self._initialize_klt):
            raise ValueError(
                f"init is 'klt'; the model {config.model!r} cannot start as a KLT: "
                f"use init 'random'"
            )
        self.codec = codec = Codec(config)
        self.prior = priors.of_config(config, codec.quantizer)
        self.stages = stages_of(config)
        self._steps = len(h_train) // config.batch_size
        network = [
            *codec.encoder.trainable_variables,
            *codec.decoder.trainable_variables,
            *codec.quantizer.trainable_variables,
        ]
        # Networks may share variables.
        self._network = list({v.ref(): v for v in network}.values())
        self._densities = list(self.prior.trainable_variables)
        self.epoch = tf.Variable(0, dtype=tf.int64)
        self._stage: Stage | None = None
        objective = Objective(config, codec, self.prior)
        self._objective = objective
        self._losses = {stage: objective.of_stage(stage) for stage in self.stages}
        self._trained = {stage: self._selected(stage.train) for stage in self.stages}
        self.loop = Loop(
            [
                Group(
                    self._network, self._adam(config.learning_rate), config.clip_norm
                ),
                Group(self._densities, self._adam(config.prior_learning_rate)),
            ],
            config.seed,
            f"; lower learning_rate ({config.learning_rate}) or clip_norm "
            f"({config.clip_norm})",
        )

    @property
    def parts(self) -> dict[str, tf.Module]:
        """The parts that learn, by the names that a checkpoint gives them."""
        return {
            "encoder": self.codec.encoder,
            "decoder": self.codec.decoder,
            "quantizer": self.codec.quantizer,
            "prior": self.prior,
        }

    @property
    def state(self) -> dict[str, object]:
        """All that a training needs to continue after an epoch, by name."""
        optimizers = [group.optimizer for group in self.loop.groups]
        counters = {"epoch": self.epoch, "step": self.loop.step}
        balance = self._objective.balance
        balances = {} if balance is None else {"balance": balance}
        return {**self.parts, **balances, **counters, "optimizers": optimizers}

    def enter(self, h_train: np.ndarray) -> None:
        """Prepares the coming epoch, which may be the first one of a stage.

        Args:
          h_train: complex64 [n, num_tx, num_delay]; weights, quantiser and prior are
            initialised by them where the stage asks for it.
        """
        starts = np.cumsum([0] + [stage.epochs for stage in self.stages[:-1]])
        number = int(np.searchsorted(starts, int(self.epoch.numpy()), "right")) - 1
        stage = self.stages[number]
        if int(self.epoch.numpy()) == starts[number]:
            self._initialize(number, h_train)
        if self._stage is not stage:
            self._stage = stage
            trained = [self._trained[stage], self._densities]
            self.loop.begin(self._losses[stage], trained)

    def train_epoch(self, h_train: np.ndarray, progress: bool) -> dict[str, float]:
        """Trains for one pass over the data, in an order that seed and epoch set.

        Args:
          h_train: complex64 [n, num_tx, num_delay].
          progress: Whether to show a progress bar.

        Returns:
          Columns of the log: means of train_loss and train_bits, and train_nmse_db.

        Raises:
          FloatingPointError: If the loss is no longer finite.
        """
        size, epoch = self.config.batch_size, int(self.epoch.numpy())
        chosen = shuffled(len(h_train), size, [self.config.seed, epoch])
        label = f"epoch {epoch + 1}/{self.config.epochs}"
        batches = csi_batches(h_train, chosen, size)
        means = self.loop.train_epoch(batches, label, len(chosen), progress)
        self.prior.refresh()
        return _row("train", means)

    def validate(self, h_val: np.ndarray) -> dict[str, float]:
        """Measures the pair on validation data.

        Args:
          h_val: complex64 [n, num_tx, num_delay].

        Returns:
          Columns of the log: means of val_loss and val_bits (payload), and val_nmse_db.

        Raises:
          FloatingPointError: If the mean loss is not finite.
        """
        batches = csi_batches(h_val, in_order(len(h_val), _EVAL_BATCH))
        return _row("val", [part.mean() for part in self.loop.evaluate(batches)])

    def finished(self, h: np.ndarray, facts: dict[str, Any]) -> Codec:
        """Returns the trained codec, which can send.

        Args:
          h: complex64 [n, num_tx, num_delay], training matrices that are counted.
          facts: What the training records.
        """
        self.codec.use(self.prior.freeze(self.codec.symbols_in_turn(h)))
        self.codec.facts = facts
        return self.codec

    def _adam(self, peak: float) -> Adam:
        schedule = WarmUpCosine(peak, self._steps, self.stages, self.config)
        return Adam(schedule, self.config.beta_1)

    def _selected(self, pattern: str) -> list[tf.Variable]:
        """The variables of the layers with names that match the pattern."""
        if not pattern:
            return self._network
        names = {
            variable.ref(): f"{part}/{layer.name}"
            for part in ("encoder", "decoder")
            for layer in self.parts[part].layers
            for variable in layer.trainable_variables
        }
        selected = [
            v for v in self._network if re.search(pattern, names.get(v.ref(), ""))
        ]
        if not selected:
            raise ValueError(f"train of a stage is {pattern!r}; no layer matches it")
        return selected

    def _initialize(self, number: int, h_train: np.ndarray) -> None:
        """Initialises weights and quantiser, then fits the prior to the symbols."""
        config = self.config
        if self._start and not number:
            self._start(self.codec, h_train)
            if self.codec.tables is not None:
                self.prior.thaw(self.codec.tables)
        elif config.init == "klt" and self._initialize_klt and not number:
            self._initialize_klt(self.codec.encoder, self.codec.decoder, h_train)
        before = self.stages[number - 1] if number else None
        if not self.stages[number].quantize or (before and before.quantize):
            return
        rng = np.random.default_rng([config.seed, 2**31 + number])
        sample = h_train[np.sort(rng.permutation(len(h_train))[:_EVAL_BATCH])]
        x = transforms.to_real(sample)
        if number or not config.get("qat"):  # That goes on with the steps of the run.
            energy = 1.0 if config.distortion == "nmse" else np.sum(x**2) / len(x)
            y = self.codec.analysis(x)
            self.codec.quantizer.initialize(y, config.lmbda / energy)
        adam = Adam(config.prior_warmup_learning_rate)
        warmup = Loop([Group(self._densities, adam)], config.seed)
        warmup.begin(self._objective.of_prior)
        chosen = [
            np.sort(rng.choice(len(h_train), config.batch_size, False))
            for _ in range(config.prior_warmup_steps)
        ]
        if chosen:
            warmup.train_epoch(csi_batches(h_train, chosen, config.batch_size))
        self.prior.refresh()
        self._objective.begin(tf.constant(x))


def _row(name: str, means: Iterable[float]) -> dict[str, float]:
    """Columns of the log of loss, NMSE and bits."""
    loss, nmse, bits = map(float, means)
    return {
        f"{name}_loss": loss,
        f"{name}_nmse_db": float(metrics.to_db(nmse)),
        f"{name}_bits": bits,
    }
