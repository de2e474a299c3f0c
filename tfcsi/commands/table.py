"""`tfcsi table`: result files as Markdown tables."""

from __future__ import annotations

from tfcsi import results
from tfcsi.commands.flags import parse


def table(argv: list[str]) -> None:
    """Prints result files as a Markdown table.

    With --output=README.md the table replaces the one of the same file on that page.
    """
    given = parse(argv, "", "output columns", positional="FILE...")
    paths = given["positional"].split()
    columns = given["columns"].split(",") if given["columns"] else []
    points = [point for path in paths for point in results.read(path)["points"]]
    text = results.table(points, markdown=True, columns=columns)
    if given["output"]:
        flags = [f"--columns={given['columns']}"] if columns else []
        results.insert(given["output"], [*paths, *flags], text)
        print(f"table of {', '.join(paths)} written to {given['output']}")
    else:
        print(text)
