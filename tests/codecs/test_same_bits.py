"""Packets of a network decode alike, however the network at either end is computed."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

import tfcsi
from tests.codecs.golden import RUNS, close
from tfcsi import models
from tfcsi.coding.packet_file import read_file
from tfcsi.transforms import to_real

NAMES = ("csinet", pytest.param("stqenet", marks=pytest.mark.slow))
POLICIES = {"float32": "float32", "bfloat16": "mixed_bfloat16"}


@pytest.fixture(params=NAMES)
def run(request):
    """A codec, its golden packets and the matrices."""
    folder = RUNS / request.param
    with np.load(folder / "csi.npz") as stored:
        h = stored["h"]
    return tfcsi.load(folder), read_file(folder / "packets.tcsi")[1], h


@pytest.fixture
def eager():
    """Functions of TensorFlow run operation by operation."""
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


def test_packets_decode_alike_in_graphs_and_eagerly(run, request):
    codec, packets, h = run
    graph, symbols = codec.decompress(packets), codec.symbols(h)[0]
    request.getfixturevalue("eager")
    assert close(codec.decompress(packets), graph)
    assert np.mean(codec.symbols(h)[0] != symbols) < 0.02


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_packets_of_an_encoder_in_any_type_are_received_exactly(run, dtype):
    """It may send other symbols here and there; the base station gets what it sent."""
    codec, _, h = run
    symbols, h_hat = codec.symbols(h)[0], codec.decompress(codec.compress(h))
    encoder, y = encoder_in(codec, dtype), codec.encoder(to_real(h)).numpy()
    codec.analysis = lambda x: np.asarray(encoder(x), np.float32)
    sent, packets = codec.symbols(h), codec.compress(h)
    for one, other in zip(codec.receive(packets), sent):
        np.testing.assert_array_equal(one, other)
    assert np.mean(sent[0] != symbols) < (0.02 if dtype == "float32" else 0.3)
    assert (codec.codewords(h)[0] != y).any() == (dtype == "bfloat16")
    error, usual = (
        np.sum(np.abs(x - h) ** 2) for x in (codec.decompress(packets), h_hat)
    )
    assert error == pytest.approx(usual, rel=0.05)


def encoder_in(codec, dtype):
    """The encoder of a codec, with arithmetic of a type."""
    model = models.get(codec.config.model)
    tf.keras.mixed_precision.set_global_policy(POLICIES[dtype])
    try:
        network = codec.config.network.to_dict()
        encoder = model.encoder(codec.shape, codec.config.latent_dim, **network)
    finally:
        tf.keras.mixed_precision.set_global_policy("float32")
    encoder.set_weights(codec.encoder.get_weights())
    return encoder
