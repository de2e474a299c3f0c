"""What a caller of `compress` may wish: one step, one NMSE, or one limit of bits."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence

import numpy as np


class MissedTarget(UserWarning):
    """Some matrices miss the NMSE that was asked for; the text says by how much.

    Attributes:
      missed: Number of these matrices.
      num: Number of all matrices of the call.
      nmse_db: The target [dB].
      excess_db: How far the worst of them is above it [dB].
    """

    def __init__(self, missed: int, num: int, nmse_db: float, excess_db: float):
        """See the attributes."""
        super().__init__(
            f"{missed} of {num} matrices miss {nmse_db} dB, by up to {excess_db:.2f} dB"
        )
        self.missed, self.num = missed, num
        self.nmse_db, self.excess_db = nmse_db, excess_db

    @classmethod
    def together(cls, told: Sequence[object], num: int) -> MissedTarget | None:
        """One warning for all of the kind among some messages, or None."""
        own = [each for each in told if isinstance(each, cls)]
        if not own:
            return None
        missed, excess_db = sum(m.missed for m in own), max(m.excess_db for m in own)
        return cls(missed, num, own[0].nmse_db, excess_db)


class NoiseAlone(UserWarning):
    """Some matrices look like noise alone.

    Attributes:
      alone: Number of these matrices.
      num: Number of all matrices of the call.
    """

    def __init__(self, alone: int, num: int):
        """See the attributes."""
        super().__init__(
            f"{alone} of {num} matrices look like noise alone, so their packets hold "
            f"few paths or none"
        )
        self.alone, self.num = alone, num

    @classmethod
    def together(cls, told: Sequence[object], num: int) -> NoiseAlone | None:
        """As `MissedTarget.together`."""
        own = [each for each in told if isinstance(each, cls)]
        return cls(sum(m.alone for m in own), num) if own else None


def check_wishes(**wishes: float | None) -> None:
    """Checks the wishes of a codec that can grant each of them.

    Args:
      **wishes: Name of each wish to its number, None if it is not wished.

    Raises:
      ValueError: If a wish is no finite number, or both `step` and `nmse_db` are given.
    """
    wished = {name: wish for name, wish in wishes.items() if wish is not None}
    for name, wish in wished.items():
        number = np.asarray(wish)
        if number.ndim or number.dtype.kind not in "iuf" or not np.isfinite(number):
            raise ValueError(f"{name} is {wish!r}; it must be a finite number")
    if {"step", "nmse_db"} <= wished.keys():
        raise ValueError("give one of step, nmse_db")


def check_noise_variance(noise_variance: object, num: int) -> None:
    """Checks the variance of the noise of each entry of `num` matrices.

    Args:
      noise_variance: As of `Paths.compress`.
      num: Number of matrices; 0 if it is not known yet.

    Raises:
      ValueError: Unless it is None, "estimate", or one number or `num` numbers that are
        finite and not negative.
    """
    if noise_variance is None or (
        isinstance(noise_variance, str) and noise_variance == "estimate"
    ):
        return
    values = np.asarray(noise_variance)
    if (
        values.dtype.kind not in "iuf"
        or values.ndim > 1
        or (num and values.shape not in ((), (num,)))
        or not (np.isfinite(values) & (values >= 0)).all()
    ):
        raise ValueError(
            f"noise_variance is {noise_variance!r}; it must be 'estimate', or one "
            f"number or {num} numbers, finite and at least 0"
        )


def limit_of(nmse_db: float) -> float:
    """Returns a wished NMSE as a ratio; one above 3000 dB is met by anything."""
    return 10 ** (min(float(nmse_db), 3000.0) / 10)


def warn_of_noise(alone: int, num: int, stacklevel: int) -> None:
    """Warns of matrices that look like noise alone; not if there are none.

    Args:
      alone: Number of these matrices.
      num: Number of all matrices.
      stacklevel: As of `warnings.warn` in the place of this function.
    """
    if alone:
        warnings.warn(NoiseAlone(alone, num), stacklevel=stacklevel + 1)


def warn_of_missed(nmse: np.ndarray, num: int, nmse_db: float, stacklevel: int) -> None:
    """Warns of matrices that miss a target; not if there are none.

    Args:
      nmse: float [k], linear NMSE of the matrices that miss it.
      num: Number of all matrices.
      nmse_db: The target [dB].
      stacklevel: As of `warnings.warn` in the place of this function.
    """
    if len(nmse):
        excess_db = 10 * math.log10(nmse.max()) - nmse_db
        warnings.warn(
            MissedTarget(len(nmse), num, nmse_db, excess_db), stacklevel=stacklevel + 1
        )
