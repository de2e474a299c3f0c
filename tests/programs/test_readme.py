"""Every command of the README runs, in its order, on small data."""

import pathlib

import numpy as np
import pytest

from tfcsi import results
from tfcsi.coding.packet_file import read_file
from tfcsi.datasets import cost2100

README = pathlib.Path(__file__).parents[2] / "README.md"


@pytest.mark.slow
def test_every_command_of_the_readme_runs(run, pages, capsys):
    commands_of, blocks = pages
    lines = [line for line in commands_of(README) if not line.startswith("make ")]
    assert len(lines) == 6
    for line in lines:
        assert run(line) == 0, (line, capsys.readouterr())
    (point,) = results.read("runs/a/evaluation_indoor_test.json")["points"]
    assert point["num_matrices"] == 80 and 0 < point["rho"] < 1
    h = cost2100.load("CHANNELS", "indoor", "test", "angular_delay")
    h_hat = np.load("h_hat.npy")
    assert h_hat.shape == h.shape and h_hat.dtype == np.complex64
    sizes = [len(packet) for packet in read_file("h.tcsi")[1]]
    assert 8 * sum(sizes) / 80 == pytest.approx(point["bits"], abs=0.05)
    (example,) = blocks(README, "python")
    exec(compile(example, "README", "exec"), {})
    assert "80, 32, 32" in capsys.readouterr().out


def test_the_set_up_commands_are_make_demo_and_make_test(pages):
    commands_of, _ = pages
    lines = [line for line in commands_of(README) if line.startswith("make ")]
    assert lines == ["make demo", "make test"]
    assert "make test" in (README.parent / ".ci" / "run").read_text()
