"""Noise on the way: on the measured CSI, on the codeword, on the bits of a packet.

All noise power is relative to the power of the matrix or codeword that it is added to,
each for itself. Papers that take the mean of a batch (CLLWCsiNet) give strong codewords
a better channel than weak ones. Trainings draw their noise in the graph, see
`tfcsi.training.augment`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def awgn(
    y: np.ndarray, snr_db: np.ndarray | float, seed: int | Sequence[int]
) -> np.ndarray:
    """Adds white Gaussian noise.

    Args:
      y: float32 [n, ...], codewords or CSI as (re, im).
      snr_db: float [n] or a number, mean of y^2 over variance of the noise [dB], of
        each row; the mean is over all axes but the first.
      seed: Of `numpy.random.default_rng`; the same seed draws the same noise, whatever
        the SNR.

    Returns:
      float32 [n, ...].
    """
    y = np.asarray(y, np.float32)
    power = np.mean(np.square(y), tuple(range(1, y.ndim)), keepdims=True)
    snr_db = np.broadcast_to(np.asarray(snr_db, np.float32), len(y))
    deviation = np.sqrt(power) * 10.0 ** (-snr_db.reshape(power.shape) / 20.0)
    noise = np.random.default_rng(seed).standard_normal(y.shape, np.float32)
    return y + deviation * noise


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
