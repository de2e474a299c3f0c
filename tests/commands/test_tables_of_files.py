"""`tfcsi table` on files of any shape, and names of files that are no single word."""

from __future__ import annotations

import json

import pytest

from tfcsi import results
from tfcsi.__main__ import main


def table(capsys, *arguments):
    """Status, output and errors of the command."""
    status = main(["tfcsi", "table", *map(str, arguments)])
    return status, *capsys.readouterr()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"[]", "is not a results file: it has no list of points"),
        (b'"a"', "is not a results file: it has no list of points"),
        (b'{"points": 3}', "is not a results file: it has no list of points"),
        (b'{"points": [3]}', "is not a results file: point 0 has no fields"),
        (b"\x93NUMPY", "is not a results file: it is not text"),
        (b"[" * 100_000, "is not a results file: maximum recursion depth"),
        (b"{", "is not a results file: Expecting"),
        (b"", "is not a results file: Expecting value"),
        (b'{"points": []}', "has no point with a value for a table"),
        (b'{"points": [{"codec": null}]}', "has no point with a value for a table"),
        (b'{"points": [{"bits": "many"}]}', "bits is 'many', which is not what this"),
        (b'{"points": [{"bits": [1]}]}', "bits is [1], which is not what this"),
    ],
)
def test_a_file_that_makes_no_table_is_refused_by_name(
    tmp_path, capsys, content, words
):
    good, bad = tmp_path / "good.json", tmp_path / "bad.json"
    results.write(good, [{"codec": "klt"}], 0)
    bad.write_bytes(content)
    status, shown, error = table(capsys, good, bad)
    assert (status, shown) == (1, "") and f"{bad}" in error and words in error


def test_bars_and_line_ends_in_names_leave_the_table_whole(tmp_path, capsys):
    path = tmp_path / "a.json"
    results.write(path, [{"codec": "a|b\nc", "bits": 8.0}], 0)
    status, shown, _ = table(capsys, path)
    header, rule, row = shown.splitlines()
    assert status == 0 and row.startswith("| a\\|b c |")
    assert row.replace("\\|", "").count("|") == header.count("|") == rule.count("|")


def test_files_whose_names_have_spaces_and_commas_keep_their_marker(tmp_path, capsys):
    path, page = tmp_path / "a b, c.json", tmp_path / "the page.md"
    results.write(path, [{"codec": "klt", "bits": 8.0}], 0)
    page.write_text(f"<!-- table: '{path}' -->\n<!-- end -->\n")
    for _ in range(2):
        assert table(capsys, path, f"--output={page}")[0] == 0
    lines = page.read_text().splitlines()
    assert lines[0] == f"<!-- table: '{path}' -->" and "| klt" in lines[3]


def test_a_recorded_command_can_be_pasted_into_a_shell():
    argv = ["/usr/bin/tfcsi", "info", "--workdir=/home/me/a b", "/x/y,/x/z", "(1, 2)"]
    assert results.command_line(argv) == "tfcsi info '--workdir=a b' y,z '(1, 2)'"


def test_a_page_that_is_no_text_or_no_file_is_refused(tmp_path, capsys):
    path = tmp_path / "a.json"
    results.write(path, [{"codec": "klt"}], 0)
    (tmp_path / "page.md").write_bytes(b"\xff\xfe")
    for name, words in (("page.md", "not a page: it is not text"), ("none", "no such")):
        status, _, error = table(capsys, path, f"--output={tmp_path / name}")
        assert status == 1 and f"{tmp_path / name}" in error and words in error
    assert json.loads(path.read_text())["points"] == [{"codec": "klt"}]
