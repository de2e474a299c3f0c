"""The log of a run: one row an epoch."""

from __future__ import annotations

import csv
import io
import os
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tfcsi import files

LOG_FILE = "log.csv"
MOST_POINTS = 10  # Epochs of a curve that a codec keeps.


def write_log(path: pathlib.Path, rows: list[dict[str, float]]) -> None:
    """Writes the log of a run; the file is replaced as a whole.

    Args:
      path: Path of log.csv.
      rows: One for each epoch, at least one; name of a column to number.
    """
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    files.write_text(path, text.getvalue())


def read_log(workdir: str | os.PathLike) -> list[dict[str, float]]:
    """Reads the log of a run.

    Args:
      workdir: Folder of the run.

    Returns:
      One row for each epoch: name of a column to number. `epoch` is an integer.

    Raises:
      FileNotFoundError: If log.csv is missing.
      ValueError: If it is damaged.
    """
    path = pathlib.Path(workdir, LOG_FILE)
    if not path.exists():
        raise FileNotFoundError(
            f"{path} is missing, so this run cannot be resumed or drawn: train again "
            f"in another folder"
        )
    try:
        with open(path, newline="") as file:
            rows = [{k: float(v) for k, v in r.items()} for r in csv.DictReader(file)]
        return [{**row, "epoch": int(row["epoch"])} for row in rows]
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path} is damaged: {error!r}") from error


def progress_of(rows: Sequence[Mapping[str, float]]) -> dict[str, Any]:
    """Says how the error on validation matrices fell, and whether it still does.

    Args:
      rows: Rows of the log, at least one.

    Returns:
      val_curve: [[seconds, NMSE [dB], bits], ...] of at most `MOST_POINTS` epochs; the
        last one is among them. The seconds count from the start of the training.
      val_gain_db: By how much [dB] the NMSE fell in the last quarter of that time.
    """
    seconds = np.cumsum([row["seconds"] for row in rows])
    nmse_db, bits = ([row[f"val_{key}"] for row in rows] for key in ("nmse_db", "bits"))
    spaced = np.linspace(len(rows) - 1, 0, min(len(rows), MOST_POINTS)).round()[::-1]
    curve = [
        [round(float(v), digits) for v, digits in zip(point, (1, 3, 1))]
        for point in (
            (seconds[i], nmse_db[i], bits[i]) for i in spaced.astype(int).tolist()
        )
    ]
    before = np.interp(0.75 * seconds[-1], seconds, nmse_db)
    return {"val_curve": curve, "val_gain_db": round(float(before - nmse_db[-1]), 3)}


def line(row: dict[str, float], epochs: int) -> str:
    """Returns the line of text that a training prints after an epoch.

    Args:
      row: Row of the log.
      epochs: Number of epochs of the training.

    Returns:
      Epoch, NMSE [dB], bits, loss and seconds.
    """
    return (
        f"epoch {row['epoch']:3d}/{epochs}  "
        f"train {row['train_nmse_db']:7.2f} dB {row['train_bits']:7.1f} bits  "
        f"val {row['val_nmse_db']:7.2f} dB {row['val_bits']:7.1f} bits  "
        f"loss {row['val_loss']:.5f}  {row['seconds']:.0f} s"
    )
