"""Bits of the codecs `paths` for targets of NMSE, with whole packets.

    python benchmarks/path_targets.py --data_root=DIR --output=results/path_targets.json

All matrices of a test file are coded with one step. The bits for a target lie on a
straight line between two steps that are 1/8 octave apart.
"""

from __future__ import annotations

import numpy as np

import tfcsi
from tfcsi import datasets, metrics, results
from tfcsi.codecs.paths import Paths
from tfcsi.coding import pursuit
from tfcsi.coding.path_steps import STEPS, step_of
from tfcsi.commands import flags, program

# NMSE of each source [dB].
TARGETS = {
    "cost2100_indoor": (-14, -20, -25, -30, -34),
    "cost2100_outdoor": (-8.5, -13, -17, -20),
    "quadriga_28ghz": (-7.8, -12.4, -15.4),
    "raytraced_munich": (-16,),
    "raytraced_street_canyon": (-18,),
}


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
            nmse = metrics.nmse(self.h, codec.decompress(packets)).mean()
            bits = np.mean([8 * len(packet) for packet in packets])
            self.points[step] = float(bits), float(10 * np.log10(nmse))
        return self.points[step]

    def bits(self, nmse_db: float) -> float:
        """Returns the bits for an NMSE that the finest step reaches."""
        low, high = 0, STEPS - 1
        while high - low > 1:
            middle = (low + high) // 2
            met = self.at(middle)[1] <= nmse_db
            low, high = (low, middle) if met else (middle, high)
        (less, worse), (more, better) = self.at(low), self.at(high)
        return less + (more - less) * (worse - nmse_db) / (worse - better)


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
        "--efforts",
        type=flags.choices(*pursuit.EFFORTS),
        default=["default", "high"],
        metavar="NAME,...",
        help="Efforts of the encoder.",
    )


def main(args) -> None:
    """Prints the table and writes the results file."""
    results.check_output(args.output)
    points = []
    print(f"| source | NMSE [dB] | {' | '.join(args.efforts)} |")
    print("|---|" + "---|" * (1 + len(args.efforts)))
    for name, targets in TARGETS.items():
        codec = tfcsi.load(f"paths_{name}")
        h = datasets.load(name, args.data_root, "test", codec.domain)
        curves = [Curve(codec, h, effort) for effort in args.efforts]
        for nmse_db in targets:
            bits = [curve.bits(nmse_db) for curve in curves]
            row = " | ".join(f"{number:.1f}" for number in bits)
            print(f"| {name} | {nmse_db} | {row} |", flush=True)
            for effort, number in zip(args.efforts, bits):
                point = {"codec": f"paths_{name}", "effort": effort}
                point |= {"num_test": len(h), "nmse_db": nmse_db, "bits": number}
                points.append(point)
    results.write(args.output, points, 0)


if __name__ == "__main__":
    program.Program(__doc__, add_arguments, main).start()
