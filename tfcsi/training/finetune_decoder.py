"""Few-shot fine-tuning of a decoder for another place."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from tfcsi import metrics, transforms
from tfcsi.codecs.neural import Codec
from tfcsi.codecs.schema import AUGMENTATIONS
from tfcsi.training import augment as augmentation
from tfcsi.training.loop import Group, Loop
from tfcsi.training.objective import relative_error
from tfcsi.training.optimizer import Adam
from tfcsi.training.pipeline import array_batches, shuffled


def finetune_decoder(
    codec: Codec,
    h_shots: np.ndarray,
    h_val: np.ndarray,
    epochs: int,
    batch_size: int,
    learning_rate: float,
    augment: str,
    seed: int,
) -> Codec:
    """Trains the decoder of a codec on what the UE sends of a few matrices.

    The loss is the mean NMSE, the optimiser Adam. Batch normalisation is in inference
    mode, because a few matrices give no useful statistics. The decoder of the epoch
    that is best on the validation matrices is kept. If no epoch is better than the
    decoder before the training, that one is kept.

    Args:
      codec: A trained codec; it stays as it is.
      h_shots: complex64 [n, num_tx, num_delay], max |h| = 0.5 unless the codec sends
        the gain.
      h_val: complex64 [n_val, num_tx, num_delay], of the same kind.
      epochs: Number of passes over `h_shots`.
      batch_size: Matrices a step; the last step of an epoch may have fewer.
      learning_rate: Learning rate of Adam.
      augment: "none", "phase" or "phase_flip", see `augment.augment`.
      seed: Seed of the order and of the augmentation.

    Returns:
      A codec with the same encoder, quantiser and tables, and with a fingerprint of its
      own, unless no epoch was better than the decoder as it was.

    Raises:
      ValueError: If an argument is out of range, or as `Codec.symbols`.
      RuntimeError: If the codec has no tables.
    """
    check_tuning(epochs, batch_size, learning_rate, augment)
    if not len(h_shots) or not len(h_val):
        raise ValueError(
            f"{len(h_shots)} shots and {len(h_val)} validation matrices; at least 1 "
            f"and 1 are needed"
        )
    if codec.tables is None:
        raise RuntimeError("this codec has no entropy tables: train it first")
    tuned = _copy(codec)
    decoder = tuned.decoder

    def loss(y_hat: Any, x: Any, training: bool, seed: Any) -> tuple[tf.Tensor]:
        del training, seed  # There is no noise, and no batch statistics are used.
        return (relative_error(x, decoder(y_hat, training=False)),)

    loop = Loop([Group(decoder.trainable_variables, Adam(learning_rate))], seed)
    loop.begin(loss)
    received, h_val = _received(codec, h_val)

    def score() -> float:
        return metrics.nmse(h_val, tuned.synthesis(received)).mean()

    best, weights = score(), decoder.get_weights()
    for epoch in range(epochs):
        draw = tf.constant([seed, epoch], tf.int64)
        x = augmentation.augment(transforms.to_real(h_shots), augment, draw)
        y_hat, h = _received(codec, transforms.to_complex(x))
        x = transforms.to_real(h)
        chosen = shuffled(len(h), batch_size, [seed, epoch], whole=False)
        try:
            loop.train_epoch(array_batches([y_hat, x], chosen))
        except FloatingPointError:
            break  # The learning rate is too large. The best decoder so far is kept.
        if (now := score()) < best:
            best, weights = now, decoder.get_weights()
    decoder.set_weights(weights)
    tuned.use(codec.tables)
    return tuned


def _received(codec: Codec, h: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Codewords at the BS, [n, latent], and h at the scale of its decoder."""
    y_hat, gain = codec.dequantize(*codec.symbols(h))
    return y_hat, h / gain


def _copy(codec: Codec) -> Codec:
    """A codec with the same weights and analysis, without tables."""
    copy = Codec(codec.config)
    copy.encoder.set_weights(codec.encoder.get_weights())
    copy.decoder.set_weights(codec.decoder.get_weights())
    for one, other in zip(copy.quantizer.variables, codec.quantizer.variables):
        one.assign(other)
    copy.analysis, copy.facts = codec.analysis, dict(codec.facts)
    return copy


def check_tuning(
    epochs: int, batch_size: int, learning_rate: float, augment: str
) -> None:
    """Refuses arguments of `finetune_decoder` that are out of range.

    Args:
      epochs: Number of passes, positive.
      batch_size: Matrices a step, positive.
      learning_rate: Learning rate of Adam, positive.
      augment: One of `AUGMENTATIONS`.

    Raises:
      ValueError: If one of them is out of range; the message names it.
    """
    if augment not in AUGMENTATIONS:
        known = ", ".join(AUGMENTATIONS)
        raise ValueError(f"augment is {augment!r}; it must be one of {known}")
    numbers = {"epochs": epochs, "batch_size": batch_size}
    for field, value in {**numbers, "learning_rate": learning_rate}.items():
        if not value > 0:
            raise ValueError(f"{field} is {value}; it must be positive")
