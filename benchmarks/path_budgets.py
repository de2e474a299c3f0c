"""Hard budgets of the codec `paths`: the largest packet, the mean, and what it costs.

    python benchmarks/path_budgets.py --data_root=DIR --output=results/path_budgets.json

Each matrix of a test file is coded with the finest step that keeps its packet within
the budget. The last column is the NMSE of packets of one step for all matrices and the
same mean, by a straight line between two steps.
"""

from __future__ import annotations

import numpy as np

import tfcsi
from tfcsi import datasets, metrics, results
from tfcsi.commands import flags, program

SOURCES = ("cost2100_indoor", "cost2100_outdoor")
STEPS = 2.0 ** -np.arange(1.0, 7.0)


def rate_and_nmse(codec, h: np.ndarray, **limits: float) -> tuple[np.ndarray, float]:
    """Returns the bits of packets [n], and the NMSE of what they decode to [dB]."""
    packets = codec.compress(h, **limits)
    nmse = metrics.nmse(h, codec.decompress(packets))
    return np.array([8 * len(p) for p in packets]), float(10 * np.log10(nmse.mean()))


def add_arguments(parser) -> None:
    flags.add(parser, "data_root", required=True)
    flags.add(
        parser,
        "output",
        type=flags.RESULTS,
        required=True,
        help="Results file to write (.json).",
    )
    parser.add_argument(
        "--datasets",
        type=flags.choices(*SOURCES),
        default=list(SOURCES),
        metavar="NAME,...",
        help="Sources whose test files are coded.",
    )
    parser.add_argument(
        "--budgets",
        type=flags.INTEGERS,
        default=[60, 120, 250],
        metavar="N,...",
        help="Most bits of a packet.",
    )
    parser.add_argument(
        "--num",
        type=flags.integer(1),
        default=3000,
        metavar="N",
        help="Number of test matrices.",
    )


def main(args) -> None:
    """Prints the table and writes the results file."""
    points: list[dict] = []
    results.check_output(args.output)
    print("| source | budget | largest packet | mean | NMSE [dB] | one step [dB] |")
    print("|---|---|---|---|---|---|")
    for name in args.datasets:
        codec = tfcsi.load(f"paths_{name}")
        h = datasets.load(name, args.data_root, "test", codec.domain)[: args.num]
        curve = [rate_and_nmse(codec.at_step(step), h) for step in STEPS]
        rates = [bits.mean() for bits, _ in curve]
        for budget in args.budgets:
            bits, nmse_db = rate_and_nmse(codec, h, max_bits=budget)
            same = float(np.interp(bits.mean(), rates, [point for _, point in curve]))
            row = f"| {name} | {budget} | {bits.max()} | {bits.mean():.1f} "
            print(f"{row}| {nmse_db:.2f} | {same:.2f} |", flush=True)
            point = {"codec": f"paths_{name}", "num_test": len(h), "max_bits": budget}
            point |= {"bits_max": int(bits.max()), "bits": float(bits.mean())}
            points.append({**point, "nmse_db": nmse_db, "nmse_db_one_step": same})
    results.write(args.output, points, 0)


if __name__ == "__main__":
    program.Program(__doc__, add_arguments, main).start()
