"""Decompresses a file of packets into CSI matrices, a .npy file.

    tfcsi decompress --workdir=runs/a --input=h.tcsi --output=h_hat.npy

The workdir must be that of the run that wrote the packets, or the name of the codec
that did, as in --codec=paths. A .npy file of CSI matrices that is there is replaced;
another array or a file of another kind is not.
"""

from __future__ import annotations

import argparse
import os
import pathlib
import sys
from collections.abc import Iterable

import numpy as np

from tfcsi import files
from tfcsi.coding.packet_file import check_session, read_file, remark
from tfcsi.commands import flags
from tfcsi.commands.parser import Parser


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


def run(args: argparse.Namespace) -> None:
    """Writes the matrices."""
    from tfcsi.codecs.workdir import CALIBRATION_FILE, load

    kept = [args.input, pathlib.Path(args.workdir, CALIBRATION_FILE)]
    check_output(args.output, kept)
    session, packets = read_file(args.input)
    codec = load(args.workdir)
    check_session(session, codec.session, args.input)
    h_hat = codec.decompress(packets)
    with files.replacing(args.output) as temporary:
        with open(temporary, "wb") as file:
            np.save(file, h_hat)
    print(f"{len(h_hat)} CSI matrices to {args.output}")
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
