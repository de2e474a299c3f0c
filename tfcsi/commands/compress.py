"""Compresses CSI matrices into one file of packets.

    tfcsi compress --workdir=runs/a --input=h.npy --output=h.tcsi

`tfcsi decompress` with the same workdir reads the file. A file of packets that is there
is replaced; a file of another kind is not.
"""

from __future__ import annotations

import argparse

import numpy as np

from tfcsi import files
from tfcsi.coding.packets import write_file
from tfcsi.commands import flags
from tfcsi.commands.parser import Parser


def add_arguments(parser: Parser) -> None:
    """Adds the flags of the command."""
    flags.add(parser, "workdir", required=True)
    flags.add(
        parser,
        "input",
        required=True,
        help="File of CSI matrices (.npy, .mat, .h5): complex [n, num_tx, num_delay].",
    )
    flags.add(parser, "output", required=True, help="File of packets to write.")
    flags.add(parser, "key")


def run(args: argparse.Namespace) -> None:
    """Writes the packets and prints their mean size."""
    from tfcsi.codecs.workdir import load

    files.check_output(args.output, files.PACKETS, [args.input])
    h = _read(args.input, args.key)
    codec = load(args.workdir)
    packets = codec.compress(h)
    write_file(args.output, codec.session, packets)
    mean = 8 * np.mean([len(packet) for packet in packets]) if packets else 0
    print(f"{len(packets)} CSI matrices, {mean:.1f} bits each, to {args.output}")


def _read(path: str, key: str | None) -> np.ndarray:
    """Reads CSI; where NumPy alone is installed, from .npy files only."""
    try:
        from tfcsi.datasets import any_file
    except ImportError:
        if not path.endswith(".npy"):
            raise
        return np.load(path, allow_pickle=False)
    return any_file.read_csi(path, key)
