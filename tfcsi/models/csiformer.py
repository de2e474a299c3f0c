"""CSIFormer: convolutions and windowed self-attention for CSI feedback.

The layer list is not public. This is the simplest network that fits the paper's text:
an autoencoder of convolutions and locally grouped (windowed) self-attention, cheaper
than TransNet. No parameter count and no NMSE is known to compare it with.

CSIFormer (Bi et al., WCL 2022). A 5 x 5 convolution gives features. A convolution of
stride 2 makes tokens of 2 x 2 patches; a dense layer, with a bias a position, embeds
them; one transformer block attends within windows of 8 x 8 tokens. A transposed
convolution returns to the image, to which the features are added, and a 3 x 3
convolution leaves two channels. The UE reduces these by a dense layer; the BS has the
same block after expanding the codeword.

Deviations: patches of 2, embedding 16, windows of 8 and the embedding of positions are
those of the network called CSIFormer in scripts after MathWorks' example "CSI Feedback
with Transformer Autoencoder", not of the paper itself. All else (one block, heads,
hidden width, the decoder's skip and sigmoid) is our choice.
"""

from __future__ import annotations

import tensorflow as tf
from tensorflow.keras import layers

from tfcsi.models.blocks import from_codeword, scale_in, scale_out, to_codeword
from tfcsi.models.contract import Model
from tfcsi.models.transnet import attention

_PATCH = 2


def encoder(
    shape: tuple[int, int],
    latent_dim: int,
    embedding: int = 16,
    window: int = 8,
    num_heads: int = 4,
    latent: str = "dense",
) -> tf.keras.Model:
    """Returns the UE network x -> y.

    Args:
      shape: (num_tx, num_delay), both multiples of 2 `window`.
      latent_dim: Length of the codeword y.
      embedding: Channels of the features and of a token.
      window: Side of an attention window, in tokens of 2 x 2.
      num_heads: Attention heads; divides `embedding`.
      latent: "dense" or "conv", see `blocks.to_codeword`.

    Returns:
      Keras model, float32 [n, num_tx, num_delay, 2] -> float32 [n, latent_dim].

    Raises:
      ValueError: If an argument does not fit; the message names it.
    """
    _check(shape, latent_dim, embedding, window, num_heads)
    x_in = layers.Input((*shape, 2), name="x")
    x = _conv_former(scale_in(x_in), embedding, window, num_heads)
    y = to_codeword(x, latent_dim, latent)
    return tf.keras.Model(x_in, y, name="csiformer_encoder")


def decoder(
    shape: tuple[int, int],
    latent_dim: int,
    embedding: int = 16,
    window: int = 8,
    num_heads: int = 4,
    latent: str = "dense",
) -> tf.keras.Model:
    """Returns the BS network y_hat -> x_hat.

    Args:
      shape: (num_tx, num_delay), both multiples of 2 `window`.
      latent_dim: Length of the codeword.
      embedding: Channels of the features and of a token.
      window: Side of an attention window, in tokens of 2 x 2.
      num_heads: Attention heads; divides `embedding`.
      latent: "dense" or "conv", as in the encoder.

    Returns:
      Keras model, float32 [n, latent_dim] -> float32 [n, num_tx, num_delay, 2].

    Raises:
      ValueError: If an argument does not fit; the message names it.
    """
    _check(shape, latent_dim, embedding, window, num_heads)
    y_in = layers.Input((latent_dim,), name="y_hat")
    image = from_codeword(y_in, shape, latent)
    x = _conv_former(image, embedding, window, num_heads)
    x = scale_out(layers.Add()([x, image]), "sigmoid")
    return tf.keras.Model(y_in, x, name="csiformer_decoder")


def _check(shape, latent_dim, embedding, window, num_heads) -> None:
    for name, value in (
        ("latent_dim", latent_dim),
        ("embedding", embedding),
        ("window", window),
        ("num_heads", num_heads),
    ):
        if value < 1:
            raise ValueError(f"{name} is {value}; it must be at least 1")
    side = _PATCH * window
    if len(shape) != 2 or any(size < 1 or size % side for size in shape):
        raise ValueError(
            f"shape is {tuple(shape)}; (num_tx, num_delay) must both be divisible by "
            f"{_PATCH} window, {side}"
        )
    if embedding % num_heads:
        raise ValueError(
            f"num_heads is {num_heads}; it must divide embedding, {embedding}"
        )


def _conv_former(x, embedding: int, window: int, num_heads: int):
    """Convolution, transformer block on patches, convolution; two channels to two."""
    features = layers.Conv2D(embedding, 5, padding="same", name="features")(x)
    patches = layers.Conv2D(embedding, _PATCH, strides=_PATCH, name="patches")
    tokens = _embed(patches(features), embedding)
    tokens = _window_block(tokens, embedding, window, num_heads)
    unpatch = layers.Conv2DTranspose(embedding, _PATCH, strides=_PATCH, name="unpatch")
    x = layers.Add()([features, unpatch(tokens)])
    return layers.Conv2D(2, 3, padding="same", name="conv_out")(x)


def _embed(patches, embedding: int):
    """A dense layer; its bias is the embedding of the position."""
    return layers.EinsumDense(
        "nhwc,cd->nhwd",
        output_shape=(*patches.shape[1:3], embedding),
        bias_axes="hwd",
        name="embed",
    )(patches)


def _window_block(tokens, embedding: int, window: int, num_heads: int):
    """Pre-norm transformer block with attention within windows."""
    x = _to_windows(_layer_norm("norm1")(tokens), window)
    x = attention(embedding, num_heads, "window", attention_axes=(2,))(x, x)
    tokens = layers.Add()([tokens, _from_windows(x, tokens.shape, window)])
    x = _layer_norm("norm2")(tokens)
    x = layers.Dense(4 * embedding, activation="gelu", name="mlp_in")(x)
    return layers.Add()([tokens, layers.Dense(embedding, name="mlp_out")(x)])


def _layer_norm(name: str) -> layers.Layer:
    return layers.LayerNormalization(epsilon=1e-5, name=name)


def _to_windows(x, window: int):
    """[n, height, width, c] to [n, windows, window window, c]."""
    _, height, width, channels = x.shape
    down, across = height // window, width // window
    x = layers.Reshape((down, window, across, window * channels))(x)
    x = layers.Permute((1, 3, 2, 4))(x)
    return layers.Reshape((down * across, window * window, channels))(x)


def _from_windows(x, shape, window: int):
    """The inverse of `_to_windows`; shape is that of its argument."""
    _, height, width, channels = shape
    down, across = height // window, width // window
    x = layers.Reshape((down, across, window, window * channels))(x)
    x = layers.Permute((1, 3, 2, 4))(x)
    return layers.Reshape((height, width, channels))(x)


MODEL = Model("csiformer", encoder, decoder)
