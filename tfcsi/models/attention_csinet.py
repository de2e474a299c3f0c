"""Attention-CsiNet: CsiNet with channel attention.

The layer list is not public. This is the simplest network that fits the paper's text.
Cai, Dong, Niu, "Attention model for massive MIMO CSI compression feedback and recovery"
(WCNC 2019): CsiNet whose feature maps are weighted by squeeze-and-excitation (the mean
of each map, two small layers, a sigmoid gate a map). Here the gates follow the
encoder's convolution and the widest layer of each RefineNet.

Deviations: which maps are gated, the reduction of the gates and their LeakyReLU are
ours. The paper also describes an LSTM in place of the dense layers; only the
feed-forward network is here. `tfcsi.models.blocks` explains the scale of the CSI.
"""

from __future__ import annotations

import tensorflow as tf
from tensorflow.keras import layers

from tfcsi.models.blocks import from_codeword, leaky, to_codeword
from tfcsi.models.contract import Model
from tfcsi.models.csinet import check, features, reconstruct, refine_net


def encoder(
    shape: tuple[int, int],
    latent_dim: int,
    reduction: int = 4,
    blocks: int = 2,
    latent: str = "dense",
) -> tf.keras.Model:
    """Returns the UE network x -> y.

    Args:
      shape: (num_tx, num_delay).
      latent_dim: Length of the codeword y.
      reduction: Number of feature maps divided by hidden units of a gate.
      blocks: RefineNets of the decoder; not used here.
      latent: "dense", or "conv" for a convolutional codeword layer.

    Returns:
      Keras model, float32 [n, num_tx, num_delay, 2] -> float32 [n, latent_dim].

    Raises:
      ValueError: If an argument does not fit; the message names it.
    """
    check(shape, latent_dim=latent_dim, reduction=reduction, blocks=blocks)
    x_in = layers.Input((*shape, 2), name="x")
    x = _attention(features(x_in), reduction, "attention")
    y = to_codeword(x, latent_dim, latent)
    return tf.keras.Model(x_in, y, name="attention_csinet_encoder")


def decoder(
    shape: tuple[int, int],
    latent_dim: int,
    reduction: int = 4,
    blocks: int = 2,
    latent: str = "dense",
) -> tf.keras.Model:
    """Returns the BS network y_hat -> x_hat.

    Args:
      shape: (num_tx, num_delay).
      latent_dim: Length of the codeword.
      reduction: Number of feature maps divided by hidden units of a gate.
      blocks: RefineNets.
      latent: "dense" or "conv", as in the encoder.

    Returns:
      Keras model, float32 [n, latent_dim] -> float32 [n, num_tx, num_delay, 2].

    Raises:
      ValueError: If an argument does not fit; the message names it.
    """
    check(shape, latent_dim=latent_dim, reduction=reduction, blocks=blocks)

    def block(x, name):
        attention = f"{name}_attention"
        return refine_net(x, name, lambda y: _attention(y, reduction, attention))

    y_in = layers.Input((latent_dim,), name="y_hat")
    x_hat = reconstruct(from_codeword(y_in, shape, latent), blocks, block)
    return tf.keras.Model(y_in, x_hat, name="attention_csinet_decoder")


def _attention(x, reduction: int, name: str):
    """Squeeze and excitation: each map times a gate in (0, 1)."""
    channels = x.shape[-1]
    gate = layers.GlobalAveragePooling2D(keepdims=True)(x)
    hidden = max(1, channels // reduction)
    gate = leaky(layers.Conv2D(hidden, 1, name=f"{name}_squeeze")(gate))
    gate = layers.Conv2D(channels, 1, activation="sigmoid", name=f"{name}_excite")(gate)
    return layers.Multiply()([x, gate])


MODEL = Model("attention_csinet", encoder, decoder)
