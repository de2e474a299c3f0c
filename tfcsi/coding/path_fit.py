"""Tables of path contexts from lists of paths: counts, and mixtures fitted by EM.

EM (Dempster, Laird and Rubin, "Maximum likelihood from incomplete data via the EM
algorithm", 1977): each path is shared out between the laws that could have placed it,
and each law becomes the histogram of its shares, until both agree.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tfcsi.coding import contexts, path_lists
from tfcsi.coding.atoms import EDGE, Atoms
from tfcsi.coding.contexts import (
    ANGLE_BOXES,
    ANYWHERE,
    DELAY_BOXES,
    END,
    FIRSTS,
    MASS,
    NEAR,
    NEAR_ANGLE,
    NEAR_DELAY,
    NORMS,
    NUM_CLASSES,
    SETS,
    START,
    STEPS_A_CONTEXT,
    SYMBOLS,
    WEIGHT,
    PathTables,
)
from tfcsi.coding.path_lists import Lists, fineness

_ROUNDS = 12
_PRIOR = 0.5  # Counts that each box of a histogram has before the first path.


def fit(
    norm: np.ndarray, steps: Sequence[int], lists: Sequence[Lists], atoms: Atoms
) -> PathTables:
    """Learns tables.

    Args:
      norm: int64 [n], numbers of norms of training matrices.
      steps: Numbers of steps, one for each of the lists.
      lists: Sorted lists of training matrices at these steps.
      atoms: The atoms of the places.

    Returns:
      PathTables.
    """
    counts = np.bincount(norm, minlength=NORMS).astype(float)
    # Other norms may come: a fiftieth for those about the training matrices'.
    far = np.abs(np.arange(NORMS) - np.median(norm))
    counts += len(norm) / 50 * 0.8**far / (0.8**far).sum()
    places = _Places(atoms)
    for rank_set in range(SETS):
        places.fit(rank_set, lists)
    return PathTables(
        norms=contexts.integers(counts, 1 << SYMBOLS),
        classes=_classes(steps, lists),
        weights=contexts.integers(places.weights, WEIGHT),
        **{
            name: contexts.integers(histogram, MASS)
            for name, histogram in places.histograms.items()
        },
    )


def _classes(steps: Sequence[int], lists: Sequence[Lists]) -> np.ndarray:
    """Probabilities of classes; rare contexts lean on those of the class before."""
    counts = np.zeros((NUM_CLASSES + 1, FIRSTS, NUM_CLASSES + 1))
    for step, some in zip(steps, lists):
        power, count = some.power, some.count
        start = step // STEPS_A_CONTEXT
        if not power.shape[1]:
            counts[START, start, END] += len(power)
            continue
        c = path_lists.class_of(np.maximum(power, 1))
        first, none = c[:, 0] // 2, np.full(len(c), start)
        before = np.full(len(power), START)
        for k in range(power.shape[1] + 1):
            rows = np.flatnonzero(count >= k)
            now = np.full(len(rows), END)
            if k < power.shape[1]:
                now = np.where(count[rows] > k, c[rows, k], END)
            np.add.at(counts, (before[rows], (first if k else none)[rows], now), 1)
            before[rows] = now
    possible = np.arange(NUM_CLASSES + 1) <= np.arange(NUM_CLASSES + 1)[:, None]
    possible[:, END] = True

    empty = np.diff(path_lists.lattice().first) == 0
    possible[:, :NUM_CLASSES] &= ~empty
    # A matrix without paths is rare in training, and must be cheap all the same.
    counts[START, :, END] += counts[START].sum(axis=1) / 50 + 1
    pooled = counts.sum(axis=1) + 0.02
    pooled = np.where(possible, pooled, 0)
    pooled /= pooled.sum(axis=1, keepdims=True)
    mixed = counts + 20 * pooled[:, None]
    mixed[START] += 20 * _starts(counts[START])
    total = 1 << SYMBOLS
    out = np.zeros(counts.shape, np.int64)
    for row in range(NUM_CLASSES + 1):
        allowed = np.flatnonzero(possible[row])
        share = mixed[row][:, allowed]
        out[row][:, allowed] = contexts.integers(share, total)
    return out


def _starts(counts: np.ndarray) -> np.ndarray:
    """Counts of the first classes, smoothed over steps: twice as fine, four more."""
    smooth = np.zeros_like(counts)
    total = counts[:, :END].sum() + 1e-9
    for one in range(FIRSTS):
        for other in range(FIRSTS):
            shift = 2 * (other - one)  # Classes for each half octave of steps.
            low, high = max(shift, 0), min(END + shift, END)
            if low < high:
                smooth[other, low:high] += counts[one, low - shift : high - shift]
    return smooth / total


def overlap(low: np.ndarray, width: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Returns how much of each box lies in intervals: float64 [..., boxes], 0..1."""
    start = np.maximum(low[..., None], edges[:-1])
    end = np.minimum((low + width)[..., None], edges[1:])
    return np.maximum(end - start, 0) / np.maximum(np.diff(edges), 1)


class _Places:
    """Histograms and weights while they are fitted."""

    def __init__(self, atoms: Atoms):
        self.atoms = atoms
        self.edges = {
            "delay": contexts.delay_edges(atoms.delay),
            "angle": contexts.angle_edges(atoms.angle),
            "delay_any": contexts.place_edges(atoms.delay),
            "angle_any": contexts.place_edges(atoms.angle),
        }
        shapes = PathTables.shapes(atoms.angle, atoms.delay)
        self.histograms = {
            name: np.full(shape, 1 / shape[-1])
            for name, (shape, _) in shapes.items()
            if name.startswith(("delay", "angle"))
        }
        self.weights = np.full((SETS, 4), 0.25)
        # The laws that are near begin near.
        near = np.exp(-0.5 * np.abs(np.arange(DELAY_BOXES) - DELAY_BOXES // 2))
        far = np.exp(-0.5 * np.arange(ANGLE_BOXES))
        for name, start in (("delay", near), ("angle", far)):
            self.histograms[f"{name}_near"][:] = start / start.sum()
            self.histograms[f"{name}_alone"][:] = start / start.sum()

    def fit(self, s: int, lists: Sequence[Lists]) -> None:
        """Fits the set `s` to all paths whose rank belongs to it."""
        groups = []
        for some in lists:
            for k in range(some.re.shape[1]):
                if contexts.set_of(k) == s:
                    rows = np.flatnonzero(some.power[:, k] > 0)
                    if rows.size:
                        groups.append(self._group(some[rows], k))
        for _ in range(_ROUNDS if groups else 0):
            self._round(s, groups)

    def _group(self, lists: Lists, k: int) -> dict[str, np.ndarray]:
        """What a round needs of the paths of rank k."""
        cell = EDGE >> fineness(lists.power[:, k])
        group = {}
        for name in ("delay", "angle"):
            axis = getattr(self.atoms, name)
            place = 2 * getattr(lists, name)[:, : k + 1].astype(np.int64)
            low = place[:, k] - cell // 2
            edges = self.edges[f"{name}_any"]
            if axis.circular:
                low = (low - edges[0]) % (EDGE * axis.size) + edges[0]
            group[f"{name}_any"] = overlap(low, cell, edges).astype(np.float32)
            distance = place[:, k:] - place[:, :k]
            if axis.circular:
                half = EDGE * axis.size // 2
                distance = (distance + half) % (2 * half) - half
            low, wide = distance - cell[:, None] // 2, cell[:, None]
            edges = self.edges[name]
            if name == "delay":
                group["delay"] = overlap(low, wide, edges).astype(np.float32)
                box = np.searchsorted(edges, distance, side="right") - 1
                group["box"] = np.clip(box, 0, DELAY_BOXES - 1)
            else:
                both = overlap(low, wide, edges) + overlap(-low - wide, wide, edges)
                group["angle"] = (both / 2).astype(np.float32)
        return group

    def _round(self, s: int, groups: Sequence[dict[str, np.ndarray]]) -> None:
        """One round of EM."""
        now = {name: h[s] for name, h in self.histograms.items()}
        new = {name: np.full(h.shape, _PRIOR) for name, h in now.items()}
        new["angle_near"] = now["angle_near"] * 2  # Rare boxes keep what they have.
        weights = np.full(4, 1e-3)
        for group in groups:
            rank = group["delay"].shape[1]
            each = self.weights[s] / max(rank, 1)
            of = {
                "delay_any": group["delay_any"] * now["delay_any"],
                "angle_any": group["angle_any"] * now["angle_any"],
                "delay_near": group["delay"] * now["delay_near"],
                "delay_alone": group["delay"] * now["delay_alone"],
                "angle_near": group["angle"] * now["angle_near"][group["box"]],
                "angle_alone": group["angle"] * now["angle_alone"],
            }
            mass = {name: x.sum(axis=-1) for name, x in of.items()}
            any_delay, any_angle = mass["delay_any"], mass["angle_any"]
            laws = {
                NEAR: each[NEAR] * mass["delay_near"] * mass["angle_near"],
                NEAR_DELAY: each[NEAR_DELAY] * mass["delay_alone"] * any_angle[:, None],
                NEAR_ANGLE: each[NEAR_ANGLE] * mass["angle_alone"] * any_delay[:, None],
            }
            alone = self.weights[s, ANYWHERE] if rank else 1.0
            anywhere = alone * any_delay * any_angle + 1e-12
            total = anywhere + sum(law.sum(axis=1) for law in laws.values())
            laws = {name: law / total[:, None] for name, law in laws.items()}
            anywhere = anywhere / total
            share = {
                "delay_near": laws[NEAR],
                "angle_near": laws[NEAR],
                "delay_alone": laws[NEAR_DELAY],
                "angle_alone": laws[NEAR_ANGLE],
                "delay_any": anywhere + laws[NEAR_ANGLE].sum(axis=1),
                "angle_any": anywhere + laws[NEAR_DELAY].sum(axis=1),
            }
            for name, part in share.items():
                rate = part / np.maximum(mass[name], 1e-30)
                if name == "angle_near":
                    boxes = group["box"].ravel()
                    spread = (rate[..., None] * of[name]).reshape(-1, ANGLE_BOXES)
                    for a in range(ANGLE_BOXES):
                        column = np.bincount(boxes, spread[:, a], DELAY_BOXES)
                        new[name][:, a] += column
                else:
                    spread = of[name].reshape(-1, of[name].shape[-1])
                    new[name] += rate.ravel() @ spread
            for law, part in laws.items():
                weights[law] += part.sum()
            weights[ANYWHERE] += anywhere.sum()
        for name, histogram in new.items():
            self.histograms[name][s] = histogram / histogram.sum(axis=-1, keepdims=True)
        self.weights[s] = weights / weights.sum()
