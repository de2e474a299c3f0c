"""Codecs without a network are fitted like the others are trained: config, workdir."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest

import tfcsi
from tests.conftest import sampled
from tfcsi import metrics
from tfcsi.codecs.workdir import KINDS
from tfcsi.training import config as configs
from tfcsi.training import fit

FITTED = sorted({*KINDS} - {"neural", "learned"})  # `learned` is in test_tokens.py.


@pytest.fixture(scope="module")
def matrices(draw_csi):
    """Complex64 [120, 16, 16]; the first 100 train."""
    return draw_csi(120)


def config_of(name, *changes):
    return configs.read(f"classical:{name}", changes)


@pytest.mark.parametrize("name", sampled(FITTED, ("klt", "topk")))
def test_a_codec_without_a_network_is_fitted_saved_and_loaded(name, matrices, tmp_path):
    h_train, h_val = matrices[:100], matrices[100:]
    codec = fit.train(config_of(name), tmp_path / "run", h_train, h_val)
    again = tfcsi.load(tmp_path / "run")
    packets = codec.compress(h_val)
    assert again.compress(h_val) == packets
    assert metrics.nmse(h_val, again.decompress(packets)).mean() < 0.7
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    assert config["model"] == name and config["scenario"] == "indoor"
    assert "epochs" not in config and config["shape"] == [16, 16]
    facts = json.loads((tmp_path / "run" / "run.json").read_text())
    assert facts["seed"] == 1 and facts["train_seconds"] >= 0


def test_a_folder_with_a_run_is_left_alone_or_resumed(matrices, tmp_path):
    parts = (tmp_path, matrices[:100], matrices[100:])
    codec = fit.train(config_of("klt"), *parts)
    with pytest.raises(FileExistsError, match="already holds a run: .*--resume"):
        fit.train(config_of("klt"), *parts)
    assert fit.train(config_of("klt"), *parts, resume=True).session == codec.session
    with pytest.raises(ValueError, match=r"another config: it differs in network;"):
        fit.train(config_of("klt", "network.bits=90"), *parts, resume=True)


def test_a_fit_of_fresh_matrices_takes_those_of_the_first_epoch(matrices, tmp_path):
    epochs = {0: matrices[:100]}.__getitem__
    one = fit.train(config_of("klt"), tmp_path / "a", epochs, matrices[100:])
    two = fit.train(config_of("klt"), tmp_path / "b", matrices[:100], matrices[100:])
    assert one.session == two.session


@pytest.mark.parametrize(
    "change, words",
    [
        ("network.bites=3", "network has no field 'bites'; did you mean 'bits'"),
        ("network.bits=many", "network.bits is 'many'; it must be a number"),
        ("model=klr", "model is 'klr'"),
    ],
)
def test_options_that_a_fit_does_not_know_are_refused(change, words):
    with pytest.raises(configs.ConfigError, match=words):
        config_of("klt", change)


def test_matrices_that_are_not_finite_are_refused(matrices, tmp_path):
    h = np.full_like(matrices, np.nan)
    with pytest.raises(ValueError, match="NaN"):
        fit.train(config_of("klt"), tmp_path / "run", h, matrices)


def test_a_fit_loads_no_tensorflow():
    script = "import sys, tfcsi.training.fit; print('tensorflow' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "False"
