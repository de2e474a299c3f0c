"""The trained form of the contexts of the codec `learned` beside its integers."""

from __future__ import annotations

import pathlib

import numpy as np
import pytest
import tensorflow as tf

import tfcsi
from tests.codecs.learned_weights import arrays
from tfcsi.channels import cost2100
from tfcsi.codecs.learned import Learned
from tfcsi.coding import token_contexts as integers
from tfcsi.coding.packets import unpack
from tfcsi.coding.rangecoder import code_bits
from tfcsi.entropy import token_contexts
from tfcsi.entropy.token_contexts import TokenContexts

ZOO = pathlib.Path(__file__).parents[2] / "zoo"


@pytest.fixture(scope="module")
def codec(tmp_path_factory, draw_csi):
    """A codec of small networks, for matrices of 8 x 8."""
    path = tmp_path_factory.mktemp("weights") / "weights.npz"
    np.savez(path, **arrays())
    return Learned.trained(path, draw_csi(40, (8, 8)), rate=1)


@pytest.fixture(scope="module")
def layer(codec):
    return TokenContexts.of(codec.contexts)


@pytest.fixture(scope="module")
def sent(codec, draw_csi):
    """Symbols [40, 2, 2, 32] and their rates [40]."""
    rate = np.arange(40) % 3
    _, symbols = codec.symbols(draw_csi(40, (8, 8)), rate)
    return symbols.reshape(40, 2, 2, 32), rate


def one_hot(rate):
    return np.eye(3, dtype=np.float32)[rate]


def test_the_layer_picks_the_tables_that_the_integers_pick(codec, layer, sent):
    symbols, rate = sent
    picked = {}

    def send(chosen, shift, at):
        for i, position in enumerate(at):
            picked[position] = np.stack([chosen[:, i], shift[:, i]])
        return symbols.reshape(40, -1)[:, at]

    codec.contexts.code(40, rate, send)
    mean, scale = layer(np.float32(symbols), one_hot(rate))
    mean = np.rint(8 * mean.numpy().reshape(40, -1)).astype(int)
    number = np.rint(4 * scale.numpy().reshape(40, -1)).astype(int) + 20
    shift = (mean + 4) >> 3
    tables = np.stack([8 * number + mean - 8 * shift + 4, shift])
    expected = np.stack([picked[i] for i in range(tables.shape[2])], axis=2)
    np.testing.assert_array_equal(tables, expected)
    assert len(np.unique(expected[0])) > 9


@pytest.mark.parametrize("place", ["indoor", "outdoor"])
def test_bits_in_the_loss_are_those_of_payloads(place):
    codec = tfcsi.load(ZOO / f"learned_cost2100_{place}")
    h, rate = cost2100.simulate(24, 5, place), np.arange(24) % 16
    norm, symbols = codec.symbols(h, rate)
    symbols = np.float32(symbols.reshape(24, 8, 8, 32))
    layer = TokenContexts.of(codec.contexts)
    bits = layer.bits(symbols, symbols, np.eye(16, dtype=np.float32)[rate]).numpy()
    payloads = unpack(codec.at_rates(h, rate), codec.session)
    size = np.array([8 * len(payload) for payload in payloads])
    norm = code_bits(norm[:, None], codec.norms)
    label = np.where(rate == codec.rate, 0.2, 7)
    more = size - norm - label - bits - 3.5  # Zeros fill the last byte.
    assert 0 < more.mean() < 0.01 * bits.mean() + 8
    assert bits.min() > 30


def test_integers_come_out_of_the_layer_as_they_went_in(codec, layer):
    frozen = layer.frozen()
    for name, array in codec.contexts.arrays.items():
        np.testing.assert_array_equal(frozen.arrays[name], array, name)
    away = np.abs(frozen.tables.cdf - codec.contexts.tables.cdf)
    assert away.max() <= 16  # Of 65536: the mixture is fitted to rounded tables.


def test_a_training_finds_the_law_of_symbols():
    layer = TokenContexts((2, 2), 8, 2, groups=2, hidden=8)
    rng = np.random.default_rng(0)
    rate = rng.integers(0, 2, 512)
    # Sizes follow the rate, and tokens are alike: contexts pay.
    y = rng.laplace(size=(512, 1, 1, 8)) * (1 + 5 * rate[:, None, None, None])
    symbols = np.float32(np.rint(y + np.zeros((1, 2, 2, 1))))
    rate = np.eye(2, dtype=np.float32)[rate]

    @tf.function
    def step():
        with tf.GradientTape() as tape:
            bits = tf.reduce_mean(layer.bits(symbols, symbols, rate))
        gradients = tape.gradient(bits, layer.trainable_variables)
        for variable, gradient in zip(layer.trainable_variables, gradients):
            variable.assign_sub(0.01 * tf.sign(gradient))
        return bits

    bits = [float(step()) for _ in range(60)]
    assert bits[-1] < 0.75 * bits[0]


def test_nothing_is_read_that_is_not_sent_yet():
    layer = TokenContexts((4, 4), 8, 2, groups=2, hidden=8)
    rng = np.random.default_rng(1)
    symbols = rng.integers(-1, 2, (1, 4, 4, 8)).astype(np.float32)
    rate = np.eye(2, dtype=np.float32)[:1]
    before = np.stack(layer(symbols, rate))
    changed = symbols.copy()
    changed[:, 1, 2, 5] += 30  # Second group, second colour: sent in the last pass.
    np.testing.assert_array_equal(np.stack(layer(changed, rate)), before)
    changed = symbols.copy()
    changed[:, 1, 1, 0] += 30  # First group, first colour.
    moved = (np.stack(layer(changed, rate)) != before).any(axis=(0, 1))
    assert not moved[1, 1, :4].any() and moved.any()


@pytest.mark.parametrize("mix", [(0.2, 0.5, 0.3), (0.95, 0.0, 0.05)])
def test_the_mixture_is_found_in_its_tables(mix):
    tables = integers.law_tables(np.array(mix))
    np.testing.assert_allclose(token_contexts.mix_of(tables), mix, atol=2e-3)


def test_channels_that_make_no_whole_groups_are_refused():
    with pytest.raises(ValueError, match="channels is 9, no multiple of groups=2"):
        TokenContexts((2, 2), 9, 2, groups=2)
