"""A dense layer with two weight values an output, for encoders with 1-bit weights."""

from __future__ import annotations

import numpy as np
import tensorflow as tf
from tensorflow.keras import layers


def to_binary_codeword(
    x, latent_dim: int, latent: str = "dense", one_scale: bool = False
):
    """The last layer of a UE encoder, as `to_codeword`, with a binary kernel.

    Args:
      x: float32 [n, num_tx, num_delay, channels].
      latent_dim: Length of the codeword.
      latent: "dense".
      one_scale: As in `BinaryDense`.

    Returns:
      y, float32 [n, latent_dim].

    Raises:
      ValueError: If latent is not "dense".
    """
    check_dense(latent)
    x = layers.Flatten(name="flatten")(layers.Permute((3, 1, 2))(x))
    return BinaryDense(latent_dim, one_scale, name="codeword")(x)


def check_dense(latent: str) -> None:
    """Raises a ValueError unless `latent` is "dense", the only layer to binarise."""
    if latent != "dense":
        raise ValueError(
            f"latent is {latent!r}; this model binarises a dense layer, so it must be "
            f"'dense'"
        )


@tf.keras.utils.register_keras_serializable("tfcsi")
class BinaryDense(layers.Layer):
    """Dense layer whose kernel is sign(w) times the mean |w| of the output unit.

    Training moves the float weights w. The gradient of the binary kernel is passed to
    them unchanged where |w| <= 1, and is zero elsewhere. After each step the weights
    are clipped to [-1, 1], so that none gets stuck, as in BinaryNet (Courbariaux et
    al., "Binarized Neural Networks", NeurIPS 2016, arXiv:1602.02830).

    With `one_scale` the mean is over the whole kernel instead.

    Attributes:
      kernel: float32 [inputs, units], the float weights w.
      bias: float32 [units].
    """

    def __init__(self, units: int, one_scale: bool = False, **layer_args):
        super().__init__(**layer_args)
        self.units, self.one_scale = units, one_scale

    def build(self, input_shape):
        """Makes the weights."""
        self.kernel = self.add_weight(
            "kernel",
            (input_shape[-1], self.units),
            initializer="glorot_uniform",
            constraint=_clip,
        )
        self.bias = self.add_weight("bias", (self.units,), initializer="zeros")
        super().build(input_shape)

    def call(self, x):
        """Applies the binary kernel and the bias to x.

        Args:
          x: float32 [n, inputs].

        Returns:
          float32 [n, units].
        """
        return tf.matmul(x, binarize(self.kernel, self.one_scale)) + self.bias

    def dense_weights(self) -> list[np.ndarray]:
        """Returns the weights of the ordinary dense layer that this one equals.

        Returns:
          [kernel float32 [inputs, units], bias float32 [units]].
        """
        kernel = binarize(self.kernel, self.one_scale)
        return [kernel.numpy(), self.bias.numpy()]

    def packed(self) -> tuple[np.ndarray, np.ndarray]:
        """Returns the kernel in one bit a weight.

        Returns:
          signs uint8 [ceil(inputs / 8), units], `np.packbits` along the inputs of
          w >= 0; scales float32 [units].
        """
        kernel = binarize(self.kernel, self.one_scale).numpy()
        return np.packbits(kernel >= 0, axis=0), np.abs(kernel[0])

    def get_config(self):
        """Returns the arguments of the layer."""
        own = {"units": self.units, "one_scale": self.one_scale}
        return {**super().get_config(), **own}


def unpack(signs: np.ndarray, scales: np.ndarray, num_inputs: int) -> np.ndarray:
    """Returns the kernel whose bits `BinaryDense.packed` gave.

    Args:
      signs: uint8 [ceil(num_inputs / 8), units].
      scales: float32 [units].
      num_inputs: Rows of the kernel.

    Returns:
      float32 [num_inputs, units].
    """
    bits = np.unpackbits(signs, axis=0, count=num_inputs)
    return np.where(bits, scales, -scales).astype(np.float32)


def binarize(w, one_scale: bool = False):
    """Binarises a kernel: sign(w) times the mean |w| of each column, with sign(0) = 1.

    The gradient is passed unchanged where |w| <= 1, and is zero elsewhere.

    Args:
      w: float32 [inputs, units].
      one_scale: Whether the mean is that of all columns together.

    Returns:
      float32 [inputs, units].
    """

    @tf.custom_gradient
    def apply(w):
        scale = tf.reduce_mean(tf.abs(w), None if one_scale else 0)

        def gradient(slope):
            return tf.where(tf.abs(w) <= 1.0, slope, 0.0)

        return tf.where(w >= 0.0, scale, -scale), gradient

    return apply(w)


def _clip(w):
    return tf.clip_by_value(w, -1.0, 1.0)
