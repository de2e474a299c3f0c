"""The page of faults says what the record says, and names tests that exist."""

from __future__ import annotations

import ast
import json
import re

from tests.hostile import page


def test_the_tables_of_the_page_are_those_of_the_record():
    assert page.page() == page.PAGE.read_text()


def test_the_record_has_inputs_of_each_kind_and_no_loss_of_a_job():
    record = json.loads(page.RECORD.read_text())
    assert len(record["inputs"]) >= 40
    assert all(each["inputs"] and each["commands"] for each in record["inputs"])
    assert not any(each["losses"] for each in record["faults"].values())


def test_each_row_of_the_page_names_a_test_that_exists():
    rows = re.findall(r"^\| .*`([\w/]+\.py)::(test_\w+)`", page.PAGE.read_text(), re.M)
    assert len(rows) > 15
    for file, test in rows:
        tree = ast.parse((page.ROOT / "tests" / file).read_text())
        names = {n.name for n in ast.walk(tree) if isinstance(n, ast.FunctionDef)}
        assert test in names, f"{file} has no {test}"
