"""Noise on the way: on the measured CSI, on the codeword, on the bits of a packet.

All noise power is relative to the power of the matrix or codeword that it is added to,
each for itself; papers that take the mean of a batch (CLLWCsiNet) give strong codewords
a better channel than weak ones.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import tensorflow as tf


def awgn(y: tf.Tensor, snr_db: tf.Tensor | float, seed: Sequence[int]) -> tf.Tensor:
    """Adds white Gaussian noise.

    Args:
      y: float32 [n, ...], codewords or CSI.
      snr_db: float32 [n] or a number, mean of y^2 over variance of the noise [dB], of
        each row; the mean is over all axes but the first.
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


def draw_snr(count: tf.Tensor, limits: Sequence[float], seed) -> tf.Tensor:
    """Draws float32 [count] SNRs, uniform in dB between the two limits."""
    return tf.random.stateless_uniform([count], seed, *map(float, limits))


def flip_bits(packets: Sequence[bytes], rate: float, seed: int) -> list[bytes]:
    """Inverts bits of packets, each with a probability.

    Args:
      packets: n bytes.
      rate: Probability that a bit is inverted, 0 to 1.
      seed: Of the draw.

    Returns:
      n bytes of the same lengths.

    Raises:
      ValueError: If the rate is no probability.
    """
    if not 0 <= rate <= 1:
        raise ValueError(f"rate is {rate}; a bit error rate must be 0 to 1")
    sizes = [len(packet) for packet in packets]
    bits = np.random.default_rng(seed).random(8 * sum(sizes)) < rate
    damaged = np.frombuffer(b"".join(packets), np.uint8) ^ np.packbits(bits)
    ends = np.cumsum(sizes)
    return [damaged[end - size : end].tobytes() for size, end in zip(sizes, ends)]
