"""The record of the soak, results/soak.json: what was read, and what came of it."""

from __future__ import annotations

import json
import pathlib
from collections.abc import Sequence

from tfcsi import files, results


def line(record: dict) -> str:
    """Returns a record as a line of text."""
    return (
        f"{record['kind']:32s} {record['inputs']:>10,} inputs, "
        f"{record.get('refused', 0):,} refused, {record['faults']} faults, slowest "
        f"{1000 * record.get('slowest_seconds', 0):.0f} ms, "
        f"{record.get('megabytes', 0)} MB {record.get('messages') or ''}"
    )


def write(
    path: str, argv: Sequence[str], records: Sequence[dict], add: bool = False
) -> None:
    """Puts records into the file.

    Args:
      path: The file; it is made if it is missing.
      argv: Command line that made the records.
      records: Each replaces the older one of its kind.
      add: Whether the counts of the older one are added instead.
    """
    place = pathlib.Path(path)
    content = json.loads(place.read_text()) if place.exists() else {}
    every = {record["kind"]: record for record in content.get("inputs", [])}
    for record in records:
        made = {**record, "commands": [results.command_line(list(argv))]}
        old = every.get(record["kind"]) if add else None
        every[record["kind"]] = _sum(old, made) if old else made
    content["inputs"] = [every[kind] for kind in sorted(every)]
    content["versions"] = results.versions()
    files.write_json(path, content)


def _sum(old: dict, new: dict) -> dict:
    """The counts of two soaks of a kind, the largest of its sizes and times."""
    out = {**old, **new}
    for key in ("inputs", "faults", "refused", "read"):
        out[key] = old.get(key, 0) + new.get(key, 0)
    for key in ("messages", "commands"):
        out[key] = old.get(key, []) + new.get(key, [])
    out["seconds"] = round(old.get("seconds", 0) + new.get("seconds", 0), 1)
    for key in ("slowest_seconds", "megabytes", "corpus"):
        if key in old or key in new:
            out[key] = max(old.get(key, 0), new.get(key, 0))
    return out
