"""Lists of paths to payloads and back, by integer probabilities.

The symbols of a payload, in this order:

1.  the step and the norm of the matrix;
2.  for each path its class, given that of the path before and of the first path, or for
    the first one the step; the number of its lattice point, uniform over those of the
    class that are not above the one before; the cell of its delay; the cell of its
    angle, given that of the delay;
3.  the end of the list, in the place of a class.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from tfcsi.coding import contexts, path_lists
from tfcsi.coding.atoms import Atoms
from tfcsi.coding.contexts import (
    END,
    START,
    STEPS_A_CONTEXT,
    SYMBOLS,
    PathTables,
)
from tfcsi.coding.intervals import Reader, encode_intervals
from tfcsi.coding.path_laws import PRECISION, Mixture, PlaceLaws
from tfcsi.coding.path_lists import Lists, fineness, lattice
from tfcsi.coding.path_prices import Prices
from tfcsi.coding.path_steps import STEPS
from tfcsi.coding.pursuit import MAX_PATHS

_POINTS = 24  # Binary digits of the probability of a lattice point.


@dataclasses.dataclass
class Parts:
    """Parts of the unit interval, one for each symbol of each row.

    Attributes:
      lower, upper, precision: int64 [n, symbols]; unused entries are 0, 1 and 0.
    """

    lower: np.ndarray
    upper: np.ndarray
    precision: np.ndarray

    def put(
        self,
        rows: np.ndarray,
        column: int,
        lower: np.ndarray,
        upper: np.ndarray,
        precision: int,
    ) -> None:
        """Sets a symbol of some rows."""
        self.lower[rows, column] = lower
        self.upper[rows, column] = upper
        self.precision[rows, column] = precision

    def bits(self) -> np.ndarray:
        """Returns the ideal code length of each symbol, float64 [n, symbols]."""
        return self.precision - np.log2(self.upper - self.lower)

    def payloads(self) -> list[tuple[bytes, int]]:
        """Returns each row's payload and its number of bits."""
        used = self.precision > 0
        rows = zip(self.lower, self.upper, self.precision, used)
        return [
            encode_intervals(low[u].tolist(), up[u].tolist(), digits[u].tolist())
            for low, up, digits, u in rows
        ]


class PathCoder:
    """Codes lists of paths with tables that both sides share."""

    def __init__(self, tables: PathTables, atoms: Atoms, step: int):
        """Takes the number of the step that most packets have."""
        self.tables, self.laws = tables, PlaceLaws(tables, atoms)
        self.prices = Prices(self.laws)
        self.step_ends = _step_ends(step)

    def parts(self, step: np.ndarray, norm: np.ndarray, lists: Lists) -> Parts:
        """Returns what each symbol is coded with.

        Args:
          step: int64 [n], numbers of the steps.
          norm: int64 [n], numbers of the norms.
          lists: Sorted lists of n matrices.
        """
        count, num = lists.count, len(step)
        most = lists.re.shape[1]
        shape = (num, 2 + 4 * most + 1)
        parts = Parts(*(np.full(shape, fill, np.int64) for fill in (0, 1, 0)))

        everyone = np.arange(num)
        ends = self.step_ends
        parts.put(everyone, 0, ends[step], ends[step + 1], SYMBOLS)
        ends = self.tables.norm_ends
        parts.put(everyone, 1, ends[norm], ends[norm + 1], SYMBOLS)
        points = lattice()
        number = points.number(lists.re, lists.im).astype(np.int64)
        power = lists.power
        of_class = path_lists.class_of(np.maximum(power, 1))
        before = np.full(num, START)
        top = np.full(num, len(points.re) - 1)
        for k in range(min(most + 1, MAX_PATHS)):
            rows = np.flatnonzero(count >= k) if k else everyone
            more = count[rows] > k
            c = np.full(len(rows), END)
            if k < most:
                c = np.where(more, of_class[rows, k], END)
            first = of_class[rows, 0] // 2 if k else step // STEPS_A_CONTEXT
            ends = self.tables.class_ends[before[rows], first]
            at = np.arange(len(rows))
            parts.put(rows, 2 + 4 * k, ends[at, c], ends[at, c + 1], SYMBOLS)
            rows, c = rows[more], c[more]
            if not rows.size:
                break
            low, size = _choice(points.first, c, top[rows])
            i = number[rows, k] - low
            lower, upper = (i << _POINTS) // size, (i + 1 << _POINTS) // size
            parts.put(rows, 3 + 4 * k, lower, upper, _POINTS)
            before[rows], top[rows] = c, number[rows, k]
            b = fineness(power[rows, k])
            delays = lists.delay[rows, :k].astype(np.int64)
            angles = lists.angle[rows, :k].astype(np.int64)
            law = self.laws.of_delay(k, b, delays)
            cell = law.cell_of(lists.delay[rows, k].astype(np.int64))
            parts.put(rows, 4 + 4 * k, *law.ends(cell), PRECISION)
            law = self.laws.of_angle(k, b, angles, law, cell, delays)
            cell = law.cell_of(lists.angle[rows, k].astype(np.int64))
            parts.put(rows, 5 + 4 * k, *law.ends(cell), PRECISION)
        return parts

    def read(
        self, payloads: Sequence[bytes]
    ) -> tuple[np.ndarray, np.ndarray, Lists, np.ndarray]:
        """Reads payloads in lock-step, the inverse of `parts` and `Parts.payloads`.

        Any bytes give lists of at most MAX_PATHS paths.

        Returns:
          step and norm int64 [n], sorted lists, and the number of bits of each payload,
          int64 [n]; see `Reader.num_bits`.
        """
        reader = Reader(payloads)
        everyone = np.arange(len(payloads))
        return *self.read_rows(reader, everyone), reader.num_bits

    def read_rows(
        self, reader: Reader, payloads: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, Lists]:
        """Reads what is left of some payloads of a reader.

        Args:
          reader: Stands before the step of these payloads.
          payloads: int64 [n], their positions in the reader.

        Returns:
          step and norm int64 [n], and sorted lists.
        """
        num = len(payloads)
        step = read_symbol(reader, payloads, self.step_ends[None])
        norm = read_symbol(reader, payloads, self.tables.norm_ends[None])
        lists = Lists.empty(num, MAX_PATHS)
        points = lattice()
        before, first = np.full(num, START), step // STEPS_A_CONTEXT
        top = np.full(num, len(points.re) - 1)
        rows, width = np.arange(num), 0
        for k in range(MAX_PATHS):
            ends = self.tables.class_ends[before[rows], first[rows]]
            c = read_symbol(reader, payloads[rows], ends)
            rows, c = rows[c != END], c[c != END]
            if not rows.size:
                break
            if not k:
                first = first.copy()
                first[rows] = c // 2
            width = k + 1
            low, size = _choice(points.first, c, top[rows])
            position = reader.target(payloads[rows], _POINTS)
            i = ((position + 1) * size - 1) >> _POINTS
            lower, upper = (i << _POINTS) // size, (i + 1 << _POINTS) // size
            reader.narrow(payloads[rows], lower, upper, _POINTS)
            number = low + i
            before[rows], top[rows] = c, number
            lists.re[rows, k], lists.im[rows, k] = points.re[number], points.im[number]
            b = fineness(points.power(number))
            delays = lists.delay[rows, :k].astype(np.int64)
            angles = lists.angle[rows, :k].astype(np.int64)
            delay = self.laws.of_delay(k, b, delays)
            cell = _read_cell(reader, payloads[rows], delay)
            lists.delay[rows, k] = delay.place(cell)
            angle = self.laws.of_angle(k, b, angles, delay, cell, delays)
            cell = _read_cell(reader, payloads[rows], angle)
            lists.angle[rows, k] = angle.place(cell)
        return step, norm, lists.narrow(width)


def read_symbol(reader: Reader, rows: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """Reads a symbol of each row, by its cumulative table [n or 1, symbols + 1]."""
    position = reader.target(rows, SYMBOLS)
    symbol = (ends[:, 1:] <= position[:, None]).sum(axis=1)
    at = np.arange(len(rows)) if len(ends) > 1 else 0
    reader.narrow(rows, ends[at, symbol], ends[at, symbol + 1], SYMBOLS)
    return symbol


def _read_cell(reader: Reader, rows: np.ndarray, law: Mixture) -> np.ndarray:
    """Reads the cell of a place of each row."""
    cell = law.search(reader.target(rows, PRECISION))
    reader.narrow(rows, *law.ends(cell), PRECISION)
    return cell


def _choice(
    first: np.ndarray, c: np.ndarray, top: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Returns the first number of lattice points of classes, and how many are left."""
    return first[c], np.minimum(first[c + 1] - 1, top) - first[c] + 1


def _step_ends(step: int) -> np.ndarray:
    """Cumulative probability of the steps: seven eighths for the usual one."""
    distance = np.abs(np.arange(STEPS) - step)
    falling = np.where(distance == 0, 0.0, 0.95**distance)
    share = contexts.integers(falling, 1 << SYMBOLS - 3)
    share[step] += 7 << SYMBOLS - 3
    return np.concatenate([[0], np.cumsum(share)])
