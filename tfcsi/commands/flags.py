"""Flags that several commands share, and what kinds of values flags have."""

from __future__ import annotations

import argparse
import dataclasses
import pathlib
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from tfcsi.commands import texts
from tfcsi.commands.parser import CHANGE, Kind, Parser, Switch, UsageError

if TYPE_CHECKING:
    import ml_collections


def integer(low: int | None = None) -> Kind:
    """Kind of an integer, `low` or more."""

    def read(text: str) -> int:
        number = int(text)
        if low is not None and number < low:
            raise ValueError
        return number

    known = {None: "integer", 1: "positive integer"}
    words = known.get(low, f"integer, {low} or more")
    article = "an" if words.startswith("i") else "a"
    return Kind(words, read, f": {{text}} is not {article} {words}")


def number(low: float | None = None) -> Kind:
    """Kind of a finite number, `low` or more."""

    def read(text: str) -> float:
        value = float(text)
        if not np.isfinite(value) or low is not None and value < low:
            raise ValueError
        return value

    words = "number" if low is None else f"number, {low:g} or more"
    return Kind(words, read, f": {{text}} is not a {words}")


def choice(*names: str) -> Kind:
    """Kind of one of some words."""

    def read(text: str) -> str:
        if text not in names:
            raise ValueError
        return text

    known = ", ".join(names)
    return Kind(f"one of {known}", read, f"; it must be one of {known}", names)


def choices(*names: str) -> Kind:
    """Kind of some of some words, separated by commas."""

    def read(text: str) -> list[str]:
        chosen = texts.names(text)
        unknown = sorted(set(chosen) - set(names))
        if unknown:
            raise argparse.ArgumentTypeError(
                f" has {', '.join(unknown)}; known are {known}"
            )
        return chosen

    known = ", ".join(names)
    return Kind(
        f"some of {known}",
        read,
        f"; give some of {known}, separated by commas",
        names,
    )


TEXT = Kind("text", texts.word, ": a value is missing")
NAMES = Kind(
    "names, separated by commas", texts.names, "; give names, separated by commas"
)
NUMBERS = Kind(
    "numbers, or low:high:step",
    texts.numbers,
    "; give low:high:step with a positive step and at most "
    f"{texts.MOST_NUMBERS} numbers, or numbers with commas between",
)
# A value that is no Python number, truth or tuple is a word.
ARGUMENTS = Kind("key=value,key=value", texts.arguments, "; give key=value,key=value")
OPTIONS = Kind(
    "name:key=value,..., any number of times",
    texts.options,
    "; give NAME:KEY=VALUE,...",
)
INTEGERS = Kind(
    "integers, separated by commas",
    texts.integers,
    "; give positive integers, as in 4,8",
)
SHARD = Kind(
    "number of a part and of all parts", texts.shard, "; give 1/N to N/N, as in 2/8"
)
SHAPE = Kind("num_tx,num_delay", texts.shape, "; give num_tx,num_delay")
COUNTS = Kind(
    "N, or train,val,test", texts.counts, "; give N, or three: train,val,test"
)
RESULTS = Kind("file", texts.results_file, "; give FILE.json, the picture is FILE.png")
PART = Kind("file", texts.results_or_part, RESULTS.remedy + "; --shard needs FILE.npz")
FOLDERS = Kind(
    "folders, separated by commas",
    texts.folders,
    "; give folders, separated by commas",
)
FILES = Kind(
    "files, separated by commas", texts.folders, "; give files, separated by commas"
)
FOLDER, FILE = (dataclasses.replace(TEXT, words=kind) for kind in ("folder", "file"))
SPLITS = ("train", "val", "test")

# Name of a flag to the arguments of `add_argument`.
SHARED: dict[str, dict[str, Any]] = {
    "workdir": {"type": FOLDER, "metavar": "DIR", "help": "Folder of the run."},
    "folder": {
        "type": FOLDER,
        "metavar": "DIR",
        "help": "Folder of the exported files; that of the run if not given. It is "
        "needed for a codec of the zoo.",
    },
    "data_dir": {
        "type": FOLDER,
        "metavar": "DIR",
        "help": "Folder of the files of the run's data set.",
    },
    "data_root": {
        "type": FOLDER,
        "metavar": "DIR",
        "help": "Folder of the folders cost2100/, quadriga/, raytraced/ and deepmimo/.",
    },
    "config": {
        "type": dataclasses.replace(TEXT, words="name or file"),
        "metavar": "NAME",
        "help": "Name of a config that comes with tfcsi, such as stqenet_indoor, or a "
        "config file. NAME:ARGUMENT gives the config an argument, such as "
        "autoencoder:crnet.",
    },
    "resume": {
        "action": Switch,
        "help": "Continue the run in the workdir; start one if there is none.",
    },
    "progress": {"action": Switch, "default": True, "help": "Show progress bars."},
    "quiet": {"action": Switch, "help": "Print errors and warnings only."},
    "json": {"action": Switch, "help": "Print JSON, for programs, not a table."},
    "dry_run": {
        "action": Switch,
        "help": "Check everything, say what would be done, and write nothing.",
    },
    "channel": {
        "type": TEXT,
        "metavar": "NAME",
        "help": "Name of a simulator and of one of its scenarios, such as "
        "cost2100_indoor or tr38901_uma_nlos.",
    },
    "shard": {
        "type": SHARD,
        "metavar": "I/N",
        "help": "Do part I of N, from 1, such as 2/8: each part on another machine.",
    },
    "input": {"type": FILE, "metavar": "FILE", "help": "File to read."},
    "output": {"type": FILE, "metavar": "FILE", "help": "File to write."},
    "key": {
        "type": TEXT,
        "metavar": "NAME",
        "help": "Name of the variable in a .mat, .npz or .h5 file. It is needed only "
        "if more than one variable could be CSI.",
    },
    "axes": {
        "type": TEXT,
        "metavar": "NAMES",
        "help": "Names of the axes in the order of the file, such as tx,sc,n: n "
        "(matrices), rx, tx, sc (or delay), reim (real and imaginary part), ht (a "
        "whole matrix, as in HT), 1 (an axis of length one). It is needed only if the "
        "sizes allow more than one reading, or for real numbers.",
    },
    "rx": {
        "type": integer(0),
        "metavar": "N",
        "help": "Number of the user's antenna, if the file has several.",
    },
    "zero": {
        "type": number(),
        "default": 0.0,
        "metavar": "X",
        "help": "Number that stands for zero in real and imaginary parts, such as 0.5 "
        "for parts in [0, 1].",
    },
    "prepared": {
        "action": Switch,
        "help": "Read the file as matrices in the domain of the codec, even if it has "
        "the form of a source, such as channel of DeepMIMO.",
    },
    "scale": {
        "action": Switch,
        "help": "Scale each matrix to max|h| = 0.5 first, as networks need it. This "
        "loses its power.",
    },
    "split": {
        "type": choice(*SPLITS),
        "default": "test",
        "metavar": "NAME",
        "help": "Split of the data set to measure on.",
    },
    "seed": {"type": integer(0), "metavar": "N", "default": 1},
}


def add(parser: Parser, *names: str, **keywords: Any) -> None:
    """Adds shared flags to a parser.

    Args:
      parser: Gets the flags.
      *names: Keys of `SHARED`.
      **keywords: Arguments of `add_argument` that differ from those of `SHARED`.
    """
    for name in names:
        parser.add_argument(f"--{name}", **{**SHARED[name], **keywords})


def add_codec(parser: Parser, **keywords: Any) -> None:
    """Adds the flag --workdir, or --codec: a run, or a codec of the zoo.

    Args:
      parser: Gets the flag.
      **keywords: Arguments of `add_argument` that differ.
    """
    words = {
        "required": True,
        "type": FOLDER,
        "metavar": "DIR",
        "help": "Folder of the run, or the name of a codec of the zoo, such as paths; "
        "tfcsi zoo lists the names. A folder of that name is ./paths. --codec is the "
        "same flag.",
    }
    parser.add_argument("--workdir", "--codec", **{**words, **keywords})


def add_results(parser: Parser) -> None:
    """Adds the flag --output, the results file of a benchmark."""
    words = "Results file to write (.json)."
    add(parser, "output", type=RESULTS, required=True, help=words)


def folder_of(args: argparse.Namespace) -> pathlib.Path:
    """The folder of the exported files of a run.

    Args:
      args: Has workdir and folder.

    Raises:
      UsageError: If it would be that of a codec of the zoo.
    """
    from tfcsi.codecs.zoo import is_name

    if args.folder is None and is_name(args.workdir):
        raise UsageError(
            f"{args.workdir} is a codec of the zoo, and its folder is not written to: "
            f"give --folder=DIR"
        )
    return pathlib.Path(args.folder or args.workdir)


def add_config(parser: Parser, **keywords: Any) -> None:
    """Adds --config and --config.FIELD; `config_of` reads what was given."""
    add(parser, "config", **keywords)
    parser.add_argument(
        CHANGE,
        type=dataclasses.replace(TEXT, words="any number of times"),
        action="append",
        default=[],
        dest="changes",
        metavar="VALUE",
        help="Change a field of the config, as in --config.lmbda=1e-4 or "
        "--config.network.latent=conv; tfcsi train --helpfull lists the fields.",
    )


def changed(args: argparse.Namespace) -> list[str]:
    """Returns the fields that --config.FIELD names, without what is behind a dot."""
    return [change.partition("=")[0].partition(".")[0] for change in args.changes]


def refuse_idle(args: argparse.Namespace, names: Iterable[str], reason: str) -> None:
    """Refuses --config.FIELD of fields that would change nothing.

    Args:
      args: Has changes.
      names: Names of such fields.
      reason: Why they change nothing, for the message.

    Raises:
      UsageError: If one of them was given.
    """
    for name in names:
        if name in changed(args):
            raise UsageError(
                f"--config.{name} would change nothing, because {reason}; leave it out"
            )


def config_of(
    args: argparse.Namespace, tuning: bool = False, tests: bool = False
) -> ml_collections.ConfigDict:
    """The config that --config names, with the changes of --config.FIELD.

    Args:
      args: Has config and changes.
      tuning: Whether it is for a fine-tuning, and not for a training.
      tests: Whether the command takes the number of its test matrices from the config.

    Raises:
      UsageError: If there is no such config or field, or a value does not fit; or if
        the config is for a training and not for a fine-tuning, or the reverse; or if
        it has a number of test matrices that the command does not take.
    """
    from tfcsi.training import config

    try:
        fields = config.read(args.config, args.changes)
    except config.ConfigError as error:
        raise UsageError(str(error)) from error
    if "num_test" in fields and not tests:
        raise UsageError(
            f"--config={args.config} has num_test, which only tfcsi demo uses; "
            f"leave it out"
        )
    if tuning and "model" in fields:
        raise UsageError(
            f"--config={args.config} is for tfcsi train; a fine-tuning takes a config "
            f"that has only the fields it changes, such as qat"
        )
    if not tuning and (fields.get("qat") or "model" not in fields):
        raise UsageError(
            f"--config={args.config} has fake quantisation, which is for fine-tuning: "
            f"train without it, then use tfcsi finetune"
        )
    return fields
