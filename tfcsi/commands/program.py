"""How commands and programs run: errors become one line and an exit status.

The exit status is 0 if all went well, 2 if the command line is invalid, 130 if the user
stopped it (Ctrl-C), and 1 for any other error. Errors that a user can cause are one
line. Any other exception is a bug: its traceback is shown, and a line that says so.
"""

from __future__ import annotations

import argparse
import os
import shlex
import sys
import traceback
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

import tfcsi
from tfcsi.commands import terminal
from tfcsi.commands.parser import Parser, UsageError

STOPPED = 130  # As shells have it: 128 + SIGINT.
EXPECTED = (ValueError, OSError, RuntimeError, ImportError, ArithmeticError)


def run(work: Callable[[], None], parser: Parser) -> int:
    """Does some work; returns the exit status and prints what went wrong.

    Args:
      work: What is done.
      parser: Parser of the command, for its name and usage.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # Before TensorFlow starts.
    os.environ.setdefault("TQDM_DELAY", "2")  # No bar for what takes less [s].
    try:
        work()
        sys.stdout.flush()
    except SystemExit as stop:  # After --help.
        return int(stop.code or 0)
    except UsageError as error:
        complain(parser.prog, error)
        print(parser.format_usage(), end="", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"\n{parser.prog}: stopped{_continued(parser)}", file=sys.stderr)
        return STOPPED
    except BrokenPipeError:  # Whoever read the output has seen enough.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except EXPECTED as error:
        complain(parser.prog, explained(error))
        return 1
    except Exception as error:
        if is_of_memory(error):
            words = (
                "there is not enough memory: give a smaller network or batch, or fewer "
                "matrices"
            )
        else:
            traceback.print_exc()
            words = (
                f"this is a bug in tfcsi {tfcsi.__version__} "
                f"({type(error).__name__}): please report the lines above"
            )
        complain(parser.prog, words)
        return 1
    return 0


def _continued(parser: Parser) -> str:
    """How the work of a command that was stopped goes on, if it can."""
    words = [word for word in parser.words if word not in ("--resume", "--noresume")]
    if "--resume" in parser.options:
        words.append("--resume")
    elif not parser.continues:
        return ""
    return f"; continue with: {parser.prog} {shlex.join(words)}"


def is_of_memory(error: Exception) -> bool:
    """Whether NumPy, Python or TensorFlow could not get the memory it needs."""
    tensorflow = sys.modules.get("tensorflow")
    exhausted = tensorflow.errors.ResourceExhaustedError if tensorflow else MemoryError
    return isinstance(error, (MemoryError, exhausted))


def complain(prog: str, error: object) -> None:
    """Prints an error."""
    word = terminal.painted("error:", "red", sys.stderr)
    print(f"{prog}: {word} {error}".rstrip(), file=sys.stderr)


def explained(error: Exception) -> str:
    """What an error says, or what to install if that is its cause."""
    if isinstance(error, ImportError):
        try:
            tfcsi.need_full()
        except ImportError as missing:
            return str(missing)
    if isinstance(error, OSError) and error.filename and error.strerror:
        return f"{error.filename}: {error.strerror}"
    return str(error)


class Program:
    """An absl program: `Program(__doc__, add_arguments, run).start()` runs it.

    absl's own flags work beside those of the program; --helpfull lists them.
    """

    def __init__(
        self,
        doc: str,
        add_arguments: Callable[[Parser], None],
        run: Callable[[argparse.Namespace], None],
    ):
        """Makes a program.

        Args:
          doc: Its docstring.
          add_arguments: Adds its flags to a parser.
          run: Does the work with what was parsed.
        """
        self.doc, self.add_arguments, self.run = doc, add_arguments, run

    def start(self) -> NoReturn:
        """Runs the program and exits with its status; says what is not installed."""
        try:
            tfcsi.need_full()
        except ImportError as missing:
            complain(f"python {sys.argv[0]}", missing)
            sys.exit(1)
        from absl import app

        app.run(self.main, flags_parser=self.parse)
        sys.exit(0)

    def parse(self, argv: list[str]) -> argparse.Namespace:
        """Parses a command line; exits with 2 if it is invalid."""
        self.parser = absl_parser(f"python {argv[0]}", self.doc)
        self.add_arguments(self.parser)
        parsed = []

        def parse() -> None:
            args = self.parser.parse_args(argv[1:])
            # TensorFlow must be imported before absl has started: what TensorFlow does
            # after that start switches eager execution off, and Keras then fails.
            import tensorflow  # noqa: F401

            parsed.append(args)

        status = run(parse, self.parser)
        if not parsed:
            sys.exit(status)
        return parsed[0]

    def main(self, args: argparse.Namespace) -> int:
        """Does the work; returns the exit status."""
        return run(lambda: self.run(args), self.parser)


def absl_parser(prog: str, doc: str) -> Parser:
    """A parser that also knows the flags of absl and of imported modules."""
    from absl import flags
    from absl.flags import argparse_flags

    class AbslParser(argparse_flags.ArgumentParser, Parser):
        def notes(self) -> list[str]:
            return ["--helpfull also lists the flags of absl."]

        def error(self, message: str) -> NoReturn:
            raise UsageError(message)

        def parse_args(  # type: ignore[override]  # argparse has overloads.
            self, args: Sequence[str] | None = None, namespace: Any = None
        ) -> argparse.Namespace:
            try:
                return super().parse_args(args, namespace)
            except flags.Error as error:
                raise UsageError(str(error)) from None

    parser = AbslParser(prog=prog, doc=doc)
    parser.shown.clear()  # Those of absl.
    return parser
