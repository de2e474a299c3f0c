"""What the comparison of our points with a paper needs: places, curves, intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

HOLDS, HOLDS_NOT, OPEN = "holds", "does not hold", "cannot be told here"
ENOUGH = 0.5  # Share of the paper's training steps that a comparison needs.
PUBLISHED_TEST = 20000  # Test matrices of the published COST 2100 release.
# Keys of points that say what was measured; those of results are compared.
PLACES = (
    *("codec", "dataset", "latent_dim", "codeword_bits", "steps", "snr_db"),
    *("precision", "train_on", "bpp_raw", "widths", "lmbda"),
)
# Lines of `tfcsi.papers.capacity`.
BOUNDS = (
    "capacity of the codeword, path coding",
    "capacity of the codeword, KLT",
    "the best linear code",
)


def place(point: Mapping) -> dict[str, Any]:
    """What a point was measured on: its keys that are among `PLACES`."""
    return {key: point[key] for key in PLACES if key in point}


def fitting(points: Sequence[Mapping], published: Mapping, key: str) -> Mapping | None:
    """Returns our point with a key at the place of a published one, or None."""
    wanted = place(published)
    for point in points:
        if key in point and is_at(point, wanted):
            return point
    return None


def hindrances(points: Sequence[Mapping], training: bool = True) -> list[str]:
    """What stands in the way of a comparison of points."""
    reasons = []
    shares = [p["steps_share"] for p in points if "steps_share" in p]
    if training and shares and min(shares) < ENOUGH:
        least = min((p for p in points if "steps_share" in p), key=_share)
        of_paper = round(least["train_steps"] / least["steps_share"])
        reasons.append(
            f"{least['codec']} was trained for {least['train_steps']:,} steps, the "
            f"paper's for {of_paper:,}"
        )
    strange = {(p["simulated"], p["dataset"]) for p in points if "simulated" in p}
    for channel, dataset in sorted(strange):
        if channel != dataset:
            reasons.append(f"simulated channels of {channel} stand in for {dataset}")
    return reasons


def is_at(point: Mapping, where: Mapping[str, Any]) -> bool:
    """Whether a point has some values."""
    return all(point.get(key) == value for key, value in where.items())


def _share(point: Mapping) -> float:
    return point["steps_share"]


def decide(
    low: float, high: float, least: float, reasons: Sequence[str], holds: str
) -> tuple[str, str]:
    """Verdict and reason for a value between low and high that must be `least`."""
    if reasons:
        return OPEN, "; ".join(reasons)
    if low >= least:
        return HOLDS, holds
    if high < least:
        return HOLDS_NOT, "even the favourable ends of the 95 % intervals miss it"
    return OPEN, "the 95 % intervals allow both"


def _curve(points: Sequence[Mapping], over: str | None) -> dict[str, np.ndarray]:
    """NMSE [dB] and its interval by rising `over`, arrays of one length."""
    rows = sorted(points, key=lambda p: p[over] if over else 0)
    keys = ("nmse_db", "nmse_db_low", "nmse_db_high")
    curve = {k: np.array([p.get(k, p["nmse_db"]) for p in rows]) for k in keys}
    curve["x"] = np.array([p[over] if over else 0.0 for p in rows], float)
    return curve


def gains(
    points: Sequence[Mapping],
    line: str,
    than: Sequence[str],
    over: str | None,
    where: Mapping[str, Any],
) -> tuple[np.ndarray, np.ndarray, list[Mapping]]:
    """How much better a line is than the best of others, where they overlap.

    Returns:
      NMSE [dB] of the line and of the best other, each [3, n]: the value, and the ends
      of its interval; and the points that were compared.
    """
    points = [p for p in points if is_at(p, where)]
    ours, best, used = [], [], []
    for dataset in dict.fromkeys(p["dataset"] for p in points):
        here = [p for p in points if p["dataset"] == dataset and "nmse_db" in p]
        of_line = [p for p in here if p["codec"] == line]
        of_others = [[p for p in here if p["codec"] == name] for name in than]
        if not of_line or not all(of_others):
            continue
        one, others = _curve(of_line, over), [_curve(o, over) for o in of_others]
        low = max([one["x"][0], *(o["x"][0] for o in others)])
        high = min([one["x"][-1], *(o["x"][-1] for o in others)])
        keep = (one["x"] >= low) & (one["x"] <= high)
        keys = ("nmse_db", "nmse_db_low", "nmse_db_high")
        ours.append(np.array([one[k][keep] for k in keys]))
        at = one["x"][keep]
        best.append(
            np.min([[np.interp(at, o["x"], o[k]) for k in keys] for o in others], 0)
        )
        used += [*of_line, *(p for o in of_others for p in o)]
    empty = np.zeros((3, 0))
    return np.hstack([empty, *ours]), np.hstack([empty, *best]), used
