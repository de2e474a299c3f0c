"""The checks of claims: each compares our points with a claim or a printed value.

A check takes an experiment, our points, and the arguments that a claim gives. It
returns what we measured in words, the verdict, and the reason.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from tfcsi.papers.experiment import Experiment
from tfcsi.papers.places import (
    HOLDS,
    HOLDS_NOT,
    OPEN,
    PUBLISHED_TEST,
    decide,
    fitting,
    gains,
    hindrances,
    is_at,
    place,
)


def _better(
    experiment: Experiment,
    points: Sequence[Mapping],
    line: str,
    than: Sequence[str],
    over: str | None = None,
    by_db: float = 0.0,
    where: Mapping[str, Any] | None = None,
) -> tuple[str, str, str]:
    """A line is better than the best of others by some dB, in the mean."""
    del experiment
    ours, best, used = gains(points, line, than, over, where or {})
    if not ours.size:
        measured = {p["codec"] for p in points if is_at(p, where or {})}
        apart = {line, *than} <= measured
        why = "the lines do not overlap" if apart else "this budget has no such points"
        return "not compared" if apart else "not measured", OPEN, why
    mean = (best[0] - ours[0]).mean()
    low, high = (best[1] - ours[2]).mean(), (best[2] - ours[1]).mean()
    text = f"{mean:+.2f} dB ({low:+.2f} to {high:+.2f}) in the mean"
    text += f", {1 - 10 ** (-mean / 10):.0%} less error"
    holds = f"at least {by_db:.2f} dB in the mean"
    return text, *decide(low, high, by_db, hindrances(used), holds)


def _percent(
    experiment: Experiment,
    points: Sequence[Mapping],
    line: str,
    than: Sequence[str],
    over: str,
    percent: float,
    where: Mapping[str, Any],
) -> tuple[str, str, str]:
    """A line is better by a percentage of dB or of linear NMSE; both are told."""
    del experiment
    ours, best, used = gains(points, line, than, over, where)
    if not ours.size:
        return "not measured", OPEN, "the lines do not overlap or were left out"
    of_db = 100 * (ours[0] / best[0] - 1).mean()
    gain = best[0] - ours[0]
    linear = 100 * (1 - 10 ** (-gain / 10)).mean()
    text = f"{of_db:+.1f} % of the dB, {linear:+.1f} % of the linear NMSE"
    reasons = hindrances(used)
    if reasons:
        return text, OPEN, "; ".join(reasons)
    if min(of_db, linear) >= percent:
        return text, HOLDS, "in both readings of the percentage"
    if max(of_db, linear) < percent:
        return text, HOLDS_NOT, "in neither reading of the percentage"
    return text, OPEN, "the paper does not say of which NMSE the percentage is"


def _reaches(
    experiment: Experiment,
    points: Sequence[Mapping],
    line: str,
    where: Mapping[str, Any],
    nmse_db: float,
) -> tuple[str, str, str]:
    """A line has at most some NMSE at a place. A short training may show it, too."""
    del experiment
    used = [p for p in points if is_at(p, {"codec": line, **where})]
    if not used:
        return "not measured", OPEN, "this budget has no such points"
    text = ", ".join(f"{p['nmse_db']:.2f} dB on {p['dataset']}" for p in used)
    worst = max(p.get("nmse_db_high", p["nmse_db"]) for p in used)
    best = min(p.get("nmse_db_low", p["nmse_db"]) for p in used)
    reasons = hindrances(used, training=worst > nmse_db)
    holds = "the whole 95 % interval is below that"
    return text, *decide(-worst, -best, -nmse_db, reasons, holds)


def _above(
    experiment: Experiment,
    points: Sequence[Mapping],
    where: Mapping[str, Any],
    datasets: Sequence[str],
    nmse_db: float,
) -> tuple[str, str, str]:
    """No line reaches some NMSE on some sources."""
    del experiment
    used = [p for p in points if is_at(p, where) and p["dataset"] in datasets]
    if not used:
        return "not measured", OPEN, "this budget has no such points"
    values = [p["nmse_db"] for p in used]
    text = f"{min(values):.2f} to {max(values):.2f} dB in {len(used)} tests"
    low = min(p.get("nmse_db_low", p["nmse_db"]) for p in used)
    high = min(p.get("nmse_db_high", p["nmse_db"]) for p in used)
    holds = f"all 95 % intervals are above {nmse_db:g} dB"
    return text, *decide(low, high, nmse_db, hindrances(used), holds)


def _slope(
    experiment: Experiment,
    points: Sequence[Mapping],
    line: str,
    over: str,
    where: Mapping[str, Any],
    low: float,
    high: float,
    slope: float,
    within: float,
) -> tuple[str, str, str]:
    """The NMSE changes by some dB for each unit of the axis, between two values."""
    del experiment
    used = [p for p in points if is_at(p, {"codec": line, **where}) and over in p]
    used = [p for p in used if p[over] in (low, high)]
    if len(used) != 2:
        return "not measured", OPEN, "this budget has no such points"
    used.sort(key=lambda p: p[over])
    found = (used[1]["nmse_db"] - used[0]["nmse_db"]) / (high - low)
    holds = f"it is {slope:g} dB to {within:g} dB"
    apart = -abs(found - slope)
    text = f"{found:+.2f} dB for each"
    return text, *decide(apart, apart, -within, hindrances(used), holds)


def _ratio(
    experiment: Experiment, points: Sequence[Mapping], line: str, key: str, most: float
) -> tuple[str, str, str]:
    """A value in 8 bits is at most a share of that in floats; no training counts."""
    del experiment
    texts, ratios = [], []
    for point in (p for p in points if is_at(p, {"codec": line})):
        if point["precision"] == "float32":
            continue
        whole = {**place(point), "precision": "float32"}
        (of_floats,) = (p for p in points if place(p) == whole)
        ratios.append(point[key] / of_floats[key])
        length = point["latent_dim"]
        texts.append(
            f"{point[key] / 1000:.1f} of {of_floats[key] / 1000:.1f} KB at {length} "
            f"({point['precision']})"
        )
    if not ratios:
        return "not measured", OPEN, "this budget has no such points"
    worst = -max(ratios)
    holds = f"at most {max(ratios):.0%}"
    return ", ".join(dict.fromkeys(texts)), *decide(worst, worst, -most, [], holds)


def _flat(
    experiment: Experiment,
    points: Sequence[Mapping],
    line: str,
    over: str,
    start: float,
    within_db: float,
) -> tuple[str, str, str]:
    """From a value of the axis on, a line gains less than some dB."""
    del experiment
    texts, gains, used = [], [], []
    for length in dict.fromkeys(p.get("latent_dim") for p in points):
        rows = [p for p in points if p["codec"] == line and over in p]
        rows = [p for p in rows if p.get("latent_dim") == length and p[over] >= start]
        if len(rows) < 2:
            continue
        rows.sort(key=lambda p: p[over])
        gain = rows[0]["nmse_db"] - min(p["nmse_db"] for p in rows)
        texts.append(f"{gain:.2f} dB at length {length}")
        gains.append(gain)
        used += rows
    if not gains:
        return "not measured", OPEN, "this budget has no such points"
    worst = -max(gains)
    holds = f"no gain is more than {within_db} dB"
    return ", ".join(texts), *decide(worst, worst, -within_db, hindrances(used), holds)


def _count(
    experiment: Experiment,
    points: Sequence[Mapping],
    key: str,
    tolerance: float = 0.01,
    lines: Sequence[str] | None = None,
) -> tuple[str, str, str]:
    """Counts equal the published ones to a share; a training changes nothing."""
    wrong, number = [], 0
    for published in experiment.published:
        if key not in published or lines and published["codec"] not in lines:
            continue
        bare = {k: published[k] for k in ("codec", "latent_dim") if k in published}
        point = fitting(points, bare, key)
        if point is None:
            continue
        number += 1
        if abs(point[key] / published[key] - 1) > tolerance:
            wrong.append(
                f"{published['codec']}: {point[key]:,} here, {published[key]:,} there"
            )
    if not number:
        return "not measured", OPEN, "this budget has no such points"
    text = f"{number - len(wrong)} of {number} agree to {tolerance:.0%}"
    if wrong:
        return text, HOLDS_NOT, "; ".join(wrong)
    return text, HOLDS, "all counts agree"


def _values(
    experiment: Experiment,
    points: Sequence[Mapping],
    key: str = "nmse_db",
    within: float = 0.5,
    lines: Sequence[str] | None = None,
) -> tuple[str, str, str]:
    """Values equal the published ones within some tolerance."""
    pairs = []
    for published in experiment.published:
        if key in published and (not lines or published["codec"] in lines):
            if (point := fitting(points, published, key)) is not None:
                pairs.append((point, published))
    if not pairs:
        return "not measured", OPEN, "this budget has no such points"
    apart = np.array([point[key] - published[key] for point, published in pairs])
    unit = " dB" if key.endswith("_db") else ""
    text = f"{apart.mean():+.3g}{unit} in the mean over {len(pairs)} values"
    text += f" ({apart.min():+.3g} to {apart.max():+.3g})"
    used = [point for point, _ in pairs]
    reasons = hindrances(used)
    if any(p.get("num_matrices", 0) < PUBLISHED_TEST for p in used):
        reasons.append("the matrices are not those of the paper")
    worst = -np.abs(apart).max()
    holds = f"all differences are below {within:g}{unit}"
    return text, *decide(worst, worst, -within, reasons, holds)


def _words(
    experiment: Experiment, points: Sequence[Mapping], why: str
) -> tuple[str, str, str]:
    """Nothing to compare with."""
    del experiment
    measured = [p["nmse_db"] for p in points if "nmse_db" in p]
    if not measured:
        return "not measured", OPEN, why
    text = f"{len(measured)} values, {min(measured):.2f} to {max(measured):.2f} dB"
    return text, OPEN, why


CHECKS: Mapping[str, Callable[..., tuple[str, str, str]]] = {
    "better": _better,
    "percent": _percent,
    "reaches": _reaches,
    "above": _above,
    "slope": _slope,
    "ratio": _ratio,
    "flat": _flat,
    "count": _count,
    "values": _values,
    "words": _words,
}
