"""Each convention of docs/conventions.md names a test that there is."""

import ast
import pathlib
import re

ROOT = pathlib.Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "conventions.md").read_text()


def test_every_convention_names_a_test_that_exists():
    rows = [row for row in PAGE.splitlines() if row.startswith("| ")]
    rows = [row for row in rows if row != "| convention | test |"]
    assert len(rows) > 15
    for row in rows:
        named = re.findall(r"`([\w/]+\.py)::(test_\w+)`", row)
        assert len(named) == 1, row
        ((file, test),) = named
        tree = ast.parse((ROOT / "tests" / file).read_text())
        functions = {n.name for n in tree.body if isinstance(n, ast.FunctionDef)}
        assert test in functions, f"{file} has no {test}"
