"""BACRNet: ACRNet with 1-bit weights in the encoder's dense layer.

BACRNet (Lu, Zhang, He, Wang, Song, TWC 2022, arXiv:2105.00354). The networks are those
of ACRNet, but the encoder's dense layer has weights sign(w) times the mean |w| of the
output unit. The number of trainable parameters is that of ACRNet; the paper's "71 K"
counts a binary weight as 1/32.

Deviations: the code of the binariser and of the learned feature quantiser was never
released. The gradient passes straight through the binarisation, see
`tfcsi.models.binary`. The quantiser of the codec quantises the codeword.
"""

from __future__ import annotations

import tensorflow as tf
from tensorflow.keras import layers

from tfcsi.models import acrnet
from tfcsi.models.binary import check_dense, to_binary_codeword
from tfcsi.models.blocks import scale_in
from tfcsi.models.contract import Model
from tfcsi.models.csinet import check


def encoder(
    shape: tuple[int, int], latent_dim: int, expansion: int = 1, latent: str = "dense"
) -> tf.keras.Model:
    """Returns the UE network x -> y.

    Args:
      shape: (num_tx, num_delay).
      latent_dim: Length of the codeword y.
      expansion: Width of the decoder's blocks; the encoder does not depend on it.
      latent: "dense"; there is no other.

    Returns:
      Keras model, float32 [n, num_tx, num_delay, 2] -> float32 [n, latent_dim].

    Raises:
      ValueError: If an argument does not fit; the message names it.
    """
    check(shape, latent_dim=latent_dim, expansion=expansion)
    x_in = layers.Input((*shape, 2), name="x")
    y = to_binary_codeword(acrnet.features(scale_in(x_in)), latent_dim, latent)
    return tf.keras.Model(x_in, y, name="bacrnet_encoder")


def decoder(
    shape: tuple[int, int], latent_dim: int, expansion: int = 1, latent: str = "dense"
) -> tf.keras.Model:
    """Returns the BS network y_hat -> x_hat, which is ACRNet's.

    Args:
      shape: (num_tx, num_delay).
      latent_dim: Length of the codeword.
      expansion: Width of the blocks, times 8 channels; published are 1 to 20.
      latent: "dense"; there is no other.

    Returns:
      Keras model, float32 [n, latent_dim] -> float32 [n, num_tx, num_delay, 2].

    Raises:
      ValueError: If an argument does not fit; the message names it.
    """
    check_dense(latent)
    return acrnet.decoder(shape, latent_dim, expansion)


MODEL = Model("bacrnet", encoder, decoder)
