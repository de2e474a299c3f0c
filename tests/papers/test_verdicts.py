"""Verdicts claim no more than the points say."""

from __future__ import annotations

import dataclasses

import pytest

from tfcsi.papers import checks, experiment, verdicts
from tfcsi.papers.places import HOLDS, HOLDS_NOT, OPEN

BETTER = {"kind": "better", "line": "a", "than": ["b"], "over": "x", "by_db": 3.0}


def point(codec, nmse_db, half=0.1, share=1.0, **more):
    """A point whose 95 % interval reaches half to both sides."""
    ends = {"nmse_db_low": nmse_db - half, "nmse_db_high": nmse_db + half}
    facts = {"dataset": "cost2100_indoor", "train_steps": 100, "steps_share": share}
    return {"codec": codec, "nmse_db": nmse_db, **ends, **facts, "x": 1.0, **more}


def verdict(check, points, published=()):
    study = experiment.read("cllwcsinet-table3")
    claims = [{"words": "It is so.", "check": check}]
    study = dataclasses.replace(study, claims=claims, published=published)
    (judged,) = verdicts.judge(study, points)
    return judged


@pytest.mark.parametrize(
    ("gain", "expected"), [(4.0, HOLDS), (2.0, HOLDS_NOT), (3.1, OPEN)]
)
def test_a_gain_is_told_from_the_ends_of_the_intervals(gain, expected):
    points = [point("a", -10 - gain), point("b", -10)]
    assert verdict(BETTER, points).verdict == expected


def test_a_short_training_tells_nothing_of_a_gain():
    points = [point("a", -20), point("b", -10, share=0.4)]
    judged = verdict(BETTER, points)
    assert judged.verdict == OPEN and "100 steps, the paper's for 250" in judged.why
    assert "+10.00 dB" in judged.ours  # What was measured is told all the same.


def test_channels_that_stand_in_tell_nothing_of_the_source():
    points = [point("a", -20), point("b", -10, simulated="cost2100_outdoor")]
    judged = verdict(BETTER, points)
    assert judged.verdict == OPEN and "stand in for cost2100_indoor" in judged.why


def test_lines_are_compared_where_they_overlap():
    points = [point("a", y, x=x) for x, y in ((1.0, -9.0), (2.0, -14.0), (9.0, -50.0))]
    points += [point("b", y, x=x) for x, y in ((1.5, -10.0), (3.5, -14.0))]
    assert verdict(BETTER, points).ours.startswith("+3.00 dB")


def test_lines_that_do_not_overlap_are_told_from_those_that_are_missing():
    points = [point("a", -9.0), point("b", -9.0, x=2.0)]
    assert verdict(BETTER, points).why == "the lines do not overlap"
    assert "no such points" in verdict(BETTER, points[:1]).why


def test_a_short_training_may_show_that_a_value_is_reached_but_not_that_it_is_not():
    check = {"kind": "reaches", "line": "a", "where": {"x": 1.0}, "nmse_db": -11.0}
    assert verdict(check, [point("a", -12, share=0.01)]).verdict == HOLDS
    assert verdict(check, [point("a", -10, share=0.01)]).verdict == OPEN
    assert verdict(check, [point("a", -10)]).verdict == HOLDS_NOT


def test_counts_are_told_without_any_training():
    check = {"kind": "count", "key": "params"}
    published = [{"codec": "a", "params": 100}]
    near, far = ({"codec": "a", "dataset": "d", "params": n} for n in (100, 102))
    assert verdict(check, [near], published).verdict == HOLDS
    judged = verdict(check, [far], published)
    assert judged.verdict == HOLDS_NOT and "102 here, 100 there" in judged.why


def test_equal_values_tell_nothing_if_the_matrices_are_others():
    published = [{"codec": "a", "nmse_db": -10.0}]
    check = {"kind": "values", "within": 0.5}
    few, all_of_them = (point("a", -10.1, num_matrices=n) for n in (3000, 20000))
    assert verdict(check, [few], published).verdict == OPEN
    assert verdict(check, [all_of_them], published).verdict == HOLDS


def test_a_percentage_holds_only_in_both_of_its_readings():
    check = {"kind": "percent", "line": "a", "than": ["b"], "over": "x", "where": {}}
    points = [point("a", -12), point("b", -10)]  # 20 % of the dB, 37 % of the error.
    assert verdict({**check, "percent": 19.0}, points).verdict == HOLDS
    assert verdict({**check, "percent": 30.0}, points).verdict == OPEN
    assert verdict({**check, "percent": 40.0}, points).verdict == HOLDS_NOT


def test_a_curve_that_still_falls_is_not_flat():
    check = {"kind": "flat", "line": "a", "over": "x", "start": 3, "within_db": 0.3}
    points = [point("a", y, x=x) for x, y in ((2, -5.0), (3, -9.0), (8, -9.2))]
    assert verdict(check, points).verdict == HOLDS
    assert verdict(check, [*points, point("a", -9.5, x=9)]).verdict == HOLDS_NOT


def test_half_the_bytes_are_a_ratio_of_one_half():
    check = {"kind": "ratio", "line": "a", "key": "bytes", "most": 0.5}
    points = [
        point("a", -9, precision=name, bytes=size, latent_dim=512)
        for name, size in (("float32", 4000), ("dynamic", 1500))
    ]
    assert verdict(check, points).verdict == HOLDS
    assert verdict({**check, "most": 0.3}, points).verdict == HOLDS_NOT


@pytest.mark.parametrize("kind", sorted(checks.CHECKS))
def test_without_points_every_check_is_open(kind):
    claims = [c for n in experiment.names() for c in experiment.read(n).claims]
    fitting = [c["check"] for c in claims if c["check"]["kind"] == kind]
    assert fitting and verdict(fitting[0], []).verdict == OPEN
