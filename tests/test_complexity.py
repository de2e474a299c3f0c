"""Laws of the counts: layers that a hand can count, and published networks."""

from __future__ import annotations

import math

import pytest
import tensorflow as tf
from tensorflow.keras import layers

from tfcsi import complexity
from tfcsi.models import cllwcsinet, crnet, csinet, stqenet, transnet

# Millions of multiply-accumulates, as published, on 32 x 32.
PUBLISHED = [
    (csinet, 512, 5.41),
    (csinet, 32, 3.45),
    (crnet, 512, 5.12),
    (crnet, 32, 3.16),
]


def count_layer(layer, *shape):
    """Counts (params, macs, activations) of a layer on float32 [n, *shape]."""
    x = tf.keras.Input(shape)
    counts = complexity.count(tf.keras.Model(x, layer(x)))
    return counts["params"], counts["macs"], counts["activations"]


def pair_macs(*models):
    """Multiply-accumulates of all models together."""
    return sum(complexity.count(model)["macs"] for model in models)


def values(models, kind):
    """Number of values that all calls of all layers of a kind put out."""
    return sum(
        len(layer.inbound_nodes) * math.prod(layer.get_output_shape_at(0)[1:])
        for model in models
        for layer in model.layers
        if isinstance(layer, kind)
    )


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


@pytest.mark.parametrize(("model", "latent_dim", "millions"), PUBLISHED)
def test_multiply_accumulates_are_the_published(model, latent_dim, millions):
    pair = (build((32, 32), latent_dim) for build in (model.encoder, model.decoder))
    assert pair_macs(*pair) / 1e6 == pytest.approx(millions, rel=0.01)


def test_the_published_count_of_transnet_lacks_all_of_its_attention():
    pair = [f((32, 32), 512) for f in (transnet.encoder, transnet.decoder)]
    attention = 4 * 32 * 64 * 64 + 2 * 32 * 32 * 64
    assert (pair_macs(*pair) - 6 * attention) / 1e6 == pytest.approx(35.72, rel=0.01)


def test_fvcore_counts_two_a_batch_and_five_a_layer_normalised_value_more():
    build = (stqenet.encoder, stqenet.decoder)
    pair = [f((32, 32), 512, attention="released") for f in build]
    more = 2 * values(pair, layers.BatchNormalization)
    more += 5 * values(pair, layers.LayerNormalization)
    assert round((pair_macs(*pair) + more) / 1e6, 2) == 7.13


@pytest.mark.parametrize(
    ("latent_dim", "millions"), [(512, 7.28), (256, 7.17), (128, 6.40)]
)
def test_thop_counts_four_a_normalised_value_more(latent_dim, millions):
    build = (cllwcsinet.encoder, cllwcsinet.decoder)
    pair = [f((32, 32), latent_dim) for f in build]
    more = 4 * values(pair, layers.BatchNormalization)
    assert round((pair_macs(*pair) + more) / 1e6, 2) == millions
