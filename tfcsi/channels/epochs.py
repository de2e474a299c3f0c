"""Fresh simulated matrices for each epoch of a training."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Mapping
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import numpy as np

from tfcsi.channels.blocks import SPLITS, blocks_of, draw, memory_map
from tfcsi.channels.workers import workers


class Epochs:
    """Fresh training matrices for each epoch, simulated while the one before trains.

    The matrices of an epoch depend on (channel, seed, epoch) alone. Call the object
    with the number of an epoch, from 0, to get complex64 [num, num_tx, num_delay]. Used
    as a context, it ends its process and deletes its files at the end.

    Args:
      channel: name of a simulator and its scenario, such as "cost2100_indoor".
      num: number of matrices of an epoch.
      seed: not negative.
      epochs: number of epochs of the training; no more are simulated ahead.
      setup: further arguments of the simulator, such as {"carrier": 3.5e9}.
    """

    def __init__(
        self,
        channel: str,
        num: int,
        seed: int,
        epochs: int,
        setup: Mapping | None = None,
    ):
        if num < 1:
            raise ValueError(f"num_train is {num}; it must be positive")
        head, _ = draw(channel, seed, 0, 0, 1, setup=setup)
        self.channel, self.seed, self.epochs = channel, seed, epochs
        self.setup = dict(setup or {})
        self.shape = (num, *head.shape[1:])
        blocks_of(num)  # Refuses too many.
        self._exit = contextlib.ExitStack()
        temporary = tempfile.TemporaryDirectory(prefix="tfcsi_epochs_")
        self._folder = Path(self._exit.enter_context(temporary))
        self._submit = self._exit.enter_context(workers(1))
        self._running: dict[int, list[Future]] = {}
        self._last: tuple[int, np.ndarray] | None = None

    def __call__(self, epoch: int) -> np.ndarray:
        """Waits for the matrices of an epoch and starts those of the next."""
        if self._last is None or self._last[0] != epoch:
            self._last = None
            for future in self._running.pop(epoch, None) or self._start(epoch):
                future.result()
            path = self._folder / str(epoch) / "h.npy"
            self._last = epoch, np.load(path)
            shutil.rmtree(path.parent)
        if epoch + 1 < self.epochs and epoch + 1 not in self._running:
            self._running[epoch + 1] = self._start(epoch + 1)
        return self._last[1]

    def _start(self, epoch: int) -> list[Future]:
        folder = self._folder / str(epoch)
        folder.mkdir()
        memory_map(folder, "h", self.shape)
        job = {"channel": self.channel, "seed": self.seed, "folder": str(folder)}
        job.update(stream=len(SPLITS) + epoch, frequency=False, setup=self.setup)
        return [
            self._submit({**job, "block": block, "start": start, "num": size})
            for block, start, size in blocks_of(self.shape[0])
        ]

    def __enter__(self) -> Epochs:
        return self

    def __exit__(self, *error: Any) -> None:
        self._exit.__exit__(*error)


def validation(
    channel: str, num: int, seed: int, setup: Mapping | None = None
) -> np.ndarray:
    """Simulates validation matrices, the same as `generate` makes.

    Args:
      channel: name of a simulator and its scenario, such as "cost2100_indoor".
      num: number of matrices, at least 1.
      seed: not negative.
      setup: further arguments of the simulator, such as {"carrier": 3.5e9}.

    Returns:
      [num, num_tx, num_delay], complex64, max|h| = 0.5 a matrix.

    Raises:
      ValueError: as `blocks.draw`.
    """
    stream = channel, seed, SPLITS.index("val")
    blocks = [draw(*stream, b, size, setup=setup)[0] for b, _, size in blocks_of(num)]
    return np.concatenate(blocks)
