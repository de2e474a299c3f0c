"""The log of a run: one row an epoch."""

from __future__ import annotations

import csv
import io
import os
import pathlib

from tfcsi import files

LOG_FILE = "log.csv"


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
