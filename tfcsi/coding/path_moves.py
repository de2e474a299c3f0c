"""Small moves of whole lists, judged by the bytes of their packets.

The pursuit looks at one path at a time and sees prices. A packet is whole bytes, so a
list whose packet has one bit too many pays for eight, and the bits that fill the last
byte are free. Here each path of a list may go, its gain may move to a lattice point
beside it, and its place to a cell beside it. Such moves are tried alone and in pairs
until none of them helps.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np

from tfcsi.coding.atoms import UNIT, Atoms
from tfcsi.coding.packets import CRC_BITS, size_of
from tfcsi.coding.path_lists import FIELDS, MAX_POWER, Lists, fineness
from tfcsi.coding.path_sets import AnyCoder
from tfcsi.coding.pursuit import LAMBDA, difference

ROUNDS = 8  # Most moves or pairs that a list makes; few lists make more than three.
_PAIRED = 40  # Moves of a list of which all pairs are looked at.
_WRITTEN = 3  # Moves and pairs of a list whose packets are written.
_MOVE, _LOSS = 0.8, 2.5  # Errors from which no move or loss of a path pays [step^2].
_END = 0.6  # Mean bits of a payload beyond its ideal code length.
_BLOCK = 256  # Lists at a time.
_LEAST = 1e-3  # Gain of a move that is made, in units of the cost.

# (matrices [n], errors [n, ...] in step^2, bits of packets [n, ...]) -> what is least.
Cost = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]


@dataclasses.dataclass(frozen=True)
class Code:
    """Code lengths of lists of some matrices.

    Attributes:
      coder: The coder of the lists.
      steps, norm: Numbers of the steps and of the norms, int64 [n].
    """

    coder: AnyCoder
    steps: np.ndarray
    norm: np.ndarray

    def ideal(self, rows: np.ndarray, lists: Lists) -> np.ndarray:
        """Returns ideal code lengths, float64 [rows], of sorted lists of some rows."""
        parts = self.coder.parts(self.steps[rows], self.norm[rows], lists)
        return parts.bits().sum(axis=1)

    def packets(self, rows: np.ndarray, lists: Lists) -> np.ndarray:
        """Returns bits of whole packets, int64 [rows], of sorted lists of some rows."""
        parts = self.coder.parts(self.steps[rows], self.norm[rows], lists)
        return np.array([8 * size_of(num_bits) for _, num_bits in parts.payloads()])


def improved(
    x: np.ndarray, lists: Lists, atoms: Atoms, code: Code, cost: Cost
) -> Lists:
    """Makes the moves that lower a cost.

    Args:
      x: Pictures float32 [n, num_tx, 2, num_delay] in units of the step.
      lists: Lists of n matrices.
      atoms: The atoms of the pictures.
      code: Code lengths of lists of these matrices.
      cost: What is made smaller, of each matrix by itself.

    Returns:
      Sorted lists of n matrices, none of which costs more than before.
    """
    lists = lists.sorted()
    for start in range(0, len(x), _BLOCK):
        rows = np.arange(start, min(start + _BLOCK, len(x)))
        for _ in range(ROUNDS):
            rows = _move(rows, x, lists, atoms, code, cost)
            if not rows.size:
                break
    return lists.sorted()


def _move(
    rows: np.ndarray, x: np.ndarray, lists: Lists, atoms: Atoms, code: Code, cost: Cost
) -> np.ndarray:
    """Makes the best move or pair of each of some lists; returns those that moved."""
    now, everyone = lists[rows], np.arange(len(rows))
    owner, slot, new = _single_moves(now, atoms)
    if not owner.size:
        return owner
    rest = (x[rows] - atoms.synthesize(*now.gains_and_places())).reshape(len(rows), -1)
    error, ideal = (rest**2).sum(axis=1), code.ideal(rows, now)
    change = difference(now.at(owner, slot), new, atoms).reshape(len(owner), -1)
    more_error = (change * (2 * rest[owner] + change)).sum(axis=1)
    able = more_error < np.where(new.power > 0, _MOVE, _LOSS)
    owner, slot, new, more_error = owner[able], slot[able], new[able], more_error[able]
    if not owner.size:
        return owner
    more_bits = code.ideal(rows[owner], _with(now[owner], slot, new).sorted())
    more_bits -= ideal[owner]

    # Moves and pairs by their estimated costs. A pair of one move is that move.
    moves = _least(owner, more_error + LAMBDA * more_bits, len(rows))
    one, other = moves[:, :, None], moves[:, None, :]
    alone = one == other
    length = more_bits[one] + np.where(alone, 0, more_bits[other])
    length += ideal[:, None, None] + _END
    estimate = more_error[one] + np.where(alone, 0, more_error[other])
    estimate += error[:, None, None]
    estimate = cost(rows, estimate, _packet_bits(length))
    there = (one >= 0) & (other >= 0) & (alone | (slot[one] < slot[other]))
    estimate = np.where(there, estimate, np.inf).reshape(len(rows), -1)
    order = estimate.argpartition(_WRITTEN - 1, axis=1)[:, :_WRITTEN]

    # The best ones are written.
    owner = np.repeat(everyone, _WRITTEN)
    tried = now[owner]
    for move in np.divmod(order.ravel(), moves.shape[1]):
        move = moves[owner, move]
        tried = _with(tried, slot[move], new[move])
    tried = tried.sorted()
    rest = x[rows[owner]] - atoms.synthesize(*tried.gains_and_places())
    length = code.packets(rows[owner], tried).reshape(-1, _WRITTEN)
    tried_cost = cost(rows, (rest**2).sum(axis=(1, 2, 3)).reshape(-1, _WRITTEN), length)
    tried_cost[~np.isfinite(np.take_along_axis(estimate, order, axis=1))] = np.inf
    best = tried_cost.argmin(axis=1)
    before = cost(rows, error[:, None], code.packets(rows, now)[:, None])[:, 0]
    moved = np.flatnonzero(tried_cost[everyone, best] < before - _LEAST)
    lists.put(rows[moved], tried[moved * _WRITTEN + best[moved]])
    return rows[moved]


def _packet_bits(length: np.ndarray) -> np.ndarray:
    """Bits of packets with payloads of some lengths, as `size_of`."""
    return 8 * np.ceil((CRC_BITS + length) / 8)


def _single_moves(lists: Lists, atoms: Atoms) -> tuple[np.ndarray, np.ndarray, Lists]:
    """Lists all moves of single paths.

    Returns:
      The row and the column of the path that moves, int64 [moves], and what it becomes,
      entries of [moves]; zero if it goes.
    """
    row, slot = np.nonzero(lists.power)
    old = lists.at(row, slot)
    cell = UNIT >> fineness(old.power)
    rows, slots, becomes = [row], [slot], [np.zeros_like(old.paths)]
    for i, field in enumerate(FIELDS):
        for sign in (-1, 1):
            new = Lists(old.paths.copy())
            new.paths[i] += sign * (cell if field in ("angle", "delay") else 1)
            power = new.power
            spacing = UNIT >> fineness(np.maximum(power, 1))
            for axis, place in ((atoms.angle, new.angle), (atoms.delay, new.delay)):
                place[:] = axis.wrap((place + spacing // 2) // spacing * spacing)
            allowed = np.flatnonzero((power > 0) & (power <= MAX_POWER))
            rows.append(row[allowed])
            slots.append(slot[allowed])
            becomes.append(new.paths[:, allowed])
    new = Lists(np.concatenate(becomes, axis=1))
    return np.concatenate(rows), np.concatenate(slots), new


def _with(lists: Lists, slot: np.ndarray, new: Lists) -> Lists:
    """Lists with another path in a column of each, all [n]."""
    lists = lists.without(slot)
    lists.set(np.arange(len(slot)), slot, new)
    return lists


def _least(owner: np.ndarray, value: np.ndarray, num: int) -> np.ndarray:
    """Numbers of the entries with the least values of each of `num` owners.

    Returns:
      int64 [num, at most _PAIRED], rising by value; -1 where an owner has fewer.
    """
    order = np.lexsort((value, owner))
    first = np.searchsorted(owner[order], np.arange(num))
    rank = np.arange(len(order)) - first[owner[order]]
    kept = rank < _PAIRED
    least = np.full((num, max(2, int(rank[kept].max()) + 1)), -1)
    least[owner[order][kept], rank[kept]] = order[kept]
    return least
