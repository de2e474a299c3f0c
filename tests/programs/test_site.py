"""The documentation site: it builds without a warning, and its Python runs."""

from __future__ import annotations

import pathlib
import subprocess
import sys

import numpy as np
import pytest

from tfcsi.channels import cost2100

ROOT = pathlib.Path(__file__).parents[2]
TYPED = ("docs/index.md",)  # Pages whose Python is a program.


@pytest.mark.slow
def test_the_site_builds_without_a_warning(tmp_path):
    pytest.importorskip("mkdocs", reason="needs the extra tfcsi[docs]")
    pytest.importorskip("mkdocstrings", reason="needs the extra tfcsi[docs]")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "-d", tmp_path]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "WARNING -" not in done.stderr
    page = (tmp_path / "api" / "codecs.html").read_text()
    assert "tfcsi.codecs.paths.Paths.compress" in page and "noise_variance" in page
    start = (tmp_path / "index.html").read_text()
    assert "Five-minute start" in start and "advise" in start
    assert (tmp_path / "results" / "feedback_domains.png").exists()
    lesson = (tmp_path / "tutorials" / "first_packet.html").read_text()
    assert "is the largest error of a matrix" in lesson and "nmse_db" in lesson
    assert 'href="first_packet.ipynb"' in lesson  # The notebook itself, to run it.
    assert 'href="train_and_export.html"' in lesson
    assert (tmp_path / "tutorials" / "first_packet.ipynb").exists()
    # Nothing of a page comes from elsewhere.
    assert 'src="http' not in start and "fonts.googleapis" not in start


@pytest.mark.parametrize("page", TYPED)
def test_the_python_of_a_page_runs(page, pages, tmp_path, monkeypatch, capsys):
    _, blocks = pages
    monkeypatch.chdir(tmp_path)
    np.save("h.npy", cost2100.simulate(3, 1, "indoor"))
    names = {}
    for block in blocks(ROOT / page, "python"):
        exec(compile(block, page, "exec"), names)
    assert "bits a matrix" in capsys.readouterr().out
    assert names["h_hat"].shape == (3, 32, 32)
