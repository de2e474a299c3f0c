"""Which subcarriers or delay taps of stored matrices are kept."""

from __future__ import annotations

import numpy as np

from tfcsi.datasets._files import Array
from tfcsi.responses import SELECTIONS, Band


def kept(matrices: Array, num_sc: int, select: str, domain: str) -> np.ndarray:
    """Returns the numbers of the subcarriers or delay taps that are kept.

    Args:
      matrices: [n, num_tx, all], all subcarriers or delay taps of a file.
      num_sc: how many are kept.
      select: which subcarriers: "spread" evenly over all, or the "first".
      domain: domain of the matrices that are wanted. Of delay taps the first are kept.

    Returns:
      [num_sc], int64.

    Raises:
      ValueError: an option is out of range; the message has the axis of the file.
    """
    columns = matrices.shape[2]
    if select not in SELECTIONS:
        known = ", ".join(SELECTIONS)
        raise ValueError(f"select is {select!r}; it must be one of {known}")
    label = (
        f"num_sc is {num_sc}; matrices of {matrices.key!r} in {matrices.path} have "
        f"{columns} subcarriers or delay taps"
    )
    if not 1 <= num_sc <= columns:
        raise ValueError(f"{label}: give 1 to {columns}")
    if domain == "angular_delay":
        return np.arange(num_sc)
    if select == "spread" and columns % num_sc:
        raise ValueError(
            f"{label}, over which {num_sc} cannot be spread evenly: give a number that "
            f"divides {columns}, or select=first"
        )
    return Band(1, columns, num_sc, select).subcarriers()
