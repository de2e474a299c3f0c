"""Networks rewritten so that their results lie on grids of integers, as TFLite's do.

The graph of a functional Keras network is walked from its inputs to its output. The
caller (`fake_quantization`) says what rounds weights and results. This module says
where that goes:

* A dense layer becomes a 1 x 1 convolution, since TFLite has one scale for all columns
  of a dense one.
* A batch normalisation behind a convolution is folded into it, with its running
  statistics; another one becomes a 1 x 1 depthwise convolution.
* Attention is taken apart into dense layers, products and a soft-max.
* ReLU within a layer stays there, other activation functions follow it.
* Layers that move data keep the grid of their input. A concatenation quantises its
  inputs once, on one shared grid.
* A layer that marks its input (`tfcsi.models.noise_path`) takes it as it is, and its
  result has a grid of its own: other numbers may stand there.
* LayerNormalization takes and gives integers, and is float inside.
"""

from __future__ import annotations

import dataclasses
import math
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.keras import layers

from tfcsi.model_optimization.integer_layers import (
    Bias,
    activation_of,
    kind_of,
    scale_and_shift,
)
from tfcsi.models.binary import BinaryDense
from tfcsi.models.grouped import GroupedConv2D

DENSE = (layers.Dense, layers.EinsumDense, BinaryDense)
# Attribute of a layer that holds its kernel, and the axis of its output channels.
_KERNELS = {
    layers.Conv2D: ("kernel", 3),
    layers.Conv2DTranspose: ("kernel", 2),
    layers.DepthwiseConv2D: ("depthwise_kernel", 2),
    GroupedConv2D: ("kernel", 3),
    layers.PReLU: ("alpha", None),
}
_TAKE_NORM = (layers.Conv2D, layers.Conv2DTranspose, layers.DepthwiseConv2D)
_MOVES = {
    *("Cropping1D", "Flatten", "Permute", "Reshape", "UpSampling2D", "getitem"),
    *("reduce_max", "reshape", "transpose"),
}
_JOINS = {"Concatenate", "concat"}
_MARK = "Identity"
_LIMITS = {"sigmoid": (0.0, 1.0), "softmax": (0.0, 1.0), "tanh": (-1.0, 1.0)}
Limits = tuple[float, float]


@dataclasses.dataclass(frozen=True)
class Kernel:
    """The weight of a layer that is to be rounded.

    Attributes:
      attribute: Attribute of the layer that holds the weight.
      axis: Axis of the channels, each of which has its own scale; None for one scale.
      binary: Whether it is the kernel of a `BinaryDense`.
      one_scale: As in `BinaryDense`.
    """

    attribute: str
    axis: int | None
    binary: bool = False
    one_scale: bool = False


_COLUMNS = Kernel("kernel", 3)  # That of a dense layer.


def rewrite(
    network: tf.keras.Model,
    rounded: Callable[[layers.Layer, Kernel], layers.Layer],
    on_grid: Callable[[str, Limits | None], layers.Layer],
    peak: float | None = None,
    float_output: bool = False,
) -> tf.keras.Model:
    """Returns the same network with roundings.

    Args:
      network: Functional Keras model with one output.
      rounded: Function of a layer with weights that returns a layer of the same name
        which rounds its kernel.
      on_grid: Function of a name and of limits that returns a layer which rounds its
        input to a grid. The grid lies within low <= x < high; if the limits are None,
        it follows the data.
      peak: Largest magnitude of the input; None if it is not known.
      float_output: Whether the results of the last layers with weights, and of the
        layers without weights after them, are left as floats.

    Returns:
      Functional Keras model. Layers with weights keep their names.

    Raises:
      ValueError: If there is no rule for a layer.
    """
    graph = _Graph(network, rounded, on_grid, float_output)
    for tensor in network.inputs:
        new = layers.Input(tensor.shape[1:], name=tensor.node.layer.name)
        graph.results[id(tensor)] = _Result(new, limits=(-peak, peak) if peak else None)
    for node in graph.nodes:
        graph.results[id(node.outputs)] = graph.rewritten(node)
    inputs = [graph.result(tensor).tensor for tensor in network.inputs]
    output = graph.result(network.outputs[0])
    output = output if float_output else graph.on_grid(output)
    return tf.keras.Model(
        inputs if len(inputs) > 1 else inputs[0], output.tensor, name=network.name
    )


@dataclasses.dataclass(eq=False)
class _Result:
    """A tensor of the new network.

    Attributes:
      tensor: Keras tensor.
      grid: The layer that put it on a grid, None if it is on none.
      limits: Limits of its grid; None if the grid follows the data.
      gridded: The same tensor on a grid; None until it is asked for.
    """

    tensor: Any
    grid: layers.Layer | None = None
    limits: Limits | None = None
    gridded: _Result | None = None


class _Graph:
    """The old network, and the results of the new one so far.

    Tensors of the old network are identified by their id; it outlives this object.
    """

    def __init__(self, network, rounded, on_grid, float_output):
        self.rounded, self.make_grid = rounded, on_grid
        self.results = {}  # Tensor to `_Result`.
        self.layers = {}  # Name to new layer, so that calls still share weights.
        self.same = {}  # Tensor to the same across the border of an inner model.
        self.nodes = self._nodes(network)
        self.users = defaultdict(list)  # Tensor to the nodes that take it.
        for node in self.nodes:
            for tensor in node.keras_inputs:
                self.users[id(self.resolve(tensor))].append(node)
        self.tail = self._tail(network.outputs[0]) if float_output else set()
        self.num_grids = 0

    def resolve(self, tensor):
        """A tensor itself, across the border of a model within the network."""
        while id(tensor) in self.same:
            tensor = self.same[id(tensor)]
        return tensor

    def result(self, tensor) -> _Result:
        """The result that stands for a tensor of the old network."""
        return self.results[id(self.resolve(tensor))]

    def on_grid(self, result: _Result) -> _Result:
        """A result, rounded."""
        if result.grid is not None:
            return result
        if result.gridded is None:
            layer = self.make_grid(f"grid{self.num_grids}", result.limits)
            self.num_grids += 1
            result.gridded = _Result(layer(result.tensor), layer, result.limits)
        return result.gridded

    def _nodes(self, network) -> list:
        """The nodes of a network and of models within it, each after its inputs."""
        order, seen = [], set()

        def visit(tensor):
            node = self.resolve(tensor).node
            if id(node) in seen:
                return
            seen.add(id(node))
            for before in node.keras_inputs:
                visit(before)
            if isinstance(node.layer, tf.keras.Model):
                inner = node.layer
                for ours, outer in zip(inner.inputs, node.keras_inputs):
                    self.same[id(ours)] = outer
                self.same[id(node.outputs)] = inner.outputs[0]
                visit(inner.outputs[0])
            elif node.keras_inputs:
                order.append(node)

        visit(network.outputs[0])
        return order

    def _tail(self, output) -> set[int]:
        """The nodes (id) without weights between the last weights and the output."""
        nodes, tensors = set(), [output]
        while tensors:
            node = self.resolve(tensors.pop()).node
            if node.keras_inputs and not node.layer.weights:
                nodes.add(id(node))
                tensors += node.keras_inputs
        return nodes

    def rewritten(self, node) -> _Result:
        """The new result of a node; the results of its inputs are there already."""
        layer, inputs = node.layer, [self.result(t) for t in node.keras_inputs]
        if isinstance(layer, layers.BatchNormalization):
            if self._takes_norm(self.resolve(node.keras_inputs[0]).node):
                return inputs[0]
            return self._affine(layer, *inputs)
        if isinstance(layer, DENSE):
            return self._dense(layer, *inputs)
        if type(layer) in _KERNELS:
            norm = self.users[id(node.outputs)][0] if self._takes_norm(node) else None
            return self._convolution(layer, inputs[0], norm and norm.layer)
        if isinstance(layer, layers.MultiHeadAttention):
            return self._multi_head(layer, *inputs)
        if isinstance(layer, layers.Attention) and not layer.weights:
            query, value, *key = inputs
            return self._attention(query, key[0] if key else value, value)
        if layer.weights and not isinstance(layer, layers.LayerNormalization):
            raise ValueError(
                f"layer {layer.name} is a {type(layer).__name__}; there is no rule to "
                f"make it compute in integers"
            )
        return self._unchanged(node)

    def _unchanged(self, node) -> _Result:
        """A layer that stays as it is."""
        layer, kind = node.layer, kind_of(node.layer)
        free = id(node) in self.tail or kind == _MARK
        inputs, new = [], {}
        for tensor in node.keras_inputs:
            result = self.result(tensor)
            alone = len(self.users[id(self.resolve(tensor))]) == 1
            if not free and not (alone and kind in _JOINS):
                result = self.on_grid(result)
            inputs.append(result)
            new[id(tensor)] = result.tensor
        if layer.name not in self.layers:
            self.layers[layer.name] = type(layer).from_config(layer.get_config())
        args, kwargs = tf.nest.map_structure(
            lambda argument: new.get(id(argument), argument),
            (node.call_args, node.call_kwargs),
        )
        result = _Result(self.layers[layer.name](*args, **kwargs))
        self.layers[layer.name].set_weights(layer.get_weights())
        if kind in _MOVES:
            result.grid, result.limits = inputs[0].grid, inputs[0].limits
        elif kind == "Rescaling" and inputs[0].limits and not layer.offset:
            result.limits = tuple(limit * layer.scale for limit in inputs[0].limits)
        else:
            result.limits = _LIMITS.get(kind)
        return result

    def _takes_norm(self, node) -> bool:
        """Whether a node is a convolution that nothing but a normalisation follows."""
        users = [user.layer for user in self.users[id(node.outputs)]]
        return (
            type(node.layer) in _TAKE_NORM
            and activation_of(node.layer) == "linear"
            and len(users) == 1
            and isinstance(users[0], layers.BatchNormalization)
        )

    def _convolution(self, layer, x: _Result, norm=None) -> _Result:
        """A layer of `_KERNELS` and the batch normalisation behind it, if any."""
        kernel = Kernel(*_KERNELS[type(layer)])
        weights, config = layer.get_weights(), layer.get_config()
        if norm is not None:
            scale, shift = scale_and_shift(norm)
            bias = weights[1] if len(weights) > 1 else 0.0
            shape = np.ones(4, int)
            shape[kernel.axis] = -1
            weights = [weights[0] * scale.reshape(shape), bias * scale + shift]
            config["use_bias"] = True
        if activation_of(layer) != "relu" and "activation" in config:
            config["activation"] = "linear"
        y = self._rounded(type(layer).from_config(config), kernel, x, weights)
        return self._activated(layer, y)

    def _affine(self, norm, x: _Result) -> _Result:
        """A batch normalisation of an image that no convolution takes."""
        scale, shift = scale_and_shift(norm)
        layer = layers.DepthwiseConv2D(1, name=norm.name)
        kernel = Kernel(*_KERNELS[type(layer)])
        return self._rounded(layer, kernel, x, [scale[None, None, :, None], shift])

    def _dense(self, layer, x: _Result) -> _Result:
        """A dense layer along the last axis."""
        weights, binary = layer.get_weights(), isinstance(layer, BinaryDense)
        options = {"use_bias": len(weights) > 1, "name": layer.name}
        if activation_of(layer) == "relu":
            options["activation"] = "relu"
        if binary:
            options["kernel_constraint"] = layer.kernel.constraint
            options["kernel"] = Kernel("kernel", 3, True, layer.one_scale)
        if not isinstance(layer, layers.EinsumDense):
            y = self._columns(x, *weights, **options)
            return self._activated(layer, y)
        data, kernel, result = layer.equation.replace("->", ",").split(",")
        if len(kernel) != 2 or (data[-1], result) != (kernel[0], data[:-1] + kernel[1]):
            raise ValueError(
                f"layer {layer.name} computes {layer.equation}; there is a rule for "
                f"dense layers along the last axis"
            )
        y = self._columns(x, weights[0], name=layer.name, use_bias=False)
        if len(weights) > 1:  # A bias for each position.
            bias = Bias(name=f"{layer.name}_bias")
            y = self._rounded(bias, Kernel("bias", None), y, weights[1:])
        return self._activated(layer, y)

    def _columns(
        self, x: _Result, *weights, kernel: Kernel = _COLUMNS, **options
    ) -> _Result:
        """A dense layer as a convolution; options are those of Conv2D."""
        *lead, inputs = x.tensor.shape[1:]
        units = weights[0].shape[1]
        if len(lead) != 2:
            x = self._moved(x, layers.Reshape((1, math.prod(lead), inputs)))
        images = [weights[0][None, None], *weights[1:]]
        y = self._rounded(layers.Conv2D(units, 1, **options), kernel, x, images)
        if len(lead) != 2:
            y.tensor = layers.Reshape((*lead, units))(y.tensor)
        return y

    def _rounded(self, layer, kernel: Kernel, x: _Result, weights) -> _Result:
        """A layer with a rounded kernel."""
        tensor = self.on_grid(x).tensor
        if layer.name not in self.layers:
            layer.build(tensor.shape)
            layer.set_weights(weights)
            self.layers[layer.name] = self.rounded(layer, kernel)
        return _Result(self.layers[layer.name](tensor))

    def _activated(self, layer, y: _Result) -> _Result:
        """The activation function of a layer, if it is not computed within."""
        activation = activation_of(layer)
        if activation in ("linear", "relu"):
            return y
        y = layers.Activation(activation)(self.on_grid(y).tensor)
        return _Result(y, limits=_LIMITS.get(activation))

    def _moved(self, x: _Result, *moves) -> _Result:
        """A result through layers that move data."""
        x = self.on_grid(x)
        tensor = x.tensor
        for move in moves:
            tensor = move(tensor)
        return _Result(tensor, x.grid, x.limits)

    def _multi_head(self, layer, query, value, key=None) -> _Result:
        """MultiHeadAttention along the axis before the last."""
        rank, weights = len(query.tensor.shape), layer.get_weights()
        axes = tuple(layer.get_config()["attention_axes"])
        if axes != (rank - 2,) or len(weights) != 8:
            raise ValueError(
                f"layer {layer.name} attends along {axes}; there is a rule for axis "
                f"{rank - 2} and layers with biases"
            )
        swap = layers.Permute((*range(1, rank - 2), rank - 1, rank - 2, rank))
        heads = []
        inputs = {"query": query, "key": key or value, "value": value}
        for i, (name, x) in enumerate(inputs.items()):
            kernel, bias = weights[2 * i : 2 * i + 2]
            if name == "query":
                scale = layer.get_config()["key_dim"] ** -0.5
                kernel, bias = kernel * scale, bias * scale
            flat = kernel.reshape(len(kernel), -1), bias.ravel()
            y = self._columns(x, *flat, name=f"{layer.name}_{name}")
            shape = (*x.tensor.shape[1:-1], *bias.shape)
            heads.append(self._moved(y, layers.Reshape(shape), swap))
        x = self._attention(*heads)
        shape = (*query.tensor.shape[1:-1], -1)
        x = self._moved(x, swap, layers.Reshape(shape))
        kernel, bias = weights[6].reshape(-1, weights[6].shape[-1]), weights[7]
        return self._columns(x, kernel, bias, name=f"{layer.name}_output")

    def _attention(self, query, key, value) -> _Result:
        """Soft-max of the products of queries and keys, times the values."""
        query, key, value = (self.on_grid(x).tensor for x in (query, key, value))
        scores = self.on_grid(_Result(tf.matmul(query, key, transpose_b=True)))
        weights = _Result(tf.nn.softmax(scores.tensor), limits=_LIMITS["softmax"])
        return _Result(tf.matmul(self.on_grid(weights).tensor, value))
