"""Reports: an HTML page that needs no other file."""

from __future__ import annotations

import base64
import html
import os
from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure

from tfcsi import files, results
from tfcsi.evaluation.plots import png


def report(
    path: str | os.PathLike,
    title: str,
    text: str,
    points: Sequence[Mapping],
    figures: Mapping[str, Figure],
    notes: str = "",
) -> None:
    """Writes an HTML page that needs no other file.

    Args:
      path: File to write.
      title: Heading of the page.
      text: A paragraph that says what was done.
      points: Points of a results file, shown as a table. There may be none.
      figures: Figures by their captions.
      notes: Lines below the table.
    """
    parts = [
        f"<!doctype html><meta charset='utf-8'><title>{html.escape(title)}</title>",
        "<style>body{font:16px/1.5 sans-serif;max-width:60rem;margin:2rem auto;"
        "padding:0 1rem}pre{overflow-x:auto;background:#f4f4f4;padding:1rem;"
        "font-size:13px}img{max-width:100%}figure{margin:2rem 0}</style>",
        f"<h1>{html.escape(title)}</h1><p>{html.escape(text)}</p>",
    ]
    if points:
        parts.append(f"<pre>{html.escape(results.table(points))}</pre>")
    if notes:
        parts.append(f"<pre>{html.escape(notes)}</pre>")
    for caption, figure in figures.items():
        data = base64.b64encode(png(figure)).decode()
        caption = html.escape(caption)
        parts.append(
            f"<figure><img alt='{caption}' src='data:image/png;base64,{data}'>"
            f"<figcaption>{caption}</figcaption></figure>"
        )
    files.write_text(path, "\n".join(parts) + "\n")
