"""The picture of an experiment: our points, and the values of the paper."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tfcsi.papers.experiment import Experiment
from tfcsi.papers.places import BOUNDS

_COLORS = 10


def draw(experiment: Experiment, points: Sequence[Mapping], budget: str) -> Figure:
    """Draws our points as lines and those of the paper as dashed lines with crosses.

    Args:
      experiment: Its `picture` and `published` values.
      points: Points of `runner.reproduce`.
      budget: Its budget, for the title.

    Returns:
      The figure, with axes for each source.
    """
    y = experiment.picture.get("y", "nmse_db")
    points = [point for point in points if y in point]
    published = [point for point in experiment.published if y in point]
    sources = list(dict.fromkeys(p["dataset"] for p in [*points, *published]))
    shown = [
        (source, x, label)
        for source in sources or ["nothing was measured"]
        for x, label in _axes_of(experiment.picture)
    ]
    size = (5.2 * len(shown) + 3.2, 4.8)
    figure = Figure(figsize=size, layout="constrained")
    names = list(dict.fromkeys(p["codec"] for p in [*points, *published]))
    colors = {name: f"C{i % _COLORS}" for i, name in enumerate(names)}
    grid = figure.subplots(1, len(shown), squeeze=False)[0]
    for axes, (source, x, label) in zip(grid, shown):
        ours, papers = (
            [p for p in part if p["dataset"] == source] for part in (points, published)
        )
        if x:
            _lines(axes, ours, papers, x, experiment.picture, y, colors)
            axes.set_xlabel(label)
            _bound(axes, ours, x, experiment.picture)
        else:
            _bars(axes, ours, papers, experiment.picture, y)
        axes.set_title(source, fontsize=10)
        axes.grid(alpha=0.3)
    figure.suptitle(_title(experiment, points, budget), fontsize=10)
    handles: dict[str, Any] = {}
    for axes in figure.axes:
        for handle, label in zip(*axes.get_legend_handles_labels()):
            handles.setdefault(label, handle)
    figure.legend(
        handles.values(), handles.keys(), loc="outside right center", fontsize=7
    )
    return figure


def _title(experiment: Experiment, points: Sequence[Mapping], budget: str) -> str:
    """Title of the picture; it says how long the networks were trained."""
    shares = [p["steps_share"] for p in points if "steps_share" in p]
    title = f"{experiment.title}, budget {budget}"
    if not shares:
        return title
    return f"{title}\ntrained for {100 * max(shares):.2g} % of the paper's steps"


def _axes_of(picture: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Key and label of each first axis; an empty key for bars."""
    x, label = picture.get("x", ""), picture.get("label", "")
    return [(x, label)] if isinstance(x, str) else list(zip(x, label))


def _lines(
    axes: Axes,
    points: Sequence[Mapping],
    published: Sequence[Mapping],
    x: str,
    picture: Mapping[str, Any],
    y: str,
    colors: Mapping[str, str],
) -> None:
    """One line for each codec, and for each value of `by`."""
    by = picture.get("by")
    parts = ((points, "o-", ""), (published, "x--", ", paper"))
    values = list(dict.fromkeys(p.get(by) for p in [*points, *published]))
    for part, style, suffix in parts:
        rows = [p for p in part if x in p]
        keys = dict.fromkeys((p["codec"], p.get(by) if by else None) for p in rows)
        for name, value in keys:
            line = [
                p for p in rows if p["codec"] == name and (not by or p.get(by) == value)
            ]
            line.sort(key=lambda p: p[x])
            label = name if value is None else f"{name}, {by} {value}"
            color = colors[name]
            if value is not None:
                color = f"C{values.index(value)}"
            marker, stroke = style[0], style[1:]
            if name in BOUNDS:
                marker, stroke, color = "^vs"[BOUNDS.index(name)], ":", "gray"
            axes.plot(
                *([p[key] for p in line] for key in (x, y)),
                marker=marker,
                linestyle=stroke,
                color=color,
                markersize=4,
                label=label + suffix,
            )
    axes.set(ylabel=picture.get("y_label", "NMSE [dB]"))
    if picture.get("log"):
        axes.set_xscale("log")
    if x == "latent_dim":
        lengths = sorted({p[x] for p in [*points, *published] if x in p})
        axes.set_xticks(lengths, labels=map(str, lengths))
        axes.minorticks_off()


def _bound(
    axes: Axes, points: Sequence[Mapping], x: str, picture: Mapping[str, Any]
) -> None:
    """Bits that a codeword can carry, above the axis, and levels of claims."""
    bits = {p[x]: p["capacity_bits"] for p in points if "capacity_bits" in p}
    if bits:
        above = axes.secondary_xaxis("top")
        above.set_xticks(sorted(bits), [f"{bits[at]:.0f}" for at in sorted(bits)])
        above.tick_params(labelsize=7)
        above.set_xlabel("most bits that the codeword carries", fontsize=8)
    for level, label in picture.get("levels", {}).items():
        height = float(level)
        axes.axhline(height, color="black", linestyle="--", linewidth=0.8, label=label)


def _bars(
    axes: Axes,
    points: Sequence[Mapping],
    published: Sequence[Mapping],
    picture: Mapping[str, Any],
    y: str,
) -> None:
    """A bar for each codec, ours beside the paper's."""
    rows = [*points, *published]
    names = list(dict.fromkeys(_label(p, picture) for p in rows))
    parts = ((points, -0.2, "ours", "C0"), (published, 0.2, "paper", "C1"))
    for part, shift, label, color in (each for each in parts if each[0]):
        at = np.array([names.index(_label(p, picture)) for p in part], float)
        values = [p[y] for p in part]
        axes.barh(at + shift, values, 0.38, color=color, label=label)
    axes.set_yticks(range(len(names)), names, fontsize=7)
    axes.invert_yaxis()
    axes.set_xlabel(picture.get("y_label", "NMSE [dB]"))
    if picture.get("log"):
        axes.set_xscale("log")


def _label(point: Mapping, picture: Mapping[str, Any]) -> str:
    """Name of a bar: the codec, and what else tells points apart."""
    more = [f"{key} {point[key]}" for key in picture.get("keys", ()) if key in point]
    return ", ".join([point["codec"], *more])
