"""`tfcsi table`: result files as Markdown tables."""

from __future__ import annotations

from tfcsi import results
from tfcsi.commands.flags import parse


def table(argv: list[str]) -> None:
    """Prints result files as a Markdown table; with --output=README.md updates it."""
    given = parse(argv, "", "output", positional="FILE...")
    paths = given["positional"].split()
    text = results.table(
        [p for path in paths for p in results.read(path)["points"]], True
    )
    if given["output"]:
        results.insert(given["output"], paths, text)
        print(f"table of {', '.join(paths)} written to {given['output']}")
    else:
        print(text)
