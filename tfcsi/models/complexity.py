"""The cost of a network: its parameters, multiply-accumulates and activations."""

from __future__ import annotations

import math

import numpy as np
import tensorflow as tf
from tensorflow.python.framework.convert_to_constants import (
    convert_variables_to_constants_v2,
)


def count(model: tf.keras.Model) -> dict[str, int]:
    """Counts what one matrix costs, from the frozen inference graph at batch 1.

    The counted operations multiply by weights or multiply two activations: convolutions
    (plain, transposed, depthwise), matrix products and einsum. A layer that is used
    twice costs twice, but its parameters count once. Pixels beyond a "same" border
    count as pixels, as in all papers, and a weight that happens to be zero costs as
    much as any other. Entries of a kernel that a constant mask makes zero do not count,
    as between the groups of `tfcsi.models.grouped`. Biases, normalisations, activation
    functions, soft-max, sums, products entry by entry and moves of data do not count
    either.

    Papers call these multiply-accumulates "FLOPs", and their three programs count a bit
    more or less. fvcore adds two for each value of a batch normalisation and five for
    each value of a layer normalisation. thop adds four for each value of either and
    leaves out attention and products that are not layers. ptflops adds two for each
    value of a batch normalisation and one for each value of an activation or a bias.

    Args:
      model: Keras model of any number of inputs, with static shapes but the batch.

    Returns:
      "params": Trainable parameters.
      "macs": Multiply-accumulates.
      "activations": Number of all values that the counted operations put out: features
        and the scores of attention, before biases and other operations.

    Raises:
      ValueError: If the graph has a loop, a branch or a call that cannot be inlined.
    """
    inputs = [
        tf.TensorSpec((1, *x.shape[1:]), x.dtype, name=f"input_{i}")
        for i, x in enumerate(model.inputs)
    ]
    call = tf.function(lambda *x: model(x if len(x) > 1 else x[0], training=False))
    frozen = convert_variables_to_constants_v2(
        call.get_concrete_function(*inputs), lower_control_flow=False
    )
    macs = activations = 0
    for op in frozen.graph.get_operations():
        if op.type in _OPAQUE:
            raise ValueError(
                f"{op.name} is a {op.type}; graphs with loops, branches or calls (of "
                "recurrent layers, grouped convolutions) cannot be counted"
            )
        if op.type in _DEPTH:
            size = _result(op).shape.num_elements()
            activations += size
            macs += _unmasked(size * _DEPTH[op.type](op), op.inputs[1])
        elif op.type == "Conv2DBackpropInput":
            # Each input value is multiplied by the kernel for all output channels.
            height, width, channels, _ = op.inputs[1].shape
            activations += op.outputs[0].shape.num_elements()
            size = op.inputs[2].shape.num_elements()
            macs += _unmasked(size * height * width * channels, op.inputs[1])
    params = sum(weight.shape.num_elements() for weight in model.trainable_weights)
    return {"params": params, "macs": macs, "activations": activations}


def _result(op: tf.Operation) -> tf.Tensor:
    """The result of an operation; for a dilated convolution without its padding."""
    consumers = op.outputs[0].consumers()
    dilated = len(consumers) == 1 and consumers[0].type == "BatchToSpaceND"
    return consumers[0].outputs[0] if dilated else op.outputs[0]


def _unmasked(macs: int, kernel: tf.Tensor) -> int:
    """Those of the multiply-accumulates by a kernel that no constant mask makes zero.

    Each entry of a kernel, and so of a mask, takes part in equally many of them. A mask
    is a constant itself; the values of a weight, frozen too, come through an Identity.
    """
    if kernel.op.type == "Mul":
        for factor in kernel.op.inputs:
            if factor.op.type == "Const":
                mask = tf.make_ndarray(factor.op.get_attr("value"))
                macs = macs * np.count_nonzero(mask) // mask.size
    return macs


def _matmul_depth(op: tf.Operation) -> int:
    transposed = op.get_attr("transpose_a" if op.type == "MatMul" else "adj_x")
    return op.inputs[0].shape[-2 if transposed else -1]


def _einsum_depth(op: tf.Operation) -> int:
    terms, out = op.get_attr("equation").decode().split("->")
    sizes: dict[str, int] = {}
    for term, x in zip(terms.split(","), op.inputs):
        sizes.update(zip(term, x.shape))
    return math.prod(size for label, size in sizes.items() if label not in out)


_OPAQUE = (
    *("While", "StatelessWhile", "If", "StatelessIf"),
    *("PartitionedCall", "StatefulPartitionedCall"),
)
# Multiply-accumulates for one output value of an operation.
_DEPTH = {
    "Conv2D": lambda op: math.prod(op.inputs[1].shape[:3]),
    "DepthwiseConv2dNative": lambda op: math.prod(op.inputs[1].shape[:2]),
    "MatMul": _matmul_depth,
    "BatchMatMulV2": _matmul_depth,
    "Einsum": _einsum_depth,
}
