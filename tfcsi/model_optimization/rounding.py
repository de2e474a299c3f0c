"""Rounding of a dense kernel to 8 bits, with regard to the inputs of the layer.

Rounding each weight to the nearest level treats all inputs alike. CSI fills only a
small part of the space of inputs, so the errors can be made to cancel where inputs are
strong. After the weights of an input are rounded, the weights of the inputs that follow
move to compensate the error (Frantar et al., "GPTQ", ICLR 2023, arXiv:2210.17323,
algorithm 1, without its blocks; the strongest input comes first).
"""

from __future__ import annotations

import numpy as np

LEVELS = 127  # Weights are -127 ... 127 times the scale of their column, as in TFLite.
DAMPING = 0.01  # Share of the mean energy that is added to each input, as in GPTQ.


def round_kernel(kernel: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Rounds a kernel to LEVELS times a scale a column, for inputs like x.

    Args:
      kernel: float32 [num_inputs, num_outputs].
      x: float32 [n, num_inputs], inputs of the layer.

    Returns:
      float32 [num_inputs, num_outputs]; column j holds integers of magnitude up to
      LEVELS, one of which is LEVELS, times max |kernel[:, j]| / LEVELS, so that a
      converter which rounds to the nearest level leaves it as it is. Zeros stay zero.
    """
    largest = np.abs(kernel).argmax(0)
    scale = np.abs(kernel).max(0).astype(np.float64) / LEVELS
    scale = np.where(scale > 0, scale, 1.0)
    energy = x.T.astype(np.float64) @ x / max(len(x), 1)
    energy[np.diag_indices_from(energy)] += DAMPING * np.trace(energy) / len(energy)
    # Row i of this upper triangle says how the weights of later inputs compensate an
    # error of input i.
    order = np.argsort(-np.diag(energy), kind="stable")
    inverse = np.linalg.inv(energy[np.ix_(order, order)])
    factor = np.linalg.cholesky(inverse).T.astype(np.float32)
    rest = (kernel / scale).astype(np.float32)[order]
    levels = np.empty_like(rest)
    for i, row in enumerate(rest):
        fixed = largest == order[i]
        exact = np.sign(kernel[order[i]]) * LEVELS
        levels[i] = np.where(fixed, exact, np.clip(np.rint(row), -LEVELS, LEVELS))
        levels[i][kernel[order[i]] == 0] = 0
        error = (row - levels[i]) / factor[i, i]
        rest[i + 1 :] -= np.outer(factor[i, i + 1 :], error)
    rounded = np.empty_like(kernel)
    rounded[order] = levels * scale
    return rounded
