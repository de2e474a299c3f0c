"""Random changes of a batch: other matrices of the same distribution, and noise."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf


def augment(x: tf.Tensor, kind: str, seed: tf.Tensor) -> tf.Tensor:
    """Turns a batch into other matrices of the same distribution.

    A random global phase does not change the distribution of channels, because the
    phase of a path is uniform. A mirrored angle axis does not change it either if the
    users surround the base station evenly. Angle bin k of a centred DFT becomes bin -k.

    Args:
      x: float32 [n, num_tx, num_delay, 2].
      kind: "none", "phase" or "phase_flip".
      seed: int64 [2]; the same seed makes the same matrices.

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


def shift_angles(x: tf.Tensor, reach: float, seed: tf.Tensor) -> tf.Tensor:
    """Moves each matrix along the angle axis by a random part of a bin.

    The phases of the antennas rise by so much, as if all paths came from other angles.

    Args:
      x: float32 [n, num_tx, num_delay, 2], angular-delay domain.
      reach: Largest shift, in bins.
      seed: int64 [2]; the same seed draws the same shifts.

    Returns:
      float32 [n, num_tx, num_delay, 2], of the same energy.
    """
    num_tx = x.shape[1]
    move = tf.random.stateless_uniform([tf.shape(x)[0], 1, 1], seed, -reach, reach)
    antenna = np.arange(num_tx, dtype=np.float32)
    h = tf.transpose(tf.complex(x[..., 0], x[..., 1]), (0, 2, 1))  # Angles last.
    turn = 2 * np.pi / num_tx * move * antenna
    h = tf.signal.fft(tf.signal.ifft(h) * tf.complex(tf.cos(turn), tf.sin(turn)))
    h = tf.transpose(h, (0, 2, 1))
    return tf.stack([tf.math.real(h), tf.math.imag(h)], -1)


def awgn(y: tf.Tensor, snr_db: tf.Tensor | float, seed: Sequence[int]) -> tf.Tensor:
    """Adds white Gaussian noise in TensorFlow; `tfcsi.noise.awgn` is the NumPy form.

    Args:
      y: float32 [n, ...], codewords or CSI.
      snr_db: float32 [n] or a number: mean of y^2 over all axes but the first, relative
        to the variance of the noise [dB].
      seed: two integers; the same seed draws the same noise.

    Returns:
      float32 [n, ...].
    """
    y = tf.convert_to_tensor(y, tf.float32)
    axes = list(range(1, y.shape.rank))
    power = tf.reduce_mean(tf.square(y), axes, keepdims=True)
    snr_db = tf.broadcast_to(tf.cast(snr_db, tf.float32), tf.shape(y)[:1])
    snr_db = tf.reshape(snr_db, tf.shape(power))
    deviation = tf.sqrt(power) * 10.0 ** (-snr_db / 20.0)
    return y + deviation * tf.random.stateless_normal(tf.shape(y), seed)


def draw_snr(count: tf.Tensor, limits: Sequence[float], seed: Any) -> tf.Tensor:
    """Draws SNRs that are uniform in dB.

    Args:
      count: Number of SNRs.
      limits: Lowest and highest SNR [dB].
      seed: Two integers; the same seed draws the same SNRs.

    Returns:
      float32 [count], in dB.
    """
    return tf.random.stateless_uniform([count], seed, *map(float, limits))
