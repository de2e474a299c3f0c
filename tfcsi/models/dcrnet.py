"""DCRNet: dilated convolutions see far with few weights.

DCRNet (Tang et al., "Dilated Convolution Based CSI Feedback Compression for Massive
MIMO Systems", TVT 2022, arXiv:2106.04043). The encoder's block is six 3 x 1 and 1 x 3
convolutions of dilation 1, 2 and 3 beside one of 3 x 3; each of the decoder's two
blocks has a dilated path and a plain one, 8 channels times the expansion wide, whose
inner convolutions are grouped and followed by a channel shuffle. All activations are
PReLU with one slope a channel. At CR 4 on 32 x 32 the pair has 2 101 708 parameters
with expansion 1 and 2 115 820 with 10.

Training on a CPU needs a TensorFlow with oneDNN, which tfcsi switches on. Without it
the dilated convolutions have no gradient on a CPU.

Deviations: the dense layers start by Glorot's rule; the released N(0, 0.001) sticks at
the constant 0.5 on CSI of low variance, as its author later noted. The scale of the
CSI, and with it the padding of the border, is ours (`tfcsi.models.blocks`). The dilated
path of a decoder's block has two channel shuffles, as the paper draws it; the released
code has one, because a repeated key drops the other. ``form="released"`` is the
released network itself. The default is ours because it learns in a few epochs.
"""

from __future__ import annotations

import tensorflow as tf
from tensorflow.keras import layers

from tfcsi.models.acrnet import prelu
from tfcsi.models.blocks import (
    BatchNormalization,
    check_form,
    conv_bn,
    from_codeword,
    scale_in,
    scale_out,
    to_codeword,
)
from tfcsi.models.contract import Model
from tfcsi.models.csinet import check
from tfcsi.models.grouped import grouped_conv
from tfcsi.models.releases import Release


def encoder(
    shape: tuple[int, int],
    latent_dim: int,
    expansion: int = 1,
    latent: str = "dense",
    form: str = "tfcsi",
) -> tf.keras.Model:
    """Returns the UE network x -> y.

    Args:
      shape: (num_tx, num_delay).
      latent_dim: Length of the codeword y.
      expansion: Width of the decoder's blocks; the encoder does not depend on it.
      latent: "dense", or "conv" (latent_dim a multiple of num_delay).
      form: "tfcsi" or "released", see `tfcsi.models.blocks`.

    Returns:
      Keras model, float32 [n, num_tx, num_delay, 2] -> float32 [n, latent_dim].

    Raises:
      ValueError: If an argument does not fit; the message names it.
    """
    check(shape, latent_dim=latent_dim, expansion=expansion)
    check_form(form)
    x_in = layers.Input((*shape, 2), name="x")
    x = prelu(_conv(scale_in(x_in, form), 2, 5, "stem"), "stem_act")
    dilated = x
    for i, rate in enumerate((1, 1, 2, 2, 3, 3)):
        if i:
            dilated = prelu(dilated, f"path1_act{i}")
        kernel = (1, 3) if i % 2 else (3, 1)
        dilated = _conv(dilated, 2, kernel, f"path1_conv{i}", rate)
    x = _merge(x, dilated, _conv(x, 2, 3, "path2"), "merge")
    y = to_codeword(x, latent_dim, latent, form=form)
    return tf.keras.Model(x_in, y, name="dcrnet_encoder")


def decoder(
    shape: tuple[int, int],
    latent_dim: int,
    expansion: int = 1,
    latent: str = "dense",
    form: str = "tfcsi",
) -> tf.keras.Model:
    """Returns the BS network y_hat -> x_hat.

    Args:
      shape: (num_tx, num_delay).
      latent_dim: Length of the codeword.
      expansion: Width of the blocks, times 8 channels; published are 1 and 10.
      latent: "dense" or "conv", as in the encoder.
      form: As in the encoder.

    Returns:
      Keras model, float32 [n, latent_dim] -> float32 [n, num_tx, num_delay, 2].

    Raises:
      ValueError: If an argument does not fit; the message names it.
    """
    check(shape, latent_dim=latent_dim, expansion=expansion)
    check_form(form)
    y_in = layers.Input((latent_dim,), name="y_hat")
    x = from_codeword(y_in, shape, latent, form=form)
    x = prelu(_conv(x, 2, 5, "stem"), "stem_act")
    for i in range(2):
        x = _decoder_block(x, expansion, f"block{i}", form)
    x = scale_out(x, "sigmoid", form)
    return tf.keras.Model(y_in, x, name="dcrnet_decoder")


def channel_shuffle(x, groups: int):
    """Spreads the channels of each group over all groups.

    Args:
      x: float32 [n, num_tx, num_delay, channels].
      groups: Divides the channels.

    Returns:
      float32 like x; channel k groups + g is channel g channels / groups + k of x.
    """
    *image, channels = x.shape[1:]
    y = layers.Reshape((*image, groups, channels // groups))(x)
    return layers.Reshape((*image, channels))(layers.Permute((1, 2, 4, 3))(y))


def _decoder_block(x, expansion: int, name: str, form: str):
    width = 8 * expansion

    def mix(y, kernel, step: str, rate: int = 1, shuffled: bool = True):
        y = prelu(y, f"{step}_in")
        y = grouped_conv(
            y,
            width,
            kernel,
            4 * expansion,
            step,
            dilation_rate=rate,
            kernel_initializer=_kaiming(),
        )
        y = BatchNormalization(momentum=0.9, epsilon=1e-5, name=f"{step}_bn")(y)
        return channel_shuffle(y, 4 * expansion) if shuffled else y

    one = _conv(x, width, 3, f"{name}_path1_first", 2)
    one = mix(one, (3, 1), f"{name}_path1_3x1", 3)
    one = mix(one, (1, 3), f"{name}_path1_1x3", 3, form == "tfcsi")
    one = _conv(prelu(one, f"{name}_path1_act"), 2, 3, f"{name}_path1_last")
    two = _conv(x, width, (1, 3), f"{name}_path2_first")
    two = mix(two, (5, 1), f"{name}_path2_5x1")
    two = mix(two, (1, 5), f"{name}_path2_1x5")
    two = _conv(prelu(two, f"{name}_path2_act"), 2, (3, 1), f"{name}_path2_last")
    return _merge(x, one, two, f"{name}_merge")


def _merge(x, one, two, name: str):
    """Joins two paths by a 1 x 1 convolution and adds them to x."""
    y = prelu(layers.Concatenate()([one, two]), f"{name}_in")
    y = _conv(y, 2, 1, name)
    return prelu(layers.Add()([x, y]), f"{name}_act")


def _conv(x, filters: int, kernel, name: str, rate: int = 1):
    return conv_bn(
        x,
        filters,
        kernel,
        name=name,
        dilation_rate=rate,
        kernel_initializer=_kaiming(),
    )


def _kaiming():
    """Kaiming's rule by the outputs, as released."""
    return tf.keras.initializers.VarianceScaling(2.0, "fan_out", "untruncated_normal")


_RELEASE = Release(
    "recusant7/DCRNet",
    """
stem           encoder_feature.conv5x5_bn
stem_act       encoder_feature.prelu
path1_conv{i}  encoder_feature.DCREncoderBlock1.conv1.{2i}
path1_act{i}   encoder_feature.DCREncoderBlock1.conv1.{2i-1}
path2          encoder_feature.DCREncoderBlock1.conv2.0
merge_in       encoder_feature.DCREncoderBlock1.prelu1
merge          encoder_feature.DCREncoderBlock1.conv1x1
merge_act      encoder_feature.DCREncoderBlock1.prelu2
codeword       encoder_fc
""",
    """
expand                 decoder_fc
stem                   decoder_feature.conv5x5_bn
stem_act               decoder_feature.prelu
block{i}_path1_first   decoder_feature.DCRDecoderBlock{i+1}.path1.conv_3x3
block{i}_path1_3x1_in  decoder_feature.DCRDecoderBlock{i+1}.path1.prelu1
block{i}_path1_3x1     decoder_feature.DCRDecoderBlock{i+1}.path1.conv_1x5
block{i}_path1_1x3_in  decoder_feature.DCRDecoderBlock{i+1}.path1.prelu2
block{i}_path1_1x3     decoder_feature.DCRDecoderBlock{i+1}.path1.conv_5x1
block{i}_path1_act     decoder_feature.DCRDecoderBlock{i+1}.path1.prelu4
block{i}_path1_last    decoder_feature.DCRDecoderBlock{i+1}.path1.conv_1x1
block{i}_path2_first   decoder_feature.DCRDecoderBlock{i+1}.path2.0
block{i}_path2_5x1_in  decoder_feature.DCRDecoderBlock{i+1}.path2.1
block{i}_path2_5x1     decoder_feature.DCRDecoderBlock{i+1}.path2.2
block{i}_path2_1x5_in  decoder_feature.DCRDecoderBlock{i+1}.path2.4
block{i}_path2_1x5     decoder_feature.DCRDecoderBlock{i+1}.path2.5
block{i}_path2_act     decoder_feature.DCRDecoderBlock{i+1}.path2.7
block{i}_path2_last    decoder_feature.DCRDecoderBlock{i+1}.path2.8
block{i}_merge_in      decoder_feature.DCRDecoderBlock{i+1}.prelu
block{i}_merge         decoder_feature.DCRDecoderBlock{i+1}.conv1x1
block{i}_merge_act     decoder_feature.DCRDecoderBlock{i+1}.prelu2
""",
    derived={
        "expansion": lambda arrays: (
            arrays["decoder_feature.DCRDecoderBlock1.path1.conv_3x3.bn.weight"].size
            // 8
        )
    },
)
MODEL = Model("dcrnet", encoder, decoder, releases=(_RELEASE,))
