"""Stages of a training: which part of a pair learns when, and how fast."""

from __future__ import annotations

import dataclasses

import ml_collections
import numpy as np
import tensorflow as tf

LOSSES = ("csi", "codeword")


@dataclasses.dataclass(frozen=True)
class Stage:
    """A part of a training.

    An entry of `config.stages` has these fields but `epochs`, in place of which it has
    `share`: its length relative to the other stages.

    Attributes:
      epochs: Number of epochs, at least one; they sum to `config.epochs`.
      train: Regular expression; the variables of layers in whose name, "encoder/..." or
        "decoder/...", it is found are trained. Batch normalisation learns statistics
        only where it is empty, which trains all.
      quantize: Whether the decoder gets quantised codewords and bits count.
      noise: Whether the noise of the config is on.
      loss: "csi", or "codeword": the error of the decoder's layer "denoised" relative
        to the codeword before noise, in place of the error of the CSI.
    """

    epochs: int
    train: str = ""
    quantize: bool = True
    noise: bool = True
    loss: str = "csi"


def stages_of(config: ml_collections.ConfigDict) -> list[Stage]:
    """Returns the stages of a training, one of all epochs if the config has none.

    Raises:
      ValueError: If a stage has an unknown field or value, or epochs are too few.
    """
    known = [field.name for field in dataclasses.fields(Stage)][1:]
    given = [dict(stage) for stage in config.stages] or [{"share": 1}]
    shares = [stage.pop("share", 0) for stage in given]
    for stage, share in zip(given, shares):
        if not share > 0 or set(stage) - set(known):
            raise ValueError(
                f"stages has {stage} with share {share}; a stage has a positive share "
                f"and may have {', '.join(known)}"
            )
        if stage.get("loss", LOSSES[0]) not in LOSSES:
            raise ValueError(
                f"loss of a stage is {stage['loss']!r}; it must be one of {LOSSES}"
            )
    ends = np.rint(config.epochs * np.cumsum(shares) / sum(shares)).astype(int)
    epochs = np.diff(ends, prepend=0)
    if epochs.min() < 1:
        raise ValueError(
            f"epochs is {config.epochs}; too few for {len(given)} stages of shares "
            f"{shares}"
        )
    return [Stage(int(number), **stage) for number, stage in zip(epochs, given)]


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
