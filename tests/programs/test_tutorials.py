"""The notebooks of docs/tutorials/ run from top to bottom and hold no output."""

from __future__ import annotations

import json
import pathlib
import re
import shlex

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pytest

from tfcsi import metrics
from tfcsi.__main__ import main

TUTORIALS = pathlib.Path(__file__).parents[2] / "docs" / "tutorials"
NOTEBOOKS = sorted(TUTORIALS.glob("*.ipynb"))
NAMES = [path.stem for path in NOTEBOOKS]
each = pytest.mark.parametrize("path", NOTEBOOKS, ids=NAMES)


def cells(path, kind):
    """The texts of the cells of a kind."""
    found = json.loads(path.read_text())["cells"]
    return ["".join(c["source"]) for c in found if c["cell_type"] == kind]


def run_all(name):
    """Runs all code of a notebook in this process; returns its names.

    Lines with a `!` are commands of tfcsi. All other code is plain Python.
    """
    names = {}
    for number, code in enumerate(cells(TUTORIALS / f"{name}.ipynb", "code")):
        if not code.startswith("!"):
            exec(compile(code, f"{name}, cell {number}", "exec"), names)
            continue
        for line in code.splitlines():
            assert main(shlex.split(line.removeprefix("!"))) == 0, line
    return names


@pytest.fixture
def notebook(tmp_path, monkeypatch):
    """A folder to work in, and pictures without a screen."""
    monkeypatch.chdir(tmp_path)
    before = matplotlib.get_backend()
    plt.switch_backend("agg")
    yield
    plt.close("all")
    plt.switch_backend(before)


@pytest.mark.slow
def test_the_first_packet_is_decoded_within_its_error(notebook, capsys):
    names = run_all("first_packet")
    shown = capsys.readouterr().out
    assert names["nmse"].shape == (50,) and len(plt.get_fignums()) == 3
    bits, nmse_db = zip(*names["points"])
    assert list(bits) == sorted(bits) and list(nmse_db) == sorted(nmse_db)[::-1]
    size = len(names["packet"])
    assert f"{size} bytes: {names['packet'].hex(' ')}" in shown
    parts = re.findall(r"^ +([\d.]+) bits  [a-z]", shown, re.M)
    assert sum(map(float, parts)) == pytest.approx(8 * size, abs=0.5)


@pytest.mark.slow
def test_the_network_is_trained_exported_and_run_like_on_a_phone(notebook, capsys):
    names = run_all("train_and_export")
    rows = re.findall(
        r"^(\w+) +(-[\d.]+) dB in ([\d.]+) bits", capsys.readouterr().out, re.M
    )
    measured = {name: (float(db), float(bits)) for name, db, bits in rows}
    assert list(measured) == ["network", "KLT", "float32", "dynamic"]
    assert measured["network"][0] == pytest.approx(names["point"]["nmse_db"], abs=0.01)
    assert all(nmse_db < -4 for nmse_db, _ in measured.values())
    assert measured["float32"] == pytest.approx(measured["network"], abs=0.2)
    assert measured["dynamic"][0] < measured["network"][0] + 0.3


@pytest.mark.slow
def test_a_file_in_another_order_and_unit_is_read_and_compressed(notebook, capsys):
    names = run_all("own_data")
    assert names["domain"] == "space_frequency"
    stored = np.load("measured.npy")
    assert stored.shape == (52, 8, 160)
    nmse = metrics.nmse(stored.transpose(2, 1, 0), np.load("h_hat.npy"))
    assert metrics.to_db(nmse.mean()) < -15
    shown = capsys.readouterr().out
    assert "160 matrices of 8 antennas x 52 subcarriers (axes sc,tx,n)" in shown


def test_each_notebook_has_a_test_that_runs_it():
    run = re.findall(r'run_all\("(\w+)"\)', pathlib.Path(__file__).read_text())
    assert sorted(run) == NAMES and len(NAMES) == 3


@each
def test_a_notebook_is_kept_without_output(path):
    content = json.loads(path.read_text())
    assert (content["nbformat"], content["nbformat_minor"]) == (4, 5)
    ids = [cell["id"] for cell in content["cells"]]
    assert len(set(ids)) == len(ids)
    assert all(re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", name) for name in ids)
    code = [cell for cell in content["cells"] if cell["cell_type"] == "code"]
    assert code and not any(cell["outputs"] for cell in code)
    assert {cell["execution_count"] for cell in code} == {None}


@each
def test_the_links_of_a_notebook_lead_to_files(path):
    links = re.findall(r"\]\(([^)#\s]+)[^)]*\)", "\n".join(cells(path, "markdown")))
    assert links and not [name for name in links if not (TUTORIALS / name).exists()]
