"""CsiNet-Pro: CsiNet with wide 7 x 7 convolutions on both sides.

Liu, del Rosario, Ding, "A Markovian model-driven deep learning framework for massive
MIMO CSI feedback" (TWC 2022, arXiv:2009.09468), first slot; layers as in the group's
`csinet-quant`. The encoder is four 7 x 7 convolutions to 16, 8, 4 and 2 channels and a
dense layer; the decoder is a dense layer and the same four convolutions, the last with
tanh and without batch normalisation. There are no residual blocks.

Deviations: the scale of the CSI, see `tfcsi.models.blocks`. MarkovNet's spherical
normalisation and its later slots, which encode differences in time, are left out.
"""

from __future__ import annotations

import tensorflow as tf
from tensorflow.keras import layers

from tfcsi.models.blocks import (
    conv_bn,
    from_codeword,
    leaky,
    scale_in,
    scale_out,
    to_codeword,
)
from tfcsi.models.contract import Model
from tfcsi.models.csinet import check, check_widths


def encoder(
    shape: tuple[int, int],
    latent_dim: int,
    widths: tuple[int, ...] = (16, 8, 4, 2),
    latent: str = "dense",
) -> tf.keras.Model:
    """Returns the UE network x -> y.

    Args:
      shape: (num_tx, num_delay).
      latent_dim: Length of the codeword y.
      widths: Channels of the convolutions; the last are 2.
      latent: "dense", or "conv" for a convolutional codeword layer.

    Returns:
      Keras model, float32 [n, num_tx, num_delay, 2] -> float32 [n, latent_dim].

    Raises:
      ValueError: If an argument does not fit; the message names it.
    """
    _check(shape, latent_dim, widths)
    x_in = layers.Input((*shape, 2), name="x")
    x = _convolutions(scale_in(x_in), widths)
    y = to_codeword(x, latent_dim, latent)
    return tf.keras.Model(x_in, y, name="csinet_pro_encoder")


def decoder(
    shape: tuple[int, int],
    latent_dim: int,
    widths: tuple[int, ...] = (16, 8, 4, 2),
    latent: str = "dense",
) -> tf.keras.Model:
    """Returns the BS network y_hat -> x_hat.

    Args:
      shape: (num_tx, num_delay).
      latent_dim: Length of the codeword.
      widths: Channels of the convolutions; the last are 2.
      latent: "dense" or "conv", as in the encoder.

    Returns:
      Keras model, float32 [n, latent_dim] -> float32 [n, num_tx, num_delay, 2].

    Raises:
      ValueError: If an argument does not fit; the message names it.
    """
    _check(shape, latent_dim, widths)
    y_in = layers.Input((latent_dim,), name="y_hat")
    x = _convolutions(from_codeword(y_in, shape, latent), widths[:-1])
    x = layers.Conv2D(2, 7, padding="same", name="out")(x)
    return tf.keras.Model(y_in, scale_out(x, "tanh"), name="csinet_pro_decoder")


def _convolutions(x, widths):
    for i, width in enumerate(widths):
        x = leaky(conv_bn(x, width, 7, use_bias=True, name=f"conv{i + 1}"), 0.1)
    return x


def _check(shape, latent_dim: int, widths) -> None:
    check(shape, latent_dim=latent_dim)
    check_widths("widths", widths)
    if not widths or widths[-1] != 2:
        raise ValueError(
            f"widths is {tuple(widths)}; it must end in 2, the real and imaginary parts"
        )


MODEL = Model("csinet_pro", encoder, decoder)
