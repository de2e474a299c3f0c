"""Checks the whole codec with each exported encoder against Keras.

    tfcsi check --workdir=runs/a --data_dir=DIR --html

The command writes tflite_check.json to the workdir, and with --html tflite_check.html.
The exit status is 1 if an encoder loses more than --max_loss_db. The networks of the
codec paths are compared with its search in NumPy, packet by packet:

    tfcsi check --codec=paths_cost2100_indoor --folder=phone --data_dir=DIR

Those of the codec learned are compared with its encoder in NumPy, at each of --rates.
Both bits and NMSE have a limit there:

    tfcsi check --codec=learned_cost2100_indoor --folder=phone --data_dir=DIR
"""

from __future__ import annotations

import argparse
import gzip
import pathlib
from typing import TYPE_CHECKING

from tfcsi import files, results
from tfcsi.commands import flags
from tfcsi.commands.parser import Parser, Switch, UsageError

if TYPE_CHECKING:
    from tfcsi.codecs.contract import Codec


def add_arguments(parser: Parser) -> None:
    """Adds the flags of the command."""
    flags.add_codec(parser)
    flags.add(parser, "folder")
    flags.add(parser, "data_dir", required=True)
    flags.add(parser, "split")
    parser.add_argument(
        "--scenario",
        type=flags.TEXT,
        metavar="NAME",
        help="Scenario or source to measure on; that of the training if not given.",
    )
    parser.add_argument(
        "--max_loss_db",
        type=flags.number(),
        metavar="DB",
        help="Largest loss of NMSE in dB that an encoder may have; 0.3 if not given, "
        "0.02 for the codec paths, and 0.1 for the codec learned.",
    )
    parser.add_argument(
        "--max_changed",
        type=flags.number(0),
        metavar="SHARE",
        help="Largest share of packets that a float32 network of the codec paths may "
        "change; 0.01 if not given.",
    )
    parser.add_argument(
        "--max_more_bits",
        type=flags.number(0),
        metavar="SHARE",
        help="Largest share of bits that an encoder of the codec learned may add; 0.02 "
        "if not given.",
    )
    parser.add_argument(
        "--rates",
        type=flags.INTEGERS,
        metavar="N,...",
        help="Rates of the codec learned to measure; its usual rate if not given.",
    )
    parser.add_argument(
        "--html", action=Switch, help="Also write a page with the table and a picture."
    )


def run(args: argparse.Namespace) -> None:
    """Writes the measurements, and prints them as a table.

    Raises:
      ValueError: If an encoder loses or changes too much.
    """
    from tfcsi.codecs import learned, paths, workdir

    codec, folder = workdir.load(args.workdir), flags.folder_of(args)
    of_paths = isinstance(codec, paths.Paths)
    of_learned = isinstance(codec, learned.Learned)
    if args.max_changed is not None and not of_paths:
        raise UsageError("--max_changed is only for the codec paths")
    for name in ("max_more_bits", "rates"):
        if getattr(args, name) is not None and not of_learned:
            raise UsageError(f"--{name} is only for the codec learned")
    output, path = folder / "tflite_check.json", folder / "tflite_check.html"
    results.check_output(output)
    if args.html:
        files.check_output(path, files.PAGE)
    points = _measure(codec, folder, args)
    table = f"{results.table(points)}\n\nbuiltin operations\n{_operations(points)}"
    print(table, flush=True)
    results.write(output, points, codec.config["seed"])
    if args.html:
        _draw(path, codec.name, points)
        print(f"\n{path} shows it")
    loss, changed, more = args.max_loss_db, args.max_changed, args.max_more_bits
    if loss is None:
        loss = 0.02 if of_paths else 0.1 if of_learned else 0.3
    changed = 0.01 if changed is None else changed
    more = 0.02 if more is None else more
    bad = [
        f"{point['codec']} loses {point['nmse_loss_db']:.3f} dB, more than "
        f"--max_loss_db={loss}"
        for point in points
        if not point["nmse_loss_db"] <= loss
    ]
    bad += [
        f"{point['codec']} changes {point['packets_changed_share']:.2%} of packets, "
        f"more than --max_changed={changed}"
        for point in points
        if "float32" in point["codec"]
        and not point.get("packets_changed_share", 0) <= changed
    ]
    bad += [
        f"{point['codec']} takes {point['bits_more']:.2%} more bits, more than "
        f"--max_more_bits={more}"
        for point in points
        if not point.get("bits_more", 0) <= more
    ]
    if bad:
        raise ValueError("\n".join(bad))


def _measure(
    codec: Codec, folder: pathlib.Path, args: argparse.Namespace
) -> list[dict]:
    """The point of the reference (Keras or NumPy), then one of each TFLite file."""
    from tfcsi import datasets
    from tfcsi.codecs import learned, neural, paths
    from tfcsi.tflite import compare, exports, footprint, path_compare, token_compare

    encoders = exports.find(folder)
    name = datasets.source_of(codec.config, args.scenario)
    options = datasets.options_of(codec.config, name)
    h = datasets.read(name, args.data_dir, args.split, **options)
    if isinstance(codec, paths.Paths):
        points = path_compare.compare(codec, encoders, h)
    elif isinstance(codec, learned.Learned):
        points = token_compare.compare(codec, encoders, h, args.rates or ())
    elif isinstance(codec, neural.Codec):
        points = compare.compare(codec, encoders, h)
    else:
        raise ValueError(f"{args.workdir} has no encoder for TFLite")
    for point in points:
        point.update(dataset=name, split=args.split)
        content = encoders.get(point["codec"].split()[-1])
        if content is not None:
            point["ue_bytes_gzip"] = len(gzip.compress(content))
            memory = footprint.memory(content)
            point.update({} if memory is None else {"ue_memory": memory})
    return points


def _operations(points: list[dict]) -> str:
    """A line for each set of operations that encoders have."""
    users: dict[str, list[str]] = {}
    for point in points:
        if "operations" not in point:
            continue
        names = users.setdefault(", ".join(point["operations"]), [])
        if (name := point["codec"].split()[-1]) not in names:
            names.append(name)
    return "\n".join(f"{', '.join(names)}: {ops}" for ops, names in users.items())


def _draw(path: pathlib.Path, name: str, points: list[dict]) -> None:
    """Writes the page."""
    from tfcsi.evaluation import plots, report

    text = (
        f"UE encoders of {name} on {points[0]['num_matrices']} matrices of "
        f"{points[0]['dataset']}, {points[0]['split']}. Loss: against "
        f"{points[0]['codec'].split(', ')[1]}. UE memory: the file and what an "
        "interpreter holds on the heap [bytes]. Times: one thread, median and the time "
        "that 95 % of runs stay below [us]."
    )
    encoders = report.Section(
        "Encoders",
        figures={"NMSE and bytes of the UE encoder": plots.over_bytes(points)},
        tables=[report.table_of(points)],
        details={"Operations of the encoders": _operations(points)},
    )
    report.write(path, f"{name} on a phone", text, [encoders])
