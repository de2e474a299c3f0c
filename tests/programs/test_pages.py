"""The report in a browser: nothing overflows or collides, and every figure is drawn.

`make test-browser` installs what it needs from the npm registry and runs this file.
"""

from __future__ import annotations

import json
import pathlib
import shutil
import subprocess

import numpy as np
import pytest

from tfcsi.__main__ import main
from tfcsi.channels import cost2100
from tfcsi.codecs.topk import TopK

HERE = pathlib.Path(__file__).parent
DEMO = HERE.parents[1] / "docs" / "demo"
NODE = shutil.which("node")
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "google-chrome"))), None)
WHITE, DARK = "rgb(255, 255, 255)", "rgb(18, 22, 28)"
LETTERS = {"light": "rgb(29, 37, 48)", "dark": "rgb(228, 233, 239)"}

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.skipif(
        NODE is None
        or CHROMIUM is None
        or not (DEMO / "node_modules" / "playwright-core").exists(),
        reason="needs Node.js, Chromium, and `npm ci` in docs/demo",
    ),
]


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """A report of three codecs."""
    folder = tmp_path_factory.mktemp("page")
    np.save(folder / "h.npy", cost2100.simulate(30, 3, "indoor"))
    run = folder / "a_run_with_a_rather_long_name"
    TopK((32, 32), 8, 6, 10.0).save(run)
    words = ["paths_cost2100_indoor", "paths", str(run), f"--input={folder / 'h.npy'}"]
    words += [f"--output={folder / 'report.html'}", "--noprogress"]
    assert main(["tfcsi", "report", *words]) == 0
    return folder / "report.html"


@pytest.fixture(scope="module", params=["390-light", "390-dark", "1400-light"])
def seen(request, page):
    """Width, scheme, and what page.mjs tells of the page."""
    width, scheme = request.param.split("-")
    picture = page.with_name(f"{request.param}.png")
    command = [NODE, str(HERE / "page.mjs"), CHROMIUM, page.as_uri(), width, scheme]
    done = subprocess.run(
        [*command, str(picture)], capture_output=True, text=True, timeout=600
    )
    assert not done.returncode, done.stderr
    assert picture.stat().st_size > 50_000
    return int(width), scheme, json.loads(done.stdout)


def test_nothing_leaves_the_page(seen):
    _, _, page = seen
    assert page["overflow"] <= 0 and not page["outside"]
    assert set(page["tables"]) == {"scroll"}


def test_every_figure_is_drawn_in_the_width_of_the_page(seen):
    width, _, page = seen
    # Rate, errors, noise; three a matrix of three codecs; two of paths; bits.
    assert len(page["charts"]) == 3 + 9 + 2 + 1
    for chart in page["charts"]:
        assert chart["marks"] > 0 and chart["height"] >= 250
        assert 250 < chart["width"] <= width


def test_no_words_of_a_figure_collide_or_are_cut(seen):
    assert not seen[2]["collisions"]


def test_the_page_and_its_figures_have_the_colours_of_the_scheme(seen):
    _, scheme, page = seen
    assert page["background"] == (DARK if scheme == "dark" else WHITE)
    assert page["text"] == LETTERS[scheme]
    assert {chart["text"] for chart in page["charts"]} == {LETTERS[scheme]}


def test_the_page_makes_no_errors_and_needs_no_network(seen, page):
    assert not seen[2]["errors"]
    assert seen[2]["requests"] == [page.as_uri()]
