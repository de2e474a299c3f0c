"""Folders that `tfcsi generate` wrote, in any of its formats and of any size.

The scenario is the name of the channel, such as `tr38901_uma_nlos`. Its files lie in
the folder itself, or in a folder of that name inside, beside `generate.json`, which
says what was simulated:

    mat       DATA_H{train,val,test}{in,out}.mat, the published form of COST 2100
    hdf5      {train,val,test}.h5 with complex `h` [n, num_tx, num_delay]
    tfrecord  {train,val,test}-*.tfrecord, see `tfcsi.datasets.tfrecord`

`hdf5` and `tfrecord` may also hold frequency-domain truth of test matrices, for rho.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from tfcsi import files, transforms
from tfcsi.datasets import _files, _splits, any_file, cost2100, tfrecord
from tfcsi.datasets._files import DataError
from tfcsi.datasets.contract import Dataset
from tfcsi.matrices import Matrices

MANIFEST = "generate.json"
SUFFIXES = {"mat": ".mat", "hdf5": ".h5", "tfrecord": ".tfrecord"}


@dataclasses.dataclass(frozen=True)
class Options:
    """Options of `load`.

    Attributes:
      keep_empty: whether matrices of zeros are kept.
    """

    keep_empty: bool = False


def _read(
    folder: Path, scenario: str, split: str, domain: str, options: Options
) -> tuple[np.ndarray, None]:
    """Reads matrices [n, num_tx, num_delay], in memory.

    Matrices of the other domain than was simulated have as many subcarriers as delay
    taps.
    """
    with _open_split(folder, scenario, split, domain, options) as matrices:
        return matrices.whole(), None


def _open_split(
    folder: Path, scenario: str, split: str, domain: str, options: Options
) -> contextlib.AbstractContextManager[Matrices]:
    """Opens the files of a split."""
    place = _place(folder, scenario)
    manifest = _manifest(place)
    if manifest["channel"] != scenario:
        raise DataError(f"{place} holds {manifest['channel']!r}, not {scenario!r}")
    return _opened(_paths(place, manifest, split), manifest, domain, options)


def _open_file(
    path: Path, domain: str, options: Options
) -> contextlib.AbstractContextManager[Matrices]:
    """Opens one file."""
    return _opened([path], _manifest(path.parent), domain, options)


def _of_file(path: Path, domain: str, options: Options) -> np.ndarray:
    """Reads all matrices of one file."""
    with _open_file(path, domain, options) as matrices:
        return matrices.whole()


def _owns(path: Path, options: Options | None) -> bool:
    """Whether a file lies in a folder of generated files and has a name of theirs."""
    del options
    if not (path.parent / MANIFEST).is_file():
        return False
    manifest = _manifest(path.parent)
    suffix = SUFFIXES[manifest["format"]]
    stems = ("DATA_H",) if suffix == ".mat" else tuple(manifest["done"])
    return path.suffix == suffix and path.name.startswith(stems)


DATASET = Dataset(
    "generated",
    _read,
    Options,
    _of_file,
    _owns,
    own=("",),
    opener=_open_file,
    split_opener=_open_split,
)
load = DATASET.load


def holds(folder: str | os.PathLike, channel: str) -> bool:
    """Returns whether a folder was made for a channel, in HDF5 or TFRecord."""
    try:
        place = _place(Path(folder), channel)
    except DataError:
        return False
    manifest = _manifest(place)
    return manifest["channel"] == channel and manifest["format"] != "mat"


def load_frequency(folder: str | os.PathLike, channel: str) -> np.ndarray | None:
    """Loads the frequency-domain truth of the test matrices, used by `metrics.rho`.

    Args:
      folder: folder of the files.
      channel: name of the channel.

    Returns:
      [n, num_tx, 125], complex64, angles by subcarriers. None if there is none.

    Raises:
      DataError: the folder or a file is missing, damaged or of another form.
    """
    place = _place(Path(folder), channel)
    manifest = _manifest(place)
    paths = _paths(place, manifest, "test")
    if manifest["format"] == "mat":
        _, _, scenario = channel.partition("_")
        if not (place / cost2100.frequency_file_name(scenario)).exists():
            return None
        return cost2100.load_frequency(place, scenario)
    if manifest["format"] == "tfrecord":
        return tfrecord.read(paths, "xf") if tfrecord.has(paths[0], "xf") else None
    with _files.arrays(paths[0]) as variables:
        return variables["hf"][(slice(None),) * 3] if "hf" in variables else None


def _place(folder: Path, scenario: str) -> Path:
    """Returns the folder of the files of a channel."""
    inner = folder / scenario
    for place in (inner, folder):
        if (place / MANIFEST).is_file():
            return place
    raise DataError(
        f"{folder}: neither it nor {inner} is a folder that tfcsi generate wrote: "
        f"{MANIFEST} is missing"
    )


def _manifest(place: Path) -> dict[str, Any]:
    path = place / MANIFEST
    try:
        manifest = files.read_json(path)
        sound = manifest["format"] in SUFFIXES and isinstance(manifest["channel"], str)
        transforms.domain_of(manifest["setup"])
        dict(manifest["done"])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(f"{path} is damaged: {error!r}") from error
    if not sound:
        raise DataError(f"{path} is damaged: its format is {manifest['format']!r}")
    return manifest


def _paths(place: Path, manifest: dict[str, Any], split: str) -> list[Path]:
    """Returns the files of a split, in their order."""
    if split not in manifest["done"]:
        there = ", ".join(manifest["done"]) or "none"
        raise DataError(f"{place} has no {split!r} matrices; finished are {there}")
    if manifest["format"] == "mat":
        _, _, scenario = manifest["channel"].partition("_")
        return [place / cost2100.file_name(split, scenario)]
    if manifest["format"] == "hdf5":
        return [place / f"{split}.h5"]
    paths = sorted(place.glob(f"{split}-*.tfrecord"))
    if not paths:
        raise DataError(f"{place}: no such file: {split}-*.tfrecord")
    return paths


@contextlib.contextmanager
def _opened(
    paths: list[Path], manifest: dict[str, Any], domain: str, options: Options
) -> Iterator[Matrices]:
    """Opens files in a domain, without matrices of zeros."""
    stored, is_records = (
        transforms.domain_of(manifest["setup"]),
        manifest["format"] == "tfrecord",
    )
    key = "h" if manifest["format"] == "hdf5" else cost2100.KEY
    opened = (
        contextlib.nullcontext(tfrecord.matrices(paths))
        if is_records
        else any_file.open_csi(paths[0], key, domain=stored)
    )
    with opened as matrices:
        if domain != stored:
            matrices = matrices.changed(lambda h: _in_domain(h, stored, domain))
        if not options.keep_empty:
            matrices = _without_empty(matrices, str(paths[0]))
        yield matrices


def _in_domain(h: np.ndarray, stored: str, domain: str) -> np.ndarray:
    """Changes the domain of matrices; those of zeros stay so."""
    there, out = h.any(axis=(1, 2)), np.zeros_like(h)
    changed = transforms.in_angular_delay(h[there], stored)
    if there.any():
        out[there] = transforms.to_peak(transforms.in_domain(changed, domain))[0]
    return out


def _without_empty(matrices: Matrices, label: str) -> Matrices:
    """Leaves out matrices of zeros; how many they are shows when all were read."""

    def parts(first: int) -> Iterator[np.ndarray]:
        num = num_empty = 0
        for block in matrices.blocks():
            there = block.any(axis=(1, 2))
            num, num_empty = num + len(block), num_empty + int((~there).sum())
            left = block[there]
            yield left[first:]
            first = max(first - len(left), 0)
        if num_empty:
            _splits.tell_empty(label, num_empty, num)

    return Matrices(matrices.shape, None, parts)
