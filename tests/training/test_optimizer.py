"""Laws of Adam and of the learning rates of a staged training."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from tfcsi.training import optimizer, stages


def variables(seed=0):
    rng = np.random.default_rng(seed)
    return [tf.Variable(rng.normal(size=s).astype("f4")) for s in ((3, 4), (5,), ())]


def gradients(step):
    rng = np.random.default_rng([1, step])
    return [tf.constant(rng.normal(size=v.shape).astype("f4")) for v in variables()]


@pytest.mark.parametrize("compiled", [False, True])
def test_the_update_in_one_operation_is_that_of_keras(compiled):
    trained = []
    for make in (optimizer.Adam, tf.keras.optimizers.Adam):
        schedule = tf.keras.optimizers.schedules.ExponentialDecay(0.1, 5, 0.5)
        adam, mine = make(schedule, beta_1=0.8), variables()
        adam.build(mine)

        def step(*slopes, adam=adam, mine=mine):
            adam.apply_gradients(zip(slopes, mine))

        step = tf.function(step) if compiled else step
        for number in range(20):
            step(*gradients(number))
        assert int(adam.iterations) == 20
        trained.append([variable.numpy() for variable in mine])
    for one, other, start in zip(*trained, variables()):
        np.testing.assert_allclose(one, other, atol=1e-5)
        assert np.abs(one - start).min() > 0.01


def test_what_is_not_updated_keeps_its_value_and_its_moments():
    adam, mine = optimizer.Adam(0.1), variables()
    adam.build(mine)
    adam.apply_gradients(zip(gradients(0), mine))
    before = [[v.numpy(), *(m.numpy() for m in adam.moments(v))] for v in mine]
    for step in (1, 2):
        adam.apply_gradients(zip(gradients(step)[1:], mine[1:]))
    after = [[v.numpy(), *(m.numpy() for m in adam.moments(v))] for v in mine]
    for i, (one, other) in enumerate(zip(before, after)):
        same = [np.array_equal(a, b) for a, b in zip(one, other)]
        assert same == [i == 0] * 3


def test_a_checkpoint_brings_the_moments_back(tmp_path):
    adam, mine = optimizer.Adam(0.1), variables()
    adam.build(mine)
    for step in range(3):
        adam.apply_gradients(zip(gradients(step), mine))
    path = tf.train.Checkpoint(adam=adam, mine=mine).save(tmp_path / "state")
    again, yours = optimizer.Adam(0.1), variables(seed=1)
    again.build(yours)
    tf.train.Checkpoint(adam=again, mine=yours).restore(path).assert_consumed()
    for one, other in ((adam, mine), (again, yours)):
        one.apply_gradients(zip(gradients(3), other))
    for one, other in zip(mine, yours):
        np.testing.assert_array_equal(one.numpy(), other.numpy())


def test_the_learning_rate_rises_then_falls_to_its_share(make_config):
    config = make_config(epochs=10, warmup_epochs=2.0, final_rate=0.1)
    schedule = optimizer.WarmUpCosine(0.5, 100, stages.stages_of(config), config)
    rate = np.array([float(schedule(step)) for step in range(0, 1001, 10)])
    assert (np.diff(rate[:20]) > 0).all() and (np.diff(rate[21:]) < 0).all()
    assert rate.max() == pytest.approx(0.5, rel=0.01)
    assert rate[-1] == pytest.approx(0.05) and rate[0] == pytest.approx(0.5 / 200)
