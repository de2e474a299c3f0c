"""Weights by the names of released code come into networks and out again unchanged."""

from __future__ import annotations

import numpy as np
import pytest

from tfcsi import models
from tfcsi.models import exchange

SHAPE, LATENT = (16, 16), 64
RELEASES = [
    pytest.param(name, release, id=f"{name}{i}")
    for name in models.MODELS
    if name != "stqenet"  # The network of stnet.
    for i, release in enumerate(models.get(name).releases)
]
SMALL = {"stnet": {"window": 4}, "stqenet": {"window": 4}, "transnet": {"hidden": 48}}


def pair(name, **options):
    """Encoder and decoder of a model, small and with random weights."""
    options = {**SMALL.get(name, {}), **options}
    model = models.get(name)
    networks = [b(SHAPE, LATENT, **options) for b in (model.encoder, model.decoder)]
    rng = np.random.default_rng(1)
    for network in networks:
        shapes = [weight.shape for weight in network.weights]
        network.set_weights([rng.uniform(0.5, 1.5, shape) for shape in shapes])
    return networks


def zeroed(networks):
    """The same networks with all weights zero."""
    for network in networks:
        network.set_weights([0 * weight for weight in network.get_weights()])
    return networks


@pytest.fixture(scope="module")
def crnet():
    """Networks of CRNet in the released form, and their weights by released names."""
    networks = pair("crnet", form="released")
    release = models.get("crnet").releases[0]
    return networks, exchange.weights_of(release, networks)


def filled(arrays, name="crnet", **options):
    """Networks with the weights of one file, or of several."""
    files = arrays if isinstance(arrays, list) else [arrays]
    model = models.get(name)
    release, joined = exchange.match(model, files, "FILE")
    told = release.options_of(joined) if release else {}
    networks = zeroed(pair(name, **told, **options))
    exchange.fill(release, networks, joined, "FILE")
    return networks


def assert_same(networks, others):
    for network, other in zip(networks, others):
        for one, two in zip(network.get_weights(), other.get_weights()):
            np.testing.assert_array_equal(one, two)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "release"), RELEASES)
def test_the_weights_of_every_release_come_back_as_they_were(name, release):
    networks = pair(name, **release.options)
    arrays = exchange.weights_of(release, networks)
    count = sum(int(np.prod(a.shape)) for a in arrays.values())
    assert count == sum(network.count_params() for network in networks)
    found, joined = exchange.match(models.get(name), [arrays], "FILE")
    assert found is release
    options = release.options_of(joined)
    others = zeroed(pair(name, **options))
    exchange.fill(release, others, joined, "FILE")
    assert_same(networks, others)


@pytest.mark.parametrize(("name", "release"), RELEASES)
def test_the_options_of_a_release_name_it(name, release):
    model = models.get(name)
    options = {**model.options, **release.options}
    assert exchange.release_of(model, options) is release
    assert exchange.release_of(model, {}) is None


@pytest.mark.parametrize("before", ["module.", "model.", "net.module."])
def test_what_stands_before_all_names_does_not_count(crnet, before):
    networks, arrays = crnet
    named = {before + name: array for name, array in arrays.items()}
    assert_same(networks, filled(named))


def test_what_pytorch_and_thop_add_does_not_count(crnet):
    networks, arrays = crnet
    more = {"encoder1.total_ops": np.zeros(1), "total_params": np.zeros(1)}
    more |= {"encoder2.bn.num_batches_tracked": np.int64(7)}
    assert_same(networks, filled({**arrays, **more}))


def test_encoder_and_decoder_may_be_in_two_files_without_the_name_of_the_part():
    networks = pair("clnet", form="released")
    arrays = exchange.weights_of(models.get("clnet").releases[0], networks)
    files = [
        {n[len(part) :]: a for n, a in arrays.items() if n.startswith(part)}
        for part in ("encoder.", "decoder.")
    ]
    assert_same(networks, filled(files, "clnet"))
    assert_same(networks, filled(files[::-1], "clnet"))


def test_options_are_read_from_the_weights():
    options = {"form": "released", "head": "C", "num_refine": 3}
    networks = pair("bcsinet", **options)
    release = models.get("bcsinet").releases[2]
    arrays = exchange.weights_of(release, networks)
    found, _ = exchange.match(models.get("bcsinet"), [arrays], "FILE")
    assert found.options_of(arrays) == options
    assert_same(networks, filled(arrays, "bcsinet"))
    for name in ("acrnet", "dcrnet"):
        networks = pair(name, form="released", expansion=2)
        arrays = exchange.weights_of(models.get(name).releases[0], networks)
        assert_same(networks, filled(arrays, name))


def test_a_denoiser_that_was_never_used_is_left_out():
    networks = pair("cllwcsinet", form="published")
    release = models.get("cllwcsinet").releases[0]
    arrays = exchange.weights_of(release, networks)
    assert release.options_of(arrays) == {"form": "published", "denoiser": True}
    arrays["remove_AGN.conv_1x7.bn.running_mean"] *= 0
    assert release.options_of(arrays)["denoiser"] is False
    _, decoder = filled(arrays, "cllwcsinet")
    assert not any("denoise" in layer.name for layer in decoder.layers)


@pytest.mark.parametrize("name", ["csinet_plus", "csi_inr"])
def test_any_network_takes_weights_by_our_own_names(name):
    small = {"widths": (12, 12), "features": 8} if name == "csi_inr" else {}
    networks = pair(name, **small)
    arrays = exchange.weights_of(None, networks)
    assert "encoder/codeword/kernel" in arrays or name == "csi_inr"
    assert len(arrays) == sum(len(network.weights) for network in networks)
    others = filled(arrays, name, **small)
    assert_same(networks, others)


def test_weights_that_do_not_fit_are_refused_each_by_its_name(crnet):
    _, arrays = crnet
    changed = {**arrays, "encoder3.weight": np.zeros(2)}
    del changed["encoder2.bn.bias"]
    changed["encoder_fc.bias"] = np.zeros(9, np.float32)
    with pytest.raises(ValueError) as refused:
        filled(changed)
    for words in (
        "FILE does not fit the network of Kylin9511/CRNet",
        "it lacks encoder2.bn.bias",
        "it has unknown weights, encoder3.weight",
        "wrong shapes, encoder_fc.bias is [9] and not [64]",
        "Give the latent_dim and the options",
    ):
        assert words in str(refused.value)


def test_many_names_are_counted(crnet):
    _, arrays = crnet
    half = dict(list(arrays.items())[: len(arrays) * 2 // 3])
    with pytest.raises(ValueError, match=r"it lacks .* and \d+ more"):
        filled(half)


def test_weights_of_another_model_are_refused_by_their_names(crnet):
    _, arrays = crnet
    with pytest.raises(
        ValueError,
        match="no weights of transnet: its names are enc.*Treedy2020/TransNet",
    ):
        filled(arrays, "transnet")


def test_a_weight_in_two_files_is_refused(crnet):
    _, arrays = crnet
    with pytest.raises(ValueError, match="FILE: encoder1.* is in more than one file"):
        filled([arrays, arrays])
