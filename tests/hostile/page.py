"""Writes the tables of docs/reliability.md from results/soak.json.

python -m tests.hostile.page
"""

from __future__ import annotations

import json
import pathlib
import re

ROOT = pathlib.Path(__file__).parents[2]
PAGE, RECORD = ROOT / "docs" / "reliability.md", ROOT / "results" / "soak.json"
GROUPS = (
    ("header", "Headers of sessions"),
    ("check:", "Packets, both formats"),
    ("payload:", "Packets with a check that fits, all codecs and coders"),
    ("tcsi:", "Files of packets, both formats"),
    ("tables:", "`tables.npz` of a phone"),
    ("config.json:", "`config.json` of a run"),
    ("codec.npz:", "`codec.npz` of a run"),
    ("npy", "`.npy` files"),
    ("npz", "`.npz` files"),
    ("mat73", "`.mat` files of v7.3"),
    ("mat", "`.mat` files of v4 and v5"),
    ("h5", "HDF5 files"),
    ("tfrecord", "TFRecord files"),
    ("tflite", "`.tflite` files of a phone"),
    ("weights:", "Files of weights to import: PyTorch, Keras, NumPy"),
    ("manifest", "Manifests of a zoo"),
    ("request", "Requests to the service"),
    ("answer", "Answers of the service"),
)


def inputs_table(record: dict) -> str:
    """The table of hostile inputs."""
    left = list(record["inputs"])
    rows = ["| kind | inputs | refused | faults | slowest |", "|---|---|---|---|---|"]
    for begin, name in GROUPS:
        part = [each for each in left if each["kind"].startswith(begin)]
        left = [each for each in left if each not in part]
        if part:
            inputs, refused, faults = (
                sum(each.get(key, 0) for each in part)
                for key in ("inputs", "refused", "faults")
            )
            slowest = max(each.get("slowest_seconds", 0) for each in part)
            counts = f"{inputs:,} | {refused:,} | {faults}"
            rows.append(f"| {name} | {counts} | {1000 * slowest:.0f} ms |")
    assert not left, left
    return "\n".join(rows)


def faults_table(record: dict) -> str:
    """The table of jobs that were killed or stopped."""
    rows = ["| fault | times | losses |", "|---|---|---|"]
    for name, counts in sorted(record.get("faults", {}).items()):
        rows.append(f"| {name} | {counts['times']} | {counts['losses']} |")
    return "\n".join(rows)


def page() -> str:
    """The page with its tables made anew."""
    record, text = json.loads(RECORD.read_text()), PAGE.read_text()
    for name, table in (("inputs", inputs_table), ("kills", faults_table)):
        text = re.sub(
            rf"(<!-- {name} -->\n).*?(<!-- end -->)",
            lambda found, table=table: found[1] + table(record) + "\n" + found[2],
            text,
            flags=re.DOTALL,
        )
    return text


if __name__ == "__main__":
    PAGE.write_text(page())
