"""Lists of paths in integers: what a packet of path coding says about a matrix.

A path has a gain q, a point of the square lattice of complex integers in units of the
step, and a place in angle and delay. The resolution of the place follows from |q|:
a stronger path is placed more finely, so that gain and place err alike. A list is
sorted by the number of its lattice points, falling, that is by |q|.
"""

from __future__ import annotations

import dataclasses
import functools

import numpy as np

from tfcsi.coding.atoms import MAX_FINENESS

NUM_CLASSES = (
    32  # Class c holds the lattice points with 2^(c/2) <= |q|^2 < 2^((c+1)/2).
)
MAX_POWER = (1 << NUM_CLASSES // 2) - 1  # Largest |q|^2.
FIELDS = ("re", "im", "angle", "delay")  # Of a path, in the order of `Lists.paths`.


@dataclasses.dataclass
class Lists:
    """Paths of n matrices, a matrix in each row; unused entries are all zero.

    Attributes:
      paths: int32 [4, n, paths]: the gain in units of the step, re and im, and the
        place in 1 / `atoms.UNIT` bin, angle and delay.
    """

    paths: np.ndarray

    @classmethod
    def empty(cls, num: int, width: int) -> Lists:
        """Returns lists of `num` matrices without paths."""
        return cls(np.zeros((len(FIELDS), num, width), np.int32))

    @property
    def re(self) -> np.ndarray:
        """Real parts of the gains, int32 [n, paths], in steps."""
        return self.paths[0]

    @property
    def im(self) -> np.ndarray:
        """Imaginary parts of the gains, int32 [n, paths], in steps."""
        return self.paths[1]

    @property
    def angle(self) -> np.ndarray:
        """Angles, int32 [n, paths], in 1 / `atoms.UNIT` bin."""
        return self.paths[2]

    @property
    def delay(self) -> np.ndarray:
        """Delays, int32 [n, paths], in 1 / `atoms.UNIT` bin."""
        return self.paths[3]

    @property
    def power(self) -> np.ndarray:
        """|q|^2, int64 [n, paths]."""
        return self.re.astype(np.int64) ** 2 + self.im.astype(np.int64) ** 2

    @property
    def count(self) -> np.ndarray:
        """Paths of each matrix, int64 [n]."""
        return (self.power > 0).sum(axis=1)

    def __getitem__(self, rows: np.ndarray | slice) -> Lists:
        """Returns the lists of some rows."""
        return Lists(self.paths[:, rows])

    def at(self, rows: np.ndarray, slot: np.ndarray) -> Lists:
        """Returns the path in a column `slot` [n] of each of some rows, entries [n]."""
        return Lists(self.paths[:, rows, slot])

    def set(self, rows: np.ndarray, slot: np.ndarray, other: Lists) -> None:
        """Writes entries [n] to a column `slot` [n] of each of some rows."""
        self.paths[:, rows, slot] = other.paths

    def unlike(self, other: Lists) -> np.ndarray:
        """Returns which paths are not those of other lists, bool [n, ...]."""
        return (self.paths != other.paths).any(axis=0)

    def gains_and_places(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Returns gains complex128, angles and delays, for `Atoms.synthesize`."""
        return self.re + 1j * self.im, self.angle, self.delay

    def narrow(self, width: int) -> Lists:
        """Returns the first columns."""
        return Lists(self.paths[:, :, :width])

    def wider(self, width: int) -> Lists:
        """Returns the lists with at least so many columns."""
        more = max(width - self.paths.shape[2], 0)
        return Lists(np.pad(self.paths, ((0, 0), (0, 0), (0, more))))

    def without(self, slot: np.ndarray) -> Lists:
        """Returns the lists without the path of a column `slot` [n] of each row."""
        lists = Lists(self.paths.copy())
        lists.paths[:, np.arange(len(slot)), slot] = 0
        return lists

    def put(self, rows: np.ndarray | slice, lists: Lists) -> None:
        """Writes the lists of some rows; they must be as wide or narrower."""
        width = lists.paths.shape[2]
        self.paths[:, rows, :width] = lists.paths
        self.paths[:, rows, width:] = 0

    def sorted(self) -> Lists:
        """Returns the lists in the order of packets, without unused columns."""
        number = np.where(self.power > 0, lattice().number(self.re, self.im), -1)
        order = np.lexsort((self.angle, self.delay, -number), axis=1)
        order = order[:, : self.count.max(initial=0)]
        return Lists(np.take_along_axis(self.paths, order[None], axis=2))


def fineness(power: np.ndarray) -> np.ndarray:
    """Returns the resolution of the places of paths, round(log2 |q|) + 1.

    Args:
      power: |q|^2, at least 1, integers or floats of integer value.

    Returns:
      int64, in 1..MAX_FINENESS: binary digits of a place behind the point.
    """
    exponent = np.frexp(2.0 * power)[1]
    return np.minimum(np.maximum((exponent + 1) // 2, 1), MAX_FINENESS)


def class_of(power: np.ndarray) -> np.ndarray:
    """Returns the classes of |q|^2, int64."""
    return np.searchsorted(_class_starts(), power, side="right") - 1


@functools.cache
def _class_starts() -> np.ndarray:
    """Least |q|^2 of each class: the integers from 2^(c/2) on, int64 [NUM_CLASSES]."""
    doubled = np.arange(NUM_CLASSES)  # 2^(c/2) squared is 2^c.
    root = np.sqrt(2.0**doubled)
    return np.ceil(root - 1e-9).astype(np.int64)


@dataclasses.dataclass(frozen=True)
class Lattice:
    """The points q != 0 with |q|^2 <= MAX_POWER, numbered by (|q|^2, re, im).

    Attributes:
      re, im: int32 [points], the points in the order of their numbers.
      first: int64 [NUM_CLASSES + 1], number of the first point of each class.
    """

    re: np.ndarray
    im: np.ndarray
    first: np.ndarray
    _numbers: np.ndarray

    def power(self, number: np.ndarray) -> np.ndarray:
        """Returns |q|^2 of points by their numbers, int64."""
        re, im = (x[number].astype(np.int64) for x in (self.re, self.im))
        return re * re + im * im

    def number(self, re: np.ndarray, im: np.ndarray) -> np.ndarray:
        """Returns the numbers of points, int32; -1 of zero."""
        radius = len(self._numbers) // 2
        return self._numbers[re + radius, im + radius]


@functools.cache
def lattice() -> Lattice:
    """Returns the numbered points."""
    radius = int(np.sqrt(MAX_POWER))
    grid = np.arange(-radius, radius + 1)
    re, im = (axis.ravel() for axis in np.meshgrid(grid, grid, indexing="ij"))
    power = re**2 + im**2
    order = np.lexsort((im, re, power))
    order = order[(power[order] > 0) & (power[order] <= MAX_POWER)]
    numbers = np.full((2 * radius + 1, 2 * radius + 1), -1, np.int32)
    numbers[re[order] + radius, im[order] + radius] = np.arange(len(order))
    first = np.searchsorted(power[order], _class_starts())
    ends = np.append(first, len(order))
    return Lattice(
        re[order].astype(np.int32), im[order].astype(np.int32), ends, numbers
    )
