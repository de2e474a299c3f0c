"""DeepCMC: a fully convolutional codec.

The layer list is that of a public re-implementation; the authors have not confirmed it.

DeepCMC (Mashhadi, Yang, Gunduz, "Distributed Deep Convolutional Compression for Massive
MIMO CSI Feedback", arXiv:2003.04684; first arXiv:1907.02942). Wide convolutions bring
the CSI down by 16 along each axis, and the small map, not a dense layer's result, is
quantised and entropy-coded. The decoder mirrors them around two residual blocks. The
network is meant to be trained with the prior in the loss (``prior="factorized"``).

Deviations: the paper works in space and frequency and lets the shape vary; here the
shape is static. The paper's map has `width` channels; here `latent_dim` sets their
number: latent_dim / (num_tx / 16 num_delay / 16). The encoder's 5 x 5 convolutions are
strided; the re-implementation has a strided 3 x 3 after each instead. Convolutions
before a normalisation have no bias. The codec's quantiser and entropy coder replace the
paper's context-adaptive coder.
"""

from __future__ import annotations

import tensorflow as tf
from tensorflow.keras import layers

from tfcsi.models.blocks import BatchNormalization, conv_bn, leaky, scale_in, scale_out
from tfcsi.models.contract import Model

_DOWN = 16
_SLOPE = 0.1


def encoder(
    shape: tuple[int, int], latent_dim: int, width: int = 256
) -> tf.keras.Model:
    """Returns the UE network x -> y.

    Args:
      shape: (num_tx, num_delay), both multiples of 16.
      latent_dim: Length of the codeword y, the flat map: a multiple of its positions,
        num_tx / 16 num_delay / 16.
      width: Channels of the convolutions.

    Returns:
      Keras model, float32 [n, num_tx, num_delay, 2] -> float32 [n, latent_dim].

    Raises:
      ValueError: If an argument does not fit; the message names it.
    """
    *_, channels = _map_shape(shape, latent_dim, width)
    x_in = layers.Input((*shape, 2), name="x")
    x = layers.Conv2D(width, 9, padding="same", name="conv9")(scale_in(x_in))
    # TFLite's XNNPACK gets "same" wrong where the stride exceeds the kernel; no pixel
    # of padding is needed there, so "valid" is the same.
    x = layers.Conv2D(width, 3, strides=4, use_bias=False, name="down4")(x)
    x = BatchNormalization(momentum=0.9, epsilon=1e-5, name="down4_bn")(x)
    x = _activated(leaky(x, _SLOPE), width, "down2", strides=2)
    x = _activated(x, channels, "code", strides=2)
    y = layers.Flatten(name="codeword")(x)
    return tf.keras.Model(x_in, y, name="deepcmc_encoder")


def decoder(
    shape: tuple[int, int], latent_dim: int, width: int = 256
) -> tf.keras.Model:
    """Returns the BS network y_hat -> x_hat.

    Args:
      shape: (num_tx, num_delay), both multiples of 16.
      latent_dim: Length of the codeword.
      width: Channels of the convolutions.

    Returns:
      Keras model, float32 [n, latent_dim] -> float32 [n, num_tx, num_delay, 2].

    Raises:
      ValueError: If an argument does not fit; the message names it.
    """
    map_shape = _map_shape(shape, latent_dim, width)
    y_in = layers.Input((latent_dim,), name="y_hat")
    x = layers.Reshape(map_shape)(y_in)
    x = _activated(_up(x, width, 2, "up2a"), width, "conv5a")
    skip = x
    for i in range(2):
        y = _activated(x, width, f"residual{i}_conv0")
        x = layers.Add()([x, _activated(y, width, f"residual{i}_conv1")])
    x = layers.Add()([x, skip])
    x = _activated(_up(x, width, 2, "up2b"), width, "conv5b")
    x = _up(x, width, 4, "up4")
    x = layers.Conv2D(2, 9, padding="same", name="conv9")(x)
    return tf.keras.Model(y_in, scale_out(x, "tanh"), name="deepcmc_decoder")


def _activated(x, filters: int, name: str, strides: int = 1):
    return leaky(conv_bn(x, filters, 5, name=name, strides=strides), _SLOPE)


def _up(x, filters: int, strides: int, name: str):
    return layers.Conv2DTranspose(
        filters, 3, strides=strides, padding="same", name=name
    )(x)


def _map_shape(shape, latent_dim: int, width: int) -> tuple[int, int, int]:
    """Returns (height, width, channels) of the latent map."""
    if width < 1:
        raise ValueError(f"width is {width}; it must be at least 1")
    if len(shape) != 2 or any(side < 1 or side % _DOWN for side in shape):
        raise ValueError(
            f"shape is {tuple(shape)}; (num_tx, num_delay) must be multiples of {_DOWN}"
        )
    sides = shape[0] // _DOWN, shape[1] // _DOWN
    positions = sides[0] * sides[1]
    if latent_dim < 1 or latent_dim % positions:
        raise ValueError(
            f"latent_dim is {latent_dim}; it must be a multiple of the {positions} "
            f"positions of the latent map of {shape[0]} x {shape[1]}"
        )
    return *sides, latent_dim // positions


MODEL = Model("deepcmc", encoder, decoder)
