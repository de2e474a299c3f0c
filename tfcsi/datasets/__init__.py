"""Data sets: one module each, which owns its file keys and constants.

Each module has a `contract.Dataset`: the same `load(folder, scenario, split, domain,
**options)` for all. A source is a data set and one of its scenarios, with the name
`DATASET_SCENARIO`, and `load(name, data_root, split, domain)` reads any of them.
`data_root` has a folder for each data set:

    cost2100/   DATA_H{train,val,test}{in,out}.mat
    quadriga/   quadriga_uma_nlos_{28ghz,5p3ghz,300mhz}.mat, or any .mat by its name
    raytraced/  munich_3p5ghz.npz, street_canyon_3p5ghz.npz
    deepmimo/   folders of scenarios, and files of generated data sets
    generated/  folders that `tfcsi generate` wrote, each with the name of its channel

`SOURCES` lists those with a fixed name; `deepmimo_NAME` and `quadriga_NAME.mat` are
read from the folder or file NAME, and `generated_CHANNEL` from what `tfcsi generate`
wrote. Such a folder also serves as the files of its channel, such as `cost2100_indoor`.
"""

from __future__ import annotations

import contextlib
import importlib
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import ml_collections
import numpy as np

from tfcsi import plugins, transforms
from tfcsi.datasets import cost2100, deepmimo, generated, quadriga, raytraced
from tfcsi.datasets.contract import Dataset
from tfcsi.matrices import Matrices

DATASETS: dict[str, Dataset] = {
    module.DATASET.name: module.DATASET
    for module in (cost2100, quadriga, raytraced, deepmimo, generated)
}
DATASETS |= {
    name: importlib.import_module(module).DATASET
    for name, module in plugins.modules(plugins.DATASETS, DATASETS).items()
}
SOURCES = tuple(
    f"{dataset.name}_{scenario}"
    for dataset in DATASETS.values()
    for scenario in dataset.scenarios
)
DOMAINS = transforms.DOMAINS


def get(name: str) -> Dataset:
    """Returns a data set by its name.

    Args:
      name: a key of `DATASETS`, such as "cost2100".

    Returns:
      The data set.

    Raises:
      ValueError: no such data set; the message lists those there are.
    """
    if name not in DATASETS:
        raise ValueError(f"unknown dataset {name!r}; known: {', '.join(DATASETS)}")
    return DATASETS[name]


def load(
    name: str, data_root: str | os.PathLike, split: str, domain: str, **options: Any
) -> np.ndarray:
    """Loads the matrices of one split of a source.

    Args:
      name: a source, one of `SOURCES`, `deepmimo_NAME` or `quadriga_NAME.mat`.
      data_root: folder of the folders named above; may be read-only.
      split: "train", "val" or "test".
      domain: "angular_delay" or "space_frequency".
      **options: of the data set, see `Dataset.options`.

    Returns:
      [n, num_tx, num_delay], complex64, angles (zero in the middle) by delay taps, or
      antennas by subcarriers; zero-centred, max|h| = 0.5 a matrix.

    Raises:
      ValueError: unknown name, split, domain or option; the message lists those there
        are.
      DataError: a file is missing, unreadable or of another form.
    """
    return read(name, Path(data_root) / parts(name)[0], split, domain, **options)


def read(
    name: str, folder: str | os.PathLike, split: str, domain: str, **options: Any
) -> np.ndarray:
    """Reads one split of a source from the folder of its files.

    Args:
      name: a source, as for `load`.
      folder: folder of the files of the data set; may be read-only.
      split: "train", "val" or "test".
      domain: "angular_delay" or "space_frequency".
      **options: of the data set, see `Dataset.options`.

    Returns:
      As `load`: [n, num_tx, num_delay], complex64, max|h| = 0.5 a matrix.

    Raises:
      ValueError: as `load`.
      DataError: as `load`.
    """
    return read_with_loss(name, folder, split, domain, **options)[0]


def read_with_loss(
    name: str, folder: str | os.PathLike, split: str, domain: str, **options: Any
) -> tuple[np.ndarray, np.ndarray | None]:
    """Reads one split as `read`; also reports the energy that the matrices do not hold.

    Args:
      name: a source, as for `load`.
      folder: folder of the files of the data set; may be read-only.
      split: "train", "val" or "test".
      domain: "angular_delay" or "space_frequency".
      **options: of the data set, see `Dataset.options`.

    Returns:
      h: as `load`.
      lost: [n], float64, linear: the share of the energy of each channel that was cut
        off with its late paths and delay taps. None if the files hold matrices that
        were already truncated.

    Raises:
      ValueError: as `load`.
      DataError: as `load`.
    """
    dataset, scenario, options = _found(name, folder, options)
    return get(dataset).load_with_loss(folder, scenario, split, domain, **options)


def open_split(
    name: str, folder: str | os.PathLike, split: str, domain: str, **options: Any
) -> contextlib.AbstractContextManager[Matrices]:
    """Opens the matrices of `read`, to be read a block at a time.

    Args:
      name: as for `read`.
      folder: as for `read`.
      split: as for `read`.
      domain: as for `read`.
      **options: as for `read`.

    Returns:
      A context manager of the matrices, as `Dataset.open_split`, with its errors.
    """
    dataset, scenario, options = _found(name, folder, options)
    return get(dataset).open_split(folder, scenario, split, domain, **options)


def _found(
    name: str, folder: str | os.PathLike, options: dict[str, Any]
) -> tuple[str, str, dict[str, Any]]:
    """Data set, scenario and options by which the files of a folder are read."""
    dataset, scenario = parts(name)
    if dataset != "generated" and generated.holds(folder, name):
        dataset, scenario = "generated", name
        options = {k: v for k, v in options.items() if k in get(dataset).options}
    return dataset, scenario, options


def join(
    folders: Mapping[str, str | os.PathLike],
    splits: Sequence[str],
    options: Mapping[str, Any],
    report: Callable[[str], None] | None = None,
    first: Mapping[str, int | None] | None = None,
) -> list[np.ndarray]:
    """Reads the splits of several sources, each source behind the one before.

    Args:
      folders: name of a source to the folder of its files.
      splits: of "train", "val", "test".
      options: `domain` and options of `read`, as `options_of` returns them.
      report: is called with a line on what each source gave and lost.
      first: split to the number of matrices to take of each source, the first ones;
        all if None.

    Returns:
      For each split [n, num_tx, num_delay], complex64, max|h| = 0.5 a matrix.

    Raises:
      ValueError: as `read`; matrices of the sources differ in size, or a source has
        fewer than `first` says.
    """
    joined = []
    for split in splits:
        matrices: list[np.ndarray] = []
        for name, folder in folders.items():
            h, lost = read_with_loss(name, folder, split, **options)
            h = take(h, (first or {}).get(split), name, split)
            lost = None if lost is None else lost[: len(h)]
            matrices.append(h)
            if matrices[0].shape[1:] != h.shape[1:]:
                raise ValueError(
                    f"matrices of {name} are {list(h.shape[1:])}, those of "
                    f"{next(iter(folders))} {list(matrices[0].shape[1:])}"
                )
            line = f"{name} {split}: {len(h)} matrices"
            if lost is not None:
                line += f", {100 * lost.mean():.2f} % of their energy cut off (95 % "
                line += f"quantile {100 * np.quantile(lost, 0.95):.2f} %)"
            if report:
                report(line)
        joined.append(matrices[0] if len(matrices) == 1 else np.concatenate(matrices))
    return joined


def take(h: np.ndarray, num: int | None, name: str, split: str) -> np.ndarray:
    """Returns the first matrices of a split.

    Args:
      h: [n, num_tx, num_delay], all matrices of the split.
      num: how many to take, as `num_train` of a config; all if None.
      name: of the source, for the message.
      split: "train", "val" or "test", for the message.

    Raises:
      ValueError: the split has fewer matrices.
    """
    if num is not None and num > len(h):
        raise ValueError(
            f"num_{split} is {num}; {name} has {len(h)} matrices for {split}"
        )
    return h[:num]


def dataset_of(config: Mapping[str, Any]) -> str:
    """Returns the name of the data set or simulator that a run was trained on.

    Args:
      config: of the run. Configs without the field `dataset` are from when all runs
        were of COST 2100.

    Returns:
      A name such as "cost2100".
    """
    return config.get("dataset", "cost2100")


def source_of(config: Mapping[str, Any], scenario: str | None = None) -> str:
    """Returns the name of the source that a run is measured on.

    Args:
      config: of the run.
      scenario: a scenario of the run's data set, or the whole name of any source; that
        of the training if None.

    Returns:
      A name such as "cost2100_indoor". That of a run on simulated matrices is the
      source `generated`, which has files of its channel.

    Raises:
      ValueError: neither the config nor the caller names a scenario, or there is no
        such source.
    """
    dataset, chosen = dataset_of(config), scenario or config.get("scenario")
    if not chosen:
        raise ValueError("the run's config has no scenario: give --scenario")
    if dataset == "mixed" and "," in chosen:
        each = chosen.replace(",", " or ")
        raise ValueError(f"the codec is of several sources; give --scenario={each}")
    if chosen.partition("_")[0] in DATASETS:  # A whole name.
        name = chosen
    elif dataset in DATASETS:
        name = f"{dataset}_{chosen}"
    else:
        name = chosen if dataset == "mixed" else f"generated_{dataset}_{chosen}"
    parts(name)
    return name


def options_of(
    config: ml_collections.ConfigDict, source: str | None = None
) -> dict[str, Any]:
    """Returns the domain and the options of `read` that a config has.

    Args:
      config: of a run; `domain` and `source` are its fields that count.
      source: name of a source; the one that the run was trained on if None. Options of
        the config belong to its own data set. A source of another data set gets none.

    Returns:
      Keyword arguments of `read`, `domain` among them.

    Raises:
      ValueError: unknown domain or source.
    """
    options = {"domain": transforms.domain_of(config)}
    own = dataset_of(config)
    if source is None or own not in DATASETS or own == parts(source)[0]:
        options.update(config.get("source", {}))
    return options


def parts(name: str) -> tuple[str, str]:
    """Splits the name of a source, such as "cost2100_indoor".

    Args:
      name: a source, as for `load`.

    Returns:
      Names of the data set and of the scenario.

    Raises:
      ValueError: unknown source; the message lists those there are.
    """
    dataset, _, scenario = name.partition("_")
    if dataset not in DATASETS or not DATASETS[dataset].has(scenario):
        own = [
            f"{each.name}_NAME{ending}"
            for each in DATASETS.values()
            for ending in each.own
        ]
        known = ", ".join([*SOURCES, *sorted(own)])
        raise ValueError(f"unknown source {name!r}; known: {known}")
    return dataset, scenario
