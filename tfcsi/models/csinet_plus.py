"""CsiNet+: CsiNet with larger kernels and five refinements.

Guo, Wen, Jin, Li, "Convolutional neural network-based multiple-rate compressive sensing
for massive MIMO CSI feedback" (TWC 2020, arXiv:1906.06007). The encoder is two 7 x 7
convolutions and a dense layer. The decoder is a dense layer, a 7 x 7 convolution with a
sigmoid, and five RefineNet+ blocks (7 x 7, 5 x 5 and 3 x 3 convolutions, the last with
tanh, added to their input); there is no last convolution.

Deviations: the scale of the CSI, see `tfcsi.models.blocks`, which also divides what a
block adds. There is no official code; the convolutions have no bias, as in a public
port, which is the reading that gives all four published sizes as rounded there. A ReLU
stands once, at the end; a port has one behind each block. The multiple-rate variants
are left out.
"""

from __future__ import annotations

import tensorflow as tf
from tensorflow.keras import layers

from tfcsi.models.blocks import (
    GAIN,
    conv_bn,
    from_codeword,
    leaky,
    scale_in,
    to_codeword,
)
from tfcsi.models.contract import Model
from tfcsi.models.csinet import bound, check


def encoder(
    shape: tuple[int, int],
    latent_dim: int,
    activation: str = "linear",
    blocks: int = 5,
    latent: str = "dense",
) -> tf.keras.Model:
    """Returns the UE network x -> y.

    Args:
      shape: (num_tx, num_delay).
      latent_dim: Length of the codeword y.
      activation: Activation of the codeword: "linear", "sigmoid" or "tanh".
      blocks: RefineNet+ blocks of the decoder; not used here.
      latent: "dense", or "conv" for a convolutional codeword layer.

    Returns:
      Keras model, float32 [n, num_tx, num_delay, 2] -> float32 [n, latent_dim].

    Raises:
      ValueError: If an argument does not fit; the message names it.
    """
    check(shape, activation, latent_dim=latent_dim, blocks=blocks)
    x_in = layers.Input((*shape, 2), name="x")
    x = leaky(conv_bn(scale_in(x_in), 2, 7, name="conv1"))
    x = leaky(conv_bn(x, 2, 7, name="conv2"))
    y = bound(to_codeword(x, latent_dim, latent), activation)
    return tf.keras.Model(x_in, y, name="csinet_plus_encoder")


def decoder(
    shape: tuple[int, int],
    latent_dim: int,
    activation: str = "linear",
    blocks: int = 5,
    latent: str = "dense",
) -> tf.keras.Model:
    """Returns the BS network y_hat -> x_hat.

    Args:
      shape: (num_tx, num_delay).
      latent_dim: Length of the codeword.
      activation: Activation of the codeword, as in the encoder; not used here.
      blocks: RefineNet+ blocks.
      latent: "dense" or "conv", as in the encoder.

    Returns:
      Keras model, float32 [n, latent_dim] -> float32 [n, num_tx, num_delay, 2].

    Raises:
      ValueError: If an argument does not fit; the message names it.
    """
    check(shape, activation, latent_dim=latent_dim, blocks=blocks)
    y_in = layers.Input((latent_dim,), name="y_hat")
    x_hat = decode(y_in, shape, blocks, latent)
    return tf.keras.Model(y_in, x_hat, name="csinet_plus_decoder")


def decode(y, shape, blocks: int, latent: str):
    """The decoder of CsiNet+ as a function of a tensor.

    Args:
      y: float32 [n, latent_dim], the codeword.
      shape: (num_tx, num_delay).
      blocks: Number of RefineNet+ blocks.
      latent: "dense" or "conv", as in the encoder.

    Returns:
      float32 [n, num_tx, num_delay, 2], zero-centred CSI.
    """
    x = conv_bn(from_codeword(y, shape, latent), 2, 7, name="stem")
    x = layers.Activation("sigmoid")(layers.Rescaling(4 / GAIN, name="gain")(x))
    for i in range(blocks):
        x = _refine_net_plus(x, f"refine{i + 1}")
    return layers.Rescaling(1.0, -0.5, name="scale_out")(layers.ReLU()(x))


def _refine_net_plus(x, name: str):
    y = leaky(conv_bn(x, 8, 7, name=f"{name}_conv1"))
    y = leaky(conv_bn(y, 16, 5, name=f"{name}_conv2"))
    y = conv_bn(y, 2, 3, name=f"{name}_conv3")
    y = layers.Rescaling(1 / GAIN, name=f"{name}_gain")(y)
    return layers.Add()([x, layers.Activation("tanh")(y)])


MODEL = Model("csinet_plus", encoder, decoder)
