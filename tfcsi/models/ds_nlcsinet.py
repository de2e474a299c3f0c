"""DS-NLCsiNet: non-local blocks and densely connected refinement.

DS-NLCsiNet (Yu et al., CommL 2020). The encoder is CsiNet's 3 x 3 convolution and a
non-local block (embedded Gaussian) before the dense layer; the decoder is another
non-local block and two refine blocks, in which each convolution sees the results of all
before it.

Deviations: the released networks normalise batches along the delay axis, since they
call BatchNormalization without `axis` on (channel, angle, delay). Here it runs along
the channels, which saves 308 parameters: 2 108 424 at CR 4 on 32 x 32 in place of
2 108 732, and the scale of the CSI is ours (`tfcsi.models.blocks`).
``form="released"`` is the released network itself. The default is ours because it
learns in a few epochs. Since the released layers take the last axis for the channels,
the released non-local block attends among the rows (channel, angle), each embedded
along its delays. This is kept: the published figures are those of these weights, and
the UE computes 64 x 64 scores where attention among positions would take 1024 x 1024.
"""

from __future__ import annotations

import tensorflow as tf
from tensorflow.keras import layers

from tfcsi.models.blocks import (
    BatchNormalization,
    check_form,
    conv_bn,
    from_codeword,
    leaky,
    normalize,
    scale_in,
    scale_out,
    to_codeword,
)
from tfcsi.models.contract import Model
from tfcsi.models.csinet import check
from tfcsi.models.releases import Release

_KERAS = {"momentum": 0.99, "epsilon": 1e-3}  # Batch normalisation, as released.


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
      form: "tfcsi" or "released", see above.

    Returns:
      Keras model, float32 [n, num_tx, num_delay, 2] -> float32 [n, latent_dim].

    Raises:
      ValueError: If an argument does not fit; the message names it.
    """
    check(shape, latent_dim=latent_dim)
    check_form(form)
    x_in = layers.Input((*shape, 2), name="x")
    over = "delay" if form == "released" else "channels"
    x = conv_bn(scale_in(x_in, form), 2, 3, True, "stem", over=over, **_KERAS)
    y = to_codeword(_non_local(leaky(x)), latent_dim, latent, form=form)
    return tf.keras.Model(x_in, y, name="ds_nlcsinet_encoder")


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
    x = _non_local(from_codeword(y_in, shape, latent, form=form))
    for i in range(2):
        x = _refine_block(x, f"refine{i}", form)
    x = layers.Conv2D(2, 3, padding="same", name="last")(x)
    x = scale_out(x, "sigmoid", form)
    return tf.keras.Model(y_in, x, name="ds_nlcsinet_decoder")


def _non_local(x):
    """Adds to each row (channel, angle) a soft mean of all rows, embedded."""
    _, num_tx, num_delay, channels = x.shape
    rows = layers.Permute((3, 1, 2))(x)
    rows = layers.Reshape((channels * num_tx, num_delay))(rows)

    def embed(rows, units: int, name: str):
        return layers.Dense(
            units, use_bias=False, kernel_initializer="he_normal", name=name
        )(rows)

    query, key, value = (
        embed(rows, max(1, num_delay // 2), name) for name in ("theta", "phi", "g")
    )
    mean = layers.Attention(name="non_local")([query, value, key])
    rows = layers.Add()([rows, embed(mean, num_delay, "project")])
    rows = layers.Reshape((channels, num_tx, num_delay))(rows)
    return layers.Permute((2, 3, 1))(rows)


def _refine_block(x, name: str, form: str):
    """Three convolutions, each of all results before it, and one of their results."""
    known = x
    for filters in (8, 16, 2):
        y = _activate(known, f"{name}_{filters}", form)
        y = layers.Conv2D(filters, 3, padding="same", name=f"{name}_{filters}")(y)
        known = layers.Concatenate()([known, y])
    y = _activate(known, f"{name}_merge", form)
    return layers.Conv2D(2, 1, name=f"{name}_merge")(y)


def _activate(x, name: str, form: str):
    over = "delay" if form == "released" else "channels"
    return leaky(normalize(x, BatchNormalization(name=f"{name}_bn", **_KERAS), over))


_RELEASE = Release(
    "yuxt1999/DS-NLCsiNet",
    """
stem      conv2d.0
stem_bn   batch_normalization.0
theta     conv2d.1  1x1
phi       conv2d.2  1x1
g         conv2d.3  1x1
project   conv2d.4  1x1
codeword  dense.0
""",
    """
expand              dense.1
theta               conv2d.5  1x1
phi                 conv2d.6  1x1
g                   conv2d.7  1x1
project             conv2d.8  1x1
refine{i}_8_bn      batch_normalization.{4i+1}
refine{i}_8         conv2d.{4i+9}
refine{i}_16_bn     batch_normalization.{4i+2}
refine{i}_16        conv2d.{4i+10}
refine{i}_2_bn      batch_normalization.{4i+3}
refine{i}_2         conv2d.{4i+11}
refine{i}_merge_bn  batch_normalization.{4i+4}
refine{i}_merge     conv2d.{4i+12}
last                conv2d.17
""",
    kind="keras",
)
MODEL = Model("ds_nlcsinet", encoder, decoder, releases=(_RELEASE,))
