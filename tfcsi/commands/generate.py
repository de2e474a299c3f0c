"""Simulates channels and writes them to files.

    tfcsi generate --channel=cost2100_indoor --num=16000,3000,3000 --out=data

A command that was stopped continues when it is started again. The matrices depend on
channel and seed only, not on their number or the number of processes. A folder that
holds fewer matrices of the same channel and seed is extended. A folder that holds more
is left as it is, unless --overwrite is given.
"""

from __future__ import annotations

import argparse

from tfcsi import files
from tfcsi.commands import bulk, flags
from tfcsi.commands.parser import Parser, Switch

# Those of `datasets.generated.SUFFIXES`, which takes half a second to import.
FORMATS = ("mat", "hdf5", "tfrecord")


def add_arguments(parser: Parser) -> None:
    """Adds the flags of the command."""
    flags.add(parser, "channel", required=True)
    parser.add_argument(
        "--num",
        type=flags.COUNTS,
        required=True,
        metavar="N",
        help="Number of training matrices, or of training, validation and test "
        "matrices.",
    )
    parser.add_argument(
        "--out",
        type=flags.FOLDER,
        required=True,
        metavar="DIR",
        help="Folder to write the files to.",
    )
    parser.add_argument(
        "--format",
        type=flags.choice(*FORMATS),
        default=FORMATS[0],
        metavar="NAME",
        help="Format of the files. mat is that of the published COST 2100 files.",
    )
    flags.add(parser, "seed", help="Seed of the simulation.")
    parser.add_argument(
        "--processes",
        type=flags.integer(0),
        default=0,
        metavar="N",
        help="Number of worker processes; 0 starts one for each CPU.",
    )
    parser.add_argument(
        "--setup",
        type=flags.ARGUMENTS,
        default={},
        metavar="KEY=VALUE,...",
        help="Further arguments of the simulator, such as num_tx=64.",
    )
    parser.add_argument(
        "--overwrite",
        action=Switch,
        help="Replace the files of the folder even if they hold more matrices.",
    )
    flags.add(
        parser,
        "shard",
        help="Simulate part I of N, such as 2/8, into DIR/shards. The same command "
        "without --shard makes the files of all parts that it finds there.",
    )
    bulk.add_arguments(parser)
    flags.add(parser, "progress", "dry_run")
    parser.continues = True


def run(args: argparse.Namespace) -> None:
    """Writes the files and prints their names."""
    from tfcsi import channels
    from tfcsi.channels import blocks
    from tfcsi.channels import generate as work

    nums = dict(zip(blocks.SPLITS, args.num))
    if args.dry_run:
        channels.get(blocks.parts_of(args.channel)[0])  # Refuses unknown ones.
        files.check_folder(args.out)
        for split, num in nums.items():
            print(f"would simulate {num} {split} matrices of {args.channel}")
        return
    if bulk.check(args):
        bulk.run(args, "generate")  # What follows takes the blocks of the parts.
    written = work.generate(
        args.channel,
        nums,
        args.seed,
        args.out,
        args.format,
        args.processes or None,
        setup=args.setup,
        overwrite=args.overwrite,
        progress=args.progress,
        shard=args.shard,
    )
    for path in written:
        print(path)
