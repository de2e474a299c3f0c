"""Laws of the counts: layers that a hand can count, and published networks."""

from __future__ import annotations

import math

import pytest
import tensorflow as tf
from tensorflow.keras import layers

from tests.conftest import SAMPLE
from tfcsi import models
from tfcsi.models import complexity, grouped


def values(model, *kinds):
    """Number of values that all calls of all layers of these kinds put out."""
    return sum(
        len(layer.inbound_nodes) * math.prod(layer.get_output_shape_at(0)[1:])
        for layer in model.layers
        if isinstance(layer, kinds)
    )


# What the programs of the field count beside multiply-accumulates, or do not count.


def nothing(model):
    """No more and no less than the multiply-accumulates."""
    return 0


def means(model):
    """One a value that a mean over the image takes in."""
    kind = layers.GlobalAveragePooling2D
    return sum(
        math.prod(layer.input_shape[1:])
        for layer in model.layers
        if isinstance(layer, kind)
    )


def fvcore(model):
    """Two a value of a batch normalisation, five of a layer normalisation, means."""
    more = 2 * values(model, layers.BatchNormalization) + means(model)
    return more + 5 * values(model, layers.LayerNormalization)


def thop(model):
    """Four a value of either normalisation, but nothing of multi-head attention."""
    more = 4 * values(model, layers.BatchNormalization, layers.LayerNormalization)
    for layer in model.layers:
        if isinstance(layer, layers.MultiHeadAttention):
            tokens, width = layer.get_output_shape_at(0)[1:]
            a_call = 4 * tokens * width * width + 2 * tokens * tokens * width
            more -= len(layer.inbound_nodes) * a_call
    return more


def ptflops(model):
    """Two a normalised value, one of an activation or a bias, means."""
    more = 2 * values(model, layers.BatchNormalization) + means(model)
    more += values(model, layers.LeakyReLU, layers.PReLU)
    biased = (layers.Conv2D, layers.Dense)
    kept = [x for x in model.layers if isinstance(x, biased) and x.use_bias]
    return more + sum(math.prod(layer.output_shape[1:]) for layer in kept)


# Millions of operations of encoder and decoder on 32 x 32, as published: model to rows
# of (arguments of the network, what was counted more or less, {latent_dim: millions}),
# or to the reason why there is nothing to compare with.
NONE_KNOWN = "no count of operations is known"
PUBLISHED = {
    "acrnet": [  # The first count is without normalisation, the next two are with it.
        ({}, nothing, {512: 4.64}),
        ({"expansion": 10}, fvcore, {512: 25.09}),
        ({"expansion": 20}, fvcore, {512: 47.7}),
        ({"latent": "conv"}, ptflops, {512: 3.16}),  # By CLLWCsiNet's authors.
    ],
    "aianet": NONE_KNOWN,
    "attention_csinet": NONE_KNOWN,
    "bacrnet": NONE_KNOWN,
    "bcsinet": NONE_KNOWN,
    "cllwcsinet": [
        ({}, ptflops, {512: 7.26}),
        # Of the released code; the paper has 6.63, of another network.
        ({}, thop, {128: 6.40}),
    ],
    "clnet": [
        ({}, means, {512: 4.05}),  # The paper: fvcore without normalisation.
        ({}, ptflops, {512: 4.42}),  # The page of the released code.
    ],
    "crnet": [
        ({}, nothing, {512: 5.12, 32: 3.16}),
        ({"latent": "conv"}, ptflops, {512: 3.72}),  # By CLLWCsiNet's authors.
    ],
    "csi_inr": NONE_KNOWN,
    "csiformer": NONE_KNOWN,
    "csinet": [
        ({}, nothing, {512: 5.41, 32: 3.45}),
        ({"latent": "conv"}, ptflops, {512: 4.0}),  # By CLLWCsiNet's authors.
    ],
    "csinet_dnn": NONE_KNOWN,
    "csinet_dnnet": NONE_KNOWN,
    "csinet_plus": [({}, nothing, {512: 24.57})],
    "csinet_pro": NONE_KNOWN,
    "dcrnet": [
        ({}, fvcore, {512: 4.01}),
        ({"expansion": 10}, fvcore, {512: 17.58}),
    ],
    "deep_decoder_csinet": "34 M and more than 50 M at CR 8 are told of it, neither "
    "confirmed, and its number of blocks was chosen after the first",
    "deepcmc": NONE_KNOWN,
    "ds_nlcsinet": NONE_KNOWN,
    "offset_csinet": NONE_KNOWN,
    "ravula_jain": NONE_KNOWN,
    "stnet": "it is the network of stqenet; the 5.22 M (CR 4) to 3.65 M (CR 64) of its "
    "page are of an unknown method: they fall by less than the dense layers alone do",
    "stqenet": [  # Of the released code; no count in the paper.
        ({"attention": "released"}, fvcore, {512: 7.13}),
    ],
    "transnet": [({}, thop, {512: 35.72})],
}


def count_layer(layer, *shape):
    """Counts (params, macs, activations) of a layer on float32 [n, *shape]."""
    x = tf.keras.Input(shape)
    counts = complexity.count(tf.keras.Model(x, layer(x)))
    return counts["params"], counts["macs"], counts["activations"]


def test_a_strided_convolution_costs_its_kernel_a_value():
    layer = layers.Conv2D(5, (3, 2), strides=2, padding="same")
    values = 5 * 4 * 5
    expected = (3 * 2 * 3 * 5 + 5, values * 3 * 2 * 3, values)
    assert count_layer(layer, 9, 8, 3) == expected


def test_a_valid_convolution_costs_what_is_left():
    layer = layers.Conv2D(5, 3, use_bias=False)
    assert count_layer(layer, 9, 8, 3) == (135, 7 * 6 * 5 * 27, 7 * 6 * 5)


@pytest.mark.parametrize("kind", [layers.Conv2D, layers.DepthwiseConv2D])
def test_a_dilated_convolution_costs_as_much_as_a_plain_one(kind):
    size = (2, 3) if kind is layers.Conv2D else (3,)
    plain, dilated = (kind(*size, padding="same", dilation_rate=d) for d in (1, 3))
    assert count_layer(dilated, 10, 8, 4) == count_layer(plain, 10, 8, 4)


def test_a_transposed_convolution_costs_its_kernel_a_value_that_goes_in():
    layer = layers.Conv2DTranspose(2, 4, strides=2, padding="same")
    expected = (4 * 4 * 3 * 2 + 2, 4 * 5 * 3 * 4 * 4 * 2, 8 * 10 * 2)
    assert count_layer(layer, 4, 5, 3) == expected


def test_a_depthwise_convolution_costs_its_window_a_value():
    layer = layers.DepthwiseConv2D((3, 5), padding="same", depth_multiplier=2)
    assert count_layer(layer, 6, 7, 3) == (90 + 6, 6 * 7 * 6 * 15, 6 * 7 * 6)


@pytest.mark.parametrize("dilation", [1, 3])
def test_a_grouped_convolution_costs_what_its_groups_cost(dilation):
    # Two blocks of eight groups and one of four.
    layer = grouped.GroupedConv2D(60, (5, 1), 20, dilation)
    values = 9 * 8 * 60
    expected = (5 * 1 * 2 * 60, values * 5 * 1 * 2, values)
    assert count_layer(layer, 9, 8, 40) == expected


class Masked(layers.Layer):
    """A product with a kernel of `shape` times a constant mask."""

    def __init__(self, product, shape, mask):
        super().__init__()
        self.product, self.shape, self.mask = product, shape, mask

    def build(self, input_shape):
        self.kernel = self.add_weight("kernel", self.shape)

    def call(self, x):
        return self.product(x, self.kernel * self.mask)


@pytest.mark.parametrize(
    ("channels", "shape", "product"),
    [
        (2, (3, 3, 2, 3), lambda x, k: tf.nn.conv2d(x, k, 2, "SAME")),
        (2, (3, 3, 2, 3), lambda x, k: tf.nn.depthwise_conv2d(x, k, [1] * 4, "SAME")),
        (3, (3, 3, 2, 3), lambda x, k: tf.nn.conv2d_transpose(x, k, (1, 5, 6, 2), 1)),
        (2, (2, 3), lambda x, k: tf.tensordot(x, k, 1)),
        (2, (2, 3), lambda x, k: tf.einsum("nhwi,io->nhwo", x, k)),
    ],
    ids=["plain", "depthwise", "transposed", "matrix", "einsum"],
)
def test_entries_that_a_constant_mask_makes_zero_are_free(channels, shape, product):
    full, half = (
        count_layer(Masked(product, shape, mask), 5, 6, channels)
        for mask in ([[1.0, 1.0, 1.0]], [[1.0, 0.0, 0.0], [0.0, 1.0, 1.0]])
    )
    assert half == (full[0], full[1] / 2, full[2]) and half[1] > 0


def test_a_weight_that_happens_to_be_zero_costs_as_any_other():
    plain, zero = (
        layers.Conv2D(5, 3, kernel_initializer=start) for start in ("ones", "zeros")
    )
    assert count_layer(zero, 6, 7, 2) == count_layer(plain, 6, 7, 2)


def test_a_dense_layer_costs_its_kernel_a_row():
    assert count_layer(layers.Dense(5), 7, 4) == (25, 7 * 4 * 5, 7 * 5)


@pytest.mark.parametrize("transposed", [False, True])
def test_products_of_two_inputs_cost_rows_times_columns_times_depth(transposed):
    a = tf.keras.Input((2, 4, 7) if transposed else (2, 7, 4))
    b = tf.keras.Input((2, 6, 4) if transposed else (2, 4, 6))
    out = tf.matmul(a, b, transpose_a=transposed, transpose_b=transposed)
    counts = complexity.count(tf.keras.Model([a, b], out))
    assert counts == {"params": 0, "macs": 2 * 7 * 6 * 4, "activations": 2 * 7 * 6}


def test_attention_costs_four_projections_and_two_products():
    tokens = tf.keras.Input((5, 6))
    memory = tf.keras.Input((7, 6))
    attention = layers.MultiHeadAttention(num_heads=2, key_dim=3)
    model = tf.keras.Model([tokens, memory], attention(tokens, memory))
    assert complexity.count(model) == {
        "params": 4 * (36 + 6),
        "macs": (2 * 5 + 2 * 7) * 36 + 2 * 5 * 7 * 6,
        "activations": (2 * 5 + 2 * 7) * 6 + 2 * 5 * 7 + 5 * 6,
    }


def test_a_layer_used_twice_costs_twice_and_has_its_parameters_once():
    layer = layers.Dense(4)
    assert count_layer(lambda x: layer(layer(x)), 4) == (20, 32, 8)


def test_normalisation_activation_and_moves_of_data_are_free():
    free = [
        layers.BatchNormalization(trainable=False),
        layers.LeakyReLU(0.3),
        layers.Permute((3, 1, 2)),
        layers.Softmax(),
        layers.Flatten(),
    ]
    assert count_layer(tf.keras.Sequential(free), 4, 4, 2) == (0, 0, 0)


def test_a_loop_is_refused():
    with pytest.raises(ValueError, match="While; graphs with loops, branches or calls"):
        count_layer(layers.LSTM(4), 5, 3)


def test_a_grouped_convolution_is_refused():
    with pytest.raises(ValueError, match="PartitionedCall; .* grouped convolutions"):
        count_layer(layers.Conv2D(6, 3, groups=2), 4, 4, 8)


def test_every_model_has_a_row_in_the_table_of_counts():
    assert sorted(PUBLISHED) == sorted(models.MODELS)


@pytest.mark.parametrize(
    ("name", "network", "more", "latent_dim", "millions"),
    [
        pytest.param(
            *(name, *row[:2], *count),
            id=f"{name}{i}-{count[0]}",
            marks=[pytest.mark.slow] * (name not in SAMPLE),
        )
        for name, rows in PUBLISHED.items()
        if not isinstance(rows, str)
        for i, row in enumerate(rows)
        for count in row[2].items()
    ],
)
def test_a_model_costs_what_is_published(name, network, more, latent_dim, millions):
    model = models.get(name)
    total = 0
    for build in (model.encoder, model.decoder):
        side = build((32, 32), latent_dim, **network)
        total += complexity.count(side)["macs"] + more(side)
    assert total / 1e6 == pytest.approx(millions, rel=0.01)


@pytest.mark.parametrize(
    ("name", "thousands"), [("csinet", 1094), ("crnet", 1235), ("csinet_plus", 1462)]
)
def test_an_encoder_costs_what_is_published(name, thousands):
    encoder = models.get(name).encoder((32, 32), 512)
    total = complexity.count(encoder)["macs"] + ptflops(encoder)
    assert total / 1e3 == pytest.approx(thousands, rel=0.001)
