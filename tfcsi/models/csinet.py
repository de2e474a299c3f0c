"""CsiNet: the first learned CSI feedback.

Wen, Shih, Jin, "Deep learning for massive MIMO CSI feedback" (IEEE WCL 2018,
arXiv:1712.08919). The encoder is one 3 x 3 convolution and a dense layer to the
codeword. The decoder is a dense layer to a first estimate of the image, which two
RefineNets (residual blocks of three convolutions) and a last convolution improve.
`activation` bounds the codeword for a quantiser, as the release's "Improvement" does.

Deviations: the scale of the CSI and with it the padding of the border, see
`tfcsi.models.blocks`. ``form="released"`` is the release's channels_last model itself,
which normalises over the channels, as this one does. ``form="channels_first"`` is its
channels_first model, which normalises over the delay axis, by an omitted argument
(2 103 456 parameters at CR 4). The default is ours because it learns in a few epochs.
"""

from __future__ import annotations

import functools

import tensorflow as tf
from tensorflow.keras import layers

from tfcsi.models import blocks as shared
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
from tfcsi.models.releases import Release

ACTIVATIONS = ("linear", "sigmoid", "tanh")
FORMS = (*shared.FORMS, "channels_first")

# Keras' defaults, which the release leaves in place.
_conv_bn = functools.partial(conv_bn, use_bias=True, momentum=0.99, epsilon=1e-3)


def encoder(
    shape: tuple[int, int],
    latent_dim: int,
    activation: str = "linear",
    blocks: int = 2,
    latent: str = "dense",
    form: str = "tfcsi",
) -> tf.keras.Model:
    """Returns the UE network x -> y.

    Args:
      shape: (num_tx, num_delay).
      latent_dim: Length of the codeword y.
      activation: Activation of the codeword: "linear", "sigmoid" or "tanh".
      blocks: RefineNets of the decoder; not used here.
      latent: "dense", or "conv" for a convolutional codeword layer.
      form: "tfcsi", "released" or "channels_first", see above.

    Returns:
      Keras model, float32 [n, num_tx, num_delay, 2] -> float32 [n, latent_dim].

    Raises:
      ValueError: If an argument does not fit; the message names it.
    """
    check(shape, activation, latent_dim=latent_dim, blocks=blocks)
    check_form(form, FORMS)
    x_in = layers.Input((*shape, 2), name="x")
    y = to_codeword(features(x_in, form), latent_dim, latent, form=form)
    return tf.keras.Model(x_in, bound(y, activation), name="csinet_encoder")


def decoder(
    shape: tuple[int, int],
    latent_dim: int,
    activation: str = "linear",
    blocks: int = 2,
    latent: str = "dense",
    form: str = "tfcsi",
) -> tf.keras.Model:
    """Returns the BS network y_hat -> x_hat.

    Args:
      shape: (num_tx, num_delay).
      latent_dim: Length of the codeword.
      activation: Activation of the codeword, as in the encoder; not used here.
      blocks: RefineNets.
      latent: "dense" or "conv", as in the encoder.
      form: As in the encoder.

    Returns:
      Keras model, float32 [n, latent_dim] -> float32 [n, num_tx, num_delay, 2].

    Raises:
      ValueError: If an argument does not fit; the message names it.
    """
    check(shape, activation, latent_dim=latent_dim, blocks=blocks)
    check_form(form, FORMS)
    y_in = layers.Input((latent_dim,), name="y_hat")
    image = from_codeword(y_in, shape, latent, form=form)
    x = reconstruct(image, blocks, form=form)
    return tf.keras.Model(y_in, x, name="csinet_decoder")


def features(x, form: str = "tfcsi"):
    """The encoder's convolution.

    Args:
      x: float32 [n, num_tx, num_delay, 2], zero-centred CSI.
      form: One of `FORMS`.

    Returns:
      float32 [n, num_tx, num_delay, 2], two feature maps.
    """
    return leaky(_conv_bn(scale_in(x, form), 2, 3, name="conv", over=_over(form)))


def refine_net(x, name: str, attend=None, form: str = "tfcsi"):
    """RefineNet: x plus convolutions of x to 8, 16 and 2 channels.

    Args:
      x: float32 [n, num_tx, num_delay, 2].
      name: Prefix of the names of its layers.
      attend: Function that replaces the 16 feature maps, or None.
      form: One of `FORMS`.

    Returns:
      float32 [n, num_tx, num_delay, 2].
    """
    over = _over(form)
    y = leaky(_conv_bn(x, 8, 3, name=f"{name}_conv1", over=over))
    y = leaky(_conv_bn(y, 16, 3, name=f"{name}_conv2", over=over))
    if attend is not None:
        y = attend(y)
    y = _conv_bn(y, 2, 3, name=f"{name}_conv3", over=over)
    return leaky(layers.Add()([x, y]))


def reconstruct(image, blocks: int, block=refine_net, form: str = "tfcsi"):
    """Refines the first estimate of an image to CSI.

    Args:
      image: float32 [n, num_tx, num_delay, 2].
      blocks: Number of blocks.
      block: Function (image, name) that adds a block, such as `refine_net`. In any form
        but "tfcsi" it is that.
      form: One of `FORMS`.

    Returns:
      float32 [n, num_tx, num_delay, 2], zero-centred CSI.
    """
    if form != "tfcsi":
        block = functools.partial(refine_net, form=form)
    for i in range(blocks):
        image = block(image, f"refine{i + 1}")
    x = layers.Conv2D(2, 3, padding="same", name="out")(image)
    return scale_out(x, "sigmoid", form)


def _over(form: str) -> str:
    """The axis of the batch normalisation."""
    return "delay" if form == "channels_first" else "channels"


def bound(y, activation: str):
    """Applies the activation of a codeword.

    Args:
      y: float32 [n, latent_dim].
      activation: One of `ACTIVATIONS`; "linear" for none.

    Returns:
      float32 [n, latent_dim].
    """
    if activation == "linear":
        return y
    return layers.Activation(activation, name="bound")(y)


def check(shape, activation: str = "linear", **counts: int) -> None:
    """Refuses what no network of the CsiNet family can have.

    Args:
      shape: (num_tx, num_delay).
      activation: Activation of the codeword.
      **counts: Numbers (latent_dim, blocks, ...) that must be at least 1.

    Raises:
      ValueError: If one of them does not fit; the message names it.
    """
    if len(shape) != 2 or min(shape) < 1:
        raise ValueError(
            f"shape is {tuple(shape)}; it must be (num_tx, num_delay), both at least 1"
        )
    for name, count in counts.items():
        if count < 1:
            raise ValueError(f"{name} is {count}; it must be at least 1")
    if activation not in ACTIVATIONS:
        raise ValueError(
            f"activation is {activation!r}; it must be one of {ACTIVATIONS}"
        )


def check_widths(name: str, widths) -> None:
    """Refuses widths that are not positive.

    Args:
      name: Name of the argument, for the message.
      widths: Integers.

    Raises:
      ValueError: If one of them is less than 1.
    """
    if any(width < 1 for width in widths):
        raise ValueError(f"{name} is {tuple(widths)}; each must be at least 1")


_ENCODER = """
conv     conv2d.0
conv_bn  batch_normalization.0
"""
_DECODER = """
refine{i}_conv1     conv2d.{3i-2}
refine{i}_conv1_bn  batch_normalization.{3i-2}
refine{i}_conv2     conv2d.{3i-1}
refine{i}_conv2_bn  batch_normalization.{3i-1}
refine{i}_conv3     conv2d.{3i}
refine{i}_conv3_bn  batch_normalization.{3i}
out                 conv2d.7
"""
_LAST = Release(
    "sydney222/Python_CsiNet, channels_last",
    f"{_ENCODER}codeword dense.0 from_hwc",
    f"{_DECODER}expand dense.1 to_hwc",
    kind="keras",
    telling={"batch_normalization.0.gamma": (2,)},
)
_FIRST = Release(
    "sydney222/Python_CsiNet, channels_first",
    f"{_ENCODER}codeword dense.0",
    f"{_DECODER}expand dense.1",
    kind="keras",
    options={"form": "channels_first"},
)
MODEL = Model("csinet", encoder, decoder, releases=(_LAST, _FIRST))
