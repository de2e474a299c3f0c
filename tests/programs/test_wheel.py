"""A wheel, installed in a clean environment, does the whole job from any folder.

The environments get their packages from the package index. They are made with the
running Python, or with those that TFCSI_PYTHONS names, paths with commas between.
"""

from __future__ import annotations

import json
import os
import pathlib
import shutil
import subprocess
import sys

import numpy as np
import pytest

import tfcsi
from tests.codecs import golden
from tfcsi.codecs.klt import Klt

ROOT = pathlib.Path(__file__).parents[2]
PYTHONS = os.environ.get("TFCSI_PYTHONS", sys.executable).split(",")
SOURCES = ("benchmarks", "configs", "docs", "examples", "results", "tests")
SOURCES += ("tfcsi", "tflite", "train")
SMALL = {
    **{"epochs": 1, "batch_size": 20, "latent_dim": 16, "prior_warmup_steps": 5},
    **{"quantizer": "uniform", "prior": "factorized", "lmbda": 1e-4},
}

pytestmark = pytest.mark.slow


class Environment:
    """A clean environment of a Python, and a folder to work in."""

    def __init__(self, python: str, folder: pathlib.Path):
        self.bin, self.home = folder / "venv" / "bin", folder / "home"
        self.home.mkdir()
        # What the tests' own environment sets must not be seen.
        own = {"PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "TFCSI_CACHE"}
        self.variables = {k: v for k, v in os.environ.items() if k not in own}
        self.variables["TFCSI_CACHE"] = str(folder / "cache")
        self.run(python, "-m", "venv", folder / "venv")

    def run(self, program, *arguments, status=0):
        """Runs a program in the folder; returns what it printed, errors included."""
        if (self.bin / program).exists():
            program = self.bin / program
        done = subprocess.run(
            [str(program), *map(str, arguments)],
            cwd=self.home,
            env=self.variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert done.returncode == status, f"{program} {arguments}:\n{done.stdout}"
        return done.stdout

    def install(self, *packages):
        self.run("pip", "install", "-q", "--disable-pip-version-check", *packages)


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """A copy of the checkout, so that nothing is built in it."""
    source = tmp_path_factory.mktemp("source") / "tfcsi"
    ignored = shutil.ignore_patterns("__pycache__", "node_modules")
    for name in SOURCES:
        shutil.copytree(ROOT / name, source / name, ignore=ignored)
    for path in ROOT.iterdir():
        if path.is_file():
            shutil.copy(path, source)
    (source / "zoo").mkdir()
    shutil.copy(ROOT / "zoo" / "manifest.json", source / "zoo")
    return source


@pytest.fixture(
    scope="module", params=PYTHONS, ids=lambda path: pathlib.Path(path).name
)
def numpy_only(request, source, tmp_path_factory):
    """An environment with the wheel, made from the source archive, and NumPy."""
    folder = tmp_path_factory.mktemp("numpy_only")
    made = Environment(request.param, folder)
    made.python, made.home = request.param, source
    made.install("setuptools<81", "wheel")
    made.run("python", "setup.py", "-q", "sdist", "--dist-dir", folder)
    made.home = folder / "home"
    (archive,) = folder.glob("*.tar.gz")
    made.run("pip", "wheel", "-q", "--no-deps", "-w", folder, archive)
    (made.wheel,) = folder.glob("*.whl")
    made.install(made.wheel)
    return made


@pytest.fixture(scope="module")
def full(numpy_only, tmp_path_factory):
    """An environment with the wheel and all that training needs."""
    made = Environment(numpy_only.python, tmp_path_factory.mktemp("full"))
    made.install(f"{numpy_only.wheel}[full]")
    return made


@pytest.fixture(scope="module")
def trained(full):
    """The full environment, with `data`, simulated, and `run`, trained on it."""
    flags = ["--channel=cost2100_indoor", "--num=60,20,20", "--out=data"]
    shown = full.run("tfcsi", "generate", *flags)
    assert "data/DATA_Htrainin.mat" in shown
    changes = [f"--config.{field}={value}" for field, value in SMALL.items()]
    flags = ["--data_dir=data", "--workdir=run", "--noprogress", *changes]
    shown = full.run("tfcsi", "train", "--config=autoencoder:csinet", *flags)
    assert "epoch " in shown
    return full


def test_the_installed_package_is_the_one_that_is_tested(full):
    script = "import tfcsi, pathlib; print(pathlib.Path(tfcsi.__file__).parent)"
    package = pathlib.Path(full.run("python", "-c", script).strip())
    assert package.is_relative_to(full.bin.parent)
    configs = {path.name for path in (package / "configs").glob("*.py")}
    assert configs == {path.name for path in (ROOT / "configs").glob("*.py")}
    assert (package / "py.typed").exists()


def test_the_wheel_is_small_and_knows_the_codecs_of_the_zoo(numpy_only):
    assert numpy_only.wheel.stat().st_size < 3e6
    shown = numpy_only.run("tfcsi", "zoo")
    lines = {line.split()[0]: line for line in shown.splitlines() if line.strip()}
    assert lines["paths"].endswith(" here")
    assert lines["learned_cost2100_indoor"].endswith("not here")
    numpy_only.run("tfcsi", "zoo", "--verify")
    shown = numpy_only.run("tfcsi", "info", "learned_cost2100_indoor", status=1)
    assert "set TFCSI_ZOO to its folder zoo" in shown and "Traceback" not in shown


def test_help_and_version_are_shown(numpy_only):
    assert "tfcsi COMMAND --help" in numpy_only.run("tfcsi", "--help")
    versions = numpy_only.run("tfcsi", "--version").splitlines()
    assert versions[0] == f"tfcsi {tfcsi.__version__}"
    assert "tensorflow not installed" in versions
    assert "--config=NAME" in numpy_only.run("python", "-m", "tfcsi", "train", "--help")


def test_the_whole_job_is_done_from_any_folder(trained):
    np.save(trained.home / "h.npy", np.zeros((0, 32, 32), np.complex64))
    copy = "import numpy as np; from tfcsi.datasets import cost2100; np.save('h.npy', "
    copy += "cost2100.load('data', 'indoor', 'test', 'angular_delay'))"
    trained.run("python", "-c", copy)
    run = "--workdir=run"
    trained.run("tfcsi", "compress", run, "--input=h.npy", "--output=h.tcsi")
    trained.run("tfcsi", "decompress", run, "--input=h.tcsi", "--output=h_hat.npy")
    h_hat = np.load(trained.home / "h_hat.npy")
    assert h_hat.shape == (20, 32, 32) and h_hat.dtype == np.complex64
    assert "packets    20" in trained.run("tfcsi", "info", "h.tcsi")
    assert "fingerprint" in trained.run("tfcsi", "info", "run")
    trained.run("tfcsi", "evaluate", run, "--data_dir=data")
    evaluation = trained.home / "run" / "evaluation_indoor_test.json"
    content = json.loads(evaluation.read_text())
    assert content["command"].startswith("tfcsi evaluate --workdir=run")
    assert content["points"][0]["num_matrices"] == 20
    assert np.isfinite(content["points"][0]["nmse_db"])
    assert "| csinet" in trained.run("tfcsi", "table", evaluation)


def test_encoders_are_exported_and_checked(trained):
    shown = trained.run("tfcsi", "export", "--workdir=run", "--precision=float16,int8")
    assert "encoder_int8.tflite" in shown
    flags = ["--workdir=run", "--data_dir=data", "--max_loss_db=99"]
    assert "TFLite int8" in trained.run("tfcsi", "check", *flags)
    flags = ["--workdirs=run", "--runtimes=tf.lite", "--rounds=1", "--runs=1"]
    assert "speedup" in trained.run("tfcsi", "benchmark", *flags, "--matrices=2")


def test_a_run_is_fine_tuned_and_quantised(trained):
    flags = ["--data_dir=data", "--config.epochs=1", "--noprogress"]
    trained.run("tfcsi", "finetune", "--workdir=run", *flags)
    assert (trained.home / "run_qat" / "codec.npz").exists()
    flags = ["--output=run_6bit", "--bits=6"]
    assert "6 bits" in trained.run("tfcsi", "quantize", "--workdir=run", *flags)


def test_a_wrong_config_is_refused_without_a_traceback(full):
    flags = ["--data_dir=data", "--workdir=other", "--config.epoch=1"]
    shown = full.run("tfcsi", "train", "--config=demo", *flags, status=2)
    assert "'epochs'" in shown and "Traceback" not in shown


def test_codecs_without_a_network_run_with_numpy_alone(numpy_only, draw_csi):
    h = draw_csi(100, (16, 16))
    Klt.fit(h, 0.02).save(numpy_only.home / "klt")
    np.save(numpy_only.home / "h.npy", h)
    run = "--workdir=klt"
    numpy_only.run("tfcsi", "compress", run, "--input=h.npy", "--output=h.tcsi")
    numpy_only.run("tfcsi", "decompress", run, "--input=h.tcsi", "--output=h_hat.npy")
    h_hat = np.load(numpy_only.home / "h_hat.npy")
    assert np.mean(np.abs(h_hat - h) ** 2) < 0.1 * np.mean(np.abs(h) ** 2)
    assert "codec 'klt'" in numpy_only.run("tfcsi", "info", "h.tcsi")
    assert "klt" in numpy_only.run("tfcsi", "info", "klt")


def test_golden_packets_decode_alike_in_each_python(numpy_only):
    folders = sorted(golden.FOLDER.iterdir())
    numpy_only.run("python", "-c", golden.DECODE, "out.npz", *folders)
    golden.assert_alike(numpy_only.home / "out.npz", folders)


def test_golden_packets_of_networks_decode_alike_in_each_python(full):
    folders = sorted(golden.RUNS.iterdir())
    full.run("python", "-c", golden.DECODE, "out.npz", *folders)
    golden.assert_alike(full.home / "out.npz", folders)


def test_what_needs_the_full_set_says_so(numpy_only):
    flags = ["--config=demo", "--workdir=run", "--data_dir=data"]
    shown = numpy_only.run("tfcsi", "train", *flags, status=1)
    assert "pip install 'tfcsi[full]'" in shown and "Traceback" not in shown


def test_an_editable_install_finds_the_configs_of_the_checkout(
    numpy_only, source, tmp_path
):
    made = Environment(numpy_only.python, tmp_path)
    made.install("-e", source, "ml_collections==0.1.1")
    script = "from tfcsi.training import config_files as configs\n"
    script += "print(configs.find('demo')[0], *configs.names())"
    path, *names = made.run("python", "-c", script).split()
    assert path == str(source / "configs" / "demo.py") and "stqenet_indoor" in names
