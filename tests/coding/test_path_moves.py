"""Moves of whole lists lower their cost until no single move does."""

from __future__ import annotations

import numpy as np
import pytest

import tfcsi
from tfcsi import metrics
from tfcsi.channels import cost2100
from tfcsi.coding import path_moves, pursuit
from tfcsi.coding.atoms import UNIT
from tfcsi.coding.path_encoder import PathEncoder
from tfcsi.coding.path_lists import MAX_POWER, Lists, fineness
from tfcsi.coding.path_steps import step_of

STEP = 26


@pytest.fixture(scope="module")
def codec():
    return tfcsi.load("paths_cost2100_indoor")


@pytest.fixture(scope="module")
def matrices():
    return cost2100.simulate(24, 5, "indoor")


@pytest.fixture(scope="module")
def found(codec, matrices):
    """Encoder, pictures in steps, code lengths, and lists of the default effort."""
    encoder = PathEncoder(matrices, codec.atoms, codec.coder, "default", 0.0)
    rows, steps = np.arange(len(matrices)), np.full(len(matrices), STEP)
    x = encoder.picture / np.float32(step_of(STEP))
    code = path_moves.Code(codec.coder, steps, encoder.norm)
    return x, code, encoder.find(rows, steps).sorted()


def cost(rows, error, bits):
    return error + pursuit.LAMBDA * bits


def costs(x, code, lists, atoms):
    rest = x - atoms.synthesize(*lists.gains_and_places())
    rows = np.arange(len(x))
    bits = code.packets(rows, lists.sorted())
    return cost(rows, (rest.astype(np.float64) ** 2).sum(axis=(1, 2, 3)), bits)


def moves_by_hand(lists, atoms):
    """All lists that differ from one list by a move, in plain loops."""
    for slot in range(int(lists.count[0])):
        old = lists.paths[:, 0, slot].tolist()
        cell = UNIT >> int(fineness(np.array(old[0] ** 2 + old[1] ** 2)))
        becomes = [[0, 0, 0, 0]]
        for k, size in enumerate((1, 1, cell, cell)):
            for sign in (-1, 1):
                new = list(old)
                new[k] += sign * size
                power = new[0] ** 2 + new[1] ** 2
                if not 0 < power <= MAX_POWER:
                    continue
                grid = UNIT >> int(fineness(np.array(power)))
                for i, axis in ((2, atoms.angle), (3, atoms.delay)):
                    new[i] = int(axis.wrap((new[i] + grid // 2) // grid * grid))
                becomes.append(new)
        for new in becomes:
            other = Lists(lists.paths.copy())
            other.paths[:, 0, slot] = new
            yield other.sorted()


def test_no_list_costs_more_and_many_cost_less(codec, found):
    x, code, lists = found
    better = path_moves.improved(x, lists, codec.atoms, code, cost)
    before, after = (costs(x, code, some, codec.atoms) for some in (lists, better))
    assert (after <= before + 1e-3).all()
    assert (after < before - 1e-3).mean() > 0.3


def test_no_single_move_is_left_that_lowers_the_cost(codec, found):
    x, code, lists = found
    better = path_moves.improved(x, lists, codec.atoms, code, cost)
    least = costs(x, code, better, codec.atoms)
    left = []
    for row in range(6):
        own = path_moves.Code(codec.coder, code.steps[[row]], code.norm[[row]])
        for other in moves_by_hand(better[[row]], codec.atoms):
            value = costs(x[[row]], own, other, codec.atoms)[0]
            left.append(value < least[row] - 2e-3)
    # An estimate chooses which moves are written, and it is a bit off now and then.
    assert len(left) > 100 and np.mean(left) < 0.01


def test_lists_without_paths_stay_as_they_are(codec, found):
    x, code, _ = found
    none = Lists.empty(len(x), 0)
    better = path_moves.improved(x, none, codec.atoms, code, cost)
    assert not better.count.any()


def test_the_effort_high_spends_less_on_the_same_targets(codec, matrices):
    matrices = matrices[:6]
    usual, high = (
        codec.compress(matrices, nmse_db=-15, effort=effort)
        for effort in ("default", "high")
    )
    assert sum(map(len, high)) < sum(map(len, usual))
    nmse = metrics.nmse(matrices, codec.decompress(high))
    assert (10 * np.log10(nmse) <= -15 + 1e-6).all()


@pytest.mark.slow
def test_the_effort_high_errs_less_within_the_same_budget(codec, matrices):
    matrices = matrices[:6]
    usual, high = (
        codec.compress(matrices, max_bits=104, effort=effort)
        for effort in ("default", "high")
    )
    assert max(map(len, high)) <= 13
    nmse = [
        metrics.nmse(matrices, codec.decompress(packets)) for packets in (usual, high)
    ]
    assert nmse[1].mean() < nmse[0].mean()
