"""Contexts of paths: the integer tables that give each path its probability.

A path is coded given those before it in its list. Its place follows a mixture of four
laws: near an earlier path in delay and angle; near one in delay, at any angle; near one
in angle, at any delay; and anywhere. The laws are histograms of the distance to the
earlier path, over boxes that grow with the distance, and of the absolute place.

Everything here is an integer, so that probabilities are the same on every machine. No
product exceeds 2**53.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
from collections.abc import Mapping

import numpy as np

from tfcsi.coding.atoms import EDGE, Axis
from tfcsi.coding.path_lists import NUM_CLASSES

MASS = 1 << 20  # What each histogram sums to.
WEIGHT = 1 << 16  # What the four weights sum to.
SETS = 4  # Ranks 1; 2 to 5; 6 to 9; later. Rank 1 has no earlier path.
NEAR, NEAR_DELAY, NEAR_ANGLE, ANYWHERE = range(4)
NORMS = 256  # The norm 2^((i - NORMS / 2) / 2) has the number i.
FIRSTS = 16  # Contexts of the first path's class, two classes each; or of the step.
STEPS_A_CONTEXT = 4  # The first path has half an octave of steps for its context.
END = NUM_CLASSES  # The symbol behind the last path.
START = NUM_CLASSES  # The "class before" of the first path.
SYMBOLS = 16  # Binary digits of the probabilities of classes and norms.
# Edges of the boxes, in 1 / EDGE bin; those of delays also hold below zero. The first
# box of a delay holds its distance zero alone.
DELAY_EDGES = np.rint(
    EDGE * np.array([1 / 256, 1 / 64, 1 / 32, 1 / 16, 1 / 8, 1 / 4, 1 / 2, 1, 2, 5])
).astype(np.int64)
ANGLE_EDGES = np.rint(
    EDGE * np.array([0.01, 0.04, 0.08, 0.16, 0.3, 0.5, 0.7, 1, 1.4, 2, 3, 5, 8])
).astype(np.int64)
DELAY_BOXES, ANGLE_BOXES = 2 * len(DELAY_EDGES) + 1, len(ANGLE_EDGES) + 1


def set_of(rank: int) -> int:
    """Returns the set of tables of the path `rank`, counted from 0."""
    return 0 if rank == 0 else 1 if rank < 5 else 2 if rank < 9 else 3


def delay_edges(axis: Axis) -> np.ndarray:
    """Edges of the boxes of delay distances, int64 [DELAY_BOXES + 1]."""
    far = EDGE * axis.size // (2 if axis.circular else 1) + (not axis.circular) * EDGE
    inner = np.minimum(DELAY_EDGES, far)
    return np.concatenate([[-far], -inner[::-1], inner, [far]])


def angle_edges(axis: Axis) -> np.ndarray:
    """Edges of the boxes of angle distances, int64 [ANGLE_BOXES + 1]."""
    far = EDGE * axis.size // 2
    return np.concatenate([[0], np.minimum(ANGLE_EDGES, far), [far]])


def place_edges(axis: Axis) -> np.ndarray:
    """Edges of the boxes of absolute places: a bin each, half a bin off."""
    bins = np.arange(axis.size + (0 if axis.circular else 1) + 1)
    return EDGE * bins - EDGE // 2 - (0 if axis.circular else EDGE // 4)


def integers(values: np.ndarray, total: int, least: int = 1) -> np.ndarray:
    """Turns weights into integers of a given sum, along the last axis.

    Args:
      values: float64 [..., m], not negative, with a positive sum.
      total: The sum.
      least: The least of the integers.

    Returns:
      int64 [..., m].
    """
    share = values / values.sum(axis=-1, keepdims=True)
    rounded = np.floor(share * (total - least * values.shape[-1])).astype(np.int64)
    rounded += least
    largest = np.argmax(rounded, axis=-1)[..., None]
    rest = total - rounded.sum(axis=-1, keepdims=True)
    np.put_along_axis(
        rounded, largest, np.take_along_axis(rounded, largest, -1) + rest, -1
    )
    return rounded


def cumulative(mass: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Returns mass below each point of the grid between the first and the last edge.

    Args:
      mass: int64 [..., boxes].
      edges: int64 [boxes + 1], not falling.

    Returns:
      int64 [..., edges[-1] - edges[0] + 1], straight lines within a box.
    """
    point = np.arange(edges[0], edges[-1] + 1)
    box = np.clip(np.searchsorted(edges, point, side="right") - 1, 0, len(edges) - 2)
    while (width := edges[box + 1] - edges[box]).min() == 0:
        box = np.where(width == 0, box - 1, box)
    below = np.cumsum(mass, axis=-1) - mass
    return below[..., box] + mass[..., box] * (point - edges[box]) // width


@dataclasses.dataclass(frozen=True, eq=False)
class PathTables:
    """Histograms of paths, int64; each sums to MASS along its last axis.

    Attributes:
      norms: [NORMS], sums to 2**SYMBOLS.
      classes: [NUM_CLASSES + 1, FIRSTS, NUM_CLASSES + 1], class of a path given the one
        before it and that of the first path, or for the first path the step; sums to
        2**SYMBOLS.
      weights: [SETS, 4], of the four laws; sums to WEIGHT.
      delay_near, angle_near: [SETS, DELAY_BOXES] and [SETS, DELAY_BOXES, ANGLE_BOXES],
        distances to an earlier path that is near in both; the angle given the box of
        the delay.
      delay_alone, angle_alone: [SETS, DELAY_BOXES] and [SETS, ANGLE_BOXES], distances
        to one that is near in delay or in angle alone.
      delay_any, angle_any: [SETS, bins], absolute places.
    """

    norms: np.ndarray
    classes: np.ndarray
    weights: np.ndarray
    delay_near: np.ndarray
    angle_near: np.ndarray
    delay_alone: np.ndarray
    angle_alone: np.ndarray
    delay_any: np.ndarray
    angle_any: np.ndarray

    @classmethod
    def shapes(cls, angle: Axis, delay: Axis) -> dict[str, tuple[tuple, int]]:
        """Returns the shape and the sum of each table."""
        near, far = (SETS, DELAY_BOXES), (SETS, ANGLE_BOXES)
        any_delay = (SETS, len(place_edges(delay)) - 1)
        return {
            "norms": ((NORMS,), 1 << SYMBOLS),
            "classes": ((NUM_CLASSES + 1, FIRSTS, NUM_CLASSES + 1), 1 << SYMBOLS),
            "weights": ((SETS, 4), WEIGHT),
            "delay_near": (near, MASS),
            "angle_near": ((*near, ANGLE_BOXES), MASS),
            "delay_alone": (near, MASS),
            "angle_alone": (far, MASS),
            "delay_any": (any_delay, MASS),
            "angle_any": ((SETS, angle.size), MASS),
        }

    @classmethod
    def of(
        cls, arrays: Mapping[str, np.ndarray], angle: Axis, delay: Axis
    ) -> PathTables:
        """Makes tables of stored arrays.

        Raises:
          ValueError: If they are not sound; the message names the table.
        """
        tables = {}
        for name, (shape, total) in cls.shapes(angle, delay).items():
            array = np.asarray(arrays[name])
            if array.shape != shape or array.dtype.kind not in "iu":
                raise ValueError(
                    f"{name} is {array.dtype} {list(array.shape)}, "
                    f"expected integers {list(shape)}"
                )
            array = array.astype(np.int64)
            least = 0 if name == "classes" else 1
            if (array < least).any() or (array.sum(axis=-1) != total).any():
                raise ValueError(f"{name} does not hold sums of {total}")
            tables[name] = array
        return cls(**tables)

    def arrays(self) -> dict[str, np.ndarray]:
        """Returns the tables by their names, uint32, for a file."""
        fields = dataclasses.fields(self)
        return {f.name: getattr(self, f.name).astype(np.uint32) for f in fields}

    def resized(self, old: tuple[Axis, Axis], new: tuple[Axis, Axis]) -> PathTables:
        """Returns the tables for other axes (angle, delay).

        Distances keep their laws. Absolute places are stretched to the new axes.
        """
        changed = {}
        for name, before, after in zip(("angle_any", "delay_any"), old, new):
            edges, ends = place_edges(before), place_edges(after)
            at = (ends - ends[0]) / (ends[-1] - ends[0]) * (edges[-1] - edges[0])
            mass = np.cumsum(np.pad(getattr(self, name), ((0, 0), (1, 0))), axis=1)
            mass = [np.diff(np.interp(at, edges - edges[0], row)) for row in mass]
            changed[name] = integers(np.array(mass), MASS)
        return dataclasses.replace(self, **changed)

    def fingerprint(self) -> bytes:
        """Returns 32 bytes that change with any table."""
        digest = hashlib.sha256()
        for array in self.arrays().values():
            digest.update(array.astype("<u4").tobytes())
        return digest.digest()

    @functools.cached_property
    def class_ends(self) -> np.ndarray:
        """Cumulative `classes`, int64 [., FIRSTS, NUM_CLASSES + 2]."""
        zero = np.zeros((*self.classes.shape[:2], 1), np.int64)
        return np.concatenate([zero, np.cumsum(self.classes, axis=-1)], axis=-1)

    @functools.cached_property
    def norm_ends(self) -> np.ndarray:
        """Cumulative `norms`, int64 [NORMS + 1]."""
        return np.concatenate([[0], np.cumsum(self.norms)])
