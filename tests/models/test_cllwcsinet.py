"""Laws of CLLWCsiNet: what its decoder sees of the noise, and which shapes fit."""

from __future__ import annotations

import numpy as np
import pytest

from tests.conftest import slow
from tfcsi.model_optimization import fake_quantization
from tfcsi.models import cllwcsinet, noise_path

SHAPE = (16, 16)


def randomize(model, seed=0):
    """Gives all weights a random value, the running statistics a positive one."""
    rng = np.random.default_rng(seed)
    for weight in model.weights:
        weight.assign(
            rng.uniform(0.5, 1.5, weight.shape)
            if weight.shape.rank < 2
            else 0.3 * rng.standard_normal(weight.shape)
        )


def codewords(latent_dim, n=2, seed=1):
    """Float32 [n, latent_dim]."""
    rng = np.random.default_rng(seed)
    return rng.standard_normal((n, latent_dim)).astype(np.float32)


def decoder_without_denoiser(path, latent_dim):
    """A decoder whose denoiser gives zero."""
    model = cllwcsinet.decoder(SHAPE, latent_dim, path)
    randomize(model)
    last = max(layer.name for layer in model.layers if "denoise" in layer.name)
    assert last.endswith("_bn")
    for weight in model.get_layer(last).trainable_weights:
        weight.assign(0 * weight)
    return model


@pytest.mark.parametrize("path", cllwcsinet.NOISE_PATHS)
def test_every_decoder_takes_the_received_codeword_alone(path):
    assert cllwcsinet.decoder(SHAPE, 64, path).input_names == ["y_hat"]


@pytest.mark.parametrize("latent_dim", [slow(256), slow(128), 64])
def test_without_noise_both_decoders_are_the_same(latent_dim):
    fair, released = (
        cllwcsinet.decoder(SHAPE, latent_dim, path) for path in cllwcsinet.NOISE_PATHS
    )
    randomize(fair)
    for layer in fair.layers:
        if layer.weights:
            released.get_layer(layer.name).set_weights(layer.get_weights())
    y = codewords(latent_dim)
    np.testing.assert_array_equal(fair(y), released(y))
    np.testing.assert_array_equal(fair(y), noise_path.under_noise(released)(y, y))


@pytest.mark.parametrize("latent_dim", [256, 128, 64])
def test_the_released_expand_branch_sees_the_clean_codeword_only(latent_dim):
    decoder = decoder_without_denoiser("released", latent_dim)
    clean, noisy = codewords(latent_dim, seed=1), codewords(latent_dim, seed=2)
    decode, x_hat = noise_path.under_noise(decoder), decoder(clean)
    np.testing.assert_array_equal(decode(noisy, clean), x_hat)
    assert not np.allclose(decode(clean, noisy), x_hat)


def test_the_fair_expand_branch_sees_the_noise():
    decoder = decoder_without_denoiser("fair", 64)
    clean, noisy = codewords(64, seed=1), codewords(64, seed=2)
    decode = noise_path.under_noise(decoder)
    np.testing.assert_array_equal(decode(noisy, clean), decoder(noisy))
    assert not np.allclose(decoder(noisy), decoder(clean))


def test_decoding_under_noise_has_the_weights_of_the_decoder():
    decoder = cllwcsinet.decoder(SHAPE, 64, "released")
    decode, y = noise_path.under_noise(decoder), codewords(64)
    randomize(decoder)
    np.testing.assert_array_equal(decode(y, y), decoder(y))
    np.testing.assert_array_equal(
        decode(y, y, training=True), decoder(y, training=True)
    )


def test_fake_quantisation_keeps_what_each_branch_sees():
    decoder = decoder_without_denoiser("released", 64)
    quantized = fake_quantization.quantize_aware(decoder, tail=False)
    assert quantized.input_names == ["y_hat"]
    clean, noisy = codewords(64, 20, seed=1), codewords(64, 20, seed=2)
    fake_quantization.calibrate(quantized, np.concatenate([clean, noisy]))
    decode, x_hat = noise_path.under_noise(quantized), quantized(clean)
    np.testing.assert_array_equal(decode(noisy, clean), x_hat)
    assert not np.allclose(decode(clean, noisy), x_hat)


def test_the_encoder_is_the_same_for_both_noise_paths():
    fair, released = (
        cllwcsinet.encoder(SHAPE, 64, path) for path in cllwcsinet.NOISE_PATHS
    )
    released.set_weights(fair.get_weights())
    x = 0.1 * codewords(512).reshape(2, *SHAPE, 2)
    np.testing.assert_array_equal(fair(x), released(x))


@pytest.mark.parametrize("shape", [(8, 12), (5, 7)])
@pytest.mark.parametrize("code", [16, slow(8), slow(4)])
def test_any_shape_works(shape, code):
    x = np.zeros((3, *shape, 2), np.float32)
    y = cllwcsinet.encoder(shape, code * shape[1])(x)
    assert y.shape == (3, code * shape[1])
    assert cllwcsinet.decoder(shape, code * shape[1])(y).shape == x.shape


@pytest.mark.parametrize("build", [cllwcsinet.encoder, cllwcsinet.decoder])
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (
            {"latent_dim": 32},
            r"latent_dim is 32; .* 16, 8 or 4 times num_delay, .*\(256, 128, 64\)",
        ),
        ({"latent_dim": 65}, "latent_dim is 65; .* 16, 8 or 4 times num_delay"),
        ({"shape": (16,)}, r"shape is \(16,\); it must be \(num_tx, num_delay\)"),
        ({"shape": (0, 16)}, r"shape is \(0, 16\)"),
        ({"noise_path": "none"}, r"noise_path is 'none'.*\('fair', 'released'\)"),
    ],
)
def test_arguments_that_do_not_fit_are_refused(build, arguments, words):
    with pytest.raises(ValueError, match=words):
        build(**{"shape": SHAPE, "latent_dim": 64, **arguments})
