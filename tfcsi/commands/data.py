"""Verifies published files, or measures the statistics of matrices.

    tfcsi data stats a.npy b.npy --output=statistics.html

`tfcsi data verify DIR` compares the COST 2100 files of a folder with the published
release. `tfcsi data stats FILE [FILE2]` measures the matrices of one file, or of two
side by side, prints a table and draws a page. It reads a file a block at a time.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping

from tfcsi import files, transforms
from tfcsi.commands import flags
from tfcsi.commands.parser import Parser, UsageError
from tfcsi.commands.progress import counted, progress

_LABEL = 40  # Most characters of a file in the legend of a picture.
LEGEND = """\
entries 0.9      mean number of the strongest entries of a matrix that hold 90 % of
                 its energy; 0.99 likewise
klt 0.9          number of coefficients of the Karhunen-Loeve transform that hold
                 90 % of the variance of the set; 0.99 and 0.999 likewise
pca_nmse_db 512  NMSE of matrices that are rebuilt from 512 principal components of
                 the others; 128, 64 and 32 likewise"""


def add_arguments(parser: Parser) -> None:
    """Adds the arguments of the command."""
    parser.add_argument(
        "paths",
        nargs="+",
        type=flags.TEXT,
        metavar="verify DIR | stats FILE [FILE2]",
        help="What to do, and the folder or the files.",
    )
    flags.add(parser, "key", "axes", "rx", "zero", "prepared")
    flags.add(
        parser,
        "workdir",
        help="Folder of a run, with stats: the file is read as the run reads it, and "
        "--domain and --shape are those of the run.",
    )
    parser.add_argument(
        "--shape",
        type=flags.SHAPE,
        metavar="NUM_TX,NUM_DELAY",
        help="Shape of a matrix, with stats. It is needed for HT of another shape than "
        "32,32, or if the sizes of the axes allow more than one reading.",
    )
    parser.add_argument(
        "--domain",
        type=flags.choice(*transforms.DOMAINS),
        metavar="NAME",
        help="Domain of the matrices, with stats; angular_delay if not given.",
    )
    flags.add(
        parser,
        "output",
        help="Page to write, with stats; statistics.html if not given.",
    )


def run(args: argparse.Namespace) -> None:
    """Verifies the files, or prints and draws the statistics."""
    task, *paths = args.paths
    if task == "stats" and len(paths) in (1, 2):
        return _statistics(paths, args)
    if task != "verify" or len(paths) != 1:
        raise UsageError("give tfcsi data verify DIR, or tfcsi data stats FILE [FILE2]")
    stats = ("key", "axes", "rx", "prepared", "workdir", "shape", "domain", "output")
    for name in (*stats, "zero"):
        value = getattr(args, name)
        if value is not None and value is not False and (name, value) != ("zero", 0):
            raise UsageError(f"--{name} goes with tfcsi data stats")
    from tfcsi.datasets import cost2100

    rows = cost2100.verify(paths[0])
    for name, status, detail in rows:
        print(f"{name:24s} {status:8s} {detail}")
    if any(status == "differs" for _, status, _ in rows):
        raise ValueError("some files are not those of the published release")
    if all(status == "missing" for _, status, _ in rows):
        raise ValueError(f"{paths[0]} has no file of the published release")


def _statistics(paths: list[str], args: argparse.Namespace) -> None:
    """Prints and draws the statistics of one set of matrices, or of two."""
    from tfcsi.codecs.workdir import read_config
    from tfcsi.codecs.zoo import folder_of
    from tfcsi.datasets import inputs
    from tfcsi.datasets.statistics import doubts, statistics
    from tfcsi.evaluation import plots, report

    output, shape, config = args.output or "statistics.html", args.shape, None
    domain = args.domain or transforms.DOMAINS[0]
    if args.workdir:
        if args.domain or shape:
            raise UsageError("--domain and --shape do not go with --workdir")
        config = read_config(folder_of(args.workdir))
        domain, shape = transforms.domain_of(config), tuple(config["shape"])
    reading = {name: getattr(args, name) for name in ("key", "axes", "rx", "zero")}
    files.check_output(output, files.PAGE, paths)
    measured, samples = {}, {}
    for path in paths:
        how = (domain, config, shape, reading, args.prepared)
        with inputs.open_csi(path, *how, report=print) as matrices:
            # Statistics read the file twice.
            total = None if matrices.num is None else 2 * matrices.num
            with progress(total, "statistics") as done:
                measured[path] = statistics(counted(matrices, done), domain)
            h = next(matrices.blocks())[:4]
        samples[path] = transforms.in_angular_delay(h, domain)[:, :, :32]
    notes = [
        f"{path}: {doubt}" for path, of in measured.items() for doubt in doubts(of)
    ]
    table = "\n".join([of_statistics(measured), "", LEGEND, *notes])
    print(table)
    labels = {path: _label(path) for path in measured}
    if len({*labels.values()}) < len(labels):
        labels = {path: path for path in measured}
    shown = {labels[path]: values for path, values in measured.items()}
    figures = {"Statistics": plots.statistics(shown)}
    figures |= {f"First matrices of {p}": plots.matrices(h) for p, h in samples.items()}
    section = report.Section("Statistics", figures=figures, details={"Numbers": table})
    report.write(output, "Channel statistics", " and ".join(paths), [section])
    print(f"written to {output}")


def _label(path: str) -> str:
    """The end of a path, short enough for the legend of a picture."""
    return path if len(path) <= _LABEL else f"...{path[3 - _LABEL :]}"


def of_statistics(measured: Mapping[str, dict]) -> str:
    """Formats statistics as a table with a column for each set, without profiles.

    Args:
      measured: Name of a set to its `datasets.statistics.statistics`.

    Returns:
      The table. For two sets the last column tells how far the second is from the
      first: in dB where the row is in dB, in percent elsewhere.
    """
    columns = [dict(_flat(values)) for values in measured.values()]
    rows = [["", *measured]]
    if len(columns) == 2:
        rows[0].append("difference")
    for name in columns[0]:
        numbers = [column.get(name) for column in columns]
        row = [name, *("-" if n is None else f"{n:.6g}" for n in numbers)]
        first, second = numbers[0], numbers[-1]
        if len(numbers) == 2 and first is not None and second is not None:
            if "db" in name:
                row.append(f"{second - first:+.2f} dB")
            elif first:
                row.append(f"{100 * (second / first - 1):+.1f} %")
        rows.append(row + [""] * (len(rows[0]) - len(row)))
    widths = [max(map(len, column)) for column in zip(*rows)]
    lines = []
    for name, *texts in rows:
        cells = [text.rjust(width) for text, width in zip(texts, widths[1:])]
        lines.append("  ".join([name.ljust(widths[0]), *cells]).rstrip())
    return "\n".join(lines)


def _flat(values: dict, prefix: str = "") -> Iterator[tuple[str, float]]:
    """The numbers of a nested dict, their keys joined; lists are left out."""
    for key, value in values.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{key} ")
        elif not isinstance(value, list):
            yield prefix + key, value
