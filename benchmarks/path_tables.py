"""Makes the codecs `paths` that come with the package: one a source, and one for all.

    python benchmarks/path_tables.py --data_root=DIR --output=tfcsi/zoo

The codec `paths` has several sets of tables, of which a packet names one: a set of all
sources, which also guides the search, and a set for each kind of source. The sources of
a set give as many paths each. The program takes about a quarter of an hour on one core.
"""

from __future__ import annotations

import pathlib
import sys
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from tfcsi import datasets, results
from tfcsi.codecs import paths, zoo
from tfcsi.coding import contexts, path_encoder, path_fit
from tfcsi.coding.atoms import HALF, UNIT, Atoms
from tfcsi.coding.path_lists import Lists
from tfcsi.coding.path_sets import PathTableSets
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
# Sets of the codec for all, in the order of their labels: the sources, and the share of
# the label. Sources whose packets are short have labels that cost less.
SETS = (
    (tuple(SOURCES), 0.05),
    (("cost2100_indoor",), 0.25),
    (("raytraced_munich",), 0.22),
    (("raytraced_street_canyon",), 0.22),
    (("cost2100_outdoor",), 0.16),
    (("quadriga_28ghz", "quadriga_5p3ghz", "quadriga_300mhz"), 0.1),
)
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
        "--unseen",
        action="store_true",
        help="Also make a codec for all sources but one, for each source: "
        "paths_without_NAME, for benchmarks/path_targets.py --unseen.",
    )


def unrolled(lists: Lists, size: int) -> Lists:
    """Takes delays behind the last bin of a circular axis to those before the first."""
    behind = lists.delay > size * UNIT - HALF
    lists.delay[behind] -= size * UNIT
    return lists


class Seen(NamedTuple):
    """Of training matrices of a source: numbers of norms and steps, sorted lists."""

    norm: np.ndarray
    steps: list[int]
    lists: list[Lists]

    @property
    def num_paths(self) -> int:
        """Number of all paths."""
        return sum(int(some.count.sum()) for some in self.lists)


def joint_tables(sources: list[Seen], atoms: Atoms) -> contexts.PathTables:
    """Fits tables to sources, with as many paths from each."""
    least = min(source.num_paths for source in sources)
    steps, lists = [], []
    for source in sources:
        share = least / source.num_paths
        steps += source.steps
        lists += [some[: round(share * len(some.re))] for some in source.lists]
    norm = np.concatenate([source.norm for source in sources])
    return path_fit.fit(norm, steps, lists, atoms)


def codec_of_all(seen: Mapping[str, Seen]) -> paths.Paths:
    """Makes the codec with the sets of tables of `SETS`, of sources that were seen."""
    atoms = Atoms(32, 32, 257, "angular_delay")
    kept = [([seen[n] for n in names if n in seen], share) for names, share in SETS]
    sets = [joint_tables(sources, atoms) for sources, _ in kept if sources]
    shares = np.array([share for sources, share in kept if sources])
    labels = contexts.integers(shares, 1 << contexts.SYMBOLS)
    codec = paths.Paths(atoms, PathTableSets(sets, labels), step_number(STEP))
    codec.config["dataset"], codec.config["scenario"] = "mixed", ",".join(seen)
    return codec


def main(args) -> None:
    """Fits and saves."""
    output = pathlib.Path(args.output)
    seen: dict[str, Seen] = {}
    origin = {"seed": 0, "command": results.command_line(sys.argv)}
    origin["licence"] = zoo.LICENCE
    for name, (num_fft, domain, num) in SOURCES.items():
        h = datasets.load(name, args.data_root, "train", domain)[:num]
        atoms = Atoms(*h.shape[1:], num_fft, domain)
        norm, steps, lists, tables = path_encoder.training_lists(h, atoms)
        codec = paths.Paths(atoms, tables, step_number(STEP))
        codec.config["dataset"], codec.config["scenario"] = datasets.parts(name)
        codec.save(output / f"paths_{name}")
        print(f"paths_{name}: {len(h)} matrices", flush=True)
        size = atoms.num_delay
        seen[name] = Seen(norm[:500], steps, [unrolled(some, size) for some in lists])
        zoo.record(output, f"paths_{name}", data=name, **origin)
    codec_of_all(seen).save(output / "paths")
    zoo.record(output, "paths", data=",".join(SOURCES), **origin)
    for name in SOURCES if args.unseen else ():
        others = {other: seen[other] for other in SOURCES if other != name}
        codec_of_all(others).save(output / f"paths_without_{name}")


if __name__ == "__main__":
    program.Program(__doc__, add_arguments, main).start()
