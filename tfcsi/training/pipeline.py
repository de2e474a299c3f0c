"""Batches of a training: which matrices a step takes, read during the step before."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from tfcsi import transforms

_AHEAD = 2  # Batches that are read before they are asked for.


def shuffled(
    count: int, batch_size: int, seed: Sequence[int], whole: bool = True
) -> list[np.ndarray]:
    """Returns the indices of each batch of an epoch, in an order that the seed sets.

    Args:
      count: Number of matrices.
      batch_size: Matrices a batch.
      seed: Integers, such as (seed, epoch).
      whole: Whether matrices that do not fill a batch are left out.

    Returns:
      Arrays of indices. They rise within a batch, so that files are read forwards.
    """
    order = np.random.default_rng(seed).permutation(count)
    stop = count - count % batch_size if whole else count
    return [np.sort(order[i : i + batch_size]) for i in range(0, stop, batch_size)]


def in_order(count: int, batch_size: int) -> list[slice]:
    """Returns the slices of the batches of matrices in their order.

    Args:
      count: Number of matrices.
      batch_size: Matrices a batch; the last batch may have fewer.

    Returns:
      One slice for each batch.
    """
    starts = range(0, count, batch_size)
    return [slice(start, min(start + batch_size, count)) for start in starts]


def csi_batches(
    h: np.ndarray, chosen: Sequence[np.ndarray | slice], batch_size: int | None = None
) -> Iterator[tuple[tf.Tensor]]:
    """Reads batches of CSI from an array or a memory map without copying it as a whole.

    Args:
      h: complex64 [n, num_tx, num_delay].
      chosen: Indices or slice of each batch, as `shuffled` or `in_order` returns them.
      batch_size: Matrices of every batch; None if batches differ in size.

    Yields:
      (x,), float32 [batch_size, num_tx, num_delay, 2].
    """
    shape = (batch_size, *h.shape[1:], 2)
    return _batches(lambda rows: (transforms.to_real(h[rows]),), chosen, [shape])


def array_batches(
    arrays: Sequence[np.ndarray], chosen: Sequence[np.ndarray | slice]
) -> Iterator[tuple[tf.Tensor, ...]]:
    """Reads batches of several float32 arrays [n, ...] that belong together.

    Args:
      arrays: The arrays.
      chosen: As for `csi_batches`.

    Yields:
      The rows of each array.
    """
    shapes = [(None, *array.shape[1:]) for array in arrays]
    return _batches(lambda rows: tuple(a[rows] for a in arrays), chosen, shapes)


def _batches(
    read: Callable[..., tuple[np.ndarray, ...]],
    chosen: Sequence[np.ndarray | slice],
    shapes: Sequence[tuple[int | None, ...]],
) -> Iterator[tuple[tf.Tensor, ...]]:
    """Reads batches, each while the step before it runs.

    Args:
      read: Function of the indices of a batch that returns its float32 arrays.
      chosen: Indices or slice of each batch.
      shapes: Shape of each array; None for a size that may differ.

    Yields:
      The arrays of each batch as tensors.

    Raises:
      Exception: What `read` raises, when that batch is due.
    """
    errors: list[BaseException] = []

    def produce() -> Iterator[Any]:
        try:
            for rows in chosen:
                yield read(rows)
        except (
            BaseException
        ) as error:  # TensorFlow would raise another error in its place.
            errors.append(error)

    signature = tuple(tf.TensorSpec(shape, tf.float32) for shape in shapes)
    dataset = tf.data.Dataset.from_generator(produce, output_signature=signature)
    yield from dataset.prefetch(_AHEAD)
    if errors:
        raise errors[0]
