"""Conversion of the pursuit of paths to TFLite models; see `path_encoder`.

* "float32": the lists are those of the pursuit, but for the order of its sums.
* "float16": kernels and prices in 16 bits. Lists differ, and are as good.

Precisions with integers have no use here: gains need more than eight bits.
"""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from tfcsi.coding import pursuit
from tfcsi.coding.path_network import PathNetwork
from tfcsi.coding.path_sending import PathSender
from tfcsi.tflite.convert import quietly, refusals
from tfcsi.tflite.exports import EFFORTS, NUM_PATHS, PATH_PRECISIONS
from tfcsi.tflite.path_encoder import PathGraph
from tfcsi.tflite.runner import interpreter


def convert(
    sender: PathSender, precision: str, effort: str, num_paths: int = NUM_PATHS
) -> bytes:
    """Converts the search of paths to a TFLite flatbuffer of builtin operations.

    Args:
      sender: Encoder of path coding, with its tables.
      precision: One of `exports.PATH_PRECISIONS`.
      effort: How much is searched, one of `exports.EFFORTS`.
      num_paths: Most paths of a matrix.

    Returns:
      The flatbuffer; `PathNetwork` runs it.

    Raises:
      ValueError: If an argument is out of range.
      convert.ConversionError: If an operation is no builtin; the message names it.
    """
    if precision not in PATH_PRECISIONS:
        raise ValueError(
            f"precision is {precision!r}; for paths it must be one of {PATH_PRECISIONS}"
        )
    if effort not in EFFORTS:
        raise ValueError(f"effort is {effort!r}; it must be one of {EFFORTS}")
    settings, shape = pursuit.EFFORTS[effort], sender.shape
    graph = PathGraph(sender.atoms, sender.coder.prices, settings, num_paths)
    x = tf.TensorSpec((1, *shape, 2), tf.float32, "x")
    step = tf.TensorSpec((1,), tf.int32, "step")
    with quietly(), refusals(precision):
        concrete = tf.function(graph.__call__).get_concrete_function(x, step)
        converter = tf.lite.TFLiteConverter.from_concrete_functions(
            [concrete], tf.Module()
        )
        if precision == "float16":
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
            converter.target_spec.supported_types = [tf.float16]
        content = converter.convert()
        network = PathNetwork(interpreter(content), shape)
        network(np.zeros((1, *shape), np.complex64), np.zeros(1, np.int64))
    return content
