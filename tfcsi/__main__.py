"""The command line: tfcsi evaluate | transfer | compress | decompress | info | ...

Each command reads or adds a file of a workdir, the folder of one training run.
"""

from __future__ import annotations

import inspect
import os
import sys
from collections.abc import Callable

import tfcsi

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
try:
    tfcsi.need_full()
except ImportError as error:
    sys.exit(f"tfcsi: error: {error}")

from tfcsi.commands.compress import compress, decompress
from tfcsi.commands.data import data
from tfcsi.commands.evaluate import evaluate
from tfcsi.commands.flags import HelpRequested, UsageError
from tfcsi.commands.generate import generate
from tfcsi.commands.info import info
from tfcsi.commands.table import table
from tfcsi.commands.transfer import transfer

COMMANDS: dict[str, Callable[[list[str]], None]] = {
    "evaluate": evaluate,
    "transfer": transfer,
    "compress": compress,
    "decompress": decompress,
    "info": info,
    "generate": generate,
    "data": data,
    "table": table,
}


def main(argv: list[str]) -> int:
    """Runs a command; returns the exit status."""
    if len(argv) < 2 or argv[1] not in COMMANDS:
        print("usage: tfcsi COMMAND [flags]; tfcsi COMMAND --help tells more\n")
        for name, command in COMMANDS.items():
            print(f"  {name:11s} {command.__doc__.splitlines()[0]}")
        return 0 if len(argv) > 1 and argv[1] in ("--help", "-h", "help") else 2
    command = COMMANDS[argv[1]]
    try:
        command(argv[1:])
    except HelpRequested as asked:
        print(f"{inspect.getdoc(command)}\n\n{asked}")
    except (ValueError, OSError, RuntimeError, ImportError) as error:
        print(f"tfcsi {argv[1]}: error: {error}", file=sys.stderr)
        return 2 if isinstance(error, UsageError) else 1
    return 0


def run() -> None:
    """Entry point of the installed command."""
    sys.exit(main(sys.argv))


if __name__ == "__main__":
    run()
