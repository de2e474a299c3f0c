"""The examples in docstrings print what they say."""

from __future__ import annotations

import doctest
import importlib
import pathlib
import re

import pytest

ROOT = pathlib.Path(__file__).parents[1]
MODULES = sorted(
    ".".join(path.relative_to(ROOT).with_suffix("").parts)
    for path in (ROOT / "tfcsi").rglob("*.py")
    if ">>> " in path.read_text()
)


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_of_a_module_print_what_they_say(name):
    done = doctest.testmod(importlib.import_module(name))
    assert done.attempted > 0 and not done.failed


def test_five_modules_on_the_pages_of_the_api_have_examples():
    pages = (ROOT / "docs" / "api").glob("*.md")
    text = "\n".join(page.read_text() for page in pages)
    shown = re.findall(r"^::: ([\w.]+)$", text, re.M)
    with_examples = {m for m in MODULES if any(f"{n}.".startswith(m) for n in shown)}
    assert len(with_examples) >= 5
