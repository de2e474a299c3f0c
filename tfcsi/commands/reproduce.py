"""Measures codecs at several rates, for a picture and a table.

    tfcsi reproduce rate-distortion --dataset=raytraced_munich --data_root=DIR \
        --output=results/rd_raytraced_munich.json

Codecs without a network are fitted on the way. Trained runs are added by --workdirs.
The results file is written after each point. If it is there already, its points are
kept and only the missing ones are measured.
"""

from __future__ import annotations

import argparse
import pathlib

from tfcsi import results
from tfcsi.commands import flags
from tfcsi.commands.parser import Parser
from tfcsi.commands.publish import check_output

STUDIES = ("rate-distortion",)
COLUMNS = ("codec", "bits", "nmse_db", "bd_rate", "encode_ms", "decode_ms")


def add_arguments(parser: Parser) -> None:
    """Adds the flags of the command."""
    parser.add_argument(
        "study",
        type=flags.choice(*STUDIES),
        metavar="STUDY",
        help="What to reproduce: rate-distortion.",
    )
    parser.add_argument(
        "--dataset",
        type=flags.TEXT,
        required=True,
        metavar="NAME",
        help="Source to measure on, such as cost2100_indoor.",
    )
    flags.add(parser, "data_root", required=True)
    parser.add_argument(
        "--codecs",
        type=flags.NAMES,
        metavar="NAME,...",
        help="Codecs without a network, such as klt,paths; all if not given.",
    )
    parser.add_argument(
        "--workdirs",
        type=flags.FOLDERS,
        action="extend",
        default=[],
        metavar="DIR,...",
        help="Folders of runs that were trained on this source; give the flag once for "
        "each if names have commas.",
    )
    flags.add(
        parser,
        "output",
        type=flags.RESULTS,
        help="Results file to write (.json), results/rd_NAME.json if not given; its "
        "picture gets the same name.",
    )
    flags.add(parser, "progress")


def run(args: argparse.Namespace) -> None:
    """Writes the results file and the picture, and prints the table."""
    from tfcsi.evaluation import bounds, plots
    from tfcsi.evaluation import rate_distortion as work

    name = args.dataset
    path = pathlib.Path(args.output or f"results/rd_{name}.json")
    check_output(path)
    there = results.read(path)["points"] if path.exists() else []
    csi, codecs = work.read(name, args.data_root), args.codecs or [*work.CODECS]
    for points in work.measure_all(
        csi, name, codecs, args.workdirs, there, args.progress
    ):
        results.write(path, points, 0)
    print(results.table(points, columns=COLUMNS))
    picture = plots.rate_distortion(
        points, bounds.BOUNDS.get(name, {}), bounds.PUBLISHED.get(name, {})
    )
    plots.save(picture, path.with_suffix(".png"))
    print(f"written to {path} and {path.with_suffix('.png')}")
