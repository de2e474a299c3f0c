"""`tfcsi evaluate`: NMSE, SGCS and real bits of runs, clean or over noise."""

from __future__ import annotations

import pathlib

import numpy as np

from tfcsi import results
from tfcsi.commands.flags import UsageError, check_output, numbers_of, parse
from tfcsi.commands.publish import columns, publish
from tfcsi.evaluation import measure, over_noise


def evaluate(argv: list[str]) -> None:
    """Measures NMSE, SGCS and real bits of a run on a split of its data.

    Of several runs with commas between their workdirs. With --snr_db, NMSE over the SNR
    of noise on the way, with --bit_error_rate over the rate of inverted bits: a results
    file and its picture.
    """
    optional = "scenario output snr_db noise bit_error_rate"
    given = parse(argv, "workdir data_dir", optional, split="test", seed=1)
    if given["noise"] and not given["snr_db"]:
        raise UsageError(f"--noise={given['noise']}; it goes with --snr_db=...")
    if given["snr_db"] or given["bit_error_rate"]:
        return _evaluate_noise(given)
    from tfcsi.codecs.workdir import load

    points = []
    for workdir, name in (runs := _runs(given)):
        codec = load(workdir)
        dataset, scenario, h = _matrices(codec.config, given)
        point = {
            **codec.describe(),
            "dataset": f"{dataset}_{scenario}",
            "split": given["split"],
            **measure.evaluate(codec, h, _frequency(dataset, scenario, given)),
        }
        label = {"codec": f"{codec.name} {name}"} if len(runs) > 1 else {}
        points.append({**point, **label})
    name = f"evaluation_{scenario}_{given['split']}.json"
    path = pathlib.Path(given["output"] or runs[0][0] / name)
    results.write(path, points, codec.config["seed"])
    print(results.table(points))
    print(f"written to {path}")


def _runs(given: dict) -> list[tuple[pathlib.Path, str]]:
    """The workdirs of a flag and a name for each."""
    workdirs = [pathlib.Path(name) for name in given["workdir"].split(",")]
    if len(workdirs) > 1 and not given["output"]:
        raise UsageError(f"--workdir names {len(workdirs)} runs; give --output=FILE")
    names = [workdir.resolve().name for workdir in workdirs]
    if len(set(names)) < len(names):
        names = [str(workdir) for workdir in workdirs]
    return list(zip(workdirs, names))


def _frequency(dataset: str, scenario: str, given: dict) -> np.ndarray | None:
    """Frequency-domain truth of test matrices, where there is one."""
    from tfcsi.datasets import cost2100

    if (dataset, given["split"]) != ("cost2100", "test"):
        return None
    name = cost2100.frequency_file_name(scenario)
    if not pathlib.Path(given["data_dir"], name).exists():
        return None
    return cost2100.load_frequency(given["data_dir"], scenario)


def _evaluate_noise(given: dict) -> None:
    """NMSE of some runs over SNR or bit error rate, as a results file and a picture."""
    if given["snr_db"] and given["bit_error_rate"]:
        raise UsageError("--snr_db and --bit_error_rate; give one of them")
    flag = "snr_db" if given["snr_db"] else "bit_error_rate"
    values, kind = numbers_of(flag, given[flag]), given["noise"] or "codeword"
    if kind not in over_noise.NOISES:
        known = ", ".join(over_noise.NOISES)
        raise UsageError(f"--noise={kind}; it must be one of {known}")
    if flag == "bit_error_rate" and not all(0 <= value <= 1 for value in values):
        raise UsageError(f"--{flag}={given[flag]}; a rate is 0 to 1")
    check_output(given["output"])
    runs = _runs(given)
    from tfcsi.codecs.workdir import load
    from tfcsi.evaluation import plots

    points = []
    for workdir, name in runs:
        codec = load(workdir)
        dataset, scenario, h = _matrices(codec.config, given)
        if flag == "snr_db":
            found = over_noise.over_snr(codec, h, values, kind, given["seed"])
        else:
            found = over_noise.over_bit_errors(codec, h, values, given["seed"])
        known = {**codec.describe(), "codec": f"{codec.name} {name}"}
        known |= {"dataset": f"{dataset}_{scenario}", "split": given["split"]}
        points += [{**known, **point} for point in found]
    kind = kind if flag == "snr_db" else "bit_errors"
    name = f"evaluation_{scenario}_{given['split']}_{kind}.json"
    draw = plots.over_snr if flag == "snr_db" else plots.over_bit_errors
    more = ("nmse_db_zero", "refused", "undetected") if kind == "bit_errors" else ()
    print(columns(points, ("codec", flag, "nmse_db", *more, "bits")))
    publish(given["output"] or runs[0][0] / name, points, given["seed"], draw)


def _matrices(config, given: dict) -> tuple[str, str, np.ndarray]:
    """Data set and scenario that a run is measured on, and the matrices."""
    from tfcsi import datasets

    dataset = config.get("dataset", "cost2100")
    scenario = given["scenario"] or config.get("scenario")
    if not scenario:
        raise ValueError("the run's config has no scenario: give --scenario")
    known, whole = datasets.DATASETS, scenario.partition("_")[0]
    if whole in known or dataset not in known:  # As of runs on several sources.
        dataset, scenario = datasets.parts(scenario)
    name, options = f"{dataset}_{scenario}", datasets.options_of(config)
    h = datasets.read(name, given["data_dir"], given["split"], **options)
    return dataset, scenario, h
