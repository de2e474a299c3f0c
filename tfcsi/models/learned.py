"""The networks of the codec `learned` as Keras models of plain layers.

`tfcsi.codecs.learned_networks` runs the same networks in NumPy and tells what they are.
Here they can be trained (`tfcsi.training.learned`) and converted (`tfcsi.tflite`). The
name of a layer is that of its arrays in the codec: "encoder.patch" has the arrays
"encoder.patch.weight" and "encoder.patch.bias".
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping

import numpy as np
import tensorflow as tf
from tensorflow.keras import initializers, layers

PATCH = 4  # Side of the square of a matrix that a token stands for.
_EPSILON = 1e-5  # Added to the variance in a normalisation.


@dataclasses.dataclass(frozen=True)
class Size:
    """How large the networks are.

    Attributes:
      grid: (angles, delays) of the tokens; matrices have 4 x 4 times as many entries.
      rates: Number of rates.
      channels: Numbers of a token.
      ue_width: Channels of the encoder on patches of 2 x 2, and on those of 4 x 4.
      ue_blocks: Number of blocks of the encoder on each of them.
      width: Channels of the decoder on tokens, and on patches of 2 x 2.
      blocks: Number of blocks of the decoder on each of them.
      heads: Heads of attention.
    """

    grid: tuple[int, int] = (8, 8)
    rates: int = 16
    channels: int = 32
    ue_width: tuple[int, int] = (32, 64)
    ue_blocks: tuple[int, int] = (2, 1)
    width: tuple[int, int] = (256, 128)
    blocks: tuple[int, int] = (4, 4)
    heads: int = 8

    @classmethod
    def of(cls, weights: Mapping[str, np.ndarray], grid: tuple[int, ...]) -> Size:
        """Returns the size of the networks that have these arrays."""

        def count(name: str) -> int:
            found = (re.match(rf"{re.escape(name)}\.(\d+)\.", key) for key in weights)
            return 1 + max((int(m.group(1)) for m in found if m), default=-1)

        def rows(name: str) -> int:
            return len(weights[f"{name}.weight"])

        rates, channels = weights["gain"].shape
        angles, delays = grid
        return cls(
            (angles, delays),
            rates,
            channels,
            (rows("encoder.patch"), rows("encoder.merge")),
            (count("encoder.fine"), count("encoder.coarse")),
            (rows("decoder.embed"), rows("decoder.norm")),
            (count("decoder.coarse"), count("decoder.fine")),
        )


def encoder(size: Size) -> tf.keras.Model:
    """Builds the network of the UE.

    Args:
      size: Its size.

    Returns:
      Keras model x float32 [n, num_tx, num_delay, 2], norm 32 a matrix, to
      y float32 [n, angles, delays, channels].
    """
    angles, delays = size.grid
    x = layers.Input((PATCH * angles, PATCH * delays, 2), name="x")
    u = Companded(name="encoder.companded", dtype="float32")(x)
    for part, name, width, blocks in zip(
        ("patch", "merge"), ("fine", "coarse"), size.ue_width, size.ue_blocks
    ):
        u = layers.Conv2D(width, 2, 2, name=f"encoder.{part}")(u)
        for i in range(blocks):
            u = _encoder_block(u, f"encoder.{name}.{i}")
    linear = layers.Conv2D(
        size.channels,
        PATCH,
        PATCH,
        use_bias=False,
        kernel_initializer=_Entries(),
        name="encoder.skip",
    )
    out = layers.Conv2D(
        size.channels, 1, kernel_initializer="zeros", name="encoder.out"
    )
    y = layers.Add(name="encoder.y")([linear(x), out(u)])
    return tf.keras.Model(x, y, name="encoder")


def decoder(size: Size) -> tf.keras.Model:
    """Builds the network of the base station.

    Args:
      size: Its size.

    Returns:
      Keras model of three inputs: y float32 [n, angles, delays, channels], symbols
      divided by their gains; symbols float32 of the same shape; rate float32
      [n, rates], 1 at the number of the rate and 0 elsewhere. It returns x_hat float32
      [n, num_tx, num_delay, 2], norm about 32 a matrix.
    """
    angles, delays = size.grid
    y = layers.Input((angles, delays, size.channels), name="y")
    symbols = layers.Input((angles, delays, size.channels), name="symbols")
    rate = layers.Input((size.rates,), name="rate")
    coarse, fine = size.width
    u = layers.Concatenate(name="decoder.read")(
        [y, SignedLog(name="decoder.small")(symbols)]
    )
    u = layers.Reshape((angles * delays, 2 * size.channels))(u)
    u = layers.Dense(coarse, name="decoder.embed")(u)
    u = Place(name="decoder.place")(u)
    at_rate = layers.Dense(
        coarse, use_bias=False, kernel_initializer="zeros", name="decoder.rate"
    )
    u = layers.Add()([u, layers.Reshape((1, coarse))(at_rate(rate))])
    for i in range(size.blocks[0]):
        u = _attention(u, size.heads, f"decoder.coarse.{i}")
    u = layers.Dense(4 * fine, name="decoder.split")(u)
    u = Spread(2)(layers.Reshape((angles, delays, 4 * fine))(u))
    for i in range(size.blocks[1]):
        u = _conv_block(u, f"decoder.fine.{i}")
    u = layers.LayerNormalization(epsilon=_EPSILON, name="decoder.norm")(u)
    u = layers.Dense(8, kernel_initializer="zeros", name="decoder.head")(u)
    linear = layers.Dense(
        2 * PATCH**2,
        use_bias=False,
        kernel_initializer="identity",
        name="decoder.skip",
        dtype="float32",
    )
    parts = [Spread(2, dtype="float32")(u), Spread(PATCH, dtype="float32")(linear(y))]
    x_hat = layers.Add(name="x_hat", dtype="float32")(parts)
    return tf.keras.Model([y, symbols, rate], x_hat, name="decoder")


def arrays_of(network: tf.keras.Model) -> dict[str, np.ndarray]:
    """Returns the weights of a network as the codec has them, float32 by name."""
    out = {}
    for layer in network.layers:
        for name, axes, weight in _weights(layer):
            array = weight.numpy()
            out[name] = array.transpose(axes) if axes else array
    return out


def assign(network: tf.keras.Model, arrays: Mapping[str, np.ndarray]) -> None:
    """Gives a network the weights of a codec.

    Args:
      network: Model of `encoder` or `decoder`.
      arrays: Arrays of the codec by name; others may be among them.

    Raises:
      KeyError: If an array is missing.
      ValueError: If an array has another shape than the network.
    """
    for layer in network.layers:
        for name, axes, weight in _weights(layer):
            array = np.asarray(arrays[name], np.float32)
            weight.assign(array.transpose(np.argsort(axes)) if axes else array)


# Axes of the kernel of a layer in the order of the codec: results first.
_AXES: dict[type, tuple[int, ...]] = {
    layers.Conv2D: (3, 2, 0, 1),
    layers.DepthwiseConv2D: (2, 3, 0, 1),
}


def _weights(layer: layers.Layer) -> list[tuple[str, tuple[int, ...], tf.Variable]]:
    """Name in the codec, axes in its order, and variable of each weight of a layer."""
    if not layer.weights:
        return []
    kernel, *bias = layer.weights
    if layer.name in ("decoder.place", "decoder.rate"):
        return [(layer.name, (), kernel)]
    usual = (1, 0) if len(kernel.shape) == 2 else ()  # Dense, or a normalisation.
    axes = _AXES.get(type(layer), usual)
    parts = [(f"{layer.name}.weight", axes, kernel)]
    return parts + [(f"{layer.name}.bias", (), each) for each in bias]


def _around(x, width: int):
    """Pads angles in a circle and delays with zeros."""
    x = layers.Concatenate(axis=1)([x[:, -width:], x, x[:, :width]])
    return layers.ZeroPadding2D((0, width))(x)


def _encoder_block(x, name: str):
    channels = x.shape[-1]
    u = layers.DepthwiseConv2D(5, name=f"{name}.spread")(_around(x, 2))
    u = layers.Conv2D(2 * channels, 1, activation="relu", name=f"{name}.up")(u)
    down = layers.Conv2D(channels, 1, kernel_initializer=_small(), name=f"{name}.down")
    return layers.Add()([x, down(u)])


def _attention(x, heads: int, name: str):
    width = x.shape[-1]
    u = layers.LayerNormalization(epsilon=_EPSILON, name=f"{name}.norm1")(x)
    parts = [
        layers.Dense(width, name=f"{name}.{part}")(u)
        for part in ("query", "key", "value")
    ]
    u = Attend(heads)(parts)
    x = layers.Add()([x, layers.Dense(width, name=f"{name}.project")(u)])
    u = layers.LayerNormalization(epsilon=_EPSILON, name=f"{name}.norm2")(x)
    u = layers.Dense(3 * width, activation="swish", name=f"{name}.up")(u)
    return layers.Add()([x, layers.Dense(width, name=f"{name}.down")(u)])


def _conv_block(x, name: str):
    channels = x.shape[-1]
    u = layers.LayerNormalization(epsilon=_EPSILON, name=f"{name}.norm")(x)
    u = layers.Conv2D(channels, 3, activation="swish", name=f"{name}.conv")(
        _around(u, 1)
    )
    return layers.Add()([x, layers.Conv2D(channels, 1, name=f"{name}.mix")(u)])


def _small():
    return initializers.RandomNormal(stddev=0.02)


@tf.keras.utils.register_keras_serializable("tfcsi")
class _Entries(initializers.Initializer):
    """Kernel of a convolution that puts the entries of a patch one after another."""

    def __call__(self, shape, dtype=None, **options):
        inputs = int(np.prod(shape[:-1]))
        return tf.reshape(tf.eye(inputs, shape[-1], dtype=dtype or tf.float32), shape)


@tf.keras.utils.register_keras_serializable("tfcsi")
class Companded(layers.Layer):
    """CSI, and CSI divided by the root of its size, so that weak taps are seen."""

    def call(self, x):
        """Maps x [n, ..., 2] to [n, ..., 4]."""
        power = tf.reduce_sum(tf.square(x), axis=-1, keepdims=True)
        return tf.concat([0.25 * x, x * tf.math.rsqrt(tf.sqrt(power + 0.1))], axis=-1)


@tf.keras.utils.register_keras_serializable("tfcsi")
class SignedLog(layers.Layer):
    """Symbols q as sign(q) log2(1 + |q|)."""

    def __init__(self, **options):
        super().__init__(**{**options, "dtype": "float32"})

    def call(self, q):
        """Maps q [...] to [...]."""
        return tf.sign(q) * tf.math.log1p(tf.abs(q)) * np.float32(1 / np.log(2))


@tf.keras.utils.register_keras_serializable("tfcsi")
class Place(layers.Layer):
    """Adds numbers that differ from token to token."""

    def build(self, input_shape):
        """Makes the numbers [tokens, width]."""
        self.place = self.add_weight("place", input_shape[1:], initializer=_small())
        super().build(input_shape)

    def call(self, x):
        """Adds them to x [n, tokens, width]."""
        return x + self.place


@tf.keras.utils.register_keras_serializable("tfcsi")
class Spread(layers.Layer):
    """Turns tokens [n, a, d, side side c] into points [n, side a, side d, c]."""

    def __init__(self, side: int, **options):
        super().__init__(**options)
        self.side = side

    def call(self, x):
        """Moves the numbers of a token to its points."""
        return tf.nn.depth_to_space(x, self.side)

    def get_config(self):
        """Returns the arguments of the constructor."""
        return {**super().get_config(), "side": self.side}


@tf.keras.utils.register_keras_serializable("tfcsi")
class Attend(layers.Layer):
    """Soft-max attention of several heads on queries, keys and values."""

    def __init__(self, heads: int, **options):
        super().__init__(**options)
        self.heads = heads

    def call(self, parts):
        """Maps three tensors [n, tokens, width] to one."""
        tokens, width = parts[0].shape[1:]
        size = width // self.heads
        query, key, value = (
            tf.transpose(tf.reshape(x, (-1, tokens, self.heads, size)), (0, 2, 1, 3))
            for x in parts
        )
        scores = tf.matmul(query * size**-0.5, key, transpose_b=True)
        u = tf.matmul(tf.nn.softmax(scores), value)
        return tf.reshape(tf.transpose(u, (0, 2, 1, 3)), (-1, tokens, width))

    def get_config(self):
        """Returns the arguments of the constructor."""
        return {**super().get_config(), "heads": self.heads}
