"""Laws of CRNet: how far its block sees, what a convolutional latent weighs."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from tfcsi.models import acrnet, crnet


def size(*parts):
    """Number of trainable parameters."""
    return sum(int(np.prod(w.shape)) for part in parts for w in part.trainable_weights)


@pytest.mark.parametrize(("length", "reach"), [(9, 5), (3, 2)])
def test_a_block_sees_as_far_as_its_longest_path(length, reach):
    x_in = tf.keras.Input((16, 16, 2))
    model = tf.keras.Model(x_in, crnet.cr_block(x_in, "block", length))
    x = tf.random.stateless_normal((1, 16, 16, 2), (1, 2))
    with tf.GradientTape() as tape:
        tape.watch(x)
        picked = tf.reduce_sum(model(x)[:, 8, 7])
    seen = np.abs(tape.gradient(picked, x)[0]).max(-1) > 0
    expected = np.zeros((16, 16), bool)
    expected[8 - reach : 9 + reach, 7 - reach : 8 + reach] = True
    np.testing.assert_array_equal(seen, expected)


@pytest.mark.parametrize(
    ("model", "latent_dim", "expected"),
    [(crnet, 512, 17_622), (crnet, 256, 10_438), (acrnet, 128, 6_352)],
)
def test_a_convolutional_latent_has_the_released_size(model, latent_dim, expected):
    arguments = {"shape": (32, 32), "latent_dim": latent_dim, "latent": "conv"}
    assert size(model.encoder(**arguments), model.decoder(**arguments)) == expected
