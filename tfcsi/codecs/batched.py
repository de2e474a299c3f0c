"""Networks over arrays of any length, a block at a time."""

from __future__ import annotations

import functools
import os
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
      input_shapes: Shape of each argument; the first axis counts matrices.
      output_shape: Shape of its result; the first axis counts matrices.

    Returns:
      Function of float32 arrays [n, ...], one for each argument; it returns a float32
      array [n, ...], empty if n is 0. In a process that was forked later it raises a
      RuntimeError, where TensorFlow would wait for ever.
    """
    signature = [tf.TensorSpec((None, *shape[1:])) for shape in input_shapes]
    function = tf.function(lambda *x: model(*x), input_signature=signature)
    # TensorFlow counts the calls of functions with the same code together. It would
    # warn of tracing when several codecs are loaded; the traced graph does not.
    traced = functools.lru_cache(maxsize=None)(function.get_concrete_function)

    made_in = os.getpid()

    def run(*arrays: np.ndarray) -> np.ndarray:
        if os.getpid() != made_in:
            raise RuntimeError(
                "this process was forked after TensorFlow had started, which it does "
                'not survive: start processes with multiprocessing.get_context("spawn")'
                " and load the codec in each"
            )
        if not len(arrays[0]):
            return np.zeros((0, *output_shape[1:]), np.float32)
        starts = range(0, len(arrays[0]), _BATCH)
        blocks = ([x[i : i + _BATCH] for x in arrays] for i in starts)
        return np.concatenate(
            [traced()(*map(tf.constant, block)).numpy() for block in blocks]
        )

    return run
