"""The parser of all commands and programs: argparse, with flags as absl writes them.

A flag is `--flag=value` or `--flag value`, a switch is `--flag` or `--noflag`. Flags
have no abbreviations. A misspelt flag is refused with the nearest name that there is.
"""

from __future__ import annotations

import argparse
import dataclasses
import difflib
import sys
import textwrap
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NoReturn

WIDTH = 80  # Width of a help text, in characters.
CHANGE = "--config.FIELD"  # Stands for all flags --config.NAME of a parser.
TRUTHS = {"true": True, "t": True, "1": True, "yes": True, "y": True}
TRUTHS |= {"false": False, "f": False, "0": False, "no": False, "n": False}


class UsageError(ValueError):
    """The command line is invalid."""


@dataclasses.dataclass(frozen=True)
class Kind:
    """Reads the text of a flag.

    Attributes:
      words: What to give, for the help text.
      read: Text to value; a ValueError if there is none.
      remedy: What an error says behind "flag --name=text".
      choices: All values there are, for the completion by a shell; empty if others are
        possible.
    """

    words: str
    read: Callable[[str], object]
    remedy: str
    choices: tuple[str, ...] = ()

    def __call__(self, text: str) -> object:
        """The value, or an ArgumentTypeError that names the remedy."""
        try:
            return self.read(text)
        except ValueError:
            remedy = self.remedy.format(text=text)
            raise argparse.ArgumentTypeError(f"={text}{remedy}") from None


class Switch(argparse.Action):
    """A flag without a value: `--flag` sets it, `--noflag` clears it."""

    def __init__(
        self,
        option_strings: Sequence[str],
        dest: str,
        default: bool = False,
        help: str | None = None,
    ):
        names = [option_strings[0], f"--no{option_strings[0][2:]}"]
        super().__init__(names, dest, nargs=0, default=default, help=help)

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        """Stores whether the flag was given without "no"."""
        setattr(namespace, self.dest, option_string == self.option_strings[0])


class Parser(argparse.ArgumentParser):
    """Parser of one command or program; errors are raised as `UsageError`.

    `add_argument` is that of argparse. Help texts show the arguments in the order in
    which they were added, the required ones first.
    """

    def __init__(self, prog: str, doc: str | None, **keywords: Any):
        """Makes a parser.

        Args:
          prog: What a user types to start it, such as "tfcsi train".
          doc: Docstring of its module: what it does, one indented example, the rest.
          **keywords: Of a further base class.
        """
        self.options: dict[str, argparse.Action] = {}  # By each way to write them.
        self.shown: list[argparse.Action] = []  # In the help text.
        self.required: list[argparse.Action] = []
        self.words: list[str] = []  # What was parsed last.
        self.continues = False  # Whether the same command line continues its work.
        keywords |= {"allow_abbrev": False, "exit_on_error": False}
        super().__init__(prog=prog, **keywords)
        self.summary, self.example, self.text = parts_of(doc or "")

    def add_argument(
        self, *names: str, required: bool = False, **keywords: Any
    ) -> argparse.Action:
        """Like that of argparse; arguments that are missing are told all at once."""
        if not names[0].startswith("-"):
            shapes = {None: ("?", True), "+": ("*", True)}
            nargs = keywords.get("nargs")
            keywords["nargs"], required = shapes.get(nargs, (nargs, False))
        action = super().add_argument(*names, **keywords)
        self.options.update(dict.fromkeys(action.option_strings, action))
        if action.help != argparse.SUPPRESS and action.dest != "help":
            self.shown.append(action)
        if required:
            self.required.append(action)
        return action

    def parse_known_args(  # type: ignore[override]  # argparse has overloads.
        self, args: Sequence[str] | None = None, namespace: Any = None
    ) -> tuple[argparse.Namespace, list[str]]:
        """Like that of argparse, with flags as absl has them."""
        self.words = list(sys.argv[1:] if args is None else args)
        args = self._written_out(self.words)
        return super().parse_known_args(args, namespace)

    def parse_args(  # type: ignore[override]  # argparse has overloads.
        self, args: Sequence[str] | None = None, namespace: Any = None
    ) -> argparse.Namespace:
        """Like that of argparse, but raises `UsageError`."""
        try:
            values, rest = self.parse_known_args(args, namespace)
        except argparse.ArgumentError as error:
            name = (error.argument_name or "").partition("/")[0]
            join = "" if error.message[:1] in ("=", " ") else ": "
            raise UsageError(f"flag {name}{join}{error.message}") from None
        for word in rest:
            if word.startswith("-"):
                raise UsageError(unknown("flag", word.split("=")[0], self.options))
            raise UsageError(f"unexpected argument {word!r}")
        missing = [
            action.option_strings[0] if action.option_strings else heading(action)
            for action in self.required
            if getattr(values, action.dest) in (None, [])
        ]
        if missing:
            raise UsageError(f"expected {', '.join(missing)}")
        return values

    def error(self, message: str) -> NoReturn:
        """Raises a `UsageError`."""
        raise UsageError(message)

    def format_usage(self) -> str:
        """One line, broken where it is long, with all arguments."""
        indent = " " * len(f"usage: {self.prog} ")
        words = [f"usage: {self.prog}"]
        for action in self._in_order():
            word = heading(action).replace(" ", "\0")  # Is not broken there.
            words.append(word if action in self.required else f"[{word}]")
        text = textwrap.fill(
            " ".join(words),
            WIDTH,
            subsequent_indent=indent,
            break_long_words=False,
            break_on_hyphens=False,
        )
        return text.replace("\0", " ") + "\n"

    def format_help(self) -> str:
        """Usage, summary, arguments with type and default, an example, and the rest."""
        blocks = [self.format_usage().rstrip(), self.summary]
        entries = [self._entry(action) for action in self._in_order()]
        blocks.append("\n".join(["Arguments:", *entries]))
        if self.example:
            blocks.append(f"Example:\n{textwrap.indent(self.example, '  ')}")
        return "\n\n".join([*blocks, *self.text, *self.notes()]) + "\n"

    def notes(self) -> list[str]:
        """What a further base class adds at the end of the help text."""
        return []

    def _in_order(self) -> list[argparse.Action]:
        return sorted(self.shown, key=lambda action: action not in self.required)

    def _entry(self, action: argparse.Action) -> str:
        if isinstance(action, Switch):
            facts = f"switch, default: {'on' if action.default else 'off'}"
        else:
            facts = action.type.words if isinstance(action.type, Kind) else "text"
            if action in self.required:
                facts += ", required"
            elif action.default not in (None, [], {}, ()):
                facts += f", default: {written(action.default)}"
        head = textwrap.fill(
            f"  {heading(action)}   ({facts})",
            WIDTH,
            subsequent_indent=" " * 6,
            break_long_words=False,
            break_on_hyphens=False,
        )
        text = textwrap.fill(
            action.help or "",
            WIDTH,
            initial_indent=" " * 6,
            subsequent_indent=" " * 6,
        )
        return f"{head}\n{text}"

    def _written_out(self, args: Iterable[str]) -> list[str]:
        """Flags as `--flag=value` or `--flag`, then all other arguments."""
        flags, rest, words = [], [], list(args)
        while words:
            word = words.pop(0)
            if word == "--":
                rest += [word, *words]
                break
            if not word.startswith("--"):
                rest.append(word)
                continue
            name, equals, value = word.partition("=")
            if value == "--":  # argparse would drop it.
                raise UsageError(f"flag {word}: -- is not a value")
            if CHANGE in self.options and name.startswith(("--config.", "--noconfig.")):
                no, _, field = name.partition("config.")
                bare = not equals and (not words or words[0].startswith("--"))
                if no == "--no" or bare:
                    value = str(no != "--no")
                elif not equals:
                    value = words.pop(0)
                flags.append(f"{CHANGE}={field}={value}")
                continue
            action = self.options.get(name)
            if isinstance(action, Switch) and equals:
                if value.lower() not in TRUTHS:
                    raise UsageError(f"flag {word}: give true or false")
                no = "" if TRUTHS[value.lower()] else "no"
                word = f"--{no}{name[2:]}"
            elif action and action.nargs != 0 and not equals and words:
                if not words[0].startswith("--"):
                    word = f"{name}={words.pop(0)}"
            flags.append(word)
        return [*flags, *rest]


def parts_of(doc: str) -> tuple[str, str, list[str]]:
    """Splits a docstring.

    Args:
      doc: Paragraphs, of which one or more are indented by four spaces.

    Returns:
      The first paragraph; the first indented one, an example; the others, filled.
    """
    summary, example, text = "", "", []
    for paragraph in textwrap.dedent(doc).strip().split("\n\n"):
        if paragraph.startswith("    "):
            if not example:
                example = command_lines(paragraph)
            else:
                text.append(textwrap.indent(textwrap.dedent(paragraph), "  "))
        elif not summary:
            summary = textwrap.fill(paragraph, WIDTH)
        else:
            text.append(textwrap.fill(paragraph, WIDTH))
    return summary, example, text


def command_lines(text: str) -> str:
    """Breaks the command lines of an example anew where they are long."""
    lines = []
    for line in textwrap.dedent(text).replace("\\\n", " ").splitlines():
        parts = textwrap.wrap(
            " ".join(line.split()),
            WIDTH - 4,
            subsequent_indent="    ",
            break_long_words=False,
            break_on_hyphens=False,
        )
        lines.append(" \\\n".join(parts))
    return "\n".join(lines)


def heading(action: argparse.Action) -> str:
    """How an argument is written on a command line."""
    if isinstance(action, Switch):
        return f"--[no]{action.option_strings[0][2:]}"
    metavar = str(action.metavar or "TEXT")
    return f"{action.option_strings[0]}={metavar}" if action.option_strings else metavar


def written(default: object) -> str:
    """A default value as one would give it."""
    if isinstance(default, (list, tuple)):
        return ",".join(map(str, default))
    return str(default)


def unknown(kind: str, name: str, known: Iterable[str]) -> str:
    """Says that there is no such flag or command, and which is the nearest."""
    nearest = difflib.get_close_matches(name, list(known), 1, 0.5)
    hint = f"did you mean {nearest[0]}?" if nearest else "--help lists what there is"
    return f"unknown {kind} {name}; {hint}"
