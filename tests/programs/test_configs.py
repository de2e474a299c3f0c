"""Every config reads, says only what it changes, trains an epoch and sends."""

import pathlib
import sys

import ml_collections
import numpy as np
import pytest

from tests.conftest import sampled
from tfcsi import metrics, transforms
from tfcsi.channels import cost2100
from tfcsi.codecs import schema
from tfcsi.codecs.contract import SymbolCodec
from tfcsi.training import config as configs
from tfcsi.training import config_files, fit

FOLDER = pathlib.Path(__file__).parents[2] / "configs"
CHANGES = {
    "bottleneck",
    "qat",
    "rates",
}  # What fine-tuning changes in the config of a run.
NAMES = sorted(path.stem for path in FOLDER.glob("*.py"))
QUICK = ("autoencoder", "classical")
TRAINED = sampled(sorted({*NAMES} - CHANGES), QUICK)


@pytest.mark.parametrize("name", TRAINED)
def test_a_config_trains_and_sends(name, tmp_path):
    config = configs.read(name)
    config.update(epochs=1, batch_size=20, latent_dim=32, prior_warmup_steps=2)
    scenario = config.scenario if config.dataset == "cost2100" else "indoor"
    h = cost2100.simulate(60, 1, scenario)
    if config.domain == "space_frequency":
        h, _ = transforms.to_peak(transforms.to_space_frequency(h, h.shape[2]))
    codec = fit.train(config, tmp_path / "run", h[:40], h[40:], progress=False)
    packets = codec.compress(h[40:])
    if not isinstance(codec, SymbolCodec):
        h_hat = codec.decompress(packets)
        assert metrics.nmse(h[40:], h_hat).mean() < 0.2
        return
    symbols, side = codec.symbols(h[40:])
    received = codec.receive(packets)
    np.testing.assert_array_equal(received[0], symbols)
    np.testing.assert_array_equal(received[1], side)


@pytest.mark.parametrize("name", NAMES)
def test_a_config_is_read_by_its_name_and_by_its_path(name):
    config = configs.read(name)
    assert configs.read(str(FOLDER / f"{name}.py")).to_dict() == config.to_dict()
    schema.check(config, whole=name not in CHANGES)
    assert config_files.names() == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_the_text_on_top_of_a_config_has_the_command(name):
    text = (FOLDER / f"{name}.py").read_text()
    doc = text.split('"""')[1]
    if name in CHANGES:
        assert "finetune" in doc
    else:
        assert f"--config=configs/{name}.py" in doc or f"--config={name}" in doc


@pytest.mark.parametrize("name", NAMES)
def test_a_config_sets_no_field_to_what_it_is_already(name, monkeypatch):
    said_again = []

    def recorded(config, key, value, assign=ml_collections.ConfigDict.__setattr__):
        caller = sys._getframe(1).f_code
        if pathlib.Path(caller.co_filename).parent == FOLDER and key in config:
            if caller.co_name == "get_config" and config[key] == value:
                said_again.append(f"{name}.py: {key} is {value!r} already")
        assign(config, key, value)

    monkeypatch.setattr(ml_collections.ConfigDict, "__setattr__", recorded)
    configs.read(name)
    assert not said_again
