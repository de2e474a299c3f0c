"""Ray-traced files: refusals here; physics and reading where Sionna RT is installed."""

import json
import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest

from tfcsi import transforms
from tfcsi.channels import raytraced
from tfcsi.datasets import deepmimo

ROOT = pathlib.Path(__file__).parents[2]
PYTHON = os.environ.get("TFCSI_RAYTRACING")
LIGHT = 299792458.0  # m/s


def trace(python, path, *flags):
    """Starts the program in an environment; returns the finished process."""
    command = [python, "-m", "tfcsi.channels.raytraced", f"--output={path}", *flags]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True)


def traced(path, *flags):
    """The arrays of a file that is made in the environment of Sionna RT."""
    flags = ["--scenario=street_canyon", "--radius=40", *flags]
    done = trace(PYTHON, path, *flags)
    assert done.returncode == 0, done.stderr
    with np.load(path) as arrays:
        return dict(arrays)


def with_sionna_rt(test):
    """Marks a test that runs where an environment with Sionna RT is named."""
    reason = f"TFCSI_RAYTRACING names no Python with {raytraced.INSTALL}"
    return pytest.mark.raytracing(pytest.mark.skipif(not PYTHON, reason=reason)(test))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"scenario": "paris"}, "unknown scenario 'paris'; known: munich, street_ca"),
        ({"num": -1}, "num is -1; it must be an integer, 0 or more"),
        ({"seed": -1}, "seed is -1; it must be an integer, 0 or more"),
        ({"max_depth": -2}, "max_depth is -2; it must not be negative"),
        ({"bandwidth": 0.0}, "bandwidth is 0.0; it must be positive"),
        ({"radius": -5.0}, "radius is -5.0; it must be positive"),
        ({"tx": (1.0, 2.0)}, r"tx is \[1.0, 2.0\]; it must be x, y, z in m"),
    ],
)
def test_arguments_out_of_range_are_refused(arguments, words):
    with pytest.raises(ValueError, match=words):
        raytraced.simulate(**{"num": 1, "seed": 1, **arguments})


def test_without_sionna_rt_the_program_says_what_to_install(tmp_path):
    done = trace(sys.executable, tmp_path / "a.npz", "--num=2")
    assert done.returncode == 1
    assert "error: ray tracing needs Sionna RT" in done.stderr
    assert raytraced.INSTALL in done.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["a.mat", "folder/a.npz"])
def test_a_file_that_cannot_be_is_refused_at_once(tmp_path, name):
    done = trace(sys.executable, tmp_path / name, "--num=2")
    assert done.returncode == 1
    assert f"{name}; give FILE.npz in a folder that exists" in done.stderr


@with_sionna_rt
def test_lines_of_sight_are_those_of_free_space(tmp_path):
    """Friis' amplitude, delays of the distance, DeepMIMO's sign of angles."""
    arrays = traced(tmp_path / "a.npz", "--max_depth=0", "--num=12", "--num_tx=8")
    assert arrays["channel"].shape == (12, 1, 8, 32)
    assert arrays["channel"].dtype == np.complex64
    assert arrays["los"].all() and (arrays["num_paths"] == 1).all()
    frequency = arrays["carrier_hz"] + arrays["subcarrier_hz"]
    way = arrays["location"] - arrays["tx_location"]
    distance = np.linalg.norm(way, axis=1)
    friis = LIGHT / (4 * np.pi * distance * arrays["carrier_hz"])
    assert arrays["gain_db"] == pytest.approx(20 * np.log10(friis), abs=0.01)
    turns = -arrays["subcarrier_hz"] * distance[:, None] / LIGHT
    across = np.arange(8) * way[:, 1:2] / distance[:, None] / 2
    plane = np.exp(2j * np.pi * (across[:, :, None] + turns[:, None]))
    h = arrays["channel"][:, 0]
    like = np.abs((h * plane.conj()).sum((1, 2))) / np.linalg.norm(h, axis=(1, 2))
    assert like / np.sqrt(8 * len(frequency)) == pytest.approx(1, abs=1e-4)


@with_sionna_rt
def test_a_file_is_read_as_a_generated_data_set(tmp_path):
    arrays = traced(tmp_path / "street.npz", "--num=20", "--seed=3")
    made = json.loads(str(arrays["made"]))
    assert made["seed"] == 3 and made["versions"]["sionna-rt"]
    options = {"num_val": 4, "num_test": 8, "shuffle": False}
    h = deepmimo.load(tmp_path, "street.npz", "test", "space_frequency", **options)
    assert h == pytest.approx(arrays["channel"][-8:, 0] / 2, abs=1e-6)
    assert not arrays["los"].all() or arrays["num_paths"].max() > 1


@with_sionna_rt
def test_simulated_matrices_are_those_of_the_file(tmp_path):
    arrays = traced(tmp_path / "a.npz", "--num=5", "--seed=3", "--num_tx=8")
    code = (
        "import sys, numpy; from tfcsi import channels; "
        "simulate = channels.get('raytraced').simulate; "
        "h = simulate(5, 3, 'street_canyon', radius=40.0, num_tx=8); "
        "numpy.save(sys.argv[1], h)"
    )
    command = [PYTHON, "-c", code, tmp_path / "h.npy"]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    taps = transforms.to_angular_delay(arrays["channel"][:, 0], 32)
    expected = transforms.to_peak(taps)[0]
    assert np.load(tmp_path / "h.npy") == pytest.approx(expected, abs=1e-6)


@with_sionna_rt
def test_more_users_begin_with_the_ones_before(tmp_path):
    few, more = (traced(tmp_path / "a.npz", f"--num={n}") for n in (5, 9))
    for name in ("channel", "location", "los", "num_paths", "gain_db"):
        assert np.array_equal(few[name], more[name][:5]), name


@with_sionna_rt
@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--tx=0,0,-500", "--radius=40", "--max_depth=0"], "has a path from tx [0.0"),
        (["--tx=5000,0,6", "--radius=40"], "of tx [5000.0, 0.0, 6.0] are open ground"),
    ],
)
def test_a_base_station_that_reaches_no_user_is_told(tmp_path, flags, words):
    done = trace(PYTHON, tmp_path / "a.npz", "--scenario=street_canyon", *flags)
    assert done.returncode == 1 and words in done.stderr
    assert not list(tmp_path.iterdir())
