"""Laws of the places of paths: mixtures of integer histograms, as cumulative sums.

`PlaceLaws` turns the tables of `contexts` into functions of a cell. The encoder asks
for the two ends of a cell, the decoder searches the cell at a position.
"""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

import numpy as np

from tfcsi.coding import contexts
from tfcsi.coding.atoms import EDGE, Atoms, Axis
from tfcsi.coding.contexts import ANYWHERE, MASS, NEAR, NEAR_ANGLE, NEAR_DELAY

PRECISION = 22  # Binary digits of the probability of a place.
_AT_ONCE = 192  # Cells that a search looks at in a turn, over all rows.
_MOST_WAYS = 48
_ENDS = np.arange(2)  # Of a cell: its own number and the next one.


@dataclasses.dataclass(frozen=True)
class Law:
    """Cumulative mass of a distance or of a place.

    Attributes:
      table: int64 [..., points], rising from 0 to MASS.
      origin: Point of the grid of the first entry.
      period: Points after which a circular axis begins anew; 0 if it is not circular.
    """

    table: np.ndarray
    origin: int
    period: int

    def below(self, point: np.ndarray, *index: np.ndarray | int) -> np.ndarray:
        """Returns the mass below points, int64; `index` selects the row of the table.

        On a circular axis the mass counts from `origin` on, MASS more for each lap.
        """
        at = point - self.origin
        if not self.period:
            at = np.minimum(np.maximum(at, 0), self.table.shape[-1] - 1)
            return self.table[(*index, at)]
        laps = at // self.period
        return laps * MASS + self.table[(*index, at - laps * self.period)]


def _folded(mass: np.ndarray, axis: Axis) -> np.ndarray:
    """Cumulative sums over signed distances, of histograms over unsigned ones."""
    edges = contexts.angle_edges(axis)
    upper = contexts.cumulative(mass, edges) // 2
    upper[..., -1] = MASS // 2
    lower = MASS // 2 - upper[..., ::-1]
    return np.concatenate([lower, MASS // 2 + upper[..., 1:]], axis=-1)


class Laws:
    """The three laws of an axis in one table: of places, near paths, and beside paths.

    Attributes:
      flat: int64 [entries], the tables one behind the other.
      period: That of all three.
    """

    def __init__(self, of_places: Law, near: Law, alone: Law):
        """Takes laws of one period."""
        laws = (of_places, near, alone)
        self.flat = np.concatenate([law.table.ravel() for law in laws])
        self.period = near.period
        self._origins = [law.origin for law in laws]
        self._points = [law.table.shape[-1] for law in laws]
        self._starts = np.cumsum([0] + [law.table.size for law in laws]).tolist()

    def parts(self, centre: np.ndarray, rank_set: int, row: np.ndarray | int) -> Parts:
        """Returns the law of places, then those about centres.

        Args:
          centre: int64 [n, r].
          rank_set: Row of the tables.
          row: Row of the table of distances to near paths, one or [n, r].
        """
        n, r = centre.shape
        origin = np.zeros((n, 1 + 2 * r), np.int64)
        base, last = np.empty_like(origin), np.empty(1 + 2 * r, np.int64)
        columns = (slice(1), slice(1, 1 + r), slice(1 + r, None))
        rows = (rank_set, row, rank_set)
        for k, part in enumerate(columns):
            origin[:, part] = self._origins[k] + (centre if k else 0)
            base[:, part] = self._starts[k] + rows[k] * self._points[k]
            last[part] = self._points[k] - 1
        return Parts(origin, base, last)

    def below(self, point: np.ndarray, parts: Parts) -> np.ndarray:
        """Returns the mass of parts below points [n, k], int64 [n, k, m]."""
        at = point[:, :, None] - parts.origin[:, None]
        base = parts.base[:, None]
        if not self.period:
            return self.flat[base + np.minimum(np.maximum(at, 0), parts.last)]
        laps = at // self.period
        return laps * MASS + self.flat[base + at - laps * self.period]


class Parts(NamedTuple):
    """The laws of a mixture about their centres, side by side.

    Attributes:
      origin: int64 [n, m], the point at which each part begins.
      base: int64 [n, m], where its row of the table begins in `Laws.flat`.
      last: int64 [m], the last entry of its row.
    """

    origin: np.ndarray
    base: np.ndarray
    last: np.ndarray


class PlaceLaws:
    """The laws of delay and angle, given the earlier paths of a list.

    Places are in 1 / UNIT bin and cells in 1 / EDGE bin, twice as fine.
    """

    def __init__(self, tables: contexts.PathTables, atoms: Atoms):
        """Prepares cumulative tables."""
        angle, delay = atoms.angle, atoms.delay
        self.tables, self.angle, self.delay = tables, angle, delay
        edges = contexts.delay_edges(delay)
        period = EDGE * delay.size if delay.circular else 0
        self.delay_near, self.delay_alone = (
            Law(contexts.cumulative(mass, edges), int(edges[0]), period)
            for mass in (tables.delay_near, tables.delay_alone)
        )
        self.delay_box = np.clip(
            np.searchsorted(edges, np.arange(edges[0], edges[-1] + 1), "right") - 1,
            0,
            contexts.DELAY_BOXES - 1,
        )
        round_ = EDGE * angle.size
        self.angle_near, self.angle_alone = (
            Law(_folded(mass, angle), -round_ // 2, round_)
            for mass in (tables.angle_near, tables.angle_alone)
        )
        edges = contexts.place_edges(delay)
        self.delay_any = Law(
            contexts.cumulative(tables.delay_any, edges), int(edges[0]), period
        )
        edges = contexts.place_edges(angle)
        self.angle_any = Law(
            contexts.cumulative(tables.angle_any, edges), int(edges[0]), round_
        )
        self._delays = Laws(self.delay_any, self.delay_near, self.delay_alone)
        self._angles = Laws(self.angle_any, self.angle_near, self.angle_alone)

    def of_delay(self, rank: int, fineness: np.ndarray, earlier: np.ndarray) -> Mixture:
        """Returns the law of the delay of the path `rank`.

        Args:
          rank: From 0.
          fineness: int64 [n], the resolution of the place of this path.
          earlier: int64 [n, rank], delays of the earlier paths.
        """
        s = contexts.set_of(rank)
        weights = self.tables.weights[s]
        near, alone = (int(weights[law]) // max(rank, 1) for law in (NEAR, NEAR_DELAY))
        if not rank:
            near = alone = 0
        shares = np.repeat([contexts.WEIGHT, near, alone], [1, rank, rank])
        shares[0] -= rank * (near + alone)
        parts = self._delays.parts(2 * earlier, s, s)
        total = contexts.WEIGHT
        return Mixture(self.delay, fineness, self._delays, parts, shares, total)

    def of_angle(
        self,
        rank: int,
        fineness: np.ndarray,
        earlier: np.ndarray,
        delay: Mixture,
        cell: np.ndarray,
        delays: np.ndarray,
    ) -> Mixture:
        """Returns the law of the angle of the path `rank`, whose delay is known.

        Args:
          rank: From 0.
          fineness: int64 [n], as for the delay.
          earlier: int64 [n, rank], angles of the earlier paths.
          delay: The law of the delay.
          cell: int64 [n], the cell of the delay.
          delays: int64 [n, rank], delays of the earlier paths.
        """
        s = contexts.set_of(rank)
        weights = self.tables.weights[s]
        place = delay.place(cell)
        distance = 2 * (place[:, None] - delays)
        if self.delay.circular:
            half = self.delay_near.period // 2
            distance = (distance + half) % (2 * half) - half
        box = self.delay_box[distance - self.delay_near.origin]
        # Those of the delay: anywhere, near each earlier path, and beside each.
        masses = delay.masses(cell)
        any_, near, alone = (
            masses[:, :1],
            masses[:, 1 : rank + 1],
            masses[:, rank + 1 :],
        )
        each = [int(weights[law]) // max(rank, 1) for law in range(len(weights))]
        shares = np.empty_like(masses)
        shares[:, 0] = any_[:, 0] * int(weights[ANYWHERE]) + 1
        shares[:, 0] += (alone * each[NEAR_DELAY]).sum(axis=1)
        shares[:, 1 : rank + 1] = near * each[NEAR]
        shares[:, rank + 1 :] = any_ * each[NEAR_ANGLE]
        # 30 digits and the 22 of PRECISION make 52.
        digits = np.frexp(shares.sum(axis=1).astype(np.float64))[1]
        shares >>= np.maximum(digits - 30, 0)[:, None]
        boxes = self.angle_near.table.shape[1]
        parts = self._angles.parts(2 * earlier, s, s * boxes + box)
        total = shares.sum(axis=1, keepdims=True)
        return Mixture(self.angle, fineness, self._angles, parts, shares, total)


class Mixture:
    """Cumulative probability of the cells of an axis, 2**PRECISION in all.

    Each cell has one part of the probability beside what the mixture gives it.
    """

    def __init__(
        self,
        axis: Axis,
        fineness: np.ndarray,
        laws: Laws,
        parts: Parts,
        shares: np.ndarray,
        total: np.ndarray | int,
    ):
        """Takes parts and their shares [n, m], which sum to total [n, 1].

        If the shares are the same in each row, they may be [m] and the total a number.
        """
        self.axis, self.laws, self.parts = axis, laws, parts
        self.cell = EDGE >> fineness  # Width of a cell, in 1 / EDGE bin.
        self.num_cells = axis.num_cells(fineness)
        self.start = 2 * axis.origin - self.cell // 2
        room = (1 << PRECISION) - self.num_cells
        self.weights = shares * room[:, None] // total
        self.weights[:, 0] += room - self.weights.sum(axis=1)
        ends = self._mass(self.num_cells[:, None] * _ENDS)
        self.zeros = ends[:, 0]
        self.spans = np.maximum(ends[:, 1] - ends[:, 0], 1)

    def place(self, cell: np.ndarray) -> np.ndarray:
        """Returns the places of cells, in 1 / UNIT bin, int64 [n]."""
        return (self.start + self.cell * cell + self.cell // 2) // 2

    def cell_of(self, place: np.ndarray) -> np.ndarray:
        """Returns the cells of places."""
        return (2 * place - self.start) // self.cell

    def _mass(self, cell: np.ndarray) -> np.ndarray:
        """Mass of each part below cells [n, k], int64 [n, k, m]."""
        point = self.start[:, None] + self.cell[:, None] * cell
        return self.laws.below(point, self.parts)

    def below(self, cell: np.ndarray) -> np.ndarray:
        """Returns the probability below cells [n, k], int64 in 0..2**PRECISION."""
        spans = self.spans[:, None]
        mass = np.minimum(self._mass(cell) - self.zeros[:, None], spans)
        return cell + (self.weights[:, None] * mass // spans).sum(axis=2)

    def ends(self, cell: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Returns the part [lower, upper) of the probability of cells [n]."""
        lower, upper = self.below(cell[:, None] + _ENDS).T
        return lower, upper

    def masses(self, cell: np.ndarray) -> np.ndarray:
        """Returns the mass of cells [n] under each part, [n, m] of MASS."""
        ends = self._mass(cell[:, None] + _ENDS)
        return (ends[:, 1] - ends[:, 0]) * MASS // self.spans

    def search(self, position: np.ndarray) -> np.ndarray:
        """Returns the cells whose part of the probability holds positions [n].

        Many rows halve what is left of their cells. A few rows divide it into more
        parts, in fewer turns.
        """
        rows = np.arange(len(position))
        ways = min(max(_AT_ONCE // max(len(rows), 1), 2), _MOST_WAYS)
        steps = np.arange(ways + 1)
        low, size = np.zeros_like(self.num_cells), self.num_cells
        while (size > 1).any():
            borders = low[:, None] + size[:, None] * steps // ways
            part = (self.below(borders[:, 1:-1]) <= position[:, None]).sum(axis=1)
            low = borders[rows, part]
            size = borders[rows, part + 1] - low
        return low
