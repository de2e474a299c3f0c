"""Dynamic quantisation of all layers: 8-bit kernels, and inputs rounded on the way.

TFLite's "dynamic" leaves layers of less than 1024 weights in float, and PyTorch's
`quantize_dynamic` all but dense ones. Here no layer with a kernel is left out. The
integers are emulated in float32.
"""

from __future__ import annotations

import tensorflow as tf
from tensorflow.keras import layers

from tfcsi.model_optimization.fake_quantization import round_weights

_BITS = 8
_LEVELS = 2 ** (_BITS - 1) - 1
_FLOAT_BYTES = 4


def dynamic(network: tf.keras.Model) -> tf.keras.Model:
    """Returns a copy whose layers with kernels compute as 8-bit integers do.

    Each kernel is rounded with one scale for an output channel. The input of its layer
    is rounded with one scale for a matrix, which is found when the matrix comes.

    Args:
      network: Keras model of layers without inner layers. It is not changed.

    Raises:
      ValueError: If a layer has a kernel that is not its own, but that of a layer in
        it; the message names it.
    """

    def copy(layer: layers.Layer) -> layers.Layer:
        same = type(layer).from_config(layer.get_config())
        return same if _kernel(layer) is None else _Rounded(same, name=layer.name)

    result = tf.keras.models.clone_model(network, clone_function=copy)
    result.set_weights(network.get_weights())
    wrapped = [each.layer for each in result.layers if isinstance(each, _Rounded)]
    for layer in wrapped:
        if (kernel := _kernel(layer)) is not None:
            kernel.assign(round_weights(kernel, _BITS, len(kernel.shape) - 1))
    return result


def num_bytes(network: tf.keras.Model) -> int:
    """Returns the bytes of the weights: 1 in kernels and 4 elsewhere.

    A scale of 4 bytes for each channel of a kernel is counted too.
    """
    size = 0
    for layer in network.layers:
        own = layer.layer if isinstance(layer, _Rounded) else layer
        kernel = _kernel(own)
        for weight in own.weights:
            number = weight.shape.num_elements()
            if weight is kernel:
                size += number + _FLOAT_BYTES * weight.shape[-1]
            else:
                size += _FLOAT_BYTES * number
    return size


def _kernel(layer: layers.Layer) -> tf.Variable | None:
    """Returns the kernel of a layer, or None if it has none."""
    kernels = [weight for weight in layer.weights if "kernel" in weight.name]
    if not kernels:
        return None
    if any(isinstance(part, layers.Layer) for part in layer.submodules):
        raise ValueError(f"layer {layer.name!r} has an inner layer with a kernel")
    return kernels[0]


class _Rounded(layers.Wrapper):
    """Rounds what comes into a layer, with one scale for each matrix."""

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        axes = list(range(1, len(inputs.shape)))
        largest = tf.reduce_max(tf.abs(inputs), axes, keepdims=True)
        scale = tf.where(largest > 0.0, largest / _LEVELS, 1.0)
        return self.layer(tf.round(inputs / scale) * scale)
