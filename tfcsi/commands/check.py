"""Checks the whole codec with each exported encoder against Keras.

    tfcsi check --workdir=runs/a --data_dir=DIR --html

Writes tflite_check.json to the workdir, and with --html tflite_check.html. The exit
status is 1 if an encoder costs more than --max_loss_db.
"""

from __future__ import annotations

import argparse
import gzip
import pathlib
from typing import TYPE_CHECKING

from tfcsi import files, results
from tfcsi.commands import flags
from tfcsi.commands.parser import Parser, Switch

if TYPE_CHECKING:
    from tfcsi.codecs.neural import Codec


def add_arguments(parser: Parser) -> None:
    """Adds the flags of the command."""
    flags.add(parser, "workdir", "data_dir", required=True)
    flags.add(parser, "split")
    parser.add_argument(
        "--max_loss_db",
        type=flags.number(),
        default=0.3,
        metavar="DB",
        help="Largest loss of NMSE in dB that an encoder may have.",
    )
    parser.add_argument(
        "--html", action=Switch, help="Also write a page with the table and a picture."
    )


def run(args: argparse.Namespace) -> None:
    """Writes the measurements, and prints them as a table.

    Raises:
      ValueError: If an encoder loses too much.
    """
    from tfcsi.codecs import neural

    workdir = pathlib.Path(args.workdir)
    codec = neural.load(workdir)
    output, path = workdir / "tflite_check.json", workdir / "tflite_check.html"
    results.check_output(output)
    if args.html:
        files.check_output(path, files.PAGE)
    points = _measure(codec, args)
    table = f"{results.table(points)}\n\nbuiltin operations\n{_operations(points)}"
    print(table, flush=True)
    results.write(output, points, codec.config.seed)
    if args.html:
        _draw(path, codec.name, points)
        print(f"\n{path} shows it")
    bad = [
        f"{point['codec']} loses {point['nmse_loss_db']:.3f} dB, more than "
        f"--max_loss_db={args.max_loss_db}"
        for point in points
        if not point["nmse_loss_db"] <= args.max_loss_db
    ]
    if bad:
        raise ValueError("\n".join(bad))


def _measure(codec: Codec, args: argparse.Namespace) -> list[dict]:
    """The points of all exported encoders; the first one is that of Keras."""
    from tfcsi import datasets
    from tfcsi.tflite import compare, exports, footprint

    name = datasets.source_of(codec.config)
    options = datasets.options_of(codec.config, name)
    h = datasets.read(name, args.data_dir, args.split, **options)
    encoders = exports.find(pathlib.Path(args.workdir))
    points = compare.compare(codec, encoders, h)
    for point, content in zip(points[1:], encoders.values()):
        point["ue_bytes_gzip"] = len(gzip.compress(content))
        memory = footprint.memory(content)
        point.update({} if memory is None else {"ue_memory": memory})
    for point in points:
        point.update(dataset=name, split=args.split)
    return points


def _operations(points: list[dict]) -> str:
    """A line for each set of operations that encoders have."""
    users: dict[str, list[str]] = {}
    for point in points[1:]:
        operations = ", ".join(point["operations"])
        users.setdefault(operations, []).append(point["codec"].split()[-1])
    return "\n".join(f"{', '.join(names)}: {ops}" for ops, names in users.items())


def _draw(path: pathlib.Path, name: str, points: list[dict]) -> None:
    """Writes the page."""
    from tfcsi.evaluation import plots, report

    text = (
        f"UE encoders of {name} on {points[0]['num_matrices']} matrices of "
        f"{points[0]['dataset']}, {points[0]['split']}. Loss: against Keras. UE "
        "memory: the file and what an interpreter holds on the heap [bytes]. Times: "
        "one thread, median and the time that 95 % of runs stay below [us]."
    )
    figures = {"NMSE and bytes of the UE encoder": plots.over_bytes(points)}
    report.report(
        path, f"{name} on a phone", text, points, figures, _operations(points)
    )
