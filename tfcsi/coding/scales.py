"""Tells of matrices whose scale is not that of the training.

A codec that sends norms has a table of them, counted on training matrices. Matrices of
another scale are coded as well, but each of their norms costs many bits more.
"""

from __future__ import annotations

import warnings

import numpy as np

_FEW = 8  # Fewer matrices tell nothing.
_MORE = 4.0  # Bits a norm, beyond those of the training, that are told.


class OtherScale(UserWarning):
    """The norms of matrices are not those of the training, and cost more bits.

    Attributes:
      num: Number of matrices.
      bits: What the norm of each costs on average.
      usual: What the norm of a training matrix costs on average [bits].
    """

    def __init__(self, num: int, bits: float, usual: float):
        """See the attributes."""
        super().__init__(
            f"the norms of {num} matrices take {bits:.1f} bits each, those of the "
            f"training {usual:.1f}: their scale is another one; scale h as for the "
            f"training (--scale, tfcsi.transforms.to_peak), or count the norms of such "
            f"matrices in a codec of their own"
        )
        self.num, self.bits, self.usual = num, bits, usual


def warn_of_scale(bits: np.ndarray, law: np.ndarray, stacklevel: int) -> None:
    """Warns of norms that cost `_MORE` bits more than those of the training.

    Args:
      bits: float [n], what the norm of each matrix costs.
      law: [k], the frequencies of the table of norms, all above 0, with any sum.
      stacklevel: As of `warnings.warn` in the place of this function.
    """
    share = law / law.sum()
    usual = float(-(share * np.log2(share)).sum())
    if len(bits) >= _FEW and bits.mean() > usual + _MORE:
        told = OtherScale(len(bits), float(bits.mean()), usual)
        warnings.warn(told, stacklevel=stacklevel + 1)


def together(told: list[OtherScale]) -> OtherScale | None:
    """One warning for several calls of a codec; None if there is none."""
    if not told:
        return None
    num = sum(each.num for each in told)
    bits = sum(each.num * each.bits for each in told) / num
    return OtherScale(num, bits, told[0].usual)
