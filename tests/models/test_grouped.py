"""Laws of convolutions in groups of channels, and of the shuffle between groups."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from tfcsi.models import acrnet, dcrnet, grouped
from tfcsi.tflite import convert, runner


def split_conv(x, kernel, groups, dilation):
    """A convolution a group, by definition."""
    pairs = zip(tf.split(x, groups, -1), tf.split(kernel, groups, -1))
    results = [tf.nn.conv2d(*pair, 1, "SAME", dilations=dilation) for pair in pairs]
    return tf.concat(results, -1)


def random(shape, seed=1):
    return tf.random.stateless_normal(shape, (seed, 0))


@pytest.mark.parametrize(
    ("channels", "filters", "groups", "kernel", "dilation"),
    [
        (8, 8, 4, 7, 1),
        (40, 40, 20, (5, 1), 1),  # Two whole blocks of channels and a half.
        (12, 6, 3, (1, 3), 3),
        (36, 18, 2, 1, 1),  # A group of more channels than a block.
        (5, 10, 5, 3, 1),
    ],
)
def test_a_grouped_convolution_is_one_convolution_a_group(
    channels, filters, groups, kernel, dilation
):
    layer = grouped.GroupedConv2D(filters, kernel, groups, dilation)
    x, weights = random((2, 9, 8, channels)), random((2, 9, 8, filters), 2)
    layer(x)
    results = []
    for run in (layer, lambda x: split_conv(x, layer.kernel, groups, dilation)):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = run(x)
            total = tf.reduce_sum(weights * y)
        results.append([y, *tape.gradient(total, [x, layer.kernel])])
    for actual, expected in zip(*results):
        np.testing.assert_allclose(actual, expected, rtol=1e-4, atol=1e-4)


def test_a_grouped_convolution_has_as_many_weights_as_its_groups_need():
    layer = grouped.GroupedConv2D(80, 7, 40)
    layer.build((None, 32, 32, 80))
    assert layer.count_params() == 7 * 7 * 2 * 80


def test_groups_that_do_not_divide_the_channels_are_refused():
    with pytest.raises(ValueError, match="groups is 3; it must divide the 8 channels"):
        grouped.grouped_conv(tf.keras.Input((4, 4, 8)), 6, 3, 3, "conv")


@pytest.mark.parametrize("model", [acrnet, dcrnet])
def test_an_expansion_below_one_is_refused(model):
    for build in (model.encoder, model.decoder):
        with pytest.raises(ValueError, match="expansion is 0; it must be at least 1"):
            build((16, 16), 8, expansion=0)


@pytest.mark.tflite
def test_a_grouped_convolution_becomes_builtin_operations():
    x_in = tf.keras.Input((8, 8, 40))
    y = grouped.grouped_conv(x_in, 40, 3, 20, "conv")
    model = tf.keras.Model(x_in, tf.keras.layers.Flatten()(y))
    x = random((2, 8, 8, 40)).numpy()
    y = runner.Runner(convert.convert(model, "float32"))(x)
    np.testing.assert_allclose(y, model(x), atol=1e-5)


def test_a_channel_shuffle_deals_the_channels_of_each_group_to_all_groups():
    x = tf.range(2 * 3 * 4 * 8, dtype=tf.float32)
    x = tf.reshape(x, (2, 3, 4, 8))
    shuffled = dcrnet.channel_shuffle(x, 4).numpy()
    np.testing.assert_array_equal(shuffled, x.numpy()[..., [0, 2, 4, 6, 1, 3, 5, 7]])
    np.testing.assert_array_equal(dcrnet.channel_shuffle(shuffled, 2), x)
