"""Measures of reconstruction and of rate, linear and per matrix; NumPy only.

Report a mean as `to_db(nmse(h, h_hat).mean())`: the mean comes first, dB last. The mean
of dB values, met in some of the field's code, reads lower for the same matrices.
Matrices are in the angular-delay domain, [n, num_tx, num_delay], zero-centred.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from tfcsi import transforms

_BLOCK = 64  # matrices in memory at a time
_DRAWS = 1 << 22  # bootstrap indices in memory at a time
_RESAMPLES = 2000


def nmse(h: np.ndarray, h_hat: np.ndarray) -> np.ndarray:
    """Normalised squared error ||h - h_hat||^2 / ||h||^2 of each matrix.

    CsiNet (Wen et al. 2018), Section III, before its mean and its dB.

    Args:
      h: [n, num_tx, num_delay], complex, the truth, zero-centred.
      h_hat: [n, num_tx, num_delay], complex, the reconstruction.

    Returns:
      [n], float64, linear; 1 if `h_hat` is zero.

    Raises:
      ValueError: shapes differ, or a matrix of `h` has no energy or is not finite.
    """
    return _blockwise(_nmse, h, h_hat, h_hat.shape)


def sgcs(h: np.ndarray, h_hat: np.ndarray, domain: str) -> np.ndarray:
    """Squared generalised cosine similarity of each matrix, as 3GPP defines it.

    Mean over subcarriers of |w^H w_hat|^2 / (|w|^2 |w_hat|^2), w the vector over
    antennas (a unitary DFT away from the angles, so the same number); 3GPP TR 38.843,
    Section 6.2, for rank one. Of delay taps, the subcarriers are those of
    `transforms.to_subcarriers`.

    Args:
      h: [n, num_tx, num_delay or num_sc], complex, the truth, zero-centred.
      h_hat: complex, the reconstruction, of the same shape.
      domain: "angular_delay" or "space_frequency", that of both.

    Returns:
      [n], float64, in [0, 1]; 0 if `h_hat` is zero.

    Raises:
      ValueError: shapes differ, the domain is not known, or a matrix of `h` has no
        energy or is not finite.
    """
    transforms.check_domain(domain)
    delays = domain == "angular_delay"
    in_frequency = transforms.to_subcarriers if delays else np.asarray
    return _blockwise(
        lambda w, w_hat: _cosine_squared(in_frequency(w), in_frequency(w_hat)).mean(
            axis=1
        ),
        h,
        h_hat,
        h_hat.shape,
    )


def rho(h_hat: np.ndarray, hf: np.ndarray) -> np.ndarray:
    """Cosine similarity of each matrix with the published frequency-domain truth.

    Mean over subcarriers of |w^H w_hat| / (|w| |w_hat|), not squared: CsiNet (Wen et
    al. 2018), Section III. The truth holds all delays, so a perfect reconstruction of
    the truncated matrix stays a little below 1.

    Args:
      h_hat: [n, num_tx, num_delay], complex, the reconstruction, zero-centred.
      hf: [n, num_tx, 125], complex, the truth, angles by subcarriers (`HF_all`).

    Returns:
      [n], float64, in [0, 1]; 0 if `h_hat` is zero.

    Raises:
      ValueError: shapes differ, or a matrix of `hf` has no energy or is not finite.
    """
    expected = (*h_hat.shape[:2], transforms.NUM_SC)
    return _blockwise(
        lambda w, w_hat: np.sqrt(
            _cosine_squared(w, transforms.to_subcarriers(w_hat))
        ).mean(axis=1),
        hf,
        h_hat,
        expected,
    )


def to_db(value: np.ndarray | float) -> np.ndarray | float:
    """10 log10 of a power ratio; -inf for zero.

    Args:
      value: a number or an array, linear, not negative. Take means before, not after.

    Returns:
      A float or an array of float64, in dB.

    Raises:
      ValueError: a value is negative.
    """
    value = np.asarray(value, dtype=np.float64)
    if (value < 0).any():
        raise ValueError(
            "to_db: a power ratio cannot be negative; is it in dB already?"
        )
    with np.errstate(divide="ignore"):
        db = 10 * np.log10(value)
    return db if db.ndim else float(db)


def bits_per_csi(packets: Sequence[bytes]) -> float:
    """Mean number of bits of a packet, every byte counted.

    Raises:
      ValueError: there are no packets.
    """
    if not len(packets):
        raise ValueError("bits_per_csi: no packets")
    return 8 * sum(len(packet) for packet in packets) / len(packets)


def bits_per_pixel(bits: float, num_reals: int = 2048) -> float:
    """Bits of a matrix over its real numbers (2048 in a 32 x 32 complex matrix)."""
    return bits / num_reals


def confidence_interval(
    values: np.ndarray, level: float = 0.95, seed: int = 0
) -> tuple[float, float]:
    """Confidence interval of the mean by the percentile bootstrap, 2000 resamples.

    Args:
      values: [n], real, one number a matrix, linear.
      level: coverage, in (0, 1).
      seed: seed of the resampling.

    Returns:
      (low, high), in the unit of `values`. `to_db` of both is the interval in dB.

    Raises:
      ValueError: `values` is empty or not one-dimensional, or `level` not in (0, 1).
    """
    values = np.asarray(values, dtype=np.float64)
    if values.ndim != 1 or not values.size:
        raise ValueError(f"values must be [n], n > 0, got shape {values.shape}")
    if not 0 < level < 1:
        raise ValueError(f"level must be in (0, 1), got {level}")
    rng = np.random.default_rng(seed)
    rows = max(1, _DRAWS // values.size)
    means = [
        values[rng.integers(values.size, size=(count, values.size))].mean(axis=1)
        for count in np.diff([*range(0, _RESAMPLES, rows), _RESAMPLES])
    ]
    low, high = np.quantile(np.concatenate(means), [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def _nmse(h: np.ndarray, h_hat: np.ndarray) -> np.ndarray:
    return _energy(h - h_hat, (1, 2)) / _energy(h, (1, 2))


def _cosine_squared(w: np.ndarray, w_hat: np.ndarray) -> np.ndarray:
    """|w^H w_hat|^2 / (|w|^2 |w_hat|^2) along axis 1, 0 where a vector is zero."""
    w, w_hat = w.astype(np.complex128), w_hat.astype(np.complex128)
    scale = _energy(w, 1) * _energy(w_hat, 1)
    product = np.abs(np.einsum("nik,nik->nk", w.conj(), w_hat)) ** 2
    cosine = np.where(scale > 0, product / np.where(scale > 0, scale, 1), 0)
    return np.minimum(cosine, 1)  # rounding


def _energy(h: np.ndarray, axis: int | tuple[int, ...]) -> np.ndarray:
    return (h.real**2 + h.imag**2).sum(axis=axis)


def _blockwise(
    measure: Callable, h: np.ndarray, h_hat: np.ndarray, expected: tuple[int, ...]
) -> np.ndarray:
    """Applies a measure to blocks, once the truth is `expected` in shape and sound."""
    if len(expected) != 3 or h.shape != expected or len(h) != len(h_hat):
        raise ValueError(
            f"the truth has shape {h.shape}, the reconstruction {h_hat.shape}; "
            "expected [n, num_tx, ...], the same n and num_tx"
        )
    out = np.empty(len(h))
    for start in range(0, len(h), _BLOCK):
        truth = np.asarray(h[start : start + _BLOCK], dtype=np.complex128)
        energy = _energy(truth, (1, 2))
        if not (np.isfinite(energy) & (energy > 0)).all():
            bad = start + int(np.argmin(np.isfinite(energy) & (energy > 0)))
            raise ValueError(
                f"matrix {bad} of the truth has no energy or is not finite"
            )
        estimate = np.asarray(h_hat[start : start + _BLOCK], dtype=np.complex128)
        out[start : start + _BLOCK] = measure(truth, estimate)
    return out
