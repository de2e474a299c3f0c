"""The Keras form of the codec `learned` computes what its NumPy form computes."""

from __future__ import annotations

import pathlib

import numpy as np
import pytest
import tensorflow as tf

import tfcsi
from tests.codecs.learned_weights import arrays
from tfcsi.channels import cost2100
from tfcsi.codecs import learned_networks
from tfcsi.models import learned

ZOO = pathlib.Path(__file__).parents[2] / "zoo"


def small():
    """Weights of small networks by name, and the grid of their tokens."""
    every = arrays()
    return {k: v for k, v in every.items() if k[:9] != "contexts."}, (2, 2)


def trained(name):
    """Weights of a codec of the zoo by name, and the grid of its tokens."""
    codec = tfcsi.load(ZOO / name)
    return codec.weights, codec.contexts.grid


def matrices(grid):
    """Matrices of norm 32, float32 [4, 4 angles, 4 delays, 2]."""
    h = cost2100.simulate(4, 5, "indoor")[:, : 4 * grid[0], : 4 * grid[1]]
    x = np.stack([h.real, h.imag], axis=-1).astype(np.float32)
    return x * (32 / np.sqrt((x * x).sum((1, 2, 3), keepdims=True)))


@pytest.fixture(
    scope="module",
    params=[
        small,
        *(
            pytest.param(
                lambda name=name: trained(name),
                id=name,
                marks=[pytest.mark.slow] * (name != "learned_cost2100_indoor"),
            )
            for name in sorted(path.name for path in ZOO.glob("learned_*"))
        ),
    ],
)
def pair(request):
    """Weights, encoder, decoder and grid."""
    weights, grid = request.param()
    size = learned.Size.of(weights, grid)
    networks = learned.encoder(size), learned.decoder(size)
    for network in networks:
        learned.assign(network, weights)
    return weights, *networks, grid


def test_both_forms_of_the_encoder_are_equal(pair):
    weights, encoder, _, grid = pair
    x = matrices(grid)
    y = learned_networks.encode({k: np.float32(v) for k, v in weights.items()}, x)
    assert np.abs(y).max() > 1
    np.testing.assert_allclose(encoder(x), y, atol=1e-4)


def test_both_forms_of_the_decoder_are_equal(pair):
    weights, encoder, decoder, grid = pair
    rates, _ = weights["gain"].shape
    rate = np.arange(4) % rates
    gain = np.exp(weights["gain"])[rate][:, None, None]
    symbols = np.rint(encoder(matrices(grid)) * gain)
    inputs = [np.float32(symbols / gain), np.float32(symbols)]
    x_hat = decoder([*inputs, np.eye(rates, dtype=np.float32)[rate]])
    weights = {k: np.float32(v) for k, v in weights.items()}
    expected = learned_networks.decode(weights, *inputs, rate)
    assert np.abs(expected).max() > 1
    np.testing.assert_allclose(x_hat, expected, atol=1e-4)


def test_weights_come_out_of_the_networks_as_they_went_in(pair):
    weights, encoder, decoder, _ = pair
    out = learned.arrays_of(encoder) | learned.arrays_of(decoder)
    assert out.keys() | {"gain"} == weights.keys()
    for name, array in out.items():
        np.testing.assert_array_equal(array, np.float32(weights[name]), name)


def test_an_encoder_without_training_is_the_transform_of_patches():
    size = learned.Size(grid=(2, 2))
    x = matrices((2, 2))
    patches = x.reshape(4, 2, 4, 2, 4, 2).transpose(0, 1, 3, 2, 4, 5)
    np.testing.assert_array_equal(
        learned.encoder(size)(x), patches.reshape(4, 2, 2, 32)
    )


def test_networks_are_saved_by_keras(tmp_path):
    decoder = learned.decoder(learned.Size((2, 2), width=(16, 8), blocks=(1, 1)))
    decoder.save(tmp_path / "decoder.keras")
    again = tf.keras.models.load_model(tmp_path / "decoder.keras")
    rng = np.random.default_rng(0)
    inputs = [rng.normal(size=(2, *form)) for form in ((2, 2, 32), (2, 2, 32), (16,))]
    np.testing.assert_array_equal(again(inputs), decoder(inputs))
