"""Pursuit: finds the paths of CSI matrices, a batch of matrices in lock-step.

Each round adds to every matrix the atom that correlates most with what its paths leave
(Mallat and Zhang, "Matching pursuits with time-frequency dictionaries", IEEE
Transactions on Signal Processing 1993). Gain and place are quantised at once, and the
quantised atom is taken away. Then the earlier paths are searched anew near their
places, one after the other, and are dropped where they earn too little. The decoder
repeats none of this, so it need not be reproducible.

Pictures are in units of the step: a gain q = g / step is rounded to a complex integer.
With prices, a path is chosen by D + lambda R, the error in units of step^2 and the code
length in bits (Sullivan and Wiegand, "Rate-distortion optimization for video
compression", IEEE Signal Processing Magazine 1998).
"""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

import numpy as np

from tfcsi.coding.atoms import HALF, UNIT, Atoms
from tfcsi.coding.contexts import STEPS_A_CONTEXT
from tfcsi.coding.path_lists import Lists
from tfcsi.coding.path_near import Near, digits_of, vertices
from tfcsi.coding.path_prices import Prices

MAX_PATHS = 128  # Most paths of a list.
LAMBDA = 0.15  # step^2 a bit, chosen on validation data; see docs/paths.md.
# Largest of the noise's powers on the grid, in variances: about ln(4 num_tx num_delay).
_PEAKS = 8.0
_BLOCK = 128  # Matrices at a time, so that they stay in the cache.
_SIGNS = np.array([1, -1])  # Of what a path was and of what it is now.
_AT_ONCE = 16  # Searches at a time of few matrices, whose cost is that of the calls.


@dataclasses.dataclass(frozen=True)
class Effort:
    """How much the encoder searches.

    Attributes:
      stop: Least |g| of a new path, in steps.
      near: Earlier paths within so many bins and taps of a new one are searched anew;
        0 for none, infinity for all.
      passes: How often all paths are searched anew at the end.
      priced_growth: Whether new paths are chosen by their code lengths too. In the
        passes at the end they always are.
      lmbda: What a bit costs [step^2].
      more: Further searches. The list of the best one is taken, see `PathEncoder`.
      moves: Whether small moves of the whole list are tried, see `path_moves`.
    """

    stop: float
    near: float
    passes: int
    priced_growth: bool
    lmbda: float = LAMBDA
    more: tuple[Effort, ...] = ()
    moves: bool = False


EFFORTS = {
    "light": Effort(1.5, 0, 1, True),
    "default": Effort(1.1, np.inf, 3, False),
}
# Searches that err in other ways, each of which is the best one for many matrices.
EFFORTS["high"] = dataclasses.replace(
    EFFORTS["default"],
    more=(
        Effort(0.75, np.inf, 3, False, 0.19),
        Effort(0.9, np.inf, 6, False),
        Effort(1.1, 8, 3, False),
        Effort(1.1, np.inf, 3, True, 0.1),
        Effort(1.1, np.inf, 3, True, 0.13),
        Effort(1.1, 0, 3, False),
    ),
    moves=True,
)


def check_effort(effort: str) -> None:
    """Raises a ValueError unless `effort` is one of `EFFORTS`."""
    if not isinstance(effort, str) or effort not in EFFORTS:
        raise ValueError(
            f"effort is {effort!r}; it must be one of {', '.join(EFFORTS)}"
        )


def macs_peak(atoms: Atoms) -> int:
    """Multiply-accumulates of the search of all half bins of a matrix."""
    num_tx, num_delay = atoms.num_tx, atoms.num_delay
    halves = len(atoms.angle.half_rows) * num_tx * 2 * num_delay
    halves += 4 * num_tx * len(atoms.delay.half_rows) * num_delay
    return halves + 2 * 4 * num_tx * num_delay


def macs_search(atoms: Atoms) -> int:
    """Multiply-accumulates of the search of nine places near one."""
    num_tx, num_delay = atoms.num_tx, atoms.num_delay
    return 3 * num_tx * 2 * num_delay + 18 * num_delay + 3 * (num_tx + num_delay)


def macs_update(atoms: Atoms) -> int:
    """Multiply-accumulates of a path that moves: two atoms of a picture."""
    return 4 * atoms.num_delay * (1 + atoms.num_tx)


def macs(atoms: Atoms, effort: Effort, paths: int) -> int:
    """Multiply-accumulates of the pursuit of a matrix, without prices and parabolas.

    Each path is counted as found at once, never dropped, and moved by each search. The
    search of one matrix alone makes about a tenth more: see `_Block._refine`.

    Args:
      atoms: The atoms of the picture.
      effort: How much is searched.
      paths: Number of paths of the matrix. Of an effort that searches near a new path
        alone, all earlier ones are counted as near.
    """
    near = paths * (paths - 1) // 2 if effort.near else 0
    again = near + effort.passes * paths
    search, update = macs_search(atoms), macs_update(atoms)
    once = (paths + 1) * macs_peak(atoms) + paths * (3 * search + update)
    more = sum(macs(atoms, other, paths) for other in effort.more)
    return once + again * (2 * search + update) + more


def find(
    x: np.ndarray,
    atoms: Atoms,
    prices: Prices | None,
    effort: Effort,
    steps: np.ndarray | int = 0,
    noise: np.ndarray | float = 0.0,
) -> Lists:
    """Finds the paths of matrices.

    Args:
      x: Pictures float32 [n, num_tx, 2, num_delay] in units of the step.
      atoms: The atoms of the pictures.
      prices: Code lengths. None for a search by the error alone.
      effort: How much is searched; `more` is for the caller.
      steps: Numbers of the steps, [n] or one for all. Only prices need them.
      noise: Variance of the noise on an entry of x, [n] or one for all [step^2]. Paths
        that the noise could have made are left out.

    Returns:
      Lists of n matrices, neither sorted nor without gaps.
    """
    lists = Lists.empty(len(x), MAX_PATHS)
    context = np.broadcast_to(steps, len(x)) // STEPS_A_CONTEXT
    floor = _PEAKS * np.broadcast_to(noise, len(x))
    for start in range(0, len(x), _BLOCK):
        part = slice(start, start + _BLOCK)
        block = _Block(
            x[part].astype(np.float32),
            atoms,
            prices,
            effort,
            context[part],
            floor[part],
        )
        lists.put(part, block.run())
    used = np.flatnonzero((lists.power > 0).any(axis=0))
    return lists.narrow(int(used.max(initial=-1)) + 1)


def difference(old: Lists, new: Lists, atoms: Atoms) -> np.ndarray:
    """Returns pictures of old paths minus those of new ones, both entries of [n]."""
    re, im, angle, delay = np.stack([old.paths, new.paths], axis=-1)
    return atoms.synthesize((re + 1j * im) * _SIGNS, angle, delay)


class _Found(NamedTuple):
    """What searches found.

    Attributes:
      rows: int64 [n], the matrices.
      slot: int64 [n], the slots of the paths in their lists.
      old: Entries [n], the paths before; without gain if they are new.
      chosen: Entries [n], the paths now; without gain if they earn too little.
      moved: bool [n], whether the two differ.
    """

    rows: np.ndarray
    slot: np.ndarray
    old: Lists
    chosen: Lists
    moved: np.ndarray

    def part(self, which: np.ndarray) -> _Found:
        """Returns some of them."""
        rows, slot, old, chosen, moved = self
        return _Found(rows[which], slot[which], old[which], chosen[which], moved[which])


class _Block:
    """The pursuit of a few matrices.

    Attributes:
      rest: float32 [n, num_tx, 2, num_delay], what the paths leave.
      lists: The paths so far, those of a matrix in any of its slots.
      width: Number of slots that have been used.
      settled: bool [n, MAX_PATHS], whether a search of a path has left it as it is and
        nothing of its matrix has changed since.
    """

    def __init__(
        self,
        x: np.ndarray,
        atoms: Atoms,
        prices: Prices | None,
        effort: Effort,
        context: np.ndarray,
        floor: np.ndarray,
    ):
        self.rest, self.atoms, self.effort = x, atoms, effort
        self.prices, self.context = prices, context
        self.floor = floor
        self.lists, self.width = Lists.empty(len(x), MAX_PATHS), 0
        self.settled = np.zeros((len(x), MAX_PATHS), bool)
        self.priced = effort.priced_growth and prices is not None

    def run(self) -> Lists:
        """Adds and refines paths until no matrix has another one."""
        rows = np.arange(len(self.rest))
        for _ in range(2 * MAX_PATHS):
            power, angle, delay = self._peak(rows)
            free = self.lists.narrow(self.width + 1)[rows].power == 0
            least = np.maximum(self.effort.stop**2, self.floor[rows])
            going = (power > least) & free.any(axis=1)
            rows, angle, delay = rows[going], angle[going], delay[going]
            slot = np.argmax(free[going], axis=1)
            if not rows.size:
                break
            self.width = max(self.width, int(slot.max()) + 1)
            found = self._search(rows, slot, (angle, delay))
            self._put(found)
            rows, slot = rows[found.moved], slot[found.moved]
            if not rows.size:
                break
            if self.effort.near:
                self._refine(rows, slot)
        self.priced = self.prices is not None
        self.settled[:] = False
        rows = np.arange(len(self.rest))
        for _ in range(self.effort.passes):
            self._refine(rows)
        return self.lists

    def _refine(self, rows: np.ndarray, new: np.ndarray | None = None) -> None:
        """Searches paths anew, weakest first: all, or those near slots `new` [n].

        Of few matrices, several paths are searched at once. The first one that changes
        is taken, and those behind it are searched again: so the result is that of one
        search after the other.
        """
        lists = self.lists.narrow(self.width)[rows]
        power = lists.power
        chosen = power > 0
        if new is not None:
            at = np.arange(len(rows))
            chosen[at, new] = False
            if np.isfinite(self.effort.near):
                for name in ("angle", "delay"):
                    place, axis = getattr(lists, name), getattr(self.atoms, name)
                    far = axis.distance(place, place[at, new][:, None])
                    chosen &= np.abs(far) <= self.effort.near * UNIT
        order = np.argsort(np.where(chosen, power, 1 << 40), axis=1, kind="stable")
        num, done = chosen.sum(axis=1), np.zeros(len(rows), np.int64)
        ahead = np.arange(max(1, _AT_ONCE // max(len(rows), 1)))
        while (left := np.flatnonzero(done < num)).size:
            k, matrix = done[left, None] + ahead, rows[left, None]
            slot = order[left[:, None], np.minimum(k, self.width - 1)]
            sought = (k < num[left, None]) & ~self.settled[matrix, slot]
            i, j = np.nonzero(sought)
            if not i.size:
                done[left] += len(ahead)
                continue
            found = self._search(rows[left[i]], slot[i, j])
            moved = np.zeros(slot.shape, bool)
            moved[i, j] = found.moved
            first, still = moved.argmax(axis=1), ~moved.any(axis=1)
            done[left] += np.where(still, len(ahead), first + 1)
            self.settled[found.rows[still[i]], found.slot[still[i]]] = True
            self._put(found.part(found.moved & (j == first[i])))

    def _peak(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The largest |g|^2 on the grid of half bins, and its angle and delay, [n]."""
        rest = self.rest[rows]
        n, num_tx, _, num_delay = rest.shape
        angle, delay = self.atoms.angle, self.atoms.delay
        between = angle.half_rows @ rest.reshape(n, num_tx, -1)
        between = between.reshape(n, -1, 2, num_delay)
        best: tuple[np.ndarray, ...] = ()
        for part, angle_0 in ((rest, 0), (between, HALF)):
            half = part @ delay.half_rows.T
            for g, delay_0 in ((part, 0), (half, HALF if delay.circular else -HALF)):
                power = (g[:, :, 0] ** 2 + g[:, :, 1] ** 2).reshape(n, -1)
                i, width = power.argmax(axis=1), g.shape[-1]
                here = [
                    power[np.arange(n), i],
                    i // width * UNIT + angle_0,
                    i % width * UNIT + delay_0,
                ]
                if best:
                    above = here[0] > best[0]
                    here = [np.where(above, a, b) for a, b in zip(here, best)]
                best = tuple(here)
        return best[0], best[1], best[2]

    def _search(
        self,
        rows: np.ndarray,
        slot: np.ndarray,
        place: tuple[np.ndarray, np.ndarray] | None = None,
    ) -> _Found:
        """Takes a path out of some matrices and finds it anew.

        Args:
          rows: int64 [n], the matrices.
          slot: int64 [n], the slot of the path in each; empty if the path is new.
          place: Angles and delays int [n] of a grid of half bins, where a new path is
            searched; None for the path's own place.
        """
        lists, angles, delays = self.lists, self.atoms.angle, self.atoms.delay
        old = lists.at(rows, slot)
        angle, delay = place or (old.angle, old.delay)
        near = Near(self.atoms, self.rest[rows], old)
        for spacing in (HALF, UNIT // 8) if place else (UNIT // 8,):
            g = near.correlate(angle, delay, np.full(len(rows), spacing))[0]
            power = g[:, :, 0] ** 2 + g[:, :, 1] ** 2
            offset = vertices(power, spacing)
            angle = angles.wrap(angle + offset[:, 0])
            delay = delays.wrap(delay + offset[:, 1])
        digits = digits_of(power)
        candidates = near.candidates(angle, delay, digits)
        # Rounding the place changes the gain a little. If no lattice point about it has
        # the resolution any more, the place gets the resolution of the new gain.
        none = np.flatnonzero(~candidates[-1].reshape(len(rows), -1).any(axis=1))
        if none.size:
            q = candidates[2][none]
            digits[none] = digits_of(q[:, :, 0] ** 2 + q[:, :, 1] ** 2)
            some = Near(self.atoms, near.rest[none], old[none])
            again = some.candidates(angle[none], delay[none], digits[none])
            for all_rows, part in zip(candidates, again):
                all_rows[none] = part
        near_angles, near_delays, q, earned, fits = candidates
        above = earned > self.floor[rows, None, None, None]
        # Without prices a path must earn what one at the stop would, less a margin.
        least = 0.7 * self.effort.stop**2
        if self.priced and self.prices:
            least = 0.0
            others = lists.narrow(self.width)[rows].without(slot)
            places = (near_angles, near_delays, digits)
            price = self.prices.of(q, fits, *places, others, self.context[rows])
            earned = earned - self.effort.lmbda * price
        earned = np.where(fits & above, earned, -1).reshape(len(rows), -1)
        best, at = earned.argmax(axis=1), np.arange(len(rows))
        kept = earned[at, best] > least
        i, j, k = best // 12, best // 4 % 3, best % 4
        paths = np.empty(old.paths.shape, np.int32)
        paths[:2] = q[at, i, :, j, k].T
        paths[2], paths[3] = near_angles[at, i], near_delays[at, j]
        chosen = Lists(paths * kept)
        return _Found(rows, slot, old, chosen, old.unlike(chosen))

    def _put(self, found: _Found) -> None:
        """Writes the paths that searches have changed, one of a matrix at most."""
        if not found.moved.any():
            return
        rows, slot, old, chosen, _ = found.part(found.moved)
        self.settled[rows] = False
        self.rest[rows] += difference(old, chosen, self.atoms)
        self.lists.set(rows, slot, chosen)
