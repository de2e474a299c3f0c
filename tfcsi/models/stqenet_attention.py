"""The spatially separable transformer block (STB) of STQENet, in its two readings.

`tfcsi.models.stqenet` says what the readings are and how they differ. Rows are
float32 [n, 2, num_tx, num_delay]: LayerNormalization and the MLP act on the delay axis.
"""

from __future__ import annotations

from typing import Any

import tensorflow as tf
from tensorflow.keras import layers


def to_rows(x):
    """Permutes x [n, num_tx, num_delay, 2] to rows [n, 2, num_tx, num_delay]."""
    return layers.Permute((3, 1, 2))(x)


def from_rows(x):
    """Permutes rows [n, 2, num_tx, num_delay] to [n, num_tx, num_delay, 2]."""
    return layers.Permute((2, 3, 1))(x)


def layer_norm(name: str | None = None, epsilon: float = 1e-6) -> layers.Layer:
    """Returns a LayerNormalization of the delay axis, with the released epsilon."""
    return layers.LayerNormalization(epsilon=epsilon, name=name)


def _summary_norm(form: str) -> layers.Layer:
    """Returns the normalisation of the summaries of the global attention."""
    return layer_norm("stb_summary_norm", 1e-6 if form == "tfcsi" else 1e-5)


def up_down(rows):
    """Normalises rows, then upsamples and downsamples them by 2 in both directions.

    Args:
      rows: float32 [n, 2, num_tx, num_delay].

    Returns:
      float32 [n, 2, num_tx, num_delay].
    """
    x = from_rows(layer_norm("norm_up")(rows))
    x = layers.Conv2DTranspose(2, 4, strides=2, padding="same", name="up")(x)
    return to_rows(layers.Conv2D(2, 4, strides=2, padding="same", name="down")(x))


class Stb:
    """Spatially separable transformer block; calls share their weights.

    Four pre-norm residual steps on rows [n, 2, num_tx, num_delay]: local attention,
    MLP, global attention, MLP. A plain class that holds plain Keras layers, so that the
    model stays one flat functional graph.

    Args:
      shape: (num_tx, num_delay).
      attention: "windowed" or "released", the reading of the paper.
      window: Side of a window of the attention.
      num_heads: Number of heads of the attention.
      form: "tfcsi" or "released", see `tfcsi.models.stqenet`.
    """

    def __init__(
        self, shape, attention: str, window: int, num_heads: int, form: str = "tfcsi"
    ):
        kinds = {
            "windowed": (WindowedLocal, WindowedGlobal),
            "released": (ReleasedLocal, ReleasedGlobal),
        }
        local, global_ = kinds[attention]
        delay = shape[1]
        self.steps: list[tuple[Any, Any]] = [
            (layer_norm("stb_norm1"), local(shape, window, num_heads)),
            (layer_norm("stb_norm2"), Mlp(delay, "stb_mlp1")),
            (layer_norm("stb_norm3"), global_(shape, window, num_heads, form)),
            (layer_norm("stb_norm4"), Mlp(delay, "stb_mlp2")),
        ]

    def __call__(self, rows):
        """Rows [n, 2, num_tx, num_delay] to the same."""
        for norm, step in self.steps:
            rows = layers.Add()([rows, step(norm(rows))])
        return rows


class Mlp:
    """Dense, exact GELU, Dense along the delay axis, without expansion.

    Args:
      delay: Number of delay taps.
      name: Prefix of the names of its layers.
    """

    def __init__(self, delay: int, name: str):
        self.layers = [
            layers.Dense(delay, activation="gelu", name=f"{name}_in"),
            layers.Dense(delay, name=f"{name}_out"),
        ]

    def __call__(self, rows):
        """Rows [n, 2, num_tx, num_delay] to the same."""
        for layer in self.layers:
            rows = layer(rows)
        return rows


class WindowedLocal:
    """Self-attention in windows: tokens are positions, embedded by a dense layer.

    Args:
      shape: (num_tx, num_delay), multiples of `window`.
      window: Side of a window.
      num_heads: Number of heads.
    """

    def __init__(self, shape, window: int, num_heads: int):
        self.grid = (shape[0] // window, window, shape[1] // window, window)
        self.tokens = (self.grid[0] * self.grid[2], window * window)
        self.shape = shape
        self.attention = layers.MultiHeadAttention(
            num_heads,
            shape[1] // num_heads,
            attention_axes=(2,),
            name="stb_local",
        )

    def __call__(self, rows):
        """Rows [n, 2, num_tx, num_delay] to the same."""
        a, wa, d, wd = self.grid
        x = layers.Reshape((2, a, wa, d * wd))(rows)
        x = layers.Reshape((2 * a, wa, d, wd))(x)
        x = layers.Permute((1, 3, 2, 4))(x)  # [2 a, d, wa, wd]
        x = layers.Reshape((2, *self.tokens))(x)
        x = layers.Permute((2, 3, 1))(x)  # [windows, positions, 2]
        x = self.attention(x, x)
        x = layers.Permute((3, 1, 2))(x)
        x = layers.Reshape((2 * a, d, wa, wd))(x)
        x = layers.Permute((1, 3, 2, 4))(x)
        return layers.Reshape((2, *self.shape))(x)


class WindowedGlobal:
    """Attention of every position to one summary a window (strided convolution).

    Args:
      shape: (num_tx, num_delay), multiples of `window`.
      window: Side of a window.
      num_heads: Number of heads.
      form: "tfcsi" or "released".
    """

    def __init__(self, shape, window: int, num_heads: int, form: str = "tfcsi"):
        self.shape = shape
        self.summary = layers.Conv2D(2, window, strides=window, name="stb_summary")
        self.norm = _summary_norm(form)
        self.keys = (shape[0] // window) * (shape[1] // window)
        self.attention = layers.MultiHeadAttention(
            num_heads, shape[1] // num_heads, name="stb_global"
        )

    def __call__(self, rows):
        """Rows [n, 2, num_tx, num_delay] to the same."""
        query = from_rows(rows)
        key = to_rows(self.summary(query))
        key = layers.Permute((2, 1))(layers.Reshape((2, self.keys))(self.norm(key)))
        query = layers.Reshape((self.shape[0] * self.shape[1], 2))(query)
        x = self.attention(query, key)
        return to_rows(layers.Reshape((*self.shape, 2))(x))


class ReleasedLocal:
    """The released local attention: 16 groups of 8 slices of two adjacent rows.

    Args:
      shape: (num_tx, num_delay), multiples of `window`.
      window: Side of a window.
      num_heads: Number of heads.
    """

    def __init__(self, shape, window: int, num_heads: int):
        self.shape, self.window, self.heads = shape, window, num_heads
        self.groups = shape[0] // window * (shape[1] // window)
        self.qkv = layers.Dense(3 * shape[1], name="stb_local_qkv")
        self.proj = layers.Dense(shape[1], name="stb_local_proj")

    def __call__(self, rows):
        """Rows [n, 2, num_tx, num_delay] to the same."""
        depth = self.window // self.heads
        size = self.shape[0] * self.shape[1]
        slices = size // (self.groups * self.window)
        qkv = layers.Reshape((2 * self.groups, slices, 3, self.heads * depth))(
            self.qkv(rows)
        )
        q, k, v = (
            layers.Permute((1, 3, 2, 4))(
                layers.Reshape((2 * self.groups, slices, self.heads, depth))(
                    qkv[:, :, :, i]
                )
            )
            for i in range(3)
        )  # [n, 2 groups, heads, slices, depth]
        scale = (self.shape[1] // self.heads) ** -0.5
        weights = tf.nn.softmax(scale * tf.matmul(q, k, transpose_b=True))
        x = tf.matmul(weights, v)
        # The released code swaps groups and heads, then reads the flat result as
        # windows of a map with the two channels last, and swaps two axes of that.
        x = layers.Reshape((2, self.groups, self.heads, slices * depth))(x)
        x = layers.Permute((1, 3, 2, 4))(x)
        a, d = self.shape[0] // self.window, self.shape[1] // self.window
        x = layers.Reshape((a, d, self.window, self.window * 2))(x)
        x = layers.Permute((1, 3, 2, 4))(x)
        return self.proj(layers.Reshape((2, *self.shape))(x))


class ReleasedGlobal:
    """The released global attention, in which each head has one key.

    With one key, each query gets the value unchanged. The query and key weights are
    kept, as in the release, so that the number of parameters is the same.

    Args:
      shape: (num_tx, num_delay), multiples of `window`.
      window: Side of a window.
      num_heads: Not used; the number of heads is num_delay / window.
      form: "tfcsi" or "released".
    """

    def __init__(self, shape, window: int, num_heads: int, form: str = "tfcsi"):
        self.shape, self.window = shape, window
        self.side = shape[1] // window
        self.query = layers.Dense(shape[1], name="stb_global_q")
        self.summary = layers.Conv2D(2, window, strides=window, name="stb_summary")
        self.norm = _summary_norm(form)
        self.kv = layers.Dense(2 * self.side, name="stb_global_kv")
        self.proj = layers.Dense(shape[1], name="stb_global_proj")

    def __call__(self, rows):
        """Rows [n, 2, num_tx, num_delay] to the same."""
        side, delay = self.side, self.shape[1]
        q = layers.Reshape((2, -1, side, side))(self.query(rows))
        q = layers.Permute((1, 3, 2, 4))(q)  # [n, 2, heads, queries, side]
        kv = self.kv(self.norm(to_rows(self.summary(from_rows(rows)))))
        kv = layers.Reshape((2, 2, side * side))(kv)
        k, v = (
            layers.Reshape((2, side, 1, side))(kv[:, :, i]) for i in range(2)
        )  # [n, 2, heads, 1 key, side]
        weights = tf.nn.softmax(
            (delay // side) ** -0.5 * tf.matmul(q, k, transpose_b=True)
        )
        x = tf.matmul(weights, v)
        x = layers.Permute((2, 1, 3, 4))(x)
        return self.proj(layers.Reshape((2, *self.shape))(x))
