"""CLLWCsiNet: a convolution-only autoencoder with a convolutional codeword.

CLLWCsiNet (Ansari, Mohassel Feghhi; code FardadAnsari/CLLWCsiNet) has no dense layer.
Three pairs of strip convolutions and a merge see the image; then channel and antenna
become channels of a line along the delay, which 1 x 7 convolutions reduce to 16, 8 or 4
channels: CR 4, 8 or 16. At the BS, 1 x 7 convolutions expand the line, a denoiser of
the same widths is subtracted, and two refinement blocks follow.

The codeword noise (40 dB below the mean power of a batch, as published) is added
outside, by the training loop. `noise_path` says what the decoder sees of it:

* ``noise_path="fair"``: the received codeword y_hat feeds both branches.
* ``noise_path="released"``: as in the released code, the expand branch sees the clean
  codeword in experiments with noise, and only the denoiser sees the noisy one
  (`tfcsi.models.noise_path`). The published robustness (about -11 dB below 20 dB SNR)
  comes from this: the reconstruction always has the whole clean codeword, and the
  training learns to ignore the branch that is subtracted. No real receiver has the
  clean codeword. This option is for comparison only; without noise both are the same.

Deviations: the scale of the CSI is ours, and with it the padding of the border, see
`tfcsi.models.blocks`. ``form="published"`` is the network of the authors' files of the
paper's version. ``form="released"`` also clamps the codeword to [0, 1] at CR 16, as
their trainings at that rate do. The released trainings without noise leave out the
denoiser: ``denoiser=False``. The default is ours because it learns in a few epochs. The
running statistics move by Keras' momentum 0.99. The released 0.99 is
PyTorch's momentum, by which they would be those of the last batch; it looks like Keras'
default, taken over without translation. As released, the denoiser has an activation
after its first convolution only (a key that occurs twice drops the other one), and the
7 x 1 convolution has one at CR 4 only. Other shapes keep the inner widths. Convolutions
have biases, which the normalisation behind them cancels, for the published counts.

The start is ours. From the published one (Glorot's draw, all gains 1) the network stays
for thousands of steps near -2 dB at CR 8, what a linear filter of the delay reaches:
CSI first has to find its way through many layers of two channels. Here they pass it on
unchanged at first: two of the three branches are x and -x, whose rectified difference
is x again, the codeword is the sum of main and skip path, the refinement blocks and the
denoiser add nothing yet, and the last convolution is an identity. Two epochs of 16000
matrices then bring -6.5 dB on validation data instead of -1.7 dB.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.keras import layers

from tfcsi.models.blocks import (
    check_form,
    conv_bn,
    from_delay_line,
    leaky,
    scale_in,
    scale_out,
    to_delay_line,
)
from tfcsi.models.contract import Model
from tfcsi.models.noise_path import clean
from tfcsi.models.releases import Release

NOISE_PATHS = ("fair", "released")
FORMS = ("tfcsi", "published", "released")
# Channels of the codeword to the widths within the encoder and within the decoder.
_WIDTHS = {16: ((32,), (32,)), 8: ((32, 16), (16, 32)), 4: ((32, 16), (8, 16))}


def encoder(
    shape: tuple[int, int],
    latent_dim: int,
    noise_path: str = "fair",
    form: str = "tfcsi",
    denoiser: bool = True,
) -> tf.keras.Model:
    """Returns the UE network x -> y.

    Args:
      shape: (num_tx, num_delay).
      latent_dim: Length of the codeword y: 16, 8 or 4 times num_delay (512, 256, 128
        for CR 4, 8, 16 on 32 x 32). The delay is its slow axis.
      noise_path: "fair" or "released"; the encoder is the same.
      form: "tfcsi", "published" or "released", see above.
      denoiser: Whether the decoder has the denoiser; the encoder is the same.

    Returns:
      Keras model, float32 [n, num_tx, num_delay, 2] -> float32 [n, latent_dim].

    Raises:
      ValueError: If an argument does not fit; the message names it.
    """
    code = _code_channels(shape, latent_dim, noise_path)
    check_form(form, FORMS)
    x_in = layers.Input((*shape, 2), name="x")
    x = scale_in(x_in, form)
    branches = []
    for side in (7, 5, 3):
        branch = leaky(_conv(x, 2, (1, side), f"branch_1x{side}"))
        branch = _conv(branch, 2, (side, 1), f"branch_{side}x1")
        branches.append(leaky(branch) if (side, code) == (7, 16) else branch)
    x = leaky(_conv(layers.Concatenate()(branches), 2, (1, 7), "merge"))

    line = to_delay_line(x)
    x = _chain(line, (*_WIDTHS[code][0], code), "compress", activations=2)
    x = layers.Concatenate()([x, _conv(line, code, (1, 7), "skip")])
    y = leaky(_conv(leaky(x), code, (1, 7), "code"))
    y = layers.Flatten(name="codeword")(y)
    if form == "released" and code == 4:
        y = layers.ReLU(1.0, name="clamp")(y)
    model = tf.keras.Model(x_in, y, name="cllwcsinet_encoder")

    one, line = np.eye(2), np.eye(code)
    for side, sign in ((7, 1.0), (5, -1.0)):
        _start(model, f"branch_1x{side}", sign * one)
        _start(model, f"branch_{side}x1", one)
    # leaky(x) - leaky(-x) = 1.3 x
    _start(model, "merge", np.concatenate([one, -one, 0 * one]) / 1.3, drawn=0.15)
    _start(model, "code", 0.7 * np.concatenate([line, line]), drawn=0.3)
    return model


def decoder(
    shape: tuple[int, int],
    latent_dim: int,
    noise_path: str = "fair",
    form: str = "tfcsi",
    denoiser: bool = True,
) -> tf.keras.Model:
    """Returns the BS network y_hat -> x_hat.

    Args:
      shape: (num_tx, num_delay).
      latent_dim: Length of the codeword, as in the encoder.
      noise_path: "fair" or "released", see above.
      form: As in the encoder.
      denoiser: Whether a denoiser is subtracted, see above.

    Returns:
      Keras model, float32 [n, latent_dim] -> float32 [n, num_tx, num_delay, 2].

    Raises:
      ValueError: If an argument does not fit; the message names it.
    """
    code = _code_channels(shape, latent_dim, noise_path)
    check_form(form, FORMS)
    y_in = layers.Input((latent_dim,), name="y_hat")
    y_clean = clean(y_in) if noise_path == "released" else y_in
    received, expanded = (
        layers.Reshape((1, shape[1], code))(y) for y in (y_in, y_clean)
    )
    widths = (*_WIDTHS[code][1], 2 * shape[0])
    x = _chain(expanded, widths, "expand", activations=2)
    if denoiser:
        noise = _chain(received, widths, "denoise", activations=1, last_gain=0.0)
        x = layers.Subtract()([x, noise])
    x = from_delay_line(leaky(x), shape)
    for i in range(2):
        x = _refine(x, f"refine{i + 1}")
    x = _conv(x, 2, (1, 7), "out", gain=0.3)
    x = scale_out(x, "sigmoid", form)
    model = tf.keras.Model(y_in, x, name="cllwcsinet_decoder")
    _start(model, "out", np.eye(2), drawn=0.15)
    return model


def _code_channels(shape, latent_dim: int, noise_path: str) -> int:
    if noise_path not in NOISE_PATHS:
        raise ValueError(
            f"noise_path is {noise_path!r}; it must be one of {NOISE_PATHS}"
        )
    if len(shape) != 2 or min(shape) < 1:
        raise ValueError(f"shape is {tuple(shape)}; it must be (num_tx, num_delay)")
    fitting = {code * shape[1]: code for code in _WIDTHS}
    if latent_dim not in fitting:
        raise ValueError(
            f"latent_dim is {latent_dim}; it must be 16, 8 or 4 times num_delay, one "
            f"of {tuple(fitting)}"
        )
    return fitting[latent_dim]


def _conv(x, filters: int, kernel, name: str, gain: float = 1.0):
    """Normalised convolution whose normalisation starts with a gain."""
    norm: dict[str, Any] = {"momentum": 0.99, "epsilon": 1e-3, "gain": gain}
    return conv_bn(x, filters, kernel, use_bias=True, name=name, **norm)


def _start(model: tf.keras.Model, name: str, center: np.ndarray, drawn: float = 0.0):
    """Sets a kernel to `drawn` times its draw, with `center` added at the centre."""
    kernel, *bias = model.get_layer(name).get_weights()
    kernel *= drawn
    kernel[kernel.shape[0] // 2, kernel.shape[1] // 2] += center
    model.get_layer(name).set_weights([kernel, *bias])


def _chain(x, widths, name: str, activations: int, last_gain: float = 1.0):
    """1 x 7 convolutions, the first `activations` of them with LeakyReLU."""
    for i, width in enumerate(widths):
        gain = last_gain if i == len(widths) - 1 else 1.0
        x = _conv(x, width, (1, 7), f"{name}{i + 1}", gain)
        if i < activations:
            x = leaky(x)
    return x


def _refine(x, name: str):
    """A path of 1 x 7 and one of 1 x 5 convolutions, merged and added to the image."""
    paths = []
    for side in (7, 5):
        path = leaky(_conv(x, 8, (1, side), f"{name}_1x{side}_1"))
        path = leaky(_conv(path, 16, (1, side), f"{name}_1x{side}_2"))
        paths.append(_conv(path, 2, (1, side), f"{name}_1x{side}_3"))
    joint = leaky(layers.Concatenate()(paths))
    joint = _conv(joint, 2, (1, 7), f"{name}_merge", gain=0.0)
    return leaky(layers.Add()([joint, x]))


_ENCODER = """
branch_1x7  encoder_p1.first_conv1x7
branch_7x1  encoder_p1.second_conv1x7
branch_1x5  encoder_p2.conv1x3
branch_5x1  encoder_p2.conv3x1
branch_1x3  encoder_p3.conv1x3
branch_3x1  encoder_p3.conv3x1
merge       con1x1
compress1   encoder_compression.conv.first_conv1x7
compress2   encoder_compression.conv.second_Conv1x7
compress3   encoder_compression.conv.third_Conv1x7
skip        encoder_compression.conv_2
code        encoder_compression.conv_3
"""
_DECODER = """
expand1          decoder_get_feedback_in_UE.first_conv1x7
expand2          decoder_get_feedback_in_UE.conv1x7
expand3          decoder_get_feedback_in_UE.second_conv1x7
denoise1         remove_AGN.conv_1x7
denoise2         remove_AGN.conv_7x1
denoise3         remove_AGN.conv_3x3
refine{i}_1x7_1  decoder_refine_net.{i-1}.conv.first_conv1x7
refine{i}_1x7_2  decoder_refine_net.{i-1}.conv.second_Conv1x7
refine{i}_1x7_3  decoder_refine_net.{i-1}.conv.third_Conv1x7
refine{i}_1x5_1  decoder_refine_net.{i-1}.conv_1.first_conv1x7
refine{i}_1x5_2  decoder_refine_net.{i-1}.conv_1.second_Conv1x7
refine{i}_1x5_3  decoder_refine_net.{i-1}.conv_1.third_Conv1x7
refine{i}_merge  decoder_refine_net.{i-1}.conv1x1
out              _last_cov.firstcov2
"""
_RELEASE = Release(
    "FardadAnsari/CLLWCsiNet",
    _ENCODER,
    _DECODER,
    options={"form": "published"},
    # A training without noise leaves the denoiser as it was before the first step.
    derived={
        "denoiser": lambda arrays: bool(
            arrays["remove_AGN.conv_1x7.bn.running_mean"].any()
        )
    },
    unused=r"remove_AGN\.",
)
MODEL = Model("cllwcsinet", encoder, decoder, releases=(_RELEASE,))
