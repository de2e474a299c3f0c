"""The card of a codec of the zoo, made from its manifest and its results file."""

from __future__ import annotations

import ast
import importlib.util
import json
from collections.abc import Mapping, Sequence
from typing import Any

from tfcsi import files, models, results, transforms
from tfcsi.codecs.workdir import CONFIG_FILE, KINDS
from tfcsi.codecs.zoo import CARD_FILE, RESULTS_FILE, Entry, points_of, usual

COLUMNS = ("dataset", "step", "bits", "nmse_db", "nmse_db_low", "sgcs")
TIMES = ("encode_ms", "decode_ms")


def write(entry: Entry) -> None:
    """Writes the card of a codec into its folder; errors as `text`."""
    files.write_text(entry.folder / CARD_FILE, text(entry))


def text(entry: Entry) -> str:
    """Returns the card of a codec, a Markdown page.

    Args:
      entry: A codec whose files were checked.

    Raises:
      ValueError: If config.json or the results file is damaged.
    """
    config = json.loads((entry.folder / CONFIG_FILE).read_text())
    points = points_of(entry)
    parts = [f"# {entry.name}", summary(config["model"]), _facts(entry, config, points)]
    parts.append("## Rate and NMSE")
    if points:
        parts += [_measured(points), _table(points)]
        parts.append(f"Made by `{_command_of(entry)}`.")
    else:
        parts.append(
            f"Not measured yet; `tfcsi zoo --measure={entry.name} --data_root=DIR` "
            f"measures it."
        )
    limits = "\n".join(f"- {limit}" for limit in _limits(entry, config, points))
    parts += ["## Limits", limits, "## Use", _use(entry.name, points)]
    return "\n\n".join(parts) + "\n"


def summary(model: str) -> str:
    """Returns the first paragraph of the docstring of a codec or a model, by name."""
    module = KINDS.get(model) or models.MODELS.get(model, "")
    spec = importlib.util.find_spec(module) if module else None
    if spec is None or not spec.origin:
        return f"A codec of the kind {model}."
    with open(spec.origin, encoding="utf-8") as file:
        lines = (ast.get_docstring(ast.parse(file.read())) or "").split("\n\n")[0]
    return " ".join(lines.split())


def _facts(entry: Entry, config: Mapping[str, Any], points: Sequence[Mapping]) -> str:
    """A table of what the codec is, what it costs, and where it comes from."""
    fields, size = entry.fields, config.get("shape", [])
    rows = [
        ("codec", f"`{config['model']}`"),
        (
            "matrices",
            f"{' x '.join(map(str, size))}, {transforms.domain_of(config)}",
        ),
        ("trained on", fields.get("data", "").replace(",", ", ")),
        ("seed", str(fields.get("seed", ""))),
        *(
            ("made before by", f"`{line}`")
            for line in fields.get("commands_before", [])
        ),
        ("command", f"`{fields['command']}`" if "command" in fields else ""),
        ("training time", _duration(fields)),
        ("of the paper's training", _share(points)),
        ("validation NMSE", _gain(points)),
        ("weights", fields.get("weights", "")),
        *_cost(points),
        *(
            (name, f"{stamp['bytes']:,} bytes, SHA-256 `{stamp['sha256']}`")
            for name, stamp in fields["files"].items()
            if name != RESULTS_FILE
        ),
        ("recorded by", f"tfcsi {fields['version']}"),
        ("licence", fields.get("licence", "")),
    ]
    lines = ["| | |", "|---|---|"]
    lines += [f"| {name} | {value} |" for name, value in rows if value]
    return "\n".join(lines)


def _share(points: Sequence[Mapping]) -> str:
    """The matrices of the training, relative to those of the paper's."""
    share = results.published_share(points[0]) if points else None
    return "" if share is None else f"{share:.2%} of its matrices"


def _gain(points: Sequence[Mapping]) -> str:
    """By how much the validation error still fell at the end, if it is known."""
    gain_db = points[0].get("val_gain_db") if points else None
    return "" if gain_db is None else f"{gain_db:.2f} dB in the last quarter of that"


def _duration(fields: Mapping[str, Any]) -> str:
    """The time of the training, and on what, if it is known."""
    if "train_seconds" not in fields:
        return ""
    place = f", {fields['device']}" if "device" in fields else ""
    before = fields.get("train_seconds_before", 0)
    after = f", after {before:,} s" if before else ""
    return f"{fields['train_seconds']:,} s{place}{after}"


def _cost(points: Sequence[Mapping[str, Any]]) -> list[tuple[str, str]]:
    """What the codec costs the UE, as far as the results file tells."""
    if not points:
        return []
    point = (usual(points) or points)[0]
    rows = []
    for key, words in (
        ("ue_bytes", "bytes at the UE"),
        ("ue_params", "parameters at the UE"),
        ("bs_params", "parameters at the base station"),
        ("ue_macs", "multiply-accumulates at the UE"),
        ("bs_macs", "multiply-accumulates at the base station"),
    ):
        value = point.get(key)
        if isinstance(value, Mapping):
            value = ", ".join(f"{number:,} ({name})" for name, number in value.items())
        elif value is not None:
            value = f"{value:,}"
        rows.append((words, value or ""))
    return rows


def _measured(points: Sequence[Mapping[str, Any]]) -> str:
    """What was measured on what."""
    numbers = {point["dataset"]: point["num_matrices"] for point in points}
    listed = ", ".join(f"{num:,} of {name}" for name, num in numbers.items())
    return (
        f"Test matrices that the training did not see: {listed}. Bits are those of "
        f"whole packets. The interval holds the mean NMSE with 95 %. Times are those "
        f"of the processor for a matrix, in one process that codes all of them."
    )


def _table(points: Sequence[Mapping[str, Any]]) -> str:
    keys = [
        key
        for key in (*COLUMNS, *TIMES)
        if any(point.get(key) is not None for point in points)
    ]
    return results.table(points, markdown=True, columns=keys)


def _command_of(entry: Entry) -> str:
    return results.read(entry.folder / RESULTS_FILE)["command"]


def _limits(
    entry: Entry, config: Mapping[str, Any], points: Sequence[Mapping[str, Any]]
) -> list[str]:
    """What the codec cannot do, by its config and its points."""
    num_tx, num_delay = config["shape"]
    limits = [
        f"It takes matrices of {num_tx} x {num_delay} in the domain "
        f"{transforms.domain_of(config)}."
    ]
    if config["model"] not in KINDS and not config.get("send_gain"):
        limits.append(
            "The power of a matrix is not sent: each matrix is scaled to "
            "max|h| = 0.5 first (`--scale`)."
        )
    if any("step" in point for point in points):
        limits.append(
            "One codec has all the rates: `--step`, `--nmse_db`, `--max_bits`."
        )
    elif points:
        limits.append("It has one rate: `--nmse_db` and `--max_bits` are refused.")
    data = entry.fields.get("data", "").replace(",", ", ")
    limits.append(
        f"It knows channels such as those of {data}. On others it may need more bits "
        f"or lose more: `tfcsi evaluate --codec={entry.name} --scenario=SOURCE` tells."
    )
    return limits


def _use(name: str, points: Sequence[Mapping[str, Any]]) -> str:
    wish = " --nmse_db=-15" if any("step" in point for point in points) else ""
    return (
        f"```\ntfcsi compress --codec={name}{wish} --input=h.npy --output=h.tcsi\n"
        f"tfcsi decompress --codec={name} --input=h.tcsi --output=h_hat.npy\n```"
    )
