"""Joins the parts that --shard made on several machines.

    tfcsi merge a.tcsi b.tcsi --output=h.tcsi

Files of packets become the file that one command would have written, without decoding.
Parts of an evaluation (.npz) become its results file (.json). The order counts for
packets.
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Sequence

from tfcsi import files, results
from tfcsi.coding.packet_file import Writer, blocks, check_same, open_file
from tfcsi.commands import flags
from tfcsi.commands.parser import Parser
from tfcsi.commands.publish import check_output
from tfcsi.matrices import BLOCK


def add_arguments(parser: Parser) -> None:
    """Adds the arguments of the command."""
    parser.add_argument(
        "paths",
        nargs="+",
        type=flags.TEXT,
        metavar="FILE",
        help="Parts to join, in their order.",
    )
    flags.add(
        parser,
        "output",
        required=True,
        help="File to write: of packets, or results (.json) of parts of an evaluation.",
    )


def run(args: argparse.Namespace) -> None:
    """Writes the joined file."""
    if args.output.endswith(".json"):
        join_values(args.paths, args.output)
    else:
        join_packets(args.paths, args.output)


def join_packets(paths: Sequence[str], output: str) -> None:
    """Joins files of packets.

    Args:
      paths: The files, in their order.
      output: File to write.

    Raises:
      PacketError: If a file is damaged, or of another session than the first one.
      OSError: As `files.check_output`.
    """
    files.check_output(output, files.PACKETS, paths)
    with files.replacing(output) as temporary, open(temporary, "wb") as stream:
        writer, num, first = None, 0, None
        for path in paths:
            with open_file(path) as (session, packets):
                first = first or session
                check_same(session, first, path, paths[0])
                writer = writer or Writer(stream, session)
                parts = blocks(path, session, packets, BLOCK)
                for packet in itertools.chain.from_iterable(parts):
                    writer.write(packet)
                    num += 1
        assert writer is not None  # There is one path at least.
        writer.close()
    print(f"{num} packets to {output}")


def join_values(paths: Sequence[str], output: str) -> None:
    """Writes the results file of the parts of an evaluation.

    Args:
      paths: The parts, in any order.
      output: File to write (.json).

    Raises:
      ValueError: As `shards.joined`.
      OSError: As `publish.check_output`.
    """
    from tfcsi.evaluation import shards

    check_output(output)
    parts = [shards.read(path) for path in paths]
    point = shards.joined(parts)
    print(results.table([point]), flush=True)
    results.write(output, [point], parts[0].seed)
    print(f"written to {output}")
