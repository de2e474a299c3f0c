"""BCsiNet: an encoder whose dense layer has 1-bit weights.

BCsiNet (Lu, Wang, Song, "Binary Neural Network Aided CSI Feedback in Massive MIMO
System", WCL 2021, arXiv:2011.02692). An encoder head of 3 x 3 convolutions (A: one; B:
two; C: one and a small residual block), a binary dense layer, a float dense layer and
CsiNet's refine nets without biases. About 2.103 M parameters at CR 4 on 32 x 32 with
head A and two refine nets (2 103 064), 2.105 M with B and three (2 104 740); 2^20 of
them are single bits at the UE.

Deviations: the training code was not released; here the gradient passes straight
through the binarisation, see `tfcsi.models.binary`. The scale of the binary weights is
that of each output unit, as in BACRNet, where the released inference code has a single
one. The scale of the CSI, and with it the padding of the border, is ours
(`tfcsi.models.blocks`). ``form="released"`` is the released network itself, with a
single scale. The default is ours because it learns in a few epochs.
"""

from __future__ import annotations

import tensorflow as tf
from tensorflow.keras import layers

from tfcsi.models.binary import check_dense, to_binary_codeword
from tfcsi.models.blocks import (
    check_form,
    conv_bn,
    from_codeword,
    leaky,
    scale_in,
    scale_out,
)
from tfcsi.models.contract import Model
from tfcsi.models.csinet import check
from tfcsi.models.releases import Release, numbered

HEADS = ("A", "B", "C")


def encoder(
    shape: tuple[int, int],
    latent_dim: int,
    head: str = "A",
    num_refine: int = 2,
    latent: str = "dense",
    form: str = "tfcsi",
) -> tf.keras.Model:
    """Returns the UE network x -> y.

    Args:
      shape: (num_tx, num_delay).
      latent_dim: Length of the codeword y.
      head: "A", "B" or "C", see above.
      num_refine: Refine nets of the decoder; the encoder does not depend on it.
      latent: "dense"; there is no other.
      form: "tfcsi" or "released", see `tfcsi.models.blocks`.

    Returns:
      Keras model, float32 [n, num_tx, num_delay, 2] -> float32 [n, latent_dim].

    Raises:
      ValueError: If an argument does not fit; the message names it.
    """
    check(shape, latent_dim=latent_dim, num_refine=num_refine)
    _check_head(head)
    check_form(form)
    x_in = layers.Input((*shape, 2), name="x")
    x = leaky(conv_bn(scale_in(x_in, form), 2, 3, name="head1"))
    if head == "B":
        x = leaky(conv_bn(x, 2, 3, name="head2"))
    if head == "C":
        x = _refine(x, (4, 2), "head2")
    y = to_binary_codeword(x, latent_dim, latent, one_scale=form == "released")
    return tf.keras.Model(x_in, y, name="bcsinet_encoder")


def decoder(
    shape: tuple[int, int],
    latent_dim: int,
    head: str = "A",
    num_refine: int = 2,
    latent: str = "dense",
    form: str = "tfcsi",
) -> tf.keras.Model:
    """Returns the BS network y_hat -> x_hat.

    Args:
      shape: (num_tx, num_delay).
      latent_dim: Length of the codeword.
      head: Head of the encoder; the decoder does not depend on it.
      num_refine: Refine nets.
      latent: "dense"; there is no other.
      form: "tfcsi" or "released", see `tfcsi.models.blocks`.

    Returns:
      Keras model, float32 [n, latent_dim] -> float32 [n, num_tx, num_delay, 2].

    Raises:
      ValueError: If an argument does not fit; the message names it.
    """
    check(shape, latent_dim=latent_dim, num_refine=num_refine)
    _check_head(head)
    check_form(form)
    check_dense(latent)
    y_in = layers.Input((latent_dim,), name="y_hat")
    x = from_codeword(y_in, shape)
    for i in range(num_refine):
        x = _refine(x, (8, 16, 2), f"refine{i}")
    x = scale_out(conv_bn(x, 2, 3, name="last"), "sigmoid", form)
    return tf.keras.Model(y_in, x, name="bcsinet_decoder")


def _refine(x, widths: tuple[int, ...], name: str):
    """3 x 3 convolutions of the given channels about a skip."""
    y = x
    for i, width in enumerate(widths):
        y = leaky(y) if i else y
        y = conv_bn(y, width, 3, name=f"{name}_conv{i}")
    return leaky(layers.Add()([x, y]))


def _check_head(head: str) -> None:
    if head not in HEADS:
        raise ValueError(f"head is {head!r}; it must be one of {HEADS}")


_HEADS = {  # The released names of the layers of the heads.
    "A": "head1 encoder_feature.conv3x3_bn",
    "B": "head1 encoder_feature.conv3x3_bn1\nhead2 encoder_feature.conv3x3_bn2",
    "C": """
head1        encoder_feature.conv3x3_bn1
head2_conv0  encoder_feature.tiny_refine1.conv1_bn
head2_conv1  encoder_feature.tiny_refine1.conv2_bn
""",
}
_RELEASES = tuple(
    Release(
        "Kylin9511/BCsiNet",
        f"{text}\ncodeword encoder_binary_fc",
        """
expand           decoder_fc
refine{i}_conv0  decoder_feature.refine{i}.conv1_bn
refine{i}_conv1  decoder_feature.refine{i}.conv2_bn
refine{i}_conv2  decoder_feature.refine{i}.conv3_bn
last             decoder_feature.conv3x3_bn
""",
        options={"form": "released", "head": head},
        derived={"num_refine": numbered(r"decoder_feature\.refine(\d+)\.")},
        conv=".conv3x3",
    )
    for head, text in _HEADS.items()
)
MODEL = Model("bcsinet", encoder, decoder, releases=_RELEASES)
