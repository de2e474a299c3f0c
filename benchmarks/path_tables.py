"""Makes the codecs `paths` that come with the package: one a source, and one for all.

    python benchmarks/path_tables.py --data_root=DIR --output=tfcsi/zoo

The codec `paths` is fitted to the lists of all sources together, with as many paths
from each. It takes about a quarter of an hour on one core.
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

# Source to its number of subcarriers, its domain, and the most training matrices of it.
SOURCES = {
    "cost2100_indoor": (257, "angular_delay", 4000),
    "cost2100_outdoor": (257, "angular_delay", 3000),
    "quadriga_28ghz": (1024, "angular_delay", 1000),
    "quadriga_5p3ghz": (1024, "angular_delay", 1000),
    "quadriga_300mhz": (1024, "angular_delay", 1000),
    "raytraced_munich": (32, "space_frequency", 4000),
    "raytraced_street_canyon": (32, "space_frequency", 4000),
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


def num_paths(some: list[Lists]) -> int:
    """Number of all paths of lists."""
    return sum(int(lists.count.sum()) for lists in some)


def main(args) -> None:
    """Fits and saves."""
    output = pathlib.Path(args.output)
    norms, seen = [], []
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
            size = atoms.num_delay
            seen.append((fitted, [unrolled(some, size) for some in lists]))
    least = min(num_paths(lists) for _, lists in seen)
    steps, equal = [], []
    for fitted, lists in seen:
        share = least / num_paths(lists)
        steps += fitted
        equal += [some[: round(share * len(some.re))] for some in lists]
    atoms = Atoms(32, 32, 257, "angular_delay")
    tables = path_fit.fit(np.concatenate(norms), steps, equal, atoms)
    codec = paths.Paths(atoms, tables, step_number(STEP))
    codec.config["dataset"], codec.config["scenario"] = "mixed", ",".join(SOURCES)
    codec.save(output / "paths")


if __name__ == "__main__":
    program.Program(__doc__, add_arguments, main).start()
