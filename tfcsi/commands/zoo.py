"""Lists the codecs that load by name, and adds trained runs to them.

    tfcsi zoo --add=runs/a --name=our-stqenet --data_dir=DIR

Without a flag it lists all codecs: name, source, bits, NMSE and size at the UE, as
their results files have them. With the name of a codec it prints its card. --add copies
what a codec needs into a zoo, measures it on test matrices and writes its card.
"""

from __future__ import annotations

import argparse
import json
from typing import Any

import tfcsi
from tfcsi import results
from tfcsi.codecs import zoo
from tfcsi.commands import flags
from tfcsi.commands.parser import Parser, Switch, UsageError

COLUMNS = (
    *("codec", "dataset", "bits", "nmse_db", "nmse_db_low", "ue_params", "ue_bytes"),
    *("file_bytes", "place"),
)


def add_arguments(parser: Parser) -> None:
    """Adds the arguments of the command."""
    parser.add_argument(
        "codec",
        nargs="?",
        type=flags.TEXT,
        metavar="NAME",
        help="Codec whose card is printed.",
    )
    parser.add_argument(
        "--verify",
        action=Switch,
        help="Check size and SHA-256 of the files of all codecs.",
    )
    flags.add(parser, "json", help="Print the list as JSON, for programs.")
    parser.add_argument(
        "--add",
        type=flags.FOLDER,
        metavar="DIR",
        help="Folder of a run whose codec is added to the zoo.",
    )
    parser.add_argument(
        "--name", type=flags.TEXT, metavar="NAME", help="Name of the codec for --add."
    )
    parser.add_argument(
        "--measure",
        type=flags.NAMES,
        metavar="NAME,...",
        help="Codecs that are measured anew, for their results files and cards.",
    )
    parser.add_argument(
        "--cards",
        action=Switch,
        help="Write the cards of all codecs anew from their results files.",
    )
    parser.add_argument(
        "--zoo",
        type=flags.FOLDER,
        metavar="DIR",
        help="Zoo for --add; if not given, the first folder that TFCSI_ZOO names, or "
        "the folder zoo of a checkout.",
    )
    parser.add_argument(
        "--overwrite",
        action=Switch,
        help="Let --add replace a codec of that name in its zoo.",
    )
    flags.add(parser, "data_dir", help="Folder of the test files of the one source.")
    flags.add(parser, "data_root")
    parser.add_argument(
        "--num",
        type=flags.integer(1),
        metavar="N",
        help="Number of the first test matrices that are measured; all if not given.",
    )
    flags.add(parser, "progress")


def run(args: argparse.Namespace) -> None:
    """Does what the flags ask."""
    modes = [n for n in ("verify", "add", "measure", "cards") if getattr(args, n)]
    if args.codec:
        modes.append("NAME")
    if len(modes) > 1:
        raise UsageError(f"{' and '.join(modes)} do not go together; give one of them")
    mode = modes[0] if modes else ""
    if bool(args.name) != (mode == "add"):
        raise UsageError("--add and --name go together; give both")
    for name in ("zoo", "overwrite"):
        if getattr(args, name) and mode != "add":
            raise UsageError(f"--{name} goes with --add")
    if (args.data_dir or args.data_root) and mode not in ("add", "measure"):
        raise UsageError("--data_dir and --data_root go with --add or --measure")
    if args.data_dir and args.data_root:
        raise UsageError("--data_dir and --data_root were given; give one of them")
    if args.json and mode:
        raise UsageError("--json goes with the list of all codecs")
    if mode in ("add", "measure", "cards"):
        tfcsi.need_full()
    if mode == "NAME":
        print(card_of(args.codec))
    elif mode == "verify":
        verify()
    elif mode == "add":
        from tfcsi.commands import zoo_adding

        zoo_adding.add(args)
    elif mode == "measure":
        from tfcsi.commands import zoo_adding

        for name in args.measure:
            zoo_adding.measure(zoo.entry_of(name), args)
    elif mode == "cards":
        write_cards()
    else:
        listing(args.json)


def card_of(name: str) -> str:
    """Returns the card of a codec; errors as `zoo.entry_of`."""
    path = zoo.entry_of(name).folder / zoo.CARD_FILE
    if not path.exists():
        raise FileNotFoundError(f"{path} is not here; tfcsi zoo --cards writes it")
    return path.read_text(encoding="utf-8").rstrip()


def rows(entry: zoo.Entry) -> list[dict[str, Any]]:
    """Returns what the list shows of a codec: a row for each source."""
    place = "here" if entry.is_here() else "not here"
    facts = {"codec": entry.name, "file_bytes": entry.num_bytes, "place": place}
    points = zoo.points_of(entry) if entry.is_here() else []
    if not points:
        sources = entry.fields.get("data", "").split(",")
        source = f"{len(sources)} sources" if len(sources) > 1 else sources[0]
        return [{**facts, "dataset": source}]
    return [{**point, **facts} for point in zoo.usual(points)]


def listing(as_json: bool) -> None:
    """Prints all codecs with what `compress` without a wish gives."""
    known = [row for entry in zoo.entries().values() for row in rows(entry)]
    if as_json:
        print(json.dumps(known, indent=1))
        return
    print(results.table(known, columns=COLUMNS))
    if any(row["place"] == "not here" for row in known):
        print("\ntfcsi info NAME says how to get a codec that is not here")


def verify() -> None:
    """Checks the files of all codecs.

    Raises:
      ValueError: If the files of a codec are damaged.
    """
    bad = 0
    for entry in zoo.entries().values():
        try:
            zoo.check(entry)
            status = f"sound, {entry.num_bytes:,} bytes"
        except FileNotFoundError:
            status = "not here"
        except ValueError as error:
            bad, status = bad + 1, f"DAMAGED: {error}"
        print(f"{entry.name:36s} {status}")
    if bad:
        raise ValueError(f"{bad} of the codecs are damaged")


def write_cards() -> None:
    """Writes the cards of all codecs that are here."""
    from tfcsi.evaluation import card

    for entry in zoo.entries().values():
        if entry.is_here():
            zoo.check(entry)
            card.write(entry)
            print(entry.folder / zoo.CARD_FILE)
