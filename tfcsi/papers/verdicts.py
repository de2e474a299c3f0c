"""Verdicts: what our points say of a claim of a paper.

A claim holds if even the unfavourable ends of the 95 % intervals satisfy it, and does
not hold if even the favourable ends miss it. Between the two, and wherever something
stands in the way of a comparison, it cannot be told here: a training that had less than
half of the paper's steps, channels that only stand in for those of the paper, lines
that were left out, or values that are not known.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

from tfcsi.papers.checks import CHECKS
from tfcsi.papers.experiment import Experiment


@dataclasses.dataclass(frozen=True)
class Verdict:
    """What our points say of a claim.

    Attributes:
      claim: The claim in words.
      ours: What we measured, in words.
      verdict: `HOLDS`, `HOLDS_NOT` or `OPEN` of `places`.
      why: The reason.
    """

    claim: str
    ours: str
    verdict: str
    why: str


def judge(experiment: Experiment, points: Sequence[Mapping]) -> list[Verdict]:
    """Compares points with each claim of an experiment.

    Args:
      experiment: Its claims and published values.
      points: Points of `runner.reproduce`.

    Raises:
      ValueError: If a claim has a check that is not known.
    """
    verdicts = []
    for claim in experiment.claims:
        arguments = dict(claim["check"])
        kind = arguments.pop("kind")
        if kind not in CHECKS:
            raise ValueError(f"check is {kind!r}; known: {', '.join(CHECKS)}")
        found = CHECKS[kind](experiment, points, **arguments)
        verdicts.append(Verdict(claim["words"], *found))
    return verdicts
