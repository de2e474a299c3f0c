"""Measures NMSE, SGCS and real bits of a run on a split of its data.

    tfcsi evaluate --workdir=runs/a --data_dir=DIR

Several runs are measured one after the other into one file. With --snr_db the NMSE is
measured over the SNR of noise, with --bit_error_rate over the rate of inverted bits.
Both write a results file and a picture. Without --output the file goes to the workdir.
Without noise the matrices are read and sent a block at a time.
"""

from __future__ import annotations

import argparse
import contextlib
import pathlib
import sys
from typing import TYPE_CHECKING

import numpy as np

from tfcsi import files, results
from tfcsi.commands import bulk, flags, merge
from tfcsi.commands.parser import Parser, UsageError
from tfcsi.commands.progress import progress
from tfcsi.commands.publish import check_output, columns, publish, show
from tfcsi.evaluation import measure, over_noise
from tfcsi.matrices import Matrices

if TYPE_CHECKING:
    import ml_collections


def add_arguments(parser: Parser) -> None:
    """Adds the flags of the command."""
    flags.add_codec(
        parser,
        type=flags.FOLDERS,
        action="extend",
        metavar="DIR,...",
        help="Folder of the run, or folders of several runs; give the flag once for "
        "each if names have commas. The name of a codec of the zoo, such as paths, "
        "does as well. --codec is the same flag.",
    )
    flags.add(parser, "data_dir", required=True)
    flags.add(
        parser,
        "output",
        type=flags.PART,
        help="Results file to write (.json), needed for several runs; with --shard a "
        "file of a part (.npz).",
    )
    flags.add(parser, "split")
    parser.add_argument(
        "--scenario",
        type=flags.TEXT,
        metavar="NAME",
        help="Scenario to measure on, or a whole source such as quadriga_28ghz. It is "
        "the scenario of the run if not given.",
    )
    parser.add_argument(
        "--snr_db",
        type=flags.NUMBERS,
        metavar="LOW:HIGH:STEP",
        help="SNRs in dB at which the NMSE is measured: from low to high, both ends "
        "included, or a list such as 0,10,20.",
    )
    parser.add_argument(
        "--noise",
        type=flags.choice(*over_noise.NOISES),
        metavar="PLACE",
        help="Place of the noise, with --snr_db: on the codeword (if not given), on "
        "the latent before the quantiser, or on the measured csi.",
    )
    parser.add_argument(
        "--bit_error_rate",
        type=flags.NUMBERS,
        metavar="RATE,...",
        help="Rates of inverted bits, 0 to 1, at which the NMSE is measured.",
    )
    flags.add(
        parser,
        "shard",
        help="Measure part I of N of the matrices, such as 2/8, into "
        "--output=FILE.npz. tfcsi merge makes the results file of the parts.",
    )
    bulk.add_arguments(parser)
    flags.add(
        parser,
        "seed",
        default=None,
        help="Seed of noise and bit errors; 1 if not given.",
    )
    flags.add(parser, "json")


def run(args: argparse.Namespace) -> None:
    """Writes a results file and prints it as a table."""
    if args.noise and args.snr_db is None:
        raise UsageError(f"--noise={args.noise}; it goes with --snr_db=...")
    if args.seed is not None and args.snr_db is args.bit_error_rate is None:
        raise UsageError(
            f"--seed={args.seed}; it goes with --snr_db or --bit_error_rate"
        )
    runs = _runs(args)
    if bulk.check(args):
        if not args.output:
            raise UsageError("--runner needs --output=FILE.json")
        check_output(args.output)
        parts = bulk.run(args, "evaluate", ".npz")
        merge.join_values(parts, args.output)
        return bulk.delete(parts)
    if args.shard:
        return _evaluate_shard(args, runs)
    if args.output and not args.output.endswith(".json"):
        raise UsageError(f"--output={args.output}; it goes with --shard")
    if args.output:
        check_output(args.output)
    else:
        files.check_folder(runs[0][0])
    if args.snr_db is not None or args.bit_error_rate is not None:
        return _evaluate_noise(args, runs)
    from tfcsi.codecs.workdir import load

    points = []
    for workdir, name in runs:
        codec = load(workdir)
        dataset, scenario, opened = _opened(codec.config, args)
        with opened as matrices, progress(matrices.num, "evaluate") as done:
            hf = _frequency(dataset, scenario, args)
            measured = measure.evaluate(codec, matrices, hf, done)
        point = {
            **codec.describe(),
            "dataset": f"{dataset}_{scenario}",
            "split": args.split,
            **measured,
        }
        label = {"codec": f"{codec.name} {name}"} if len(runs) > 1 else {}
        points.append({**point, **label})
    name = f"evaluation_{scenario}_{args.split}.json"
    path = pathlib.Path(args.output or runs[0][0] / name)
    show(points, results.table(points), args.json)
    results.write(path, points, codec.config["seed"])
    print(f"written to {path}", file=sys.stderr if args.json else sys.stdout)


def _evaluate_shard(
    args: argparse.Namespace, runs: list[tuple[pathlib.Path, str]]
) -> None:
    """Writes the values of the matrices of a part."""
    from tfcsi.codecs.workdir import load
    from tfcsi.evaluation import shards

    if args.snr_db is not None or args.bit_error_rate is not None or len(runs) > 1:
        raise UsageError("--shard goes with one run, without noise and bit errors")
    if not (args.output or "").endswith(shards.SUFFIX):
        raise UsageError(f"--shard needs --output=FILE{shards.SUFFIX}")
    shards.check_output(args.output)
    codec = load(runs[0][0])
    dataset, scenario, opened = _opened(codec.config, args)
    known = {
        **codec.describe(),
        "dataset": f"{dataset}_{scenario}",
        "split": args.split,
    }
    with opened as matrices:
        part, first = shards.part_of(matrices, *args.shard)
        hf = _frequency(dataset, scenario, args)
        hf = None if hf is None else hf[first:]
        with progress(part.num, "evaluate") as done:
            values, shape = measure.evaluated(codec, part, hf, done)
    number, count = args.shard
    made = shards.Shard(number, count, known, codec.config["seed"], shape, values)
    shards.write(args.output, made)
    print(f"{part.num} matrices, part {number} of {count}, to {args.output}")


def _runs(args: argparse.Namespace) -> list[tuple[pathlib.Path, str]]:
    """The workdirs and a name for each."""
    from tfcsi.codecs.zoo import folder_of, is_name

    workdirs = [folder_of(name) for name in args.workdir]
    if len(workdirs) > 1 and not args.output:
        raise UsageError(f"--workdir names {len(workdirs)} runs; give --output=FILE")
    if is_name(args.workdir[0]) and not args.output:
        raise UsageError(f"{args.workdir[0]} is a codec of the zoo; give --output=FILE")
    names = [workdir.resolve().name for workdir in workdirs]
    if len(set(names)) < len(names):
        names = [str(workdir) for workdir in workdirs]
    return list(zip(workdirs, names))


def _frequency(
    dataset: str, scenario: str, args: argparse.Namespace
) -> np.ndarray | None:
    """Frequency-domain truth of test matrices, where there is one."""
    from tfcsi.datasets import cost2100, generated

    channel = scenario if dataset == "generated" else f"{dataset}_{scenario}"
    if args.split != "test":
        return None
    if dataset == "generated" or generated.holds(args.data_dir, channel):
        return generated.load_frequency(args.data_dir, channel)
    if dataset != "cost2100":
        return None
    name = cost2100.frequency_file_name(scenario)
    if not pathlib.Path(args.data_dir, name).exists():
        return None
    return cost2100.load_frequency(args.data_dir, scenario)


def _evaluate_noise(
    args: argparse.Namespace, runs: list[tuple[pathlib.Path, str]]
) -> None:
    """NMSE of some runs over SNR or bit error rate, as a results file and a picture."""
    if args.snr_db is not None and args.bit_error_rate is not None:
        raise UsageError("--snr_db and --bit_error_rate; give one of them")
    args.seed = 1 if args.seed is None else args.seed
    flag = "bit_error_rate" if args.snr_db is None else "snr_db"
    values, kind = getattr(args, flag), args.noise or "codeword"
    if flag == "bit_error_rate" and not all(0 <= value <= 1 for value in values):
        rates = ",".join(f"{value:g}" for value in values)
        raise UsageError(f"--{flag}={rates}; a rate is 0 to 1")
    from tfcsi.codecs.workdir import load
    from tfcsi.evaluation import plots

    points = []
    for workdir, name in runs:
        codec = load(workdir)
        dataset, scenario, opened = _opened(codec.config, args)
        with opened as matrices:
            h = matrices.whole()
        if flag == "snr_db":
            measured = over_noise.over_snr(codec, h, values, kind, args.seed)
        else:
            measured = over_noise.over_bit_errors(codec, h, values, args.seed)
        known = {**codec.describe(), "codec": f"{codec.name} {name}"}
        known |= {"dataset": f"{dataset}_{scenario}", "split": args.split}
        points += [{**known, **point} for point in measured]
    kind = kind if flag == "snr_db" else "bit_errors"
    name = f"evaluation_{scenario}_{args.split}_{kind}.json"
    draw = plots.over_snr if flag == "snr_db" else plots.over_bit_errors
    more = ("nmse_db_zero", "refused", "undetected") if kind == "bit_errors" else ()
    keys = ("codec", flag, "nmse_db", *more, "bits")
    show(points, columns(points, keys), args.json)
    with contextlib.redirect_stdout(sys.stderr if args.json else sys.stdout):
        publish(args.output or runs[0][0] / name, points, args.seed, draw)


def _opened(
    config: ml_collections.ConfigDict, args: argparse.Namespace
) -> tuple[str, str, contextlib.AbstractContextManager[Matrices]]:
    """Data set and scenario that a run is measured on, and the opened matrices."""
    from tfcsi import datasets

    name = datasets.source_of(config, args.scenario)
    options = datasets.options_of(config, name)
    opened = datasets.open_split(name, args.data_dir, args.split, **options)
    return *datasets.parts(name), opened
