"""What commands write and print: a results file, its picture, a table of points."""

from __future__ import annotations

import json
import os
import pathlib
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from tfcsi import files, results

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def publish(
    path: str | os.PathLike,
    points: list[dict],
    seed: int,
    draw: Callable[[list[dict]], Figure],
    facts: Mapping | None = None,
) -> None:
    """Writes a results file and, under the same name, the picture that draw makes.

    `facts` are further fields of the file.
    """
    from tfcsi.evaluation import plots

    path = pathlib.Path(path)
    results.write(path, points, seed, facts=facts)
    plots.save(draw(points), path.with_suffix(".png"))
    print(f"written to {path} and {path.with_suffix('.png')}")


def show(points: list[dict], table: str, as_json: bool) -> None:
    """Prints points: a table for a person, or JSON for a program.

    Args:
      points: Points of a results file.
      table: The same as a table.
      as_json: Whether JSON is printed.
    """
    print(json.dumps(points, indent=1) if as_json else table, flush=True)


def check_output(path: str | os.PathLike) -> None:
    """Refuses a results file before the work, if another file is in the way.

    The file, or its picture, would replace a file of another kind.
    """
    results.check_output(path)
    picture = pathlib.Path(path).with_suffix(".png")
    if picture.parent.is_dir():  # It is made with the results file.
        files.check_output(picture, files.PICTURE)


def columns(points: list[dict], keys: tuple[str, ...]) -> str:
    """Formats some fields of points, one point a line."""
    forms = {"codec": "{}", "nmse_db": "{:.2f}", "nmse_db_zero": "{:.2f}"}
    rows = [list(keys)]
    for point in points:
        rows.append([forms.get(key, "{:.4g}").format(point[key]) for key in keys])
    widths = [max(map(len, column)) for column in zip(*rows)]
    lines = ("  ".join(c.rjust(w) for c, w in zip(row, widths)) for row in rows)
    return "\n".join(lines)
