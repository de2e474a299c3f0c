"""Draws codecs on a file of CSI into one page, with all measures.

    tfcsi report paths_cost2100_indoor --input=h.npy

Several codecs stand side by side, each by its name or the folder of its run:

    tfcsi report paths runs/a runs/b --input=h.npy --output=report.html

The page is one file that needs no network. Open it in a browser.
"""

from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING

import numpy as np

from tfcsi import files
from tfcsi.codecs.contract import CodewordCodec
from tfcsi.commands import flags
from tfcsi.commands.parser import Parser, UsageError

if TYPE_CHECKING:
    from tfcsi.codecs.contract import Codec
    from tfcsi.evaluation.report import Section

NUM_MATRICES = 200


def add_arguments(parser: Parser) -> None:
    """Adds the arguments of the command."""
    parser.add_argument(
        "codecs",
        nargs="+",
        type=flags.FOLDER,
        metavar="NAME|DIR...",
        help="Names of codecs that come with tfcsi, such as paths, or folders of runs.",
    )
    flags.add(
        parser,
        "input",
        required=True,
        help="File of CSI matrices, as tfcsi compress takes it.",
    )
    flags.add(
        parser, "output", default="report.html", help="Page to write; .html is usual."
    )
    parser.add_argument(
        "--num_matrices",
        type=flags.integer(1),
        default=NUM_MATRICES,
        metavar="N",
        help="Most matrices of the file that are measured, evenly spaced.",
    )
    flags.add(parser, "key", "axes", "rx", "zero", "prepared", "scale", "progress")


def run(args: argparse.Namespace) -> None:
    """Writes the page."""
    from tfcsi.codecs.workdir import load
    from tfcsi.evaluation import portrait, report

    files.check_output(args.output, files.PAGE, [args.input])
    names = [label(name) for name in args.codecs]
    if len(set(names)) < len(names):
        names = list(args.codecs)
    if len(set(names)) < len(names):
        raise UsageError(f"{' '.join(names)}; give each codec once")
    chosen: dict[str, tuple[Codec, np.ndarray]] = {}
    for name, folder in zip(names, args.codecs):
        codec = load(folder)
        chosen[name] = codec, _matrices(args, codec, quiet=bool(chosen))
    portraits = portrait.portray(chosen, args.progress)
    sections = portrait.sections(portraits)
    for place, one in zip(args.codecs, portraits):
        sections[-2:-2] = _on_a_phone(place, one.name, one.codec, one.h)
    most = max(len(h) for _, h in chosen.values())
    source = os.path.basename(args.input)
    text = (
        f"{', '.join(names)} on {most} of the matrices of {source}. Every number is "
        f"measured on packets that were written and read back."
    )
    report.write(args.output, f"CSI feedback on {source}", text, sections)
    print(f"written to {args.output}")


def label(name: str) -> str:
    """What the page calls a codec: its name, or the last part of its folder."""
    return os.path.basename(os.path.normpath(name)) or name


def _matrices(args: argparse.Namespace, codec: Codec, quiet: bool) -> np.ndarray:
    """Some matrices of the file, in the domain and the form of the codec."""
    from tfcsi.datasets import inputs

    told = {name: getattr(args, name) for name in ("key", "axes", "rx", "zero")}
    h = inputs.read(
        args.input,
        codec.domain,
        codec.config,
        codec.shape,
        told,
        args.prepared,
        args.scale,
        report=None if quiet else print,
    )
    if not len(h):
        raise ValueError(f"{args.input} holds no matrices")
    chosen = np.linspace(0, len(h) - 1, min(args.num_matrices, len(h)))
    return h[chosen.round().astype(int)]


def _on_a_phone(place: str, name: str, codec: Codec, h: np.ndarray) -> list[Section]:
    """A section with the exported encoders of a run, if there are any."""
    if not isinstance(codec, CodewordCodec):
        return []
    from tfcsi.codecs import neural
    from tfcsi.codecs.zoo import folder_of
    from tfcsi.evaluation.report import Section, table_of
    from tfcsi.tflite import compare, exports

    if not isinstance(codec, neural.Codec):
        return []
    folder = folder_of(place)
    if not any(folder.glob(exports.file_name("*"))):
        return []
    points = compare.compare(codec, exports.find(folder), h)
    columns = ("codec", "nmse_db", "nmse_loss_db", "bits", "ue_bytes", "microseconds")
    return [
        Section(
            f"{name} on a phone",
            "The whole codec with each exported TFLite encoder, against Keras. Times "
            "are the median of one matrix on one thread of this computer.",
            tables=[table_of(points, columns)],
        )
    ]
