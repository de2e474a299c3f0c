"""tfcsi advise: what a file is, a table, and a command that runs as it is."""

from __future__ import annotations

import shlex

import numpy as np
import pytest

from tfcsi import metrics
from tfcsi.__main__ import main
from tfcsi.channels import cost2100


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The working folder, with small.npy, [20, 8, 16]."""
    monkeypatch.chdir(tmp_path)
    setup = {"domain": "space_frequency", "num_sc": 16}
    h = cost2100.simulate(20, 3, "indoor", **setup)[:, :8]
    np.save("small.npy", h)
    return tmp_path


def advise(*words):
    return main(["tfcsi", "advise", *words, "--noprogress"])


def commands(text):
    """The commands at the end of an answer, as lists of words."""
    _, _, end = text.partition(" Run\n")
    lines = end.replace("\\\n", " ").strip().split("&&")
    return [shlex.split(line) for line in lines]


@pytest.mark.slow
def test_the_recommended_command_runs_as_it_is_and_meets_the_target(folder, capsys):
    words = ["--input=small.npy", "--axes=n,tx,sc", "--nmse_db=-12"]
    assert advise(*words) == 0
    shown = capsys.readouterr().out
    for begin in ("file ", "domain ", "energy ", "sparsity ", "spread ", "fading "):
        assert f"\n{begin}" in f"\n{shown}"
    assert "domain        space_frequency, by its sparsity" in shown
    assert "4 are measured, 16 others are for fits" in shown
    steps = commands(shown)
    assert [step[1] for step in steps] == ["advise", "compress"]
    for step in steps:
        assert main(step) == 0
    back = ["--input=small.tcsi", "--output=back.npy", "--workdir=advised"]
    assert main(["tfcsi", "decompress", *back]) == 0
    nmse = metrics.nmse(np.load("small.npy"), np.load("back.npy"))
    assert metrics.to_db(nmse.mean()) <= -12


@pytest.mark.parametrize(
    ("words", "status", "message"),
    [
        (["--nmse_db=-9", "--max_bits=9"], 2, "give one of them"),
        (["--workdir=taken"], 1, "taken already holds a run"),
        (["--domain=delay"], 2, "must be one of angular_delay, space_frequency"),
        (["--max_bits=12"], 1, "no codec can send small.npy so"),
    ],
)
def test_wrong_words_are_refused(words, status, message, folder, capsys):
    (folder / "taken").mkdir()
    (folder / "taken" / "config.json").write_text("{}")
    assert advise("--input=small.npy", "--axes=n,tx,sc", *words) == status
    assert message in capsys.readouterr().err


def test_a_matrix_of_zeros_is_refused(folder, capsys):
    np.save("zero.npy", np.zeros((3, 8, 8), np.complex64))
    assert advise("--input=zero.npy", "--axes=n,tx,sc") == 1
    assert "all zero" in capsys.readouterr().err


@pytest.mark.slow
def test_a_codec_of_the_package_is_recommended_for_its_own_channels(folder, capsys):
    np.save("few.npy", cost2100.simulate(8, 3, "indoor"))
    assert advise("--input=few.npy", "--max_bits=150") == 0
    (step,) = commands(capsys.readouterr().out)
    assert step[-1].startswith("--codec=paths")
    assert main(step) == 0
