"""Every config trains: an epoch on a few matrices, then packets and back."""

import importlib.util
import pathlib

import numpy as np
import pytest

from tfcsi.channels import cost2100
from tfcsi.training import run

CHANGES = {"qat"}  # What fine-tuning changes in the config of a run.
CONFIGS = sorted((pathlib.Path(__file__).parents[2] / "configs").glob("*.py"))
CONFIGS = [path for path in CONFIGS if path.stem not in CHANGES]


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_a_config_trains_and_sends(path, tmp_path):
    spec = importlib.util.spec_from_file_location("config", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    config = module.get_config()
    config.update(epochs=1, batch_size=20, latent_dim=32, prior_warmup_steps=2)
    scenario = config.scenario if config.dataset == "cost2100" else "indoor"
    h = cost2100.simulate(60, 1, scenario)
    codec = run.train(config, tmp_path / "run", h[:40], h[40:], progress=False)
    symbols, side = codec.symbols(h[40:])
    received = codec.receive(codec.compress(h[40:]))
    np.testing.assert_array_equal(received[0], symbols)
    np.testing.assert_array_equal(received[1], side)
    doc = module.__doc__
    assert "python train/" in doc and f"--config=configs/{path.name}" in doc
