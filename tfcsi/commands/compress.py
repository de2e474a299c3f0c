"""Compresses CSI matrices into one file of packets.

    tfcsi compress --workdir=runs/a --input=h.npy --output=h.tcsi

Codecs that come with tfcsi need no training, and some codecs meet a target:

    tfcsi compress --codec=paths --nmse_db=-20 --input=h.npy --output=h.tcsi

`tfcsi decompress` with the same workdir or codec reads the file. A file of packets that
is there is replaced; a file of another kind is not. Files of one workdir may be joined,
as `cat` does; the result is read like one file.
"""

from __future__ import annotations

import argparse
import sys
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from tfcsi import files, transforms
from tfcsi.codecs.contract import SearchingCodec
from tfcsi.coding.packet_file import write_file
from tfcsi.coding.wishes import MissedTarget
from tfcsi.commands import flags
from tfcsi.commands.parser import Parser

if TYPE_CHECKING:
    from tfcsi.codecs.contract import Codec


def add_arguments(parser: Parser) -> None:
    """Adds the flags of the command."""
    flags.add_codec(parser)
    flags.add(
        parser,
        "input",
        required=True,
        help="File of CSI matrices (.npy, .npz, .mat, .h5), such as complex [n, "
        "num_tx, num_delay]; or a file of a source, which is read as for training.",
    )
    flags.add(parser, "output", required=True, help="File of packets to write.")
    flags.add(parser, "key", "axes", "rx", "zero", "prepared", "scale")
    parser.add_argument(
        "--nmse_db",
        type=flags.number(),
        metavar="DB",
        help="Largest NMSE of each matrix in dB, for codecs that can meet it.",
    )
    parser.add_argument(
        "--max_bits",
        type=flags.integer(1),
        metavar="BITS",
        help="Most bits of each packet, for codecs that can keep to it.",
    )
    parser.add_argument(
        "--step",
        type=flags.number(0),
        metavar="STEP",
        help="Bin width of the quantiser, for codecs that have several. That of paths "
        "is relative to the norm of a matrix.",
    )
    parser.add_argument(
        "--effort",
        type=flags.TEXT,
        metavar="NAME",
        help="How much the encoder searches, for codecs that search: light, default or "
        "high for paths.",
    )


def run(args: argparse.Namespace) -> None:
    """Writes the packets and prints their mean size."""
    from tfcsi.codecs.workdir import load

    files.check_output(args.output, files.PACKETS, [args.input])
    codec = load(args.workdir)
    log = sys.stderr if args.output == "/dev/stdout" else sys.stdout
    h = _read(args, codec, lambda line: print(line, file=log))
    with warnings.catch_warnings(record=True) as missed:
        warnings.simplefilter("always", MissedTarget)
        packets = codec.compress(h, **_wishes(args, codec))
    for warning in missed:
        print(f"warning: {warning.message}", file=sys.stderr)
    num_bytes = write_file(args.output, codec.session, packets)
    packet_bits, file_bits = (
        8 * size / max(len(packets), 1)
        for size in (sum(len(packet) for packet in packets), num_bytes)
    )
    print(
        f"{len(packets)} CSI matrices, {packet_bits:.1f} bits each in packets, "
        f"{file_bits:.1f} with their share of the file, to {args.output}",
        file=log,
    )


def _wishes(args: argparse.Namespace, codec: Codec) -> dict[str, Any]:
    """Arguments of `compress` that were given."""
    names = ("step", "nmse_db", "max_bits", "effort")
    wishes = {name: getattr(args, name) for name in names}
    wishes = {name: wish for name, wish in wishes.items() if wish is not None}
    if "effort" in wishes and not isinstance(codec, SearchingCodec):
        raise ValueError(f"codec {codec.name!r} does not search; leave out --effort")
    return wishes


def _read(
    args: argparse.Namespace, codec: Codec, report: Callable[[str], None]
) -> np.ndarray:
    """Reads CSI; where NumPy alone is installed, from .npy files only."""
    try:
        from tfcsi.datasets import inputs
    except ImportError:
        h = files.read_csi(args.input)
        return transforms.to_peak(h)[0] if args.scale else h
    return inputs.read(
        args.input,
        codec.domain,
        codec.config,
        codec.shape,
        {name: getattr(args, name) for name in ("key", "axes", "rx", "zero")},
        args.prepared,
        args.scale,
        report,
    )
