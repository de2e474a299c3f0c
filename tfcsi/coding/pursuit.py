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

import numpy as np

from tfcsi.coding.atoms import HALF, UNIT, Atoms
from tfcsi.coding.contexts import STEPS_A_CONTEXT
from tfcsi.coding.path_lists import FIELDS, Lists
from tfcsi.coding.path_near import Near, digits_of, vertices
from tfcsi.coding.path_prices import Prices

MAX_PATHS = 128  # Most paths of a list.
LAMBDA = 0.15  # step^2 a bit, chosen on validation data; see docs/paths.md.
# Largest of the noise's powers on the grid, in variances: about ln(4 num_tx num_delay).
_PEAKS = 8.0
_BLOCK = 128  # Matrices at a time, so that they stay in the cache.


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
    if effort not in EFFORTS:
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

    Each path is counted as found at once, never dropped, and moved by each search.

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


class _Block:
    """The pursuit of a few matrices.

    Attributes:
      rest: float32 [n, num_tx, 2, num_delay], what the paths leave.
      lists: The paths so far, those of a matrix in any of its slots.
      width: Number of slots that have been used.
      moved: bool [n], whether a search has changed a matrix.
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
        self.moved = np.zeros(len(x), bool)
        self.priced = effort.priced_growth and prices is not None

    def run(self) -> Lists:
        """Adds and refines paths until no matrix has another one."""
        rows = np.arange(len(self.rest))
        for _ in range(2 * MAX_PATHS):
            power, angle, delay = self._peak(rows)
            free = self.lists.power[rows] == 0
            least = np.maximum(self.effort.stop**2, self.floor[rows])
            going = (power > least) & free.any(axis=1)
            rows, angle, delay = rows[going], angle[going], delay[going]
            slot = np.argmax(free[going], axis=1)
            if not rows.size:
                break
            self.width = max(self.width, int(slot.max()) + 1)
            kept = self._search(rows, slot, angle, delay, new=True)
            rows, slot = rows[kept], slot[kept]
            if not rows.size:
                break
            if self.effort.near:
                self._refine(rows, slot)
        self.priced = self.prices is not None
        rows = np.arange(len(self.rest))
        for _ in range(self.effort.passes):
            self.moved[:] = False
            self._refine(rows)
            rows = np.flatnonzero(self.moved)  # Another pass leaves the others alone.
        return self.lists

    def _refine(self, rows: np.ndarray, new: np.ndarray | None = None) -> None:
        """Searches paths anew, weakest first: all, or those near slots `new` [n]."""
        power = self.lists.power[rows]
        chosen = power > 0
        if new is not None:
            at = np.arange(len(rows))
            chosen[at, new] = False
            if np.isfinite(self.effort.near):
                for name in ("angle", "delay"):
                    place, axis = (
                        getattr(self.lists, name)[rows],
                        getattr(self.atoms, name),
                    )
                    far = axis.distance(place, place[at, new][:, None])
                    chosen &= np.abs(far) <= self.effort.near * UNIT
        order = np.argsort(np.where(chosen, power, 1 << 40), axis=1, kind="stable")
        num = chosen.sum(axis=1)
        for k in range(num.max(initial=0)):
            i, j = rows[num > k], order[num > k, k]
            self._search(i, j, self.lists.angle[i, j], self.lists.delay[i, j])

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
        angle: np.ndarray,
        delay: np.ndarray,
        new: bool = False,
    ) -> np.ndarray:
        """Takes a path out of some matrices and finds it anew near a place.

        Args:
          rows: int64 [n], the matrices.
          slot: int64 [n], the slot of the path in each; empty if the path is new.
          angle: int [n], where to search.
          delay: int [n], where to search.
          new: Whether the place is that of a grid of half bins.

        Returns:
          bool [n], whether there is a path now.
        """
        lists, angles, delays = self.lists, self.atoms.angle, self.atoms.delay
        old = lists.at(rows, slot)
        near = Near(self.atoms, self.rest[rows], old)
        for spacing in (HALF, UNIT // 8) if new else (UNIT // 8,):
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
        chosen = Lists(
            np.where(kept, q[at, i, 0, j, k], 0).astype(np.int32),
            np.where(kept, q[at, i, 1, j, k], 0).astype(np.int32),
            np.where(kept, near_angles[at, i], 0).astype(np.int32),
            np.where(kept, near_delays[at, j], 0).astype(np.int32),
        )
        moved = np.flatnonzero(old.unlike(chosen))
        if moved.size:
            i, j = rows[moved], slot[moved]
            self.moved[i] = True
            self.rest[i] = near.rest[moved] + self._difference(
                old[moved], chosen[moved]
            )
            for field in FIELDS:
                getattr(lists, field)[i, j] = getattr(chosen, field)[moved]
        return kept

    def _difference(self, old: Lists, new: Lists) -> np.ndarray:
        """Pictures of old paths [n] minus those of new ones."""
        gain = np.stack([old.re + 1j * old.im, -new.re - 1j * new.im], axis=1)
        angle = np.stack([old.angle, new.angle], axis=1)
        return self.atoms.synthesize(gain, angle, np.stack([old.delay, new.delay], 1))
