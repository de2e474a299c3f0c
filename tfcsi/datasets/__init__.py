"""Data sources: one module each, which owns its file keys and constants.

`load(name, data_root, split)` reads any source. The name is that of the module and of
one of its scenarios; `data_root` has a folder for each module:

    cost2100/   DATA_H{train,val,test}{in,out}.mat
    quadriga/   quadriga_uma_nlos_{28ghz,5p3ghz,300mhz}.mat, or any .mat by its name
    raytraced/  munich_3p5ghz.npz, street_canyon_3p5ghz.npz
    deepmimo/   folders of scenarios, and files of generated data sets

`SOURCES` lists those with a fixed name; `deepmimo_NAME` and `quadriga_NAME.mat` are
read from the folder or file NAME.
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import ModuleType

import ml_collections
import numpy as np

from tfcsi import transforms
from tfcsi.datasets import cost2100, deepmimo, quadriga, raytraced

DATASETS = {
    "cost2100": cost2100,
    "quadriga": quadriga,
    "raytraced": raytraced,
    "deepmimo": deepmimo,
}
SOURCES = (
    *(f"cost2100_{name}" for name in cost2100.SCENARIOS),
    *(f"quadriga_{name}" for name in quadriga.FILES),
    *(f"raytraced_{name}" for name in raytraced.FILES),
)
DOMAINS = transforms.DOMAINS


def get(name: str) -> ModuleType:
    """The module of a data source, by name.

    Raises:
      ValueError: no such source; the message lists those there are.
    """
    if name not in DATASETS:
        raise ValueError(f"unknown dataset {name!r}; known: {', '.join(DATASETS)}")
    return DATASETS[name]


def load(
    name: str,
    data_root: str | os.PathLike,
    split: str,
    domain: str = "angular_delay",
    **options,
) -> np.ndarray:
    """Loads the matrices of one split of a source.

    Args:
      name: a source, one of `SOURCES`, `deepmimo_NAME` or `quadriga_NAME.mat`.
      data_root: folder of the folders named above; may be read-only.
      split: "train", "val" or "test".
      domain: "angular_delay" or "space_frequency".
      **options: of the module's `load`.

    Returns:
      [n, num_tx, num_delay], complex64, angles (zero in the middle) by delay taps, or
      antennas by subcarriers; zero-centred, max|h| = 0.5 a matrix.

    Raises:
      ValueError: unknown name, split or option; the message lists those there are.
      DataError: a file is missing, unreadable or of another form.
    """
    return read(name, Path(data_root) / parts(name)[0], split, domain, **options)


def read(
    name: str,
    folder: str | os.PathLike,
    split: str,
    domain: str = "angular_delay",
    **options,
) -> np.ndarray:
    """Like `load`, from the folder of the module's files itself."""
    return read_with_loss(name, folder, split, domain, **options)[0]


def read_with_loss(
    name: str,
    folder: str | os.PathLike,
    split: str,
    domain: str = "angular_delay",
    **options,
) -> tuple[np.ndarray, np.ndarray | None]:
    """Like `read`; also what truncation to the first delay taps and clipping lost.

    Returns:
      h: as `load`.
      lost: [n], float64, linear, share of the energy of each matrix; None where the
        files have truncated matrices, of which nobody knows.
    """
    module, scenario = parts(name)
    transforms.check_domain(domain)
    reader = DATASETS[module].load
    known = list(inspect.signature(reader).parameters)
    reports = "with_loss" in known
    known = [key for key in known[4:] if key not in ("cache_dir", "with_loss")]
    for key in options:
        if key not in known:
            raise ValueError(
                f"{module} has no option {key!r}; known: {', '.join(known) or '-'}"
            )
    if reports:
        return reader(folder, scenario, split, domain, **options, with_loss=True)
    if module != "cost2100":
        return reader(folder, scenario, split, domain, **options), None
    h = reader(folder, split, scenario)
    if domain != "angular_delay":
        h = transforms.to_peak(transforms.to_space_frequency(h, h.shape[-1]))[0]
    return h, None


def join(
    folders: Mapping[str, str | os.PathLike],
    splits: Sequence[str],
    options: Mapping | None = None,
    report: Callable[[str], None] | None = None,
) -> list[np.ndarray]:
    """Reads the splits of several sources, each source behind the one before.

    Args:
      folders: name of a source to the folder of its files.
      splits: of "train", "val", "test".
      options: of `read`.
      report: is called with a line on what each source gave and lost.

    Returns:
      For each split [n, num_tx, num_delay], complex64, max|h| = 0.5 a matrix.

    Raises:
      ValueError: as `read`, or matrices of the sources differ in size.
    """
    out = []
    for split in splits:
        found = []
        for name, folder in folders.items():
            h, lost = read_with_loss(name, folder, split, **(options or {}))
            found.append(h)
            if found[0].shape[1:] != h.shape[1:]:
                raise ValueError(
                    f"matrices of {name} are {list(h.shape[1:])}, those of "
                    f"{next(iter(folders))} {list(found[0].shape[1:])}"
                )
            line = f"{name} {split}: {len(h)} matrices"
            if lost is not None:
                line += f", {100 * lost.mean():.2f} % of their energy cut off (95 % "
                line += f"quantile {100 * np.quantile(lost, 0.95):.2f} %)"
            if report:
                report(line)
        out.append(found[0] if len(found) == 1 else np.concatenate(found))
    return out


def name_of(config: ml_collections.ConfigDict) -> str:
    """Name of the source that a run was trained on."""
    return f"{config.get('dataset', 'cost2100')}_{config.scenario}"


def options_of(config: ml_collections.ConfigDict) -> dict:
    """Domain and options of `read` that a config has: its `domain` and `source`."""
    domain = config.get("domain", DOMAINS[0])
    return {"domain": domain, **config.get("source", {})}


def parts(name: str) -> tuple[str, str]:
    """Module and scenario that the name of a source is made of, or a ValueError."""
    module, _, scenario = name.partition("_")
    free = module == "deepmimo" or (module == "quadriga" and scenario.endswith(".mat"))
    if name not in SOURCES and not (free and scenario):
        raise ValueError(
            f"unknown source {name!r}; known: {', '.join(SOURCES)}, deepmimo_NAME, "
            f"quadriga_NAME.mat"
        )
    return module, scenario
