"""Laws of the quantisers: two faces of one formula, bounds, gradients, refusals."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from tfcsi.entropy import quantizers
from tfcsi.entropy.quantizers import MuLaw, Uniform
from tfcsi.tflite import convert, runner

LATENT = 24


def codewords(n=200, seed=0):
    """Float32 [n, latent] of spreads from 1e-2 to 1e2, no entry alike."""
    rng = np.random.default_rng(seed)
    y = rng.standard_normal((n, LATENT)) + rng.standard_normal((n, 1))
    return (y * 10 ** rng.uniform(-2, 2, (n, 1))).astype(np.float32)


def uniform(seed=1):
    """A Uniform with another step for each entry."""
    quantizer = Uniform(LATENT)
    rng = np.random.default_rng(seed)
    quantizer.log_step.assign(rng.uniform(-2, 1, LATENT).astype(np.float32))
    return quantizer


def limits(side):
    """Minimum and maximum [n, 1] that the side information holds."""
    words = side.view(np.float16).astype(np.float64)
    return words[:, :1], words[:, 1:]


EACH = pytest.mark.parametrize(
    "make",
    [uniform, *(lambda b=b: MuLaw(LATENT, b, 255.0) for b in (1, 2, 4, 8))],
    ids=["uniform", "mulaw1", "mulaw2", "mulaw4", "mulaw8"],
)


@EACH
def test_training_and_use_give_the_same_symbols_and_points(make):
    quantizer, y = make(), codewords()
    u, y_hat = quantizer(tf.constant(y))
    assert u.dtype == y_hat.dtype == tf.float32
    symbols, side = quantizer.quantize(y)
    assert symbols.dtype == np.int32 and side.dtype == np.uint16
    assert side.shape == (len(y), quantizer.num_side)
    u = u.numpy()
    no_tie = np.abs(u - np.floor(u) - 0.5) > 1e-3  # Of libraries, not of laws.
    assert no_tie.mean() > 0.99
    np.testing.assert_array_equal(np.rint(u)[no_tie], symbols[no_tie])
    received = quantizer.dequantize(symbols, side)
    assert received.dtype == np.float32
    scale = np.abs(y).max(1, keepdims=True) + 0 * y
    np.testing.assert_array_less(
        np.abs(received - y_hat)[no_tie], 1e-5 * scale[no_tie] + 1e-7
    )


@EACH
def test_the_gradient_of_a_point_is_the_identity(make):
    quantizer, y = make(), tf.constant(codewords(20))
    weight = np.random.default_rng(2).standard_normal(y.shape).astype(np.float32)
    with tf.GradientTape() as tape:
        tape.watch(y)
        loss = tf.reduce_sum(weight * quantizer(y)[1])
    np.testing.assert_allclose(tape.gradient(loss, y), weight, rtol=1e-5)


@EACH
def test_the_gradient_of_u_is_finite_and_not_negative(make):
    quantizer, y = make(), tf.constant(codewords(20))
    with tf.GradientTape() as tape:
        tape.watch(y)
        u = tf.reduce_sum(quantizer(y)[0])
    slope = tape.gradient(u, y).numpy()
    assert np.isfinite(slope).all() and (slope >= 0).all() and slope.mean() > 0


def test_the_gradient_of_a_uniform_step_is_the_rounding_error():
    quantizer, y = uniform(), codewords(1)
    with tf.GradientTape() as tape:
        u, y_hat = quantizer(tf.constant(y))
        loss = tf.reduce_sum(y_hat)
    step = np.exp(quantizer.log_step)
    expected = (np.rint(u) - u)[0] * step  # By the logarithm of the step.
    slope = tape.gradient(loss, quantizer.log_step)
    np.testing.assert_allclose(slope, expected, atol=1e-3 * step.max())


def test_a_uniform_point_is_within_half_a_step():
    quantizer, y = uniform(), codewords()
    symbols, side = quantizer.quantize(y)
    half = 0.5 * np.exp(quantizer.log_step.numpy())
    error = np.abs(quantizer.dequantize(symbols, side) - y)
    assert (error <= half * 1.0001 + 1e-6 * np.abs(y)).all()


def test_initialize_takes_the_step_of_high_rate_theory():
    y = np.random.default_rng(3).standard_normal((2000, LATENT)).astype(np.float32)
    quantizer = Uniform(LATENT)
    quantizer.initialize(y, slope=1e-6)
    error = quantizer.dequantize(*quantizer.quantize(y)) - y
    relative = np.mean(np.sum(error**2, 1)) / np.mean(np.sum(y**2, 1))
    # A bit for each of latent entries takes 2 ln 2 of the distortion of that entry.
    assert relative == pytest.approx(LATENT * 1e-6 / (2 * np.log(2)), rel=0.05)


@pytest.mark.parametrize("bits", [1, 2, 3, 6, 12])
def test_a_mulaw_point_is_within_half_an_interval_of_companded_values(bits):
    quantizer, y = MuLaw(LATENT, bits, 255.0), codewords()
    symbols, side = quantizer.quantize(y)
    assert symbols.min() >= 0 and symbols.max() < 2**bits
    low, high = limits(side)
    y_hat = quantizer.dequantize(symbols, side)
    assert (y_hat >= low - 1e-6 * np.abs(low)).all()
    assert (y_hat <= high + 1e-6 * np.abs(high)).all()

    def companded(values):
        s = np.clip(2 * (values - low) / (high - low) - 1, -1, 1)
        return np.sign(s) * np.log1p(255 * np.abs(s)) / np.log(256)

    # The slope of the companding, 46 at most, magnifies the rounding of float32.
    error = np.abs(companded(y_hat.astype(float)) - companded(y.astype(float)))
    assert error.max() <= 1 / (2**bits - 1) + 1e-3


def test_more_bits_give_a_smaller_error():
    y = codewords()
    errors = []
    for bits in range(1, 12):
        quantizer = MuLaw(LATENT, bits, 255.0)
        error = quantizer.dequantize(*quantizer.quantize(y)) - y
        errors.append(np.mean(np.sum(error**2, 1) / np.sum(y**2, 1)))
    assert (np.diff(errors) < 0).all()


def test_two_bits_at_mu_255_have_the_published_points():
    side = np.array([[-1, 1]], np.float16).view(np.uint16)
    points = MuLaw(4, 2, 255.0).dequantize(np.arange(4)[None], side)
    np.testing.assert_allclose(points[0], [-1, -0.0210, 0.0210, 1], atol=1e-3)


def test_a_small_mu_is_the_uniform_quantiser():
    side = np.array([[-3, 1]], np.float16).view(np.uint16)
    points = MuLaw(5, 3, 1e-4).dequantize(np.arange(8)[None], side)
    np.testing.assert_allclose(points[0], np.linspace(-3, 1, 8), atol=1e-3)


def test_the_side_information_is_minimum_and_maximum_in_float16():
    quantizer, y = MuLaw(LATENT, 4, 255.0), codewords()
    side = quantizer.quantize(y)[1]
    expected = np.stack([y.min(1), y.max(1)], 1).astype(np.float16)
    np.testing.assert_array_equal(side, expected.view(np.uint16))


@pytest.mark.parametrize("value", [0.0, 1.0, -1.0, 1e-30, 123.456, -6e4, 6e4])
@pytest.mark.parametrize("bits", [1, 4])
def test_a_constant_codeword_survives(value, bits):
    quantizer = MuLaw(LATENT, bits, 255.0)
    y = np.full((1, LATENT), value, np.float32)
    y_hat = quantizer.dequantize(*quantizer.quantize(y))
    np.testing.assert_allclose(y_hat, y, rtol=2**-8, atol=2**-9)
    np.testing.assert_allclose(quantizer(tf.constant(y))[1], y_hat, rtol=1e-4)


@pytest.mark.parametrize("scale", [1e-38, 1e-3, 1e3, 1e12, 1e38])
def test_extreme_codewords_give_finite_points_in_order(scale):
    y = (np.linspace(-1, 1, LATENT)[None] * scale).astype(np.float32)
    for quantizer in (MuLaw(LATENT, 6, 255.0), Uniform(LATENT)):
        symbols, side = quantizer.quantize(y)
        y_hat = quantizer.dequantize(symbols, side)
        assert np.isfinite(y_hat).all() and (np.diff(y_hat[0]) >= 0).all()
        if scale >= 1e3:
            np.testing.assert_array_equal(np.sign(y_hat), np.sign(y))
        for tensor in quantizer(tf.constant(y)):
            assert np.isfinite(tensor).all()


@pytest.mark.parametrize(
    "pair", [(1, -1), (0.5, 0.5), (np.nan, 1), (0, np.nan), (-np.inf, 0), (0, np.inf)]
)
def test_disordered_limits_are_refused(pair):
    side = np.array([(-1, 1), pair], np.float16).view(np.uint16)
    with pytest.raises(ValueError, match="codeword 1 .* not in order"):
        MuLaw(3, 4, 255.0).dequantize(np.zeros((2, 3), np.int32), side)


@pytest.mark.parametrize(
    ("bits", "mu", "words"),
    [
        (0, 255.0, "bits is 0; it must be 1 to 12"),
        (13, 255.0, "bits is 13; it must be 1 to 12"),
        (4, 0.0, "mu is 0.0; it must be positive"),
        (4, float("nan"), "mu is nan; it must be positive"),
    ],
)
def test_arguments_out_of_range_are_refused(bits, mu, words):
    with pytest.raises(ValueError, match=words):
        MuLaw(3, bits, mu)


def test_an_unknown_quantizer_is_refused_by_the_names_of_the_known():
    with pytest.raises(
        ValueError, match="'vector'; known quantizers: float, mulaw, uniform"
    ):
        quantizers.get("vector")


def test_no_codewords_are_no_symbols():
    for quantizer in (MuLaw(LATENT, 4, 255.0), Uniform(LATENT)):
        symbols, side = quantizer.quantize(np.zeros((0, LATENT), np.float32))
        assert symbols.shape == (0, LATENT) and side.shape == (0, quantizer.num_side)
        assert quantizer.dequantize(symbols, side).shape == (0, LATENT)


def test_a_float_codeword_arrives_bit_by_bit():
    y = np.random.default_rng(0).normal(size=(7, LATENT)).astype(np.float32)
    y[0, :3] = -0.0, 1e-42, 3e38
    quantizer = quantizers.Float(LATENT)
    symbols, side = quantizer.quantize(y)
    assert symbols.shape == (7, 0) and side.shape == (7, 2 * LATENT)
    y_hat = quantizer.dequantize(symbols, side)
    np.testing.assert_array_equal(y_hat.view(np.uint32), y.view(np.uint32))


def test_a_float_codeword_that_is_not_finite_is_refused():
    quantizer = quantizers.Float(LATENT)
    symbols, side = quantizer.quantize(np.ones((3, LATENT), np.float32))
    side[1, 0] = 0x7FC0
    with pytest.raises(ValueError, match="codeword 1 is not finite"):
        quantizer.dequantize(symbols, side)


def graph(quantizer):
    """The quantiser as a TFLite network, y [n, latent] to rows of integers."""
    x = tf.keras.Input((4, 3, 2))
    model = tf.keras.Model(x, tf.keras.layers.Reshape((LATENT,))(x))
    run = runner.Runner(convert.convert(model, "float32", quantize=quantizer.graph))
    return lambda y: run(y.reshape(-1, 4, 3, 2))


@pytest.mark.tflite
@EACH
def test_the_graph_of_a_network_sends_exactly_what_numpy_sends(make):
    quantizer = make()
    y = np.concatenate([codewords(), 1e-6 * codewords(20, 1), codewords(20, 2) * 1e3])
    y = np.concatenate([y, np.abs(y[:50]), -np.abs(y[50:100]), 0 * np.abs(y[:1])])
    if quantizer.step is not None:  # Halves, which round to even.
        ties = np.arange(-60, 60)[:, None] + 0.5
        y = np.concatenate([y, (ties * quantizer.step).astype(np.float32)])
    rows = graph(quantizer)(y)
    symbols, side = quantizer.quantize(y)
    assert rows.dtype == np.int32
    np.testing.assert_array_equal(rows[:, :LATENT], symbols)
    np.testing.assert_array_equal(rows[:, LATENT:], side)
