"""Codecs without a network are fitted, measured and tabled by the commands of trained
runs; a command that needs a network refuses them by name.
"""

import json

import numpy as np
import pytest

from tests.codecs import learned_weights
from tests.conftest import sampled
from tfcsi import results
from tfcsi.__main__ import main
from tfcsi.codecs.workdir import KINDS
from tfcsi.datasets import cost2100

# Kind of codec to a field of its config. WEIGHTS is the file of a training.
RATES = {
    "dft_grid": "step=0.1",
    "gaussian_mixture": "bits=300",
    "klt": "bits=300",
    "learned": "weights=WEIGHTS",
    "paths": "num_fft=64",
    "topk": "bits=300",
}


def command(name, *flags):
    return main(["tfcsi", name, *map(str, flags)])


@pytest.fixture(scope="module")
def data(tmp_path_factory, draw_csi):
    """Folder of small files in the published form."""
    folder = tmp_path_factory.mktemp("data")
    for split, num in zip(cost2100.SPLITS, (60, 20, 20)):
        cost2100.write(folder / cost2100.file_name(split), draw_csi(num, (32, 32), num))
    return folder


@pytest.fixture(
    scope="module", params=sampled(sorted(KINDS.keys() - {"neural"}), ("klt",))
)
def run(request, data, tmp_path_factory):
    """Folder of a fitted codec."""
    folder = tmp_path_factory.mktemp("runs") / request.param
    weights = folder.parent / "weights.npz"
    np.savez(weights, **learned_weights.arrays(grid=(8, 8), rates=9))
    rate = f"--config.network.{RATES[request.param].replace('WEIGHTS', str(weights))}"
    flags = [f"--config=classical:{request.param}", f"--workdir={folder}", rate]
    assert command("train", *flags, f"--data_dir={data}") == 0
    return folder


def test_a_codec_without_a_network_is_measured_and_tabled(run, data, tmp_path, capsys):
    output = tmp_path / "results.json"
    flags = [f"--workdir={run}", f"--data_dir={data}", f"--output={output}"]
    assert command("evaluate", *flags) == 0
    (point,) = results.read(output)["points"]
    assert point["codec"] == run.name and point["num_matrices"] == 20
    assert point["nmse_db"] < -0.1 and point["config"]["dataset"] == "cost2100"
    capsys.readouterr()
    assert command("table", output) == 0
    shown = capsys.readouterr().out
    assert run.name in shown and f"{point['bits']:.1f}" in shown


def test_a_fitted_codec_says_what_it_was_fitted_to(run, capsys):
    assert command("info", run) == 0
    shown = capsys.readouterr().out
    assert "num_train              60" in shown and run.name in shown
    assert json.loads((run / "run.json").read_text())["num_val"] == 20


def test_a_command_that_needs_a_network_refuses_others_by_name(
    run, data, tmp_path, capsys
):
    output = f"--output={tmp_path}/output"
    for name, *flags in (
        ("benchmark", f"--workdirs={run}"),
        ("quantize", f"--workdir={run}", "--bits=4", output),
        ("finetune", f"--workdir={run}", f"--data_dir={data}", output),
    ):
        assert command(name, *flags) == 1
        shown = capsys.readouterr().err
        assert f"holds the codec {run.name!r}, which has no network" in shown
    assert not (tmp_path / "output").exists()
