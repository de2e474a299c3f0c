"""Gains of candidates near a path: what the pursuit looks at when it searches one."""

from __future__ import annotations

import functools

import numpy as np

from tfcsi.coding.atoms import UNIT, Atoms, Axis
from tfcsi.coding.path_lists import MAX_POWER, Lists, fineness

_OFFSETS = np.arange(-1, 2)
RADIUS = np.float32(np.sqrt(MAX_POWER) - 2)  # All four points about it are allowed.
_CORNERS = np.array([[0, 0, 1, 1], [0, 1, 0, 1]], np.float32)[:, None, :]


class Near:
    """Gains at places near a path that is taken out.

    Attributes:
      rest: float32 [n, num_tx, 2, num_delay], what all paths leave, this one as well.
    """

    def __init__(self, atoms: Atoms, rest: np.ndarray, old: Lists):
        """Takes the path of each matrix, entries of [n]; one without gain is none."""
        self.atoms, self.rest = atoms, rest
        self._left = _rows(atoms.angle, old.angle)[:, :, None]
        self._right = _rows(atoms.delay, old.delay)[:, :, None]
        self._gain = np.empty((len(rest), 1, 2, 1), np.float32)
        self._gain[:, 0, 0, 0], self._gain[:, 0, 1, 0] = old.re, old.im

    def candidates(
        self, angle: np.ndarray, delay: np.ndarray, digits: np.ndarray
    ) -> tuple[np.ndarray, ...]:
        """Quantised paths at and about places, [n] each.

        Returns:
          Angles and delays int [n, 3]; q float32 [n, 3 angles, (re, im), 3 delays, 4],
          the four lattice points round each gain; the error that each takes away,
          float32 [n, 3, 3, 4]; whether it has the resolution `digits`, bool.
        """
        cell = UNIT >> digits
        angle = self.atoms.angle.wrap((angle + cell // 2) // cell * cell)
        delay = self.atoms.delay.wrap((delay + cell // 2) // cell * cell)
        g, angles, delays = self.correlate(angle, delay, cell)
        q = np.floor(g)[..., None] + _CORNERS
        power = q[:, :, 0] ** 2 + q[:, :, 1] ** 2
        far = np.flatnonzero(power.reshape(len(q), -1).min(axis=1) > MAX_POWER)
        if far.size:  # All points of a matrix are too large for the lattice.
            size = np.hypot(g[far, :, 0], g[far, :, 1])[:, :, None]
            q[far] = np.floor(g[far] * (RADIUS / size))[..., None] + _CORNERS
            power[far] = q[far, :, 0] ** 2 + q[far, :, 1] ** 2
        earned = (g**2 - (g - q.transpose(4, 0, 1, 2, 3)) ** 2).sum(axis=3)
        number = np.minimum(power, MAX_POWER + 1).astype(np.intp)
        fits = _resolutions()[number] == digits[:, None, None, None]
        return angles, delays, q, earned.transpose(1, 2, 3, 0), fits

    def correlate(
        self, angle: np.ndarray, delay: np.ndarray, spacing: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Gains at 3 x 3 places.

        Returns:
          float32 [n, 3 angles, (re, im), 3 delays]; the angles and delays, int [n, 3].
        """
        n, num_tx, _, num_delay = self.rest.shape
        offsets = _OFFSETS * spacing[:, None]
        angles = self.atoms.angle.wrap(angle[:, None] + offsets)
        delays = self.atoms.delay.wrap(delay[:, None] + offsets)
        left = _rows(self.atoms.angle, angles)
        right = _rows(self.atoms.delay, delays)
        g = (left @ self.rest.reshape(n, num_tx, -1)).reshape(n, 6, num_delay)
        g = (g @ right.transpose(0, 2, 1)).reshape(n, 3, 2, 3)
        a = left @ self._left  # [n, 3, 1]
        d = right @ self._right
        g += a[:, :, :, None] * self._gain * d[:, None, None, :, 0]
        return g, angles, delays


def digits_of(power: np.ndarray) -> np.ndarray:
    """Resolution of the places of the largest of some |g|^2 [n, ...], int64 [n]."""
    largest = power.reshape(len(power), -1).max(axis=1)
    return fineness(np.minimum(np.maximum(largest, 1), MAX_POWER))


def _rows(axis: Axis, place: np.ndarray) -> np.ndarray:
    """Kernels at places."""
    return axis.rows[place - axis.origin]


def vertices(power: np.ndarray, spacing: int) -> np.ndarray:
    """Offsets of the tops of two parabolas through the middle, within a spacing.

    Args:
      power: float32 [n, 3 angles, 3 delays].
      spacing: Distance of the places.

    Returns:
      int64 [n, (angle, delay)].
    """
    flat = power.reshape(len(power), 9)
    before, middle, behind = flat[:, 1:4:2], flat[:, 4:5], flat[:, 7:4:-2]
    curve = 2 * middle - before - behind
    slope = behind - before
    top = slope / np.maximum(2 * curve, 1e-30)
    top = np.where(curve > 1e-6 * middle, top, np.sign(slope))
    top = np.minimum(np.maximum(top, -1), 1)
    return np.rint(top * spacing).astype(np.int64)


@functools.cache
def _resolutions() -> np.ndarray:
    """Resolution of a place by its |q|^2; 0 for zero and for what is too large."""
    power = np.arange(MAX_POWER + 2)
    resolution = fineness(np.maximum(power, 1))
    resolution[[0, -1]] = 0
    return resolution
