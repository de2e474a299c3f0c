"""Blocks that several papers share: normalised convolutions, codeword heads.

Published networks see CSI in [0, 1] with zero at 0.5. The reals deviate from 0.5 by
only 0.02. A training spends its first thousand steps on finding that scale, and may
never leave the constant 0.5. Here CSI is centred at zero and has unit variance, and the
output passes the published bound with a fixed gain that undoes the scale. `scale_in`
and `scale_out` are the first and last layer of each network; all else is as published.

That is ``form="tfcsi"``, the default, because it trains. It has one more consequence:
convolutions pad the border with zeros, which are zero CSI here and -0.5 in the
published scale. Weights that were trained elsewhere need ``form="released"``, the
released network to the last bit: `scale_in` then shifts CSI to [0, 1], and `scale_out`
shifts it back. Networks still take and return CSI centred at zero.

Images are [n, num_tx, num_delay, channels]. Reshapes that mix axes go through the
published order (channel, angle, delay).
"""

from __future__ import annotations

import tensorflow as tf
from tensorflow.keras import layers

LATENTS = ("dense", "conv")
FORMS = ("tfcsi", "released")
# Peak-scaled CSI (max |h| = 0.5) has about unit energy over 2 num_tx num_delay reals,
# which are 2048 in the published set. Unit energy means a deviation of 1 / 45. Over the
# whole set, with its peaks, it is 1 / 32.
GAIN = 32.0


def check_form(form: str, forms=FORMS) -> None:
    """Refuses a form that a model does not have.

    Args:
      form: Option of a model.
      forms: Those that it has.

    Raises:
      ValueError: If it has no such form.
    """
    if form not in forms:
        raise ValueError(f"form is {form!r}; it must be one of {forms}")


def scale_in(x, form: str = "tfcsi"):
    """Brings CSI centred at zero to the scale of the inner layers.

    Args:
      x: float32 [n, ..., 2], reals of CSI.
      form: "tfcsi" for CSI times 32, which has about unit variance; any other for the
        published scale, [0, 1] with zero at 0.5.

    Returns:
      float32 [n, ..., 2].
    """
    if form != "tfcsi":
        return layers.Rescaling(1.0, 0.5, name="scale_in")(x)
    return layers.Rescaling(GAIN, name="scale_in")(x)


def scale_out(x, bound: str = "none", form: str = "tfcsi"):
    """Undoes `scale_in`, and bounds the reals of CSI to -0.5 ... 0.5.

    Args:
      x: float32 [n, num_tx, num_delay, 2].
      bound: "none", or "sigmoid", "hard_sigmoid" (relu6(x + 3) / 6) or "tanh", each of
        which is about x / GAIN at small x.
      form: As in `scale_in`. In the published scale the bound has no gain, and there
        is no "tanh".

    Returns:
      float32 [n, num_tx, num_delay, 2], zero-centred CSI.
    """
    if form != "tfcsi":
        return _from_unit_interval(x, bound)
    if bound == "none":
        return layers.Rescaling(1 / GAIN, name="scale_out")(x)
    if bound == "hard_sigmoid":
        x = layers.ReLU(6.0)(layers.Rescaling(6 / GAIN, 3.0, name="gain")(x))
        return layers.Rescaling(1 / 6, -0.5, name="scale_out")(x)
    slope, half = {"sigmoid": (4.0, -0.5), "tanh": (2.0, 0.0)}[bound]
    x = layers.Rescaling(slope / GAIN, name="gain")(x)
    x = layers.Activation(bound, name="bound")(x)
    return layers.Rescaling(1.0 if half else 0.5, half, name="scale_out")(x)


def _from_unit_interval(x, bound: str):
    """The bound of a released network, and the shift from [0, 1] to centred CSI."""
    if bound == "hard_sigmoid":
        x = layers.ReLU(6.0)(layers.Rescaling(1.0, 3.0, name="gain")(x))
        return layers.Rescaling(1 / 6, -0.5, name="scale_out")(x)
    if bound != "none":
        x = layers.Activation(bound, name="bound")(x)
    return layers.Rescaling(1.0, -0.5, name="scale_out")(x)


def leaky(x, slope: float = 0.3):
    """LeakyReLU, float32 [...] to the same; slope 0.3 as in nearly all papers."""
    return layers.LeakyReLU(slope)(x)


def conv_bn(
    x,
    filters: int,
    kernel,
    use_bias: bool = False,
    name: str | None = None,
    momentum: float = 0.9,
    epsilon: float = 1e-5,
    gain: float = 1.0,
    over: str = "channels",
    **conv_args,
):
    """Convolution of padding "same" and batch normalisation.

    Args:
      x: float32 [n, height, width, channels].
      filters: Channels of the result.
      kernel: Side, or (height, width), of the kernel.
      use_bias: Whether the convolution has a bias.
      name: Name of the convolution; its normalisation is `<name>_bn`.
      momentum: Momentum of the running statistics.
      epsilon: Added to the variance.
      gain: First value of the scale of the normalisation.
      over: "channels", or "delay" for a normalisation with one mean, one variance and
        one scale for each column (width) of the image.
      **conv_args: Further arguments of Conv2D (strides, groups, dilation_rate, ...).

    Returns:
      float32 [n, height, width, filters]; strides make it smaller.
    """
    x = layers.Conv2D(
        filters, kernel, padding="same", use_bias=use_bias, name=name, **conv_args
    )(x)
    norm = BatchNormalization(
        momentum=momentum,
        epsilon=epsilon,
        gamma_initializer=tf.keras.initializers.Constant(gain),
        name=name and f"{name}_bn",
    )
    return normalize(x, norm, over)


def normalize(x, norm, over: str = "channels"):
    """Applies a batch normalisation over the channels or over the delay.

    Args:
      x: float32 [n, height, width, channels].
      norm: Layer that normalises over the last axis.
      over: As in `conv_bn`.

    Returns:
      float32 like x.
    """
    if over == "channels":
        return norm(x)
    return layers.Permute((1, 3, 2))(norm(layers.Permute((1, 3, 2))(x)))


def to_codeword(
    x,
    latent_dim: int,
    latent: str = "dense",
    use_bias: bool = True,
    form: str = "tfcsi",
):
    """The last layer of a UE encoder: an image to the codeword.

    Args:
      x: float32 [n, num_tx, num_delay, channels].
      latent_dim: Length of the codeword.
      latent: "dense" (flatten in the order channel, angle, delay, then a dense layer)
        or "conv" (CLLWCsiNet's convolutional latent: channel and angle become channels
        and a 1 x 7 convolution along the delay with batch normalisation reduces them
        to latent_dim / num_delay).
      use_bias: Whether the dense layer has a bias.
      form: With any but "tfcsi", a LeakyReLU follows the 1 x 7 convolution.

    Returns:
      y, float32 [n, latent_dim].

    Raises:
      ValueError: If latent is not known, or latent_dim is not a multiple of num_delay.
    """
    if latent == "dense":
        x = layers.Flatten(name="flatten")(layers.Permute((3, 1, 2))(x))
        return layers.Dense(latent_dim, use_bias=use_bias, name="codeword")(x)
    x = conv_bn(
        to_delay_line(x), latent_channels(latent_dim, x, latent), (1, 7), name="code"
    )
    x = x if form == "tfcsi" else leaky(x)
    return layers.Flatten(name="codeword")(x)


def from_codeword(
    y,
    shape,
    latent: str = "dense",
    channels: int = 2,
    use_bias: bool = True,
    form: str = "tfcsi",
):
    """The first layer of a BS decoder: the codeword to an image.

    Args:
      y: float32 [n, latent_dim].
      shape: (num_tx, num_delay).
      latent: "dense" or "conv", as in the encoder.
      channels: Channels of the image.
      use_bias: Whether the dense layer has a bias.
      form: As in `to_codeword`.

    Returns:
      float32 [n, num_tx, num_delay, channels].

    Raises:
      ValueError: If latent is not known, or latent_dim is not a multiple of num_delay.
    """
    num_tx, num_delay = shape
    if latent == "dense":
        size = channels * num_tx * num_delay
        x = layers.Dense(size, use_bias=use_bias, name="expand")(y)
        x = layers.Reshape((channels, num_tx, num_delay))(x)
        return layers.Permute((2, 3, 1))(x)
    code = latent_channels(y.shape[-1], shape, latent)
    x = layers.Reshape((1, num_delay, code))(y)
    x = conv_bn(x, channels * num_tx, (1, 7), name="expand")
    x = x if form == "tfcsi" else leaky(x)
    return from_delay_line(x, shape, channels)


def latent_channels(latent_dim: int, shape, latent: str = "conv") -> int:
    """Returns the number of channels of a convolutional latent.

    Args:
      latent_dim: Length of the codeword.
      shape: (num_tx, num_delay), or an image [n, num_tx, num_delay, channels].
      latent: "dense" or "conv".

    Returns:
      latent_dim / num_delay.

    Raises:
      ValueError: If latent is not known, or latent_dim is not a multiple of num_delay.
    """
    if latent not in LATENTS:
        raise ValueError(f"latent is {latent!r}; it must be one of {LATENTS}")
    num_delay = shape[1] if isinstance(shape, tuple) else shape.shape[2]
    if latent_dim % num_delay:
        raise ValueError(
            f"latent_dim is {latent_dim}; latent='conv' takes a multiple of num_delay, "
            f"{num_delay}"
        )
    return latent_dim // num_delay


def to_delay_line(x):
    """Makes the angles of each channel channels of a line along the delay.

    Args:
      x: float32 [n, num_tx, num_delay, channels].

    Returns:
      float32 [n, 1, num_delay, channels num_tx].
    """
    _, num_tx, num_delay, channels = x.shape
    x = layers.Permute((2, 3, 1))(x)
    return layers.Reshape((1, num_delay, channels * num_tx))(x)


def from_delay_line(x, shape, channels: int = 2):
    """Makes an image of a line along the delay; the inverse of `to_delay_line`.

    Args:
      x: float32 [n, 1, num_delay, channels num_tx].
      shape: (num_tx, num_delay).
      channels: Channels of the image.

    Returns:
      float32 [n, num_tx, num_delay, channels].
    """
    num_tx, num_delay = shape
    x = layers.Reshape((num_delay, channels, num_tx))(x)
    return layers.Permute((3, 1, 2))(x)


class BatchNormalization(layers.BatchNormalization):
    """Keras' layer over the last axis, with a training step made for few channels.

    The CPU kernel of the fused layer is slow if the number of channels is not a
    multiple of 8, as in most of these networks. In that case the sums over pixels are
    products with a row of ones, taken over whole lines of the image, and the gradient
    is written out.
    """

    def call(self, inputs, training=None):
        """Normalises by the batch in training, else by the running statistics.

        Args:
          inputs: float32 or bfloat16 [n, ..., channels].
          training: Whether to normalise by the batch and to update the statistics.

        Returns:
          [n, ..., channels], of the type of the inputs.
        """
        if not training or not self.trainable:
            return super().call(inputs, training=False)
        if inputs.shape[-1] % 8 == 0:
            return super().call(inputs, training=True)
        x = tf.cast(inputs, tf.float32)  # Of a network in bfloat16, too.
        y, mean, variance = _normalize(x, self.gamma, self.beta, self.epsilon)
        count = tf.cast(tf.size(inputs) // tf.size(mean), tf.float32)
        unbiased = variance * count / tf.maximum(count - 1.0, 1.0)
        for moving, batch in (
            (self.moving_mean, mean),
            (self.moving_variance, unbiased),
        ):
            moving.assign_sub((moving - batch) * (1.0 - self.momentum))
        return tf.cast(y, inputs.dtype)


def _normalize(x, gamma, beta, epsilon):
    """Batch normalisation with its gradient; also mean and variance, without one."""
    channels = x.shape[-1]
    length = x.shape[-2] if x.shape.rank > 2 else 1  # Pixels of a line.

    def line(values):  # [channels] to a line of the image.
        return tf.tile(values, [length])

    def total(lines):  # Sum over all pixels, [channels].
        summed = tf.matmul(tf.ones((1, tf.shape(lines)[0])), lines)
        return tf.reduce_sum(tf.reshape(summed, (length, channels)), 0)

    @tf.custom_gradient
    def apply(x, gamma, beta):
        lines = tf.reshape(x, (-1, length * channels))
        count = tf.cast(tf.shape(lines)[0] * length, tf.float32)
        mean = total(lines) / count
        lines = lines - line(mean)
        variance = total(tf.square(lines)) / count
        inverse = tf.math.rsqrt(variance + epsilon)
        y = lines * line(inverse * gamma) + line(beta)

        def gradient(dy, *_):
            dy = tf.reshape(dy, (-1, length * channels))
            dbeta = total(dy)
            dgamma = total(dy * lines) * inverse
            scale = inverse * gamma
            dx = dy * line(scale) - (
                lines * line(scale * inverse * dgamma / count)
                + line(scale * dbeta / count)
            )
            return tf.reshape(dx, tf.shape(x)), dgamma, dbeta

        return (tf.reshape(y, tf.shape(x)), mean, variance), gradient

    y, mean, variance = apply(x, gamma, beta)
    return y, tf.stop_gradient(mean), tf.stop_gradient(variance)
