"""What commands say to a person: colours, silence, and the next command to try."""

from __future__ import annotations

import argparse
import contextlib
import contextvars
import os
import sys
from collections.abc import Iterator
from typing import TextIO

_SILENT = contextvars.ContextVar("silent", default=False)
_CODES = {"bold": "1", "red": "1;31", "yellow": "33", "green": "32"}


def painted(text: str, colour: str, stream: TextIO) -> str:
    """Returns a text in a colour if a terminal shows it.

    The variable NO_COLOR switches colours off (https://no-color.org).

    Args:
      text: The text.
      colour: A key of `_CODES`.
      stream: Where it will be written to.
    """
    plain = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    if plain or not stream.isatty():
        return text
    return f"\x1b[{_CODES[colour]}m{text}\x1b[0m"


@contextlib.contextmanager
def silence(args: argparse.Namespace) -> Iterator[None]:
    """Prints nothing but errors and warnings if --quiet was given.

    Args:
      args: Has quiet. With it, `progress` becomes False where there is such a flag.
    """
    if not args.quiet:
        yield
        return
    if "progress" in args:
        args.progress = False
    token = _SILENT.set(True)
    try:
        with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere):
            yield
    finally:
        _SILENT.reset(token)


def is_silent() -> bool:
    """Returns whether the command that runs was asked to be quiet."""
    return _SILENT.get()


def tell_next(command: str) -> None:
    """Names the next command to try, on stderr, so that it is in no file of output."""
    print(f"{painted('next:', 'green', sys.stderr)} {command}", file=sys.stderr)
