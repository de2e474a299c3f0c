"""DNNet in front of CsiNet's decoder: feedback over a noisy channel.

Ye, Gao, Qian, Wang, Li, "Deep learning-based denoise network for CSI feedback in FDD
massive MIMO systems" (IEEE CommL 2020, arXiv:2004.07576). A noise extraction unit, a
chain of dense layers with sigmoids and a linear last one, estimates the noise of the
received codeword, which is subtracted from it; CsiNet's decoder sees the difference.

Training is in two stages. The first fits the layers whose names begin with "denoise_"
so that the layer "denoised" gives the clean codeword from the noisy one:

    denoise = tf.keras.Model(decoder.input, decoder.get_layer("denoised").output)

The second trains encoder and decoder together.

Deviations: the widths of the hidden layers are those of the paper's example and not
scaled with the codeword; the scale of the CSI, see `tfcsi.models.blocks`. The channel
adds the noise, not the networks.
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
    hidden: tuple[int, ...] = (1024, 1024),
    blocks: int = 2,
    latent: str = "dense",
) -> tf.keras.Model:
    """Returns the UE network x -> y, which is that of CsiNet.

    Args:
      shape: (num_tx, num_delay).
      latent_dim: Length of the codeword y.
      hidden: Widths of the noise extraction unit; not used here.
      blocks: RefineNets of the decoder; not used here.
      latent: "dense", or "conv" for a convolutional codeword layer.

    Returns:
      Keras model, float32 [n, num_tx, num_delay, 2] -> float32 [n, latent_dim].

    Raises:
      ValueError: If an argument does not fit; the message names it.
    """
    csinet.check_widths("hidden", hidden)
    return csinet.encoder(shape, latent_dim, blocks=blocks, latent=latent)


def decoder(
    shape: tuple[int, int],
    latent_dim: int,
    hidden: tuple[int, ...] = (1024, 1024),
    blocks: int = 2,
    latent: str = "dense",
) -> tf.keras.Model:
    """Returns the BS network y_hat -> x_hat.

    Args:
      shape: (num_tx, num_delay).
      latent_dim: Length of the codeword.
      hidden: Widths of the hidden layers of the noise extraction unit.
      blocks: RefineNets.
      latent: "dense" or "conv", as in the encoder.

    Returns:
      Keras model, float32 [n, latent_dim] -> float32 [n, num_tx, num_delay, 2].

    Raises:
      ValueError: If an argument does not fit; the message names it.
    """
    csinet.check(shape, latent_dim=latent_dim, blocks=blocks)
    csinet.check_widths("hidden", hidden)
    y_in = layers.Input((latent_dim,), name="y_hat")
    y = layers.Subtract(name="denoised")([y_in, _noise_extraction_unit(y_in, hidden)])
    x_hat = csinet.reconstruct(from_codeword(y, shape, latent), blocks)
    return tf.keras.Model(y_in, x_hat, name="csinet_dnnet_decoder")


def _noise_extraction_unit(y, hidden):
    """The noise of a received codeword, of the codeword's length."""
    noise = y
    for i, width in enumerate(hidden):
        name = f"denoise_hidden{i + 1}"
        noise = layers.Dense(width, activation="sigmoid", name=name)(noise)
    return layers.Dense(y.shape[-1], name="denoise_out")(noise)


MODEL = Model("csinet_dnnet", encoder, decoder)
