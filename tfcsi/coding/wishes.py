"""What a caller of `compress` may wish: one step, one NMSE, or one limit of bits."""

from __future__ import annotations

import math
import warnings

import numpy as np


class MissedTarget(UserWarning):
    """Some matrices miss the NMSE that was asked for; the text says by how much."""


def check_wishes(**wishes: float | None) -> None:
    """Checks the wishes of a codec that can grant each of them.

    Args:
      **wishes: Name of each wish to its number, None if it is not wished.

    Raises:
      ValueError: If a number is not finite, or more than one is given.
    """
    wished = {name: wish for name, wish in wishes.items() if wish is not None}
    for name, wish in wished.items():
        if not np.isfinite(wish):
            raise ValueError(f"{name} is {wish}; it must be a finite number")
    if len(wished) > 1:
        raise ValueError(f"give one of {', '.join(wished)}")


def warn_of_missed(nmse: np.ndarray, num: int, nmse_db: float, stacklevel: int) -> None:
    """Warns of matrices that miss a target; not if there are none.

    Args:
      nmse: float [k], linear NMSE of the matrices that miss it.
      num: Number of all matrices.
      nmse_db: The target [dB].
      stacklevel: As of `warnings.warn` in the place of this function.
    """
    if len(nmse):
        worst = 10 * math.log10(nmse.max())
        warnings.warn(
            f"{len(nmse)} of {num} matrices miss {nmse_db} dB, by up to "
            f"{worst - nmse_db:.2f} dB",
            MissedTarget,
            stacklevel=stacklevel + 1,
        )
