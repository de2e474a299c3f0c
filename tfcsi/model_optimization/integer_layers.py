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
        """Adds the bias [...] to x, float32 [n, ...]."""
        return x + self.bias


def kind_of(layer) -> str:
    """Returns the name of the function that a layer without weights stands for.

    Args:
      layer: Keras layer, or a layer that Keras made of a TensorFlow function.

    Returns:
      Name of the TensorFlow function or activation, such as "relu", or of the class.
    """
    if hasattr(layer, "symbol"):  # A TensorFlow function.
        return layer.symbol.split(".")[-1]
    if isinstance(layer, layers.Activation):
        return activation_of(layer)
    return {"Softmax": "softmax"}.get(type(layer).__name__, type(layer).__name__)


def activation_of(layer) -> str:
    """Returns the name of the activation of a layer, "linear" if it has none."""
    return getattr(getattr(layer, "activation", None), "__name__", "linear")


def scale_and_shift(norm) -> tuple[np.ndarray, np.ndarray]:
    """Returns what a batch normalisation does in inference: x * scale + shift.

    Args:
      norm: Layer `BatchNormalization`.

    Returns:
      scale, float32 [channels]; shift, float32 [channels].
    """
    scale = 1.0 / np.sqrt(norm.moving_variance.numpy() + norm.epsilon)
    if norm.scale:
        scale = scale * norm.gamma.numpy()
    shift = -norm.moving_mean.numpy() * scale
    return scale, shift + norm.beta.numpy() if norm.center else shift
