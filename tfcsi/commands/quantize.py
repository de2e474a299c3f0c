"""Quantises the codewords of a finished run.

    tfcsi quantize --workdir=runs/a --output=runs/a_6bit --bits=6

No data are needed, because the run keeps some of its training matrices. If the run has
a quantiser already, the new one replaces it.
"""

from __future__ import annotations

import argparse

from tfcsi.commands import flags
from tfcsi.commands.parser import Parser


def add_arguments(parser: Parser) -> None:
    """Adds the flags of the command."""
    flags.add_codec(parser)
    flags.add(
        parser,
        "output",
        type=flags.FOLDER,
        required=True,
        metavar="DIR",
        help="Folder of the quantised run.",
    )
    parser.add_argument(
        "--bits",
        type=flags.integer(),
        required=True,
        metavar="N",
        help="Number of bits for each entry of the codeword, 1 to 14.",
    )
    parser.add_argument(
        "--steps",
        type=flags.integer(1),
        metavar="N",
        help="Number of gradient steps of the encoder of CSI-INR; that of the run if "
        "not given.",
    )


def run(args: argparse.Namespace) -> None:
    """Writes the quantised run."""
    from tfcsi.codecs import requantize, zoo

    network = {} if args.steps is None else {"steps": args.steps}
    workdir = zoo.folder_of(args.workdir)
    codec = requantize.quantize_run(workdir, args.output, args.bits, **network)
    print(f"{args.output}: {codec.name}, {args.bits} bits an entry")
