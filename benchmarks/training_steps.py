"""Training steps of networks in TensorFlow, for `training_speed.py`.

A step is a forward pass, the mean squared error, a backward pass and Adam. That of the
codec `learned` is the error and the bits of a training, for matrices of all rates.
"""

import dataclasses
import math

import numpy as np
import tensorflow as tf
from tensorflow.keras import layers

from tfcsi import models, transforms
from tfcsi.channels import cost2100
from tfcsi.coding.token_sending import NORM
from tfcsi.models import csi_inr
from tfcsi.models import learned as learned_models
from tfcsi.training import balance, optimizer, tokens

SHAPE, SEED, RATE = (32, 32), 1, 1e-3


@dataclasses.dataclass(frozen=True)
class Network:
    """A network that is timed.

    Attributes:
      batch: Number of matrices in a step.
      latent_dim: Length of the codeword; 0 for the tokens of the codec `learned`.
      options: Options of the network in tfcsi.
      precisions: Those in which tfcsi computes it.
    """

    batch: int = 200
    latent_dim: int = 512
    options: dict = dataclasses.field(default_factory=dict)
    precisions: tuple[str, ...] = ("float32", "bfloat16")


NETWORKS = {
    **{name: Network() for name in ("csinet", "crnet", "cllwcsinet", "dcrnet")},
    **{name: Network() for name in ("acrnet", "transnet", "stqenet")},
    "stnet": Network(options={"attention": "released"}),
    "csi_inr": Network(16, 32, precisions=("float32",)),
    "learned": Network(64, 0),
}


def matrices(name):
    """Returns CSI of a step, float32 [batch, num_tx, num_delay, 2]."""
    x = transforms.to_real(cost2100.simulate(NETWORKS[name].batch, SEED, "indoor"))
    if name != "learned":
        return x
    return x * (NORM / np.sqrt(np.square(x).sum((1, 2, 3), keepdims=True)))


def step_of(name, x, plain=False, precision="float32", compiled=False):
    """Makes a network and its optimizer.

    Args:
      name: One of `NETWORKS`.
      x: What `matrices` returns.
      plain: Whether layers and optimizer are Keras' own.
      precision: "float32" or "bfloat16".
      compiled: Whether XLA compiles the step.

    Returns:
      The number of parameters and a function that takes one training step.

    Raises:
      NotImplementedError: If tfcsi has no such form of the network.
    """
    if precision not in NETWORKS[name].precisions:
        raise NotImplementedError(f"tfcsi does not compute {name} in {precision}")
    tf.keras.utils.set_random_seed(SEED)
    with tokens.precision(precision):
        make = _learned if name == "learned" else _pair
        variables, loss = make(name, plain)
    variables = list({v.ref(): v for v in variables}.values())  # Some are shared.
    adam = (tf.keras.optimizers.Adam if plain else optimizer.Adam)(RATE)
    adam.build(variables)

    @tf.function(jit_compile=compiled)
    def step(x):
        with tf.GradientTape() as tape:
            value = loss(x)
        adam.apply_gradients(zip(tape.gradient(value, variables), variables))
        return value

    x = tf.constant(x)
    return sum(int(tf.size(v)) for v in variables), lambda: step(x).numpy()


def pair_of(name, plain):
    """Returns encoder and decoder of one of `NETWORKS` but `learned`."""
    model, network = models.get(name), NETWORKS[name]
    encoder, decoder = (
        build(SHAPE, network.latent_dim, **network.options)
        for build in (model.encoder, model.decoder)
    )
    if name == "csi_inr":
        if plain:
            ours = decoder.get_layer("network")
            y, theirs = decoder.input, PlainInr.of(ours)
            decoder = tf.keras.Model(y, theirs(y))
        model.share(encoder, decoder)
    elif plain:
        encoder, decoder = _plain(encoder), _plain(decoder)
    return encoder, decoder


def _pair(name, plain):
    """Variables and loss of an encoder and a decoder."""
    encoder, decoder = pair_of(name, plain)

    def loss(x):
        x_hat = decoder(encoder(x, training=True), training=True)
        return tf.reduce_mean(tf.square(x - tf.cast(x_hat, x.dtype)))

    return encoder.trainable_variables + decoder.trainable_variables, loss


def _plain(model):
    """A model with the batch normalisation of Keras in place of that of tfcsi."""

    def keras(layer):
        if isinstance(layer, layers.BatchNormalization):
            return layers.BatchNormalization.from_config(layer.get_config())
        return layer

    return tf.keras.models.clone_model(model, clone_function=keras)


class PlainInr(csi_inr.Network):
    """CSI-INR's network as its formula, and the gradient of a step by a tape."""

    @classmethod
    def of(cls, network):
        """Returns a network of the same weights."""
        latent_dim, features = network.scale.shape[0], network.frequencies.shape[1]
        sizes = (latent_dim, network.widths, features, (1.0, 1.0))
        plain = cls(network.shape, *sizes, network.w0, network.gain, name="network")
        plain.set_weights(network.get_weights())
        return plain

    def call(self, y):
        """Evaluates CSI, as the method of `csi_inr.Network`."""
        axes = [tf.linspace(-1.0, 1.0, size) for size in self.shape]
        grid = tf.reshape(tf.stack(tf.meshgrid(*axes, indexing="ij"), -1), (-1, 2))
        angles = 2 * math.pi * grid @ self.frequencies
        x = tf.concat([tf.cos(angles), tf.sin(angles)], 1)
        scales = tf.split(y @ self.scale + self.scale_bias, self.widths, 1)
        shifts = tf.split(y @ self.shift + self.shift_bias, self.widths, 1)
        for kernel, bias, scale, shift in zip(
            self.kernels, self.biases, scales, shifts
        ):
            x = tf.sin(self.w0 * (x @ kernel + bias))
            x = scale[:, None] * x + shift[:, None]
        x = x @ self.kernels[-1] + self.biases[-1]
        return tf.reshape(x, (-1, *self.shape, 2)) / self.gain

    def gradient(self, y, x):
        """Gradient of the inner loss, as the method of `csi_inr.Network`."""
        y = y + tf.zeros((tf.shape(x)[0], 1), y.dtype)
        with tf.GradientTape() as tape:
            tape.watch(y)
            error = self.gain * tf.reshape(self(y), tf.shape(x)) - x
            loss = tf.reduce_sum(tf.square(error)) / x.shape[1]
        return tape.gradient(loss, y)


def lambdas(rates):
    """Returns the weight of the error at each rate of the codec `learned`."""
    return 200 * 2 ** (0.6 * np.arange(rates))


def _learned(name, plain):
    """Variables and loss of the codec `learned`, which has no layers of its own."""
    del name, plain
    size = learned_models.Size()
    weights = tf.constant(lambdas(size.rates), tf.float32)
    networks = tokens.Networks(size, lambdas(size.rates), None)

    def loss(x):
        rate = balance.drawn(x, size.rates, None)
        noise = tf.random.uniform((len(x), *size.grid, size.channels), -0.5, 0.5)
        bits, error = networks(x, rate, noise, False)
        return tf.reduce_mean(bits + tf.linalg.matvec(rate, weights) * error)

    return list(networks.trainable_variables), loss
