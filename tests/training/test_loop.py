"""Laws of the loop that all trainings run."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from tfcsi.training.loop import Group, Loop
from tfcsi.training.optimizer import Adam
from tfcsi.training.pipeline import array_batches, in_order, shuffled


class Line:
    """The fit y = slope x + offset, with noise on x in training."""

    def __init__(self, rate=0.05, noise=0.1, clip_norm=None):
        self.slope, self.offset = tf.Variable(0.0), tf.Variable(0.0)
        self.noise = noise
        groups = [
            Group([self.slope], Adam(rate), clip_norm),
            Group([self.offset], Adam(rate), clip_norm),
        ]
        self.loop = Loop(groups, 3, "; do less")
        self.loop.begin(self.loss)
        self.x = np.random.default_rng(0).normal(size=40).astype("f4")

    def loss(self, x, y, training, seed):
        if training:
            x += self.noise * tf.random.stateless_normal(tf.shape(x), seed)
        error = tf.abs(self.slope * x + self.offset - y)
        return tf.square(error), error

    def train(self, epoch):
        chosen = shuffled(40, 8, [3, epoch])
        return self.loop.train_epoch(
            array_batches([self.x, 2 * self.x + 1], chosen), count=len(chosen)
        )


def test_a_loss_is_minimised_and_all_its_values_are_averaged():
    line = Line(noise=0.0)
    means = [line.train(epoch) for epoch in range(40)]
    assert float(line.slope) == pytest.approx(2, abs=0.05)
    assert float(line.offset) == pytest.approx(1, abs=0.05)
    assert means[-1][0] < 0.01 * means[0][0] and means[-1].shape == (2,)
    assert int(line.loop.step) == 40 * 5
    batches = array_batches([line.x, 2 * line.x + 1], in_order(40, 15))
    square, error = line.loop.evaluate(batches)
    np.testing.assert_allclose(square, error**2, rtol=1e-5)
    assert len(error) == 40 and int(line.loop.step) == 40 * 5


def test_the_same_seed_draws_the_same_noise_at_the_same_step():
    one, two = Line(), Line()
    for epoch in range(2):
        np.testing.assert_array_equal(one.train(epoch), two.train(epoch))
    assert float(one.slope) == float(two.slope)
    two.loop.step.assign(0)
    assert (one.train(2) != two.train(2)).all()


def test_only_what_is_chosen_is_trained():
    line = Line()
    line.train(0)
    offset = float(line.offset)
    line.loop.begin(line.loss, [[line.slope], []])
    slope = float(line.slope)
    line.train(1)
    assert float(line.offset) == offset and float(line.slope) != slope


def test_gradients_are_clipped_a_group():
    line = Line(clip_norm=1e-12, noise=0.0)
    line.train(0)
    momentum, _ = line.loop.groups[0].optimizer.moments(line.slope)
    assert 0 < abs(float(momentum)) < 1e-12


def test_a_loss_that_is_not_finite_is_told_with_its_step_and_the_remedy():
    line = Line()
    line.train(0)
    line.x[:] = np.nan
    with pytest.raises(FloatingPointError, match="at step 6, batch 1; do less"):
        line.train(1)
    with pytest.raises(FloatingPointError, match="; do less"):
        line.loop.evaluate(array_batches([line.x, line.x], in_order(40, 40)))
