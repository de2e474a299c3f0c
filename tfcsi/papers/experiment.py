"""Experiments: the files of `experiments/`, a table or a figure of a paper each."""

from __future__ import annotations

import dataclasses
import json
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

_FOLDER = pathlib.Path(__file__).parent / "experiments"
BUDGETS = ("quick", "full", "long")
NEEDED = ("quick", "full")  # The budgets that every experiment has.


@dataclasses.dataclass(frozen=True)
class Line:
    """A line of a picture or rows of a table: a network at some settings.

    Attributes:
      name: Name of the line.
      config: Name of a config, with its argument, such as "paper_networks:crnet".
      fields: Fields of the config that differ, such as {"latent_dim": 256}.
      each: Fields to lists of values; each combination is trained.
      paper_steps: Training steps in the paper; None for those of the experiment.
      measure: A measure of its own; None for that of the experiment.
    """

    name: str
    config: str
    fields: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    each: Mapping[str, Sequence[Any]] = dataclasses.field(default_factory=dict)
    paper_steps: int | None = None
    measure: Mapping[str, Any] | None = None


@dataclasses.dataclass(frozen=True)
class Budget:
    """How much of an experiment is done.

    Attributes:
      hours: What it takes on two cores, about.
      fields: Fields of all configs, such as {"epochs": 1}. A shorter training has a
        warm-up that is shorter in proportion.
      fields_of: Name of a line to its fields, which take the place of those of all.
      num_test: Number of test matrices; all if None.
      lines: Names of the lines; all if None.
      sources: Names of the sources that are trained on; all if None.
      each: Values that take the place of those of the lines.
      measure: Arguments that take the place of those of the measure.
    """

    hours: float
    fields: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    fields_of: Mapping[str, Mapping[str, Any]] = dataclasses.field(default_factory=dict)
    num_test: int | None = None
    lines: Sequence[str] | None = None
    sources: Sequence[str] | None = None
    each: Mapping[str, Sequence[Any]] = dataclasses.field(default_factory=dict)
    measure: Mapping[str, Any] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Experiment:
    """A table or a figure of a paper.

    Attributes:
      name: Name of its file.
      title: System, and number of the table or figure.
      shows: What the table or figure shows.
      paper: Authors and title.
      values: Where the published values come from, or that they are not known.
      sources: Name of a source to the channel that is simulated if there are no files.
        If they differ, the channel only stands in for the source.
      lines: What is trained; `Line` each.
      measure: `kind`, a key of `measures.MEASURES`, and its arguments.
      budgets: "quick", "full" and perhaps "long" to a `Budget`.
      published: The values of the paper, as points with `codec` and `dataset`. The
        file has them as `columns` and `rows`; null stands for a value that is missing.
      claims: The claims of the paper: `words`, what it says; and `check`, the kind of
        comparison, a key of `checks.CHECKS`, with its arguments.
      picture: `x`, the key of points on the first axis; `label`; `log`, whether that
        axis is logarithmic; `levels`, NMSE [dB] to the label of a dashed line there.
        If empty, the picture has a bar for each point.
      paper_steps: Training steps in the paper; None if there is no training.
      test_on: Sources that the networks are tested on; None for their own.
      longer: Results files of longer trainings that other commands made.
      notes: What a reader must know of the paper's values or of ours.
    """

    name: str
    title: str
    shows: str
    paper: str
    values: str
    sources: Mapping[str, str]
    lines: Sequence[Line]
    measure: Mapping[str, Any]
    budgets: Mapping[str, Budget]
    published: Sequence[Mapping[str, Any]]
    claims: Sequence[Mapping[str, Any]]
    picture: Mapping[str, Any]
    paper_steps: int | None = None
    test_on: Sequence[str] | None = None
    longer: Sequence[str] = ()
    notes: Sequence[str] = ()


def names() -> list[str]:
    """Returns the names of the experiments."""
    return sorted(path.stem for path in _FOLDER.glob("*.json"))


def read(name: str) -> Experiment:
    """Reads an experiment.

    Args:
      name: One of `names()`.

    Raises:
      ValueError: If there is no such experiment; the message lists those there are.
    """
    path = _FOLDER / f"{name}.json"
    if name not in names():
        raise ValueError(f"unknown experiment {name!r}; known: {', '.join(names())}")
    fields = json.loads(path.read_text(encoding="utf-8"))
    fields["lines"] = [Line(**line) for line in fields["lines"]]
    budgets = fields["budgets"].items()
    fields["budgets"] = {key: Budget(**budget) for key, budget in budgets}
    columns, rows = (fields["published"][key] for key in ("columns", "rows"))
    fields["published"] = [
        {k: v for k, v in zip(columns, row) if v is not None} for row in rows
    ]
    return Experiment(name=name, **fields)
