"""The check on emulated ARM: what it counts on, what it runs, when it fails."""

from __future__ import annotations

import json
import os
import pathlib
import shutil
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from tfcsi import transforms
from tfcsi.__main__ import main
from tfcsi.channels import cost2100
from tfcsi.codecs.workdir import CALIBRATION_FILE
from tfcsi.coding.sending import TABLES_FILE
from tfcsi.tflite import convert, exports

ROOT = pathlib.Path(__file__).parents[2]
MACHINE = os.environ.get("TFCSI_ARM")
NAMES = """
import json, pathlib, sys
from tfcsi.tflite.arm import inexact_operations

print(json.dumps([inexact_operations(pathlib.Path(path)) for path in sys.argv[1:]]))
"""

pytestmark = pytest.mark.tflite


@pytest.fixture(scope="module")
def run(workdir, codec, h, tmp_path_factory):
    """A copy of the tiny run with a float and an integer encoder."""
    folder = tmp_path_factory.mktemp("arm") / "run"
    shutil.copytree(workdir, folder)
    x = transforms.to_real(h[:40])
    np.save(folder / CALIBRATION_FILE, x.astype(np.float16))
    for precision in ("float32", "int8_full"):
        flatbuffer, name = (
            convert.export(codec, precision, x),
            exports.file_name(precision),
        )
        (folder / name).write_bytes(flatbuffer)
        codec.save_ue(folder / TABLES_FILE, **{name: flatbuffer})
    return folder


def small_encoder(softmax):
    x = tf.keras.Input((4, 4, 2))
    y = tf.keras.layers.Conv2D(2, 3, activation="relu")(x)
    if softmax:
        y = tf.keras.layers.Softmax()(y)
    y = tf.keras.layers.Dense(4, name="codeword")(tf.keras.layers.Flatten()(y))
    return tf.keras.Model(x, y)


def check(run, machine, *flags):
    return check_of(f"--workdir={run}", f"--machine={machine}", *flags)


def check_of(*flags):
    command = [sys.executable, "tflite/check_arm.py", "--num=4", "--cpus=cortex-a76"]
    return subprocess.run([*command, *flags], cwd=ROOT, capture_output=True, text=True)


def test_operations_that_may_round_otherwise_are_named(tmp_path):
    x = np.random.default_rng(0).uniform(-0.5, 0.5, (20, 4, 4, 2)).astype(np.float32)
    paths = []
    for precision, softmax in (
        ("float32", False),
        ("int8_full", False),
        ("int8_full", True),
    ):
        paths.append(tmp_path / f"{precision}_{softmax}.tflite")
        paths[-1].write_bytes(convert.convert(small_encoder(softmax), precision, x))
    done = subprocess.run(
        [sys.executable, "-c", NAMES, *map(str, paths)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert not done.returncode, done.stderr
    names = json.loads(done.stdout)
    assert "CONV_2D" in names[0] and names[1:] == [[], ["SOFTMAX"]]


@pytest.mark.slow
def test_matrices_must_be_given_for_paths(tmp_path):
    (tmp_path / "site").mkdir()
    phone = f"--folder={tmp_path}"
    name = "--codec=paths_cost2100_indoor"
    assert main(["tfcsi", "export", name, phone, "--precision=float32"]) == 0
    done = check_of(name, phone, f"--machine={tmp_path}")
    assert done.returncode == 1 and "give --input=FILE" in done.stderr


@pytest.mark.slow
def test_a_missing_machine_is_named(workdir, tmp_path):
    done = check(workdir, tmp_path / "nothing")
    assert done.returncode == 1
    assert "nothing is not ready: run tflite/arm64.sh first" in done.stderr


@pytest.mark.arm
@pytest.mark.skipif(MACHINE is None, reason="needs TFCSI_ARM")
@pytest.mark.parametrize("max_changed, status", [(0.02, 0), (-1, 1)])
def test_arm_sends_packets_that_the_base_station_reads(run, max_changed, status):
    done = check(run, MACHINE, f"--max_changed={max_changed}")
    assert done.returncode == status, done.stderr
    assert ("too many symbols differ" in done.stderr) == bool(status)
    points = json.loads((run / "arm_check.json").read_text())["points"]
    assert [point["num_matrices"] for point in points] == [4, 4]
    assert all(point["symbols_changed"] <= 0.02 for point in points)
    assert all(point["nmse_db"] < 0 for point in points)


@pytest.mark.arm
@pytest.mark.skipif(MACHINE is None, reason="needs TFCSI_ARM")
def test_arm_finds_the_paths_of_this_machine(tmp_path):
    np.save(tmp_path / "h.npy", cost2100.simulate(4, 4, "indoor"))
    codec = ["--codec=paths_cost2100_indoor", f"--folder={tmp_path}"]
    flags = ["--precision=float32", "--effort=light"]
    assert main(["tfcsi", "export", *codec, *flags]) == 0
    files = [f"--input={tmp_path / 'h.npy'}", f"--machine={MACHINE}"]
    done = check_of(*codec, *files)
    assert done.returncode == 0, done.stderr
    (point,) = json.loads((tmp_path / "arm_check.json").read_text())["points"]
    assert point["symbols"] == 4 and not point["packets_changed"]
