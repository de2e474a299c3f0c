"""Fits the outdoor COST 2100 generator to what is known of the published outdoor set.

    python benchmarks/outdoor_law.py --workdir=runs/outdoor_law \
        --output=results/outdoor_law.json --evaluations=2000 \
        --published=runs/csinet_published --published_nmse_db=-4.51

Known are the NMSE of the K strongest entries of a matrix at K = 13, 55 and 221, the
share of the energy in the delay taps 8 to 20, and the NMSE of networks with published
weights, of which `tfcsi import` makes a run. The differential evolution of SciPy looks
for the parameters that come nearest, on matrices of one seed. Each try is a line of
tries.jsonl in the workdir. If the program is stopped, the same command goes on: it
repeats the search, and takes the values of tries that were made before from there.

The results file has the preset `outdoor`, each try that was better than all before it,
and the best one again on matrices of another seed.
"""

from __future__ import annotations

import dataclasses
import json
import pathlib
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from scipy.optimize import differential_evolution

import tfcsi
from tfcsi import results
from tfcsi.channels import cost2100
from tfcsi.channels.cost2100_clusters import draw, paths
from tfcsi.channels.cost2100_scenarios import SCENARIOS, Scenario
from tfcsi.channels.cost2100_setup import Setup, places
from tfcsi.codecs.contract import Codec
from tfcsi.commands import flags, program
from tfcsi.commands.parser import UsageError
from tfcsi.metrics import nmse, to_db
from tfcsi.responses import matrices
from tfcsi.transforms import to_peak

# Of the published outdoor set: NMSE of the K strongest entries [dB], of 20000 test
# matrices, and the share of the energy in taps 8 to 20 [%].
TOP_K = {13: -4.61, 55: -9.81, 221: -17.67}
FIRST_TAP = 8
PROFILE = (1.7, 3.3, 5.2, 7.3, 9.0, 10.3, 12.3, 12.1, 9.6, 6.9, 4.7, 2.6, 1.8)
_PERCENT_A_DB = 10.0  # Energy at wrong taps [%] that counts as 1 dB.
SEED, OTHER_SEED, SEARCH_SEED = 1, 2, 3
_SHIFT = "range_scale"

# Name to the least and the largest value, and to whether the logarithm is searched.
# Those of `Scenario` are scaled: 1 is the value of the preset.
SCALES = {
    "num_far": (0.3, 12.0),
    "num_mpc": (0.2, 4.0),
    "delay_spread": (0.1, 6.0),
    "aod_spread": (0.1, 6.0),
    "aoa_spread": (0.1, 6.0),
    "eod_spread": (0.05, 1.3),
    "k_tau": (0.05, 4.0),
    "tau_b": (0.3, 3.0),
    "link_mean": (0.02, 3.0),
    "link_min": (0.05, 6.0),
    "r_max": (0.1, 1.0),
    "shadow": (0.1, 4.0),
    _SHIFT: (0.3, 1.25),
}
VALUES = {
    "k_factor": (-30.0, 3.0),
    "k_sel": (0.0, 1.0),
    "tx_spacing": (0.3, 1.0),
}
PRESET = cost2100.PRESETS["outdoor"]


def changed(values: Mapping[str, float]) -> tuple[Scenario, Setup]:
    """Returns the scenario and the setup of a try.

    Args:
      values: Names of `SCALES` and `VALUES` to numbers. Those left out are as in the
        preset.
    """
    s = SCENARIOS[PRESET.scenario]
    fields: dict[str, object] = {}
    for name in SCALES.keys() & values.keys() - {_SHIFT}:
        old, factor = getattr(s, name), values[name]
        spread = isinstance(old, tuple)
        fields[name] = (old[0] * factor, old[1]) if spread else old * factor
    if "num_mpc" in fields:
        fields["num_mpc"] = max(1, round(s.num_mpc * values["num_mpc"]))
    assert s.los is not None
    k_factor = values.get("k_factor", s.los.k_factor)
    fields["los"] = dataclasses.replace(s.los, k_factor=k_factor)
    fields["k_sel"] = values.get("k_sel", s.k_sel)
    kind, edges, weights = PRESET.users
    scale = values.get(_SHIFT, 1.0)
    users = (kind, tuple(scale * np.asarray(edges)), weights)
    spacing = values.get("tx_spacing", PRESET.tx_spacing)
    setup = dataclasses.replace(PRESET, users=users, tx_spacing=spacing)
    return dataclasses.replace(s, **fields), setup


def simulated(values: Mapping[str, float], num: int, seed: int) -> np.ndarray:
    """Returns matrices of a try, complex64 [num, num_tx, num_delay], max|h| = 0.5."""
    scenario, setup = changed(values)
    parts = []
    for block in range(-(-num // cost2100.BLOCK)):
        rng = np.random.default_rng([seed, block])
        size = min(cost2100.BLOCK, num - block * cost2100.BLOCK)
        users = places(setup.users, size, rng)
        drops = draw(scenario, setup.carrier, users, np.zeros(size), rng)
        band = setup.band(setup.num_delay)
        seen = paths(drops, users)
        parts.append(matrices(seen, size, setup.antennas, band, True, True)[:, 0])
    return to_peak(np.concatenate(parts))[0]


class Network(NamedTuple):
    """A network with published weights, and its NMSE on the published set [dB]."""

    codec: Codec
    nmse_db: float


def known(h: np.ndarray, network: Network | None) -> dict[str, float]:
    """Returns what is known of the published set, of other matrices.

    Args:
      h: complex64 [n, num_tx, num_delay].
      network: Published weights, or None.

    Returns:
      `top_K` for each K of `TOP_K` [dB]; `moved_percent`, the energy that would have to
      move to other taps for the published delay profile; `network_db`, the NMSE of the
      published weights; `miss_db`, the root mean square of what misses.
    """
    energy = np.sort((np.abs(h) ** 2).reshape(len(h), -1))[:, ::-1]
    left = 1 - np.cumsum(energy, 1) / energy.sum(1, keepdims=True)
    found = {f"top_{k}": float(to_db(left[:, k - 1].mean())) for k in TOP_K}
    taps = (np.abs(h) ** 2).sum((0, 1))
    share = 100 * taps / taps.sum()
    wanted = np.array(PROFILE)
    inside = share[FIRST_TAP : FIRST_TAP + len(wanted)]
    outside = 100 - inside.sum() - (100 - wanted.sum())
    moved = float(np.abs(inside - wanted).sum() + abs(outside)) / 2
    misses = [found[f"top_{k}"] - value for k, value in TOP_K.items()]
    misses.append(moved / _PERCENT_A_DB)
    if network is not None:
        h_hat = network.codec.decompress(network.codec.compress(h))
        found["network_db"] = float(to_db(nmse(h, h_hat).mean()))
        misses.append(found["network_db"] - network.nmse_db)
    rms = float(np.sqrt(np.mean(np.square(misses))))
    return {**found, "moved_percent": moved, "miss_db": rms}


class Search:
    """Tries parameters, and keeps what was tried in a file."""

    def __init__(self, path: pathlib.Path, num: int, network: Network | None):
        """Reads the tries of earlier searches."""
        self.path, self.num, self.network = path, num, network
        self.names = [*SCALES, *VALUES]
        lines = path.read_text().splitlines() if path.exists() else []
        before = [json.loads(line) for line in lines]
        self.there = {tuple(each["at"]): each for each in before}
        self.tries: list[dict] = []

    @property
    def bounds(self) -> list[tuple[float, float]]:
        """Least and largest number of each parameter, as the optimiser sees it."""
        logs = [(np.log(low), np.log(high)) for low, high in SCALES.values()]
        return [*logs, *VALUES.values()]

    def values(self, at: np.ndarray) -> dict[str, float]:
        """Names to values, of numbers that the optimiser sees."""
        some = dict(zip(self.names, map(float, at)))
        return {k: float(np.exp(v)) if k in SCALES else v for k, v in some.items()}

    def __call__(self, at: np.ndarray) -> float:
        """Returns how much a try misses [dB]."""
        setting = [self.num, *([self.network.nmse_db] if self.network else [])]
        key = (*setting, *(round(float(x), 9) for x in at))
        if key not in self.there:
            values = self.values(at)
            found = known(simulated(values, self.num, SEED), self.network)
            line = {"at": key, "values": values, **found}
            self.there[key] = line
            with self.path.open("a") as file:
                file.write(json.dumps(line) + "\n")
        self.tries.append(self.there[key])
        return self.there[key]["miss_db"]


def points_of(search: Search, num: int) -> list[dict]:
    """The preset, the tries that were the best so far, and the best one once more."""
    network = search.network
    preset = known(cost2100.simulate(num, OTHER_SEED, "outdoor"), network)
    facts = {"dataset": "cost2100_outdoor", "split": "none"}
    points = [{"codec": "preset outdoor", **facts, "num_matrices": num, **preset}]
    best = np.inf
    for number, each in enumerate(search.tries, 1):
        if each["miss_db"] < best:
            best, law = each["miss_db"], each["values"]
            row = {k: v for k, v in each.items() if k != "at"}
            name = f"try {number}"
            points.append({"codec": name, **facts, "num_matrices": search.num, **row})
    again = {"values": law, **known(simulated(law, num, OTHER_SEED), network)}
    name = f"the best of {len(search.tries)} tries, other matrices"
    return [*points, {"codec": name, **facts, "num_matrices": num, **again}]


def add_arguments(parser):
    flags.add(parser, "workdir", required=True, help="Folder of tries.jsonl.")
    flags.add_results(parser)
    parser.add_argument(
        "--evaluations",
        type=flags.integer(1),
        default=2000,
        metavar="N",
        help="Number of tries, those of an earlier search included.",
    )
    parser.add_argument(
        "--num",
        type=flags.integer(8),
        default=128,
        metavar="N",
        help="Number of matrices of a try.",
    )
    parser.add_argument(
        "--num_test",
        type=flags.integer(8),
        default=2000,
        metavar="N",
        help="Number of matrices of the best try and of the preset at the end.",
    )

    parser.add_argument(
        "--published",
        type=flags.FOLDER,
        metavar="DIR",
        help="Run with published weights, as tfcsi import makes it.",
    )
    parser.add_argument(
        "--published_nmse_db",
        type=flags.number(),
        metavar="DB",
        help="NMSE of those weights on the published outdoor set [dB].",
    )


def main(args):
    if (args.published is None) != (args.published_nmse_db is None):
        raise UsageError("--published and --published_nmse_db go together")
    output = pathlib.Path(args.output)
    results.check_output(output)
    folder = pathlib.Path(args.workdir)
    folder.mkdir(parents=True, exist_ok=True)
    network = None
    if args.published:
        network = Network(tfcsi.load(args.published), args.published_nmse_db)
    search = Search(folder / "tries.jsonl", args.num, network)

    def enough(best, convergence):
        del best, convergence
        return len(search.tries) >= args.evaluations

    population = 4  # For each parameter.
    differential_evolution(
        search,
        search.bounds,
        popsize=population,
        maxiter=10**6,
        init="sobol",
        seed=SEARCH_SEED,
        polish=False,
        callback=enough,
    )
    points = points_of(search, args.num_test)
    results.write(output, points, SEED)
    for point in points:
        words = [f"{key} {point[key]:.2f}" for key in point if key.startswith("top_")]
        print(point["codec"], *words, f"miss {point['miss_db']:.2f} dB", sep=", ")


if __name__ == "__main__":
    program.Program(__doc__, add_arguments, main).start()
