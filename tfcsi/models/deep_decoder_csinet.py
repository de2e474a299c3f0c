"""Deep Decoder CsiNet: CsiNet with a very deep decoder.

The layer list is not public. This is the simplest network that fits the paper's text.
Chakma et al. (IEEE WCL 2023): a light encoder, here CsiNet's, and a decoder that is
much deeper than the encoder, here CsiNet's with twenty RefineNets.

Deviations: the number of blocks is ours. Others report 1.24 M parameters for the paper
and 34 M or more than 50 M operations. On 32 x 32 at CR 8 twenty blocks have 1.08 M
parameters and 33.6 M multiplications (thirty blocks: 49.8 M). A weight of a convolution
costs 1024 multiplications there, so no chain of such blocks has both reported figures.
`tfcsi.models.blocks` explains the scale of the CSI.
"""

from __future__ import annotations

import tensorflow as tf

from tfcsi.models import csinet
from tfcsi.models.contract import Model


def encoder(
    shape: tuple[int, int],
    latent_dim: int,
    blocks: int = 20,
    latent: str = "dense",
) -> tf.keras.Model:
    """Returns the UE network x -> y, which is that of CsiNet.

    Args:
      shape: (num_tx, num_delay).
      latent_dim: Length of the codeword y.
      blocks: RefineNets of the decoder; not used here.
      latent: "dense", or "conv" for a convolutional codeword layer.

    Returns:
      Keras model, float32 [n, num_tx, num_delay, 2] -> float32 [n, latent_dim].

    Raises:
      ValueError: If an argument does not fit; the message names it.
    """
    return csinet.encoder(shape, latent_dim, blocks=blocks, latent=latent)


def decoder(
    shape: tuple[int, int],
    latent_dim: int,
    blocks: int = 20,
    latent: str = "dense",
) -> tf.keras.Model:
    """Returns the BS network y_hat -> x_hat.

    Args:
      shape: (num_tx, num_delay).
      latent_dim: Length of the codeword.
      blocks: RefineNets.
      latent: "dense" or "conv", as in the encoder.

    Returns:
      Keras model, float32 [n, latent_dim] -> float32 [n, num_tx, num_delay, 2].

    Raises:
      ValueError: If an argument does not fit; the message names it.
    """
    return csinet.decoder(shape, latent_dim, blocks=blocks, latent=latent)


MODEL = Model("deep_decoder_csinet", encoder, decoder)
