"""The files around the package agree with it: hooks, workflow, Makefile, setup.py."""

import pathlib
import re

import yaml

ROOT = pathlib.Path(__file__).parents[1]
MAKEFILE = (ROOT / "Makefile").read_text()
SETUP = (ROOT / "setup.py").read_text()


def test_the_commit_hooks_run_the_ruff_that_make_lint_runs():
    pinned = re.search(r'"(ruff==[\d.]+)"', SETUP)[1]
    (repo,) = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    hooks = {hook["id"]: hook for hook in repo["hooks"]}
    for name in ("ruff-format", "ruff-check"):
        assert hooks[name]["additional_dependencies"] == [pinned]


def test_the_docs_say_what_each_extra_of_setup_brings():
    block = SETUP[SETUP.index("extras_require") :].partition("entry_points")[0]
    extras = re.findall(r'^        "(\w+)":', block, re.MULTILINE)
    page = (ROOT / "docs" / "ue.md").read_text()
    assert len(extras) > 3
    assert not [name for name in extras if f"`tfcsi[{name}]`" not in page]


def test_the_workflow_runs_every_python_that_setup_allows():
    low, high = re.search(r'python_requires=">=3\.(\d+),<3\.(\d+)"', SETUP).groups()
    supported = [f"3.{minor}" for minor in range(int(low), int(high))]
    workflow = yaml.safe_load((ROOT / ".github/workflows/test.yml").read_text())
    assert workflow["jobs"]["test"]["strategy"]["matrix"]["python"] == supported


def test_the_workflow_runs_targets_that_the_makefile_has():
    jobs = yaml.safe_load((ROOT / ".github/workflows/test.yml").read_text())["jobs"]
    lines = [
        step["run"] for job in jobs.values() for step in job["steps"] if "run" in step
    ]
    targets = [line.split()[1] for line in lines if line.startswith("make ")]
    assert targets == ["test", "test-all"]
    for target in targets:
        assert re.search(rf"^{target}:", MAKEFILE, re.MULTILINE), target
