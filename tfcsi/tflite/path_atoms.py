"""Atoms of paths in a TensorFlow graph: pictures of matrices, and kernels of places."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from tfcsi import transforms
from tfcsi.coding.atoms import HALF, UNIT, Atoms, Axis


def picture(x: tf.Tensor, atoms: Atoms) -> tf.Tensor:
    """Turns CSI into the picture in which atoms are real, as `Atoms.picture`.

    Args:
      x: float32 [num_tx, num_delay, 2].
      atoms: Atoms of the matrix.

    Returns:
      float32 [num_tx, 2 num_delay], real parts, then imaginary ones.
    """
    re, im = x[:, :, 0], x[:, :, 1]
    if atoms.domain == "space_frequency":
        left, right = _transforms_of(atoms.num_tx, atoms.num_delay)
        re, im = _product(left.real, left.imag, re, im)
        re, im = _product(re, im, right.real, right.imag)
    turn = atoms.angle.phases[:, None] * atoms.delay.phases
    real, imag = turn.real, turn.imag
    return tf.concat([re * real + im * imag, im * real - re * imag], axis=1)


class AxisGraph:
    """Kernels of an axis at any place, from a table over distances."""

    def __init__(self, axis: Axis):
        """Prepares the tables."""
        self._axis = axis
        self._bins = UNIT * np.arange(axis.size, dtype=np.int32)
        self._first = axis.origin - int(self._bins[-1])
        distance = np.arange(self._first, axis.origin + axis.num_places)
        self._table = axis.kernel(distance)[:, 0].astype(np.float32)
        place = axis.origin + np.arange(axis.num_places)
        norm = np.linalg.norm(axis.kernel(place), axis=1)
        self._scale = None if axis.circular else (1 / norm).astype(np.float32)

    def rows(self, place: tf.Tensor) -> tf.Tensor:
        """Kernels of unit norm, float32 [n, size], at places int32 [n]."""
        rows = tf.gather(self._table, place[:, None] - (self._bins + self._first))
        if self._scale is not None:
            rows *= tf.gather(self._scale, place - self._axis.origin)[:, None]
        return rows

    def wrap(self, place: tf.Tensor) -> tf.Tensor:
        """Places inside the axis, as `Axis.wrap`."""
        whole = self._axis.size * UNIT
        if self._axis.circular:
            return place % whole
        return tf.clip_by_value(place, -HALF, whole - HALF)


def _transforms_of(num_tx: int, num_delay: int) -> tuple[np.ndarray, np.ndarray]:
    """Matrices A and B, complex64, with `transforms.to_angular_delay(h)` = A h B."""
    h = np.zeros((num_tx + num_delay, num_tx, num_delay), np.complex64)
    h[np.arange(num_tx), np.arange(num_tx), 0] = 1
    h[num_tx + np.arange(num_delay), 0, np.arange(num_delay)] = 1
    image = transforms.to_angular_delay(h, num_delay)
    left = image[:num_tx, :, 0].T / image[0, 0, 0]
    return left, image[num_tx:, 0, :]


def _product(
    a_re: tf.Tensor, a_im: tf.Tensor, b_re: tf.Tensor, b_im: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """Real and imaginary part of the product of two complex matrices."""
    return a_re @ b_re - a_im @ b_im, a_re @ b_im + a_im @ b_re
