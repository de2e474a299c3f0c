"""CsiNet+DNN: CsiNet with more dense layers at the base station.

The layer list is not public. This is the simplest network that fits the paper's text.
Zhang, Zhang, Liu (IEEE WCL 2021): for high compression, CsiNet's decoder gets further
dense layers, and another activation, in front of its RefineNets.

Deviations: the number and widths of the dense layers and their tanh, which also follows
the layer that makes the image, are ours. The encoder is CsiNet's. `tfcsi.models.blocks`
explains the scale of the CSI.
"""

from __future__ import annotations

import tensorflow as tf
from tensorflow.keras import layers

from tfcsi.models import csinet
from tfcsi.models.blocks import from_codeword
from tfcsi.models.contract import Model


def encoder(
    shape: tuple[int, int],
    latent_dim: int,
    hidden: tuple[int, ...] = (1024,),
    activation: str = "tanh",
    blocks: int = 2,
    latent: str = "dense",
) -> tf.keras.Model:
    """Returns the UE network x -> y, which is that of CsiNet.

    Args:
      shape: (num_tx, num_delay).
      latent_dim: Length of the codeword y.
      hidden: Widths of the decoder's further dense layers; not used here.
      activation: Activation of the decoder's dense layers; not used here.
      blocks: RefineNets of the decoder; not used here.
      latent: "dense", or "conv" for a convolutional codeword layer.

    Returns:
      Keras model, float32 [n, num_tx, num_delay, 2] -> float32 [n, latent_dim].

    Raises:
      ValueError: If an argument does not fit; the message names it.
    """
    _check(shape, latent_dim, hidden, activation, blocks, latent)
    return csinet.encoder(shape, latent_dim, blocks=blocks, latent=latent)


def decoder(
    shape: tuple[int, int],
    latent_dim: int,
    hidden: tuple[int, ...] = (1024,),
    activation: str = "tanh",
    blocks: int = 2,
    latent: str = "dense",
) -> tf.keras.Model:
    """Returns the BS network y_hat -> x_hat.

    Args:
      shape: (num_tx, num_delay).
      latent_dim: Length of the codeword.
      hidden: Widths of the further dense layers.
      activation: Activation of the dense layers: "linear", "sigmoid" or "tanh".
      blocks: RefineNets.
      latent: "dense" or "conv", as in the encoder; with "conv" the last of `hidden`
        must be a multiple of num_delay.

    Returns:
      Keras model, float32 [n, latent_dim] -> float32 [n, num_tx, num_delay, 2].

    Raises:
      ValueError: If an argument does not fit; the message names it.
    """
    _check(shape, latent_dim, hidden, activation, blocks, latent)
    y = y_in = layers.Input((latent_dim,), name="y_hat")
    for i, width in enumerate(hidden):
        y = layers.Dense(width, activation=activation, name=f"dense{i + 1}")(y)
    image = layers.Activation(activation)(from_codeword(y, shape, latent))
    x_hat = csinet.reconstruct(image, blocks)
    return tf.keras.Model(y_in, x_hat, name="csinet_dnn_decoder")


def _check(shape, latent_dim, hidden, activation, blocks, latent) -> None:
    csinet.check(shape, activation, latent_dim=latent_dim, blocks=blocks)
    csinet.check_widths("hidden", hidden)
    if latent == "conv" and hidden and hidden[-1] % shape[1]:
        raise ValueError(
            f"hidden is {tuple(hidden)}; latent='conv' takes a last width that is a "
            f"multiple of num_delay, {shape[1]}"
        )


MODEL = Model("csinet_dnn", encoder, decoder)
