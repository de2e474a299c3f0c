"""Laws of a dense layer with binary weights."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from tfcsi.models import acrnet, bacrnet, bcsinet
from tfcsi.models.binary import BinaryDense, binarize, unpack
from tfcsi.tflite import convert, runner


@pytest.fixture
def layer():
    """A layer of 13 inputs and 5 units with weights beyond +-1 too."""
    layer = BinaryDense(5)
    layer.build((None, 13))
    kernel = np.random.default_rng(1).standard_normal((13, 5)).astype(np.float32)
    layer.set_weights([kernel, np.arange(5, dtype=np.float32)])
    return layer


def test_each_output_has_two_weight_values_plus_and_minus_the_mean_magnitude(layer):
    kernel, _ = layer.dense_weights()
    w = layer.kernel.numpy()
    np.testing.assert_array_equal(np.sign(kernel), np.sign(w))
    scales = np.broadcast_to(np.abs(w).mean(0), w.shape)
    np.testing.assert_allclose(np.abs(kernel), scales, rtol=1e-6)


def test_the_layer_is_the_dense_layer_of_its_binary_weights(layer):
    x = np.random.default_rng(2).standard_normal((4, 13)).astype(np.float32)
    kernel, bias = layer.dense_weights()
    np.testing.assert_allclose(layer(x), x @ kernel + bias, atol=1e-5)


def test_packed_weights_unpack_to_the_same_kernel_from_a_bit_each(layer):
    signs, scales = layer.packed()
    assert signs.dtype == np.uint8 and signs.shape == (2, 5)
    kernel = unpack(signs, scales, 13)
    np.testing.assert_array_equal(kernel, layer.dense_weights()[0])


def test_the_gradient_passes_straight_to_weights_of_at_most_one(layer):
    slope = tf.random.stateless_normal((13, 5), (1, 2))
    with tf.GradientTape() as tape:
        total = tf.reduce_sum(slope * binarize(layer.kernel))
    inside = np.abs(layer.kernel) <= 1
    assert 0 < inside.sum() < inside.size
    np.testing.assert_array_equal(tape.gradient(total, layer.kernel), slope * inside)


@pytest.mark.parametrize(
    "optimizer", [tf.keras.optimizers.Adam, tf.keras.optimizers.legacy.Adam]
)
def test_no_step_leads_a_weight_beyond_one(layer, optimizer):
    layer.kernel.assign(0.5 * layer.kernel)
    slope = tf.random.stateless_normal((13, 5), (1, 2))
    optimizer(3.0).apply_gradients([(slope, layer.kernel)])
    np.testing.assert_array_equal(np.abs(layer.kernel), 1.0)


def test_binary_acrnet_is_acrnet_but_for_the_encoders_dense_layer():
    binary, plain = bacrnet.encoder((16, 16), 8), acrnet.encoder((16, 16), 8)
    plain.set_weights(binary.get_weights())
    plain.get_layer("codeword").set_weights(
        binary.get_layer("codeword").dense_weights()
    )
    x = 0.1 * tf.random.stateless_normal((3, 16, 16, 2), (1, 2))
    np.testing.assert_allclose(binary(x), plain(x), atol=1e-5)


@pytest.mark.tflite
def test_a_binary_encoder_becomes_builtin_operations():
    encoder = bcsinet.encoder((16, 16), 8, head="C")
    x = 0.1 * tf.random.stateless_normal((3, 16, 16, 2), (1, 2)).numpy()
    y = runner.Runner(convert.convert(encoder, "float32"))(x)
    np.testing.assert_allclose(y, encoder(x), atol=1e-5)


@pytest.mark.parametrize("model", [bcsinet, bacrnet])
def test_a_latent_without_a_dense_layer_is_refused(model):
    for build in (model.encoder, model.decoder):
        with pytest.raises(ValueError, match="latent is 'conv'; .* must be 'dense'"):
            build((16, 16), 32, latent="conv")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"head": "D"}, "head is 'D'; it must be one of"),
        ({"num_refine": 0}, "num_refine is 0; it must be at least 1"),
    ],
)
def test_heads_and_refine_nets_that_do_not_exist_are_refused(arguments, words):
    for build in (bcsinet.encoder, bcsinet.decoder):
        with pytest.raises(ValueError, match=words):
            build((16, 16), 8, **arguments)
