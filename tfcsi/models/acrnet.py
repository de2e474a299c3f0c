"""ACRNet: aggregated residual blocks whose width is an option.

ACRNet (Lu, Zhang, He, Wang, Song, "Binarized Aggregated Network with Quantization:
Flexible Deep Learning Deployment for CSI Feedback in Massive MIMO System", TWC 2022,
arXiv:2105.00354). The encoder is a 5 x 5 convolution and two residual blocks of 1 x 9
and 9 x 1. The decoder's two blocks widen to 8 channels times the expansion and mix them
by a grouped 7 x 7 convolution with two channels a group. All activations are PReLU with
one slope a channel. At CR 4 on 32 x 32 the pair has 2 102 344 parameters with expansion
1, 2 122 504 with 10 and 2 144 904 with 20.

Deviations: the scale of the CSI and with it the padding of the border, see
`tfcsi.models.blocks`. ``latent="conv"`` is the variant of CLLWCsiNet's authors
(CLACRnet), without dense layers: 6 352 parameters at CR 16; ours has no activation
behind the two 1 x 7 convolutions. ``form="released"`` is the released network itself.
The default is ours because it learns in a few epochs.
"""

from __future__ import annotations

import tensorflow as tf
from tensorflow.keras import layers

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
    y = to_codeword(features(scale_in(x_in, form)), latent_dim, latent, form=form)
    return tf.keras.Model(x_in, y, name="acrnet_encoder")


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
      expansion: Width of the blocks, times 8 channels; published are 1 to 20.
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
    x = prelu(conv_bn(x, 2, 5, name="stem"), "stem_act")
    for i in range(2):
        x = _decoder_block(x, expansion, f"block{i}")
    x = scale_out(x, "sigmoid", form)
    return tf.keras.Model(y_in, x, name="acrnet_decoder")


def features(x):
    """Returns the input of the encoder's dense layer.

    Args:
      x: float32 [n, num_tx, num_delay, 2], CSI of about unit variance (`scale_in`).

    Returns:
      float32 [n, num_tx, num_delay, 2].
    """
    x = prelu(conv_bn(x, 2, 5, name="stem"), "stem_act")
    for name in ("block0", "block1"):
        y = conv_bn(x, 2, (1, 9), name=f"{name}_1x9")
        y = conv_bn(prelu(y, f"{name}_act1"), 2, (9, 1), name=f"{name}_9x1")
        x = prelu(layers.Add()([x, y]), f"{name}_act2")
    return x


def prelu(x, name: str):
    """PReLU with one slope a channel, which starts at 0.3.

    Args:
      x: float32 [n, height, width, channels].
      name: Name of the layer.

    Returns:
      float32 [n, height, width, channels].
    """
    start = tf.keras.initializers.Constant(0.3)
    return layers.PReLU(alpha_initializer=start, shared_axes=(1, 2), name=name)(x)


def _decoder_block(x, expansion: int, name: str):
    width = 8 * expansion
    y = conv_bn(x, width, (1, 9), name=f"{name}_1x9")
    y = prelu(y, f"{name}_act1")
    y = grouped_conv(y, width, 7, 4 * expansion, f"{name}_7x7")
    y = BatchNormalization(momentum=0.9, epsilon=1e-5, name=f"{name}_7x7_bn")(y)
    y = prelu(y, f"{name}_act2")
    y = conv_bn(y, 2, (9, 1), name=f"{name}_9x1")
    return prelu(layers.Add()([x, y]), f"{name}_act3")


_ENCODER = """
stem           encoder_feature.conv5x5_bn
stem_act       encoder_feature.prelu
block{i}_1x9   encoder_feature.ACREncoderBlock{i+1}.conv_bn1
block{i}_act1  encoder_feature.ACREncoderBlock{i+1}.prelu1
block{i}_9x1   encoder_feature.ACREncoderBlock{i+1}.conv_bn2
block{i}_act2  encoder_feature.ACREncoderBlock{i+1}.prelu2
"""
_DECODER = """
stem           decoder_feature.conv5x5_bn
stem_act       decoder_feature.prelu
block{i}_1x9   decoder_feature.ACRDecoderBlock{i+1}.conv1_bn
block{i}_act1  decoder_feature.ACRDecoderBlock{i+1}.prelu1
block{i}_7x7   decoder_feature.ACRDecoderBlock{i+1}.conv2_bn
block{i}_act2  decoder_feature.ACRDecoderBlock{i+1}.prelu2
block{i}_9x1   decoder_feature.ACRDecoderBlock{i+1}.conv3_bn
block{i}_act3  decoder_feature.ACRDecoderBlock{i+1}.prelu3
"""


def _expansion(arrays) -> int:
    return arrays["decoder_feature.ACRDecoderBlock1.conv1_bn.bn.weight"].shape[0] // 8


_DENSE = Release(
    "Kylin9511/ACRNet",
    f"{_ENCODER}codeword encoder_fc",
    f"{_DECODER}expand decoder_fc",
    derived={"expansion": _expansion},
)
_LINE = Release(  # CLACRnet.
    "FardadAnsari/CLLWCsiNet",
    f"{_ENCODER}code convolutional_encoder.conv.first_conv1x7",
    f"{_DECODER}expand decoder_get_feedback_in_UE.first_conv1x7",
    options={"form": "released", "latent": "conv"},
    derived={"expansion": _expansion},
)
MODEL = Model("acrnet", encoder, decoder, releases=(_DENSE, _LINE))
