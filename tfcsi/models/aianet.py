"""AiANet: channel and spatial attention side by side for CSI feedback.

The layer list is not public. This is the simplest network that fits the paper's text:
blocks that extract channel-wise and spatial features in parallel and fuse them by
attention, a locally aware self-attention that sees global and local patterns, and
learnable gates for the reuse of features. All sizes are our choice. No parameter count
and no NMSE per CR is known to compare it with.

AiANet (Lou, Wu, 2025, arXiv:2504.12440). The UE has a 5 x 5 convolution, one
attention-infused block, whose input is reused through a gate, and a dense layer; the BS
expands the codeword and has two such blocks.

Deviations: we read "locally aware" in this way: each pixel attends to summaries of all
`stride` x `stride` patches (global), and a depthwise 3 x 3 convolution of the same
features is added (local). The paper trains on a mixture of indoor and outdoor matrices;
this depends on the data and not on the network.
"""

from __future__ import annotations

import tensorflow as tf
from tensorflow.keras import layers

from tfcsi.models.blocks import (
    conv_bn,
    from_codeword,
    leaky,
    scale_in,
    scale_out,
    to_codeword,
)
from tfcsi.models.contract import Model
from tfcsi.models.transnet import attention


def encoder(
    shape: tuple[int, int],
    latent_dim: int,
    channels: int = 8,
    stride: int = 4,
    num_heads: int = 2,
    latent: str = "dense",
) -> tf.keras.Model:
    """Returns the UE network x -> y.

    Args:
      shape: (num_tx, num_delay), both multiples of `stride`.
      latent_dim: Length of the codeword y.
      channels: Channels of the features.
      stride: Side of the patches that the global attention summarises.
      num_heads: Attention heads; divides `channels`.
      latent: "dense" or "conv", see `blocks.to_codeword`.

    Returns:
      Keras model, float32 [n, num_tx, num_delay, 2] -> float32 [n, latent_dim].

    Raises:
      ValueError: If an argument does not fit; the message names it.
    """
    _check(shape, latent_dim, channels, stride, num_heads)
    x_in = layers.Input((*shape, 2), name="x")
    x = leaky(conv_bn(scale_in(x_in), channels, 5, name="stem"))
    x = _block(x, stride, num_heads, "block1")
    x = leaky(conv_bn(x, 2, 1, name="conv_out"))
    y = to_codeword(x, latent_dim, latent)
    return tf.keras.Model(x_in, y, name="aianet_encoder")


def decoder(
    shape: tuple[int, int],
    latent_dim: int,
    channels: int = 8,
    stride: int = 4,
    num_heads: int = 2,
    latent: str = "dense",
) -> tf.keras.Model:
    """Returns the BS network y_hat -> x_hat.

    Args:
      shape: (num_tx, num_delay), both multiples of `stride`.
      latent_dim: Length of the codeword.
      channels: Channels of the features.
      stride: Side of the patches that the global attention summarises.
      num_heads: Attention heads; divides `channels`.
      latent: "dense" or "conv", as in the encoder.

    Returns:
      Keras model, float32 [n, latent_dim] -> float32 [n, num_tx, num_delay, 2].

    Raises:
      ValueError: If an argument does not fit; the message names it.
    """
    _check(shape, latent_dim, channels, stride, num_heads)
    y_in = layers.Input((latent_dim,), name="y_hat")
    image = from_codeword(y_in, shape, latent)
    x = leaky(conv_bn(image, channels, 5, name="stem"))
    for i in range(2):
        x = _block(x, stride, num_heads, f"block{i + 1}")
    x = layers.Add()([image, conv_bn(x, 2, 3, name="conv_out")])
    return tf.keras.Model(y_in, scale_out(x, "sigmoid"), name="aianet_decoder")


def _check(shape, latent_dim, channels, stride, num_heads) -> None:
    for name, value in (
        ("latent_dim", latent_dim),
        ("channels", channels),
        ("stride", stride),
        ("num_heads", num_heads),
    ):
        if value < 1:
            raise ValueError(f"{name} is {value}; it must be at least 1")
    if len(shape) != 2 or any(size < 1 or size % stride for size in shape):
        raise ValueError(
            f"shape is {tuple(shape)}; (num_tx, num_delay) must both be divisible by "
            f"stride, {stride}"
        )
    if channels % num_heads:
        raise ValueError(
            f"num_heads is {num_heads}; it must divide channels, {channels}"
        )


def _block(x, stride: int, num_heads: int, name: str):
    """Channel and spatial branch, their fusion, and the gated reuse of the input."""
    channel = _channel_branch(x, f"{name}_channel")
    spatial = _spatial_branch(x, stride, num_heads, f"{name}_spatial")
    fused = _fuse(channel, spatial, f"{name}_fuse")
    both = layers.Concatenate()([fused, x])
    gate = layers.Conv2D(x.shape[-1], 1, activation="sigmoid", name=f"{name}_gate")
    return layers.Add()([fused, layers.Multiply()([gate(both), x])])


def _channel_branch(x, name: str):
    """Convolution and squeeze-and-excitation."""
    channels = x.shape[-1]
    x = leaky(conv_bn(x, channels, 3, name=f"{name}_conv"))
    weights = layers.GlobalAveragePooling2D(keepdims=True)(x)
    weights = layers.Dense(channels, activation="relu", name=f"{name}_in")(weights)
    weights = layers.Dense(channels, activation="sigmoid", name=f"{name}_out")(weights)
    return layers.Multiply()([x, weights])


def _spatial_branch(x, stride: int, num_heads: int, name: str):
    """Locally aware self-attention: all patches' summaries, and the neighbourhood."""
    height, width, channels = x.shape[1:]
    x = layers.LayerNormalization(epsilon=1e-5, name=f"{name}_norm")(x)
    keys = layers.Conv2D(channels, stride, strides=stride, name=f"{name}_keys")(x)
    keys = layers.Reshape((-1, channels))(keys)
    queries = layers.Reshape((height * width, channels))(x)
    far = attention(channels, num_heads, f"{name}_global")(queries, keys)
    far = layers.Reshape((height, width, channels))(far)
    near = layers.DepthwiseConv2D(3, padding="same", name=f"{name}_local")(x)
    return layers.Add()([far, near])


def _fuse(channel, spatial, name: str):
    """The sum of two branches by a soft-max over the branches, channel by channel."""
    size = channel.shape[-1]
    mean = layers.GlobalAveragePooling2D()(layers.Add()([channel, spatial]))
    weights = layers.Dense(2 * size, name=name)(mean)
    weights = layers.Softmax(axis=1)(layers.Reshape((2, size))(weights))
    first, second = (
        layers.Reshape((1, 1, size))(layers.Cropping1D(crop)(weights))
        for crop in ((0, 1), (1, 0))
    )
    return layers.Add()(
        [layers.Multiply()([channel, first]), layers.Multiply()([spatial, second])]
    )


MODEL = Model("aianet", encoder, decoder)
