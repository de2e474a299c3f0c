"""Times exported encoders, and the whole way from CSI to packets.

    tfcsi benchmark --workdirs=runs/a,runs/b --output=results/NAME.json

All encoders of a run take turns in one process, in both runtimes, with and without
XNNPACK. The speedup is the ratio to the first encoder in the same runtime, float32 if
it was exported. The matrices are those that the run keeps for calibration.
"""

from __future__ import annotations

import argparse
import pathlib
import sys

import numpy as np

from tfcsi import results, transforms
from tfcsi.commands import flags
from tfcsi.commands.parser import Parser, Switch
from tfcsi.tflite import exports


def add_arguments(parser: Parser) -> None:
    """Adds the flags of the command."""
    parser.add_argument(
        "--workdirs",
        type=flags.FOLDERS,
        action="extend",
        required=True,
        metavar="DIR,...",
        help="Folders of runs; give the flag once for each if names have commas.",
    )
    flags.add(
        parser, "output", type=flags.RESULTS, help="Results file to write (.json)."
    )
    parser.add_argument(
        "--runtimes",
        type=flags.choices(*exports.RUNTIMES),
        metavar="NAME,...",
        help="Runtimes to time: tf.lite, litert or both; both if not given.",
    )
    for name, default, text in (
        ("rounds", 20, "Number of turns of each encoder."),
        ("runs", 20, "Number of runs in a turn."),
        ("matrices", 200, "Number of matrices that are sent as packets."),
    ):
        parser.add_argument(
            f"--{name}", type=flags.integer(1), default=default, metavar="N", help=text
        )
    parser.add_argument(
        "--profile", action=Switch, help="Also time each operation of the encoders."
    )


def run(args: argparse.Namespace) -> None:
    """Prints the times, and writes them to the results file."""
    points = []
    if args.output:
        results.check_output(args.output)
    for workdir in args.workdirs:
        measured, seed = _measure(pathlib.Path(workdir), args)
        points += measured
        print(f"{workdir}\n{results.table(measured)}")
        for key, title in (
            ("packet_microseconds", "from CSI to a packet [us]"),
            ("operation_microseconds", "operations [us]"),
        ):
            lines = [_line(point, key) for point in measured if key in point]
            if lines:
                print("\n".join([f"\n{title}, runtime, XNNPACK", *lines]))
        print(flush=True)
    if args.output:
        results.write(args.output, points, seed)


def _measure(workdir: pathlib.Path, args: argparse.Namespace) -> tuple[list[dict], int]:
    """The points of a run, and its seed."""
    from tfcsi.codecs import neural
    from tfcsi.codecs.workdir import CALIBRATION_FILE
    from tfcsi.tflite import footprint

    codec, contents = neural.load(workdir), exports.find(workdir)
    x = np.load(workdir / CALIBRATION_FILE)[: args.matrices].astype(np.float32)
    h = transforms.to_complex(x)
    points = []
    for runtime in args.runtimes or exports.RUNTIMES:
        for xnnpack in (True, False):
            encoders = _loaded(contents, runtime, xnnpack)
            if not encoders:
                continue
            times = footprint.side_by_side(encoders, x[0], args.rounds, args.runs)
            for name, encoder in encoders.items():
                point = {
                    "codec": f"{codec.name}, TFLite {name}",
                    "workdir": workdir.name,
                    "ue_bytes": encoder.size,
                    "runtime": runtime,
                    "xnnpack": "on" if xnnpack else "off",
                    **times[name],
                    "packet_microseconds": footprint.to_packet(codec, encoder, h),
                }
                memory = footprint.memory(contents[name], runtime, xnnpack)
                point.update({} if memory is None else {"ue_memory": memory})
                if args.profile:
                    point["operation_microseconds"] = footprint.by_operation(
                        contents[name], x[0], runtime, xnnpack
                    )
                points.append(point)
    if not points:
        raise ValueError(f"{workdir}: no runtime can load any encoder, see above")
    return points, codec.config.seed


def _loaded(contents: dict[str, bytes], runtime: str, xnnpack: bool) -> dict:
    """Encoders that a runtime can load, by variant; tells which it cannot."""
    from tfcsi.tflite import runner

    encoders = {}
    for name, content in contents.items():
        try:
            encoders[name] = runner.Runner(content, runtime, xnnpack)
        except (RuntimeError, ValueError) as error:
            print(f"{name} is left out of {runtime}: {error}", file=sys.stderr)
    return encoders


def _line(point: dict, key: str) -> str:
    """The times of parts."""
    parts = ", ".join(f"{name} {us:.0f}" for name, us in point[key].items())
    return f"{point['codec']}, {point['runtime']}, {point['xnnpack']}: {parts}"
