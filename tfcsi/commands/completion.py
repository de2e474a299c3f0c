"""Prints the script by which a shell completes flags and names.

    tfcsi completion bash

Add the line eval "$(tfcsi completion bash)" to ~/.bashrc, or the same with zsh to
~/.zshrc; for fish: tfcsi completion fish | source. The script needs argcomplete, which
is in the full set.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Iterable
from typing import Any

from tfcsi.commands import flags
from tfcsi.commands.parser import Kind, Parser

SHELLS = ("bash", "zsh", "tcsh", "fish")
VARIABLE = "_ARGCOMPLETE"  # Is set when a shell asks for completions.
INSTALL = "not installed: argcomplete; pip install argcomplete"


def add_arguments(parser: Parser) -> None:
    """Adds the argument of the command."""
    parser.add_argument(
        "shell",
        type=flags.choice(*SHELLS),
        metavar="SHELL",
        help="Shell that the script is for: bash, zsh, tcsh or fish.",
    )


def run(args: argparse.Namespace) -> None:
    """Prints the script."""
    try:
        import argcomplete
    except ImportError:
        raise ImportError(INSTALL) from None
    shell = "bash" if args.shell == "zsh" else args.shell
    print(argcomplete.shellcode(["tfcsi"], shell=shell))


def answer(commands: Iterable[str], parser_of: Callable[[str], Parser]) -> None:
    """Answers a shell that asks for completions, and ends the process.

    Args:
      commands: Names of all commands.
      parser_of: Returns the parser of a command.
    """
    try:
        import argcomplete
    except ImportError:
        sys.exit(1)
    commands = list(commands)
    words = os.environ["COMP_LINE"][: int(os.environ["COMP_POINT"])].split(" ")
    words = [word for word in words[:-1] if word]
    if len(words) > 1 and words[1] in commands:
        parser = parser_of(words[1])
        os.environ[VARIABLE] = "2"  # The name of the command stands for the program.
        for action in parser.shown:
            action.completer = _completer(action)  # type: ignore[attr-defined]
    else:
        parser = Parser("tfcsi", None)
        parser.add_argument("command", choices=commands)
        parser.add_argument("--version", action="store_true")
    argcomplete.autocomplete(parser, always_complete_options="long")


def _completer(action: argparse.Action) -> Callable[..., Iterable[str]]:
    """Returns what completes the value of an argument."""
    import argcomplete

    kind = action.type
    names: list[str] = []
    if isinstance(kind, Kind) and kind.choices:
        names = list(kind.choices)
    elif action.dest in ("workdir", "codec", "codecs", "path", "measure"):
        from tfcsi.codecs import zoo

        names = list(zoo.entries())
    elif action.dest == "config":
        names = _configs()
    in_files = argcomplete.FilesCompleter()

    def complete(prefix: str, **keywords: Any) -> list[str]:
        if isinstance(kind, Kind) and kind.choices:
            return names
        return [*names, *in_files(prefix, **keywords)]

    return complete


def _configs() -> list[str]:
    """Names of the configs of the package; none without the full set."""
    try:
        from tfcsi.training import config_files
    except ImportError:
        return []
    return config_files.names()
