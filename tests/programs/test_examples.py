"""Each program of examples/ runs and prints what its docstring says."""

import os
import pathlib
import re
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"


def run(name, *arguments):
    return subprocess.run(
        [sys.executable, EXAMPLES / name, *arguments],
        env={**os.environ, "PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"},
        capture_output=True,
        text=True,
    )


def numbers_of(done):
    assert done.returncode == 0, done.stderr
    return [
        [float(number) for number in re.findall(r"-?\d+(?:\.\d+)?", line)]
        for line in done.stdout.splitlines()
    ]


def test_the_path_codec_meets_each_target_with_more_bits_for_less_error():
    _, *rows = numbers_of(run("path_codec.py"))
    asked, measured, mean, largest = zip(*rows)
    assert asked == (-10, -15, -20)
    assert all(m <= a for m, a in zip(measured, asked))
    assert list(mean) == sorted(mean)
    assert all(m <= most for m, most in zip(mean, largest))


def test_the_phone_keeps_its_limit_of_bits(tmp_path):
    ((count, largest, nmse_db),) = numbers_of(
        run("phone_and_base_station.py", tmp_path / "phone")
    )
    assert (count, largest <= 120, nmse_db < -10) == (8, True, True)
    assert {path.name for path in (tmp_path / "phone").iterdir()} == {"tables.npz"}


@pytest.mark.slow
def test_the_bottleneck_of_a_keras_model_sends_what_its_loss_expected():
    (nmse_db, bits), (expected,) = numbers_of(run("keras_bottleneck.py"))
    assert nmse_db < -3 and abs(bits - expected) <= 0.01 * expected + 8


@pytest.mark.slow
def test_the_network_is_trained_and_compared(tmp_path):
    done = run("train_network.py", tmp_path / "run")
    assert done.returncode == 0, done.stderr
    points = re.findall(r"(\w+): (-?[\d.]+) dB in ([\d.]+) bits", done.stdout)
    assert [name for name, *_ in points] == ["network", "KLT"]
    assert all(float(nmse_db) < -1 for _, nmse_db, _ in points)


@pytest.mark.parametrize("path", EXAMPLES.glob("*.py"), ids=lambda path: path.stem)
def test_the_help_of_an_example_says_what_it_does_and_does_nothing(path, tmp_path):
    done = subprocess.run(
        [sys.executable, path, "--help"],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    summary = path.read_text().partition("\n")[0].strip('"')
    assert done.returncode == 0 and summary in " ".join(done.stdout.split())
    assert not list(tmp_path.iterdir())


def test_every_example_is_run_here():
    names = {path.name for path in EXAMPLES.glob("*.py")}
    assert names == set(
        re.findall(r'run\(\s*"(\w+\.py)"', pathlib.Path(__file__).read_text())
    )
