"""Laws of the shared blocks: normalisation as in Keras, the order of reshapes."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.keras import layers

from tfcsi.models import blocks

SHAPE = (6, 4)


def image(n=3, channels=2, seed=0):
    """Float32 [n, num_tx, num_delay, channels]."""
    rng = np.random.default_rng(seed)
    return rng.normal(2.0, 3.0, (n, *SHAPE, channels)).astype(np.float32)


def pair(channels):
    """Our normalisation and that of Keras, the same random weights in both."""
    both = [
        kind(momentum=0.9, epsilon=1e-3)
        for kind in (blocks.BatchNormalization, layers.BatchNormalization)
    ]
    rng = np.random.default_rng(1)
    weights = rng.uniform(0.5, 2.0, (4, channels)).astype(np.float32)
    for layer in both:
        layer.build((None, *SHAPE, channels))
        layer.set_weights(weights)
    return both


def model(function, shape):
    """Model of a function of layers on inputs of a shape."""
    inputs = tf.keras.Input(shape)
    return tf.keras.Model(inputs, function(inputs))


def pass_through(model, name):
    """Makes a square dense layer the identity."""
    kernel, bias = model.get_layer(name).get_weights()
    model.get_layer(name).set_weights([np.eye(len(kernel)), 0 * bias])


def test_normalisation_takes_bfloat16_and_keeps_its_weights_in_float32():
    layer = blocks.BatchNormalization(dtype="mixed_bfloat16")
    exact = blocks.BatchNormalization()
    x = image(9, 2)
    y = layer(tf.cast(x, tf.bfloat16), training=True)
    assert y.dtype == tf.bfloat16
    assert {weight.dtype for weight in layer.weights} == {tf.float32}
    expected = exact(tf.cast(tf.cast(x, tf.bfloat16), tf.float32), training=True)
    np.testing.assert_allclose(tf.cast(y, tf.float32), expected, rtol=2**-8)
    for weight, same in zip(layer.get_weights(), exact.get_weights()):
        np.testing.assert_allclose(weight, same, rtol=1e-6)


@pytest.mark.parametrize("channels", [2, 7, 8])
def test_a_training_step_of_normalisation_is_that_of_keras(channels):
    x, mix = tf.constant(image(9, channels)), image(9, channels, seed=2)
    results = []
    for layer in pair(channels):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = layer(x, training=True)
            loss = tf.reduce_sum(y * mix)
        slopes = tape.gradient(loss, [x, layer.gamma, layer.beta])
        results.append([y, *slopes, layer.moving_mean, layer.moving_variance])
    for ours, keras in zip(*results):
        np.testing.assert_allclose(ours, keras, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("trainable", [True, False])
def test_normalisation_in_use_or_frozen_is_that_of_keras(trainable):
    x, results = image(9, 7), []
    for layer in pair(7):
        layer.trainable = trainable
        y = layer(x, training=not trainable)
        results.append([y, layer.moving_mean, layer.moving_variance])
    for ours, keras in zip(*results):
        np.testing.assert_allclose(ours, keras, rtol=1e-5, atol=1e-5)


def test_the_statistics_of_normalisation_get_no_gradient():
    layer, _ = pair(7)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(layer(image(9, 7), training=True) ** 2)
    slopes = tape.gradient(loss, [layer.moving_mean, layer.moving_variance])
    assert slopes == [None, None]


@pytest.mark.parametrize("bound", ["none", "sigmoid", "hard_sigmoid", "tanh"])
def test_scaling_out_undoes_scaling_in_for_weak_csi_and_bounds_strong(bound):
    x = 1e-3 * image()
    both = model(lambda x: blocks.scale_out(blocks.scale_in(x), bound), x.shape[1:])
    np.testing.assert_allclose(both(x), x, rtol=1e-3, atol=1e-6)
    if bound != "none":
        np.testing.assert_allclose(both(np.sign(x) * 1e3), np.sign(x) / 2, atol=1e-6)


def test_a_convolution_and_its_normalisation_are_named_and_have_no_bias():
    made = model(lambda x: blocks.conv_bn(x, 5, (1, 3), name="a"), (*SHAPE, 2))
    assert [len(made.get_layer(n).weights) for n in ("a", "a_bn")] == [1, 4]


def test_the_codeword_is_read_in_the_order_channel_angle_delay():
    x = image()
    made = model(lambda x: blocks.to_codeword(x, 48), x.shape[1:])
    pass_through(made, "codeword")
    expected = x.transpose(0, 3, 1, 2).reshape(3, 48)
    np.testing.assert_allclose(made(x), expected, rtol=1e-6)


def test_the_image_is_written_in_the_order_channel_angle_delay():
    y = image().reshape(3, 48)
    made = model(lambda y: blocks.from_codeword(y, SHAPE), 48)
    pass_through(made, "expand")
    expected = y.reshape(3, 2, *SHAPE).transpose(0, 2, 3, 1)
    np.testing.assert_allclose(made(y), expected, rtol=1e-6)


def test_the_delay_line_holds_channel_and_angle_of_each_delay():
    x = image()
    line = model(blocks.to_delay_line, x.shape[1:])(x)
    expected = x.transpose(0, 2, 3, 1).reshape(3, 1, SHAPE[1], 2 * SHAPE[0])
    np.testing.assert_array_equal(line, expected)


@pytest.mark.parametrize("channels", [1, 2, 3])
def test_from_delay_line_undoes_to_delay_line(channels):
    x = image(channels=channels)
    line = model(blocks.to_delay_line, x.shape[1:])(x)
    back = model(lambda x: blocks.from_delay_line(x, SHAPE, channels), line.shape[1:])
    np.testing.assert_array_equal(back(line), x)


@pytest.mark.parametrize("latent", blocks.LATENTS)
def test_a_codeword_of_either_kind_gives_an_image_back(latent):
    x = image()
    y = model(lambda x: blocks.to_codeword(x, 8, latent), x.shape[1:])(x)
    assert y.shape == (3, 8)
    back = model(lambda y: blocks.from_codeword(y, SHAPE, latent, channels=5), 8)
    assert back(y).shape == (3, *SHAPE, 5)


@pytest.mark.parametrize(
    ("latent_dim", "latent", "words"),
    [
        (8, "sparse", r"latent is 'sparse'; it must be one of \('dense', 'conv'\)"),
        (9, "conv", "latent_dim is 9; latent='conv' takes a multiple of num_delay, 4"),
    ],
)
def test_latents_that_do_not_fit_are_refused(latent_dim, latent, words):
    x, y = tf.keras.Input((*SHAPE, 2)), tf.keras.Input(latent_dim)
    with pytest.raises(ValueError, match=words):
        blocks.to_codeword(x, latent_dim, latent)
    with pytest.raises(ValueError, match=words):
        blocks.from_codeword(y, SHAPE, latent)
