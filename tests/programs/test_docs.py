"""Every command of the pages of docs/ runs, on small data, in one project."""

import pathlib
import re
import shlex

import pytest

from tfcsi import __main__ as command_line
from tfcsi.codecs import zoo
from tfcsi.commands import flags

DOCS = pathlib.Path(__file__).parents[2] / "docs"
# In this order, because later pages use the runs of earlier ones.
PAGES = [
    *"commands index tasks/train tasks/choose tasks/rate tasks/compare".split(),
    *"tasks/scale import zoo quantisation entropy noise".split(),
    *"models results phone csi_inr cllwcsinet".split(),
]
# Pages whose commands need more than this repository and small data.
ELSEWHERE = {
    "arm": "tests/programs/test_arm.py",
    "comparing": "tests/papers/test_comparing.py",
    "channels": "tests/channels/test_cost2100.py",
    "serving": "tests/serving/test_server.py",
    "papers": "tests/papers/test_experiments.py",
    "phone_table": "the same program as in results.md",
    "ue": "tests/test_ue.py",
}

# Commands that tests of their own run: test_server.py, test_demo.py, test_readme.py.
OWN = ("tfcsi serve ", "tfcsi demo ")
OF_README = ("tfcsi advise --input=h.npy",)


@pytest.mark.slow
def test_every_command_of_the_docs_runs(run, pages, capsys):
    commands_of, _ = pages
    assert {*OF_README} <= {*commands_of(DOCS.parent / "README.md")}
    lines = {}
    for page in PAGES:
        for line in commands_of(DOCS / f"{page}.md"):
            if not line.startswith(("make ", "pip ", *OWN)) and line not in OF_README:
                lines.setdefault(line, page)
    failures = []
    for line, page in lines.items():
        status = run(line)
        shown = capsys.readouterr()
        # The small files are not the published ones, and a network of one epoch may
        # lose more than a check allows.
        allowed = (0, 1) if " check " in line else (int("data verify" in line),)
        if status not in allowed:
            failures.append(
                f"{page}.md: {line}\n{shown.out[-1000:]}{shown.err[-1000:]}"
            )
    assert len(lines) > 30
    assert not failures, "\n\n".join(failures)


def test_every_page_with_commands_is_run_here_or_elsewhere(pages):
    commands_of, _ = pages
    pages = [*DOCS.glob("*.md"), *DOCS.glob("tasks/*.md")]
    names = {page: str(page.relative_to(DOCS).with_suffix("")) for page in pages}
    with_commands = {names[page] for page in pages if commands_of(page)}
    assert with_commands == {*PAGES, *ELSEWHERE}


def written_commands():
    """The lines of tfcsi on README and docs, also those in indented blocks."""
    pages = (*DOCS.glob("*.md"), *DOCS.glob("tasks/*.md"))
    for page in (DOCS.parent / "README.md", *sorted(pages)):
        text = page.read_text().replace("\\\n", " ")
        code = re.findall(r"```.*?```|^ {4}[^\n]*$", text, re.DOTALL | re.M)
        for line in re.findall(r"^ *(tfcsi .+)$", "\n".join(code), re.M):
            yield page.name, shlex.split(line, comments=True)


@pytest.mark.parametrize("page, words", written_commands())
def test_every_flag_and_config_field_of_a_written_command_is_known(page, words):
    _, command, *rest = words
    args = command_line.parser_of(command).parse_args(rest)
    if getattr(args, "config", None):
        flags.config_of(args, tuning=command == "finetune")
    if command == "zoo" and args.add:  # A taken name would be refused.
        assert args.name not in zoo.entries()


def test_the_page_of_commands_has_every_command(pages):
    commands_of, _ = pages
    lines = [line.split() for line in commands_of(DOCS / "commands.md")]
    shown = {words[1] for words in lines if words[0] == "tfcsi"}
    assert shown == set(command_line.COMMANDS)
