"""The page of an experiment, and the table of all of them."""

from __future__ import annotations

import dataclasses
import pathlib
import re
from collections.abc import Mapping, Sequence

from tfcsi import files, results
from tfcsi.papers import experiment as experiments
from tfcsi.papers.experiment import Experiment
from tfcsi.papers.places import OPEN, PLACES, fitting
from tfcsi.papers.verdicts import Verdict

START, END = "<!-- experiments -->", "<!-- end -->"
# Key of a point, heading, format; each with a column for the paper.
_COMPARED = (
    ("nmse_db", "NMSE [dB]", "{:.2f}"),
    ("coding_gain_estimated", "coding gain", "{:.1%}"),
    ("params", "parameters", "{:,}"),
    ("ue_params", "UE parameters", "{:,}"),
    ("macs", "MACs", "{:,}"),
    ("ue_macs", "UE MACs", "{:,}"),
    ("bytes", "bytes", "{:,}"),
)
_ALONE = (
    ("bits", "bits", "{:.1f}"),
    ("train_steps", "training steps", "{:,}"),
    ("train_seconds", "training [s]", "{:.0f}"),
    ("num_matrices", "test matrices", "{:,}"),
)


def section(
    experiment: Experiment, content: Mapping, verdicts: Sequence[Verdict], picture: str
) -> str:
    """Returns the page of an experiment in Markdown.

    Args:
      experiment: What was done.
      content: Of its results file, as `results.read` returns it.
      verdicts: On its claims.
      picture: Name of the file of its picture.
    """
    points, budget = content["points"], content["budget"]
    hours = experiment.budgets[budget].hours
    lines = [
        f"# {experiment.title}",
        "",
        f"{experiment.paper}. {experiment.shows}",
        "",
        f"Budget `{budget}`, about {_duration(hours)} on two cores. "
        f"{experiment.values}",
        "",
        f"    {content['command']}",
        "",
        "| claim of the paper | ours | verdict | why |",
        "|---|---|---|---|",
        *(_row(dataclasses.astuple(verdict)) for verdict in verdicts),
        "",
        f"![{experiment.title}]({picture})",
        "",
        table(experiment, points),
    ]
    if stand_ins := sorted({p["simulated"] for p in points if "simulated" in p}):
        lines += ["", f"The channels were simulated: {', '.join(stand_ins)}."]
    for note in experiment.notes:
        lines += ["", note]
    if experiment.longer:
        named = ", ".join(f"`results/{name}`" for name in experiment.longer)
        lines += ["", f"Longer trainings of ours, made by other commands: {named}."]
    return "\n".join(lines) + "\n"


def table(experiment: Experiment, points: Sequence[Mapping]) -> str:
    """Returns the values of the paper beside ours, in Markdown.

    Args:
      experiment: Its published values.
      points: Our points. A published value without a point has a row of its own.
    """
    places = [
        k for k in PLACES if any(k in p for p in [*points, *experiment.published])
    ]
    if all(point["train_on"] == point["dataset"] for point in points):
        places = [key for key in places if key != "train_on"]
    printed = {key for published in experiment.published for key in published}
    compared = [c for c in _COMPARED if c[0] in printed | {"nmse_db", "bytes"}]
    used: set[int] = set()
    rows = []
    for point in points:
        at = {k: point[k] for k in places if k in point}
        row = [str(at.get(k, "")) for k in places]
        for key, _, form in compared:
            paper = ""
            for i, published in enumerate(experiment.published):
                if key in published and fitting([point], published, key) is point:
                    paper = form.format(published[key])
                    used.add(i)
            row += [form.format(point[key]) if key in point else "", paper]
        row += [form.format(point[k]) if k in point else "" for k, _, form in _ALONE]
        rows.append(row)
    for i, published in enumerate(experiment.published):
        if i not in used:
            row = [str(published.get(k, "")) for k in places]
            for key, _, form in compared:
                row += ["", form.format(published[key]) if key in published else ""]
            rows.append([*row, *("" for _ in _ALONE)])
    heads = [*places]
    for _, heading, _ in compared:
        heads += [f"{heading}, ours", f"{heading}, paper"]
    heads += [heading for _, heading, _ in _ALONE]
    kept = [i for i in range(len(heads)) if any(row[i] for row in rows)]
    lines = [[heads[i] for i in kept], ["---"] * len(kept)]
    lines += [[row[i] for i in kept] for row in rows]
    return "\n".join(map(_row, lines))


def summary(folder: pathlib.Path, link: str) -> str:
    """Returns the table of all experiments that have a results file in a folder.

    Args:
      folder: Folder of the results files.
      link: Way from the page of the table to that folder, such as "../results".

    Raises:
      ValueError: As `results.read`.
    """
    lines = [
        "| table or figure | budget | claim of the paper | ours | verdict | why |",
        "|---|---|---|---|---|---|",
    ]
    for name in experiments.names():
        path = folder / f"reproduce_{name}.json"
        if not path.exists():
            continue
        content = results.read(path)
        title = f"[{experiments.read(name).title}]({link}/{path.stem}.md)"
        for i, verdict in enumerate(content["verdicts"]):
            head = [title if not i else "", content["budget"] if not i else ""]
            words = [verdict[key] for key in ("claim", "ours", "verdict", "why")]
            lines.append(_row([*head, *words]))
    return "\n".join(lines)


def insert(path: pathlib.Path, text: str) -> None:
    """Puts the table of all experiments between its markers in a page.

    Args:
      path: Markdown file with the lines `START` and, later, `END`.
      text: The table.

    Raises:
      ValueError: If the file is no text or has no such lines.
      OSError: If it cannot be read.
    """
    files.check_input(path)
    try:
        content = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise ValueError(f"{path} is not a page: it is not text") from None
    block = re.compile(f"{re.escape(START)}\n.*?{re.escape(END)}", re.DOTALL)
    if not block.search(content):
        raise ValueError(f"{path} has no line '{START}' with a line '{END}' after it")
    new = f"{START}\n{text}\n{END}"
    files.write_text(path, block.sub(lambda _: new, content, count=1))


def line(verdict: Verdict) -> str:
    """Returns a verdict as a line of text."""
    mark = "?" if verdict.verdict == OPEN else "="
    return f"{mark} {verdict.claim} {verdict.ours}: {verdict.verdict} ({verdict.why})"


def _duration(hours: float) -> str:
    return f"{60 * hours:.0f} minutes" if hours < 1 else f"{hours:g} hours"


def _row(texts: Sequence[str]) -> str:
    """A row of a Markdown table."""
    cells = (" ".join(text.split()).replace("|", "\\|") for text in texts)
    return f"| {' | '.join(cells)} |"
