"""Steps of path coding: a grid of them, and the search of the one that is asked for."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from tfcsi.coding.path_lists import Lists

STEPS = 64  # Step i is 2^(-i/8), relative to the norm.


def step_of(number: np.ndarray | int) -> np.ndarray:
    """Returns the steps of numbers, 2^(-i/8), relative to the norm."""
    return 2.0 ** (-np.asarray(number) / 8)


def step_number(step: float) -> int:
    """Returns the number of the step that is nearest to one.

    Raises:
      ValueError: If it is not in the range of the steps.
    """
    coarse, fine = step_of(0), step_of(STEPS - 1)
    if not fine * 0.99 <= step <= coarse * 1.01:
        raise ValueError(f"step must be in {fine:.4f}..{coarse:g}, got {step}")
    return int(np.clip(np.rint(-8 * math.log2(step)), 0, STEPS - 1))


def coarsest(
    num: int,
    find: Callable[[np.ndarray, np.ndarray], Lists],
    reached: Callable[[np.ndarray, np.ndarray, Lists], np.ndarray],
) -> tuple[np.ndarray, Lists, np.ndarray]:
    """Finds the coarsest steps at which something is reached, by halving.

    Args:
      num: Number of matrices.
      find: Function (matrices, numbers of their steps) -> their lists.
      reached: Function (matrices, numbers of their steps, lists) -> bool for each.

    Returns:
      Numbers of steps int64 [num], their lists, and bool [num], whether it is reached
      there. Where it is reached nowhere, the step is the finest.
    """
    low, high = np.full(num, -1), np.full(num, STEPS - 1)
    met = np.zeros(num, bool)
    best = Lists.empty(num, 0)

    def keep(rows: np.ndarray, lists: Lists) -> None:
        nonlocal best
        best = best.wider(lists.re.shape[1])
        best.put(rows, lists)

    while (open_ := np.flatnonzero(high - low > 1)).size:
        steps = (low[open_] + high[open_]) // 2
        lists = find(open_, steps)
        there = reached(open_, steps, lists)
        high[open_[there]] = steps[there]
        low[open_[~there]] = steps[~there]
        keep(open_[there], lists[there])
        met[open_[there]] = True
    rows = np.flatnonzero(~met)  # The finest step itself was not tried.
    if rows.size:
        lists = find(rows, high[rows])
        met[rows] = reached(rows, high[rows], lists)
        keep(rows, lists)
    return high, best, met
