"""Laws of the CsiNet family: bounds, what starts as the identity, what is refused."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from tfcsi.models import (
    attention_csinet,
    csinet,
    csinet_dnn,
    csinet_dnnet,
    csinet_plus,
    csinet_pro,
    deep_decoder_csinet,
    offset_csinet,
    ravula_jain,
)

SHAPE = (16, 16)


def codewords(n=3, latent_dim=32, seed=0):
    """Float32 [n, latent_dim]."""
    rng = np.random.default_rng(seed)
    return rng.standard_normal((n, latent_dim)).astype(np.float32)


def weighted(model):
    """Names of the layers that hold weights."""
    return {layer.name for layer in model.layers if layer.weights}


@pytest.mark.parametrize("model", [csinet, csinet_plus])
@pytest.mark.parametrize(("activation", "low"), [("sigmoid", 0), ("tanh", -1)])
def test_a_bounded_codeword_keeps_its_bounds(model, activation, low):
    encoder = model.encoder((8, 8), 4, activation=activation)
    kernel, bias = encoder.get_layer("codeword").get_weights()
    encoder.get_layer("codeword").set_weights([100 * kernel, bias])
    y = encoder(codewords(20, 128).reshape(20, 8, 8, 2)).numpy()
    assert low <= y.min() < low + 0.1
    assert 0.9 < y.max() <= 1


def test_the_offset_network_starts_as_the_identity():
    offset = offset_csinet.decoder(SHAPE, 32, blocks=1)
    plain = csinet_plus.decoder(SHAPE, 32, blocks=1)
    for name in weighted(plain):
        plain.get_layer(name).set_weights(offset.get_layer(name).get_weights())
    y = codewords()
    np.testing.assert_array_equal(offset(y), plain(y))


@pytest.mark.parametrize(
    ("model", "plain", "prefix"),
    [
        (offset_csinet, csinet_plus, "offset_"),
        (csinet_dnnet, csinet, "denoise_"),
    ],
)
def test_a_stage_finds_its_layers_by_their_prefix(model, plain, prefix):
    names = weighted(model.decoder(SHAPE, 32, hidden=(8, 8), blocks=1))
    rest = {name for name in names if not name.startswith(prefix)}
    assert len(names - rest) == 3
    assert rest == weighted(plain.decoder(SHAPE, 32, blocks=1))


def test_denoised_is_the_codeword_less_its_estimated_noise():
    decoder = csinet_dnnet.decoder(SHAPE, 32, hidden=(24, 40), blocks=1)
    denoise = tf.keras.Model(decoder.input, decoder.get_layer("denoised").output)
    y = noise = codewords()
    for name in ("denoise_hidden1", "denoise_hidden2", "denoise_out"):
        kernel, bias = decoder.get_layer(name).get_weights()
        noise = noise @ kernel + bias
        if name != "denoise_out":
            noise = 1 / (1 + np.exp(-noise))
    assert np.abs(noise).max() > 0.1
    np.testing.assert_allclose(denoise(y), y - noise, atol=1e-5)


def test_channel_attention_scales_whole_maps_by_less_than_one():
    tf.keras.utils.set_random_seed(1)  # Some weights make a gate of 1 in float32.
    encoder = attention_csinet.encoder(SHAPE, 32)
    gated = encoder.get_layer("attention_excite").output
    maps = encoder.get_layer("attention_squeeze").input.node.layer.input
    after = encoder.get_layer("codeword").input.node.layer.input.node.layer.input
    probe = tf.keras.Model(encoder.input, [maps, gated, after])
    maps, gate, after = probe(codewords(3, 512).reshape(3, 16, 16, 2))
    assert gate.shape == (3, 1, 1, 2) and np.all((gate > 0) & (gate < 1))
    np.testing.assert_allclose(after, maps * gate, rtol=1e-6)


@pytest.mark.parametrize("part", ["encoder", "decoder"])
@pytest.mark.parametrize(
    ("model", "arguments", "words"),
    [
        (csinet, {"shape": (16,)}, r"shape is \(16,\); it must be \(num_tx, num_delay"),
        (csinet, {"shape": (0, 16)}, r"shape is \(0, 16\); .* both at least 1"),
        (csinet, {"latent_dim": 0}, "latent_dim is 0; it must be at least 1"),
        (csinet, {"blocks": 0}, "blocks is 0; it must be at least 1"),
        (csinet, {"activation": "relu"}, "activation is 'relu'; it must be one of"),
        (csinet_plus, {"blocks": 0}, "blocks is 0; it must be at least 1"),
        (csinet_plus, {"activation": "relu"}, "activation is 'relu'; it must be"),
        (csinet_pro, {"widths": (8, 4)}, r"widths is \(8, 4\); it must end in 2"),
        (csinet_pro, {"widths": (0, 2)}, r"widths is \(0, 2\); each must be at least"),
        (attention_csinet, {"reduction": 0}, "reduction is 0; it must be at least 1"),
        (csinet_dnn, {"hidden": (0,)}, r"hidden is \(0,\); each must be at least 1"),
        (csinet_dnn, {"activation": "relu"}, "activation is 'relu'; it must be one of"),
        (
            csinet_dnn,
            {"hidden": (24,), "latent": "conv"},
            r"hidden is \(24,\); latent='conv' takes a last width .* num_delay, 16",
        ),
        (csinet_dnnet, {"hidden": (0,)}, r"hidden is \(0,\); each must be at least 1"),
        (deep_decoder_csinet, {"blocks": 0}, "blocks is 0; it must be at least 1"),
        (offset_csinet, {"hidden": (0,)}, r"hidden is \(0,\); each must be at least 1"),
        (offset_csinet, {"activation": "relu"}, "activation is 'relu'; it must be"),
        (ravula_jain, {"filters": 0}, "filters is 0; it must be at least 1"),
        (ravula_jain, {"stages": 0}, "stages is 0; it must be at least 1"),
        (ravula_jain, {"stages": 5}, r"both be divisible by 2\^stages = 32"),
        (ravula_jain, {"latent_dim": 30}, "latent_dim is 30; .* a multiple of 4"),
    ],
)
def test_arguments_that_do_not_fit_are_refused(model, part, arguments, words):
    with pytest.raises(ValueError, match=words):
        getattr(model, part)(**{"shape": SHAPE, "latent_dim": 32, **arguments})
