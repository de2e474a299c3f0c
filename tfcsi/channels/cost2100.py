"""Channels of the COST 2100 model: matrices and sequences, any array, any band.

Liu et al., "The COST 2100 MIMO channel model", IEEE Wireless Communications 2012. The
presets "indoor" and "outdoor" have the statistics of the data set that CsiNet (Wen et
al. 2018) published; the scenarios of the reference implementation, cost2100/cost2100
v3.1, stand beside them by name. Parameters are in `cost2100_scenarios`, what can be
chosen in `cost2100_setup`, the model in `cost2100_clusters`.

What differs from the reference: the visibility regions that a user never comes near are
counted, not drawn; all antennas are on one height, and arrays see azimuth alone; paths
go straight to the angles and delay taps through the Dirichlet kernel, which is what the
two DFTs would give. NumPy only.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from tqdm import tqdm

from tfcsi.channels.cost2100_clusters import draw, paths
from tfcsi.channels.cost2100_scenarios import SCENARIOS
from tfcsi.channels.cost2100_setup import DOMAINS, PRESETS, Setup, places, setup
from tfcsi.responses import Paths, matrices
from tfcsi.transforms import NUM_SC, PEAK

__all__ = [
    "BLOCK",
    "PRESETS",
    "Setup",
    "setup",
    "simulate",
    "simulate_block",
    "snapshots",
]

BLOCK = 128  # drops simulated at a time, from one seed


def simulate(
    num: int,
    seed: int,
    scenario: str = "indoor",
    progress: bool = False,
    return_frequency: bool = False,
    **changes,
) -> np.ndarray | tuple[np.ndarray, np.ndarray]:
    """Draws independent channels of users at random places.

    Matrix i depends on the seed, the setup and i, not on `num`: it is matrix i % BLOCK
    of `simulate_block(i // BLOCK, seed, ...)`.

    Args:
      num: number of drops.
      seed: not negative.
      scenario: a key of `PRESETS`.
      progress: whether to show a progress bar on standard error.
      return_frequency: whether to return the frequency-domain truth as well.
      **changes: fields of `Setup` other than its scenario, such as `num_rx=2`.

    Returns:
      h: [num, (num_time,) (num_rx,) num_tx, num_delay], complex64, angles by delay
        taps, zero-centred; or, in the domain "space_frequency", [..., num_tx, num_sc],
        antennas by subcarriers. Axes of time and of the antennas of a user are there
        where their number is more than 1. `transforms.to_angular_delay` of the second
        form over sqrt(num_sc) is the first, but for the scale.
      hf: with `return_frequency`, [..., num_tx, 125], complex64, angles by the first
        125 subcarriers, all delays included, in the scale of
        `transforms.to_subcarriers(h)`: the `HF_all` of the published files.

    Raises:
      ValueError: unknown preset or field, or a value that cannot be.
    """
    if num < 0 or seed < 0:
        raise ValueError(f"num and seed must not be negative, got {num} and {seed}")
    shape = setup(scenario, **changes).shape
    h = np.empty((num, *shape), np.complex64)
    hf = np.empty((num if return_frequency else 0, *shape[:-1], NUM_SC), np.complex64)
    for block in tqdm(range(-(-num // BLOCK)), disable=not progress, unit="block"):
        where = slice(block * BLOCK, min((block + 1) * BLOCK, num))
        options = {
            "num": where.stop - where.start,
            "return_frequency": return_frequency,
        }
        found = simulate_block(block, seed, scenario, **options, **changes)
        if return_frequency:
            h[where], hf[where] = found
        else:
            h[where] = found
    return (h, hf) if return_frequency else h


def simulate_block(
    block: int,
    seed: int,
    scenario: str = "indoor",
    num: int = BLOCK,
    return_frequency: bool = False,
    **changes,
) -> np.ndarray | tuple[np.ndarray, np.ndarray]:
    """Draws the drops of a block, which depend on it, the seed and the setup alone.

    Args:
      block: its number, from 0.
      seed: not negative.
      scenario: a key of `PRESETS`.
      num: how many of its drops are wanted, at most `BLOCK`, the first ones.
      return_frequency: whether to return the frequency-domain truth as well.
      **changes: fields of `Setup` other than its scenario.

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
    what = setup(scenario, **changes)
    in_angles = what.domain == DOMAINS[0]
    if return_frequency and not (in_angles and what.num_sc >= NUM_SC):
        raise ValueError(
            f"return_frequency needs domain={DOMAINS[0]!r} and num_sc >= {NUM_SC}, got "
            f"{what.domain!r} and {what.num_sc}"
        )
    h = np.empty((num, what.num_time, what.num_rx, *what.shape[-2:]), np.complex64)
    hf = np.empty((*h.shape[:-1], NUM_SC) if return_frequency else 0, np.complex64)
    form = (what.antennas, what.band(what.shape[-1]), in_angles, in_angles)
    for time, seen in enumerate(snapshots(what, block, seed)):
        h[:, time] = matrices(seen, num, *form)
        if return_frequency:
            band = what.band(NUM_SC)
            hf[:, time] = matrices(seen, num, what.antennas, band, True, False)
    if what.scaled:
        scale = PEAK / np.abs(h).max(axis=(1, 2, 3, 4), keepdims=True)
        h *= scale
        if return_frequency:
            hf *= scale
    h = h.reshape(num, *what.shape)
    return (h, hf.reshape(*h.shape[:-1], NUM_SC)) if return_frequency else h


def snapshots(what: Setup, block: int, seed: int) -> Iterator[Paths]:
    """Yields the paths to the users of a block, `BLOCK` drops, at each moment."""
    rng = np.random.default_rng([seed, block])
    start = places(what.users, BLOCK, rng)
    way = what.way * np.exp(1j * rng.uniform(-np.pi, np.pi, BLOCK))
    drops = draw(SCENARIOS[what.scenario], what.carrier, start, way, rng)
    for time in range(what.num_time):
        yield paths(drops, start + way * (time / max(1, what.num_time - 1)))
