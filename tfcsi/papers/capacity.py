"""What a codeword of reals can carry under noise: the bound of a picture over SNR.

A codeword of n reals at an SNR carries at most n / 2 log2(1 + SNR) bits, whatever is
done before and behind it (Shannon). Three lines show what that is worth: path coding
and the KLT with so many bits, whose packets would arrive without errors, and the best
linear code, whose codeword has the noise on it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from tfcsi import metrics, transforms
from tfcsi.codecs.klt import Klt
from tfcsi.evaluation import baselines
from tfcsi.evaluation.measure import evaluate, summary
from tfcsi.evaluation.rate_distortion import Csi, paths_of
from tfcsi.matrices import product
from tfcsi.noise import awgn
from tfcsi.papers.matrices import Splits
from tfcsi.papers.places import BOUNDS

_NUM_FFT = 257  # Length of the DFT over the band of COST 2100.
_EXCESS = 1.05  # Bits of a codec over the capacity at which its point is left out.
_SEED = 1


def bits_of(length: int, snr_db: float) -> float:
    """Returns the bits that a codeword can carry.

    Args:
      length: Number of its reals.
      snr_db: Power of the codeword over that of the noise [dB].
    """
    return length / 2 * float(np.log2(1 + 10 ** (snr_db / 10)))


def points(
    source: str, splits: Splits, snr_db: Sequence[float], length: int
) -> list[dict]:
    """What codecs reach with as many bits as a noisy codeword can carry.

    Args:
      source: Name of the source.
      splits: Its matrices, in the angular-delay domain.
      snr_db: SNRs of the codeword [dB].
      length: Number of reals of the codeword, an even number.

    Returns:
      Points with `snr_db` and `capacity_bits`; `codec` is one of `places.BOUNDS`. A
      point is missing if its codec does not keep to so few bits.
    """
    csi = Csi(source, "", *splits, _NUM_FFT)
    paths, found = paths_of(csi), []
    for snr in snr_db:
        bits = bits_of(length, snr)
        codecs: dict[str, Callable] = {
            BOUNDS[0]: lambda b=bits: baselines.paths_at_bits(paths, splits.val, b),
            BOUNDS[1]: lambda b=bits: Klt.at_bits(splits.train, b),
        }
        facts: dict[str, Any] = {"dataset": source, "train_on": source}
        facts |= {"split": "test", "snr_db": float(snr), "capacity_bits": bits}
        for name, make in codecs.items():
            point: dict[str, Any] = evaluate(make(), splits.test)
            if point["bits"] <= _EXCESS * bits:
                found.append({"codec": name, **point, **facts})
        h_hat = linear(splits.train, splits.test, length, snr)
        found.append({"codec": BOUNDS[2], **_compared(splits.test, h_hat), **facts})
    return found


def linear(
    h_train: np.ndarray, h: np.ndarray, length: int, snr_db: float
) -> np.ndarray:
    """Sends CSI with the linear code that is best for Gaussian CSI.

    The codeword has the strongest coefficients of the KLT. Each has the share of the
    power that makes the sum of all errors least, and the decoder is the linear one of
    least mean squared error (Lee and Petersen, "Optimal linear coding for vector
    channels", IEEE Transactions on Communications, 1976). All is learned from matrices
    of equal energy, as the NMSE weighs them.

    Args:
      h_train: complex64 [n, num_tx, num_delay], training matrices.
      h: complex64 [m, num_tx, num_delay].
      length: Number of reals of the codeword, an even number.
      snr_db: Mean power of each codeword over that of the noise on it [dB].

    Returns:
      h_hat, complex64 [m, num_tx, num_delay].
    """
    energy = np.sqrt((np.abs(h_train) ** 2).sum((1, 2), keepdims=True))
    variances, basis = transforms.klt_basis(h_train / energy)
    kept = slice(length // 2)
    variances, basis = np.maximum(variances[kept], 0), basis[:, kept]
    noise = 10 ** (-snr_db / 10)  # The mean power of the coefficients is 1.
    power = _powers(variances, noise)
    used = power > 0
    gain = np.where(used, np.sqrt(power / np.where(used, variances, 1)), 0)
    inverse = gain * variances / (power + noise)
    z = product(
        transforms.vectorised(h, h.shape[1:]), basis.conj().astype(np.complex64)
    )
    sent = np.ascontiguousarray(z * gain, np.complex64).view(np.float32)
    got = awgn(sent, snr_db, _SEED).view(np.complex64)
    rows = product((got * inverse).astype(np.complex64), basis.T.astype(np.complex64))
    return rows.reshape(h.shape)


def _powers(variances: np.ndarray, noise: float) -> np.ndarray:
    """Powers of coefficients, 1 in the mean, that make the sum of errors least."""
    low, high = 0.0, 1.0

    def at(level: float) -> np.ndarray:
        return np.maximum(0, np.sqrt(variances * noise) * level - noise)

    while at(high).mean() < 1:
        high *= 2
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (middle, high) if at(middle).mean() < 1 else (low, middle)
    return at(high)


def _compared(h: np.ndarray, h_hat: np.ndarray) -> Mapping[str, float]:
    """NMSE with its interval, of CSI that no packets carried."""
    values = {"nmse": metrics.nmse(h, h_hat), "bytes": np.zeros(len(h))}
    values["sgcs"] = metrics.sgcs(h, h_hat, "angular_delay")
    kept = summary(values, h.shape[1:])
    return {k: v for k, v in kept.items() if k.startswith(("nmse", "num", "sgcs"))}
