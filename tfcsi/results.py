"""Result files: what was measured, and all that is needed to measure it again."""

from __future__ import annotations

import datetime
import json
import os
import pathlib
import re
import shlex
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from tfcsi import __version__, files, schedules

# A column of a table: its heading, the key (or keys) of a point, the format.
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
    ("packets changed", "packets_changed_share", "{:.2%}"),
    ("runtime", "runtime", "{}"),
    ("XNNPACK", "xnnpack", "{}"),
    ("us/CSI", "microseconds", "{:.0f}"),
    ("95 % below", "microseconds_95", "{:.0f}"),
    ("speedup", "speedup", "{:.2f}"),
    ("training [s]", "train_seconds", "{:.0f}"),
    ("BD-rate", "bd_rate", "{:+.1%}"),
    ("encoder [ms]", "encode_ms", "{:.2f}"),
    ("decoder [ms]", "decode_ms", "{:.2f}"),
)
# Columns that a table has only if they are asked for by key.
COLUMNS_ON_REQUEST = (
    ("source", "dataset", "{}"),
    ("step", "step", "{:.4g}"),
    ("file bytes", "file_bytes", "{:,}"),
    ("bytes of UE and BS", "bytes", "{:,}"),
    ("files", "place", "{}"),
    ("configuration", "configuration", "{}"),
    ("epochs", "epochs", "{}"),
    ("of the paper's training", "published_share", "{:.2%}"),
    ("last quarter [dB]", "val_gain_db", "{:.2f}"),
    ("most bits", "most_bits", "{:.0f}"),
    ("meets it", "meets", "{}"),
    ("effect", "effect", "{}"),
    ("other way [dB]", "nmse_other_db", "{:.2f}"),
    ("difference [dB]", "difference_db", "{:+.2f}"),
    *((f"{n} bits [dB]", f"nmse_db_{n}", "{:.2f}") for n in (64, 128, 256, 512, 1024)),
)


def versions() -> dict[str, str]:
    """Returns the version of each package that a result depends on.

    Returns:
      Name to version of tfcsi, NumPy and Python; of TensorFlow too if it is imported.
    """
    numbers = {"tfcsi": __version__, "numpy": np.__version__}
    numbers["python"] = sys.version.split()[0]
    if "tensorflow" in sys.modules:
        numbers["tensorflow"] = sys.modules["tensorflow"].__version__
    return numbers


def command_line(argv: Sequence[str]) -> str:
    """Returns a command line with each absolute path cut to its last part.

    Args:
      argv: Name of the program and its arguments, as in `sys.argv`.

    Returns:
      One line. `tfcsi` started as a module begins with "python -m tfcsi".
    """
    words = [re.sub(r"(?:(?<=[=,\s])|^)/(?:[^,/]+/)*", "", word) for word in argv]
    return re.sub(r"^__main__\.py", "python -m tfcsi", shlex.join(words))


def write(
    path: str | os.PathLike,
    points: Iterable[Mapping],
    seed: int,
    command: str = "",
    facts: Mapping | None = None,
) -> None:
    """Writes a results file.

    Args:
      path: File to write. Its folder is made if it is missing.
      points: Dictionaries as `tfcsi.evaluation.measure` returns them, with `codec`,
        `dataset`, `split` and any further facts.
      seed: Seed of the runs.
      command: Command line that made the points. If empty, the command line of this
        process is written.
      facts: Further fields of the file.

    Raises:
      FileExistsError: If the file exists and is not a results file.
      ValueError: If a number is NaN or infinite; the message names it.
    """
    path = pathlib.Path(path)
    check_output(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    now = datetime.datetime.now(datetime.timezone.utc)
    content = {
        "command": command or command_line(sys.argv),
        "created": now.isoformat(timespec="seconds"),
        "versions": versions(),
        "seed": seed,
        **(facts or {}),
        "points": [dict(point) for point in points],
    }
    files.write_json(path, content, indent=1)


def check_output(path: str | os.PathLike) -> None:
    """Refuses to replace a file that is not a results file by one.

    Args:
      path: File to write; it need not exist.

    Raises:
      FileExistsError: If it exists and is of another kind.
      IsADirectoryError: If it is a folder.
      OSError: If it cannot be written. A folder that is missing is made by `write`.
    """
    path = pathlib.Path(path)
    if path.is_dir():
        raise IsADirectoryError(f"{path} is a folder; give the name of a file")
    files.check_folder(path.parent)
    if path.is_file() and path.stat().st_size:
        try:
            read(path)
        except ValueError:
            raise FileExistsError(
                f"{path} exists and is not a results file, so it is not replaced; give "
                f"another --output"
            ) from None


def read(path: str | os.PathLike) -> dict:
    """Reads a results file.

    Args:
      path: File that `write` made.

    Returns:
      Its content: `command`, `created`, `versions`, `seed` and `points`.

    Raises:
      ValueError: If the file is not a results file. The message names it.
      OSError: As `files.check_input`.
    """
    files.check_input(path)
    try:
        content = json.loads(pathlib.Path(path).read_text(encoding="utf-8"))
    except UnicodeDecodeError:
        raise ValueError(f"{path} is not a results file: it is not text") from None
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} is not a results file: {error}") from None
    points = content.get("points") if isinstance(content, dict) else None
    if not isinstance(points, list):
        raise ValueError(f"{path} is not a results file: it has no list of points")
    for i, point in enumerate(points):
        if not isinstance(point, dict):
            raise ValueError(f"{path} is not a results file: point {i} has no fields")
    return content


def configuration(config: Mapping) -> str:
    """Says in a few words which variant of a model a run is.

    Args:
      config: The config of a run, as points hold it.

    Returns:
      The options of the network that have a name, the start of the weights unless it
      is random; then, after a semicolon, quantiser, prior and coder.
    """
    network = config.get("network", {})
    words = [f"{v} {k}" for k, v in sorted(network.items()) if isinstance(v, str)]
    if config.get("init", "random") != "random":
        words.append(f"{config['init'].upper()} start")
    rate = [str(config[k]) for k in ("quantizer", "prior", "coder") if k in config]
    return "; ".join(", ".join(part) for part in (words, rate) if part)


def of_codecs(points: Iterable[Mapping], codecs: Sequence[str]) -> list[Mapping]:
    """Returns the points of some codecs.

    Args:
      points: Points of a results file.
      codecs: Names of codecs, up to a comma; all if there are none.

    Raises:
      ValueError: If a codec has no point.
    """
    named = [(str(point.get("codec", "")).split(",")[0], point) for point in points]
    for name in codecs:
        if name not in [own for own, _ in named]:
            raise ValueError(f"no point of the codec {name!r}")
    return [point for own, point in named if not codecs or own in codecs]


def table(
    points: Iterable[Mapping], markdown: bool = False, columns: Sequence[str] = ()
) -> str:
    """Formats points as a table.

    Args:
      points: Points of results files, one row each.
      markdown: Whether to write a Markdown table instead of plain text.
      columns: Keys of the columns to show, in order, such as "codec", "bits" or
        "configuration". The interval of the NMSE has the key "nmse_db_low". If empty,
        the table has every column of `COLUMNS` that at least one point fills.

    Returns:
      The table, its lines joined by line ends.

    Raises:
      ValueError: If a key has no column, or a value is of another type than its column.

    Examples:
      >>> print(table([{"codec": "paths", "bits": 84.02, "nmse_db": -11.654}]))
      codec  NMSE [dB]  bits/CSI
      --------------------------
      paths     -11.65      84.0
    """
    points = list(points)
    filled = filled_columns(points, columns, markdown)
    widths = [max(map(len, column)) for column in filled]
    to_left = ("codec", "source", "configuration", "effect")
    lines = []
    for i in range(len(points) + 1):
        cells = [
            column[i].ljust(width) if column[0] in to_left else column[i].rjust(width)
            for column, width in zip(filled, widths)
        ]
        line = " | ".join(cells) if markdown else "  ".join(cells)
        lines.append(f"| {line} |" if markdown else line.rstrip())
    rules = [
        "-" * (width + 1) + ("-" if column[0] in to_left else ":")
        for column, width in zip(filled, widths)
    ]
    rule = f"|{'|'.join(rules)}|" if markdown else "-" * max(map(len, lines))
    lines.insert(1, rule)
    return "\n".join(lines)


def filled_columns(
    points: Iterable[Mapping], columns: Sequence[str] = (), markdown: bool = False
) -> list[list[str]]:
    """Returns the columns of a table, each a heading and a text for each point.

    Args:
      points: As of `table`, and so are the others. Columns without a value are left
        out.
      columns: See `points`.
      markdown: See `points`.

    Raises:
      ValueError: As `table`.
    """
    points = [_with_facts_of_config(point) for point in points]
    filled = []
    for heading, keys, form in _chosen(columns):
        keys = (keys,) if isinstance(keys, str) else keys
        cells = [_cell(form, point, keys, markdown) for point in points]
        if any(cells):
            filled.append([heading, *cells])
    return filled


def _cell(form: str, point: Mapping, keys: Sequence[str], markdown: bool) -> str:
    """What a table shows of a point; empty if the point lacks a key or its value."""
    values = [point.get(key) for key in keys]
    if None in values:
        return ""
    try:
        text = " ".join(form.format(*values).split())
    except (ValueError, TypeError):
        raise ValueError(
            f"{', '.join(keys)} is {', '.join(map(repr, values))}, which is not what "
            f"this column of a table shows"
        ) from None
    return text.replace("|", "\\|") if markdown else text


def published_share(point: Mapping) -> float | None:
    """Returns how much of the training of its paper the training of a point was.

    Args:
      point: With `config` and `num_train` if it is that of a network; the trainings
        before a fine-tuning count, too.

    Returns:
      As `schedules.share`; None, too, if the point does not tell.
    """
    config = point.get("config")
    if not isinstance(config, Mapping):
        return None
    model, before = config.get("model"), point.get("epochs_before", 0)
    numbers: list[Any] = [config.get("epochs"), before, point.get("num_train")]
    known = all(isinstance(number, (int, float)) for number in numbers)
    if not known or not isinstance(model, str):
        return None
    epochs, before, num_train = numbers
    return schedules.share(model, epochs + before, num_train)


def _with_facts_of_config(point: Mapping) -> dict:
    """A point with `configuration`, `epochs` and `published_share` of its config."""
    config = point.get("config")
    if not isinstance(config, Mapping):
        return dict(point)
    facts: dict[str, Any] = {"configuration": configuration(config)}
    if "epochs" in config:
        facts["epochs"] = config["epochs"]
    if (share := published_share(point)) is not None:
        facts["published_share"] = share
    return {**facts, **point}


def _chosen(keys: Sequence[str]) -> list[tuple]:
    """The columns of some keys; those of `COLUMNS` if there are no keys."""
    if not keys:
        return list(COLUMNS)
    known = {}
    for column in (*COLUMNS, *COLUMNS_ON_REQUEST):
        known[column[1] if isinstance(column[1], str) else column[1][0]] = column
    for key in keys:
        if key not in known:
            raise ValueError(
                f"a table has no column {key!r}; known columns: {', '.join(known)}"
            )
    return [known[key] for key in keys]


def insert(path: str | os.PathLike, arguments: Sequence[str], text: str) -> None:
    """Puts a table between its markers in a Markdown file.

    The markers are a line ``<!-- table: ARGUMENTS -->`` and, later, ``<!-- end -->``.
    ARGUMENTS are those of `tfcsi table`. The first of them, a results file, names the
    table; the others may change, and the first marker is written anew.

    Args:
      path: The Markdown file.
      arguments: Results files that the table was made from, and flags of the command.
      text: The table.

    Raises:
      ValueError: If the file has no such markers.
    """
    files.check_input(path)
    path = pathlib.Path(path)
    try:
        content = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise ValueError(f"{path} is not a page: it is not text") from None
    name = shlex.quote(arguments[0])
    first = re.escape(name)
    block = re.compile(
        rf"<!-- table: {first}(?: [^\n]*)? -->\n.*?<!-- end -->", re.DOTALL
    )
    if not block.search(content):
        raise ValueError(
            f"{path} has no line '<!-- table: {name} -->' with a line "
            f"'<!-- end -->' after it"
        )
    new = f"<!-- table: {shlex.join(arguments)} -->\n{text}\n<!-- end -->"
    files.write_text(path, block.sub(lambda _: new, content, count=1))
