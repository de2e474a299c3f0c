"""Noise on the measured CSI, on the codeword, and on the bits of a packet.

The power of the noise is relative to the power of each single matrix or codeword.
The CLLWCsiNet paper relates it to the mean power of a batch, which gives strong
codewords a better channel than weak ones. Trainings draw their noise in the graph, with
`tfcsi.training.augment`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tfcsi.options import check_physical


def awgn(
    y: np.ndarray, snr_db: np.ndarray | float, seed: int | Sequence[int]
) -> np.ndarray:
    """Adds white Gaussian noise.

    Args:
      y: float32 [n, ...], codewords or CSI as (re, im).
      snr_db: float [n] or one number, the SNR of each row [dB]: the mean of y^2, over
        all axes but the first, divided by the variance of the noise.
      seed: Seed of `numpy.random.default_rng`. The same seed draws the same noise at
        every SNR, only weaker or stronger.

    Returns:
      float32 [n, ...], y with noise.

    Raises:
      ValueError: If an SNR is NaN, or neither within 300 dB nor infinite.

    Examples:
      >>> y = np.ones((2, 10000), np.float32)
      >>> noisy = awgn(y, [0, 20], seed=1)
      >>> np.std(noisy - y, axis=1).round(1)
      array([1. , 0.1], dtype=float32)
    """
    numbers = np.ravel(snr_db)
    noisy = numbers[numbers != np.inf]  # An infinite SNR is no noise.
    if len(noisy):
        check_physical(snr_db=noisy[np.argmax(np.abs(noisy))])
    y = np.asarray(y, np.float32)
    power = np.mean(np.square(y), tuple(range(1, y.ndim)), keepdims=True)
    snr_db = np.broadcast_to(np.asarray(snr_db, np.float32), len(y))
    deviation = np.sqrt(power) * 10.0 ** (-snr_db.reshape(power.shape) / 20.0)
    noise = np.random.default_rng(seed).standard_normal(y.shape, np.float32)
    return y + deviation * noise


def flip_bits(packets: Sequence[bytes], rate: float, seed: int) -> list[bytes]:
    """Inverts each bit of packets with a probability.

    Args:
      packets: n bytes objects.
      rate: Probability that a bit is inverted, 0 to 1.
      seed: Seed of the draw.

    Returns:
      n bytes objects of the same lengths.

    Raises:
      ValueError: If the rate is not 0 to 1.
    """
    if not 0 <= rate <= 1:
        raise ValueError(f"rate is {rate}; a bit error rate must be 0 to 1")
    sizes = [len(packet) for packet in packets]
    bits = np.random.default_rng(seed).random(8 * sum(sizes)) < rate
    damaged = np.frombuffer(b"".join(packets), np.uint8) ^ np.packbits(bits)
    ends = np.cumsum(sizes)
    return [damaged[end - size : end].tobytes() for size, end in zip(sizes, ends)]
