"""Hard budgets of the codec `paths`: the largest packet, the mean, and what it costs.

    python benchmarks/path_budgets.py --data_root=DIR --output=results/path_budgets.json

Each matrix of a test file is coded in two ways: with the step that errs least within
the budget, and with one step for all matrices whose packets keep to the budget. The
usual step of the session, which costs the fewest bits, is chosen on validation data. In
the second way it is the coarsest whose mean is 86 % of the budget there. The last
columns are the NMSE of packets of one step without a budget and the same mean, by a
straight line between two steps, with the effort of the packets and with the default.
"""

from __future__ import annotations

import numpy as np

import tfcsi
from tfcsi import datasets, results
from tfcsi.codecs.paths import Paths
from tfcsi.coding import pursuit
from tfcsi.commands import flags, program
from tfcsi.evaluation import measure

SOURCES = ("cost2100_indoor", "cost2100_outdoor")
STEPS = 2.0 ** -np.arange(1.0, 7.0, 0.5)
USUAL = 2.0 ** -np.arange(1.5, 6.5, 0.5)  # From which the usual step is chosen.
ONE = 2.0 ** -np.arange(1.0, 7.0, 0.125)  # The same where all matrices have it.
_USED = 0.86  # Share of the budget that the mean is to use, a little above 85 %.


def measured(codec: Paths, h: np.ndarray, **limits: float) -> tuple[dict, int]:
    """Returns the point of matrices [n, num_tx, num_delay] and the largest bits."""
    packets = codec.compress(h, **limits)
    point = measure.measure(h, codec.decompress(packets), packets, codec.domain)
    return point, 8 * max(map(len, packets))


def usual_step(codec: Paths, h_val: np.ndarray, limits: dict) -> float:
    """Returns the usual step with the least NMSE of validation matrices in a budget."""
    levels = [
        measured(codec.at_step(step), h_val, **limits)[0]["nmse_db"] for step in USUAL
    ]
    return float(USUAL[np.argmin(levels)])


def one_step(codec: Paths, h_val: np.ndarray, limits: dict) -> float:
    """Returns the coarsest step whose mean, within a budget, is a share of it."""
    low, high = 0, len(ONE) - 1
    while low < high:  # Finer steps have larger means.
        middle = (low + high) // 2
        step = float(ONE[middle])
        point, _ = measured(codec.at_step(step), h_val, step=step, **limits)
        if point["bits"] >= _USED * limits["max_bits"]:
            high = middle
        else:
            low = middle + 1
    return float(ONE[low])


def curve(codec: Paths, h: np.ndarray, effort: str) -> tuple[list, list]:
    """Returns bits and NMSE [dB] of packets of one step without a budget."""
    points = [measured(codec.at_step(step), h, effort=effort)[0] for step in STEPS]
    return [p["bits"] for p in points], [p["nmse_db"] for p in points]


def add_arguments(parser) -> None:
    flags.add(parser, "data_root", required=True)
    flags.add_results(parser)
    parser.add_argument(
        "--datasets",
        type=flags.choices(*SOURCES),
        default=list(SOURCES),
        metavar="NAME,...",
        help="Sources to measure on.",
    )
    parser.add_argument(
        "--budgets",
        type=flags.INTEGERS,
        default=[60, 120, 250],
        metavar="N,...",
        help="Most bits of a packet.",
    )
    parser.add_argument(
        "--num_val",
        type=flags.integer(1),
        default=300,
        metavar="N",
        help="Number of validation matrices that choose the usual step.",
    )
    parser.add_argument(
        "--num",
        type=flags.integer(1),
        default=3000,
        metavar="N",
        help="Number of test matrices.",
    )
    parser.add_argument(
        "--effort",
        choices=pursuit.EFFORTS,
        default="default",
        help="How much the encoder searches.",
    )
    parser.add_argument(
        "--ways",
        type=flags.choices("any", "one"),
        default=["any", "one"],
        metavar="NAME,...",
        help="How steps are chosen: any takes the one that errs least for each matrix, "
        "one takes the same for all.",
    )


def main(args) -> None:
    """Prints the table and writes the results file."""
    points: list[dict] = []
    results.check_output(args.output)
    columns = "source | budget | steps | usual step | largest packet | mean | NMSE [dB]"
    columns += " | no budget [dB] | default effort [dB]"
    print(f"| {columns} |\n|{'---|' * 9}")
    for name in args.datasets:
        codec = tfcsi.load(f"paths_{name}")
        h = datasets.load(name, args.data_root, "test", codec.domain)[: args.num]
        h_val = datasets.load(name, args.data_root, "val", codec.domain)
        h_val = h_val[: args.num_val]
        efforts = (args.effort, "default")
        curves = {effort: curve(codec, h, effort) for effort in {*efforts}}
        for budget in args.budgets:
            for way in args.ways:
                limits = {"max_bits": budget, "effort": args.effort}
                if way == "any":
                    step = usual_step(codec, h_val, limits)
                else:
                    step = one_step(codec, h_val, limits)
                    limits["step"] = step
                point, largest = measured(codec.at_step(step), h, **limits)
                same, default = (
                    float(np.interp(point["bits"], *curves[e])) for e in efforts
                )
                row = f"| {name} | {budget} | {way} | {step:.4g} | {largest} "
                row += f"| {point['bits']:.1f} | {point['nmse_db']:.2f} | {same:.2f} "
                print(f"{row}| {default:.2f} |", flush=True)
                facts = {"codec": f"paths_{name}", "dataset": name, "max_bits": budget}
                facts |= {"effort": args.effort, "steps": way, "step": step}
                facts |= {"bits_max": largest, "nmse_db_one_step": same}
                points.append({**facts, "nmse_db_default_effort": default, **point})
        results.write(args.output, points, 0)


if __name__ == "__main__":
    program.Program(__doc__, add_arguments, main).start()
