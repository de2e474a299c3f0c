"""Measures codecs at several rates, for a picture and a table.

    tfcsi reproduce rate-distortion --dataset=raytraced_munich --data_root=DIR \
        --output=results/rd_raytraced_munich.json

    tfcsi reproduce noise --dataset=cost2100_indoor --data_root=DIR

The second one measures codecs on CSI that the UE measured with noise. Codecs without a
network are fitted on the way. Trained runs are added by --workdirs, and lines of
networks that were measured before by --results. The results file is written after each
point. If the file of the first study is there already, its points are kept. Only the
missing ones are measured, and those of a fitted codec that has changed.
"""

from __future__ import annotations

import argparse
import pathlib

from tfcsi import results
from tfcsi.commands import flags
from tfcsi.commands.parser import Parser, UsageError
from tfcsi.commands.publish import check_output

STUDIES = ("rate-distortion", "noise")
NOISE_COLUMNS = ("codec", "snr_db", "nmse_db", "bits")
COLUMNS = ("codec", "bits", "nmse_db", "bd_rate", "encode_ms", "decode_ms")


def add_arguments(parser: Parser) -> None:
    """Adds the flags of the command."""
    parser.add_argument(
        "study",
        type=flags.choice(*STUDIES),
        metavar="STUDY",
        help="What to reproduce: rate-distortion, or noise on the CSI.",
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
    parser.add_argument(
        "--results",
        type=flags.FILES,
        default=[],
        metavar="FILE,...",
        help="Results files of trained networks. A network becomes a line if it was "
        "measured on the whole test set of this source.",
    )
    parser.add_argument(
        "--networks",
        type=flags.NAMES,
        default=[],
        metavar="NAME,...",
        help="Networks that are taken from --results; all if not given.",
    )
    parser.add_argument(
        "--bits",
        type=flags.number(0),
        metavar="BITS",
        help="Mean bits of a packet without noise, for the study noise; 250 if not "
        "given.",
    )
    flags.add(
        parser,
        "output",
        type=flags.RESULTS,
        help="Results file to write (.json), results/rd_NAME.json or "
        "results/noise_NAME.json if not given; its picture gets the same name.",
    )
    flags.add(parser, "progress")


def run(args: argparse.Namespace) -> None:
    """Writes the results file and the picture, and prints the table."""
    if args.study == "noise":
        return _noise(args)
    _refuse(args, ("bits",))
    from tfcsi.evaluation import bounds, other_lines, plots
    from tfcsi.evaluation import rate_distortion as work

    name = args.dataset
    path = pathlib.Path(args.output or f"results/rd_{name}.json")
    check_output(path)
    there = results.read(path)["points"] if path.exists() else []
    csi, codecs = work.read(name, args.data_root), args.codecs or [*work.CODECS]
    lines = [point for point in there if "results" in point]
    if args.results:
        lines = other_lines.read(args.results, name, len(csi.test), args.networks)
    there = [point for point in there if "results" not in point]
    for points in work.measure_all(
        csi, name, codecs, args.workdirs, there, args.progress
    ):
        points = work.with_bd_rates([*points, *lines])
        results.write(path, points, 0)
    print(results.table(points, columns=COLUMNS))
    picture = plots.rate_distortion(
        points, bounds.BOUNDS.get(name, {}), bounds.PUBLISHED.get(name, {})
    )
    plots.save(picture, path.with_suffix(".png"))
    print(f"written to {path} and {path.with_suffix('.png')}")


def _refuse(args: argparse.Namespace, names: tuple[str, ...]) -> None:
    """Raises a UsageError if a flag of the other study was given."""
    for name in names:
        if getattr(args, name) not in (None, []):
            raise UsageError(f"--{name} changes nothing in the study {args.study}")


def _noise(args: argparse.Namespace) -> None:
    """NMSE over the SNR of the CSI that the UE measures."""
    _refuse(args, ("codecs", "results", "networks"))
    from tfcsi.evaluation import csi_noise, plots
    from tfcsi.evaluation import rate_distortion as work

    path = pathlib.Path(args.output or f"results/noise_{args.dataset}.json")
    check_output(path)
    csi = work.read(args.dataset, args.data_root)
    bits = 250.0 if args.bits is None else args.bits
    for points in csi_noise.measure(csi, bits, args.workdirs, args.progress):
        results.write(path, points, csi_noise.SEED)
    print(results.table(points, columns=NOISE_COLUMNS))
    plots.save(plots.over_snr(points), path.with_suffix(".png"))
    print(f"written to {path} and {path.with_suffix('.png')}")
