"""The programs of tflite/, on a small codec."""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest

from tests.conftest import slow
from tfcsi import results
from tfcsi.datasets import cost2100
from tfcsi.tflite import exports, runner
from tfcsi.training.run import train

pytestmark = pytest.mark.tflite
ROOT = pathlib.Path(__file__).parents[2]


@pytest.fixture(scope="module")
def project(tmp_path_factory, cache, make_config, draw_csi):
    """A folder with `run`, a trained codec, and `data`, its test set."""
    folder = tmp_path_factory.mktemp("tflite")
    h = draw_csi(130, (32, 32))
    config = make_config(model="csinet", shape=(32, 32), init="random", epochs=1)
    config.scenario = "indoor"
    train(config, folder / "run", h[:80], h[80:100], progress=False)
    (folder / "data").mkdir()
    cost2100.write(folder / "data" / cost2100.file_name("test"), h[100:])
    return folder


def run(program, project, *flags):
    """Runs a program of tflite/ in the folder; (status, output, errors)."""
    done = subprocess.run(
        [sys.executable, ROOT / "tflite" / program, *flags],
        cwd=project,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    return done.returncode, done.stdout, done.stderr


@pytest.fixture(scope="module")
def exported(project):
    """The project with some encoders exported."""
    for flags in (
        ["--precision=float32,int8"],
        ["--output=symbols"],
        ["--precision=dynamic", "--clusters=8", "--tune_steps=2"],
        ["--precision=int8", "--sparsity=0.5", "--tune_steps=2"],
    ):
        status, output, errors = run("export.py", project, "--workdir=run", *flags)
        assert status == 0, errors
        assert "bytes" in output and "CONV_2D" in output
    return project


@pytest.mark.slow
def test_a_file_is_written_for_each_variant(exported):
    assert list(exports.find(exported / "run")) == [
        *("float32", "float32_symbols", "dynamic_clusters8"),
        *("int8", "int8_sparsity50"),
    ]
    assert (exported / "run" / "tables.npz").exists()


@pytest.mark.slow
def test_clusters_and_zeros_show_in_the_file(exported):
    encoders = exports.find(exported / "run")

    def weights(name):
        network = runner.interpreter(encoders[name], xnnpack=False)
        details = network.get_tensor_details()
        kernel = max(details, key=lambda d: np.prod(d["shape"]))
        return network.get_tensor(kernel["index"])

    assert len(np.unique(weights("dynamic_clusters8"))) <= 8
    assert np.mean(weights("int8_sparsity50") == 0) > 0.49
    assert np.mean(weights("int8") == 0) < 0.1


@pytest.mark.slow
def test_the_check_measures_all_variants_and_draws_them(exported):
    flags = ["--workdir=run", "--data_dir=data", "--html", "--max_loss_db=99"]
    status, output, errors = run("check.py", exported, *flags)
    assert status == 0, errors
    points = results.read(exported / "run" / "tflite_check.json")["points"]
    assert len(points) == 6
    keys = ("nmse_db", "bits", "symbols_changed", "ue_bytes", "ue_bytes_gzip")
    assert all(key in p for p in points[1:] for key in (*keys, "microseconds_95"))
    gzips = {p["codec"].split()[-1]: p["ue_bytes_gzip"] for p in points[1:]}
    assert gzips["int8_sparsity50"] < gzips["int8"]
    assert "float32_symbols: CAST, CONV_2D" in output and "95 % below" in output
    page = (exported / "run" / "tflite_check.html").read_text()
    assert page.count("<img") == 1 and "LEAKY_RELU" in page


@pytest.mark.slow
def test_a_check_that_fails_says_which_and_by_how_much(exported):
    flags = ["--workdir=run", "--data_dir=data", "--max_loss_db=-1"]
    status, _, errors = run("check.py", exported, *flags)
    assert status == 1 and "csinet, TFLite int8 loses" in errors


@pytest.mark.slow
def test_the_benchmark_compares_runtimes_side_by_side(exported):
    pytest.importorskip("ai_edge_litert")
    flags = ["--workdirs=run", "--rounds=2", "--runs=3", "--matrices=3", "--profile"]
    status, output, errors = run("benchmark.py", exported, *flags, "--output=b.json")
    assert status == 0, errors
    points = results.read(exported / "b.json")["points"]
    settings = {(p["runtime"], p["xnnpack"]) for p in points}
    assert settings == {(r, x) for r in runner.RUNTIMES for x in ("on", "off")}
    assert len(points) == 5 * len(settings)
    for point in points:
        assert point["speedup"] == 1 or not point["codec"].endswith("float32")
        assert point["packet_microseconds"]["total"] > 0
        assert "CONV_2D" in point["operation_microseconds"]
    assert "from CSI to a packet" in output


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--precision=int4,int8"], "--precision has int4; known are float32"),
        slow(
            ["--precision=int8", "--clusters=8"], "--clusters works only with float32"
        ),
        slow(["--clusters=1"], "clusters is 1; it must be 2 to 256"),
        slow(["--sparsity=1"], "sparsity is 1.0; it must be above 0"),
        slow(["--workdir=none"], "none is not a workdir"),
    ],
)
def test_what_export_cannot_do_is_refused(project, flags, words):
    status, output, errors = run("export.py", project, "--workdir=run", *flags)
    assert status != 0 and words in output + errors
