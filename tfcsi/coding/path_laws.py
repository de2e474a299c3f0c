"""Laws of the places of paths: mixtures of integer histograms, as cumulative sums.

`PlaceLaws` turns the tables of `contexts` into functions of a cell. The encoder asks
for the two ends of a cell, the decoder searches the cell at a position.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from tfcsi.coding import contexts
from tfcsi.coding.atoms import EDGE, Atoms, Axis
from tfcsi.coding.contexts import ANYWHERE, MASS, NEAR, NEAR_ANGLE, NEAR_DELAY

PRECISION = 22  # Binary digits of the probability of a place.


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
            return self.table[(*index, np.clip(at, 0, self.table.shape[-1] - 1))]
        laps = at // self.period
        return laps * MASS + self.table[(*index, at - laps * self.period)]


def _folded(mass: np.ndarray, axis: Axis) -> np.ndarray:
    """Cumulative sums over signed distances, of histograms over unsigned ones."""
    edges = contexts.angle_edges(axis)
    upper = contexts.cumulative(mass, edges) // 2
    upper[..., -1] = MASS // 2
    lower = MASS // 2 - upper[..., ::-1]
    return np.concatenate([lower, MASS // 2 + upper[..., 1:]], axis=-1)


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

    def of_delay(self, rank: int, fineness: np.ndarray, earlier: np.ndarray) -> Mixture:
        """Returns the law of the delay of the path `rank`.

        Args:
          rank: From 0.
          fineness: int64 [n], the resolution of the place of this path.
          earlier: int64 [n, rank], delays of the earlier paths.
        """
        s = contexts.set_of(rank)
        weights = self.tables.weights[s]
        centre = 2 * earlier
        parts = [
            Part(self.delay_any, np.zeros((len(earlier), 1), np.int64), (s,)),
            Part(self.delay_near, centre, (s,)),
            Part(self.delay_alone, centre, (s,)),
        ]
        near, alone = (int(weights[law]) // max(rank, 1) for law in (NEAR, NEAR_DELAY))
        if not rank:
            near = alone = 0
        rest = contexts.WEIGHT - rank * (near + alone)
        ones = np.ones((len(earlier), 1), np.int64)
        shares = [rest * ones] + [w * ones.repeat(rank, 1) for w in (near, alone)]
        return Mixture(self.delay, fineness, parts, shares, contexts.WEIGHT)

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
        any_, near, alone = delay.masses(cell)
        near = near * (int(weights[NEAR]) // max(rank, 1))
        beside = near * 0 + any_ * (int(weights[NEAR_ANGLE]) // max(rank, 1))
        any_ = any_ * int(weights[ANYWHERE]) + 1
        any_ += (alone * (int(weights[NEAR_DELAY]) // max(rank, 1))).sum(
            axis=1, keepdims=True
        )
        centre = 2 * earlier
        parts = [
            Part(self.angle_any, np.zeros((len(earlier), 1), np.int64), (s,)),
            Part(self.angle_near, centre, (s, box)),
            Part(self.angle_alone, centre, (s,)),
        ]
        shares = [any_, near, beside]
        total = sum(share.sum(axis=1) for share in shares)
        # 30 digits and the 22 of PRECISION make 52.
        excess = np.maximum(np.frexp(total.astype(np.float64))[1] - 30, 0)[:, None]
        shares = [share >> excess for share in shares]
        total = sum(share.sum(axis=1) for share in shares)
        return Mixture(self.angle, fineness, parts, shares, total)


@dataclasses.dataclass
class Part:
    """A law about some centres [n, m], and the row of its table."""

    law: Law
    centre: np.ndarray
    index: tuple

    def below(self, point: np.ndarray, rows: np.ndarray | slice) -> np.ndarray:
        """Mass below points [k], [k, m]."""
        index = [i if isinstance(i, int) else i[rows] for i in self.index]
        return self.law.below(point[:, None] - self.centre[rows], *index)


class Mixture:
    """Cumulative probability of the cells of an axis, 2**PRECISION in all.

    Each cell has one part of the probability beside what the mixture gives it.
    """

    def __init__(
        self,
        axis: Axis,
        fineness: np.ndarray,
        parts: list[Part],
        shares: list[np.ndarray],
        total: np.ndarray | int,
    ):
        """Takes parts and their shares [n, m], which sum to total [n] in each row."""
        self.axis, self.parts = axis, parts
        self.cell = EDGE >> fineness  # Width of a cell, in 1 / EDGE bin.
        self.num_cells = axis.num_cells(fineness)
        self.start = 2 * axis.origin - self.cell // 2
        room = (1 << PRECISION) - self.num_cells
        total = np.broadcast_to(total, room.shape)
        self.weights = [share * room[:, None] // total[:, None] for share in shares]
        rest = room - sum(weight.sum(axis=1) for weight in self.weights)
        self.weights[0] = self.weights[0] + rest[:, None]
        everyone = slice(None)
        self.zeros = [part.below(self.start, everyone) for part in parts]
        end = self.start + self.num_cells * self.cell
        self.spans = [
            np.maximum(part.below(end, everyone) - zero, 1)
            for part, zero in zip(parts, self.zeros)
        ]

    def place(self, cell: np.ndarray) -> np.ndarray:
        """Returns the places of cells, in 1 / UNIT bin, int64 [n]."""
        return (self.start + self.cell * cell + self.cell // 2) // 2

    def cell_of(self, place: np.ndarray) -> np.ndarray:
        """Returns the cells of places."""
        return (2 * place - self.start) // self.cell

    def below(self, cell: np.ndarray) -> np.ndarray:
        """Returns the probability below cells [n], int64 in 0..2**PRECISION."""
        point = self.start + self.cell * cell
        everyone = slice(None)
        total = cell.copy()
        for part, weight, zero, span in zip(
            self.parts, self.weights, self.zeros, self.spans
        ):
            if weight.shape[1]:
                mass = part.below(point, everyone) - zero
                total += (weight * np.minimum(mass, span) // span).sum(axis=1)
        return total

    def masses(self, cell: np.ndarray) -> list[np.ndarray]:
        """Returns the mass of cells [n] under each law, [n, m] of MASS."""
        point, everyone = self.start + self.cell * cell, slice(None)
        return [
            (part.below(point + self.cell, everyone) - part.below(point, everyone))
            * MASS
            // span
            for part, span in zip(self.parts, self.spans)
        ]

    def search(self, position: np.ndarray) -> np.ndarray:
        """Returns the cells whose part of the probability holds positions [n]."""
        low, high = np.zeros_like(self.num_cells), self.num_cells.copy()
        while ((high - low) > 1).any():
            middle = (low + high) // 2
            above = self.below(middle) > position
            high = np.where(above, middle, high)
            low = np.where(above, low, middle)
        return low
