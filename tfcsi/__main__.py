"""The command line: `tfcsi COMMAND [flags]`; `tfcsi --help` lists the commands."""

from __future__ import annotations

import argparse
import os
import sys
from importlib import metadata
from types import ModuleType
from typing import Any

import tfcsi
from tfcsi.commands import (
    advise,
    benchmark,
    check,
    completion,
    compress,
    data,
    decompress,
    demo,
    evaluate,
    export,
    finetune,
    flags,
    generate,
    import_,
    info,
    merge,
    next_steps,
    program,
    quantize,
    report,
    reproduce,
    score,
    serve,
    table,
    terminal,
    train,
    transfer,
    zoo,
)
from tfcsi.commands.parser import CHANGE, Parser, UsageError, parts_of, unknown

GROUPS: dict[str, tuple[ModuleType, ...]] = {
    "See everything once": (demo,),
    "Make and inspect channels": (generate, data),
    "Train": (train, import_, finetune, quantize),
    "Compress": (advise, compress, decompress, info, merge, serve, zoo),
    "Measure": (evaluate, score, report, reproduce, transfer, table),
    "Bring the encoder to a phone": (export, check, benchmark),
    "Set up the shell": (completion,),
}


# Packages whose versions `tfcsi --version` prints.
PACKAGES = (
    *("numpy", "tensorflow", "keras", "tensorflow-compression"),
    *("tensorflow-model-optimization", "ai-edge-litert"),
)


def name_of(module: ModuleType) -> str:
    """Returns the name of the command of a module; `import_` has that of a keyword."""
    return module.__name__.rpartition(".")[2].rstrip("_")


COMMANDS = {
    name_of(module): module for modules in GROUPS.values() for module in modules
}


def overview() -> str:
    """Returns the list of all commands, in groups, with a sentence each."""
    lines = [
        "usage: tfcsi COMMAND [flags]",
        "",
        "Compresses channel state information.",
    ]
    for title, modules in GROUPS.items():
        lines += ["", f"{title}:"]
        for module in modules:
            lines.append(f"  {name_of(module):11s} {parts_of(module.__doc__ or '')[0]}")
    lines += ["", "tfcsi COMMAND --help shows the flags of a command and an example."]
    lines += ["tfcsi --version shows the versions."]
    lines += [
        "Exit codes: 0 if all went well, 1 for an error, 2 for an invalid command"
    ]
    return "\n".join([*lines, "line, 130 if the user stopped it."])


def versions() -> str:
    """Returns the versions that matter for a result or a report of a bug."""
    lines = [f"tfcsi {tfcsi.__version__}", f"python {sys.version.split()[0]}"]
    for name in PACKAGES:
        try:
            lines.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            lines.append(f"{name} not installed")
    return "\n".join(lines)


class Overview(Parser):
    """Parser of the command line without a command; its usage lists the commands."""

    def format_usage(self) -> str:
        """Returns the list of commands."""
        return f"{overview()}\n"


class FullHelp(argparse.Action):
    """Prints the help text and, if the command takes a config, its fields."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        """Prints, and exits."""
        parser.print_help()
        if isinstance(parser, Parser) and CHANGE in parser.options:
            from tfcsi.training import config

            print(f"\nFields of a config:\n\n{config.describe()}", end="")
        parser.exit()


def parser_of(command: str) -> Parser:
    """Returns the parser of a command, a key of `COMMANDS`."""
    module = COMMANDS[command]
    parser = Parser(f"tfcsi {command}", module.__doc__)
    parser.add_argument("--helpfull", action=FullHelp, nargs=0, help=argparse.SUPPRESS)
    module.add_arguments(parser)
    flags.add(parser, "quiet")
    return parser


def main(argv: list[str]) -> int:
    """Runs a command.

    Args:
      argv: Name of the program, name of the command and its flags, as in `sys.argv`.

    Returns:
      Exit status: 0 if the command succeeded.
    """
    command = argv[1] if len(argv) > 1 else ""
    if command in COMMANDS:
        parser = parser_of(command)
        return program.run(lambda: _work(command, parser, argv[2:]), parser)
    words = {"--version": versions()}
    words |= dict.fromkeys(("--help", "-h", "--helpfull", "help"), overview())
    return program.run(
        lambda: _answer(command, words), Overview("tfcsi", tfcsi.__doc__)
    )


def _work(command: str, parser: Parser, words: list[str]) -> None:
    """Runs a command, and names the next one to try."""
    args = parser.parse_args(words)
    with terminal.silence(args):
        COMMANDS[command].run(args)
    next_steps.tell(command, args)


def _answer(command: str, words: dict[str, str]) -> None:
    if not command:
        raise UsageError("give a command")
    if command not in words:
        kind = "flag" if command.startswith("-") else "command"
        raise UsageError(unknown(kind, command, [*COMMANDS, "--help", "--version"]))
    print(words[command])


def run() -> None:
    """Entry point of the installed command."""
    if completion.VARIABLE in os.environ:
        completion.answer(COMMANDS, parser_of)
    sys.exit(main(sys.argv))


if __name__ == "__main__":
    run()
