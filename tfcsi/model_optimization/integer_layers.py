"""Parts of the integer rewriting: kinds of layers, and layers of its own."""

from __future__ import annotations

import numpy as np
from tensorflow.keras import layers


class Bias(layers.Layer):
    """Adds a bias that may differ from position to position."""

    def build(self, input_shape):
        """Makes the bias."""
        self.bias = self.add_weight("bias", input_shape[1:], initializer="zeros")
        super().build(input_shape)

    def call(self, x):
        """float32 [n, ...] to the same."""
        return x + self.bias


def kind_of(layer) -> str:
    """The function that a layer without weights stands for."""
    if hasattr(layer, "symbol"):  # A TensorFlow function.
        return layer.symbol.split(".")[-1]
    if isinstance(layer, layers.Activation):
        return activation_of(layer)
    return {"Softmax": "softmax"}.get(type(layer).__name__, type(layer).__name__)


def activation_of(layer) -> str:
    """Name of the activation function of a layer."""
    return getattr(getattr(layer, "activation", None), "__name__", "linear")


def scale_and_shift(norm) -> tuple[np.ndarray, np.ndarray]:
    """What a batch normalisation does to a channel in inference, float32 [channels]."""
    scale = 1.0 / np.sqrt(norm.moving_variance.numpy() + norm.epsilon)
    if norm.scale:
        scale = scale * norm.gamma.numpy()
    shift = -norm.moving_mean.numpy() * scale
    return scale, shift + norm.beta.numpy() if norm.center else shift
