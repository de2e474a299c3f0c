"""Blocks of simulated matrices: the same numbers for any number of processes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from tfcsi import channels, files

MOST = 10**8  # Matrices of a split or an epoch.
BLOCK = 1024  # Matrices that are drawn from one seed.
SPLITS = ("train", "val", "test")  # Their streams are 0, 1, 2; epochs have 3, 4, ...


def parts_of(channel: str) -> tuple[str, str]:
    """Splits a name such as "cost2100_outdoor" into simulator and scenario.

    Args:
      channel: the name.

    Returns:
      Names of the simulator and of the scenario, which is not checked.

    Raises:
      ValueError: there is no such simulator.
    """
    model, _, scenario = channel.partition("_")
    if model not in channels.CHANNELS or not scenario:
        known = ", ".join(f"{name}_SCENARIO" for name in channels.CHANNELS)
        raise ValueError(f"unknown channel {channel!r}; known: {known}")
    return model, scenario


def draw(
    channel: str,
    seed: int,
    stream: int,
    block: int,
    num: int,
    frequency: bool = False,
    setup: Mapping | None = None,
) -> tuple[np.ndarray, np.ndarray | None]:
    """Simulates the first `num` matrices of a block.

    All simulated data sets and trainings draw their matrices here.

    Args:
      channel: name of a simulator and its scenario, such as "cost2100_indoor".
      seed: not negative.
      stream: number of the split, or 3 and more for epochs.
      block: number of the block in the stream.
      num: number of matrices, at most `BLOCK`.
      frequency: whether frequency-domain truth is wanted.
      setup: further arguments of the simulator, such as {"carrier": 3.5e9}.

    Returns:
      h: [num, num_tx, num_delay], complex64, max|h| = 0.5 in each matrix.
      hf: [num, num_tx, num_sc], complex64, or None.

    Raises:
      ValueError: unknown channel, or an argument that the simulator does not take.
    """
    model, scenario = parts_of(channel)
    simulator, setup = channels.get(model), dict(setup or {})
    state = np.random.SeedSequence([seed, stream, block]).generate_state(1, np.uint64)
    arguments = num, int(state[0]), scenario
    try:
        if not frequency:
            return simulator.simulate(*arguments, **setup), None
        if simulator.simulate_with_frequency is None:
            raise ValueError(f"{model} gives no frequency-domain truth")
        return simulator.simulate_with_frequency(*arguments, **setup)
    except TypeError as error:
        raise ValueError(f"setup is {setup}: {error}") from error


def blocks_of(count: int) -> list[tuple[int, int, int]]:
    """Divides matrices into blocks of at most `BLOCK`.

    Args:
      count: number of matrices.

    Returns:
      (number of the block, number of its first matrix, number of its matrices) of each
      block.

    Raises:
      ValueError: there are more than `MOST` matrices.
    """
    if count > MOST:
        raise ValueError(f"{count:,} matrices are asked for; the most are {MOST:,}")
    starts = range(0, count, BLOCK)
    return [(i, start, min(BLOCK, count - start)) for i, start in enumerate(starts)]


def memory_map(folder: Path, name: str, shape: tuple) -> np.ndarray:
    """Opens an array of a folder, or makes it if it is missing or has another shape.

    Making it deletes the marks of finished blocks, `*.done`, of the folder.

    Args:
      folder: folder of the array.
      name: name of its file, without ".npy".
      shape: shape that it must have.

    Returns:
      complex64, a read-only memory map.
    """
    path = folder / f"{name}.npy"
    if not path.exists() or np.load(path, mmap_mode="r").shape != shape:
        for mark in folder.glob("*.done"):
            mark.unlink()
        with files.replacing(path) as temporary:
            files.allocated(temporary, np.complex64, shape).flush()
    return np.load(path, mmap_mode="r")
