"""CSI-INR: a CSI matrix is a function of its coordinates, its codeword a modulation.

Wu, Zhang, Shao, Mikolajczyk, Gündüz, "MIMO channel as a neural function: implicit
neural representations for extreme CSI compression in massive MIMO systems"
(arXiv:2403.13615). One network, which the UE and the BS share, maps the coordinates of
an entry (antenna or angle, subcarrier or delay) and a short codeword to that entry. The
coordinates, in [-1, 1], become Fourier features; some modulated SIREN blocks follow,

    h_l = scale_l * sin(w0 (W_l h_(l-1) + b_l)) + shift_l,

whose scale and shift are each one dense layer of the codeword; the last layer is linear
to (re, im). The BS evaluates the network. The UE finds the codeword by a few gradient
steps from zero on the mean squared error over all entries.

The encoder consists of these steps, written out forwards and backwards, so that it is a
network like any other. Training differentiates through it, which is second-order MAML
as in CAVIA, with one backward pass for a batch; and TFLite runs it. Scale and shift are
folded into the next layer's weights, one set for each matrix, so that the codeword
touches no feature map. The first step starts at zero and is affine in the CSI: `fold`
makes it a dense layer for the phone.

The authors have released no code, and their text does not tell w0, sigma, the width,
the rates and the initial values (docs/csi_inr.md says how we chose them). Deviations:
the inner rate is learned, one for each entry of the codeword, unless `rate_learned` is
False; a step that is too long is shortened (`max_step`); `sigma` has a value for each
axis.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import tensorflow as tf
from tensorflow.keras import layers

from tfcsi.models.contract import Model

_CHUNK = 64  # Matrices at a time in `fold`.
# First deviation of the weights of scale and shift. It does not depend on the length of
# the codeword, so the loss is equally steep in each entry and one inner rate fits all
# lengths.
_MODULATION = 1 / math.sqrt(32)


def encoder(
    shape: tuple[int, int],
    latent_dim: int,
    widths: Sequence[int] = (256, 32),
    features: int = 128,
    sigma: Sequence[float] = (4.0, 1.0),
    w0: float = 1.0,
    gain: float = 4.0,
    steps: int = 3,
    rate: float = 5.0,
    rate_learned: bool = True,
    max_step: float = 3.0,
    second_order: bool = True,
) -> tf.keras.Model:
    """Returns the UE network x -> y: gradient steps through the shared network.

    The network has its own weights until `share` gives it those of a decoder.

    Args:
      shape: (num_tx, num_delay), or (num_tx, num_sc): any grid.
      latent_dim: Length of the codeword y.
      widths: Units of each modulated SIREN block, one block or more.
      features: Number of frequencies of the Fourier features.
      sigma: Deviation of the frequencies along antennas and along subcarriers, in
        cycles a unit of the coordinates; the grid is 2 units long. The paper has one
        value for both.
      w0: Factor in the sine.
      gain: The network's results are divided by it. It is about 1 over the root mean
        square of the reals of the CSI.
      steps: Number of gradient steps; it may differ between training and use.
      rate: First inner rate, for the loss of CSI times `gain`.
      rate_learned: Whether each entry learns its own inner rate.
      max_step: A step with a larger root mean square is shortened to it. Without this
        limit the codewords may diverge while the network gets steeper in training.
      second_order: Whether training differentiates through the gradients of the steps.
        If not, it takes them as constants (first-order MAML).

    Returns:
      Keras model, float32 [n, num_tx, num_delay, 2] -> float32 [n, latent_dim].

    Raises:
      ValueError: If an argument does not fit; the message names it.
    """
    network = _network(shape, latent_dim, widths, features, sigma, w0, gain)
    _check_positive(steps=steps, rate=rate, max_step=max_step)
    x_in = layers.Input((*shape, 2), name="x")
    walk = Steps(
        network, steps, rate, rate_learned, max_step, second_order, name="steps"
    )
    y = walk(x_in)
    return tf.keras.Model(x_in, y, name="csi_inr_encoder")


def decoder(
    shape: tuple[int, int],
    latent_dim: int,
    widths: Sequence[int] = (256, 32),
    features: int = 128,
    sigma: Sequence[float] = (4.0, 1.0),
    w0: float = 1.0,
    gain: float = 4.0,
    steps: int = 3,
    rate: float = 5.0,
    rate_learned: bool = True,
    max_step: float = 3.0,
    second_order: bool = True,
) -> tf.keras.Model:
    """Returns the BS network y_hat -> x_hat: the shared network on all coordinates.

    Args:
      shape: (num_tx, num_delay).
      latent_dim: Length of the codeword.
      widths: Units of each block, as in the encoder, and all that follow.
      features: Number of frequencies of the Fourier features.
      sigma: Deviation of the frequencies.
      w0: Factor in the sine.
      gain: The results are divided by it.
      steps: An option of the encoder, not used here.
      rate: An option of the encoder, not used here.
      rate_learned: An option of the encoder, not used here.
      max_step: An option of the encoder, not used here.
      second_order: An option of the encoder, not used here.

    Returns:
      Keras model, float32 [n, latent_dim] -> float32 [n, num_tx, num_delay, 2].

    Raises:
      ValueError: If an argument does not fit; the message names it.
    """
    del steps, rate, rate_learned, max_step, second_order
    network = _network(shape, latent_dim, widths, features, sigma, w0, gain)
    y_in = layers.Input((latent_dim,), name="y_hat")
    return tf.keras.Model(y_in, network(y_in), name="csi_inr_decoder")


def share(encoder: tf.keras.Model, decoder: tf.keras.Model) -> None:
    """Gives an encoder the weights of a decoder, now and in training.

    Args:
      encoder: Network that `encoder` made; it uses the variables of the decoder from
        now on.
      decoder: Network that `decoder` made of the same options.
    """
    encoder.get_layer("steps").network = decoder.get_layer("network")


def fold(encoder: tf.keras.Model) -> tf.keras.Model:
    """Returns the encoder with its first step as a dense layer, for export.

    The step from zero is affine in x, so a dense layer gives the same result with
    fewer operations.

    Args:
      encoder: Network that `encoder` made.

    Returns:
      Keras model, float32 [n, num_tx, num_delay, 2] -> float32 [n, latent_dim].
    """
    walk = encoder.get_layer("steps")
    size = math.prod(encoder.input_shape[1:])
    basis = np.eye(size, dtype=np.float32).reshape(size, *encoder.input_shape[1:])
    bias = walk.first(basis[:1] * 0).numpy()
    starts = range(0, size, _CHUNK)
    rows = [walk.first(basis[i : i + _CHUNK]).numpy() - bias for i in starts]
    x_in = layers.Input(encoder.input_shape[1:], name="x")
    first = layers.Dense(bias.size, name="first_step")
    step = first(layers.Reshape((size,))(x_in))
    first.set_weights([np.concatenate(rows), bias[0]])
    y = _LaterSteps(walk, name="later_steps")([x_in, step])
    return tf.keras.Model(x_in, y, name=encoder.name)


class Network(layers.Layer):
    """The network that UE and BS share, y [n, latent] -> CSI [n, num_tx, num_delay, 2].

    `kernels[l]`, `biases[l]` belong to block l + 1, the last ones to the read-out. The
    arguments are those of `encoder`, already checked.
    """

    def __init__(
        self, shape, latent_dim, widths, features, sigma, w0, gain, **layer_args
    ):
        super().__init__(**layer_args)
        self.shape, self.widths = tuple(shape), tuple(widths)
        self.w0, self.gain = w0, gain
        axes = [np.linspace(-1, 1, size) if size > 1 else np.zeros(1) for size in shape]
        grid = np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, len(shape))
        self._turns = (2 * np.pi * grid).astype(np.float32)  # [points, 2]

        initial = tf.keras.initializers
        self.frequencies = self.add_weight(
            "frequencies",
            (2, features),
            initializer=initial.RandomNormal(stddev=1.0),
            trainable=False,
        )
        self.frequencies.assign(self.frequencies * np.reshape(sigma, (2, 1)))
        self.kernels, self.biases = [], []
        inputs = 2 * features
        for i, width in enumerate(self.widths):
            # As SIREN's hidden layers: the argument of the sine has unit variance.
            limit, turn = math.sqrt(6 / inputs) / w0, math.pi / w0
            kernel = initial.RandomUniform(-limit, limit)
            self._add(f"block{i + 1}", kernel, inputs, width, turn)
            inputs = width
        self._add(
            "out", initial.RandomNormal(stddev=0.3 / math.sqrt(inputs)), inputs, 2
        )
        size = (latent_dim, sum(self.widths))
        for name, middle in (("scale", "ones"), ("shift", "zeros")):
            kernel = initial.RandomNormal(stddev=_MODULATION)
            bias = self.add_weight(f"{name}_bias", size[1:], initializer=middle)
            setattr(self, name, self.add_weight(name, size, initializer=kernel))
            setattr(self, f"{name}_bias", bias)

    def _add(self, name: str, kernel, inputs: int, units: int, turn: float = 0) -> None:
        """Adds the weights of a layer, biases from -turn to turn."""
        size, bias = (inputs, units), tf.keras.initializers.RandomUniform(-turn, turn)
        self.kernels.append(self.add_weight(f"{name}_kernel", size, initializer=kernel))
        self.biases.append(self.add_weight(f"{name}_bias", (units,), initializer=bias))

    def call(self, y):
        """Evaluates CSI.

        Args:
          y: float32 [n, latent], codewords.

        Returns:
          float32 [n, num_tx, num_delay, 2].
        """
        out = self._forward(y)[0]
        return tf.reshape(out, (-1, *self.shape, 2)) / self.gain

    def gradient(self, y, x):
        """Gradient of the inner loss, the mean over the entries of |CSI - x|^2 gain^2.

        Args:
          y: float32 [n, latent], codewords, or [1, latent], one for all.
          x: float32 [n, points, 2], the CSI times `gain`.

        Returns:
          float32 [n, latent].
        """
        out, sines, cosines, kernels = self._forward(y)
        # Gradients of the folded weights, scales and shifts, from the last layer on.
        d_out = (out - x) * (2 / len(self._turns))
        d_scales: list[np.ndarray] = []
        d_shifts: list[np.ndarray] = []
        for i in reversed(range(len(kernels))):
            kernel, factor = self.kernels[i + 1], self._factor(i + 1)
            d_kernel = tf.matmul(sines[i], d_out, transpose_a=True)
            d_bias = tf.reduce_sum(d_out, 1)
            d_scales.insert(0, factor * tf.reduce_sum(d_kernel * kernel, 2))
            d_shifts.insert(0, factor * tf.matmul(d_bias, kernel, transpose_b=True))
            if i:
                d_out = tf.matmul(d_out, kernels[i], transpose_b=True) * cosines[i]
        d_scale, d_shift = tf.concat(d_scales, 1), tf.concat(d_shifts, 1)
        return tf.matmul(d_scale, self.scale, transpose_b=True) + tf.matmul(
            d_shift, self.shift, transpose_b=True
        )

    def _factor(self, i: int) -> float:
        return self.w0 if i < len(self.widths) else 1.0

    def _forward(self, y):
        """Result [n, points, 2]; each block's sines and cosines; folded kernels."""
        scales = tf.split(y @ self.scale + self.scale_bias, self.widths, 1)
        shifts = tf.split(y @ self.shift + self.shift_bias, self.widths, 1)
        angles = self._turns @ self.frequencies
        fourier = tf.concat([tf.cos(angles), tf.sin(angles)], 1)
        z = self.w0 * (fourier @ self.kernels[0] + self.biases[0])
        z = tf.expand_dims(z, 0)  # The first block is the same for all matrices.
        sines, cosines, kernels = [], [], []
        for i, (scale, shift) in enumerate(zip(scales, shifts), 1):
            sines.append(tf.sin(z))
            cosines.append(tf.cos(z) if i > 1 else None)
            factor, kernel = self._factor(i), self.kernels[i]
            kernels.append(factor * tf.expand_dims(scale, 2) * kernel)
            bias = factor * (shift @ kernel + self.biases[i])
            z = tf.matmul(sines[-1], kernels[-1]) + tf.expand_dims(bias, 1)
        return z, sines, cosines, kernels


class Steps(layers.Layer):
    """Gradient steps from zero through a network: x [n, ..., 2] -> y [n, latent].

    Args:
      network: The `Network`. The other arguments are those of `encoder`.
    """

    def __init__(
        self,
        network,
        steps,
        rate,
        rate_learned,
        max_step,
        second_order,
        **layer_args,
    ):
        super().__init__(**layer_args)
        self.network, self.steps = network, steps
        self.max_step, self.second_order = max_step, second_order
        self.log_rate = self.add_weight(
            "log_rate",
            network.scale.shape[:1],
            initializer=tf.keras.initializers.Constant(math.log(rate)),
            trainable=rate_learned,
        )

    def call(self, x):
        """Finds codewords.

        Args:
          x: float32 [n, num_tx, num_delay, 2], CSI.

        Returns:
          y float32 [n, latent].
        """
        return self.after(x, self.first(x))

    def first(self, x):
        """Returns the step from zero before it is shortened; it is affine in x.

        Args:
          x: float32 [n, num_tx, num_delay, 2], CSI.

        Returns:
          float32 [n, latent].
        """
        return self._step(tf.zeros((1, self.log_rate.shape[0])), x)

    def after(self, x, step):
        """Takes the step from zero and those after it.

        Args:
          x: float32 [n, num_tx, num_delay, 2], CSI.
          step: float32 [n, latent], what `first` gives.

        Returns:
          y float32 [n, latent].
        """
        y = self._shortened(step)
        for _ in range(self.steps - 1):
            y = y + self._shortened(self._step(y, x))
        return y

    def _step(self, y, x):
        points = tf.reshape(x, (-1, math.prod(self.network.shape), 2))
        gradient = self.network.gradient(y, points * self.network.gain)
        if not self.second_order:
            gradient = tf.stop_gradient(gradient)
        return -tf.exp(self.log_rate) * gradient

    def _shortened(self, step):
        power = tf.reduce_mean(tf.square(step), 1, keepdims=True)
        return step * tf.minimum(self.max_step * tf.math.rsqrt(power + 1e-12), 1.0)


class _LaterSteps(layers.Layer):
    """All of a `Steps` layer but the computation of the first step."""

    def __init__(self, walk: Steps, **layer_args):
        super().__init__(**layer_args)
        self._walk = walk

    def call(self, inputs):
        return self._walk.after(*inputs)


def _network(shape, latent_dim, widths, features, sigma, w0, gain) -> Network:
    if len(shape) != 2 or min(shape) < 1:
        raise ValueError(
            f"shape is {tuple(shape)}; it must be (num_tx, num_delay), both at least 1"
        )
    if not widths or min(widths) < 1:
        raise ValueError(f"widths is {tuple(widths)}; it must be positive numbers")
    _check_positive(latent_dim=latent_dim, features=features)
    if len(sigma) != 2 or not min(sigma) > 0:
        raise ValueError(f"sigma is {tuple(sigma)}; it must be two positive numbers")
    _check_positive(w0=w0, gain=gain)
    sizes = (latent_dim, widths, features)
    return Network(shape, *sizes, sigma, w0, gain, name="network")


def _check_positive(**numbers: float) -> None:
    for name, number in numbers.items():
        if not number > 0:
            raise ValueError(f"{name} is {number}; it must be positive")


MODEL = Model("csi_inr", encoder, decoder, share=share, fold=fold)
