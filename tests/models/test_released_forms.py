"""What the released forms of networks do in another way than ours, without weights.

`test_peers.py` compares them with the released networks themselves.
"""

from __future__ import annotations

import inspect

import numpy as np
import pytest
import tensorflow as tf

from tfcsi import models
from tfcsi.models import blocks
from tfcsi.models.binary import BinaryDense

SHAPE, LATENT = (16, 16), 64
WITH_FORMS = [n for n in models.MODELS if "form" in models.get(n).options]


def model(apply, shape):
    """The Keras model of a function of a tensor without its first axis."""
    x = tf.keras.Input(shape)
    return tf.keras.Model(x, apply(x))


def csi(n=3):
    """Float32 [n, num_tx, num_delay, 2], weak CSI centred at zero."""
    return np.random.default_rng(1).uniform(-0.1, 0.1, (n, *SHAPE, 2)).astype("f4")


def alike(one, other):
    """Gives another network the weights of the layers of the same names."""
    for layer in other.layers:
        if layer.weights:
            layer.set_weights(one.get_layer(layer.name).get_weights())


@pytest.mark.parametrize("name", WITH_FORMS)
def test_an_unknown_form_is_refused_by_the_known_ones(name):
    for build in (models.get(name).encoder, models.get(name).decoder):
        with pytest.raises(ValueError, match=r"form is 'new'; .*\('tfcsi', .*'"):
            build((32, 32), 128, form="new")


@pytest.mark.parametrize("name", WITH_FORMS)
def test_the_default_is_ours(name):
    for build in (models.get(name).encoder, models.get(name).decoder):
        assert inspect.signature(build).parameters["form"].default == "tfcsi"


def test_the_released_scale_is_0_to_1_with_zero_at_a_half():
    x = csi()
    inner = model(lambda x: blocks.scale_in(x, "released"), x.shape[1:])(x)
    np.testing.assert_allclose(inner, x + 0.5, atol=1e-7)


@pytest.mark.parametrize(
    ("bound", "released"),
    [
        ("none", lambda x: x),
        ("sigmoid", lambda x: 1 / (1 + np.exp(-x))),
        ("hard_sigmoid", lambda x: np.clip(x + 3, 0, 6) / 6),
    ],
)
def test_the_released_bound_has_no_gain_and_is_shifted_to_centred_csi(bound, released):
    x = 40 * csi()
    out = model(lambda x: blocks.scale_out(x, bound, "released"), x.shape[1:])(x)
    np.testing.assert_allclose(out, released(x) - 0.5, atol=1e-6)


def test_the_border_is_padded_with_minus_a_half_in_the_released_form_alone():
    zero = np.zeros((1, *SHAPE, 2), np.float32)
    for form, flat in (("tfcsi", True), ("released", False)):
        encoder = models.get("crnet").encoder(SHAPE, LATENT, form=form)
        first = encoder.get_layer("path2_3x3").output
        maps = tf.keras.Model(encoder.input, first)(zero).numpy()
        assert (np.ptp(maps, axis=(1, 2)).max() < 1e-6) == flat


def test_a_convolutional_latent_has_an_activation_at_both_ends_in_the_released_form():
    x, y = csi(), np.random.default_rng(1).standard_normal((3, LATENT)).astype("f4")
    for make, value in (
        (lambda x, form: blocks.to_codeword(x, LATENT, "conv", form=form), x),
        (lambda y, form: blocks.from_codeword(y, SHAPE, "conv", form=form), y),
    ):
        ours, released = (
            model(lambda value: make(value, form), value.shape[1:])  # noqa: B023
            for form in blocks.FORMS
        )
        alike(ours, released)
        plain = ours(value).numpy()
        expected = np.where(plain > 0, plain, 0.3 * plain)
        np.testing.assert_allclose(released(value), expected, atol=1e-6)


def test_the_released_dcrnet_leaves_the_channels_of_path_1_in_their_order():
    ours, released = (
        models.get("dcrnet").decoder(SHAPE, LATENT, form=form)
        for form in ("tfcsi", "released")
    )
    counts = [
        sum(isinstance(layer, tf.keras.layers.Permute) for layer in network.layers)
        for network in (ours, released)
    ]
    assert counts[0] - counts[1] == 2  # One in each of the two blocks.


def test_the_released_stnet_has_the_default_epsilon_of_pytorch_in_one_norm():
    options = {"attention": "released", "window": 4}
    for form, epsilon in (("tfcsi", 1e-6), ("released", 1e-5)):
        network = models.get("stnet").encoder(SHAPE, LATENT, form=form, **options)
        norms = tf.keras.layers.LayerNormalization
        found = {la.name: la.epsilon for la in network.layers if type(la) is norms}
        assert found.pop("stb_summary_norm") == epsilon
        assert set(found.values()) == {1e-6}


def test_a_released_stnet_with_kept_amplitudes_is_refused():
    with pytest.raises(ValueError, match="amplitude is 'kept'; form='released' takes"):
        models.get("stnet").encoder((32, 32), 64, amplitude="kept", form="released")


@pytest.mark.parametrize(
    ("code", "form", "clamped"),
    [(4, "released", True), (8, "released", False), (4, "published", False)],
)
def test_the_released_cllwcsinet_clamps_its_codeword_at_cr_16(code, form, clamped):
    encoder = models.get("cllwcsinet").encoder(SHAPE, code * SHAPE[1], form=form)
    y = encoder(10 * csi(20)).numpy()
    assert (y.min() >= 0 and y.max() <= 1) == clamped


def test_cllwcsinet_without_its_denoiser_is_the_network_whose_denoiser_gives_zero():
    build = models.get("cllwcsinet").decoder
    whole, without = build(SHAPE, LATENT), build(SHAPE, LATENT, denoiser=False)
    alike(whole, without)  # The denoiser of a new network gives zero.
    y = np.random.default_rng(1).standard_normal((3, LATENT)).astype(np.float32)
    np.testing.assert_allclose(without(y), whole(y), atol=1e-6)
    assert without.count_params() < whole.count_params()


def test_a_normalisation_over_the_delay_has_a_mean_a_column():
    x = csi(200)
    x *= np.arange(1, SHAPE[1] + 1, dtype=np.float32)[:, None]
    norm = blocks.BatchNormalization(momentum=0.0)
    made = model(lambda x: blocks.normalize(x, norm, "delay"), x.shape[1:])
    made(x, training=True)
    assert norm.moving_mean.shape == (SHAPE[1],)
    np.testing.assert_allclose(norm.moving_mean, x.mean((0, 1, 3)), atol=1e-5)
    ratio = norm.moving_variance.numpy() / x.var((0, 1, 3))
    np.testing.assert_allclose(ratio, 1, atol=1e-3)


def test_a_binary_layer_of_one_scale_has_two_weight_values_in_all():
    layer = BinaryDense(5, one_scale=True)
    layer.build((None, 13))
    kernel, _ = layer.dense_weights()
    mean = np.abs(layer.kernel.numpy()).mean()
    np.testing.assert_allclose(np.abs(kernel), mean, rtol=1e-6)
    assert BinaryDense.from_config(layer.get_config()).one_scale
