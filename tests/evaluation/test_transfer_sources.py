"""Transfer reads each source as the codec needs it, or refuses it by name."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import scipy.io
from ml_collections import ConfigDict

import tfcsi
from tfcsi import datasets, transforms
from tfcsi.evaluation.transfer import Sources, transfer

MINE, STREET, MUNICH = (
    "quadriga_mine.mat",
    "raytraced_street_canyon",
    "raytraced_munich",
)
OPTIONS = {MINE: {"key": "G", "stored": "space_frequency"}}


@pytest.fixture(scope="module")
def root(tmp_path_factory, draw_csi):
    """Three sources of 32 by 32: a file of a user's own and two streets."""
    folder = tmp_path_factory.mktemp("root")
    for name in ("quadriga", "raytraced"):
        (folder / name).mkdir()
    h = transforms.to_space_frequency(draw_csi(640, (32, 32)), 32)
    scipy.io.savemat(folder / "quadriga" / "mine.mat", {"G": np.moveaxis(h, 0, -1)})
    for name, turns in (("street_canyon", 3), ("munich", 6)):
        h = transforms.to_space_frequency(draw_csi(640, (32, 32), seed=turns), 32)
        np.savez(folder / "raytraced" / f"{name}_3p5ghz.npz", channel=h[:, None])
    return folder


@pytest.fixture
def config(make_config, dense):
    """The function (**fields) -> config of a codec of 32 by 32."""

    def make(**fields):
        config = make_config(model=dense, shape=(32, 32), latent_dim=16, epochs=1)
        config.prior_warmup_steps = 5
        return ConfigDict({**config.to_dict(), **fields})

    return make


@pytest.mark.parametrize("domain", datasets.DOMAINS)
def test_each_source_is_read_in_the_domain_of_the_codec(root, config, domain):
    sources = Sources(config(domain=domain), root, [MINE, STREET], OPTIONS)
    for name in (MINE, STREET):
        options = OPTIONS.get(name, {})
        h = datasets.load(name, root, "test", domain, **options)
        np.testing.assert_array_equal(sources.load(name, "test"), h)
        np.testing.assert_allclose(np.abs(h).max((1, 2)), 0.5, rtol=1e-6)


def test_a_config_from_before_the_field_is_of_the_angular_delay_domain(root, config):
    old = config().to_dict()
    old.pop("domain", None)
    sources = Sources(ConfigDict(old), root, [STREET], {})
    h = datasets.load(STREET, root, "test", "angular_delay")
    np.testing.assert_array_equal(sources.load(STREET, "test"), h)


@pytest.mark.slow
def test_a_codec_is_tested_in_the_domain_in_which_it_was_trained(
    root, config, tmp_path, capsys
):
    points = transfer(
        config(domain="space_frequency"), root, tmp_path, [STREET], [STREET, MINE], 0,
        limit=40, options=OPTIONS,
    )  # fmt: skip
    codec = tfcsi.load(tmp_path / STREET)
    assert codec.domain == "space_frequency"
    assert [point["test_on"] for point in points] == [STREET, MINE]
    for point, options in zip(points, ({}, OPTIONS[MINE])):
        h = datasets.load(point["test_on"], root, "test", codec.domain, **options)[:40]
        expected = tfcsi.evaluate(codec, h)
        assert point["nmse_db"] == pytest.approx(expected["nmse_db"], abs=1e-4)
        assert point["sgcs"] == pytest.approx(expected["sgcs"], abs=1e-5)
    assert "raytraced_street_canyon" in capsys.readouterr().out


def test_the_config_of_a_run_has_the_options_of_its_own_source(root, config):
    sources = Sources(config(), root, [MINE, STREET], OPTIONS)
    mine, street = (sources.config_of(name) for name in (MINE, STREET))
    assert (mine.dataset, mine.scenario) == ("quadriga", "mine.mat")
    assert mine.source.to_dict() == OPTIONS[MINE]
    assert (street.dataset, street.scenario) == ("raytraced", "street_canyon")
    assert not street.get("source", {})
    options = datasets.options_of(mine)
    h = datasets.read(datasets.source_of(mine), root / "quadriga", "test", **options)
    np.testing.assert_array_equal(h, sources.load(MINE, "test"))


def test_options_of_the_config_go_to_sources_of_its_own_dataset(root, config):
    fields = {"dataset": "raytraced", "source": {"timing": "strongest"}}
    options = {**OPTIONS, MUNICH: {"timing": "absolute"}}
    sources = Sources(config(**fields), root, [MINE, STREET, MUNICH], options)
    assert sources.options == {
        MINE: OPTIONS[MINE],
        STREET: {"timing": "strongest"},
        MUNICH: {"timing": "absolute"},
    }


@pytest.mark.parametrize(
    ("fields", "options", "words"),
    [
        ({}, {}, "no variable 'H', expected complex H"),
        (
            {"shape": (32, 16)},
            {MINE: {**OPTIONS[MINE], "num_sc": 16}},
            r"raytraced_street_canyon gives matrices of \[32, 32\] in domain 'angular_"
            r"delay', but the codec takes \[32, 16\]; give other options of raytraced_",
        ),
        (
            {},
            {MINE: {**OPTIONS[MINE], "stord": 1}},
            "quadriga has no option 'stord'; did you mean 'stored'",
        ),
        (
            {},
            {**OPTIONS, MUNICH: {}},
            "options are given for 'raytraced_munich', which is none of the sources "
            "raytraced_street_canyon, quadriga_mine.mat",
        ),
        ({"domain": "time"}, OPTIONS, "domain is 'time'; it must be one of angular_"),
    ],
)
def test_a_source_that_does_not_fit_is_refused_before_a_training(
    root, config, tmp_path, fields, options, words
):
    runs = tmp_path / "runs"
    with pytest.raises(ValueError, match=words):
        transfer(config(**fields), root, runs, [STREET], [MINE, STREET], 0, 20, options)
    assert not runs.exists()


def test_a_source_without_the_domain_of_the_codec_is_refused_by_name(
    root, config, tmp_path, monkeypatch
):
    only = dataclasses.replace(datasets.get("raytraced"), domains=("angular_delay",))
    monkeypatch.setitem(datasets.DATASETS, "raytraced", only)
    words = "raytraced cannot be read in domain 'space_frequency'; it gives angular_de"
    with pytest.raises(ValueError, match=words):
        transfer(
            config(domain="space_frequency"), root, tmp_path, [STREET], [STREET], 0
        )
