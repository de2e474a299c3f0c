"""Networks over arrays of any length, a block at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import tensorflow as tf

_BATCH = 500  # Matrices of a block.


def batched(
    model: Callable, input_shapes: Sequence[tuple], output_shape: tuple
) -> Callable[..., np.ndarray]:
    """Makes a function of arrays of a network, which runs it a block at a time.

    The network is traced once, for any number of matrices. A graph that knows their
    number computes other last digits, and results would depend on earlier calls.

    Args:
      model: Function of tensors [n, ...], such as a Keras model of one input.
      input_shapes: Shape of each argument, whose first axis is that of the matrices.
      output_shape: Shape of its result, whose first axis is that of the matrices.

    Returns:
      Function of float32 arrays [n, ...], one for each argument; it returns a float32
      array [n, ...], empty if n is 0.
    """
    signature = [tf.TensorSpec((None, *shape[1:])) for shape in input_shapes]
    call = tf.function(lambda *x: model(*x), input_signature=signature)

    def run(*arrays: np.ndarray) -> np.ndarray:
        if not len(arrays[0]):
            return np.zeros((0, *output_shape[1:]), np.float32)
        starts = range(0, len(arrays[0]), _BATCH)
        blocks = ([x[i : i + _BATCH] for x in arrays] for i in starts)
        return np.concatenate([call(*block).numpy() for block in blocks])

    return run
