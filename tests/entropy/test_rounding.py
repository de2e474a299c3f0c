"""Laws of what stands for rounding in training."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_compression as tfc

from tfcsi.codecs.schema import FIELDS, QUANTIZER_ARGS
from tfcsi.entropy import quantizers
from tfcsi.entropy.densities import Universal
from tfcsi.entropy.quantizers import Uniform
from tfcsi.entropy.rounding import ROUNDINGS, surrogate
from tfcsi.training.run import train

U = np.random.default_rng(0).uniform(-4, 4, (400, 6)).astype(np.float32)
SEED = np.array([3, 5], np.int64)


def test_the_choices_of_the_config_are_those_of_the_code():
    assert set(FIELDS["rounding"].choices) == {"prior", *ROUNDINGS}
    assert QUANTIZER_ARGS["uniform"]["offset"].choices == quantizers.OFFSETS


@pytest.mark.parametrize("rounding", ROUNDINGS)
def test_every_rounding_has_a_slope_for_rate_and_decoder(rounding):
    u = tf.constant(U)
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(u)
        rate, points = surrogate(u, rounding, SEED)
        totals = tf.reduce_sum(rate), tf.reduce_sum(points)
    for total in totals:
        slope = tape.gradient(total, u).numpy()
        assert (slope >= 0).all() and slope.mean() > 0.1


@pytest.mark.parametrize("rounding", ROUNDINGS)
def test_the_same_seed_gives_the_same_noise_and_another_seed_another(rounding):
    one, two, other = (surrogate(U, rounding, SEED + k)[0] for k in (0, 0, 1))
    np.testing.assert_array_equal(one, two)
    assert np.array_equal(one, other) == (rounding == "straight_through")


def test_noise_is_uniform_in_a_step_and_the_decoder_gets_it_or_not():
    rate, points = surrogate(U, "noise", SEED)
    away = (rate - U).numpy()
    assert np.abs(away).max() <= 0.5 and away.var() == pytest.approx(1 / 12, rel=0.1)
    np.testing.assert_array_equal(points, rate)
    rate, points = surrogate(U, "mixed", SEED)
    assert np.abs(rate.numpy() - U).max() <= 0.5
    np.testing.assert_allclose(points, np.rint(U), atol=1e-6)


def test_soft_rounding_keeps_the_cell_of_the_symbol():
    rate, points = (part.numpy() for part in surrogate(U, "soft", SEED))
    soft = tfc.soft_round(U, 4.0).numpy()
    no_tie = np.abs(U - np.floor(U) - 0.5) > 1e-2
    np.testing.assert_array_equal(np.rint(soft)[no_tie], np.rint(U)[no_tie])
    assert np.abs(rate - soft).max() <= 0.5
    assert np.abs(points - U).max() <= 1.01


def test_a_dithered_grid_has_the_error_of_noise_even_where_y_never_changes():
    quantizer = Uniform(3000, offset="dither")
    y = np.full((1, 3000), 0.4, np.float32)
    error = quantizer.dequantize(*quantizer.quantize(y)) - y
    assert error.var() == pytest.approx(1 / 12, rel=0.1)
    assert Uniform(3000).quantize(y)[0].std() == 0


def test_the_dither_is_the_same_in_every_quantiser_of_a_length():
    one, two = (Uniform(50, offset="dither").offset for _ in range(2))
    np.testing.assert_array_equal(one, two)
    assert len(np.unique(one)) > 8 and np.abs(one).max() < 0.5


def test_a_universal_prior_promises_the_bits_of_the_library():
    tf.random.set_seed(1)
    prior = Universal(6, None, "range")
    theirs = tfc.UniversalBatchedEntropyModel(
        prior.density, coding_rank=1, bottleneck_dtype=tf.float32
    )
    points, bits = theirs(U, training=False)
    np.testing.assert_allclose(prior.bits(points, training=False), bits, rtol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize(
    "fields",
    [
        {"rounding": "soft"},
        {"rounding": "mixed", "quantizer_args": {"offset": "learned"}},
    ],
)
def test_a_training_with_it_promises_its_packets(
    fields, make_config, dense, h, tmp_path
):
    config = make_config(model=dense, epochs=1, **fields)
    config.prior_warmup_steps = 150
    codec = train(config, tmp_path, h[:300], h[300:], progress=False)
    symbols, side = codec.symbols(h[300:])
    packets = codec.send(symbols, side)
    real = 8 * np.mean([len(packet) for packet in packets])
    promised = float((tmp_path / "log.csv").read_text().splitlines()[1].split(",")[6])
    assert abs(real - promised) <= 0.01 * promised + 8 + 11
    np.testing.assert_array_equal(codec.receive(packets)[0], symbols)
    if "quantizer_args" in fields:
        assert np.abs(codec.quantizer.offset).max() > 0
