"""Changes of domain, of number type and of scale, each beside its inverse.

The domains are those of Wen, Shih and Jin, "Deep Learning for Massive MIMO CSI
Feedback", IEEE Wireless Communications Letters 2018 (CsiNet), Section II: a
space-frequency matrix (antennas by subcarriers) becomes sparse under a 2-D DFT
(angles by delays), and only its first delay taps are kept and fed back.

The axes are `num_tx` (antenna or angle), then `num_delay` or `num_sc` (subcarrier).
Real arrays have (re, im) as their last axis. This module needs NumPy alone.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

# The published evaluation of rho: the test script of CsiNet pads 32 delay taps with
# zeros to 257, takes an FFT and compares the first 125 bins with `HF_all`.
NUM_FFT = 257
NUM_SC = 125

DOMAINS = ("angular_delay", "space_frequency")
PEAK = 0.5  # max |h| of the CSI that networks are trained on, as published.
_PEAK_TOLERANCE = 0.05
_LARGEST_PEAK = 2.0**125  # Keeps CSI that is sent with its gain within float32.
_BLOCK = 500  # Matrices in memory at a time.


def check_domain(domain: str) -> None:
    """Raises a ValueError unless the domain is one of `DOMAINS`."""
    if domain not in DOMAINS:
        known = ", ".join(DOMAINS)
        raise ValueError(f"domain is {domain!r}; it must be one of {known}")


def domain_of(config: Mapping[str, Any]) -> str:
    """Returns the domain of the CSI of a run, "angular_delay" if the config names none.

    This is the only place that knows what a missing field means: configs were written
    without `domain` when all runs were of the angular-delay domain.

    Raises:
      ValueError: If the config has an unknown domain.
    """
    domain = config.get("domain", "angular_delay")
    check_domain(domain)
    return domain


def to_real(h: np.ndarray) -> np.ndarray:
    """Splits complex matrices into a last axis (re, im).

    Args:
      h: [..., num_tx, num_delay], complex64. Other types are cast.

    Returns:
      [..., num_tx, num_delay, 2], float32; a view if `h` is contiguous complex64.
    """
    h = np.ascontiguousarray(h, dtype=np.complex64)
    return h.view(np.float32).reshape(*h.shape, 2)


def to_complex(x: np.ndarray) -> np.ndarray:
    """Joins a last axis (re, im) into complex matrices; inverse of `to_real`.

    Args:
      x: [..., num_tx, num_delay, 2], float32. Other types are cast.

    Returns:
      [..., num_tx, num_delay], complex64; a view if `x` is contiguous float32.

    Raises:
      ValueError: If the last axis is not (re, im).
    """
    x = np.asarray(x)
    if x.ndim == 0 or x.shape[-1] != 2:
        raise ValueError(f"the last axis must be (re, im), got shape {x.shape}")
    return np.ascontiguousarray(x, dtype=np.float32).view(np.complex64)[..., 0]


def to_angular_delay(h_sf: np.ndarray, num_delay: int) -> np.ndarray:
    """Transforms space-frequency to angular-delay and keeps the first delay taps.

    An FFT over antennas (zero angle in the middle) and an inverse FFT over subcarriers,
    both unitary. Paths of positive delay are in the first taps (CsiNet, Section II).

    Args:
      h_sf: [..., num_tx, num_sc], complex, antennas by subcarriers.
      num_delay: Number of delay taps to keep, at most `num_sc`.

    Returns:
      [..., num_tx, num_delay], complex64, angles by delay taps.

    Raises:
      ValueError: If `num_delay` is not in [1, num_sc].
    """
    _check_taps(num_delay, h_sf.shape[-1])
    h = np.fft.ifft(h_sf, axis=-1, norm="ortho")[..., :num_delay]
    return to_angles(h).astype(np.complex64)


def to_space_frequency(h: np.ndarray, num_sc: int) -> np.ndarray:
    """Transforms angular-delay to space-frequency; missing delay taps count as zero.

    The inverse of `to_angular_delay`, except for the taps that were dropped there.

    Args:
      h: [..., num_tx, num_delay], complex, angles by delay taps.
      num_sc: Number of subcarriers, at least `num_delay`, or it is a ValueError.

    Returns:
      [..., num_tx, num_sc], complex64, antennas by subcarriers.
    """
    _check_taps(h.shape[-1], num_sc)
    h = to_antennas(h)
    return np.fft.fft(h, n=num_sc, axis=-1, norm="ortho").astype(np.complex64)


def in_angular_delay(h: np.ndarray, domain: str) -> np.ndarray:
    """Returns CSI [..., num_tx, k] of a domain as angles by all k delay taps."""
    return to_angular_delay(h, h.shape[-1]) if domain == "space_frequency" else h


def in_domain(h: np.ndarray, domain: str) -> np.ndarray:
    """Returns CSI in a domain; the inverse of `in_angular_delay`."""
    return to_space_frequency(h, h.shape[-1]) if domain == "space_frequency" else h


def synchronize(h_sf: np.ndarray) -> np.ndarray:
    """Moves the strongest echo to delay zero, as the timing of a receiver does.

    The power over delay of all antennas has its maximum there, to an eighth of a tap.
    A phase that is linear in frequency removes this delay.

    Args:
      h_sf: [..., num_tx, num_sc], complex, antennas by subcarriers.

    Returns:
      [..., num_tx, num_sc], complex64.
    """
    num_sc = h_sf.shape[-1]
    power = np.abs(np.fft.ifft(h_sf, 8 * num_sc, axis=-1)) ** 2
    delay = power.sum(-2, keepdims=True).argmax(-1)[..., None] / 8  # [taps]
    turns = delay * np.arange(num_sc) / num_sc
    return (h_sf * np.exp(2j * np.pi * turns)).astype(np.complex64)


def to_angles(h: np.ndarray) -> np.ndarray:
    """Transforms antennas to angles: a unitary DFT with the zero angle in the middle.

    Args:
      h: [..., num_tx, num_delay], complex. The last axis may also be subcarriers.

    Returns:
      [..., num_tx, num_delay], complex128.
    """
    return np.fft.fftshift(np.fft.fft(h, axis=-2, norm="ortho"), axes=-2)


def to_antennas(h: np.ndarray) -> np.ndarray:
    """Transforms angles [..., num_tx, k] to antennas; the inverse of `to_angles`."""
    return np.fft.ifft(np.fft.ifftshift(h, axes=-2), axis=-2, norm="ortho")


def truncation_loss(h_sf: np.ndarray, num_delay: int) -> np.ndarray:
    """Returns the share of the energy that `to_angular_delay` drops.

    Args:
      h_sf: [..., num_tx, num_sc], complex, antennas by subcarriers.
      num_delay: Number of delay taps that are kept, at most `num_sc`.

    Returns:
      [...], float64, in [0, 1], linear.

    Raises:
      ValueError: If `num_delay` is not in [1, num_sc], or a matrix has no energy.
    """
    kept = np.abs(to_angular_delay(h_sf, num_delay).astype(complex)) ** 2
    total = (np.abs(h_sf.astype(complex)) ** 2).sum(axis=(-2, -1))
    if not np.all(total > 0):
        raise ValueError("truncation_loss: a matrix of h_sf has no energy")
    return np.clip(1 - kept.sum(axis=(-2, -1)) / total, 0, 1)


def to_subcarriers(
    h: np.ndarray, num_fft: int = NUM_FFT, num_sc: int = NUM_SC
) -> np.ndarray:
    """Transforms delay taps to subcarriers as in the published evaluation of rho.

    The delay axis is padded with zeros to `num_fft` and goes through an FFT that is not
    unitary. The first `num_sc` bins are kept. Angles stay angles: `HF_all` is angle by
    subcarrier. `from_subcarriers` is the inverse if all bins are kept.

    Args:
      h: [..., num_tx, num_delay], complex.
      num_fft: Length of the FFT, at least `num_delay`.
      num_sc: Number of bins that are kept, at most `num_fft`.

    Returns:
      [..., num_tx, num_sc], complex64.

    Raises:
      ValueError: Unless num_delay <= num_fft >= num_sc.
    """
    _check_taps(h.shape[-1], num_fft)
    _check_taps(num_sc, num_fft)
    # A matrix product is faster: the published length, 257, is prime, mostly padding.
    turns = np.outer(np.arange(h.shape[-1]), np.arange(num_sc)) % num_fft / num_fft
    dft = np.exp(-2j * np.pi * turns).astype(np.complex64)
    # One large product is faster: threads of many small ones wait for each other.
    rows = h.astype(np.complex64, copy=False).reshape(-1, h.shape[-1])
    return (rows @ dft).reshape(*h.shape[:-1], num_sc)


def from_subcarriers(hf: np.ndarray, num_delay: int) -> np.ndarray:
    """Transforms all subcarriers to delay taps, the inverse of `to_subcarriers`.

    Args:
      hf: [..., num_tx, num_fft], complex, all bins of the FFT.
      num_delay: Number of taps that are kept, 1 to `num_fft`, or it is a ValueError.

    Returns:
      [..., num_tx, num_delay], complex64.
    """
    _check_taps(num_delay, hf.shape[-1])
    return np.fft.ifft(hf, axis=-1)[..., :num_delay].astype(np.complex64)


def to_peak(h: np.ndarray, per_matrix: bool = True) -> tuple[np.ndarray, np.ndarray]:
    """Scales CSI to max |h| = 0.5, each matrix by its own number or all by one number.

    Args:
      h: [n, num_tx, num_delay], complex, any scale.
      per_matrix: Whether each matrix gets its own scale, which erases its power. With
        one scale for all, only the strongest matrix has max |h| = 0.5.

    Returns:
      scaled: [n, num_tx, num_delay], complex64.
      scale: float32 [n], or [] if it is one for all; `from_peak(scaled, scale)` is `h`.

    Raises:
      ValueError: If a matrix (or all of them) is zero, not finite, too weak or strong.
    """
    h = np.asarray(h)
    if h.ndim != 3 or not len(h):
        raise ValueError(f"h must be [n, num_tx, num_delay], got shape {h.shape}")
    scale = np.abs(h).max(axis=(1, 2), initial=0).astype(np.float64) / PEAK
    _check_scale(scale if per_matrix else scale.max(keepdims=True), len(h))
    scale = (scale if per_matrix else scale.max()).astype(np.float32)
    return (h / scale.reshape(-1, 1, 1)).astype(np.complex64, copy=False), scale


def from_peak(scaled: np.ndarray, scale: np.ndarray | float) -> np.ndarray:
    """Returns `scaled * scale`, complex64 [n, num_tx, num_delay]; inverts `to_peak`."""
    return scaled * np.asarray(scale, np.float32).reshape(-1, 1, 1)


def to_unit_interval(h: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Scales each matrix to max |h| = 0.5 about 0.5, the published form of COST 2100.

    Args:
      h: [n, num_tx, num_delay], complex, zero-centred, any scale.

    Returns:
      x01: [n, num_tx, num_delay, 2], float32, in [0, 1], with zero at 0.5.
      scale: [n], float32, 2 max |h| of each matrix, in the unit of `h`.
        `from_unit_interval(x01, scale)` is `h`.

    Raises:
      ValueError: If a matrix is zero, not finite, too weak or too strong for float32.
    """
    h = np.asarray(h)
    if h.ndim != 3:
        raise ValueError(f"h must be [n, num_tx, num_delay], got shape {h.shape}")
    # hypot, unlike |.|^2, neither overflows nor underflows in float32.
    scale = 2 * np.abs(h).max(axis=(1, 2), initial=0).astype(np.float64)
    _check_scale(scale, len(h))
    scale = scale.astype(np.float32)
    x01 = to_real(h) / scale[:, None, None, None]
    x01 += 0.5
    return np.clip(x01, 0, 1, out=x01), scale


def from_unit_interval(x01: np.ndarray, scale: np.ndarray | float = 1) -> np.ndarray:
    """Centres matrices in [0, 1] at zero, the inverse of `to_unit_interval`.

    Args:
      x01: [n, num_tx, num_delay, 2], float, with zero at 0.5.
      scale: [n] or a number. 1 keeps the published scale, max |h| = 0.5.

    Returns:
      [n, num_tx, num_delay], complex64, in the unit of `scale`.

    Raises:
      ValueError: If the last axis of `x01` is not (re, im).
    """
    scale = np.asarray(scale, dtype=np.float32).reshape(-1, 1, 1)
    return to_complex(np.asarray(x01) - 0.5) * scale


def as_csi(h: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Returns h as an array, complex [n, *shape]; raises a ValueError if it is not."""
    try:
        h = np.asarray(h)
    except ValueError:  # Matrices of several sizes.
        h = np.array(None)
    if h.ndim != 3 or h.shape[1:] != tuple(shape) or not np.iscomplexobj(h):
        wanted = f"complex [n, {shape[0]}, {shape[1]}]"
        raise ValueError(f"h is {h.dtype} {list(h.shape)}; this codec takes {wanted}")
    return h


def finite_csi(h: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Returns h as `as_csi`; raises a ValueError if float32 cannot hold it, too."""
    h = as_csi(h, shape)
    if not np.isfinite(h).all():
        raise ValueError("h holds NaN or infinity")
    peak = np.abs(h).max(axis=(1, 2), initial=0)
    _check_scale(np.where(peak > 0, peak / PEAK, 1), len(h))
    return h


def check_csi(h: np.ndarray, shape: tuple[int, ...], any_scale: bool) -> np.ndarray:
    """Checks that a network can take CSI; returns max |h| of each matrix, float64 [n].

    Args:
      h: complex64 [n, num_tx, num_delay].
      shape: (num_tx, num_delay) that it must have.
      any_scale: Whether max |h| may differ from 0.5.

    Raises:
      ValueError: If h has another shape or scale, or is not finite.
    """
    h = as_csi(h, shape)
    peak = np.zeros(len(h))
    for start in range(0, len(h), _BLOCK):
        block = np.abs(h[start : start + _BLOCK])
        peak[start : start + _BLOCK] = block.max((1, 2), initial=0)
    low, high = 1 / _LARGEST_PEAK, _LARGEST_PEAK
    if not (fits := (peak <= high) & ((peak == 0) | (peak >= low))).all():
        words = f"NaN or more than {high:.2g}, or nothing above {low:.2g}"
        raise ValueError(f"h[{int(np.argmin(fits))}] holds {words}")
    off = np.abs(peak - PEAK)
    if not any_scale and np.any(off > _PEAK_TOLERANCE):
        bad = int(np.argmax(off))
        raise ValueError(
            f"h[{bad}] has max |h| = {peak[bad]:.3g}; networks are trained on "
            f"max |h| = {PEAK}. Scale h with tfcsi.transforms.to_peak or --scale, or "
            f"train a codec with --config.send_gain=True, which sends the scale"
        )
    return peak


def _check_scale(scale: np.ndarray, num: int) -> None:
    """Raises a ValueError if a scale [n] is not a normal positive float32."""
    normal = np.finfo(np.float32)
    for bad, fault in (
        (~(scale <= normal.max), "has NaN or infinite entries, or some above 1.7e38"),
        (scale == 0, "is all zero and has no scale"),
        (scale < normal.tiny, "has no entry above 5.9e-39, too weak for float32"),
    ):
        if bad.any():
            raise ValueError(f"matrix {np.argmax(bad)} of {num} {fault}")


def _check_taps(few: int, many: int) -> None:
    """Raises a ValueError unless 1 <= few <= many."""
    if not 1 <= few <= many:
        raise ValueError(f"cannot keep {few} of {many} delay taps or subcarriers")


def klt_basis(h: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Computes a Karhunen-Loeve transform: the eigenvectors U of E[h h^H].

    Args:
      h: [n, num_tx, num_delay], complex64, circularly symmetric (see `Klt`).

    Returns:
      variances [num_tx * num_delay], float64, in falling order, and basis
      [num_tx * num_delay, num_tx * num_delay], complex128, one component in each
      column. The coefficients of a vectorised matrix are z = U^H h.

    Raises:
      ValueError: If `h` is empty, has not three axes, or is not finite.
    """
    if h.ndim != 3 or not len(h):
        raise ValueError(f"h_train must be [n, num_tx, num_delay]: {h.shape}")
    flat = vectorised(h, h.shape[1:])
    covariance = (flat.T @ flat.conj()).astype(np.complex128) / len(h)  # E[h h^H]
    variances, basis = np.linalg.eigh(covariance)
    return variances[::-1], basis[:, ::-1]


def vectorised(h: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Returns h, finite [n, *shape], as vectors, complex64 [n, num_tx * num_delay]."""
    h = finite_csi(h, shape)
    return np.ascontiguousarray(h, np.complex64).reshape(len(h), math.prod(shape))
