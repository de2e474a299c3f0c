"""Measures packets and a decoder of others as those of tfcsi.

    tfcsi score --packets=h.tcsi --input=h.npy \
        --decoder="python $PWD/decode.py --weights=$PWD/weights.npz"

The decoder is a command. It runs in a new folder that holds the packets alone, and
writes h_hat.npy there, complex [n, num_tx, num_delay]. That folder is no jail: run a
decoder that you do not trust in a container.

PATH is a file of packets of tfcsi, of which the packets count (the decoder finds
packets.tcsi); a folder with one file for each matrix, in the order of the names
(packets/000000 and so on); or any other file, which counts as a whole (packets.bin).
"""

from __future__ import annotations

import argparse
import json
import pathlib
import shlex
import sys

from tfcsi import results, transforms
from tfcsi.commands import flags
from tfcsi.commands.parser import Kind, Parser
from tfcsi.commands.progress import progress


def _words(text: str) -> list[str]:
    """Words of a command line; a ValueError if there are none or a quote is open."""
    words = shlex.split(text)
    if not words:
        raise ValueError
    return words


COMMAND = Kind("text of a command", _words, "; give a command, its quotes closed")
READING = ("key", "axes", "rx", "zero")


def add_arguments(parser: Parser) -> None:
    """Adds the flags of the command."""
    parser.add_argument(
        "--packets",
        required=True,
        type=flags.FILE,
        metavar="PATH",
        help="File of packets, or folder with one file for each matrix.",
    )
    parser.add_argument(
        "--decoder",
        required=True,
        type=COMMAND,
        metavar="COMMAND",
        help="Command that decodes. Give absolute paths, because it runs in another "
        "folder.",
    )
    flags.add(
        parser,
        "input",
        required=True,
        help="File of the true CSI matrices, as tfcsi compress takes it.",
    )
    flags.add(
        parser,
        "output",
        type=flags.RESULTS,
        help="Results file to write (.json); none is written if not given.",
    )
    parser.add_argument(
        "--name",
        type=flags.TEXT,
        metavar="NAME",
        help="Name of the codec in tables. It is that of the session of packets of "
        "tfcsi, or of the file, if not given.",
    )
    parser.add_argument(
        "--dataset",
        type=flags.TEXT,
        metavar="NAME",
        help="Name of the source of the matrices, such as cost2100_indoor, for the "
        "leaderboard; the name of the file if not given.",
    )
    parser.add_argument(
        "--seconds",
        type=flags.number(0),
        default=600.0,
        metavar="S",
        help="Time limit of the decoder in seconds.",
    )
    parser.add_argument(
        "--megabytes",
        type=flags.number(0),
        default=10000.0,
        metavar="MB",
        help="Limit of what the decoder may write to its folder, in 10^6 bytes.",
    )
    parser.add_argument(
        "--domain",
        type=flags.choice(*transforms.DOMAINS),
        default=transforms.DOMAINS[0],
        metavar="NAME",
        help="Domain of the matrices of the decoder.",
    )
    parser.add_argument(
        "--shape",
        type=flags.SHAPE,
        metavar="TX,DELAY",
        help="Shape of a matrix of the decoder, if the input can give several. Packets "
        "of tfcsi have theirs.",
    )
    flags.add(parser, *READING, "prepared", "scale", "json")


def run(args: argparse.Namespace) -> None:
    """Runs the decoder, and prints what its matrices cost and how far off they are."""
    from tfcsi.datasets import inputs
    from tfcsi.evaluation import score

    if args.output:
        results.check_output(args.output)
    log = sys.stderr if args.json else sys.stdout

    def report(line: str) -> None:
        print(line, file=log, flush=True)

    packets = score.read(args.packets)
    if packets.remark:
        print(f"warning: {args.packets}: {packets.remark}", file=sys.stderr)
    told = {name: getattr(args, name) for name in READING}
    how = (None, args.shape or packets.shape, told, args.prepared, args.scale, report)
    with inputs.open_csi(args.input, args.domain, *how) as h:
        if h.num:  # Before the decoder runs.
            packets.bytes_of(h.num)
        report(f"{args.packets}: {packets.form}")
        limits = args.seconds, args.megabytes
        with score.decoded(packets, args.decoder, *limits) as (h_hat, seconds):
            with progress(h.num, "score") as done:
                measured = score.score(h, h_hat, packets, args.domain, done)
    point = {
        "codec": args.name or packets.codec or packets.path.stem,
        "dataset": args.dataset or pathlib.Path(args.input).stem,
        "split": "test",
        **measured,
        "packets": packets.form,
        "decoder_seconds": seconds,
    }
    print(json.dumps([point], indent=1) if args.json else results.table([point]))
    if args.output:
        results.write(args.output, [point], 0)
        report(f"written to {args.output}")
