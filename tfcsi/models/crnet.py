"""CRNet: convolutions at two resolutions, side by side.

CRNet (Lu, Wang, Song, "Multi-resolution CSI Feedback with Deep Learning in Massive
MIMO System", ICC 2020, arXiv:1910.14322). The encoder joins a path of long kernels
(3 x 3, 1 x 9, 9 x 1) with a 3 x 3 convolution. The decoder refines a linear estimate by
two residual CRBlocks of the same idea. At CR 4 on 32 x 32 the pair has 2 102 838
parameters and the UE 1 049 260 of them.

Deviations: the scale of the CSI and with it the padding of the border, see
`tfcsi.models.blocks`. ``latent="conv"`` is the variant of CLLWCsiNet's authors
(CLCRNet), without dense layers: 10 438 parameters at CR 8; ours has no activation
behind the two 1 x 7 convolutions. ``form="released"`` is the released network itself.
The default is ours because it learns in a few epochs.
"""

from __future__ import annotations

import tensorflow as tf
from tensorflow.keras import layers

from tfcsi.models.blocks import (
    check_form,
    conv_bn,
    from_codeword,
    leaky,
    scale_in,
    scale_out,
    to_codeword,
)
from tfcsi.models.contract import Model
from tfcsi.models.csinet import check
from tfcsi.models.releases import Release


def encoder(
    shape: tuple[int, int],
    latent_dim: int,
    latent: str = "dense",
    form: str = "tfcsi",
) -> tf.keras.Model:
    """Returns the UE network x -> y.

    Args:
      shape: (num_tx, num_delay).
      latent_dim: Length of the codeword y.
      latent: "dense", or "conv" (latent_dim a multiple of num_delay).
      form: "tfcsi" or "released", see `tfcsi.models.blocks`.

    Returns:
      Keras model, float32 [n, num_tx, num_delay, 2] -> float32 [n, latent_dim].

    Raises:
      ValueError: If an argument does not fit; the message names it.
    """
    check(shape, latent_dim=latent_dim)
    check_form(form)
    x_in = layers.Input((*shape, 2), name="x")
    x = scale_in(x_in, form)
    long = long_path(x, 2, "path1")
    short = conv_bn(x, 2, 3, name="path2_3x3")
    x = leaky(layers.Concatenate()([long, short]))
    x = leaky(conv_bn(x, 2, 1, name="merge"))
    return tf.keras.Model(
        x_in, to_codeword(x, latent_dim, latent, form=form), name="crnet_encoder"
    )


def decoder(
    shape: tuple[int, int],
    latent_dim: int,
    latent: str = "dense",
    form: str = "tfcsi",
) -> tf.keras.Model:
    """Returns the BS network y_hat -> x_hat.

    Args:
      shape: (num_tx, num_delay).
      latent_dim: Length of the codeword.
      latent: "dense" or "conv", as in the encoder.
      form: As in the encoder.

    Returns:
      Keras model, float32 [n, latent_dim] -> float32 [n, num_tx, num_delay, 2].

    Raises:
      ValueError: If an argument does not fit; the message names it.
    """
    check(shape, latent_dim=latent_dim)
    check_form(form)
    y_in = layers.Input((latent_dim,), name="y_hat")
    x = from_codeword(y_in, shape, latent, form=form)
    x = leaky(conv_bn(x, 2, 5, name="stem"))
    for i in range(2):
        x = cr_block(x, f"block{i}")
    x = scale_out(x, "sigmoid", form)
    return tf.keras.Model(y_in, x, name="crnet_decoder")


def cr_block(x, name_prefix: str, length: int = 9):
    """CRBlock: a path of long kernels beside one of short kernels, residual.

    Args:
      x: float32 [n, num_tx, num_delay, 2].
      name_prefix: Prefix of the names of its layers.
      length: Length of the long path's kernels after its 3 x 3 convolution.

    Returns:
      float32 [n, num_tx, num_delay, 2].
    """
    long = long_path(x, 7, f"{name_prefix}_path1", length)
    short = leaky(conv_bn(x, 7, (1, 5), name=f"{name_prefix}_path2_1x5"))
    short = conv_bn(short, 7, (5, 1), name=f"{name_prefix}_path2_5x1")
    y = leaky(layers.Concatenate()([long, short]))
    y = conv_bn(y, 2, 1, name=f"{name_prefix}_merge")
    return leaky(layers.Add()([y, x]))


def long_path(x, filters: int, name: str, length: int = 9):
    """3 x 3, 1 x length and length x 1 convolutions, LeakyReLU in between.

    Args:
      x: float32 [n, num_tx, num_delay, channels].
      filters: Channels of each.
      name: Prefix of the names of its layers.
      length: Length of the second and third kernel.

    Returns:
      float32 [n, num_tx, num_delay, filters].
    """
    x = leaky(conv_bn(x, filters, 3, name=f"{name}_3x3"))
    x = leaky(conv_bn(x, filters, (1, length), name=f"{name}_1x{length}"))
    return conv_bn(x, filters, (length, 1), name=f"{name}_{length}x1")


_ENCODER = """
path1_3x3  encoder1.conv3x3_bn
path1_1x9  encoder1.conv1x9_bn
path1_9x1  encoder1.conv9x1_bn
path2_3x3  encoder2
merge      encoder_conv.conv1x1_bn
"""
_DECODER = """
stem                decoder_feature.conv5x5_bn
block{i}_path1_3x3  decoder_feature.CRBlock{i+1}.path1.conv3x3
block{i}_path1_1x9  decoder_feature.CRBlock{i+1}.path1.conv1x9
block{i}_path1_9x1  decoder_feature.CRBlock{i+1}.path1.conv9x1
block{i}_path2_1x5  decoder_feature.CRBlock{i+1}.path2.conv1x5
block{i}_path2_5x1  decoder_feature.CRBlock{i+1}.path2.conv5x1
block{i}_merge      decoder_feature.CRBlock{i+1}.conv1x1
"""
_DENSE = Release(
    "Kylin9511/CRNet",
    f"{_ENCODER}codeword encoder_fc",
    f"{_DECODER}expand decoder_fc",
)
_LINE = Release(  # CLCRNet.
    "FardadAnsari/CLLWCsiNet",
    f"{_ENCODER}code convolutional_encoder.conv.first_conv1x7",
    f"{_DECODER}expand decoder_get_feedback_in_UE.first_conv1x7",
    options={"form": "released", "latent": "conv"},
)
MODEL = Model("crnet", encoder, decoder, releases=(_DENSE, _LINE))
