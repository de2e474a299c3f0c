"""Makes the codecs `paths` that come with the package: one a source, and one for all.

    python benchmarks/path_tables.py --data_root=DIR --output=tfcsi/zoo

The codec `paths` is fitted to the lists of all sources together. It takes about ten
minutes on one core.
"""

from __future__ import annotations

import pathlib

import numpy as np

from tfcsi import datasets
from tfcsi.codecs import paths
from tfcsi.coding import path_encoder, path_fit
from tfcsi.coding.atoms import HALF, UNIT, Atoms
from tfcsi.coding.path_lists import Lists
from tfcsi.coding.path_steps import step_number
from tfcsi.commands import flags, program

# Source to its number of subcarriers, its domain, and the training matrices it takes.
SOURCES = {
    "cost2100_indoor": (257, "angular_delay", 1000),
    "cost2100_outdoor": (257, "angular_delay", 500),
    "quadriga_28ghz": (1024, "angular_delay", 300),
    "quadriga_5p3ghz": (1024, "angular_delay", 300),
    "quadriga_300mhz": (1024, "angular_delay", 300),
    "raytraced_munich": (32, "space_frequency", 900),
    "raytraced_street_canyon": (32, "space_frequency", 900),
}
STEP = 2.0**-4


def add_arguments(parser) -> None:
    flags.add(parser, "data_root", required=True)
    flags.add(
        parser,
        "output",
        type=flags.FOLDER,
        required=True,
        metavar="DIR",
        help="Folder of the codecs.",
    )
    parser.add_argument(
        "--without",
        type=flags.choices(*SOURCES),
        default=[],
        metavar="NAME,...",
        help="Sources that the codec for all does not see.",
    )


def unrolled(lists: Lists, size: int) -> Lists:
    """Takes delays behind the last bin of a circular axis to those before the first."""
    behind = lists.delay > size * UNIT - HALF
    lists.delay = np.where(behind, lists.delay - size * UNIT, lists.delay)
    return lists


def main(args) -> None:
    """Fits and saves."""
    output = pathlib.Path(args.output)
    norms, all_lists, steps = [], [], []
    for name, (num_fft, domain, num) in SOURCES.items():
        h = datasets.load(name, args.data_root, "train", domain)[:num]
        atoms = Atoms(*h.shape[1:], num_fft, domain)
        norm, fitted, lists, tables = path_encoder.training_lists(h, atoms)
        codec = paths.Paths(atoms, tables, step_number(STEP))
        codec.config["dataset"], codec.config["scenario"] = datasets.parts(name)
        codec.save(output / f"paths_{name}")
        print(f"paths_{name}: {len(h)} matrices", flush=True)
        if name not in args.without:
            norms.append(norm[:500])
            all_lists += [unrolled(some, atoms.num_delay) for some in lists]
            steps += fitted
    atoms = Atoms(32, 32, 257, "angular_delay")
    tables = path_fit.fit(np.concatenate(norms), steps, all_lists, atoms)
    codec = paths.Paths(atoms, tables, step_number(STEP))
    codec.config["dataset"], codec.config["scenario"] = "mixed", ",".join(SOURCES)
    codec.save(output / "paths")


if __name__ == "__main__":
    program.Program(__doc__, add_arguments, main).start()
