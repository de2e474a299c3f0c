"""Files of other programs: each form is written, read back and compared.

    python benchmarks/foreign_files.py --output=results/NAME.json --page=docs/data.md

Each file has the layout of the program that users have it from. Where it can be read,
the NMSE of each matrix must be below -70 dB, and where it cannot, the message must say
what would do. With --page the table of the forms is written anew. The exit status is 1
if a form fails.
"""

from __future__ import annotations

import math
import pathlib
import tempfile

from foreign_forms import FORMS, REFUSED

from tfcsi import files, results
from tfcsi.commands import flags, program

LARGEST = -70.0  # NMSE in dB of each matrix.
BEGIN, END = "<!-- forms -->\n", "<!-- end of forms -->"


def table() -> str:
    """The table of all forms, in Markdown."""
    rows = ["| written by | form | read as | what happens |", "|---|---|---|---|"]
    return "\n".join([*rows, *(each.row for each in (*FORMS, *REFUSED))]) + "\n"


def put(page: str) -> None:
    """Writes the table into a page, between its marks."""
    before, begin, rest = pathlib.Path(page).read_text().partition(BEGIN)
    _, end, behind = rest.partition(END)
    if not end:
        raise ValueError(f"{page} has no lines {BEGIN.strip()} and {END}")
    files.write_text(page, before + begin + table() + end + behind)


def add_arguments(parser) -> None:
    flags.add_results(parser)
    parser.add_argument(
        "--page",
        type=flags.FILE,
        metavar="FILE",
        help="Page whose table of forms is written anew, docs/data.md.",
    )


def main(args) -> None:
    """Checks each form, prints a table and writes the results file."""
    results.check_output(args.output)
    points, failed = [], []
    for number, form in enumerate([*FORMS, *REFUSED]):
        with tempfile.TemporaryDirectory() as folder:
            try:
                nmse_db = form.check(pathlib.Path(folder))
                told = "refused" if nmse_db is None else f"{nmse_db:.1f} dB"
                ok = nmse_db is None or nmse_db < LARGEST
            except ValueError as error:
                nmse_db, told, ok = None, str(error), False
        print(f"{number:3d} {'' if ok else 'FAILED '}{form.title}: {told}", flush=True)
        failed += [] if ok else [form.title]
        point = {"form": form.title, "read": nmse_db is not None}
        if nmse_db is not None and math.isfinite(nmse_db):  # Others are exact.
            point["nmse_db"] = nmse_db
        points.append(point)
    results.write(args.output, points, 0)
    if failed:
        raise ValueError(f"{len(failed)} forms fail: {'; '.join(failed)}")
    print(f"{len(FORMS)} forms are read, {len(REFUSED)} are refused")
    if args.page:
        put(args.page)


if __name__ == "__main__":
    program.Program(__doc__, add_arguments, main).start()
