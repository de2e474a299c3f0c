"""Prices of paths as a TensorFlow graph: code lengths of the candidates of one matrix.

The graph does what `coding.path_prices.Prices` does. Sums of integer tables are
integers here too, so that the two differ by the rounding of float32 alone. The tables
stay histograms: a sum below a point is made from that of its box, which is small.
"""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from tfcsi.coding import contexts
from tfcsi.coding.atoms import EDGE, Axis
from tfcsi.coding.contexts import MASS, NEAR, NEAR_ANGLE, NEAR_DELAY, START
from tfcsi.coding.path_lists import MAX_POWER, lattice
from tfcsi.coding.path_prices import Prices

_RADIUS = 1 << 8  # More than any part of a gain.
_DENSITY = 3217  # 1024 pi: lattice points in a disc of 1024.


class Law:
    """Mass below points of a distance or a place, int32, as `path_laws.Law`."""

    def __init__(self, mass: np.ndarray, edges: np.ndarray, axis: Axis, folded: bool):
        """Prepares the table.

        Args:
          mass: int64 [..., boxes], histograms.
          edges: int64 [boxes + 1], in 1 / EDGE bin.
          axis: The axis of the points.
          folded: Whether the edges are those of distances without a sign.
        """
        self._folded = folded
        self._origin, self._last = int(edges[0]), int(edges[-1])
        self._period = EDGE * axis.size if axis.circular else 0
        point = np.arange(self._origin, self._last + 1)
        box = np.searchsorted(edges, point, side="right") - 1
        box = np.clip(box, 0, len(edges) - 2)
        width = np.diff(edges)
        while (width[box] == 0).any():
            box = np.where(width[box] == 0, box - 1, box)
        self._box = box.astype(np.uint8)
        self._boxes = len(width)
        # The mass below a point in a box is mass * distance // width. With the quotient
        # and the remainder of mass / width, no product exceeds 32 bits.
        wide = np.maximum(width, 1)
        columns = [np.cumsum(mass, axis=-1) - mass, mass // wide, mass % wide]
        columns += [np.broadcast_to(edges[:-1], mass.shape)]
        columns += [np.broadcast_to(wide, mass.shape)]
        self._table = np.stack(columns, axis=-1).reshape(-1, 5).astype(np.int32)

    def of_cells(self, low: tf.Tensor, cell: tf.Tensor, row: tf.Tensor) -> tf.Tensor:
        """Returns the share of cells.

        Args:
          low: int32 [...], lower ends of the cells.
          cell: int32 scalar, their width.
          row: int32 that broadcasts against `low`, the histogram.

        Returns:
          float32 [...].
        """
        both = tf.stack([low, low + cell])
        below = self._below(both, row)
        return tf.cast(below[1] - below[0], tf.float32) * (1 / MASS)

    def _below(self, point: tf.Tensor, row: tf.Tensor) -> tf.Tensor:
        laps: tf.Tensor | int = 0
        if self._period:
            start = -self._period // 2 if self._folded else self._origin
            laps = (point - start) // self._period
            point = point - laps * self._period
        negative = point < 0
        if self._folded:
            point = tf.abs(point)
        point = tf.clip_by_value(point, self._origin, self._last)
        box = tf.cast(tf.gather(self._box, point - self._origin), tf.int32)
        entry = tf.gather(self._table, row * self._boxes + box)
        under, quotient, rest, edge, width = tf.unstack(entry, axis=-1)
        inside = point - edge
        mass = under + quotient * inside + rest * inside // width
        if self._folded:  # Boxes of no width hold their mass at the end.
            mass = tf.where(point == self._last, MASS, mass) // 2
            mass = tf.where(negative, -mass, mass)
        return mass + laps * MASS if self._period else mass


class Numbers:
    """Numbers of lattice points, as `Lattice.number`, from small tables."""

    def __init__(self) -> None:
        """Prepares the tables."""
        points = lattice()
        power = points.power(np.arange(len(points.re)))
        starts = np.searchsorted(power, np.arange(MAX_POWER + 2))
        about = np.arange(len(starts)) * _DENSITY // 1024
        off = starts - about + (1 << 15)
        self._off = np.stack([off >> 8, off & 255], axis=1).astype(np.uint8)
        rank = np.arange(len(power)) - starts[power]
        self._rank = np.zeros((_RADIUS, _RADIUS), np.uint8)
        quarter = (points.re >= 0) & (points.im >= 0)
        place = (points.re[quarter], points.im[quarter])
        self._rank[place] = rank[quarter]

    def __call__(self, re: tf.Tensor, im: tf.Tensor) -> tf.Tensor:
        """Returns the numbers of points that are not zero, int32, any shape."""
        power = re * re + im * im
        start, end = self._start(power), self._start(power + 1)
        at = tf.abs(re) * _RADIUS + tf.abs(im)
        rank = tf.cast(tf.gather(self._rank.ravel(), at), tf.int32)
        left = re < 0
        lower = tf.where(left, im, -im) > 0
        rank -= tf.cast(lower, tf.int32)
        return tf.where(left, end - 1 - rank, start + rank)

    def _start(self, power: tf.Tensor) -> tf.Tensor:
        off = tf.cast(tf.gather(self._off, power), tf.int32)
        off = off[..., 0] * 256 + off[..., 1] - (1 << 15)
        return power * _DENSITY // 1024 + off


class PriceGraph:
    """`Prices.of` for one matrix, in operations that TFLite has."""

    def __init__(self, prices: Prices):
        """Takes prices with their tables."""
        laws, tables = prices.laws, prices.laws.tables
        angle, delay = laws.angle, laws.delay
        edges = contexts.delay_edges(delay)
        self._delay = delay
        self._delay_near = Law(tables.delay_near, edges, delay, False)
        self._delay_alone = Law(tables.delay_alone, edges, delay, False)
        self._delay_origin = int(edges[0])
        self._delay_box = laws.delay_box.astype(np.uint8)
        edges = contexts.angle_edges(angle)
        self._angle_near = Law(tables.angle_near, edges, angle, True)
        self._angle_alone = Law(tables.angle_alone, edges, angle, True)
        edges = contexts.place_edges(delay)
        self._delay_any = Law(tables.delay_any, edges, delay, False)
        edges = contexts.place_edges(angle)
        self._angle_any = Law(tables.angle_any, edges, angle, False)
        self._weights = prices.weights
        self._set_of = prices.set_of.astype(np.int32)
        self._class_bits = prices.class_bits
        self._first = lattice().first.astype(np.int32)
        self.number = Numbers()

    def of(
        self,
        number: tf.Tensor,
        angles: tf.Tensor,
        delays: tf.Tensor,
        digits: tf.Tensor,
        others: tf.Tensor,
        start: tf.Tensor,
    ) -> tf.Tensor:
        """Returns code lengths [bits].

        Args:
          number: int32 [3 angles, 3 delays, 4], numbers of the gains.
          angles: int32 [3], places.
          delays: int32 [3], places.
          digits: int32 scalar, their resolution.
          others: int32 [3, paths], angle, delay and number of the other paths; the
            number of an unused entry is -1.
          start: int32 scalar, the context of the first path.

        Returns:
          float32 [3, 3, 4].
        """
        other = others[2]
        middle = tf.reduce_max(number[1, 1])
        earlier = tf.logical_and(other >= middle, other >= 0)
        place = self._of_places(angles, delays, digits, others, earlier)
        return self._of_gains(number, other, start) + place[..., None]

    def _of_gains(
        self, number: tf.Tensor, other: tf.Tensor, start: tf.Tensor
    ) -> tf.Tensor:
        """Bits of classes and points, as `Prices._of_gains`."""
        last = int(self._first[-1])
        flat = tf.reshape(number, [-1])
        is_above = other[None] >= flat[:, None]
        above = tf.reduce_min(tf.where(is_above, other[None], last + 1), axis=1)
        below = tf.reduce_max(tf.where(is_above, -1, other[None]), axis=1)
        below = tf.where(below < 0, last, below)
        strongest = tf.maximum(tf.reduce_max(other), 0)
        everything = tf.concat([above, flat, below, strongest[None]], axis=0)
        reached = tf.cast(everything[:, None] >= self._first, tf.int32)
        classes = tf.reduce_sum(reached, axis=1) - 1
        num = number.shape.num_elements()
        a, c, b, first = tf.split(classes, [num, num, num, 1])
        first = tf.maximum(first, c) // 2
        context = tf.where(a == START, start, first)
        rows, columns = self._class_bits.shape[1:]
        table = self._class_bits.ravel()
        ahead = (a * rows + context) * columns
        at = tf.stack([ahead + c, (c * rows + first) * columns + b, ahead + b])
        bits = tf.gather(table, at)
        bits = bits[0] + bits[1] - bits[2]
        low, end = tf.gather(self._first, c), tf.gather(self._first, c + 1)
        top = tf.minimum(tf.minimum(above, last - 1), end - 1)
        bits += _log2(tf.cast(top - low + 1, tf.float32))
        return tf.reshape(bits, number.shape)

    def _of_places(
        self,
        angles: tf.Tensor,
        delays: tf.Tensor,
        digits: tf.Tensor,
        others: tf.Tensor,
        earlier: tf.Tensor,
    ) -> tf.Tensor:
        """Bits of places, float32 [3 angles, 3 delays], as `Prices._of_places`."""
        cell = tf.gather(EDGE >> np.arange(8, dtype=np.int32), digits)
        use = tf.cast(earlier, tf.float32)
        count = tf.reduce_sum(tf.cast(earlier, tf.int32))
        row = tf.gather(self._set_of, count)
        weights = tf.gather(self._weights, row)
        anywhere = tf.where(count > 0, weights[3], 1.0)
        weights /= tf.cast(tf.maximum(count, 1), tf.float32)
        half = cell // 2
        any_delay = self._delay_any.of_cells(2 * delays - half, cell, row)
        any_angle = self._angle_any.of_cells(2 * angles - half, cell, row)
        far_a = 2 * (angles[None] - others[0, :, None])  # [others, 3]
        far_d = delays[None] - others[1, :, None]
        if self._delay.circular:
            half_round = self._delay.size * (EDGE // 4)
            far_d = (far_d + half_round) % (2 * half_round) - half_round
        far_d = 2 * far_d
        near_d = self._delay_near.of_cells(far_d - half, cell, row)
        alone_d = self._delay_alone.of_cells(far_d - half, cell, row)
        alone_a = self._angle_alone.of_cells(far_a - half, cell, row)
        box = tf.cast(tf.gather(self._delay_box, far_d - self._delay_origin), tf.int32)
        box += row * contexts.DELAY_BOXES
        low = far_a[:, :, None] - half + tf.zeros_like(box)[:, None]
        near_a = self._angle_near.of_cells(low, cell, box[:, None])
        near = (weights[NEAR] * use)[:, None, None] * near_d[:, None] * near_a
        any_delay, any_angle = any_delay[None], any_angle[:, None]
        alone_d = tf.reduce_sum(use[:, None] * alone_d, axis=0)[None]
        alone_a = tf.reduce_sum(use[:, None] * alone_a, axis=0)[:, None]
        total = anywhere * any_angle * any_delay + tf.reduce_sum(near, axis=0)
        total += any_angle * (weights[NEAR_DELAY] * alone_d)
        total += weights[NEAR_ANGLE] * alone_a * any_delay
        return -_log2(total + 1e-9)


def _log2(x: tf.Tensor) -> tf.Tensor:
    return tf.math.log(x) * np.float32(1 / np.log(2))
