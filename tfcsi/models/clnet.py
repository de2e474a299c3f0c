"""CLNet: a forged complex input layer and attention for the encoder.

CLNet (Ji, Li, "CLNet: Complex Input Lightweight Neural Network Designed for Massive
MIMO CSI Feedback", WCL 2021, arXiv:2102.07507). The encoder joins CRNet's path of long
kernels, weighted by a spatial gate, with a 1 x 1 convolution to 32 channels, which
combines the real and imaginary part of each entry, weighted by squeeze-and-excitation.
The decoder is CRNet's with kernels of length 3 in the long path and a hard sigmoid.
The pair has 2 101 958 parameters at CR 4 on 32 x 32.

Deviations: the release writes its dense layers as 1-D convolutions. Here they are dense
layers, and start by Glorot's rule like all others. The scale of the CSI, and with it
the padding of the border, is ours (`tfcsi.models.blocks`); ``form="released"`` is the
released network itself. The default is ours because it learns in a few epochs.
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
from tfcsi.models.crnet import cr_block, long_path
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
    long = _spatial_gate(long_path(x, 2, "path1"))
    forged = _squeeze_excite(conv_bn(x, 32, 1, name="path2_1x1"))
    x = leaky(layers.Concatenate()([long, forged]))
    x = leaky(conv_bn(x, 2, 1, name="merge"))
    return tf.keras.Model(
        x_in, to_codeword(x, latent_dim, latent, form=form), name="clnet_encoder"
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
        x = cr_block(x, f"block{i}", length=3)
    return tf.keras.Model(
        y_in, scale_out(x, "hard_sigmoid", form), name="clnet_decoder"
    )


def _spatial_gate(x):
    """Weights each position by the largest and mean channel of its neighbourhood."""
    pooled = tf.concat(
        [tf.reduce_max(x, -1, keepdims=True), tf.reduce_mean(x, -1, keepdims=True)], -1
    )
    gate = conv_bn(pooled, 1, 3, name="gate", momentum=0.99)
    return layers.Multiply()([x, layers.Activation("sigmoid")(gate)])


def _squeeze_excite(x, reduction: int = 16):
    """Weights each channel by a function of the means of all channels."""
    channels = x.shape[-1]
    y = layers.GlobalAveragePooling2D(keepdims=True)(x)
    y = layers.Dense(
        channels // reduction, activation="relu", use_bias=False, name="squeeze"
    )(y)
    y = layers.Dense(channels, activation="sigmoid", use_bias=False, name="excite")(y)
    return layers.Multiply()([x, y])


_RELEASE = Release(
    "SIJIEJI/CLNet",
    """
path1_3x3  encoder.encoder1.conv3x3_bn
path1_1x9  encoder.encoder1.conv1x9_bn
path1_9x1  encoder.encoder1.conv9x1_bn
path2_1x1  encoder.encoder2
gate       encoder.sa.spatial
squeeze    encoder.se.fc.0
excite     encoder.se.fc.2
merge      encoder.encoder_conv.conv1x1_bn
codeword   encoder.replace_efc  conv1d
""",
    """
expand              decoder.replace_dfc  transposed
stem                decoder.decoder_feature.conv5x5_bn
block{i}_path1_3x3  decoder.decoder_feature.CRBlock{i+1}.path1.conv3x3
block{i}_path1_1x3  decoder.decoder_feature.CRBlock{i+1}.path1.conv1x3
block{i}_path1_3x1  decoder.decoder_feature.CRBlock{i+1}.path1.conv3x1
block{i}_path2_1x5  decoder.decoder_feature.CRBlock{i+1}.path2.conv1x5
block{i}_path2_5x1  decoder.decoder_feature.CRBlock{i+1}.path2.conv5x1
block{i}_merge      decoder.decoder_feature.CRBlock{i+1}.conv1x1
""",
)
MODEL = Model("clnet", encoder, decoder, releases=(_RELEASE,))
