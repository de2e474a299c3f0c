"""Exports the UE encoder of a run to TFLite files.

    tfcsi export --workdir=runs/a --precision=float16,int8

The files have builtin operations only. They are written to the workdir, and the tables
of the entropy coder beside them. With
--clusters or --sparsity the weights become few values, or many zeros, first. A codec of
paths has no network: only its tables are written.
"""

from __future__ import annotations

import argparse
import gzip
import pathlib
from typing import TYPE_CHECKING

import numpy as np

from tfcsi import files
from tfcsi.commands import flags
from tfcsi.commands.parser import Parser, UsageError
from tfcsi.tflite import exports

if TYPE_CHECKING:
    from tfcsi.codecs.neural import Codec


def add_arguments(parser: Parser) -> None:
    """Adds the flags of the command."""
    flags.add(parser, "workdir", required=True)
    parser.add_argument(
        "--precision",
        type=flags.choices(*exports.PRECISIONS),
        metavar="NAME,...",
        help="Precision of the encoder; each gives a file. It is float32 if not given.",
    )
    flags.add(
        parser,
        "output",
        type=flags.choice(*exports.OUTPUTS),
        metavar="NAME",
        help="Output of the network: the codeword in floats (if not given), or the "
        "symbols. For the symbols the network also quantises.",
    )
    parser.add_argument(
        "--clusters",
        type=flags.integer(),
        metavar="N",
        help="Number of values that the weights of a layer may have, 2 to 256.",
    )
    parser.add_argument(
        "--sparsity",
        type=flags.number(),
        metavar="SHARE",
        help="Share of zeros in the weights of a layer, between 0 and 1.",
    )
    parser.add_argument(
        "--tune_steps",
        type=flags.integer(1),
        metavar="N",
        help="Number of training steps with --clusters or --sparsity; 300 if not "
        "given.",
    )


def run(args: argparse.Namespace) -> None:
    """Writes a file for each precision, and the tables."""
    shrinks = args.clusters is not None or args.sparsity is not None
    if args.tune_steps is not None and not shrinks:
        raise UsageError("--tune_steps goes with --clusters or --sparsity")
    steps = args.tune_steps or 300
    precisions, output = args.precision or ["float32"], args.output or "codeword"
    integers = set(precisions) & set(exports.CALIBRATED)
    if args.clusters is not None and (integers or args.sparsity is not None):
        raise UsageError(
            "--clusters goes with float32, float16 and dynamic, whose weights are not "
            "rounded anew, and not with --sparsity"
        )
    from tfcsi.codecs import neural, paths
    from tfcsi.codecs.workdir import CALIBRATION_FILE, read_config
    from tfcsi.coding.sending import TABLES_FILE

    workdir = pathlib.Path(args.workdir)
    if read_config(workdir)["model"] == paths.Paths.name:
        for name in ("precision", "output", "clusters", "sparsity"):
            if getattr(args, name) is not None:
                raise UsageError(f"--{name} goes with a network; paths has none")
        paths.load(workdir).save_ue(workdir / TABLES_FILE)
        size = (workdir / TABLES_FILE).stat().st_size
        print(f"{workdir / TABLES_FILE}: {size:,} bytes; paths has no network")
        return
    from tfcsi.tflite import convert, runner

    codec = neural.load(workdir)
    x = np.load(workdir / CALIBRATION_FILE).astype(np.float32)
    kind = _shrink(codec, x, args, steps)
    encoders = {}
    for precision in precisions:
        rounded_by = None if args.clusters else x
        content = convert.export(codec, precision, rounded_by, output)
        path = workdir / exports.file_name(precision, output, kind)
        files.write_bytes(path, content)
        encoders[path.name] = content
        operations = ", ".join(runner.Runner(content).operations)
        print(
            f"{path}: {len(content):,} bytes, {len(gzip.compress(content)):,} by "
            f"gzip\nbuiltin operations: {operations}",
            flush=True,
        )
    codec.save_ue(workdir / TABLES_FILE, **encoders)


def _shrink(codec: Codec, x: np.ndarray, args: argparse.Namespace, steps: int) -> str:
    """Gives the encoder few values or many zeros; returns a name for it."""
    if args.clusters is None and args.sparsity is None:
        return ""
    from tfcsi.model_optimization import sparsity

    if args.clusters is None:
        codec.encoder = sparsity.prune(codec.encoder, args.sparsity, x, steps)
        return f"sparsity{100 * args.sparsity:g}"
    codec.encoder = sparsity.cluster(codec.encoder, args.clusters, x, steps)
    return f"clusters{args.clusters}"
