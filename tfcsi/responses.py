"""From paths, given at each antenna, to matrices of one of two domains.

A path is a complex gain at each antenna and a delay. Sampled at subcarriers it is a
tone, and over delay taps, the inverse DFT of num_fft such samples, a Dirichlet kernel,
summed here in closed form: no transform over all subcarriers where a few taps are kept.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from tfcsi import transforms

SELECTIONS = ("spread", "first")
_BLOCK = 256  # users at a time; bounds the memory


@dataclasses.dataclass(frozen=True)
class Band:
    """What is sampled of a band, and what is kept of the samples.

    Attributes:
      bandwidth: Hz.
      num_fft: subcarriers in it; delays come round after num_fft / bandwidth.
      num_sc: delay taps or subcarriers that are kept.
      select: which subcarriers, "spread" evenly over the band or the "first" ones.
    """

    bandwidth: float
    num_fft: int
    num_sc: int
    select: str = "spread"

    def __post_init__(self):
        if not self.bandwidth > 0:
            raise ValueError(f"bandwidth is {self.bandwidth}; it must be positive, Hz")
        if self.select not in SELECTIONS:
            known = ", ".join(SELECTIONS)
            raise ValueError(f"select is {self.select!r}; it must be one of {known}")
        if not 1 <= self.num_sc <= self.num_fft:
            raise ValueError(f"num_sc is {self.num_sc}; it must be 1 to {self.num_fft}")
        if self.select == "spread" and self.num_fft % self.num_sc:
            raise ValueError(
                f"num_sc is {self.num_sc}; to be spread evenly it must divide num_fft, "
                f"{self.num_fft}"
            )

    def subcarriers(self) -> np.ndarray:
        """Numbers of the subcarriers kept, [num_sc]."""
        step = self.num_fft // self.num_sc if self.select == "spread" else 1
        return step * np.arange(self.num_sc)


def matrices(
    gain: np.ndarray, delay: np.ndarray, band: Band, domain: str
) -> tuple[np.ndarray, np.ndarray]:
    """Matrices of users, and the share of their energy that is not in them.

    Args:
      gain: [n, num_tx, num_paths], complex, at the lowest frequency of the band; 0
        where there is no path.
      delay: [n, num_paths], or [n, num_tx, num_paths] with delays of each antenna, s,
        negative ones come round.
      band: what is kept.
      domain: "angular_delay", a unitary 2-D DFT as `transforms.to_angular_delay` of all
        subcarriers, cut to the first taps; or "space_frequency", the subcarriers kept.

    Returns:
      h: [n, num_tx, num_sc], complex64.
      lost: [n], float64, linear, share of the energy in later taps; zero in the
        frequency domain, where subcarriers are sampled and nothing is cut.
    """
    transforms.check_domain(domain)
    h = np.empty((*gain.shape[:2], band.num_sc), np.complex64)
    lost = np.zeros(len(h))
    for i in range(0, len(h), _BLOCK):
        block = gain[i : i + _BLOCK], delay[i : i + _BLOCK]
        if domain == "space_frequency":
            h[i : i + _BLOCK] = frequency_response(*block, band)
            continue
        taps = delay_taps(*block, band)
        total, kept = energy(*block, band), (np.abs(taps) ** 2).sum((1, 2))
        part = np.divide(kept, total, out=np.ones_like(total), where=total > 0)
        lost[i : i + _BLOCK] = np.clip(1 - part, 0, 1)
        h[i : i + _BLOCK] = transforms.to_angles(taps)
    return h, lost


def frequency_response(gain: np.ndarray, delay: np.ndarray, band: Band) -> np.ndarray:
    """Sum over paths at the subcarriers kept, [n, num_tx, num_sc], complex128."""
    turns = band.bandwidth / band.num_fft * delay[..., None] * band.subcarriers()
    return _sum(gain, np.exp(-2j * np.pi * turns))


def delay_taps(gain: np.ndarray, delay: np.ndarray, band: Band) -> np.ndarray:
    """The first taps of the unitary inverse DFT over all subcarriers, same shape."""
    off = np.arange(band.num_sc) - (band.bandwidth * delay)[..., None]
    return np.sqrt(band.num_fft) * _sum(gain, _dirichlet(off, band.num_fft))


def energy(gain: np.ndarray, delay: np.ndarray, band: Band) -> np.ndarray:
    """Energy of all subcarriers and antennas, [n], from the products of paths."""
    samples = band.bandwidth * delay
    kernel = _dirichlet(samples[..., None] - samples[..., None, :], band.num_fft)
    if delay.ndim == 2:
        products = np.swapaxes(gain.conj(), 1, 2) @ gain
        return band.num_fft * (products * kernel).sum((1, 2)).real
    each = (gain.conj()[..., None, :] @ kernel @ gain[..., None])[..., 0, 0]
    return band.num_fft * each.sum(1).real


def _sum(gain: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """Sums [n, num_tx, num_paths] times [n, num_paths, k] or [n, num_tx, ...] of it."""
    if kernel.ndim == 3:
        return gain @ kernel
    return (gain[..., None, :] @ kernel)[..., 0, :]


def _dirichlet(off: np.ndarray, size: int) -> np.ndarray:
    """Mean over k < size of exp(2 pi j k off / size), in closed form."""
    turns = off / size
    turns = turns - np.rint(turns)
    return np.exp(1j * np.pi * (size - 1) * turns) * (
        np.sinc(size * turns) / np.sinc(turns)
    )
