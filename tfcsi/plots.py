"""Pictures: rate-distortion, training curves, CSI matrices; and the HTML report."""

from __future__ import annotations

import base64
import html
import io
import os
from collections.abc import Mapping, Sequence

import matplotlib
import numpy as np
from matplotlib.figure import Figure

from tfcsi import files, metrics, results

matplotlib.use("Agg")


def rate_distortion(points: Sequence[Mapping]) -> Figure:
    """Draws NMSE over real bits, one line a codec.

    Args:
      points: Points of a results file; `nmse_db_low` and `nmse_db_high`, where there
        are any, become bars.
    """
    figure = Figure(figsize=(7, 4.5), layout="constrained")
    axes = figure.subplots()
    for name in dict.fromkeys(point["codec"] for point in points):
        line = sorted(
            (p for p in points if p["codec"] == name), key=lambda p: p["bits"]
        )
        nmse = np.array([p["nmse_db"] for p in line])
        low = [p.get("nmse_db_low", p["nmse_db"]) for p in line]
        high = [p.get("nmse_db_high", p["nmse_db"]) for p in line]
        bars = np.maximum([nmse - low, high - nmse], 0.0)
        axes.errorbar(
            [p["bits"] for p in line], nmse, bars, marker="o", capsize=3, label=name
        )
    axes.set(xlabel="bits of a packet (all counted)", ylabel="NMSE [dB]")
    axes.grid(alpha=0.3)
    axes.legend()
    return figure


def training_curves(rows: Sequence[Mapping[str, float]]) -> Figure:
    """Draws loss, NMSE and bits over the epochs of a log."""
    figure = Figure(figsize=(10, 3.2), layout="constrained")
    epochs = [row["epoch"] for row in rows]
    names = {"loss": "loss", "nmse_db": "NMSE [dB]", "bits": "payload bits"}
    for axes, (key, label) in zip(figure.subplots(1, 3), names.items()):
        for split in ("train", "val"):
            values = [row[f"{split}_{key}"] for row in rows]
            axes.plot(epochs, values, marker=".", label=split)
        axes.set(xlabel="epoch", ylabel=label)
        axes.grid(alpha=0.3)
        axes.legend()
    return figure


def csi(h: np.ndarray, h_hat: np.ndarray) -> Figure:
    """Draws true, reconstructed and error magnitude of a few matrices.

    Args:
      h: complex64 [n, num_tx, num_delay], n of a few.
      h_hat: complex64 [n, num_tx, num_delay].
    """
    figure = Figure(figsize=(8, 2.4 * len(h)), layout="constrained")
    grid = figure.subplots(len(h), 3, squeeze=False)
    nmse = metrics.to_db(metrics.nmse(h, h_hat))
    for row, true, back, loss in zip(grid, h, h_hat, nmse):
        names = ("true |h|", "received |h_hat|", f"error |h - h_hat|, {loss:.1f} dB")
        for axes, matrix, name in zip(row, (true, back, true - back), names):
            image = axes.imshow(np.abs(matrix), vmin=0, vmax=np.abs(true).max())
            axes.set(title=name, xlabel="delay [taps]", ylabel="angle [bins]")
        figure.colorbar(image, ax=list(row))
    return figure


def save(figure: Figure, path: str | os.PathLike) -> None:
    """Writes a figure as PNG, whole or not at all."""
    files.write_bytes(path, _png(figure))


def report(
    path: str | os.PathLike,
    title: str,
    text: str,
    points: Sequence[Mapping],
    figures: Mapping[str, Figure],
) -> None:
    """Writes one HTML page that needs no other file.

    Args:
      path: Where to.
      title: Heading.
      text: A paragraph on what was done.
      points: Points of a results file, shown as a table.
      figures: Caption to figure.
    """
    parts = [
        f"<!doctype html><meta charset='utf-8'><title>{html.escape(title)}</title>",
        "<style>body{font:16px/1.5 sans-serif;max-width:60rem;margin:2rem auto;"
        "padding:0 1rem}pre{overflow-x:auto;background:#f4f4f4;padding:1rem;"
        "font-size:13px}img{max-width:100%}figure{margin:2rem 0}</style>",
        f"<h1>{html.escape(title)}</h1><p>{html.escape(text)}</p>",
        f"<pre>{html.escape(results.table(points))}</pre>",
    ]
    for caption, figure in figures.items():
        data = base64.b64encode(_png(figure)).decode()
        caption = html.escape(caption)
        parts.append(
            f"<figure><img alt='{caption}' src='data:image/png;base64,{data}'>"
            f"<figcaption>{caption}</figcaption></figure>"
        )
    files.write_text(path, "\n".join(parts) + "\n")


def _png(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110)
    return buffer.getvalue()
