"""Laws of TransNet: its tokens, and to which tokens each one attends."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from tfcsi.models import transnet

SHAPE = (16, 16)
SMALL = {"width": 32, "hidden": 64}


def randomize(model, seed=0):
    """Gives all weights, zero ones too, a random value."""
    rng = np.random.default_rng(seed)
    for weight in model.trainable_weights:
        weight.assign(0.3 * rng.standard_normal(weight.shape) + (weight.shape.rank < 2))


def draw(*shape, seed=1):
    """Float32 normal numbers."""
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def layer_model(kind, num_inputs):
    """Model of one transformer layer on tokens [n, 6, 32]."""
    tokens = [tf.keras.Input((6, 32)) for _ in range(num_inputs)]
    model = tf.keras.Model(tokens, kind(32, 2, 64, "layer")(*tokens))
    randomize(model)
    return model


@pytest.mark.parametrize("build", [transnet.encoder, transnet.decoder])
def test_shared_layers_are_two_equal_layers(build):
    one, two = (build(SHAPE, 32, shared=shared, **SMALL) for shared in (True, False))
    randomize(one)
    for layer in two.layers:
        if layer.weights:
            name = layer.name.replace("layer1", "layer").replace("layer2", "layer")
            layer.set_weights(one.get_layer(name).get_weights())
    x = draw(3, *one.input_shape[1:])
    np.testing.assert_allclose(one(x), two(x), atol=1e-5)


def test_a_token_is_two_antenna_rows_of_the_real_or_the_imaginary_part():
    image = tf.keras.Input((32, 32, 2))
    tokens = transnet._to_tokens(image, 64)
    x = draw(2, 32, 32, 2)
    expected = np.moveaxis(x, 3, 1).reshape(2, 32, 64)
    np.testing.assert_array_equal(tf.keras.Model(image, tokens)(x), expected)
    back = tf.keras.Model(image, transnet._from_tokens(tokens, (32, 32)))
    np.testing.assert_array_equal(back(x), x)


def test_tokens_have_no_positions():
    model = layer_model(transnet._EncoderLayer, 1)
    tokens, order = draw(2, 6, 32), [3, 1, 5, 0, 2, 4]
    expected = model(tokens).numpy()[:, order]
    np.testing.assert_allclose(model(tokens[:, order]), expected, atol=1e-5)


def test_the_decoder_looks_at_the_expanded_tokens_whatever_their_order():
    model = layer_model(transnet._DecoderLayer, 2)
    tokens, memory, order = draw(2, 6, 32), draw(2, 6, 32, seed=2), [3, 1, 5, 0, 2, 4]
    out = model([tokens, memory])
    np.testing.assert_allclose(model([tokens, memory[:, order]]), out, atol=1e-5)
    assert not np.allclose(model([tokens, -memory]), out, atol=0.1)


def test_a_token_attends_to_all_tokens_of_its_matrix_and_to_no_other_matrix():
    model = layer_model(transnet._EncoderLayer, 1)
    tokens = tf.constant(draw(3, 6, 32))
    with tf.GradientTape() as tape:
        tape.watch(tokens)
        out = tf.reduce_sum(draw(32) * model(tokens)[1, 4])
    seen = np.abs(tape.gradient(out, tokens)).max(2) > 0
    np.testing.assert_array_equal(seen, [[False] * 6, [True] * 6, [False] * 6])


@pytest.mark.parametrize("build", [transnet.encoder, transnet.decoder])
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"shape": (16,)}, r"shape is \(16,\); it must be \(num_tx, num_delay\)"),
        ({"shape": (5, 5)}, "width is 64; it must divide 2 num_tx num_delay, 50"),
        ({"width": 0}, "width is 0; it must be at least 1"),
        ({"latent_dim": 0}, "latent_dim is 0; it must be at least 1"),
        ({"hidden": 0}, "hidden is 0; it must be at least 1"),
        ({"num_heads": 0}, "num_heads is 0; it must be at least 1"),
        ({"num_heads": 3}, "num_heads is 3; it must divide width, 64"),
        ({"latent": "sparse"}, "latent is 'sparse'; it must be one of"),
    ],
)
def test_arguments_that_do_not_fit_are_refused(build, arguments, words):
    with pytest.raises(ValueError, match=words):
        build(**{"shape": SHAPE, "latent_dim": 8, **arguments})
