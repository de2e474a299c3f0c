"""Prints result files as a Markdown table, or puts it into a page.

    tfcsi table results/stqenet_indoor.json --output=README.md

Without --output the table is printed. With --leaderboard it has a row for each codec
on each source, with the NMSE that the codec reaches within some numbers of bits:

    tfcsi table results/rd_cost2100_indoor.json --leaderboard
"""

from __future__ import annotations

import argparse

from tfcsi import results
from tfcsi.commands import flags
from tfcsi.commands.parser import Parser, Switch, UsageError


def add_arguments(parser: Parser) -> None:
    """Adds the arguments of the command."""
    parser.add_argument(
        "files",
        nargs="+",
        type=flags.FILE,
        metavar="FILE...",
        help="Result files, one or more.",
    )
    flags.add(
        parser,
        "output",
        help="Markdown file in which the table is replaced. It has a line "
        "<!-- table: FILE... --> before the table and a line <!-- end --> after it.",
    )
    parser.add_argument(
        "--columns",
        type=flags.NAMES,
        default=[],
        metavar="NAME,...",
        help="Columns of the table, such as codec,nmse_db,bits; all that have values "
        "if not given.",
    )
    parser.add_argument(
        "--codecs",
        type=flags.NAMES,
        default=[],
        metavar="NAME,...",
        help="Codecs of the table, such as paths,stqenet; all if not given. What "
        "follows a comma in the name of a codec does not count.",
    )
    parser.add_argument(
        "--leaderboard",
        action=Switch,
        help="Make one row of all rates of a codec on a source, the best codec first.",
    )


def run(args: argparse.Namespace) -> None:
    """Prints the table or writes it into the page."""
    if args.leaderboard and args.columns:
        raise UsageError("--columns does not go with --leaderboard, which has its own")
    points = []
    for path in args.files:
        of_file = results.read(path)["points"]
        try:
            of_file = results.of_codecs(of_file, args.codecs)
            shown = results.table(of_file, columns=args.columns)
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from None
        if not shown.strip():
            raise ValueError(f"{path} has no point with a value for a table")
        points += of_file
    if args.leaderboard:
        from tfcsi.evaluation import leaderboard

        rows = leaderboard.rows(points)
        text = results.table(rows, markdown=True, columns=leaderboard.COLUMNS)
    else:
        text = results.table(points, markdown=True, columns=args.columns)
    if args.output:
        chosen = {"columns": args.columns, "codecs": args.codecs}
        given = [f"--{name}={','.join(v)}" for name, v in chosen.items() if v]
        given += ["--leaderboard"] if args.leaderboard else []
        results.insert(args.output, [*args.files, *given], text)
        print(f"table of {', '.join(args.files)} written to {args.output}")
    else:
        print(text)
