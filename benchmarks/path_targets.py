"""Bits of the codecs `paths` for targets of NMSE, with whole packets.

    python benchmarks/path_targets.py --data_root=DIR --output=results/path_targets.json

Each source is coded with its own codec and with that of all sources. All matrices of a
test file have one step. The bits for a target lie on a straight line between two steps
that are 1/8 octave apart.
"""

from __future__ import annotations

import pathlib

import numpy as np

import tfcsi
from tfcsi import datasets, results
from tfcsi.codecs.paths import Paths
from tfcsi.coding import pursuit
from tfcsi.coding.path_steps import STEPS, step_of
from tfcsi.commands import flags, program
from tfcsi.evaluation import measure

# NMSE of each source [dB].
TARGETS = {
    "cost2100_indoor": (-14, -20, -25, -30, -34),
    "cost2100_outdoor": (-8.5, -13, -17, -20),
    "quadriga_28ghz": (-7.8, -12.4, -15.4),
    "quadriga_5p3ghz": (-9,),
    "quadriga_300mhz": (-7,),
    "raytraced_munich": (-16,),
    "raytraced_street_canyon": (-18,),
}
_UNSEEN = -15  # Of the codecs that have not seen the source [dB].
_FEW = 2000  # Matrices that tell where the search for another effort begins.
_FIRST, _STRIDE = 24, 6  # Numbers of steps: where a search begins, and how it goes on.


class Curve:
    """Mean bits and NMSE of a codec at each step, measured when asked for."""

    def __init__(self, codec: Paths, h: np.ndarray, effort: str):
        """Takes the matrices complex64 [n, num_tx, num_delay]."""
        self.codec, self.h, self.effort = codec, h, effort
        self.points: dict[int, tuple[float, float]] = {}

    def at(self, step: int) -> tuple[float, float]:
        """Returns bits and NMSE [dB] at the number of a step."""
        if step not in self.points:
            codec = self.codec.at_step(float(step_of(step)))
            packets = codec.compress(self.h, effort=self.effort)
            h_hat = codec.decompress(packets)
            point = measure.measure(self.h, h_hat, packets, codec.domain)
            self.points[step] = point["bits"], point["nmse_db"]
        return self.points[step]

    def step(self, nmse_db: float, first: int = _FIRST, stride: int = _STRIDE) -> int:
        """Returns the coarsest step that meets an NMSE that the finest one meets.

        Args:
          nmse_db: The NMSE [dB].
          first: Step where the search begins.
          stride: Steps between those that are measured before it is halved.
        """
        high = first
        while high < STEPS - 1 and self.at(high)[1] > nmse_db:
            high = min(high + stride, STEPS - 1)
        low = high
        while low > 0 and self.at(low)[1] <= nmse_db:
            low = max(low - stride, 0)
        while high - low > 1:
            middle = (low + high) // 2
            met = self.at(middle)[1] <= nmse_db
            low, high = (low, middle) if met else (middle, high)
        return high

    def bits(self, nmse_db: float) -> float:
        """Returns the bits for an NMSE that the finest step meets."""
        if self.effort == "default":
            high = self.step(nmse_db)
        else:  # Another effort needs about the same step and may take longer.
            quick = Curve(self.codec, self.h[:_FEW], "default").step(nmse_db)
            high = self.step(nmse_db, quick, 1)
        (less, worse), (more, better) = self.at(high - 1), self.at(high)
        return less + (more - less) * (worse - nmse_db) / (worse - better)


def add_arguments(parser) -> None:
    flags.add(parser, "data_root", required=True)
    flags.add_results(parser)
    parser.add_argument(
        "--datasets",
        type=flags.choices(*TARGETS),
        metavar="NAME,...",
        help="Sources to measure on; all if not given.",
    )
    parser.add_argument(
        "--targets",
        type=flags.NUMBERS,
        metavar="DB,...",
        help="NMSE in dB; those of each source if not given.",
    )
    parser.add_argument(
        "--effort",
        type=flags.choice(*pursuit.EFFORTS),
        default="default",
        metavar="NAME",
        help="Effort of the encoder.",
    )
    parser.add_argument(
        "--own",
        action="store_true",
        help="Leave out the codec of all sources.",
    )
    parser.add_argument(
        "--unseen",
        type=flags.FOLDER,
        metavar="DIR",
        help="Folder that benchmarks/path_tables.py --unseen wrote. The codec that has "
        "not seen the source is measured at -15 dB, in place of the codec of all.",
    )


def main(args) -> None:
    """Prints the table, and writes the results file anew after each source."""
    results.check_output(args.output)
    points = []
    columns = ["source", "NMSE [dB]", "bits"]
    columns += [] if args.own else ["with the codec of all", "more"]
    print(f"| {' | '.join(columns)} |\n|{'---|' * len(columns)}")
    for name in args.datasets or TARGETS:
        own = tfcsi.load(f"paths_{name}")
        h = datasets.load(name, args.data_root, "test", own.domain)
        codecs = {f"paths_{name}": own}
        if not args.own:
            form = own.shape, own.atoms.num_fft, own.domain
            of_all, codec = "paths", "paths"
            if args.unseen:
                of_all = f"paths_without_{name}"
                codec = pathlib.Path(args.unseen) / of_all
            codecs[of_all] = tfcsi.load(codec).resized(*form)
        curves = {k: Curve(codec, h, args.effort) for k, codec in codecs.items()}
        for nmse_db in (_UNSEEN,) if args.unseen else args.targets or TARGETS[name]:
            bits = {k: curve.bits(nmse_db) for k, curve in curves.items()}
            cells = [name, str(nmse_db), *(f"{number:.1f}" for number in bits.values())]
            if not args.own:
                less, more = bits.values()
                cells.append(f"{more / less - 1:.1%}")
            print(f"| {' | '.join(cells)} |", flush=True)
            for codec, number in bits.items():
                point = {"codec": codec, "dataset": name, "effort": args.effort}
                point |= {"num_matrices": len(h), "nmse_db": nmse_db, "bits": number}
                points.append(point)
        results.write(args.output, points, 0)


if __name__ == "__main__":
    program.Program(__doc__, add_arguments, main).start()
