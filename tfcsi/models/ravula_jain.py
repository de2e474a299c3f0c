"""Ravula and Jain: a small convolutional autoencoder with an entropy bottleneck.

The layer list is not public. This is the simplest network that fits the paper's text.
Ravula, Jain, "Deep autoencoder-based massive MIMO CSI feedback with quantization and
entropy coding" (GLOBECOM 2021), the "Baseline 1" of STQENet's paper: a convolutional
autoencoder trained together with an entropy bottleneck, which both quantises the
codeword and codes it (`tfcsi.entropy.priors`, prior "factorized").

The encoder is 5 x 5 convolutions of stride 2 with LeakyReLU between them, the decoder
their transposes. The codeword is the last feature map, so that there are no dense
layers; its channels are what `latent_dim` asks for.

Deviations: numbers, widths, kernels and activations are ours. The scale of CSI in the
paper is not known; here a fixed gain brings peak-scaled CSI to about unit variance.
"""

from __future__ import annotations

import tensorflow as tf
from tensorflow.keras import layers

from tfcsi.models.blocks import leaky
from tfcsi.models.contract import Model
from tfcsi.models.csinet import check

_GAIN = 32.0  # Peak-scaled CSI has about unit energy over 2 num_tx num_delay reals.


def encoder(
    shape: tuple[int, int], latent_dim: int, filters: int = 32, stages: int = 3
) -> tf.keras.Model:
    """Returns the UE network x -> y.

    Args:
      shape: (num_tx, num_delay), both divisible by 2^stages.
      latent_dim: Length of the codeword y, a multiple of the entries
        num_tx num_delay / 4^stages of the last feature map.
      filters: Channels of the layers between.
      stages: Convolutions of stride 2.

    Returns:
      Keras model, float32 [n, num_tx, num_delay, 2] -> float32 [n, latent_dim].

    Raises:
      ValueError: If an argument does not fit; the message names it.
    """
    _, _, code = _code_map(shape, latent_dim, filters, stages)
    x_in = layers.Input((*shape, 2), name="x")
    x = layers.Rescaling(_GAIN, name="scale")(x_in)
    for i in range(stages - 1):
        x = leaky(_halve(filters, f"conv{i + 1}")(x))
    x = _halve(code, f"conv{stages}")(x)
    return tf.keras.Model(
        x_in, layers.Flatten(name="codeword")(x), name="ravula_jain_encoder"
    )


def decoder(
    shape: tuple[int, int], latent_dim: int, filters: int = 32, stages: int = 3
) -> tf.keras.Model:
    """Returns the BS network y_hat -> x_hat.

    Args:
      shape: (num_tx, num_delay), both divisible by 2^stages.
      latent_dim: Length of the codeword.
      filters: Channels of the layers between.
      stages: Transposed convolutions of stride 2.

    Returns:
      Keras model, float32 [n, latent_dim] -> float32 [n, num_tx, num_delay, 2].

    Raises:
      ValueError: If an argument does not fit; the message names it.
    """
    code_map = _code_map(shape, latent_dim, filters, stages)
    y_in = layers.Input((latent_dim,), name="y_hat")
    x = layers.Reshape(code_map)(y_in)
    for i in range(stages - 1):
        x = leaky(_double(filters, f"conv{i + 1}")(x))
    x = _double(2, f"conv{stages}")(x)
    x_hat = layers.Rescaling(1.0 / _GAIN, name="unscale")(x)
    return tf.keras.Model(y_in, x_hat, name="ravula_jain_decoder")


def _halve(filters: int, name: str) -> layers.Layer:
    return layers.Conv2D(filters, 5, strides=2, padding="same", name=name)


def _double(filters: int, name: str) -> layers.Layer:
    return layers.Conv2DTranspose(filters, 5, strides=2, padding="same", name=name)


def _code_map(shape, latent_dim: int, filters: int, stages: int):
    """Height, width and channels of the last feature map."""
    check(shape, latent_dim=latent_dim, filters=filters, stages=stages)
    if any(side % 2**stages for side in shape):
        raise ValueError(
            f"shape is {tuple(shape)}; (num_tx, num_delay) must both be divisible by "
            f"2^stages = {2**stages}"
        )
    height, width = (side // 2**stages for side in shape)
    if latent_dim % (height * width):
        raise ValueError(
            f"latent_dim is {latent_dim}; it must be a multiple of {height * width}, "
            f"the entries of the last feature map: change it or stages, {stages}"
        )
    return height, width, latent_dim // (height * width)


MODEL = Model("ravula_jain", encoder, decoder)
