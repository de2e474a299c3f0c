"""Laws of CRNet: how far its block sees."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from tfcsi.models import crnet


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
