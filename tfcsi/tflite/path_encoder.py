"""The pursuit of paths as a TensorFlow graph: a matrix in, its list of paths out.

The graph does what `coding.pursuit` does with one matrix, in float32 and with loops of
operations that TFLite has. Its inputs are `x`, float32 [1, num_tx, num_delay, 2], CSI
divided by the norm that the packet states, and `step`, int32 [1], the number of the
step: one graph serves all steps. Its output is int32 [1, paths, 4], (re, im, angle,
delay) of each path in any order, zeros where there is none. `coding.path_coder` does
the rest in integers.

The loops end when no path is left to be found, so matrices of few paths are fast. The
list has a fixed length: of a matrix with more paths, those that were found last lack.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import tensorflow as tf

from tfcsi.coding.atoms import HALF, MAX_FINENESS, UNIT, Atoms
from tfcsi.coding.contexts import STEPS_A_CONTEXT
from tfcsi.coding.path_lists import FIELDS, MAX_POWER
from tfcsi.coding.path_near import RADIUS
from tfcsi.coding.path_prices import Prices
from tfcsi.coding.path_steps import STEPS, step_of
from tfcsi.coding.pursuit import MAX_PATHS, Effort
from tfcsi.tflite.path_atoms import AxisGraph, picture
from tfcsi.tflite.path_prices import PriceGraph

RE, IM, ANGLE, DELAY, NUMBER = range(len(FIELDS) + 1)  # Rows of the list in the graph.
# |q|^2 from which on the place has a binary digit more, see `path_lists.fineness`.
_FINER = 2.0 ** np.arange(1, 2 * MAX_FINENESS - 2, 2, dtype=np.float32)
_CELLS = UNIT >> np.arange(MAX_FINENESS + 1, dtype=np.int32)
_CORNERS = np.array([[0, 0, 1, 1], [0, 1, 0, 1]], np.float32)[:, None]
_AROUND = np.arange(-1, 2, dtype=np.int32)
_NEVER = 1 << 30  # Key of a path that is not searched anew.


class State(NamedTuple):
    """What a search changes.

    Attributes:
      rest: float32 [num_tx, 2 num_delay], what the paths leave: real parts, then
        imaginary ones.
      paths: int32 [5, paths], see `RE`; the number of an unused entry is -1. While
        prices do not count, that of a path is 0.
    """

    rest: tf.Tensor
    paths: tf.Tensor


class Candidates(NamedTuple):
    """What a path may become: 3 x 3 places, and four lattice points about each gain.

    Attributes:
      digits: int32 scalar, the resolution of the places.
      angles, delays: int32 [3].
      re, im: float32 [3 angles, 3 delays, 4], the lattice points.
      earned: float32 [3, 3, 4], the error that each takes away.
      fits: bool [3, 3, 4], whether it has the resolution.
    """

    digits: tf.Tensor
    angles: tf.Tensor
    delays: tf.Tensor
    re: tf.Tensor
    im: tf.Tensor
    earned: tf.Tensor
    fits: tf.Tensor


class PathGraph:
    """The pursuit of one matrix."""

    def __init__(self, atoms: Atoms, prices: Prices, effort: Effort, num_paths: int):
        """Prepares the tables.

        Args:
          atoms: Atoms of the matrices.
          prices: Code lengths.
          effort: How much is searched; `more` must be empty.
          num_paths: Most paths of a list.

        Raises:
          ValueError: If a packet cannot tell so many paths.
        """
        if not 1 <= num_paths <= MAX_PATHS:
            raise ValueError(f"num_paths is {num_paths}; it must be 1 to {MAX_PATHS}")
        self.atoms, self.effort, self.num_paths = atoms, effort, num_paths
        self.prices = PriceGraph(prices)
        self._angle, self._delay = AxisGraph(atoms.angle), AxisGraph(atoms.delay)

    def __call__(self, x: tf.Tensor, step: tf.Tensor) -> tf.Tensor:
        """Returns the list of a matrix; see the module."""
        steps = step_of(np.arange(STEPS)).astype(np.float32)
        rest = picture(x[0], self.atoms) / tf.gather(steps, step)
        empty = np.zeros((NUMBER + 1, self.num_paths), np.int32)
        empty[NUMBER] = -1
        context = step[0] // STEPS_A_CONTEXT
        state = self._grow(State(rest, tf.constant(empty)), context)
        if not self.effort.priced_growth:
            state = State(state.rest, self._numbered(state.paths))

        def search_all(k: tf.Tensor, *state: tf.Tensor) -> tuple[tf.Tensor, ...]:
            state = State(*state)
            return k + 1, *self._refine(state, self._keys(state.paths), context, True)

        first = (tf.constant(0), *state)
        passes = self.effort.passes
        _, _, paths = tf.while_loop(lambda k, *_: k < passes, search_all, first)
        return tf.transpose(paths[:NUMBER])[None]

    def _grow(self, state: State, context: tf.Tensor) -> State:
        """Adds paths until none is left; after each one, refines those before it."""
        stop, slots = self.effort.stop**2, np.arange(self.num_paths, dtype=np.int32)

        def add(k: tf.Tensor, going: tf.Tensor, *state: tf.Tensor) -> tuple:
            state = State(*state)
            power, angle, delay = self._peak(state.rest)
            free = tf.cast(state.paths[NUMBER] < 0, tf.int32)
            slot = tf.argmax(free, output_type=tf.int32)
            going = tf.logical_and(power > stop, tf.reduce_max(free) > 0)
            priced = self.effort.priced_growth
            kept, state = self._search(
                state, slot, angle, delay, context, priced, allowed=going
            )
            if self.effort.near:
                wanted = tf.logical_and(kept, slots != slot)
                if np.isfinite(self.effort.near):
                    wanted = tf.logical_and(wanted, self._near(state.paths, slot))
                keys = tf.where(wanted, self._keys(state.paths), _NEVER)
                state = self._refine(state, keys, context, priced)
            return k + 1, kept, *state

        def wanted(k: tf.Tensor, going: tf.Tensor, *_: tf.Tensor) -> tf.Tensor:
            return tf.logical_and(going, k < 2 * MAX_PATHS)

        first = (tf.constant(0), tf.constant(True), *state)
        return State(*tf.while_loop(wanted, add, first)[2:])

    def _numbered(self, paths: tf.Tensor) -> tf.Tensor:
        """Returns the list with the numbers of its lattice points."""
        used = paths[NUMBER] >= 0
        re = tf.where(used, paths[RE], 1)
        number = tf.where(used, self.prices.number(re, paths[IM]), -1)
        return tf.concat([paths[:NUMBER], number[None]], axis=0)

    def _keys(self, paths: tf.Tensor) -> tf.Tensor:
        """|q|^2 of each path, by which they are searched anew, int32 [paths]."""
        power = paths[RE] * paths[RE] + paths[IM] * paths[IM]
        return tf.where(paths[NUMBER] >= 0, power, _NEVER)

    def _near(self, paths: tf.Tensor, slot: tf.Tensor) -> tf.Tensor:
        """Whether paths are near that of a slot, bool [paths]."""
        limit, near = int(self.effort.near * UNIT), tf.constant(True)
        for row, axis in ((ANGLE, self.atoms.angle), (DELAY, self.atoms.delay)):
            far = paths[row] - tf.gather(paths[row], slot)
            if axis.circular:
                half = axis.size * UNIT // 2
                far = (far + half) % (2 * half) - half
            near = tf.logical_and(near, tf.abs(far) <= limit)
        return near

    def _refine(
        self, state: State, keys: tf.Tensor, context: tf.Tensor, priced: bool
    ) -> State:
        """Searches paths anew, by rising keys."""
        slots = np.arange(self.num_paths, dtype=np.int32)

        def again(keys: tf.Tensor, *state: tf.Tensor) -> tuple[tf.Tensor, ...]:
            state = State(*state)
            slot = tf.argmin(keys, output_type=tf.int32)
            angle = tf.gather(state.paths[ANGLE], slot)
            delay = tf.gather(state.paths[DELAY], slot)
            _, state = self._search(state, slot, angle, delay, context, priced)
            return tf.where(slots == slot, _NEVER, keys), *state

        def wanted(keys: tf.Tensor, *_: tf.Tensor) -> tf.Tensor:
            return tf.reduce_min(keys) < _NEVER

        return State(*tf.while_loop(wanted, again, (keys, *state))[1:])

    def _peak(self, rest: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """The largest |g|^2 on the grid of half bins, and its angle and delay."""
        num_delay = self.atoms.num_delay
        half_angles, half_delays = (
            axis.half_rows for axis in (self.atoms.angle, self.atoms.delay)
        )
        first = HALF if self.atoms.delay.circular else -HALF
        powers, angles, delays = [], [], []
        for part, angle_0 in ((rest, 0), (half_angles @ rest, HALF)):
            part = tf.reshape(part, [-1, num_delay])
            half = part @ half_delays.T
            for g, delay_0 in ((part, 0), (half, first)):
                num = int(g.shape[-1])
                g = tf.reshape(g, [-1, 2, num])
                powers.append(tf.reshape(g[:, 0] ** 2 + g[:, 1] ** 2, [-1]))
                i = np.arange(int(g.shape[0]) * num)
                angles.append(i // num * UNIT + angle_0)
                delays.append(i % num * UNIT + delay_0)
        power = tf.concat(powers, axis=0)
        at = tf.argmax(power, output_type=tf.int32)
        tables = (np.concatenate(places).astype("i4") for places in (angles, delays))
        return tf.gather(power, at), *(tf.gather(table, at) for table in tables)

    def _search(
        self,
        state: State,
        slot: tf.Tensor,
        angle: tf.Tensor,
        delay: tf.Tensor,
        context: tf.Tensor,
        priced: bool,
        allowed: tf.Tensor | None = None,
    ) -> tuple[tf.Tensor, State]:
        """Takes a path out and finds it anew near a place.

        Args:
          state: State of the search.
          slot: int32 scalar, the slot of the path.
          angle: int32 scalar, where to search.
          delay: int32 scalar, where to search.
          context: int32 scalar, the context of the first path.
          priced: Whether code lengths count.
          allowed: bool scalar, whether there may be a path. None for a path that is in
            the list; else the slot is empty and the place is that of a half bin.

        Returns:
          bool scalar, whether there is a path now, and the state.
        """
        new = allowed is not None
        old = None if new else tf.gather(state.paths, slot, axis=1)
        for spacing in (HALF, UNIT // 8) if new else (UNIT // 8,):
            g, _, _ = self._correlate(state.rest, old, angle, delay, spacing)
            power = g[:, 0] ** 2 + g[:, 1] ** 2
            angle = self._angle.wrap(angle + _vertex(power[:, 1], spacing))
            delay = self._delay.wrap(delay + _vertex(power[1], spacing))
        digits = _largest(power)
        tried = self._candidates(state.rest, old, angle, delay, digits)
        # As in the pursuit: where no point has the resolution, that of the new gain.
        tried = tf.cond(
            tf.reduce_any(tried.fits),
            lambda: tried,
            lambda: self._candidates(
                state.rest, old, angle, delay, _largest(tried.re**2 + tried.im**2)
            ),
        )
        digits, angles, delays, re, im, earned, fits = tried
        re = tf.cast(tf.where(fits, re, 1.0), tf.int32)
        im = tf.cast(tf.where(fits, im, 0.0), tf.int32)
        fits = tf.logical_and(fits, earned > 0)
        number, least = tf.zeros_like(re), 0.7 * self.effort.stop**2
        is_slot = np.arange(self.num_paths, dtype=np.int32) == slot
        if priced:
            number, least = self.prices.number(re, im), 0.0
            others = tf.where(is_slot, -1, state.paths[NUMBER])
            others = tf.concat([state.paths[ANGLE : DELAY + 1], others[None]], axis=0)
            price = self.prices.of(number, angles, delays, digits, others, context)
            earned -= self.effort.lmbda * price
        earned = tf.reshape(tf.where(fits, earned, -1.0), [-1])
        best = tf.argmax(earned, output_type=tf.int32)
        kept = tf.gather(earned, best) > least
        if allowed is not None:  # The slot of a path that may not be is another's.
            kept = tf.logical_and(kept, allowed)
            is_slot = tf.logical_and(is_slot, kept)
        point = tf.gather(tf.reshape(tf.stack([re, im, number]), [3, -1]), best, axis=1)
        angle, delay = tf.gather(angles, best // 12), tf.gather(delays, best // 4 % 3)
        chosen = tf.stack([point[0], point[1], angle, delay, point[2]])
        path = tf.where(kept, chosen, np.array([0, 0, 0, 0, -1], np.int32))
        rest = state.rest - self._atom(path)
        if old is not None:
            rest = state.rest + (self._atom(old) - self._atom(path))
        paths = tf.where(is_slot[None], path[:, None], state.paths)
        return kept, State(rest, paths)

    def _candidates(
        self,
        rest: tf.Tensor,
        old: tf.Tensor | None,
        angle: tf.Tensor,
        delay: tf.Tensor,
        digits: tf.Tensor,
    ) -> Candidates:
        """Quantised paths at and about a place, with an old path taken out."""
        cell = tf.gather(_CELLS, digits)
        angle = self._angle.wrap((angle + cell // 2) // cell * cell)
        delay = self._delay.wrap((delay + cell // 2) // cell * cell)
        g, angles, delays = self._correlate(rest, old, angle, delay, cell)
        g = g[..., None]
        q = tf.floor(g) + _CORNERS
        # If all points are too large for the lattice, a shorter gain has smaller ones.
        too_large = tf.reduce_min(tf.reduce_sum(q**2, axis=1)) > MAX_POWER
        size = tf.sqrt(tf.reduce_sum(g**2, axis=1, keepdims=True))
        shorter = tf.floor(g * (RADIUS / tf.maximum(size, 1))) + _CORNERS
        q = tf.where(too_large, shorter, q)
        earned = tf.reduce_sum(g**2 - (g - q) ** 2, axis=1)
        re, im = q[:, 0], q[:, 1]
        power = re**2 + im**2
        fits = tf.logical_and(power > 0, power <= MAX_POWER)
        fits = tf.logical_and(fits, _fineness(power) == digits)
        return Candidates(digits, angles, delays, re, im, earned, fits)

    def _correlate(
        self,
        rest: tf.Tensor,
        old: tf.Tensor | None,
        angle: tf.Tensor,
        delay: tf.Tensor,
        spacing: tf.Tensor | int,
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Gains at 3 x 3 places, with the old path taken out.

        Returns:
          float32 [3 angles, (re, im), 3 delays]; the angles and delays, int32 [3].
        """
        angles = self._angle.wrap(angle + _AROUND * spacing)
        delays = self._delay.wrap(delay + _AROUND * spacing)
        left, right = self._angle.rows(angles), self._delay.rows(delays)
        g = tf.reshape(left @ rest, [6, self.atoms.num_delay])
        g = tf.reshape(tf.matmul(g, right, transpose_b=True), [3, 2, 3])
        if old is not None:
            a = tf.reduce_sum(left * self._angle.rows(old[ANGLE, None]), axis=1)
            d = tf.reduce_sum(right * self._delay.rows(old[DELAY, None]), axis=1)
            gain = tf.cast(old[: IM + 1], tf.float32)
            g += a[:, None, None] * gain[None, :, None] * d[None, None]
        return g, angles, delays

    def _atom(self, path: tf.Tensor) -> tf.Tensor:
        """Picture of a path, float32 [num_tx, 2 num_delay]."""
        gain = tf.cast(path[: IM + 1], tf.float32)
        right = gain[:, None] * self._delay.rows(path[DELAY, None])
        left = self._angle.rows(path[ANGLE, None])
        return tf.transpose(left) * tf.reshape(right, [1, -1])


def _largest(power: tf.Tensor) -> tf.Tensor:
    """Resolution of the places of the largest of some |g|^2, int32 scalar."""
    return _fineness(tf.minimum(tf.reduce_max(power), MAX_POWER))


def _fineness(power: tf.Tensor) -> tf.Tensor:
    """As `path_lists.fineness`, int32."""
    finer = tf.cast(power[..., None] >= _FINER, tf.int32)
    return 1 + tf.reduce_sum(finer, axis=-1)


def _vertex(power: tf.Tensor, spacing: int) -> tf.Tensor:
    """Offset of the top of a parabola through powers [3], within a spacing."""
    before, middle, after = tf.unstack(power)
    curve, slope = 2 * middle - before - after, after - before
    side = tf.cast(slope > 0, tf.float32) - tf.cast(slope < 0, tf.float32)
    top = slope / tf.maximum(2 * curve, 1e-30)
    top = tf.where(curve > 1e-6 * middle, top, side)
    return tf.cast(tf.round(tf.clip_by_value(top, -1.0, 1.0) * spacing), tf.int32)
