"""Prices of paths: code lengths as the encoder sees them while it searches.

They come from the integer tables of the decoder but are floats: near the real code
lengths, and quick for many candidates. What a path costs the others, for which it is a
context of places, does not count.
"""

from __future__ import annotations

import numpy as np

from tfcsi.coding import contexts, path_lists
from tfcsi.coding.atoms import EDGE
from tfcsi.coding.contexts import END, MASS, NEAR, NEAR_ANGLE, NEAR_DELAY, START
from tfcsi.coding.path_laws import Law, PlaceLaws
from tfcsi.coding.path_lists import Lists, lattice


class Prices:
    """Code lengths of candidates for a path, given the other paths of a matrix."""

    def __init__(self, laws: PlaceLaws):
        """Takes the laws of places with their tables."""
        self.laws, tables = laws, laws.tables
        share = np.maximum(tables.classes, 0.5) / (1 << contexts.SYMBOLS)
        self.class_bits = -np.log2(share).astype(np.float32)
        points = lattice()
        power = points.power(np.arange(len(points.re)))
        self.class_of = np.append(path_lists.class_of(power), [END, START])
        self.weights = (tables.weights / contexts.WEIGHT).astype(np.float32)
        self.set_of = np.array([contexts.set_of(k) for k in range(129)])

    def of(
        self,
        q: np.ndarray,
        fits: np.ndarray,
        angles: np.ndarray,
        delays: np.ndarray,
        digits: np.ndarray,
        others: Lists,
        start: np.ndarray,
    ) -> np.ndarray:
        """Returns code lengths [bits].

        Args:
          q: float32 [n, 3 angles, (re, im), 3 delays, 4], gains.
          fits: bool [n, 3, 3, 4], which of them may be chosen.
          angles: int [n, 3], places.
          delays: int [n, 3], places.
          digits: int64 [n], their resolution.
          others: The other paths of each matrix.
          start: int64 [n], the context of the first path.

        Returns:
          float32 [n, 3, 3, 4].
        """
        points = lattice()
        re = np.where(fits, q[:, :, 0], 1).astype(np.int32)
        im = np.where(fits, q[:, :, 1], 0).astype(np.int32)
        number = points.number(re, im)
        other = np.where(others.power > 0, points.number(others.re, others.im), -1)
        # Ranks differ little among the candidates: places take that of the middle one.
        middle = number[:, 1, 1].max(axis=1)
        earlier = (other >= middle[:, None]) & (other >= 0)
        place = self._of_places(angles, delays, digits, others, earlier)
        return self._of_gains(number, other, start) + place[..., None]

    def _of_gains(
        self, number: np.ndarray, other: np.ndarray, start: np.ndarray
    ) -> np.ndarray:
        """Bits of classes and points: those of the list with a point less without."""
        n, last = len(number), len(lattice().re)
        flat = number.reshape(n, -1)
        distinct = other[:, None, :]
        is_above = distinct >= flat[:, :, None]
        above = np.where(is_above, distinct, last + 1).min(axis=2, initial=last + 1)
        below = np.where(is_above, -1, distinct).max(axis=2, initial=-1)
        below = np.where(below < 0, last, below)
        first = self.class_of[np.maximum(other.max(axis=1, initial=-1), 0)][:, None]
        first = np.maximum(first, self.class_of[flat]) // 2
        a, c, b = (self.class_of[x] for x in (above, flat, below))
        context = np.where(a == START, start[:, None], first)
        bits = self.class_bits[a, context, c]
        bits = bits + self.class_bits[c, first, b]
        bits -= self.class_bits[a, context, b]
        starts = lattice().first
        top = np.minimum(np.minimum(above, last - 1), starts[c + 1] - 1)
        bits += np.log2(top - starts[c] + 1)
        return bits.reshape(number.shape)

    def _of_places(
        self,
        angles: np.ndarray,
        delays: np.ndarray,
        digits: np.ndarray,
        others: Lists,
        earlier: np.ndarray,
    ) -> np.ndarray:
        """Bits of places, float32 [n, 3 angles, 3 delays]."""
        laws, cell = self.laws, EDGE >> digits
        count = earlier.sum(axis=1)
        rank = self.set_of[count]
        weights = self.weights[rank] / np.maximum(count, 1)[:, None]
        anywhere = np.where(count > 0, self.weights[rank, 3], 1.0)
        any_delay = _mass(laws.delay_any, 2 * delays, cell[:, None], rank[:, None])
        any_angle = _mass(laws.angle_any, 2 * angles, cell[:, None], rank[:, None])
        total = anywhere[:, None, None] * any_angle[:, :, None] * any_delay[:, None]
        width = int(count.max(initial=0))
        if width:
            order = np.argsort(~earlier, axis=1, kind="stable")[:, :width]
            use = np.arange(width) < count[:, None]
            rows = np.arange(len(order))[:, None]
            centre_a, centre_d = others.angle[rows, order], others.delay[rows, order]
            far_d = delays[:, None, :] - centre_d[:, :, None]  # [n, others, 3]
            far_a = angles[:, None, :] - centre_a[:, :, None]
            if laws.delay.circular:
                far_d = laws.delay.distance(delays[:, None, :], centre_d[:, :, None])
            wide, at = cell[:, None, None], rank[:, None, None]
            near_d = _mass(laws.delay_near, 2 * far_d, wide, at)
            alone_d = _mass(laws.delay_alone, 2 * far_d, wide, at)
            alone_a = _mass(laws.angle_alone, 2 * far_a, wide, at)
            box = laws.delay_box[2 * far_d - laws.delay_near.origin]
            near_a = _mass(
                laws.angle_near,
                2 * far_a[..., None],  # [n, others, angles, delays]
                wide[..., None],
                at[..., None],
                box[:, :, None, :],
            )
            w = weights[:, None] * use[..., None]
            near = (w[..., NEAR, None] * near_d)[:, :, None, :] * near_a
            total += near.sum(axis=1)
            alone = (w[..., NEAR_DELAY, None] * alone_d).sum(axis=1)
            total += any_angle[:, :, None] * alone[:, None, :]
            alone = (w[..., NEAR_ANGLE, None] * alone_a).sum(axis=1)
            total += alone[:, :, None] * any_delay[:, None, :]
        return -np.log2(total + 1e-9)


def _mass(
    law: Law, middle: np.ndarray, cell: np.ndarray, *index: np.ndarray
) -> np.ndarray:
    """Share of cells about points, float64."""
    low = middle - cell // 2
    return (law.below(low + cell, *index) - law.below(low, *index)) / MASS
