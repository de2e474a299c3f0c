"""Stages of a training: which part of a pair learns when, and how fast."""

from __future__ import annotations

import dataclasses

import ml_collections
import numpy as np
import tensorflow as tf

from tfcsi.training.config import STAGE
from tfcsi.training.fields import with_defaults


@dataclasses.dataclass(frozen=True)
class Stage:
    """A part of a training.

    Attributes:
      epochs: Number of epochs, at least one; they sum to `config.epochs`.
      train: As the fields below in `config.STAGE`, which tells what each does.
      quantize: See `config.STAGE`.
      noise: See `config.STAGE`.
      loss: See `config.STAGE`.
    """

    epochs: int
    train: str
    quantize: bool
    noise: bool
    loss: str


def stages_of(config: ml_collections.ConfigDict) -> list[Stage]:
    """Returns the stages of a training, one of all epochs if the config has none.

    Raises:
      ValueError: If there are too few epochs for the stages.
    """
    entries = [{**with_defaults(STAGE), **stage} for stage in config.stages]
    entries = entries or [{**with_defaults(STAGE), "share": 1}]
    shares = [entry.pop("share") for entry in entries]
    ends = np.rint(config.epochs * np.cumsum(shares) / sum(shares)).astype(int)
    epochs = np.diff(ends, prepend=0)
    if epochs.min() < 1:
        raise ValueError(
            f"epochs is {config.epochs}; too few for {len(entries)} stages of shares "
            f"{shares}"
        )
    return [Stage(int(number), **entry) for number, entry in zip(epochs, entries)]


@tf.keras.utils.register_keras_serializable("tfcsi")
class WarmUpCosine(tf.keras.optimizers.schedules.LearningRateSchedule):
    """In each stage a linear warm-up to the peak, then a half cosine down.

    Args:
      peak: Largest learning rate.
      steps: Steps an epoch.
      stages: Of the training.
      config: Has `warmup_epochs` and `final_rate`, the last rate relative to the peak.
    """

    def __init__(
        self,
        peak: float,
        steps: int,
        stages: list[Stage],
        config: ml_collections.ConfigDict,
    ):
        self.peak, self.final = peak, config.final_rate
        self.warmup = max(1.0, config.warmup_epochs * steps)
        self.lengths = [float(stage.epochs * steps) for stage in stages]
        self.starts = [sum(self.lengths[:i]) for i in range(len(stages))]

    def __call__(self, step):
        """Returns the learning rate of a step of the whole training."""
        step = tf.cast(step, tf.float32)
        starts = tf.constant(self.starts, tf.float32)
        stage = tf.reduce_sum(tf.cast(starts <= step, tf.int32)) - 1
        step -= tf.gather(starts, stage)
        total = tf.maximum(self.warmup + 1.0, tf.gather(self.lengths, stage))
        done = tf.clip_by_value((step - self.warmup) / (total - self.warmup), 0.0, 1.0)
        cosine = self.final + (1 - self.final) * 0.5 * (1 + tf.cos(np.pi * done))
        return self.peak * tf.minimum((step + 1.0) / self.warmup, cosine)

    def get_config(self):
        """Returns the schedule as Keras writes it down."""
        return vars(self)
