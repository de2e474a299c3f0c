"""Compresses CSI matrices into one file of packets.

    tfcsi compress --workdir=runs/a --input=h.npy --output=h.tcsi

Codecs that come with tfcsi need no training, and some codecs meet a target:

    tfcsi compress --codec=paths --nmse_db=-20 --input=h.npy --output=h.tcsi

`tfcsi decompress` with the same workdir or codec reads the file. A file of packets that
is there is replaced; a file of another kind is not. Files of one workdir may be joined,
as `cat` does; the result is read like one file.

Files of any size are compressed a block at a time. If the command is stopped, the same
command goes on where it was.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from tfcsi import files, transforms
from tfcsi.codecs import streams
from tfcsi.codecs.contract import SearchingCodec
from tfcsi.commands import bulk, flags, merge
from tfcsi.commands.parser import Parser
from tfcsi.commands.progress import progress
from tfcsi.matrices import Matrices

if TYPE_CHECKING:
    from tfcsi.codecs.contract import Codec

# Flags that tell how the file is read.
_READING, _HOW = ("key", "axes", "rx", "zero"), ("prepared", "scale")


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
    flags.add(
        parser,
        "shard",
        help="Compress part I of N of the matrices, such as 2/8. tfcsi merge joins the "
        "parts to the file that one command would write.",
    )
    bulk.add_arguments(parser)
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
        help="Most bits of each packet, for codecs that can keep to it. With --step or "
        "--nmse_db it holds for the matrices that would need more.",
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
    flags.add(parser, "dry_run", "json")
    parser.continues = True


def run(args: argparse.Namespace) -> None:
    """Writes the packets and prints their mean size."""
    from tfcsi.codecs.workdir import load

    files.check_output(args.output, files.PACKETS, [args.input])
    if bulk.check(args):
        parts = bulk.run(args, "compress", ".tcsi")
        merge.join_packets(parts, args.output)
        return bulk.delete(parts)
    codec = load(args.workdir)
    to_stdout = args.output == "/dev/stdout"
    log = sys.stderr if to_stdout or args.json else sys.stdout
    wishes = _wishes(args, codec)

    def report(line: str) -> None:
        print(line, file=log, flush=True)

    with contextlib.ExitStack() as stack:
        matrices = stack.enter_context(_opened(args, codec, report))
        if args.shard:
            matrices = matrices.shard(*args.shard)
        if args.dry_run:
            num = "all" if matrices.num is None else matrices.num
            report(f"would compress {num} CSI matrices to {args.output}")
            return
        done = stack.enter_context(progress(matrices.num, "compress"))
        told = {name: getattr(args, name) for name in (*_READING, *_HOW, "shard")}
        job = streams.job_of(args.workdir, args.input, told=told, wishes=wishes)
        sent = streams.compress(
            codec, matrices, args.output, job, report, done, **wishes
        )
    for warning in filter(None, (sent.missed, sent.alone, sent.scaled)):
        print(f"warning: {warning}", file=sys.stderr)
    packet_bits, file_bits = (
        8 * size / max(sent.num, 1) for size in (sent.packet_bytes, sent.file_bytes)
    )
    if args.json:
        facts = {"output": args.output, "num_matrices": sent.num, "bits": packet_bits}
        facts["file_bits"] = file_bits
        print(json.dumps(facts), file=sys.stderr if to_stdout else sys.stdout)
        return
    print(
        f"{sent.num} CSI matrices, {packet_bits:.1f} bits each in packets, "
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


def _opened(
    args: argparse.Namespace, codec: Codec, report: Callable[[str], None]
) -> contextlib.AbstractContextManager[Matrices]:
    """Opens a file of CSI; where NumPy alone is installed, a .npy file only."""
    try:
        from tfcsi.datasets import inputs
    except ImportError:
        matrices = Matrices.of_npy(args.input)
        if args.scale:
            matrices = matrices.changed(lambda h: transforms.to_peak(h)[0])
        return contextlib.nullcontext(matrices)
    return inputs.open_csi(
        args.input,
        codec.domain,
        codec.config,
        codec.shape,
        {name: getattr(args, name) for name in _READING},
        args.prepared,
        args.scale,
        report,
    )
