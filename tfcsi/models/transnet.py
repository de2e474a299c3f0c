"""TransNet: a two-layer transformer for CSI feedback.

TransNet (Cui, Guo, Song, WCL 2022; code Treedy2020/TransNet) cuts the 2048 reals of a
matrix into 32 tokens of 64: two adjacent antenna rows of its real or imaginary part.
The UE passes them twice through one transformer encoder layer (self-attention, then a
feed-forward net, each with a skip and a LayerNormalization after it) and reduces all
tokens by a dense layer. The BS expands the codeword to tokens and passes them twice
through one decoder layer, whose cross-attention looks at the expanded tokens, and
through a last LayerNormalization. There is no positional encoding, no dropout and no
output activation. TransNet+ is the same network: its released file has another name
only.

Deviations: attention is among the tokens of a matrix, as the paper has it. The released
code leaves `batch_first` at False but gives tensors of [batch, token, width], so that
its soft-max runs over the 200 matrices of a batch, token by token. The result for a
matrix then depends on the other matrices of the batch, and a batch of one matrix has no
attention at all. A codec cannot do that, so there is no option for it, and an NMSE
measured with that code is not the NMSE of this network. The parameters are the same. As
released, both passes use one layer's weights (`shared=True`); the 3.258 M parameters in
some tables are those of `shared=False`. The scale of the CSI is ours
(`tfcsi.models.blocks`); with ``form="released"`` it is the released one, and the
network is the released one with `batch_first`. The default is ours because it learns in
fewer epochs.
"""

from __future__ import annotations

import math

import tensorflow as tf
from tensorflow.keras import layers

from tfcsi.models.blocks import (
    check_form,
    from_codeword,
    scale_in,
    scale_out,
    to_codeword,
)
from tfcsi.models.contract import Model
from tfcsi.models.releases import Release

_PASSES = 2


def encoder(
    shape: tuple[int, int],
    latent_dim: int,
    width: int = 64,
    num_heads: int = 2,
    hidden: int = 2048,
    shared: bool = True,
    latent: str = "dense",
    form: str = "tfcsi",
) -> tf.keras.Model:
    """Returns the UE network x -> y.

    Args:
      shape: (num_tx, num_delay); 2 num_tx num_delay is a multiple of `width`.
      latent_dim: Length of the codeword y (512, 256, 128, 64, 32 for CR 4 ... 64).
      width: Length of a token.
      num_heads: Attention heads; divides `width`.
      hidden: Width of the feed-forward net.
      shared: Whether both passes use one layer's weights.
      latent: "dense" (published) or "conv", see `blocks.to_codeword`.
      form: "tfcsi" or "released", see `tfcsi.models.blocks`.

    Returns:
      Keras model, float32 [n, num_tx, num_delay, 2] -> float32 [n, latent_dim].

    Raises:
      ValueError: If an argument does not fit; the message names it.
    """
    _check(shape, latent_dim, width, num_heads, hidden)
    check_form(form)
    x_in = layers.Input((*shape, 2), name="x")
    x = _to_tokens(scale_in(x_in, form), width)
    for layer in _passes(_EncoderLayer, width, num_heads, hidden, shared):
        x = layer(x)
    y = to_codeword(_from_tokens(x, shape), latent_dim, latent, form=form)
    return tf.keras.Model(x_in, y, name="transnet_encoder")


def decoder(
    shape: tuple[int, int],
    latent_dim: int,
    width: int = 64,
    num_heads: int = 2,
    hidden: int = 2048,
    shared: bool = True,
    latent: str = "dense",
    form: str = "tfcsi",
) -> tf.keras.Model:
    """Returns the BS network y_hat -> x_hat.

    Args:
      shape: (num_tx, num_delay); 2 num_tx num_delay is a multiple of `width`.
      latent_dim: Length of the codeword.
      width: Length of a token.
      num_heads: Attention heads; divides `width`.
      hidden: Width of the feed-forward net.
      shared: Whether both passes use one layer's weights.
      latent: "dense" or "conv", as in the encoder.
      form: As in the encoder.

    Returns:
      Keras model, float32 [n, latent_dim] -> float32 [n, num_tx, num_delay, 2].

    Raises:
      ValueError: If an argument does not fit; the message names it.
    """
    _check(shape, latent_dim, width, num_heads, hidden)
    check_form(form)
    y_in = layers.Input((latent_dim,), name="y_hat")
    image = from_codeword(y_in, shape, latent, form=form)
    x = memory = _to_tokens(image, width)
    for layer in _passes(_DecoderLayer, width, num_heads, hidden, shared):
        x = layer(x, memory)
    x = _from_tokens(_layer_norm("norm_out")(x), shape)
    x = scale_out(x, form=form)
    return tf.keras.Model(y_in, x, name="transnet_decoder")


def attention(width: int, num_heads: int, name: str, **options) -> layers.Layer:
    """Multi-head attention of tokens, with the usual Xavier initialisation.

    Keras' default treats the axis of heads as the extent of a kernel, so that queries,
    keys and values would start about three times too small.

    Args:
      width: Length of a token; its last axis.
      num_heads: Divides `width`.
      name: Name of the layer.
      **options: Further arguments of MultiHeadAttention.

    Returns:
      Layer of (query, value), float32 [n, tokens, width] each, to [n, tokens, width].
    """
    limit = math.sqrt(6 / (width + width))
    return layers.MultiHeadAttention(
        num_heads,
        width // num_heads,
        kernel_initializer=tf.keras.initializers.RandomUniform(-limit, limit),
        name=name,
        **options,
    )


def _check(shape, latent_dim, width, num_heads, hidden) -> None:
    if len(shape) != 2 or min(shape) < 1:
        raise ValueError(f"shape is {tuple(shape)}; it must be (num_tx, num_delay)")
    for name, value in (
        ("latent_dim", latent_dim),
        ("width", width),
        ("num_heads", num_heads),
        ("hidden", hidden),
    ):
        if value < 1:
            raise ValueError(f"{name} is {value}; it must be at least 1")
    size = 2 * shape[0] * shape[1]
    if size % width:
        raise ValueError(f"width is {width}; it must divide 2 num_tx num_delay, {size}")
    if width % num_heads:
        raise ValueError(f"num_heads is {num_heads}; it must divide width, {width}")


def _to_tokens(x, width: int):
    x = layers.Permute((3, 1, 2))(x)
    return layers.Reshape((math.prod(x.shape[1:]) // width, width))(x)


def _from_tokens(x, shape):
    return layers.Permute((2, 3, 1))(layers.Reshape((2, *shape))(x))


def _passes(kind, width, num_heads, hidden, shared: bool) -> list:
    if shared:
        return [kind(width, num_heads, hidden, "layer")] * _PASSES
    return [kind(width, num_heads, hidden, f"layer{i + 1}") for i in range(_PASSES)]


def _layer_norm(name: str) -> layers.Layer:
    return layers.LayerNormalization(epsilon=1e-5, name=name)


class _EncoderLayer:
    """Self-attention and feed-forward net; calls share their weights."""

    def __init__(self, width: int, num_heads: int, hidden: int, name: str):
        self.attention = attention(width, num_heads, f"{name}_self")
        self.norms = [_layer_norm(f"{name}_norm{i + 1}") for i in range(2)]
        self.feed = _FeedForward(width, hidden, name)

    def __call__(self, x):
        x = self.norms[0](layers.Add()([x, self.attention(x, x)]))
        return self.norms[1](layers.Add()([x, self.feed(x)]))


class _DecoderLayer:
    """Self-attention, cross-attention and feed-forward net; calls share weights."""

    def __init__(self, width: int, num_heads: int, hidden: int, name: str):
        self.self_attention = attention(width, num_heads, f"{name}_self")
        self.cross_attention = attention(width, num_heads, f"{name}_cross")
        self.norms = [_layer_norm(f"{name}_norm{i + 1}") for i in range(3)]
        self.feed = _FeedForward(width, hidden, name)

    def __call__(self, x, memory):
        x = self.norms[0](layers.Add()([x, self.self_attention(x, x)]))
        x = self.norms[1](layers.Add()([x, self.cross_attention(x, memory)]))
        return self.norms[2](layers.Add()([x, self.feed(x)]))


class _FeedForward:
    """Two dense layers, token by token, with ReLU between."""

    def __init__(self, width: int, hidden: int, name: str):
        self.inner = layers.Dense(hidden, activation="relu", name=f"{name}_inner")
        self.outer = layers.Dense(width, name=f"{name}_outer")

    def __call__(self, x):
        return self.outer(self.inner(x))


_LAYER = """
layer_self   SIDE.layer.self_attn
layer_inner  SIDE.layer.linear1
layer_outer  SIDE.layer.linear2
layer_norm1  SIDE.layer.norm1
layer_norm2  SIDE.layer.norm2
"""
_RELEASE = Release(  # TransNet+ has the same names.
    "Treedy2020/TransNet",
    f"{_LAYER.replace('SIDE', 'encoder')}codeword fc_encoder",
    f"""{_LAYER.replace("SIDE", "decoder")}
layer_cross  decoder.layer.multihead_attn
layer_norm3  decoder.layer.norm3
norm_out     decoder.norm
expand       fc_decoder
""",
    derived={"hidden": lambda arrays: arrays["encoder.layer.linear1.bias"].size},
)
MODEL = Model("transnet", encoder, decoder, releases=(_RELEASE,))
