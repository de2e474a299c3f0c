"""Laws of result files and tables."""

from __future__ import annotations

import datetime
import json
import pathlib
import subprocess
import sys

import numpy as np
import pytest

from tfcsi import __version__, results

ROOT = pathlib.Path(__file__).parents[1]
POINTS = [
    {"codec": "stqenet", "dataset": "a", "nmse_db": -12.345, "bits": 250.04, "bpp": 1},
    {"codec": "klt", "nmse_db": -9.0, "nmse_db_low": -9.5, "nmse_db_high": -8.5},
    {"codec": "a | b", "nmse_db": -1.0, "bits": 8.0, "ue_params": 1061320},
]


def cells(line):
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_read_inverts_write(tmp_path):
    path = tmp_path / "new" / "points.json"
    results.write(path, (point for point in POINTS), seed=7, command="tfcsi evaluate")
    content = results.read(path)
    assert content["points"] == POINTS
    assert (content["seed"], content["command"]) == (7, "tfcsi evaluate")
    assert content["versions"]["tfcsi"] == __version__
    assert content["versions"]["numpy"] == np.__version__
    created = datetime.datetime.fromisoformat(content["created"])
    age = datetime.datetime.now(datetime.timezone.utc) - created
    assert abs(age.total_seconds()) < 60
    assert [p.name for p in path.parent.iterdir()] == ["points.json"]


def test_the_command_of_the_process_is_noted(tmp_path):
    path = tmp_path / "points.json"
    script = f"from tfcsi import results; results.write({str(path)!r}, [], 0)"
    subprocess.run([sys.executable, "-c", script, "--flag=1"], cwd=ROOT, check=True)
    assert results.read(path)["command"] == "-c --flag=1"


def test_a_failed_write_leaves_the_old_file(tmp_path):
    path = tmp_path / "points.json"
    results.write(path, POINTS, seed=0)
    before = path.read_bytes()
    with pytest.raises(TypeError):
        results.write(path, [{"codec": object()}], seed=0)
    assert path.read_bytes() == before and len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("number", [float("nan"), float("inf"), np.float64("-inf")])
def test_a_number_that_json_cannot_hold_is_refused_by_its_place(tmp_path, number):
    path = tmp_path / "points.json"
    points = [{"codec": "klt"}, {"config": {"stages": (1.0, number)}}]
    message = rf"points.json is not written: points\[1\].config.stages\[1\] is {number}"
    with pytest.raises(ValueError, match=message):
        results.write(path, points, seed=0)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("text", ["", "{", "[]", '"points"', "{}", "3"])
def test_what_is_no_results_file_is_refused_by_name(tmp_path, text):
    path = tmp_path / "points.json"
    path.write_text(text)
    with pytest.raises(ValueError, match="points.json is not a results file"):
        results.read(path)


def test_a_table_has_the_columns_that_a_point_fills():
    header, _, *rows = results.table(POINTS, markdown=True).splitlines()
    assert cells(header) == [
        "codec",
        "NMSE [dB]",
        "95 % interval",
        "bits/CSI",
        "UE parameters",
    ]
    assert cells(rows[0]) == ["stqenet", "-12.35", "", "250.0", ""]
    assert cells(rows[1]) == ["klt", "-9.00", "-9.50 ... -8.50", "", ""]
    assert rows[2].split("|")[-2].strip() == "1,061,320"


@pytest.mark.parametrize("markdown", [False, True])
def test_the_lines_of_a_table_stand_below_each_other(markdown):
    lines = results.table(POINTS[:2], markdown).splitlines()
    assert len(lines) == 4
    if markdown:
        bars = [[i for i, c in enumerate(line) if c == "|"] for line in lines]
        assert all(each == bars[0] for each in bars)
        assert set(lines[1]) == set("|-:") and lines[1].startswith("|---")
    else:
        assert set(lines[1]) == {"-"}
        assert max(map(len, lines)) == len(lines[1])
        assert lines[0].index("bits/CSI") + 8 == lines[2].index("250.0") + 5


def test_no_points_make_an_empty_table():
    for markdown in (False, True):
        assert not results.table([], markdown).strip("|- \n")


def test_every_column_formats_a_number():
    point = {"codec": "x"}
    for _, keys, _ in results.COLUMNS[1:]:
        point |= {key: 3 for key in ([keys] if isinstance(keys, str) else keys)}
    header, _, row = results.table([point], markdown=True).splitlines()
    assert len(cells(header)) == len(cells(row)) == len(results.COLUMNS)
    assert json.dumps(point)


def test_insert_replaces_what_stands_between_its_markers(tmp_path):
    path = tmp_path / "page.md"
    path.write_text("a\n<!-- table: x y -->\nold\n<!-- end -->\nb <!-- end -->\n")
    for _ in range(2):
        results.insert(path, ["x", "y"], "new")
    expected = "a\n<!-- table: x y -->\nnew\n<!-- end -->\nb <!-- end -->\n"
    assert path.read_text() == expected
    results.insert(path, ["x", "z", "--columns=bits"], "newer")
    assert path.read_text() == (
        "a\n<!-- table: x z --columns=bits -->\nnewer\n<!-- end -->\nb <!-- end -->\n"
    )
    with pytest.raises(ValueError, match="page.md has no line '<!-- table: z -->'"):
        results.insert(path, ["z"], "new")


def test_a_table_shows_the_columns_asked_for_in_their_order():
    config = {"init": "klt", "network": {"attention": "released", "window": 8}}
    config |= {"quantizer": "uniform", "coder": "range", "epochs": 16}
    points = [{**POINTS[0], "config": config}, POINTS[1]]
    keys = ["bits", "codec", "configuration", "epochs"]
    header, _, *rows = results.table(points, markdown=True, columns=keys).splitlines()
    assert cells(header) == ["bits/CSI", "codec", "configuration", "epochs"]
    said = "released attention, KLT start; uniform, range"
    assert cells(rows[0]) == ["250.0", "stqenet", said, "16"]
    assert cells(rows[1]) == ["", "klt", "", ""]
    with pytest.raises(ValueError, match="no column 'price'; known columns: codec, "):
        results.table(points, columns=["price"])


def test_a_recorded_command_names_no_folder_of_the_machine():
    argv = ["/a/b/run.py", "--data_dir=/c/d", "--workdirs=/e/f,runs/g", "--x=1e-4"]
    assert results.command_line(argv) == (
        "run.py --data_dir=d --workdirs=f,runs/g --x=1e-4"
    )
    argv = ["/home/me/tfcsi/__main__.py", "transfer"]
    assert results.command_line(argv) == "python -m tfcsi transfer"


def test_a_table_may_have_some_codecs_alone():
    points = [{"codec": name} for name in ("paths", "stqenet, 1 epoch", "klt")]
    assert results.of_codecs(points, ["stqenet", "paths"]) == points[:2]
    assert results.of_codecs(points, []) == points
    with pytest.raises(ValueError, match="no point of the codec 'topk'"):
        results.of_codecs(points, ["topk"])
