"""Networks over arrays of any length, a block at a time."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import tensorflow as tf

_BATCH = 500  # Matrices of a block.


def batched(model: Callable, output_shape: tuple) -> Callable[..., np.ndarray]:
    """Makes a function of arrays of a network, which runs it a block at a time.

    Args:
      model: Function of tensors [n, ...], such as a Keras model of one input.
      output_shape: Shape of its result, whose first axis is that of the matrices.

    Returns:
      Function of float32 arrays [n, ...], one for each argument; it returns a float32
      array [n, ...], empty if n is 0.
    """
    call = tf.function(lambda *x: model(*x), reduce_retracing=True)

    def run(*arrays: np.ndarray) -> np.ndarray:
        if not len(arrays[0]):
            return np.zeros((0, *output_shape[1:]), np.float32)
        starts = range(0, len(arrays[0]), _BATCH)
        blocks = ([x[i : i + _BATCH] for x in arrays] for i in starts)
        return np.concatenate([call(*block).numpy() for block in blocks])

    return run
