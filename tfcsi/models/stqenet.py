"""STQENet: a hybrid CNN-attention autoencoder for CSI feedback.

STQENet (Ansarifard et al., European Wireless 2025, arXiv:2509.08776) quantises and
entropy-codes the codeword of STNet (Mourya, Amuru, Kuchi, WCL 2023,
arXiv:2208.03369). This file is the network; the mu-law quantiser lives in
`tfcsi.entropy.quantizers`, the rate term in `tfcsi.entropy.priors`.

The encoder is two convolutions, one spatially separable transformer block (STB: local
window attention, MLP, global sub-sampled attention, MLP), an up-down pair of strided
convolutions with a skip, and a dense layer to the codeword. The decoder joins a CNN
stem (one CRBlock) with an attention stem that passes the *same* STB twice.

Two readings of the attention, same everything else:

* ``attention="windowed"`` is what the papers describe: local attention within true
  `window` x `window` (angle, delay) windows, and global attention of every position to
  one key a window (16 keys on 32 x 32).
* ``attention="released"`` reproduces the reshapes of the released code, which do
  something else: the local groups are 8 slices of two adjacent antenna rows, and the
  global softmax runs over a single key, so that it is 1 and each query receives the
  value (its query weights exist, are counted, and get no gradient).

Deviations: the networks take and return CSI centred at zero instead of at 0.5; the
shift of 0.5 is their first and last layer. The second dense layer of the released
decoder that is never used is left out.

``amplitude="normalized"`` is the published network, in which LayerNormalization sets
every (re/im, angle) row to unit variance before the codeword and before the output, so
that the amplitude of a row survives only through patterns the network learns to add.
``amplitude="kept"`` is ours: the same layers without these two normalizations and
without the sigmoid, a skip past the decoder's up-down pair as the encoder has one, and
a fixed gain for unit-variance signals. The network then contains every linear codec,
which `initialize_klt` uses to start a training at the Karhunen-Loeve transform.
"""

from __future__ import annotations

import numpy as np
import tensorflow as tf
from tensorflow.keras import layers

from tfcsi.models.blocks import conv_bn, leaky
from tfcsi.models.crnet import cr_block
from tfcsi.transforms import klt_basis

ATTENTIONS = ("windowed", "released")
AMPLITUDES = ("normalized", "kept")

# Peak-scaled CSI (max |h| = 0.5) has about unit energy over 2 num_tx num_delay reals.
_GAIN = 32.0


def encoder(
    shape: tuple[int, int],
    latent_dim: int,
    attention: str = "windowed",
    window: int = 8,
    num_heads: int = 4,
    amplitude: str = "normalized",
) -> tf.keras.Model:
    """Returns the UE network x -> y.

    Args:
      shape: (num_tx, num_delay), both divisible by `window`.
      latent_dim: Length of the codeword y; 2 num_tx num_delay / latent_dim is the
        compression ratio (512, 256, 128, 64, 32 for CR 4 ... 64 on 32 x 32).
      attention: "windowed" or "released", see above.
      window: Side of an attention window.
      num_heads: Attention heads; divides `num_delay` (windowed) or `window` (released).
      amplitude: "normalized" (published) or "kept", see above.

    Returns:
      Keras model, float32 [n, num_tx, num_delay, 2] -> float32 [n, latent_dim].

    Raises:
      ValueError: If an argument does not fit; the message names it.
    """
    _check(shape, latent_dim, attention, window, num_heads, amplitude)
    kept = amplitude == "kept"
    x_in = layers.Input((*shape, 2), name="x")
    x = layers.Rescaling(_GAIN if kept else 1.0, 0.0 if kept else 0.5, name="scale")(
        x_in
    )
    x = layers.Conv2D(16, 1, name="conv1")(x)
    x = layers.Conv2D(2, 5, padding="same", name="conv5")(x)
    skip = rows = _to_rows(x)
    rows = _Stb(shape, attention, window, num_heads)(rows)
    x = layers.Add(name="skip")([skip, _up_down(rows)])
    if not kept:
        x = _layer_norm("norm_out")(x)
    x = layers.Reshape((2 * shape[0] * shape[1],), name="flatten")(x)
    y = layers.Dense(latent_dim, name="codeword")(x)
    return tf.keras.Model(x_in, y, name="stqenet_encoder")


def fold(encoder: tf.keras.Model) -> tf.keras.Model:
    """Returns the same function with scale, conv1 and conv5 as one convolution.

    The three are linear, so a 5 x 5 convolution of x and of a constant channel, which
    carries the biases up to the zero-padded border, equals them: an eighth of their
    multiplications, and two roundings less in an integer model. For export only.

    Args:
      encoder: Model of `encoder`.
    """
    return _folded(encoder, exact=True)


def fold_to_train(encoder: tf.keras.Model) -> tf.keras.Model:
    """Returns the function of `fold` but for the two outermost pixels.

    The constant channel is left out: its weights are so much smaller than the others
    that 8 bits do not hold them. For integer networks that are trained on.

    Args:
      encoder: Model of `encoder`.
    """
    return _folded(encoder, exact=False)


def _folded(encoder: tf.keras.Model, exact: bool) -> tf.keras.Model:
    scale, conv1, conv5 = map(encoder.get_layer, ("scale", "conv1", "conv5"))
    inner, inner_bias = conv1.get_weights()
    outer, outer_bias = conv5.get_weights()
    constant = 0.5
    lift = inner_bias + scale.offset * inner[0, 0].sum(0)
    kernel = np.concatenate(
        [
            scale.scale * np.einsum("ic,hwco->hwio", inner[0, 0], outer),
            np.einsum("c,hwco->hwo", lift, outer)[:, :, None] / constant,
        ],
        axis=2,
    )
    x_in = layers.Input(encoder.input_shape[1:], name="x")
    x = x_in
    if exact:
        x = tf.concat([x_in, tf.zeros_like(x_in[..., :1]) + constant], -1)
    else:
        outer_bias = outer_bias + constant * kernel[:, :, 2].sum((0, 1))
        kernel = kernel[:, :, :2]
    stem = layers.Conv2D(outer.shape[-1], outer.shape[:2], padding="same", name="stem")
    rest = tf.keras.Model(conv5.output, encoder.output)
    folded = tf.keras.Model(x_in, rest(stem(x)))
    stem.set_weights([kernel, outer_bias])
    return folded


def decoder(
    shape: tuple[int, int],
    latent_dim: int,
    attention: str = "windowed",
    window: int = 8,
    num_heads: int = 4,
    amplitude: str = "normalized",
) -> tf.keras.Model:
    """Returns the BS network y_hat -> x_hat.

    Args:
      shape: (num_tx, num_delay), both divisible by `window`.
      latent_dim: Length of the codeword.
      attention: "windowed" or "released", as in the encoder.
      window: Side of an attention window.
      num_heads: Attention heads.
      amplitude: "normalized" (published) or "kept", see above.

    Returns:
      Keras model, float32 [n, latent_dim] -> float32 [n, num_tx, num_delay, 2].

    Raises:
      ValueError: If an argument does not fit; the message names it.
    """
    _check(shape, latent_dim, attention, window, num_heads, amplitude)
    y_in = layers.Input((latent_dim,), name="y_hat")
    rows = layers.Dense(2 * shape[0] * shape[1], name="expand")(y_in)
    rows = layers.Reshape((2, *shape), name="image")(rows)
    image = _from_rows(rows)

    cnn = cr_block(leaky(conv_bn(image, 2, 5, name="stem")), "cr")
    cnn = _to_rows(cnn)

    stb = _Stb(shape, attention, window, num_heads)
    x = _to_rows(layers.Conv2D(2, 5, padding="same", name="conv5")(image))
    x = stb(layers.Add(name="join1")([x, cnn]))
    if amplitude == "kept":
        x = layers.Add(name="skip")([x, _up_down(x)])
        x = stb(layers.Add(name="join2")([x, cnn]))
        x = layers.Rescaling(1.0 / _GAIN, name="unscale")(x)
    else:
        x = stb(layers.Add(name="join2")([_up_down(x), cnn]))
        x = layers.Activation("sigmoid", name="sigmoid")(_layer_norm("norm_out")(x))
        x = layers.Rescaling(1.0, -0.5, name="unscale")(x)
    return tf.keras.Model(y_in, _from_rows(x), name="stqenet_decoder")


def initialize_klt(
    encoder: tf.keras.Model, decoder: tf.keras.Model, h: np.ndarray
) -> None:
    """Sets the weights of an ``amplitude="kept"`` pair so that it starts as the KLT.

    The dense layers become the analysis and synthesis of the latent_dim / 2 strongest
    complex components of h; all other branches keep their random inner weights and get
    a zero last layer, so that the pair is the linear codec at first and departs from it
    as far as training pays.

    Args:
      encoder: Model of `encoder` with ``amplitude="kept"``.
      decoder: Model of `decoder` with ``amplitude="kept"``.
      h: complex64 [n, num_tx, num_delay], training CSI.

    Raises:
      ValueError: If the pair normalizes amplitudes or latent_dim is odd.
    """
    latent_dim = encoder.output_shape[-1]
    if encoder.get_layer("scale").scale != _GAIN or latent_dim % 2:
        raise ValueError(
            f"initialize_klt takes amplitude='kept' and an even latent_dim; this "
            f"encoder has scale {encoder.get_layer('scale').scale} and latent_dim "
            f"{latent_dim}"
        )
    basis = klt_basis(h)[1][:, : latent_dim // 2]
    # y = (Re z, Im z) of z = U^H h, from rows (Re h, Im h).
    analysis = np.block([[basis.real, -basis.imag], [basis.imag, basis.real]])
    identity = np.zeros((5, 5, 2, 2), np.float32)
    identity[2, 2] = np.eye(2)

    conv1, conv5 = encoder.get_layer("conv1"), encoder.get_layer("conv5")
    kernel, bias = conv1.get_weights()
    kernel[..., :2] = np.eye(2)
    conv1.set_weights([kernel, bias])
    kernel, bias = conv5.get_weights()
    kernel[:] = 0.0
    kernel[:, :, :2] = identity
    conv5.set_weights([kernel, bias])
    _zero(encoder, "down")
    encoder.get_layer("codeword").set_weights(
        [analysis, np.zeros(latent_dim, np.float32)]
    )

    decoder.get_layer("expand").set_weights(
        [analysis.T, np.zeros(analysis.shape[0], np.float32)]
    )
    decoder.get_layer("conv5").set_weights([identity, np.zeros(2, np.float32)])
    _zero(decoder, "down", "stem_bn", "cr_merge_bn", "stb_mlp1_out", "stb_mlp2_out")
    for name in ("stb_local", "stb_global"):
        _zero_output(decoder, name)


def _zero(model, *names: str) -> None:
    for name in names:
        layer = model.get_layer(name)
        for weight in layer.trainable_weights:
            weight.assign(tf.zeros_like(weight))


def _zero_output(model, name: str) -> None:
    """Zeroes the output projection of an attention layer, windowed or released."""
    if any(layer.name == f"{name}_proj" for layer in model.layers):
        _zero(model, f"{name}_proj")
    else:
        for weight in model.get_layer(name).trainable_weights:
            if "attention_output" in weight.name:
                weight.assign(tf.zeros_like(weight))


def _check(shape, latent_dim, attention, window, num_heads, amplitude) -> None:
    if amplitude not in AMPLITUDES:
        raise ValueError(f"amplitude is {amplitude!r}; it must be one of {AMPLITUDES}")
    if attention not in ATTENTIONS:
        raise ValueError(f"attention is {attention!r}; it must be one of {ATTENTIONS}")
    if window < 1:
        raise ValueError(f"window is {window}; it must be at least 1")
    if len(shape) != 2 or any(side < 1 or side % window for side in shape):
        raise ValueError(
            f"shape is {tuple(shape)}; (num_tx, num_delay) must both be divisible by "
            f"the window, {window}"
        )
    if latent_dim < 1:
        raise ValueError(f"latent_dim is {latent_dim}; it must be at least 1")
    whole = window if attention == "released" else shape[1]
    if num_heads < 1 or whole % num_heads:
        raise ValueError(f"num_heads is {num_heads}; it must divide {whole}")
    if attention == "released" and (shape[0] != shape[1] or shape[1] != 4 * window):
        raise ValueError(
            f"shape is {tuple(shape)}; the released reshapes are defined for "
            f"{4 * window} x {4 * window} only: use attention='windowed'"
        )


# Rows: [n, 2, num_tx, num_delay]. LayerNormalization and the MLP act on the delay axis.


def _to_rows(x):
    return layers.Permute((3, 1, 2))(x)


def _from_rows(x):
    return layers.Permute((2, 3, 1))(x)


def _layer_norm(name: str | None = None) -> layers.Layer:
    return layers.LayerNormalization(epsilon=1e-6, name=name)


def _up_down(rows):
    """LayerNormalization, x2 up, x2 down; [n, 2, num_tx, num_delay] to the same."""
    x = _from_rows(_layer_norm("norm_up")(rows))
    x = layers.Conv2DTranspose(2, 4, strides=2, padding="same", name="up")(x)
    return _to_rows(layers.Conv2D(2, 4, strides=2, padding="same", name="down")(x))


class _Stb:
    """Spatially separable transformer block; calls share their weights.

    Four pre-norm residual steps on rows [n, 2, num_tx, num_delay]: local attention,
    MLP, global attention, MLP. A plain class that holds plain Keras layers, so that the
    model stays one flat functional graph.
    """

    def __init__(self, shape, attention: str, window: int, num_heads: int):
        kinds = {
            "windowed": (_WindowedLocal, _WindowedGlobal),
            "released": (_ReleasedLocal, _ReleasedGlobal),
        }
        local, global_ = kinds[attention]
        delay = shape[1]
        self.steps = [
            (_layer_norm("stb_norm1"), local(shape, window, num_heads)),
            (_layer_norm("stb_norm2"), _Mlp(delay, "stb_mlp1")),
            (_layer_norm("stb_norm3"), global_(shape, window, num_heads)),
            (_layer_norm("stb_norm4"), _Mlp(delay, "stb_mlp2")),
        ]

    def __call__(self, rows):
        for norm, step in self.steps:
            rows = layers.Add()([rows, step(norm(rows))])
        return rows


class _Mlp:
    """Dense, exact GELU, Dense along the delay axis, without expansion."""

    def __init__(self, delay: int, name: str):
        self.layers = [
            layers.Dense(delay, activation="gelu", name=f"{name}_in"),
            layers.Dense(delay, name=f"{name}_out"),
        ]

    def __call__(self, rows):
        for layer in self.layers:
            rows = layer(rows)
        return rows


class _WindowedLocal:
    """Self-attention in windows: tokens are positions, embedded by a dense layer."""

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


class _WindowedGlobal:
    """Attention of every position to one summary a window (strided convolution)."""

    def __init__(self, shape, window: int, num_heads: int):
        self.shape = shape
        self.summary = layers.Conv2D(2, window, strides=window, name="stb_summary")
        self.norm = _layer_norm("stb_summary_norm")
        self.keys = (shape[0] // window) * (shape[1] // window)
        self.attention = layers.MultiHeadAttention(
            num_heads, shape[1] // num_heads, name="stb_global"
        )

    def __call__(self, rows):
        query = _from_rows(rows)
        key = _to_rows(self.summary(query))
        key = layers.Permute((2, 1))(layers.Reshape((2, self.keys))(self.norm(key)))
        query = layers.Reshape((self.shape[0] * self.shape[1], 2))(query)
        x = self.attention(query, key)
        return _to_rows(layers.Reshape((*self.shape, 2))(x))


class _ReleasedLocal:
    """The released local attention: 16 groups of 8 slices of two adjacent rows."""

    def __init__(self, shape, window: int, num_heads: int):
        self.shape, self.window, self.heads = shape, window, num_heads
        self.groups = shape[0] // window * (shape[1] // window)
        self.qkv = layers.Dense(3 * shape[1], name="stb_local_qkv")
        self.proj = layers.Dense(shape[1], name="stb_local_proj")

    def __call__(self, rows):
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


class _ReleasedGlobal:
    """The released global attention: one key a head, so the value reaches each query.

    The query and key weights are kept, as in the release, for their count alone.
    """

    def __init__(self, shape, window: int, num_heads: int):
        self.shape, self.window = shape, window
        self.side = shape[1] // window
        self.query = layers.Dense(shape[1], name="stb_global_q")
        self.summary = layers.Conv2D(2, window, strides=window, name="stb_summary")
        self.norm = _layer_norm("stb_summary_norm")
        self.kv = layers.Dense(2 * self.side, name="stb_global_kv")
        self.proj = layers.Dense(shape[1], name="stb_global_proj")

    def __call__(self, rows):
        side, delay = self.side, self.shape[1]
        q = layers.Reshape((2, -1, side, side))(self.query(rows))
        q = layers.Permute((1, 3, 2, 4))(q)  # [n, 2, heads, queries, side]
        kv = self.kv(self.norm(_to_rows(self.summary(_from_rows(rows)))))
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
