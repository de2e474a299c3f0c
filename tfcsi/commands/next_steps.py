"""The command that one tries after another has ended well."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Callable

from tfcsi.codecs import zoo
from tfcsi.commands import terminal

_DATA = "--data_dir=DIR"


def tell(command: str, args: argparse.Namespace) -> None:
    """Names the next command on stderr, except of a dry run, or if it would disturb.

    Args:
      command: Name of the command that has ended.
      args: What it was given.
    """
    step = STEPS.get(command)
    others = ("quiet", "json", "dry_run")
    if step is None or any(name in args and getattr(args, name) for name in others):
        return
    if "shard" in args and args.shard:  # The parts of the other machines come first.
        return
    if words := step(args):
        terminal.tell_next(shlex.join(words))


def _flag(name: str, value: object) -> str:
    return f"--{name}={value}"


def _evaluate(codec: str, data_dir: str | None = None) -> list[str]:
    """Measures a codec; that of the zoo needs a name for the results file."""
    words = ["tfcsi", "evaluate", _flag("codec", codec)]
    words.append(_flag("data_dir", data_dir) if data_dir else _DATA)
    return [*words, "--output=results.json"] if zoo.is_name(codec) else words


def _train(args: argparse.Namespace) -> list[str]:
    return _evaluate(args.workdir, args.data_dir)


def _finetune(args: argparse.Namespace) -> list[str]:
    output = args.output or f"{args.workdir.rstrip('/')}_qat"
    return ["tfcsi", "export", _flag("codec", output), "--precision=int8"]


def _import(args: argparse.Namespace) -> list[str]:
    run = args.workdir.rstrip("/")
    words = ["tfcsi", "quantize", _flag("workdir", run)]
    return [*words, _flag("output", f"{run}_6bit"), "--bits=6"]


def _compress(args: argparse.Namespace) -> list[str]:
    words = ["tfcsi", "decompress", _flag("codec", args.workdir)]
    return [*words, _flag("input", args.output), "--output=h_hat.npy"]


def _decompress(args: argparse.Namespace) -> list[str]:
    words = ["tfcsi", "info", args.input, "--packet=0"]
    return [*words, _flag("codec", args.workdir)]


def _info(args: argparse.Namespace) -> list[str]:
    if zoo.is_name(args.path):
        return ["tfcsi", "compress", _flag("codec", args.path), *_FILES]
    return []


_FILES = ["--input=h.npy", "--output=h.tcsi"]


def _export(args: argparse.Namespace) -> list[str]:
    if args.format == "savedmodel":
        return []
    words = ["tfcsi", "check", _flag("codec", args.workdir), _DATA]
    return [*words, _flag("folder", args.folder)] if args.folder else words


def _check(args: argparse.Namespace) -> list[str]:
    return ["tfcsi", "benchmark", _flag("workdirs", args.folder or args.workdir)]


def _generate(args: argparse.Namespace) -> list[str]:
    words = ["tfcsi", "train", "--config=stqenet_indoor"]
    return [*words, _flag("data_dir", args.out), "--workdir=runs/a"]


def _evaluated(args: argparse.Namespace) -> list[str]:
    return ["tfcsi", "compress", _flag("codec", args.workdir[0]), *_FILES]


def _data(args: argparse.Namespace) -> list[str]:
    if args.paths[0] != "stats":
        return ["tfcsi", "train", "--config=stqenet_indoor", *_of(args.paths[1:])]
    words = ["tfcsi", "compress", "--codec=paths", _flag("input", args.paths[1])]
    return [*words, "--output=h.tcsi"]


def _of(folders: list[str]) -> list[str]:
    return [_flag("data_dir", folder) for folder in folders] + ["--workdir=runs/a"]


def _zoo(args: argparse.Namespace) -> list[str]:
    if args.add:
        return ["tfcsi", "zoo", args.name]
    if args.measure:
        return ["tfcsi", "zoo", args.measure[-1]]
    if args.codec:
        return ["tfcsi", "compress", _flag("codec", args.codec), *_FILES]
    return ["tfcsi", "zoo", "paths"]


def _merge(args: argparse.Namespace) -> list[str]:
    command = "table" if args.output.endswith(".json") else "info"
    return ["tfcsi", command, args.output]


def _table(args: argparse.Namespace) -> list[str]:
    return ["tfcsi", "table", args.output] if args.output else []


# Name of a command to the words of the next one; no words where none follows.
STEPS: dict[str, Callable[[argparse.Namespace], list[str]]] = {
    "train": _train,
    "finetune": _finetune,
    "import": _import,
    "quantize": lambda args: _evaluate(args.output),
    "compress": _compress,
    "decompress": _decompress,
    "info": _info,
    "export": _export,
    "check": _check,
    "benchmark": _table,
    "generate": _generate,
    "evaluate": _evaluated,
    "data": _data,
    "zoo": _zoo,
    "demo": lambda args: ["tfcsi", "compress", _flag("codec", args.workdir), *_FILES],
    "merge": _merge,
    "reproduce": _table,
    "score": _table,
    "transfer": _table,
    "report": lambda args: [
        "tfcsi",
        "compress",
        _flag("codec", args.codecs[0]),
        *_FILES,
    ],
}
# Commands after which there is nothing to do; advise ends with a command of its own.
LAST = ("advise", "completion", "serve", "table")
