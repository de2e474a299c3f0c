"""Decompresses a file of packets into CSI matrices, a .npy file.

    tfcsi decompress --workdir=runs/a --input=h.tcsi --output=h_hat.npy

The workdir must be that of the run that wrote the packets, or the name of the codec
that did, as in --codec=paths. A .npy file of CSI matrices that is there is replaced;
another array or a file of another kind is not.

Files of any size are decompressed a block at a time. If the command is stopped, the
same command goes on where it was.
"""

from __future__ import annotations

import argparse
import os
import pathlib
import sys
from collections.abc import Iterable

import numpy as np

from tfcsi import files
from tfcsi.codecs import streams
from tfcsi.coding.packet_file import blocks, check_session, open_file, remark
from tfcsi.commands import flags
from tfcsi.commands.parser import Parser
from tfcsi.commands.progress import progress
from tfcsi.matrices import BLOCK


def add_arguments(parser: Parser) -> None:
    """Adds the flags of the command."""
    flags.add_codec(parser)
    flags.add(parser, "input", required=True, help="File of packets to read.")
    flags.add(
        parser,
        "output",
        required=True,
        help="File to write (.npy): complex64 [n, num_tx, num_delay].",
    )
    parser.continues = True


def run(args: argparse.Namespace) -> None:
    """Writes the matrices."""
    from tfcsi.codecs.workdir import CALIBRATION_FILE, load

    kept = [args.input, pathlib.Path(args.workdir, CALIBRATION_FILE)]
    check_output(args.output, kept)
    log = sys.stderr if args.output == "/dev/stdout" else sys.stdout

    def report(line: str) -> None:
        print(line, file=log, flush=True)

    with open_file(args.input) as (session, packets):
        codec = load(args.workdir)
        check_session(session, codec.session, args.input)
        job = streams.job_of(args.workdir, args.input)
        parts = blocks(args.input, session, packets, BLOCK)
        with progress(None, "decompress") as done:
            num = streams.decompress(
                codec, parts, args.input, args.output, job, report, done
            )
    report(f"{num} CSI matrices to {args.output}")
    if doubt := remark(session):
        print(f"warning: {args.input}: {doubt}", file=sys.stderr)


def check_output(path: str, inputs: Iterable[str | os.PathLike]) -> None:
    """Refuses to write over anything but an array of CSI, such as calibration.npy.

    Args:
      path: File to write; it need not exist.
      inputs: Files that are read and stay as they are.

    Raises:
      FileExistsError: If the file exists and must stay.
    """
    files.check_output(path, files.ARRAY, inputs)
    if not os.path.isfile(path) or not os.path.getsize(path):
        return
    try:
        array = np.load(path, mmap_mode="r")
        kind = f"{array.dtype} {list(array.shape)}"
        is_csi = array.dtype == np.complex64 and array.ndim == 3
    except ValueError:
        kind, is_csi = "damaged", False
    if not is_csi:
        raise FileExistsError(
            f"{path} exists and is not an array of CSI (it is {kind}), so it is not "
            f"replaced; give another --output"
        )
