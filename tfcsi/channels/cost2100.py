"""Simulates channels of the COST 2100 model, for any array, band and movement.

Liu et al., "The COST 2100 MIMO channel model", IEEE Wireless Communications 2012. The
presets "indoor" and "outdoor" have the statistics of the data set that CsiNet (Wen et
al. 2018) published. The scenarios of the reference implementation, cost2100/cost2100
v3.1, have presets of their own names. `cost2100_scenarios` holds the parameters,
`cost2100_setup` the options and `cost2100_clusters` the model.

Three things differ from the reference. Visibility regions that a user never comes near
are counted, not drawn. All antennas are at the same height, and arrays see the azimuth
alone. Paths become angles and delay taps by the Dirichlet kernel, which gives what the
two DFTs would give. NumPy only.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from tqdm import tqdm

from tfcsi.channels.contract import Simulator, check_request
from tfcsi.channels.cost2100_clusters import draw, paths
from tfcsi.channels.cost2100_scenarios import SCENARIOS
from tfcsi.channels.cost2100_setup import (
    DOMAINS,
    OPTIONS,
    PRESETS,
    Setup,
    places,
    setup,
)
from tfcsi.responses import Paths, matrices
from tfcsi.transforms import NUM_SC, PEAK

__all__ = [
    "BLOCK",
    "PRESETS",
    "SIMULATOR",
    "Setup",
    "setup",
    "simulate",
    "simulate_block",
    "simulate_with_frequency",
    "snapshots",
]

BLOCK = 128  # Drops that are simulated together, from one seed.


def simulate(
    num: int,
    seed: int,
    scenario: str = "indoor",
    progress: bool = False,
    **options: Any,
) -> np.ndarray:
    """Draws independent channels of users at random places.

    Matrix i depends on the seed, the setup and i, not on `num`: it is matrix i % BLOCK
    of `simulate_block(i // BLOCK, seed, ...)`.

    Args:
      num: number of drops, which are users at random places.
      seed: not negative.
      scenario: a key of `PRESETS`.
      progress: whether to show a progress bar on standard error.
      **options: fields of `Setup` other than its scenario, such as `num_rx=2`.

    Returns:
      [num, (num_time,) (num_rx,) num_tx, num_delay], complex64, angles by delay taps,
      zero-centred; or, in the domain "space_frequency", [..., num_tx, num_sc], antennas
      by subcarriers. Axes of time and of the antennas of a user are there if their
      length is more than 1. `transforms.to_angular_delay` of the second form over
      sqrt(num_sc) is the first, but for the scale.

    Raises:
      ValueError: unknown preset or option, or a value out of range.

    Examples:
      >>> simulate(2, seed=1, scenario="indoor").shape
      (2, 32, 32)
      >>> simulate(2, seed=1, domain="space_frequency", num_tx=8, num_sc=52).shape
      (2, 8, 52)
    """
    return _simulate(num, seed, scenario, progress, options, frequency=False)[0]


def simulate_with_frequency(
    num: int,
    seed: int,
    scenario: str = "indoor",
    progress: bool = False,
    **options: Any,
) -> tuple[np.ndarray, np.ndarray]:
    """Simulates as `simulate`; also returns the frequency-domain truth.

    Args:
      num: number of drops, which are users at random places.
      seed: not negative.
      scenario: a key of `PRESETS`.
      progress: whether to show a progress bar on standard error.
      **options: as `simulate`.

    Returns:
      h: as `simulate`.
      hf: [..., num_tx, 125], complex64, angles by the first 125 subcarriers, all delays
        included, in the scale of `transforms.to_subcarriers(h)`: the `HF_all` of the
        published files.

    Raises:
      ValueError: as `simulate`, or the options have another domain than
        "angular_delay" or fewer than 125 subcarriers.
    """
    h, hf = _simulate(num, seed, scenario, progress, options, frequency=True)
    assert hf is not None
    return h, hf


def simulate_block(
    block: int, seed: int, scenario: str = "indoor", num: int = BLOCK, **options: Any
) -> np.ndarray:
    """Draws the drops of a block, which depend on it, the seed and the setup alone.

    Args:
      block: number of the block, from 0.
      seed: not negative.
      scenario: a key of `PRESETS`.
      num: number of drops, the first ones of the block; at most `BLOCK`.
      **options: fields of `Setup` other than its scenario.

    Returns:
      As `simulate(num, ...)`.

    Raises:
      ValueError: as `simulate` does, or `num` is more than `BLOCK`.
    """
    if block < 0 or seed < 0 or not 0 <= num <= BLOCK:
        raise ValueError(
            f"block and seed must not be negative and num at most {BLOCK}, got "
            f"{block}, {seed} and {num}"
        )
    return _draw_block(setup(scenario, **options), block, seed, num, False)[0]


SIMULATOR = Simulator(
    "cost2100", simulate, tuple(PRESETS), OPTIONS, simulate_with_frequency
)


def _simulate(
    num: int,
    seed: int,
    scenario: str,
    progress: bool,
    options: Mapping[str, Any],
    frequency: bool,
) -> tuple[np.ndarray, np.ndarray | None]:
    """Returns what `simulate` does, and with `frequency` the truth as well."""
    check_request("cost2100", num, seed, scenario, PRESETS, options, OPTIONS)
    chosen = setup(scenario, **options)
    in_angles = chosen.domain == DOMAINS[0]
    if frequency and not (in_angles and chosen.num_sc >= NUM_SC):
        raise ValueError(
            f"frequency-domain truth needs domain={DOMAINS[0]!r} and num_sc >= "
            f"{NUM_SC}, got {chosen.domain!r} and {chosen.num_sc}"
        )
    h = np.empty((num, *chosen.shape), np.complex64)
    hf = np.empty((*h.shape[:-1], NUM_SC), np.complex64) if frequency else None
    for block in tqdm(range(-(-num // BLOCK)), disable=not progress, unit="block"):
        rows = slice(block * BLOCK, min((block + 1) * BLOCK, num))
        size = rows.stop - rows.start
        h[rows], truth = _draw_block(chosen, block, seed, size, frequency)
        if hf is not None:
            hf[rows] = truth
    return h, hf


def _draw_block(
    chosen: Setup, block: int, seed: int, num: int, frequency: bool
) -> tuple[np.ndarray, np.ndarray | None]:
    """Returns the first matrices of a block, and with `frequency` their truth."""
    in_angles = chosen.domain == DOMAINS[0]
    axes = (num, chosen.num_time, chosen.num_rx, *chosen.shape[-2:])
    h = np.empty(axes, np.complex64)
    hf = np.empty((*axes[:-1], NUM_SC), np.complex64) if frequency else None
    band = chosen.band(chosen.shape[-1])
    for time, seen in enumerate(snapshots(chosen, block, seed)):
        h[:, time] = matrices(seen, num, chosen.antennas, band, in_angles, in_angles)
        if hf is not None:
            form = (chosen.antennas, chosen.band(NUM_SC), True, False)
            hf[:, time] = matrices(seen, num, *form)
    if chosen.scaled:
        scale = PEAK / np.abs(h).max(axis=(1, 2, 3, 4), keepdims=True)
        h *= scale
        if hf is not None:
            hf *= scale
    h = h.reshape(num, *chosen.shape)
    return h, None if hf is None else hf.reshape(*h.shape[:-1], NUM_SC)


def snapshots(chosen: Setup, block: int, seed: int) -> Iterator[Paths]:
    """Yields the paths to all users of a block, once for each snapshot.

    Args:
      chosen: setup of the simulation.
      block: number of the block, which has `BLOCK` users.
      seed: not negative.

    Yields:
      The paths at one time. Their gains include the free-space loss.
    """
    rng = np.random.default_rng([seed, block])
    start = places(chosen.users, BLOCK, rng)
    way = chosen.way * np.exp(1j * rng.uniform(-np.pi, np.pi, BLOCK))
    drops = draw(SCENARIOS[chosen.scenario], chosen.carrier, start, way, rng)
    for time in range(chosen.num_time):
        yield paths(drops, start + way * (time / max(1, chosen.num_time - 1)))
