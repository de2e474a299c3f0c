"""STQENet: a hybrid CNN-attention autoencoder for CSI feedback.

STQENet (Ansarifard et al., European Wireless 2025, arXiv:2509.08776) quantises and
entropy-codes the codeword of STNet (Mourya, Amuru, Kuchi, WCL 2023,
arXiv:2208.03369). This file is the network; the mu-law quantiser lives in
`tfcsi.entropy.quantizers`, the rate term in `tfcsi.entropy.priors`.

The encoder is two convolutions, one spatially separable transformer block (STB: local
window attention, MLP, global sub-sampled attention, MLP), an up-down pair of strided
convolutions with a skip, and a dense layer to the codeword. The decoder joins a CNN
stem (one CRBlock) with an attention stem that passes the *same* STB twice.

There are two readings of the attention; everything else is the same:

* ``attention="windowed"`` is what the papers describe: local attention within true
  `window` x `window` (angle, delay) windows, and global attention of every position to
  one key a window (16 keys on 32 x 32).
* ``attention="released"`` reproduces the reshapes of the released code, which do
  something else: the local groups are 8 slices of two adjacent antenna rows, and the
  global softmax runs over a single key. It is therefore 1, and each query receives the
  value (the query weights exist, are counted, and get no gradient).

Deviations: the networks take and return CSI centred at zero instead of at 0.5; the
shift of 0.5 is their first and last layer. The released decoder has a second dense
layer that is never used; it is left out. The normalisation of the summaries of the
global attention has epsilon 1e-6, as all others of the network. In the release it has
PyTorch's default, 1e-5, as here with ``form="released"``. The default stays ours,
because runs and their packets depend on it; neither is better.

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

from tfcsi.models.blocks import check_form, conv_bn, leaky
from tfcsi.models.contract import Model
from tfcsi.models.crnet import cr_block
from tfcsi.models.releases import Release
from tfcsi.models.stqenet_attention import Stb, from_rows, layer_norm, to_rows, up_down
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
    form: str = "tfcsi",
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
      form: "tfcsi" or "released", see above.

    Returns:
      Keras model, float32 [n, num_tx, num_delay, 2] -> float32 [n, latent_dim].

    Raises:
      ValueError: If an argument does not fit; the message names it.
    """
    _check(shape, latent_dim, attention, window, num_heads, amplitude, form)
    kept = amplitude == "kept"
    x_in = layers.Input((*shape, 2), name="x")
    x = layers.Rescaling(_GAIN if kept else 1.0, 0.0 if kept else 0.5, name="scale")(
        x_in
    )
    x = layers.Conv2D(16, 1, name="conv1")(x)
    x = layers.Conv2D(2, 5, padding="same", name="conv5")(x)
    skip = rows = to_rows(x)
    rows = Stb(shape, attention, window, num_heads, form)(rows)
    x = layers.Add(name="skip")([skip, up_down(rows)])
    if not kept:
        x = layer_norm("norm_out")(x)
    x = layers.Reshape((2 * shape[0] * shape[1],), name="flatten")(x)
    y = layers.Dense(latent_dim, name="codeword")(x)
    return tf.keras.Model(x_in, y, name="stqenet_encoder")


def fold(encoder: tf.keras.Model) -> tf.keras.Model:
    """Returns the same function with scale, conv1 and conv5 as one convolution.

    The three are linear. A 5 x 5 convolution of x and of a constant channel, which
    carries the biases up to the zero-padded border, gives the same result with an
    eighth of the multiplications, and with two roundings less in an integer model. This
    is for export only.

    Args:
      encoder: Network that `encoder` made.

    Returns:
      Keras model, float32 [n, num_tx, num_delay, 2] -> float32 [n, latent_dim].
    """
    return _folded(encoder, exact=True)


def fold_to_train(encoder: tf.keras.Model) -> tf.keras.Model:
    """Returns the function of `fold`; only the two outermost pixels differ.

    The constant channel is left out: its weights are so much smaller than the others
    that 8 bits do not hold them. This is for trainings with fake quantisation.

    Args:
      encoder: Network that `encoder` made.

    Returns:
      Keras model, float32 [n, num_tx, num_delay, 2] -> float32 [n, latent_dim].
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
    form: str = "tfcsi",
) -> tf.keras.Model:
    """Returns the BS network y_hat -> x_hat.

    Args:
      shape: (num_tx, num_delay), both divisible by `window`.
      latent_dim: Length of the codeword.
      attention: "windowed" or "released", as in the encoder.
      window: Side of an attention window.
      num_heads: Attention heads.
      amplitude: "normalized" (published) or "kept", see above.
      form: "tfcsi" or "released", see above.

    Returns:
      Keras model, float32 [n, latent_dim] -> float32 [n, num_tx, num_delay, 2].

    Raises:
      ValueError: If an argument does not fit; the message names it.
    """
    _check(shape, latent_dim, attention, window, num_heads, amplitude, form)
    y_in = layers.Input((latent_dim,), name="y_hat")
    rows = layers.Dense(2 * shape[0] * shape[1], name="expand")(y_in)
    rows = layers.Reshape((2, *shape), name="image")(rows)
    image = from_rows(rows)

    cnn = cr_block(leaky(conv_bn(image, 2, 5, name="stem")), "cr")
    cnn = to_rows(cnn)

    stb = Stb(shape, attention, window, num_heads, form)
    x = to_rows(layers.Conv2D(2, 5, padding="same", name="conv5")(image))
    x = stb(layers.Add(name="join1")([x, cnn]))
    if amplitude == "kept":
        x = layers.Add(name="skip")([x, up_down(x)])
        x = stb(layers.Add(name="join2")([x, cnn]))
        x = layers.Rescaling(1.0 / _GAIN, name="unscale")(x)
    else:
        x = stb(layers.Add(name="join2")([up_down(x), cnn]))
        x = layers.Activation("sigmoid", name="sigmoid")(layer_norm("norm_out")(x))
        x = layers.Rescaling(1.0, -0.5, name="unscale")(x)
    return tf.keras.Model(y_in, from_rows(x), name="stqenet_decoder")


def initialize_klt(
    encoder: tf.keras.Model, decoder: tf.keras.Model, h: np.ndarray
) -> None:
    """Sets the weights of an ``amplitude="kept"`` pair so that it starts as the KLT.

    The dense layers become the analysis and synthesis of the latent_dim / 2 strongest
    complex components of h; all other branches keep their random inner weights and get
    a zero last layer, so that the pair starts as the linear codec and departs from it
    as far as training improves it.

    Args:
      encoder: Network that `encoder` made with ``amplitude="kept"``.
      decoder: Network that `decoder` made with ``amplitude="kept"``.
      h: complex64 [n, num_tx, num_delay], training CSI.

    Raises:
      ValueError: If the pair normalizes amplitudes or latent_dim is odd.
    """
    latent_dim = encoder.output_shape[-1]
    if latent_dim % 2:
        raise ValueError(
            f"latent_dim is {latent_dim}; a start at the KLT needs an even one"
        )
    if encoder.get_layer("scale").scale != _GAIN:
        raise ValueError(
            "amplitude is 'normalized'; a start at the KLT needs amplitude='kept'"
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


def _check(shape, latent_dim, attention, window, num_heads, amplitude, form) -> None:
    check_form(form)
    if form == "released" and amplitude == "kept":
        raise ValueError(
            "amplitude is 'kept'; form='released' takes amplitude='normalized'"
        )
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


_BOTH = """
stb_norm1         SIDE.blocks.0.norm1
stb_norm2         SIDE.blocks.0.norm2
stb_norm3         SIDE.blocks.0.norm3
stb_norm4         SIDE.blocks.0.norm4
stb_local_qkv     SIDE.blocks.0.attn1.qkv
stb_local_proj    SIDE.blocks.0.attn1.proj
stb_global_q      SIDE.blocks.0.attn2.q
stb_summary       SIDE.blocks.0.attn2.sr
stb_summary_norm  SIDE.blocks.0.attn2.norm
stb_global_kv     SIDE.blocks.0.attn2.kv
stb_global_proj   SIDE.blocks.0.attn2.proj
stb_mlp1_in       SIDE.blocks.0.mlp1.cc1
stb_mlp1_out      SIDE.blocks.0.mlp1.cc2
stb_mlp2_in       SIDE.blocks.0.mlp2.cc1
stb_mlp2_out      SIDE.blocks.0.mlp2.cc2
conv5             SIDE.conv5
up                SIDE.convT
down              SIDE.conv4
"""
_RELEASE = Release(
    "STNet of Mourya, Amuru and Kuchi",
    f"""{_BOTH.replace("SIDE", "encoder")}
conv1     encoder.conv1
norm_up   encoder.norm3
norm_out  encoder.norm2
codeword  encoder.fc
""",
    f"""{_BOTH.replace("SIDE", "decoder")}
expand        decoder.dense_layers.0
stem          decoder.decoder_feature.conv5x5_bn
cr_path1_3x3  decoder.decoder_feature.CRBlock1.path1.conv3x3
cr_path1_1x9  decoder.decoder_feature.CRBlock1.path1.conv1x9
cr_path1_9x1  decoder.decoder_feature.CRBlock1.path1.conv9x1
cr_path2_1x5  decoder.decoder_feature.CRBlock1.path2.conv1x5
cr_path2_5x1  decoder.decoder_feature.CRBlock1.path2.conv5x1
cr_merge      decoder.decoder_feature.CRBlock1.conv1x1
norm_up       decoder.norm2
norm_out      decoder.norm3
""",
    options={"form": "released", "attention": "released"},
    unused=r"decoder\.fc\.",
)
MODEL = Model(
    "stqenet",
    encoder,
    decoder,
    fold=fold,
    fold_to_train=fold_to_train,
    initialize_klt=initialize_klt,
    releases=(_RELEASE,),
)
