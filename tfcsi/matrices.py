"""CSI matrices that are read a block at a time, from files larger than the memory."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator

import numpy as np

from tfcsi import files

# Matrices in memory at a time. The blocks inside the codecs divide it, or compute each
# matrix by itself. So packets of many matrices are those of its blocks, to the bit.
BLOCK = 1000


class Matrices:
    """Matrices of one shape, which are read from their first one as often as wanted.

    Attributes:
      shape: (num_tx, num_delay) of a matrix.
      num: Number of matrices; None where only reading them all tells it.
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        num: int | None,
        parts: Callable[[int], Iterator[np.ndarray]],
    ):
        """Takes what the attributes tell, and a reader.

        Args:
          shape: See the attributes.
          num: See the attributes.
          parts: Function from the number of the first matrix that is wanted to an
            iterator of arrays [b, num_tx, num_delay], complex, of any b.
        """
        num_tx, num_delay = shape
        self.shape, self.num, self._parts = (num_tx, num_delay), num, parts

    @classmethod
    def of(cls, h: np.ndarray) -> Matrices:
        """Returns the matrices of an array [n, num_tx, num_delay]."""
        return cls(h.shape[1:], len(h), lambda first: iter([h[first:]]))

    @classmethod
    def of_npy(cls, path: str | os.PathLike) -> Matrices:
        """Returns those of a `.npy` file; arguments and errors of `files.read_csi`.

        The file is mapped anew for each block, so that none of it stays in memory.
        """
        num, *shape = files.read_csi(path, "r").shape

        def parts(first: int) -> Iterator[np.ndarray]:
            for start in range(first, num, BLOCK):
                yield np.array(files.read_csi(path, "r")[start : start + BLOCK])

        return cls(tuple(shape), num, parts)

    def changed(self, change: Callable[[np.ndarray], np.ndarray]) -> Matrices:
        """Returns matrices that a function of [b, num_tx, num_delay] makes of these."""

        def parts(first: int) -> Iterator[np.ndarray]:
            for part in self._parts(first):
                with numbered(first):
                    yield change(part)
                first += len(part)

        return Matrices(self.shape, self.num, parts)

    def shard(self, number: int, count: int) -> Matrices:
        """Returns one of some parts, which begin at whole blocks.

        The parts in their order are all matrices. Those of an unknown number are read
        once to count them.

        Args:
          number: Number of the part, from 1.
          count: Number of parts.
        """
        num = self.num
        if num is None:
            num = sum(map(len, self.blocks()))
        start, stop = (bound(k, count, num, BLOCK) for k in (number - 1, number))

        def parts(first: int) -> Iterator[np.ndarray]:
            left = stop - start - first
            if not left:
                return
            for part in self._parts(start + first):
                yield part[:left]
                left -= min(len(part), left)
                if not left:
                    return

        return Matrices(self.shape, stop - start, parts)

    def blocks(self, first: int = 0) -> Iterator[np.ndarray]:
        """Yields arrays of `BLOCK` matrices, the last one of those that are left.

        Args:
          first: Number of the first matrix that is wanted.
        """
        kept: list[np.ndarray] = []
        count = 0
        for part in self._parts(first):
            while count + len(part) >= BLOCK:
                cut = BLOCK - count
                yield np.concatenate([*kept, part[:cut]]) if kept else part[:cut]
                kept, count, part = [], 0, part[cut:]
            if len(part):
                kept.append(part)
                count += len(part)
        if kept:
            yield np.concatenate(kept) if len(kept) > 1 else kept[0]

    def whole(self) -> np.ndarray:
        """Returns all matrices, [n, num_tx, num_delay], complex64 if there are none."""
        if self.num is None:
            return np.concatenate([_none(self.shape), *self.blocks()])
        h, start = _none(self.shape), 0
        for block in self.blocks():
            if not start:
                h = np.empty((self.num, *self.shape), block.dtype)
            h[start : start + len(block)] = block
            start += len(block)
        return h


def bound(part: int, count: int, num: int, block: int) -> int:
    """Returns where the part of a number, from 0, begins if blocks are not divided.

    Args:
      part: Number of the part; `count` gives the end of the last one.
      count: Number of parts.
      num: Number of all matrices.
      block: Matrices of a block.
    """
    return min(num, block * (-(-num // block) * part // count))


def product(x: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Returns x @ weights of [n, a] and [a, b], a block of rows at a time.

    The last digits of a product depend on the number of rows that are multiplied
    together. So a row has the same digits in a file that is read by blocks.
    """
    starts = range(0, max(len(x), 1), BLOCK)
    return np.concatenate([x[i : i + BLOCK] @ weights for i in starts])


@contextlib.contextmanager
def numbered(first: int) -> Iterator[None]:
    """Errors of a block, which number its matrices from 0, tell where it begins.

    Args:
      first: Number of the first matrix of the block; the errors of 0 stay as they are.

    Raises:
      ValueError: If the code inside raises one.
    """
    try:
        yield
    except ValueError as error:
        if not first:
            raise
        raise ValueError(f"in the block from matrix {first} on: {error}") from error


def _none(shape: tuple[int, ...]) -> np.ndarray:
    return np.zeros((0, *shape), np.complex64)
