"""Dynamic quantisation leaves no layer in float."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.keras import layers

from tfcsi.model_optimization import dynamic


def integers(values, axes):
    """Integers -127 ... 127, and the scale that the largest magnitude gives."""
    scale = np.abs(values).max(axes, keepdims=True) / 127
    return np.round(values / scale), scale


def test_small_layers_compute_with_integers_too():
    rng = np.random.default_rng(0)
    x_in = layers.Input((5,))
    y = layers.Dense(3, activation="relu")(layers.Dense(4, name="first")(x_in))
    network = tf.keras.Model(x_in, y)
    weights = [rng.normal(size=w.shape).astype(np.float32) for w in network.weights]
    network.set_weights(weights)
    h = rng.normal(size=(7, 5)).astype(np.float32) * [[10.0**i] for i in range(7)]
    want = h
    for kernel, bias in (weights[:2], weights[2:]):
        (rows, scale), (columns, unit) = integers(want, 1), integers(kernel, 0)
        want = (rows @ columns) * scale * unit + bias
    made = dynamic.dynamic(network)
    got = made(h.astype(np.float32)).numpy()
    np.testing.assert_allclose(got, np.maximum(want, 0), rtol=1e-5, atol=1e-5)
    assert np.abs(got - network(h.astype(np.float32))).max() > 1e-3
    np.testing.assert_array_equal(network.get_weights()[0], weights[0])


def test_kernels_take_a_byte_each_and_the_rest_four():
    x_in = layers.Input((4, 4, 2))
    y = layers.BatchNormalization()(layers.Conv2D(3, 2)(x_in))
    network = tf.keras.Model(x_in, y)
    for each in (network, dynamic.dynamic(network)):
        assert dynamic.num_bytes(each) == 2 * 2 * 2 * 3 + 4 * (3 + 3 + 4 * 3)


def test_a_layer_with_inner_layers_is_refused_by_its_name():
    x_in = layers.Input((6, 4))
    y = layers.Bidirectional(layers.SimpleRNN(2), name="both_ways")(x_in)
    with pytest.raises(ValueError, match="'both_ways' has an inner layer"):
        dynamic.dynamic(tf.keras.Model(x_in, y))
