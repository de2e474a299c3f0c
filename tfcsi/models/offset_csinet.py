"""CsiNet+ with an offset network behind the quantiser.

The layer list of the offset network is not public. This is the simplest network that
fits the paper's text. Chen, Guo, Jin, Wen, Li, "A novel quantization method for deep
learning-based massive MIMO CSI feedback" (GlobalSIP 2019), the "Baseline 2" of
STQENet's paper: the codeword is bounded, companded by the mu-law and quantised
(`tfcsi.entropy.quantizers`). At the base station a residual network of dense layers
corrects the quantised codeword before an ordinary decoder, here that of CsiNet+, reads
it.

Training is in three stages: the pair without a quantiser; then, with the quantiser,
only the layers whose names begin with "offset_"; then everything. The last layer of the
offset network starts at zero, so that the second stage starts from the pair of the
first one. For the same reason the very first step moves that layer alone.

Deviations: the offset network's one hidden layer, as wide as the codeword, and its ReLU
are ours, as is the choice of CsiNet+. `tfcsi.models.blocks` explains the scale of the
CSI.
"""

from __future__ import annotations

import tensorflow as tf
from tensorflow.keras import layers

from tfcsi.models import csinet_plus
from tfcsi.models.contract import Model
from tfcsi.models.csinet import check, check_widths


def encoder(
    shape: tuple[int, int],
    latent_dim: int,
    activation: str = "tanh",
    hidden: tuple[int, ...] | None = None,
    blocks: int = 5,
    latent: str = "dense",
) -> tf.keras.Model:
    """Returns the UE network x -> y, which is that of CsiNet+.

    Args:
      shape: (num_tx, num_delay).
      latent_dim: Length of the codeword y.
      activation: Activation of the codeword: "tanh", "sigmoid", or "linear" for none.
      hidden: Widths of the offset network's hidden layers; not used here.
      blocks: RefineNet+ blocks of the decoder; not used here.
      latent: "dense", or "conv" for a convolutional codeword layer.

    Returns:
      Keras model, float32 [n, num_tx, num_delay, 2] -> float32 [n, latent_dim].

    Raises:
      ValueError: If an argument does not fit; the message names it.
    """
    check_widths("hidden", hidden or ())
    return csinet_plus.encoder(shape, latent_dim, activation, blocks, latent)


def decoder(
    shape: tuple[int, int],
    latent_dim: int,
    activation: str = "tanh",
    hidden: tuple[int, ...] | None = None,
    blocks: int = 5,
    latent: str = "dense",
) -> tf.keras.Model:
    """Returns the BS network y_hat -> x_hat.

    Args:
      shape: (num_tx, num_delay).
      latent_dim: Length of the codeword.
      activation: Activation of the codeword, as in the encoder; not used here.
      hidden: Widths of the offset network's hidden layers; None for one layer as wide
        as the codeword.
      blocks: RefineNet+ blocks.
      latent: "dense" or "conv", as in the encoder.

    Returns:
      Keras model, float32 [n, latent_dim] -> float32 [n, num_tx, num_delay, 2].

    Raises:
      ValueError: If an argument does not fit; the message names it.
    """
    check(shape, activation, latent_dim=latent_dim, blocks=blocks)
    hidden = (latent_dim,) if hidden is None else hidden
    check_widths("hidden", hidden)
    y_in = layers.Input((latent_dim,), name="y_hat")
    x_hat = csinet_plus.decode(_offset(y_in, hidden), shape, blocks, latent)
    return tf.keras.Model(y_in, x_hat, name="offset_csinet_decoder")


def _offset(y, hidden):
    """The codeword plus an offset that starts at zero."""
    offset = y
    for i, width in enumerate(hidden):
        name = f"offset_hidden{i + 1}"
        offset = layers.Dense(width, activation="relu", name=name)(offset)
    last = layers.Dense(y.shape[-1], kernel_initializer="zeros", name="offset_out")
    return layers.Add(name="offset_sum")([y, last(offset)])


MODEL = Model("offset_csinet", encoder, decoder)
