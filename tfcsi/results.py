"""Result files: what was measured, with all that is needed to measure it again."""

from __future__ import annotations

import datetime
import json
import os
import pathlib
import re
import sys
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from tfcsi import __version__, files

# Column of a table: heading, key of a point, format.
COLUMNS = (
    ("codec", "codec", "{}"),
    ("length", "latent_dim", "{}"),
    ("steps", "steps", "{}"),
    ("bits/entry", "codeword_bits", "{}"),
    ("SNR [dB]", "snr_db", "{:g}"),
    ("NMSE [dB]", "nmse_db", "{:.2f}"),
    ("95 % interval", ("nmse_db_low", "nmse_db_high"), "{:.2f} ... {:.2f}"),
    ("SGCS", "sgcs", "{:.4f}"),
    ("rho", "rho", "{:.4f}"),
    ("bits/CSI", "bits", "{:.1f}"),
    ("bytes/packet", "packet_bytes", "{:.1f}"),
    ("coding gain", "coding_gain", "{:.1%}"),
    ("parameters", "params", "{:,}"),
    ("UE parameters", "ue_params", "{:,}"),
    ("MACs", "macs", "{:,}"),
    ("UE bytes", "ue_bytes", "{:,}"),
    ("gzip bytes", "ue_bytes_gzip", "{:,}"),
    ("UE memory", "ue_memory", "{:,}"),
    ("loss [dB]", "nmse_loss_db", "{:.3f}"),
    ("symbols changed", "symbols_changed", "{:.2%}"),
    ("runtime", "runtime", "{}"),
    ("XNNPACK", "xnnpack", "{}"),
    ("us/CSI", "microseconds", "{:.0f}"),
    ("95 % below", "microseconds_95", "{:.0f}"),
    ("speedup", "speedup", "{:.2f}"),
    ("training [s]", "train_seconds", "{:.0f}"),
)


def versions() -> dict[str, str]:
    """Returns the versions of what a result depends on."""
    found = {"tfcsi": __version__, "numpy": np.__version__}
    found["python"] = sys.version.split()[0]
    if "tensorflow" in sys.modules:
        found["tensorflow"] = sys.modules["tensorflow"].__version__
    return found


def command_line(argv: Sequence[str]) -> str:
    """Returns a command line in which absolute paths are cut to their last part."""
    line = re.sub(r"(?:(?<=[=,\s])|^)/(?:[^\s,/]+/)*", "", " ".join(argv))
    return re.sub(r"^__main__\.py", "python -m tfcsi", line)


def write(
    path: str | os.PathLike, points: Iterable[Mapping], seed: int, command: str = ""
) -> None:
    """Writes a results file.

    Args:
      path: Where to; its folder is made.
      points: Dictionaries of `tfcsi.evaluation.measure` with `codec`, `dataset`,
        `split` and what else is known.
      seed: Seed of the runs.
      command: Command line that made them; that of this process if empty.
    """
    path = pathlib.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    now = datetime.datetime.now(datetime.timezone.utc)
    content = {
        "command": command or command_line(sys.argv),
        "created": now.isoformat(timespec="seconds"),
        "versions": versions(),
        "seed": seed,
        "points": [dict(point) for point in points],
    }
    files.write_text(path, json.dumps(content, indent=1) + "\n")


def read(path: str | os.PathLike) -> dict:
    """Reads a results file; ValueError names the file if it is none."""
    try:
        content = json.loads(pathlib.Path(path).read_text())
        content["points"]
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path} is not a results file: {error!r}") from error
    return content


def table(points: Iterable[Mapping], markdown: bool = False) -> str:
    """Formats points as a table of the columns that at least one of them has."""
    points = list(points)
    rows = []
    for heading, keys, form in COLUMNS:
        keys = (keys,) if isinstance(keys, str) else keys
        cells = [
            form.format(*(p[k] for k in keys)) if all(k in p for k in keys) else ""
            for p in points
        ]
        if any(cells):
            rows.append([heading, *cells])
    widths = [max(map(len, column)) for column in rows]
    lines = []
    for i in range(len(points) + 1):
        cells = [
            column[i].ljust(width) if column[0] == "codec" else column[i].rjust(width)
            for column, width in zip(rows, widths)
        ]
        line = " | ".join(cells) if markdown else "  ".join(cells)
        lines.append(f"| {line} |" if markdown else line.rstrip())
    rule = "|" + "|".join("-" * (w + 1) + ":" for w in widths) + "|"
    if markdown and widths:
        rule = "|" + "-" * (widths[0] + 2) + rule[widths[0] + 3 :]
    lines.insert(1, rule if markdown else "-" * max(map(len, lines)))
    return "\n".join(lines)


def insert(path: str | os.PathLike, sources: Iterable[str], text: str) -> None:
    """Puts a table between its markers in a Markdown file.

    Args:
      path: The file; it holds ``<!-- table: SOURCES -->`` and, later,
        ``<!-- end -->``, with SOURCES the names of the result files.
      sources: Result files the table was made from.
      text: The table.

    Raises:
      ValueError: If the file has no such markers.
    """
    path = pathlib.Path(path)
    content = path.read_text()
    begin, end = f"<!-- table: {' '.join(sources)} -->\n", "<!-- end -->"
    if begin not in content or end not in content.split(begin, 1)[1]:
        raise ValueError(f"{path} has no lines {begin.strip()!r} and {end!r}")
    before, after = content.split(begin, 1)
    after = after.split(end, 1)[1]
    files.write_text(path, f"{before}{begin}{text}\n{end}{after}")
