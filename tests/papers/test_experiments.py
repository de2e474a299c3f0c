"""The files of the experiments fit the package, and one command runs them."""

from __future__ import annotations

import dataclasses
import pathlib
import re

import pytest

from tfcsi import results
from tfcsi.__main__ import main
from tfcsi.coding.path_steps import step_number
from tfcsi.papers import (
    checks,
    experiment,
    measures,
    page,
    places,
    runner,
    verdicts,
)

ROOT = pathlib.Path(__file__).parents[2]
NAMES = experiment.names()
MEASURED = [n for n in NAMES if (ROOT / "results" / f"reproduce_{n}.json").exists()]
TABLE = "cllwcsinet-table1"  # The only one without a training.


@pytest.mark.parametrize("name", NAMES)
def test_an_experiment_names_lines_measures_and_checks_that_there_are(name):
    study = experiment.read(name)
    lines = {line.name for line in study.lines}
    assert {point["codec"] for point in study.published} <= lines
    assert {point["dataset"] for point in study.published} <= {*study.sources}
    for claim in study.claims:
        check = claim["check"]
        assert check["kind"] in checks.CHECKS and claim["words"].endswith(".")
        named = [check.get("line"), *check.get("than", ())]
        assert {*named} - {None} <= lines | {*places.BOUNDS}
    kinds = {study.measure["kind"]} | {
        x.measure["kind"] for x in study.lines if x.measure
    }
    assert kinds <= {*measures.MEASURES, "cost"}
    assert {*experiment.NEEDED} <= {*study.budgets} <= {*experiment.BUDGETS}
    for budget in study.budgets.values():
        assert {*(budget.lines or ())} <= lines
        assert {*(budget.sources or ())} <= {*study.sources}
        assert {*budget.fields_of} <= lines


def test_path_coding_has_the_steps_of_experiments_and_of_their_claims():
    asked = 0
    for study in map(experiment.read, NAMES):
        steps = {
            step
            for line in study.lines
            if line.measure and line.measure["kind"] == "path_rates"
            for step in line.measure["steps"]
        }
        asked += len({step_number(step) for step in steps})
        for claim in study.claims:
            step = claim["check"].get("where", {}).get("step")
            assert step is None or step in steps
    assert asked


@pytest.mark.parametrize(
    ("budget", "data_dir"),
    [("quick", None), pytest.param("full", "DIR", marks=pytest.mark.slow)],
)
@pytest.mark.parametrize("name", NAMES)
def test_every_training_of_an_experiment_has_a_config(name, budget, data_dir):
    study = experiment.read(name)
    limits, seen = study.budgets[budget], set()
    for line, source, fields in runner.jobs(study, limits):
        if line.config in seen:  # Others of this config differ in values alone.
            continue
        seen.add(line.config)
        channel = study.sources[source]
        config = runner.config_of(line, fields, limits, source, channel, data_dir)
        place = f"{config.dataset}_{config.scenario}"
        assert place == (source if data_dir else channel)
        own = limits.fields_of.get(line.name, {})
        for key, value in {**limits.fields, **own}.items():
            assert config[key] == value


def test_quick_budgets_take_half_an_hour_in_total():
    studies = map(experiment.read, NAMES)
    assert sum(study.budgets["quick"].hours for study in studies) <= 0.5


def test_a_shorter_training_has_a_shorter_rise_of_the_learning_rate():
    study = experiment.read("cllwcsinet-table3")
    line = next(line for line in study.lines if line.name == "crnet, conv latent")
    budget = study.budgets["full"]
    place = ("cost2100_indoor", "cost2100_indoor", None)
    config = runner.config_of(line, {}, budget, *place)
    assert config.warmup_epochs == pytest.approx(config.epochs * 30 / 2500)


def test_a_rise_of_the_learning_rate_that_a_line_names_is_kept():
    study = experiment.read("csi-inr-claim")
    (line,) = (line for line in study.lines if "warmup_epochs" in line.fields)
    for budget in study.budgets.values():
        place = ("raytraced_street_canyon", "cost2100_indoor", None)
        config = runner.config_of(line, {}, budget, *place)
        assert config.warmup_epochs == line.fields["warmup_epochs"]


def test_every_results_file_has_a_row_on_the_page_of_papers():
    text = (ROOT / "docs" / "papers.md").read_text()
    block = text[text.index(page.START) :].partition(page.END)[0]
    table = page.summary(ROOT / "results", "../results")
    assert block.partition("\n")[2].strip() == table
    for path in (ROOT / "results" / f"reproduce_{name}.json" for name in MEASURED):
        assert path.with_suffix(".png").exists() and path.with_suffix(".md").exists()


@pytest.mark.parametrize("name", MEASURED)
def test_the_verdicts_of_a_results_file_follow_from_its_points(name):
    content = results.read(ROOT / "results" / f"reproduce_{name}.json")
    judged = verdicts.judge(experiment.read(name), content["points"])
    assert content["verdicts"] == [dataclasses.asdict(verdict) for verdict in judged]
    written = (ROOT / "results" / f"reproduce_{name}.md").read_text()
    for verdict in judged:
        assert f"| {verdict.verdict} |" in written


def test_a_table_of_counts_is_made_by_one_command(tmp_path, monkeypatch, capsys):
    study = experiment.read(TABLE)
    few = dataclasses.replace(
        study, lines=[x for x in study.lines if x.name == "csinet"]
    )
    monkeypatch.setattr(experiment, "read", lambda name: few)
    summary = tmp_path / "papers.md"
    summary.write_text(f"# Papers\n\n{page.START}\n{page.END}\n")
    path = tmp_path / f"reproduce_{TABLE}.json"
    words = ["reproduce", TABLE, f"--output={path}", f"--page={summary}"]
    assert main(["tfcsi", *words]) == 0
    assert "1 of 1 agree to 1%: holds" in capsys.readouterr().out
    content = results.read(path)
    assert content["budget"] == "quick"
    assert [p["ue_params"] for p in content["points"]] == [1049130]
    text = path.with_suffix(".md").read_text()
    assert "| csinet | cost2100_indoor | 512 |" in text
    assert "1,049,130 | 1,052,000" in text
    assert path.with_suffix(".png").read_bytes()[:4] == b"\x89PNG"
    link = rf"\[CLLWCsiNet, Table I\]\(\./{path.stem}.md\)"
    assert re.search(link, summary.read_text())


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([TABLE, "--bits=3"], "--bits changes nothing in the study"),
        ([TABLE, "--dataset=cost2100_indoor"], "--dataset changes nothing in the"),
        (["papers", "--output=a.json"], "--output changes nothing in the study papers"),
        (["noise", "--budget=full"], "--budget changes nothing in the study noise"),
        (["noise", "--dataset=cost2100_indoor"], "expected --data_root"),
        (
            ["stqenet-fig5"],
            "it must be one of rate-distortion, noise, comparing, papers",
        ),
    ],
)
def test_flags_that_do_not_fit_the_study_are_refused(words, message, capsys):
    assert main(["tfcsi", "reproduce", *words]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.slow
def test_a_training_is_done_once_and_used_again(tmp_path, capsys):
    words = ["reproduce", "csi-inr-table4", f"--workdir={tmp_path / 'runs'}"]
    words += [f"--output={tmp_path / 'a.json'}", "--noprogress"]
    assert main(["tfcsi", *words]) == 0
    assert capsys.readouterr().out.count("training csi_inr") == 2
    first = results.read(tmp_path / "a.json")["points"]
    assert main(["tfcsi", *words]) == 0
    assert "training csi_inr" not in capsys.readouterr().out
    again = results.read(tmp_path / "a.json")["points"]
    assert [p["nmse_db"] for p in again] == [p["nmse_db"] for p in first]
    assert {p["simulated"] for p in first} == {"cost2100_indoor"}
