"""Measures of reconstruction and of rate: linear, one number for each matrix.

Report a mean as `to_db(nmse(h, h_hat).mean())`: the mean comes first, dB last. Some
code of this field takes the mean of dB values, which is lower for the same matrices.
Matrices are zero-centred, [n, num_tx, num_delay] or [n, num_tx, num_sc]. This module
needs NumPy alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from tfcsi import transforms

_BLOCK = 50  # Matrices in memory at a time; it divides `matrices.BLOCK`.
_DRAWS = 1 << 22  # Bootstrap indices in memory at a time.
_RESAMPLES = 2000


def nmse(h: np.ndarray, h_hat: np.ndarray) -> np.ndarray:
    """Returns the normalised squared error ||h - h_hat||^2 / ||h||^2 of each matrix.

    CsiNet (Wen et al. 2018), Section III, before the mean and before dB.

    Args:
      h: [n, num_tx, num_delay], complex, the truth, zero-centred.
      h_hat: [n, num_tx, num_delay], complex, the reconstruction.

    Returns:
      [n], float64, linear. It is 1 if `h_hat` is zero, and NaN if it holds NaN.

    Raises:
      ValueError: If the shapes differ, or a matrix of `h` has no energy or is not
        finite.

    Examples:
      >>> h = np.ones((2, 4, 4), np.complex64)
      >>> h_hat = h * [[[0.9]], [[0.5]]]
      >>> error = nmse(h, h_hat)
      >>> error.round(3)
      array([0.01, 0.25])
      >>> round(to_db(error.mean()), 2)  # And not the mean of dB values, -13.01.
      -8.86
    """
    return _blockwise(_nmse, h, h_hat, h_hat.shape)


def sgcs(h: np.ndarray, h_hat: np.ndarray, domain: str) -> np.ndarray:
    """Returns the squared generalised cosine similarity of each matrix.

    This is the mean over subcarriers of |w^H w_hat|^2 / (|w|^2 |w_hat|^2), where w is
    the vector over antennas: 3GPP TR 38.843, Section 6.2, for rank one. A vector over
    angles is a unitary DFT of it and gives the same number. Delay taps are first
    transformed by `transforms.to_subcarriers`.

    Args:
      h: [n, num_tx, num_delay or num_sc], complex, the truth, zero-centred.
      h_hat: complex, the reconstruction, of the same shape.
      domain: "angular_delay" or "space_frequency", the domain of both.

    Returns:
      [n], float64, in [0, 1]. It is 0 if `h_hat` is zero, and NaN if it is not finite.

    Raises:
      ValueError: If the shapes differ, the domain is not known, or a matrix of `h` has
        no energy or is not finite.
    """
    transforms.check_domain(domain)
    delays = domain == "angular_delay"
    in_frequency = transforms.to_subcarriers if delays else np.asarray

    def cosine(*pair: np.ndarray) -> np.ndarray:
        return _cosine_squared(*(in_frequency(_near_one(w)) for w in pair)).mean(axis=1)

    return _blockwise(cosine, h, h_hat, h_hat.shape)


def rho(h_hat: np.ndarray, hf: np.ndarray, domain: str) -> np.ndarray:
    """Returns the cosine similarity with the published frequency-domain truth.

    This is the mean over subcarriers of |w^H w_hat| / (|w| |w_hat|), not squared:
    CsiNet (Wen et al. 2018), Section III. The truth holds all delays, so a perfect
    reconstruction of the truncated matrix stays a little below 1.

    Args:
      h_hat: [n, num_tx, num_delay or num_sc], complex, the reconstruction,
        zero-centred. In the space-frequency domain it is first transformed to all of
        its delay taps.
      hf: [n, num_tx, 125], complex, the truth, angles by subcarriers (`HF_all`).
      domain: "angular_delay" or "space_frequency", the domain of `h_hat`.

    Returns:
      [n], float64, in [0, 1], for each matrix. It is 0 if `h_hat` is zero, and NaN if
      it is not finite.

    Raises:
      ValueError: If the shapes differ, the domain is not known, or a matrix of `hf` has
        no energy or is not finite.
    """
    transforms.check_domain(domain)

    def cosine(w: np.ndarray, w_hat: np.ndarray) -> np.ndarray:
        w_hat = transforms.in_angular_delay(_near_one(w_hat), domain)
        return np.sqrt(_cosine_squared(w, transforms.to_subcarriers(w_hat)))

    expected = (*h_hat.shape[:2], transforms.NUM_SC)
    return _blockwise(lambda *pair: cosine(*pair).mean(axis=1), hf, h_hat, expected)


def to_db(value: np.ndarray | float) -> np.ndarray | float:
    """Returns 10 log10 of a power ratio.

    Args:
      value: A number or an array, linear, not negative. Take a mean before this
        function, not after it.

    Returns:
      A float or an array of float64, in dB. Zero becomes -inf.

    Raises:
      ValueError: If a value is negative.
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
    """Returns the mean number of bits of packets; every byte counts.

    Args:
      packets: The packets, one for each matrix.

    Returns:
      8 times the mean length in bytes.

    Raises:
      ValueError: If there are no packets.

    Examples:
      >>> bits_per_csi([b"12", b"123"])
      20.0
    """
    if not len(packets):
        raise ValueError("bits_per_csi: there are no packets")
    return 8 * sum(len(packet) for packet in packets) / len(packets)


def bits_per_pixel(bits: float, num_reals: int = 2048) -> float:
    """Returns the bits for each real number of a matrix.

    Args:
      bits: Bits of a packet.
      num_reals: 2 num_tx num_delay; a 32 x 32 complex matrix has 2048 real numbers.

    Returns:
      bits / num_reals.
    """
    return bits / num_reals


def confidence_interval(
    values: np.ndarray, level: float = 0.95, seed: int = 0
) -> tuple[float, float]:
    """Returns the confidence interval of a mean: percentile bootstrap, 2000 resamples.

    Args:
      values: [n], real, one linear number for each matrix.
      level: Coverage, in (0, 1).
      seed: Seed of the resampling.

    Returns:
      (low, high), in the unit of `values`. `to_db` of both is the interval in dB.

    Raises:
      ValueError: If `values` has fewer than two entries, which have no interval, or
        more than one axis, or `level` is not in (0, 1).
    """
    values = np.asarray(values, dtype=np.float64)
    if values.ndim != 1 or values.size < 2:
        raise ValueError(f"values must be [n], n > 1, got shape {values.shape}")
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
    error, h = _near_one(h - h_hat, of=h), _near_one(h)
    return _energy(error, (1, 2)) / _energy(h, (1, 2))


def _cosine_squared(w: np.ndarray, w_hat: np.ndarray) -> np.ndarray:
    """Returns |w^H w_hat|^2 / (|w|^2 |w_hat|^2) along axis 1; 0 if a vector is zero."""
    w, w_hat = (_near_one(v.astype(np.complex128), axis=1) for v in (w, w_hat))
    scale = _energy(w, 1) * _energy(w_hat, 1)
    product = np.abs(np.einsum("nik,nik->nk", w.conj(), w_hat)) ** 2
    zero = scale == 0  # NaN is not.
    cosine = np.where(zero, 0, product / np.where(zero, 1, scale))
    return np.minimum(cosine, 1)  # Rounding may exceed 1.


def _peak(h: np.ndarray, axis: int | tuple[int, ...]) -> np.ndarray:
    """Returns the largest real or imaginary part; the axes stay, with length one."""
    parts = np.maximum(np.abs(h.real), np.abs(h.imag))
    return parts.max(axis=axis, initial=0, keepdims=True)


def _near_one(
    h: np.ndarray,
    of: np.ndarray | None = None,
    axis: int | tuple[int, ...] = (1, 2),
) -> np.ndarray:
    """Divides by the power of two above the peak of `h` or `of`; its squares fit then.

    This changes no digit. NaN and infinite entries stay what they are.
    """
    peak = _peak(h if of is None else of, axis)
    octave = np.frexp(np.where(np.isfinite(peak), peak, 0))[1]
    out = np.empty_like(h)
    with np.errstate(over="ignore"):
        out.real, out.imag = np.ldexp(h.real, -octave), np.ldexp(h.imag, -octave)
    return out


def _energy(h: np.ndarray, axis: int | tuple[int, ...]) -> np.ndarray:
    return (h.real**2 + h.imag**2).sum(axis=axis)


def _blockwise(
    measure: Callable, h: np.ndarray, h_hat: np.ndarray, expected: tuple[int, ...]
) -> np.ndarray:
    """Checks the truth and applies a measure to it block by block.

    Args:
      measure: Function of two blocks, truth and reconstruction.
      h: The truth.
      h_hat: The reconstruction.
      expected: Shape that the truth must have.
    """
    if len(expected) != 3 or h.shape != expected or len(h) != len(h_hat):
        raise ValueError(
            f"the truth has shape {h.shape}, the reconstruction {h_hat.shape}; "
            "expected [n, num_tx, ...], the same n and num_tx"
        )
    out = np.empty(len(h))
    for start in range(0, len(h), _BLOCK):
        truth = np.asarray(h[start : start + _BLOCK], dtype=np.complex128)
        peak = _peak(truth, (1, 2)).ravel()
        if not (sound := np.isfinite(peak) & (peak > 0)).all():
            bad = start + int(np.argmin(sound))
            raise ValueError(
                f"matrix {bad} of the truth has no energy or is not finite"
            )
        estimate = np.asarray(h_hat[start : start + _BLOCK], dtype=np.complex128)
        with np.errstate(invalid="ignore", over="ignore"):  # NaN and inf are passed on.
            out[start : start + _BLOCK] = measure(truth, estimate)
    return out
