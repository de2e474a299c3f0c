"""Decompresses a file of packets into CSI matrices, a .npy file.

    tfcsi decompress --workdir=runs/a --input=h.tcsi --output=h_hat.npy

The workdir must be that of the run that wrote the packets. A .npy file that is there is
replaced; a file of another kind is not.
"""

from __future__ import annotations

import argparse
import pathlib

import numpy as np

from tfcsi import files
from tfcsi.coding.packet_file import check_session, read_file
from tfcsi.commands import flags
from tfcsi.commands.parser import Parser


def add_arguments(parser: Parser) -> None:
    """Adds the flags of the command."""
    flags.add(parser, "workdir", required=True)
    flags.add(parser, "input", required=True, help="File of packets to read.")
    flags.add(
        parser,
        "output",
        required=True,
        help="File to write (.npy): complex64 [n, num_tx, num_delay].",
    )


def run(args: argparse.Namespace) -> None:
    """Writes the matrices."""
    from tfcsi.codecs.workdir import CALIBRATION_FILE, load

    kept = [args.input, pathlib.Path(args.workdir, CALIBRATION_FILE)]
    files.check_output(args.output, files.ARRAY, kept)
    session, packets = read_file(args.input)
    codec = load(args.workdir)
    check_session(session, codec.session, args.input)
    h_hat = codec.decompress(packets)
    with files.replacing(args.output) as temporary:
        with open(temporary, "wb") as file:
            np.save(file, h_hat)
    print(f"{len(h_hat)} CSI matrices to {args.output}")
