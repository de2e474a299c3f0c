"""Atoms: the picture of one propagation path in angle and delay.

A path that arrives at angle u (in bins) with delay tau (in taps) is the product of two
Dirichlet kernels, a(u) d(tau): the responses of the array and of the band. Without the
phases that do not depend on the path, both kernels are real. An atom is one such
product with unit norm. Its places lie on a fine grid of 1 / `UNIT` bin.
"""

from __future__ import annotations

import dataclasses
import functools

import numpy as np

from tfcsi import transforms

MAX_FINENESS = 7  # Finest resolution of a place, in binary digits behind the point.
UNIT = 1 << MAX_FINENESS  # Places in a bin.
# Cells of a place have a middle and two edges on a grid of 1 / EDGE bin.
EDGE = 2 * UNIT
HALF = UNIT // 2  # Half a bin, the spacing of the grid that is searched first.


@dataclasses.dataclass(frozen=True)
class Axis:
    """Kernels of an axis, at all places on the fine grid.

    The axis holds the first `size` of the `period` bins of a DFT. If it holds all of
    them it is circular, and its places are 0 <= p < size UNIT. If not, they are those
    from half a bin before the first bin to half a bin behind the last one.

    Attributes:
      size: Bins that are kept.
      period: Length of the DFT.
      inverse: Whether the bins are those of an inverse DFT (delays), else of a DFT
        whose middle is zero (angles).
    """

    size: int
    period: int
    inverse: bool

    def __post_init__(self) -> None:
        """Checks the sizes."""
        if not 1 <= self.size <= self.period:
            raise ValueError(f"an axis cannot keep {self.size} of {self.period} bins")

    @property
    def circular(self) -> bool:
        """Whether places beyond the last bin are those before the first one."""
        return self.size == self.period

    @property
    def origin(self) -> int:
        """Place of the first row of `rows`, in 1 / UNIT bin."""
        return 0 if self.circular else -HALF

    @property
    def num_places(self) -> int:
        """Number of places, and of rows."""
        return self.size * UNIT + (0 if self.circular else 1)

    def num_cells(self, fineness: np.ndarray) -> np.ndarray:
        """Returns the number of cells at resolutions of 2^-fineness bins."""
        return (self.size << fineness) + (0 if self.circular else 1)

    @functools.cached_property
    def rows(self) -> np.ndarray:
        """Kernels of unit norm, float32 [num_places, size]."""
        rows = self.kernel(self.origin + np.arange(self.num_places))
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        return rows.astype(np.float32)

    @functools.cached_property
    def half_rows(self) -> np.ndarray:
        """Kernels between the bins, at whole bins and a half, float32 [., size]."""
        first = HALF if self.circular else 0
        return np.ascontiguousarray(self.rows[first::UNIT])

    def kernel(self, place: np.ndarray) -> np.ndarray:
        """Returns real Dirichlet kernels, float64 [num, size], of places [num]."""
        distance = place[:, None] - UNIT * np.arange(self.size)  # In 1 / UNIT bin.
        whole, bins = distance % (UNIT * self.period) == 0, distance / UNIT
        turn = np.where(whole, 1, self.period * np.sin(np.pi * bins / self.period))
        value = np.sin(np.pi * bins) / turn
        laps = distance // (UNIT * self.period)
        sign = np.where(laps * (self.period - 1) % 2, -1.0, 1.0)
        return np.where(whole, sign, value)

    @functools.cached_property
    def phases(self) -> np.ndarray:
        """Phases of the bins that do not depend on the path, complex64 [size]."""
        sign = 1 if self.inverse else -1
        turn = sign * np.pi * (self.period - 1) / self.period
        return np.exp(1j * turn * np.arange(self.size)).astype(np.complex64)

    def distance(self, place: np.ndarray, centre: np.ndarray) -> np.ndarray:
        """Returns place - centre, the short way round a circular axis."""
        far = place - centre
        if self.circular:
            half = self.size * UNIT // 2
            far = (far + half) % (2 * half) - half
        return far

    def wrap(self, place: np.ndarray) -> np.ndarray:
        """Returns places inside the axis: round the circle, or at its nearer end."""
        if self.circular:
            return place % (self.size * UNIT)
        return np.minimum(np.maximum(place, -HALF), self.size * UNIT - HALF)


@dataclasses.dataclass(frozen=True)
class Atoms:
    """Atoms of matrices of one form.

    Attributes:
      num_tx: Angles or antennas of a matrix.
      num_delay: Delay taps or subcarriers of a matrix.
      num_fft: Length of the DFT over the band, at least num_delay; equal to it if all
        taps or subcarriers are kept.
      domain: One of `transforms.DOMAINS`. In "space_frequency" all subcarriers are
        kept, so num_fft is num_delay.
    """

    num_tx: int
    num_delay: int
    num_fft: int
    domain: str

    def __post_init__(self) -> None:
        """Checks the fields."""
        transforms.check_domain(self.domain)
        if self.num_fft < self.num_delay:
            raise ValueError(
                f"num_fft is {self.num_fft}; it must be at least num_delay, "
                f"{self.num_delay}"
            )
        if self.domain == "space_frequency" and self.num_fft != self.num_delay:
            raise ValueError(
                f"num_fft is {self.num_fft}; in the space_frequency domain it must be "
                f"num_delay, {self.num_delay}"
            )

    @functools.cached_property
    def angle(self) -> Axis:
        """The axis of the array."""
        return Axis(self.num_tx, self.num_tx, inverse=False)

    @functools.cached_property
    def delay(self) -> Axis:
        """The axis of the band."""
        return Axis(self.num_delay, self.num_fft, inverse=True)

    def picture(self, h: np.ndarray) -> np.ndarray:
        """Turns CSI into pictures in which atoms are real.

        Args:
          h: complex64 [n, num_tx, num_delay] in the domain.

        Returns:
          float32 [n, num_tx, 2, num_delay]: angles, (re, im), delays. The energy is
          that of h.
        """
        h = transforms.in_angular_delay(h, self.domain)
        phases = self.angle.phases[:, None] * self.delay.phases
        real = h.astype(np.complex64) * phases.conj()
        return np.stack([real.real, real.imag], axis=2)

    def csi(self, picture: np.ndarray) -> np.ndarray:
        """Turns pictures into CSI, complex64; the inverse of `picture`."""
        phases = self.angle.phases[:, None] * self.delay.phases
        h = np.empty((len(picture), self.num_tx, self.num_delay), np.complex64)
        h.real, h.imag = picture[:, :, 0], picture[:, :, 1]
        h *= phases
        return transforms.in_domain(h, self.domain)

    def synthesize(
        self, gain: np.ndarray, angle: np.ndarray, delay: np.ndarray
    ) -> np.ndarray:
        """Sums atoms.

        Args:
          gain: complex [n, paths]; 0 where a matrix has fewer paths.
          angle: Places [n, paths] in 1 / UNIT bin.
          delay: Places [n, paths] in 1 / UNIT bin.

        Returns:
          Pictures float32 [n, num_tx, 2, num_delay].
        """
        left = self.angle.rows[angle - self.angle.origin]
        right = self.delay.rows[delay - self.delay.origin]
        real = gain.real.astype(np.float32)[..., None] * right
        imag = gain.imag.astype(np.float32)[..., None] * right
        weighted = np.concatenate([real, imag], axis=2)  # [n, paths, 2 num_delay]
        picture = np.swapaxes(left, 1, 2) @ weighted
        return picture.reshape(len(gain), self.num_tx, 2, self.num_delay)
