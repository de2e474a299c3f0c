"""Splits of files that hold all matrices, and users without a channel.

A user who is blocked has a matrix of zeros or of NaN, or an empty one. Such matrices
are left out, and a warning of the logger `tfcsi.datasets` counts them. The split of a
matrix depends on its number in the file alone.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable

import numpy as np

from tfcsi import transforms
from tfcsi.datasets._files import Array, DataError

NUM_VAL, NUM_TEST = 200, 400  # Matrices of a file that holds all splits.
ALL = "all"  # In place of a split: all matrices of a file.
_log = logging.getLogger("tfcsi.datasets")


def split_users(
    num: int,
    split: str,
    label: str | os.PathLike,
    num_val: int = NUM_VAL,
    num_test: int = NUM_TEST,
) -> np.ndarray:
    """Returns the numbers of the matrices of a split.

    The last `num_test` are "test", the `num_val` before them "val", the others "train".
    `ALL` are all of them.

    Args:
      num: number of matrices of all splits.
      split: "train", "val" or "test".
      label: where they come from and how many they are, for messages.
      num_val: number of matrices for validation.
      num_test: number of matrices for test.

    Returns:
      [n], int64, ascending.

    Raises:
      ValueError: unknown split, or nothing for validation or test.
      DataError: too few matrices.
    """
    if split == ALL and num:
        return np.arange(num)
    if min(num_val, num_test) < 1:
        raise ValueError(
            f"num_val is {num_val} and num_test {num_test}; both are 1 or more"
        )
    ends = (0, num - num_test - num_val, num - num_test, num)
    spans = dict(zip(("train", "val", "test"), zip(ends, ends[1:])))
    if split not in spans:
        raise ValueError(f"unknown split {split!r}; known: {', '.join(spans)}")
    if ends[1] < 1:
        raise DataError(
            f"{label}, expected at least {num_val + num_test + 1}: the last "
            f"{num_test} are for test, the {num_val} before them for validation"
        )
    return np.arange(*spans[split])


def read_split(
    array: Array,
    split: str,
    convert: Callable,
    num_val: int = NUM_VAL,
    num_test: int = NUM_TEST,
    order: np.ndarray | None = None,
    keep_empty: bool = False,
) -> np.ndarray:
    """Reads the matrices of a split of a file that holds all of them.

    Args:
      array: [n, num_tx, num_sc], complex, of any scale.
      split: "train", "val" or "test", as in `split_users`.
      convert: function from a block [b, num_tx, num_sc] to matrices [b, num_tx,
        num_delay], complex. It is called with max|h| of each matrix in [1, 2).
      num_val: number of matrices for validation.
      num_test: number of matrices for test.
      order: [n], order of the matrices from which the splits are taken; that of the
        file if None. The matrices of a split always come in the order of the file.
      keep_empty: whether matrices of zeros or NaN are kept, as zeros.

    Returns:
      [n, num_tx, num_delay], complex64, each matrix scaled to max|h| = 0.5.

    Raises:
      ValueError: unknown split.
      DataError: too few matrices, a matrix with some NaN or infinite values, or none
        of the split has a channel.
    """
    num = array.shape[0]
    label = f"{array.path}: {num} matrices in {array.key!r}"
    chosen = split_users(num, split, label, num_val, num_test)
    if order is not None:
        chosen = np.sort(order[chosen])
    parts, masks, first = [], [], int(chosen[0])
    for place, block in array.blocks(0, (first, int(chosen[-1]) + 1), empty=True):
        inside = chosen[(chosen >= first) & (chosen < first + len(block))] - first
        first, block = first + len(block), block[inside]
        masks.append(empty_to_zeros(block))
        block = block[masks[-1]]
        if len(block):
            try:
                parts.append(transforms.to_peak(convert(near_one(block)))[0])
            except ValueError as error:
                raise DataError(f"{place}: {error}") from None
    there, label = np.concatenate(masks), f"{array.path}: {split!r} of {array.key!r}"
    if not parts:
        raise DataError(f"{label}: all {len(there)} matrices are zero, NaN or empty")
    matrices = np.concatenate(parts)
    if there.all():
        return matrices
    h = np.zeros((len(there), *matrices.shape[1:]), np.complex64)
    h[there] = matrices
    return without_empty(h, label, keep_empty)[0]


def near_one(block: np.ndarray) -> np.ndarray:
    """Scales matrices to max|h| in [1, 2) by powers of two, which change no digit."""
    octave = np.frexp(np.abs(block).max((1, 2)).astype(float))[1] - 1
    return block / np.ldexp(1.0, octave).astype(block.real.dtype)[:, None, None]


def empty_to_zeros(block: np.ndarray) -> np.ndarray:
    """Replaces matrices of NaN by zeros, in place; returns which are not all zero."""
    rest = tuple(range(1, block.ndim))
    block[np.isnan(block).all(axis=rest)] = 0
    return block.any(axis=rest)


def scaled(
    h: np.ndarray, lost: np.ndarray, label: str, keep_empty: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Scales matrices that were made of paths, without those of no path.

    Args:
      h: [n, num_tx, num_delay], complex64.
      lost: [n], shares of energy of the same matrices.
      label: where the matrices come from, for messages.
      keep_empty: whether matrices of zeros are kept.

    Returns:
      `h` with max|h| = 0.5 a matrix, and `lost` of the same matrices.

    Raises:
      DataError: all matrices are zero, or one is not finite.
    """
    h, lost = without_empty(h, label, keep_empty, lost)
    there = h.any(axis=(1, 2))
    try:
        h[there] = transforms.to_peak(h[there])[0] if there.any() else h[there]
    except ValueError as error:
        raise DataError(f"{label}: {error}") from None
    return h, lost


def without_empty(
    h: np.ndarray, label: str, keep_empty: bool, *others: np.ndarray
) -> tuple[np.ndarray, ...]:
    """Leaves out matrices of zeros, and says how many they are.

    Args:
      h: [n, num_tx, num_delay], complex.
      label: where the matrices come from, for messages.
      keep_empty: whether they are kept.
      *others: [n, ...], entries of the same matrices.

    Returns:
      `h` and the others without those matrices.

    Raises:
      DataError: all matrices are zero, and they are not kept.
    """
    there = h.any(axis=(1, 2))
    if keep_empty or there.all():
        return h, *others
    tell_empty(label, len(h) - int(there.sum()), len(h))
    return tuple(values[there] for values in (h, *others))


def tell_empty(label: str, num_empty: int, num: int) -> None:
    """Says how many matrices are left out because they are zero.

    Args:
      label: where the matrices come from.
      num_empty: number of those that are left out.
      num: number of all matrices.

    Raises:
      DataError: all are left out.
    """
    if num_empty == num:
        raise DataError(f"{label}: all {num} matrices are zero, NaN or empty")
    _log.warning(
        "%s: %d of %d matrices are zero, NaN or empty and are left out; "
        "keep_empty=True keeps them",
        label,
        num_empty,
        num,
    )
