"""The rate of the codec `learned` in TensorFlow: its integer network of contexts.

`TokenContexts` computes the bits of symbols with the very integers that
`tfcsi.coding.token_contexts` computes with: here they are floats that hold integers
over powers of two. Gradients pass the roundings straight through (Bengio et al.,
"Estimating or propagating gradients through stochastic neurons", arXiv:1308.3432). The
rate is that of noisy numbers for a training of the encoder, and that of the symbols
otherwise (Balle et al., "End-to-end optimized image compression", ICLR 2017).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.keras import initializers, layers

from tfcsi.coding import token_contexts as integers
from tfcsi.coding.tables import PRECISION, Tables

_WEIGHT, _BIAS, _ACTIVATION = 64, 1024, 16  # Parts of 1 that their integers count.


@tf.keras.utils.register_keras_serializable("tfcsi")
class TokenContexts(layers.Layer):
    """Integer network of contexts as a Keras layer that can be trained.

    Attributes:
      mask: float32 [passes, 1, 2 channels, 5, 5], 1 where the first layer of a pass
        reads what is already sent.
    """

    def __init__(
        self,
        grid: tuple[int, ...],
        channels: int,
        rates: int,
        groups: int = 4,
        hidden: int = 64,
        **options: Any,
    ):
        """Makes a layer with random weights.

        Args:
          grid: (angles, delays) of the tokens.
          channels: Symbols of a token, a multiple of `groups`.
          rates: Number of rates.
          groups: Groups of channels; each is sent in two passes.
          hidden: Width of the network.
          **options: As of a Keras layer.

        Raises:
          ValueError: If the channels do not make whole groups.
        """
        super().__init__(**{**options, "dtype": "float32"})
        if channels % groups:
            raise ValueError(f"channels is {channels}, no multiple of groups={groups}")
        self.grid, self.channels, self.rates = tuple(grid), channels, rates
        self.groups, self.hidden = groups, hidden
        self.mask = read_by(channels, groups)[:, None].astype(np.float32)
        passes, size = 2 * groups, 2 * channels // groups
        count = self.mask.sum((1, 2, 3, 4)).clip(1)
        spread = count.astype(np.float32)[:, None, None, None, None] ** -0.5
        normal, number = initializers.RandomNormal, initializers.Constant
        first = tf.reshape(tf.linspace(-1.0, 1.0, rates), (rates, 1, 1))
        steps = first * normal(0.5)((1, passes, hidden))
        scales = np.zeros((passes, size), np.float32)
        scales[:, size // 2 :] = -0.5
        start = {
            "w1": normal(1.0)((passes, hidden, 2 * channels, 5, 5)) * spread,
            "b1": 0.5 + normal(0.1)((passes, hidden, *self.grid)),
            "r1": steps,
            "w2": normal(hidden**-0.5)((passes, hidden, hidden)),
            "b2": number(0.5)((passes, hidden)),
            "w3": normal(0.3 * hidden**-0.5)((passes, size, hidden)),
            "b3": scales,
            "mix": np.array([0.0, 1.0, -1.0], np.float32),
        }
        self.parts = {
            name: self.add_weight(
                name, value.shape, initializer=lambda *_, value=value, **__: value
            )
            for name, value in start.items()
        }

    @classmethod
    def of(cls, contexts: integers.TokenContexts) -> TokenContexts:
        """Returns a layer with the integers of a codec."""
        layer = cls(
            contexts.grid,
            contexts.channels,
            contexts.rates,
            contexts.passes // 2,
            contexts.hidden,
        )
        layer.assign(contexts)
        return layer

    def call(self, symbols: tf.Tensor, rate: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Runs the network.

        Args:
          symbols: float32 [n, angles, delays, channels], integers.
          rate: float32 [n, rates], 1 at the number of the rate and 0 elsewhere.

        Returns:
          Means and logarithms to base 2 of scales of the laws of the symbols, float32
          of the shape of the symbols, on the grids of the tables.
        """
        n, passes, hidden = tf.shape(symbols)[0], 2 * self.groups, self.hidden
        angles, delays = self.grid
        size = tf.math.log1p(tf.abs(symbols)) * np.float32(_ACTIVATION / np.log(2))
        size = tf.minimum(tf.round(size), 127.0) / _ACTIVATION
        x = tf.concat([tf.sign(symbols) * size, size], axis=-1)
        x = tf.concat([x[:, -2:], x, x[:, :2]], axis=1)
        x = tf.pad(x, ((0, 0), (0, 0), (2, 2), (0, 0)))
        w1 = tf.reshape(
            self._weight("w1") * self.mask, (passes * hidden, 2 * self.channels, 5, 5)
        )
        x = tf.nn.conv2d(x, tf.transpose(w1, (2, 3, 1, 0)), 1, "VALID")
        r1 = tf.matmul(rate, tf.reshape(self._bias("r1"), (self.rates, -1)))
        b1 = tf.reshape(self._bias("b1"), (passes * hidden, angles, delays))
        x = _activations(x + tf.transpose(b1, (1, 2, 0)) + r1[:, None, None])
        x = tf.reshape(x, (n * angles * delays, passes, hidden))
        x = self._dense(tf.transpose(x, (1, 0, 2)), "2")
        out = self._dense(_activations(x), "3")
        out = tf.reshape(out, (self.groups, 2, n, angles, delays, 2, -1))
        first = np.add.outer(np.arange(angles), np.arange(delays)) % 2 == 0
        out = tf.where(first[:, :, None, None], out[:, 0], out[:, 1])
        out = tf.transpose(out, (4, 1, 2, 3, 0, 5))  # Means or scales first.
        out = tf.reshape(out, (2, n, angles, delays, self.channels))
        mean = _straight(out[0], tf.floor(8 * out[0] + 0.5) / 8)
        low, high = -20.0, integers.SCALES - 21.0
        number = tf.clip_by_value(tf.floor(4 * out[1] + 0.5), low, high)
        scale = tf.clip_by_value(out[1], low / 4, high / 4)
        return mean, _straight(scale, number / 4)

    def bits(self, y: tf.Tensor, symbols: tf.Tensor, rate: tf.Tensor) -> tf.Tensor:
        """Returns the bits of each matrix, float32 [n].

        Args:
          y: float32 [n, angles, delays, channels], the symbols, or numbers with the
            noise of a rounding in their place.
          symbols: float32 of the same shape, the symbols.
          rate: As of `call`.
        """
        mean, scale = self(symbols, rate)
        away, total = tf.abs(y - mean), 0.0
        for weight, ratio in zip(
            tf.unstack(tf.nn.softmax(self.parts["mix"])), integers.RATIOS
        ):
            factor = tf.pow(2.0, -scale) / ratio
            low, high = (-0.5 - away) * factor, (0.5 - away) * factor
            # sigmoid(high) - sigmoid(low), without loss of digits.
            part = tf.sigmoid(high) * tf.sigmoid(-low) * -tf.math.expm1(low - high)
            total += weight * part
        bits = -tf.math.log(tf.maximum(total, 2.0**-15)) * np.float32(1 / np.log(2))
        return tf.reduce_sum(bits, (1, 2, 3))

    def frozen(self) -> integers.TokenContexts:
        """Returns the network of integers, and the tables of its law."""
        arrays = {}
        for name in ("w1", "w2", "w3"):
            weights = np.rint(_WEIGHT * self.parts[name].numpy()).clip(-127, 127)
            arrays[name] = (weights * (self.mask if name == "w1" else 1)).astype("i1")
        for name in ("b1", "r1", "b2", "b3"):
            arrays[name] = np.rint(_BIAS * self.parts[name].numpy()).astype("i4")
        mix = tf.nn.softmax(self.parts["mix"]).numpy()
        return integers.TokenContexts(arrays, integers.law_tables(mix))

    def assign(self, contexts: integers.TokenContexts) -> None:
        """Takes the integers of a codec of the same size.

        Args:
          contexts: Its network. What it reads that this layer does not is read from now
            on.

        Raises:
          ValueError: If it has another size.
        """
        for name, array in contexts.arrays.items():
            unit = _WEIGHT if name[0] == "w" else _BIAS
            self.parts[name].assign(array.astype(np.float32) / unit)
        read = (contexts.arrays["w1"] != 0).any(axis=1, keepdims=True)
        self.mask = np.maximum(self.mask, read.astype(np.float32))
        self.parts["mix"].assign(np.log(mix_of(contexts.tables)).astype(np.float32))

    def get_config(self) -> dict[str, object]:
        """Returns the arguments of the constructor."""
        names = ("grid", "channels", "rates", "groups", "hidden")
        return {**super().get_config(), **{name: vars(self)[name] for name in names}}

    def _weight(self, name: str) -> tf.Tensor:
        w = self.parts[name]
        rounded = tf.clip_by_value(tf.round(w * _WEIGHT), -127.0, 127.0) / _WEIGHT
        return _straight(w, rounded)

    def _bias(self, name: str) -> tf.Tensor:
        b = self.parts[name]
        return _straight(b, tf.round(b * _BIAS) / _BIAS)

    def _dense(self, x: tf.Tensor, number: str) -> tf.Tensor:
        """A layer of all passes on x [passes, rows, hidden]."""
        weight, bias = self._weight(f"w{number}"), self._bias(f"b{number}")
        return tf.matmul(x, weight, transpose_b=True) + bias[:, None]


def read_by(channels: int, groups: int) -> np.ndarray:
    """Which entries of the first layer read what is already sent.

    Args:
      channels: Symbols of a token.
      groups: Groups of channels.

    Returns:
      bool [2 groups, 2 channels, 5, 5]. A pass is a group of channels on one colour of
      the checkerboard; inputs are the signed symbols, then their sizes. Sizes of the
      eight neighbours are read, and signs of the four nearest.
    """
    a, d = np.meshgrid(np.arange(-2, 3), np.arange(-2, 3), indexing="ij")
    other = (a + d) % 2 == 1
    near, plus = np.maximum(abs(a), abs(d)) <= 1, abs(a) + abs(d) <= 1
    out = np.zeros((groups, 2, 2, channels, 5, 5), bool)
    size = channels // groups
    for group in range(groups):
        out[group, :, 0, : group * size] = plus
        out[group, :, 1, : group * size] = near
        own = slice(group * size, (group + 1) * size)  # Sent on the first colour.
        out[group, 1, 0, own], out[group, 1, 1, own] = other & plus, other
    return out.reshape(2 * groups, 2 * channels, 5, 5)


def mix_of(tables: Tables) -> np.ndarray:
    """Returns the weights [3] of the parts of a law whose tables are given.

    They are the least-squares fit to the tables of some scales, and at least 1e-5.
    """
    alone = [integers.law_tables(row) for row in np.eye(len(integers.RATIOS))]
    rows = np.arange(24, 36) * integers.FRACTIONS + integers.FRACTIONS // 2
    whole = _probabilities(tables, rows)
    parts = np.stack([_probabilities(each, rows) for each in alone], axis=1)
    mix = np.maximum(np.linalg.lstsq(parts, whole, rcond=None)[0], 1e-5)
    return mix / mix.sum()


def _probabilities(tables: Tables, rows: np.ndarray) -> np.ndarray:
    """Probabilities of the symbols of some tables, float64 [all]."""
    cdf = tables.cdf[rows].astype(np.float64)
    return (np.diff(cdf, axis=1) / (1 << PRECISION)).ravel()


def _activations(x: tf.Tensor) -> tf.Tensor:
    """Sums as 16ths from 0 to 255."""
    rounded = tf.clip_by_value(tf.floor(x * _ACTIVATION + 0.5), 0.0, 255.0)
    return _straight(tf.clip_by_value(x, 0.0, 255 / _ACTIVATION), rounded / _ACTIVATION)


def _straight(x: tf.Tensor, rounded: tf.Tensor) -> tf.Tensor:
    """The value of `rounded` with the gradient of x."""
    return x + tf.stop_gradient(rounded - x)
