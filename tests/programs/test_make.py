"""The commands behind the targets of the Makefile."""

from __future__ import annotations

import pathlib
import shutil
import subprocess
import sys

import numpy as np
import pytest

from tests.conftest import correlated_csi

ROOT = pathlib.Path(__file__).parents[2]


def make(folder, *words):
    """Runs make in a folder that gets the Makefile, with this environment."""
    shutil.copy(ROOT / "Makefile", folder)
    bin_ = pathlib.Path(sys.executable).parent
    words = ("make", f"BIN={bin_}", "READY=", *words)
    return subprocess.run(words, cwd=folder, capture_output=True, text=True)


@pytest.mark.slow
def test_one_command_ends_in_a_report(tmp_path):
    done = make(tmp_path, "report")
    assert not done.returncode, done.stderr
    page = (tmp_path / "runs" / "report.html").read_text()
    assert "paths_cost2100_indoor" in page and "DATA_Htestin.mat" in page


@pytest.mark.slow
def test_the_report_is_that_of_a_file_that_is_named(tmp_path):
    np.save(tmp_path / "h.npy", correlated_csi(4, (32, 32)))
    done = make(tmp_path, "report", "INPUT=h.npy", "REPORTED=paths")
    assert not done.returncode, done.stderr
    assert "h.npy" in (tmp_path / "runs" / "report.html").read_text()
    assert not (tmp_path / "runs" / "channels").exists()
    missing = make(tmp_path, "report", "INPUT=none.npy")
    assert missing.returncode and "none.npy" in missing.stderr
