"""tfcsi report: one page of codecs on a file of the user's own."""

from __future__ import annotations

import re

import numpy as np
import pytest

from tfcsi.__main__ import main
from tfcsi.channels import cost2100
from tfcsi.codecs.topk import TopK


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with CSI in h.npy and the run of a top-K codec in topk."""
    folder = tmp_path_factory.mktemp("report")
    np.save(folder / "h.npy", cost2100.simulate(20, 3, "indoor"))
    TopK((32, 32), 8, 6, 10.0).save(folder / "topk")
    return folder


def report(folder, *words):
    return main(
        ["tfcsi", "report", *words, f"--input={folder / 'h.npy'}", "--noprogress"]
    )


def test_codecs_of_every_kind_stand_side_by_side(folder, tmp_path, capsys):
    page = tmp_path / "page.html"
    names = ["paths_cost2100_indoor", str(folder / "topk")]
    assert report(folder, *names, f"--output={page}", "--num_matrices=6") == 0
    shown = capsys.readouterr().out
    assert f"written to {page}" in shown and shown.count("20 matrices") == 1
    text = page.read_text()
    text = re.sub(r"<script.*?</script>", "", text, flags=re.DOTALL)
    headings = re.findall(r"<h2>(.*?)</h2>", text)
    assert headings == [
        "Rate and distortion",
        "Error of each matrix",
        "Noise on the measured CSI",
        "CSI matrices",
        "Paths",
        "Bits of a packet",
        "Complexity",
        "Versions and configs",
    ]
    assert "paths_cost2100_indoor, topk on 6 of the matrices of h.npy" in text
    assert "config of topk" in text


@pytest.mark.parametrize(
    ("words", "status", "message"),
    [
        (["paths", "paths"], 2, "give each codec once"),
        (["pathes"], 1, "did you mean 'paths'?"),
        ([], 2, "expected NAME|DIR..."),
        (["paths", "--num_matrices=0"], 2, "not a positive integer"),
    ],
)
def test_wrong_words_are_refused(words, status, message, folder, capsys):
    assert report(folder, *words, "--output=page.html") == status
    assert message in capsys.readouterr().err


def test_a_file_of_another_kind_is_not_replaced(folder, capsys):
    output = folder / "topk" / "codec.npz"
    before = output.read_bytes()
    assert report(folder, "paths", f"--output={output}") == 1
    assert output.read_bytes() == before
