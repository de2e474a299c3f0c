"""The programs that train: each for an epoch, on small files or simulated channels."""

import json
import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest
import scipy.io

from tests.conftest import slow
from tfcsi import __main__ as command_line
from tfcsi.codecs.workdir import load_config

ROOT = pathlib.Path(__file__).parents[2]
SMALL = ["epochs=1", "latent_dim=8", "batch_size=20", "prior_warmup_steps=5"]


def run(program, config, workdir, *flags):
    """Starts a program of train/ on a small config; returns the finished process."""
    path = ROOT / "configs" / f"{config}.py"
    command = [sys.executable, f"train/{program}.py", f"--config={path}"]
    names = {flag.split("=")[0] for flag in flags}
    small = [f"--config.{field}" for field in SMALL]
    small = [flag for flag in small if flag.split("=")[0] not in names]
    return subprocess.run(
        [*command, f"--workdir={workdir}", "--noprogress", *small, *flags],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )


def evaluate(workdir, data_dir, *flags):
    flags = [f"--workdir={workdir}", f"--data_dir={data_dir}", *flags]
    return command_line.main(["tfcsi", "evaluate", *flags])


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """Folder of quadriga/ and deepmimo/, with few matrices each."""
    root = tmp_path_factory.mktemp("root")
    rng = np.random.default_rng(0)
    (root / "quadriga").mkdir()
    h = rng.standard_normal((32, 32, 660, 2)) @ [1, 1j]
    scipy.io.savemat(root / "quadriga" / "my.mat", {"H": h})
    scenario = root / "deepmimo" / "street"
    scenario.mkdir(parents=True)
    for key, low, high in (
        ("power", -120, -90),
        ("phase", -180, 180),
        ("delay", 0, 600e-9),
        ("aod_az", -60, 60),
        ("aod_el", 80, 100),
    ):
        values = rng.uniform(low, high, (660, 3)).astype(np.float32)
        np.savez(scenario / f"{key}_t001_tx000_r000.npz", **{key: values})
    return root


@pytest.mark.slow
def test_a_deepmimo_scenario_is_trained_on_and_evaluated(root, tmp_path, capsys):
    folder, workdir = root / "deepmimo", tmp_path / "run"
    flags = [f"--data_dir={folder}", "--config.scenario=street"]
    flags += ["--config.domain=angular_delay", "--config.source.num_test=50"]
    done = run("deepmimo", "deepmimo", workdir, *flags)
    assert done.returncode == 0, done.stderr
    line = next(x for x in done.stdout.splitlines() if x.startswith("deepmimo_street "))
    assert line.startswith("deepmimo_street train: 410 matrices, ")
    lost = float(line.split()[4])
    assert 20 < lost < 80  # Taps of 10 ns, 32 of them; delays up to 600 ns.
    assert evaluate(workdir, folder) == 0
    path = workdir / "evaluation_street_test.json"
    (point,) = json.loads(path.read_text())["points"]
    assert point["dataset"] == "deepmimo_street" and point["num_matrices"] == 50


@pytest.mark.slow
def test_a_run_on_several_sources_is_evaluated_on_each(root, tmp_path, capsys):
    sources = "quadriga_my.mat,deepmimo_street"
    flags = [f"--data_root={root}", f"--sources={sources}"]
    done = run("mixed", "autoencoder", tmp_path / "run", *flags)
    assert done.returncode == 0, done.stderr
    assert "quadriga_my.mat train: 60 matrices\n" in done.stdout
    config = load_config(tmp_path / "run")
    assert (config.dataset, config.scenario) == ("mixed", sources)
    for name in sources.split(","):
        folder = root / name.split("_")[0]
        assert evaluate(tmp_path / "run", folder, f"--scenario={name}") == 0
        path = tmp_path / "run" / f"evaluation_{name.split('_')[1]}_test.json"
        assert json.loads(path.read_text())["points"][0]["dataset"] == name
    assert evaluate(tmp_path / "run", root / "quadriga") == 1
    names = "give --scenario=quadriga_my.mat or deepmimo_street"
    assert names in capsys.readouterr().err


@pytest.mark.slow
def test_a_quadriga_file_is_trained_on(root, tmp_path):
    flags = [f"--data_dir={root}/quadriga", "--config.scenario=my.mat"]
    done = run("quadriga", "quadriga", tmp_path / "run", *flags)
    assert done.returncode == 0, done.stderr
    assert load_config(tmp_path / "run").dataset == "quadriga"


@pytest.mark.slow
def test_fresh_channels_are_simulated_for_each_epoch(tmp_path):
    flags = ["--config.data=simulate", "--config.num_train=60", "--config.num_val=20"]
    done = run("cost2100", "autoencoder", tmp_path / "run", *flags, "--config.epochs=2")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("epoch ") == 2
    facts = json.loads((tmp_path / "run" / "run.json").read_text())
    words = ["train/cost2100.py", "--config=autoencoder.py", "--workdir=run"]
    assert facts["command"].split()[:3] == words
    assert load_config(tmp_path / "run").data == "simulate"


@pytest.mark.slow
def test_another_array_and_domain_are_simulated(tmp_path):
    lines = [
        "from tfcsi.training.config import defaults",
        "def get_config():",
        "    config = defaults()",
        "    config.data, config.num_train, config.num_val = 'simulate', 40, 20",
        "    config.domain, config.shape = 'space_frequency', (16, 24)",
        "    config.simulator = {'num_tx': 16, 'num_sc': 24, 'num_delay': 24}",
        "    return config",
    ]
    path = tmp_path / "config.py"
    path.write_text("\n".join(lines))
    done = run("cost2100", str(path)[:-3], tmp_path / "run")
    assert done.returncode == 0, done.stderr
    x = np.load(tmp_path / "run" / "calibration.npy")
    assert x.shape[1:] == (16, 24, 2)
    # All antennas and subcarriers are alike strong; angles and delays are not.
    power = np.square(x.astype(float)).sum((0, 3))
    assert power.sum(0).max() < 2 * power.sum(0).min()
    assert power.sum(1).max() < 2 * power.sum(1).min()
    assert load_config(tmp_path / "run").simulator.num_tx == 16


@pytest.mark.slow
def test_a_run_on_any_simulator_is_evaluated_on_files(root, tmp_path, capsys):
    flags = ["--channel=cost2100_semi_urban_300mhz_los", "--config.num_train=60"]
    done = run(
        "simulated", "autoencoder", tmp_path / "run", *flags, "--config.num_val=20"
    )
    assert done.returncode == 0, done.stderr
    config = load_config(tmp_path / "run")
    assert (config.data, config.scenario) == ("simulate", "semi_urban_300mhz_los")
    flags = [root / "quadriga", "--scenario=quadriga_my.mat"]
    assert evaluate(tmp_path / "run", *flags) == 0
    path = tmp_path / "run" / "evaluation_my.mat_test.json"
    assert json.loads(path.read_text())["points"][0]["dataset"] == "quadriga_my.mat"


@pytest.mark.parametrize(
    ("program", "flags", "words"),
    [
        ("simulated", ["--channel=cost2100_mars"], "unknown scenario 'mars'; known"),
        slow(
            "simulated", ["--channel=mars"], "unknown channel 'mars'; known: cost2100_"
        ),
        slow("cost2100", [], "files of cost2100_indoor: --data_dir"),
        slow(
            "raytraced",
            ["--config.scenario=munich"],
            "files of raytraced_munich: --data_dir",
        ),
        slow(
            "mixed",
            ["--data_root=.", "--sources=cost2100_indoor,quadriga_28ghz"],
            "DATA_Htrainin.mat",
        ),
    ],
)
def test_what_cannot_be_trained_on_is_told(tmp_path, program, flags, words):
    done = run(program, "autoencoder", tmp_path / "run", *flags)
    assert done.returncode != 0 and words in done.stderr + done.stdout
    assert "Traceback" not in done.stderr
