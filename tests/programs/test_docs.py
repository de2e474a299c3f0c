"""Every command of the pages of docs/ runs, on small data, in one project."""

import pathlib

import pytest

DOCS = pathlib.Path(__file__).parents[2] / "docs"
# In this order, because later pages use the runs of earlier ones.
PAGES = "commands quantisation noise models results phone csi_inr".split()
# Pages whose commands need more than this repository and small data.
ELSEWHERE = {
    "arm": "tests/programs/test_arm.py",
    "channels": "tests/channels/test_cost2100.py",
    "phone_table": "the same program as in results.md",
    "ue": "tests/test_ue.py",
}


@pytest.mark.slow
def test_every_command_of_the_docs_runs(run, pages, capsys):
    commands_of, _ = pages
    done = set()
    for page in PAGES:
        for line in commands_of(DOCS / f"{page}.md"):
            if line in done or line.startswith(("make ", "pip ")):
                continue
            status = run(line)
            shown = capsys.readouterr()
            # The small files are not the published ones, and a network of one epoch may
            # lose more than a check allows.
            allowed = (0, 1) if " check " in line else (int("data verify" in line),)
            assert status in allowed, (page, line, shown)
            done.add(line)
    assert len(done) > 30


def test_every_page_with_commands_is_run_here_or_elsewhere(pages):
    commands_of, _ = pages
    with_commands = {page.stem for page in DOCS.glob("*.md") if commands_of(page)}
    assert with_commands == {*PAGES, *ELSEWHERE}
