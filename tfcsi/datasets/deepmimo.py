"""DeepMIMO: scenario folders, and data sets that were generated from them.

Alkhateeb, "DeepMIMO: A Generic Deep Learning Dataset for Millimeter Wave and Massive
MIMO Applications", ITA 2019; deepmimo.net. Two kinds of data are read:

- a scenario folder of version 2, 3 or 4 (`_scenarios`). Its paths become matrices here,
  for any array, band and choice of subcarriers;
- a generated data set: a `.npz`, `.npy`, `.h5` or `.mat` file (v5, v7.3) with `channel`
  [n, num_rx, num_tx, num_sc] (num_rx may be left out), or a `.mat` file with MATLAB's
  `DeepMIMO_dataset`, a cell of base stations. Their `user` is a cell of structs with
  `channel`.

The convention is DeepMIMO's. Antennas lie along y, then z, and have the phase
exp(2 pi j spacing (y sin theta sin phi + z cos theta)), with theta from the zenith and
phi from x. A path of delay tau has the phase exp(-2 pi j k tau bandwidth / num_fft) at
subcarrier k. All is divided by sqrt(num_fft). Unlike DeepMIMO's generator, this module
has no antenna patterns, no Doppler, and one antenna at the user.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from tfcsi import responses, transforms
from tfcsi.datasets import _axes, _columns, _files, _splits
from tfcsi.datasets._files import ALONE, DataError
from tfcsi.datasets._matlab_cells import KEY, MATLAB_KEY, nested, users_of_matlab
from tfcsi.datasets._scenarios import read
from tfcsi.datasets.contract import Dataset
from tfcsi.options import check_physical
from tfcsi.responses import Band, Paths

__all__ = [
    "Band",
    "DataError",
    "Paths",
    "converter",
    "generated",
    "load",
    "matrices",
    "read",
]

TIMINGS = ("absolute", "strongest")
_ORDER = 0  # Seed of the fixed order of users, from which the splits are taken.


@dataclasses.dataclass(frozen=True)
class Options:
    """Options of `load`; the defaults are those of the CSI-INR paper.

    For a scenario folder all options count but `rx`. A data set that was generated has
    its own array and band: `bs` (in MATLAB's form), `rx`, `num_sc`, `select`, `timing`
    and the splits count.

    Attributes:
      bs: number of the base station, from 1.
      scene: number of the scene of a dynamic scenario, from 0: that of a folder
        `scene_0`, or in MATLAB's form of the cell {scene}{bs}.
      rows: first and last row of users, from 1 (R1); all rows if empty.
      array: antennas of the base station along y and z; num_tx is their product, and
        those along y come first.
      spacing: distance of neighbouring antennas, in wavelengths.
      rotation: rotation of the array about z, in degrees.
      bandwidth: bandwidth in Hz.
      num_fft: number of subcarriers in the band.
      num_sc: number of subcarriers or delay taps that are kept.
      select: which subcarriers are kept: "spread" evenly over the band, or the "first".
      clip: whether paths later than num_fft / bandwidth are left out, as DeepMIMO does;
        otherwise their delays wrap around.
      max_paths: number of paths of a user that count, the first on disk; all if 0.
      timing: "absolute", delays from the base station to the user; or "strongest",
        delays counted from the strongest path, as a receiver does (for a generated data
        set see `transforms.synchronize`). Delays before it wrap around.
      rx: number of the user's antenna, from 0.
      num_val: number of matrices for validation.
      num_test: number of matrices for test.
      shuffle: whether users are put in a fixed random order before they are split. In
        their own order test users stand in rows of their own.
      axes: names of the axes of a generated data set in the order of its file, such as
        "n,rx,tx" for one subcarrier (see `_axes`); in MATLAB's form those of a user's
        channel. If empty, the only order that fits.
      keep_empty: whether matrices of zeros or NaN are kept, as zeros.
    """

    bs: int = 1
    scene: int = 0
    rows: Sequence[int] = ()
    array: Sequence[int] = (32, 1)
    spacing: float = 0.5
    rotation: float = 0.0
    bandwidth: float = 100e6
    num_fft: int = 1024
    num_sc: int = 32
    select: str = "spread"
    clip: bool = True
    max_paths: int = 0
    timing: str = "absolute"
    rx: int = 0
    num_val: int = _splits.NUM_VAL
    num_test: int = _splits.NUM_TEST
    shuffle: bool = True
    axes: str = ""
    keep_empty: bool = False


def _read(
    folder: Path, scenario: str, split: str, domain: str, options: Options
) -> tuple[np.ndarray, np.ndarray | None]:
    """Reads matrices [n, num_tx, num_sc].

    The last `num_test` users are for test, the `num_val` before them for validation.
    Scenario folders report the energy in clipped paths and in delay taps that are cut
    off.
    """
    return _of_path(folder / scenario, split, domain, options)


def _of_path(
    path: Path, split: str, domain: str, o: Options
) -> tuple[np.ndarray, np.ndarray | None]:
    _check_timing(o.timing)
    if not path.is_dir():
        return _read_generated(path, split, domain, o), None
    check_physical(bandwidth=o.bandwidth, spacing=o.spacing, rotation=o.rotation)
    band = Band(o.bandwidth, o.num_fft, o.num_sc, o.select)
    paths = read(path, o.bs, o.rows or None, o.scene)
    users = np.unique(paths.user)
    label = f"{path}: {len(users)} users with a path"
    chosen = _splits.split_users(len(users), split, label, o.num_val, o.num_test)
    order = np.random.default_rng(_ORDER).permutation(len(users))
    paths = paths.of_users(users[np.sort(order[chosen]) if o.shuffle else chosen])
    if o.timing == "strongest":
        paths = _from_strongest(paths)
    form = (o.array, o.spacing, o.rotation, o.clip, o.max_paths or None)
    h, lost = matrices(paths, band, domain, *form)
    if not h.any():
        raise DataError(
            f"{path}: no user of {split!r} has a path within {o.num_fft} / bandwidth"
        )
    label = f"{path}: users of {split!r}"
    return _splits.scaled(h, lost, label, o.keep_empty)


def _read_generated(path: Path, split: str, domain: str, o: Options) -> np.ndarray:
    channel = arranged(generated(path, o.bs, o.axes, o.scene), o.rx)
    convert = converter(channel, domain, o.num_sc, o.select, o.timing)
    shuffled = np.random.default_rng(_ORDER).permutation(channel.shape[0])
    order = shuffled if o.shuffle else None
    counts = (o.num_val, o.num_test)
    return _splits.read_split(channel, split, convert, *counts, order, o.keep_empty)


def _of_file(path: Path, domain: str, options: Options) -> np.ndarray:
    """Reads all matrices of a generated data set."""
    return _of_path(path, _splits.ALL, domain, options)[0]


def _owns(path: Path, options: Options | None) -> bool:
    """Whether a file has `channel`, with all four axes if no run is of these files.

    MATLAB's cell of base stations is such a file, too.
    """
    if path.suffix.lower() not in _files.NAMED:
        return False
    with _files.arrays(path) as variables:
        four = KEY in variables and len(variables[KEY].shape) == 4
        firsts = {name.split("/")[0] for name in variables}
    return MATLAB_KEY in firsts or four or (options is not None and KEY in firsts)


DATASET = Dataset("deepmimo", _read, Options, _of_file, _owns, own=("",))
load = DATASET.load


def matrices(
    paths: Paths,
    band: Band,
    domain: str,
    array: Sequence[int] = (32, 1),
    spacing: float = 0.5,
    rotation: float = 0.0,
    clip: bool = True,
    max_paths: int | None = None,
    normalize: bool = True,
) -> tuple[np.ndarray, np.ndarray]:
    """Makes the matrices of users from their paths, without scaling them.

    Args:
      paths: paths of n users, as `read` returns them.
      band: the band, and the delay taps or subcarriers that are kept.
      domain: "angular_delay" or "space_frequency".
      array: numbers of antennas along y and z.
      spacing: distance of neighbouring antennas, in wavelengths.
      rotation: rotation of the array about z, in degrees.
      clip: whether late paths are left out, see `Options`.
      max_paths: number of paths of a user that count; all if None.
      normalize: whether to divide by sqrt(band.num_fft), as DeepMIMO does.

    Returns:
      h: [n, num_tx, band.num_sc], complex64, with the amplitudes of the paths.
      lost: [n], float64, linear: the share of the energy of each user that is not in
        `h`, but in clipped paths and in delay taps that are cut off.

    Raises:
      ValueError: `domain` or `array` is out of range.
    """
    if len(array) != 2 or min(array) < 1:
        raise ValueError(f"array is {tuple(array)}; give antennas along y and along z")
    users, place = np.unique(paths.user, return_inverse=True)
    if max_paths is not None:
        first = np.searchsorted(place, np.arange(len(users)))
        few = np.arange(len(place)) - first[place] < max_paths
        paths, place = paths[few], place[few]
    scale = np.sqrt(band.num_fft) if normalize else 1
    response = _array_response(paths.column("departure"), array, spacing, rotation)
    every = Paths(place, paths.gain[:, None] * response / scale, paths.delay)
    late = paths.delay * band.bandwidth >= band.num_fft
    sent = every[~late] if clip else every
    h, lost = responses.with_loss(sent, len(users), response.shape[1], band, domain)
    if clip and late.any():
        kept, total = (responses.energy(p, len(users), band) for p in (sent, every))
        lost = 1 - (1 - lost) * np.clip(kept / total, 0, 1)
    return h, lost


def generated(path: Path, bs: int = 1, axes: str = "", scene: int = 0) -> _files.Array:
    """Returns the array `channel` of a generated data set.

    Args:
      path: path of a `.npz`, `.npy`, `.h5` or `.mat` file.
      bs: number of the base station, for files that have several (MATLAB's form).
      axes: names of the axes in the file, or those of a user's channel in MATLAB's
        form; if empty, those that the file tells.
      scene: number of the scene, from 0, for files that have several (MATLAB's form).

    Returns:
      The array, in the axes of the file and with their names, if they are known.

    Raises:
      ValueError: the file has no base station `bs`.
      DataError: the file is missing, unreadable or of another form.
    """
    suffix = path.suffix.lower()
    if suffix not in _files.SUFFIXES:
        raise DataError(
            f"{path}: neither a scenario's folder nor a file of the formats "
            f"{', '.join(_files.SUFFIXES)}"
        )
    with _files.arrays(path) as variables:
        alone = list(variables) == [ALONE]
        if KEY in variables or alone:
            array = variables[ALONE if alone else KEY]
            array.axes = axes or array.axes
            if alone:
                return array
            values = array[(slice(None),) * len(array.shape)]
            about = (array.of_matlab, array.axes)
            return _files.Array(path, KEY, values.shape, values.__getitem__, *about)
        there = _files.listing(variables)
        of_matlab = any(name.split("/")[0] == MATLAB_KEY for name in variables)
    if of_matlab or suffix == ".mat":
        return users_of_matlab(path, nested(path, MATLAB_KEY, KEY), bs, axes, scene)
    expected = f"complex {KEY} [n, num_rx, num_tx, num_sc]"
    raise DataError(f"{path}: no variable {KEY!r}, expected {expected}; found {there}")


def arranged(channel: _files.Array, rx: int) -> _files.Array:
    """Returns `channel` of a generated data set as [n, num_tx, num_sc].

    Args:
      channel: as `generated` returns it. If its axes have no names they are [n, num_rx,
        num_tx, num_sc], or [n, num_tx, num_sc] where this is sure.
      rx: number of the user's antenna, from 0.

    Raises:
      ValueError: there is no antenna `rx`.
      DataError: the array is of another form.
    """
    shape, kind, axes = channel.shape, channel.kind(), channel.axes
    named = axes or {3: "n,tx,sc", 4: "n,rx,tx,sc"}.get(len(shape), "")
    label = f"{channel.path}: {channel.key!r}"
    if not named or (kind != "complex" and not axes):
        raise DataError(
            f"{label} is {kind} {list(shape)}, expected complex {KEY} [n, num_rx, "
            f"num_tx, num_sc] or [n, num_tx, num_sc]"
        )
    if not axes and channel.of_matlab and len(shape) == 3:
        _axes.check_dropped(f"{label} of each user", shape[1:], "n,")
    return _axes.arranged(channel, _axes.reading(channel, named), rx)


def converter(
    channel: _files.Array,
    domain: str,
    num_sc: int,
    select: str,
    timing: str = "absolute",
) -> Callable:
    """Returns a function from blocks of `channel` to matrices.

    Args:
      channel: [n, num_tx, all], complex, antennas by all subcarriers, as `arranged`
        returns it.
      domain: "angular_delay", where the first `num_sc` taps of all subcarriers are
        kept, or "space_frequency", where `num_sc` subcarriers are.
      num_sc: number of delay taps or subcarriers that are kept.
      select: "spread" or "first", see `Options`.
      timing: "absolute" or "strongest", see `Options`.

    Returns:
      Function from a block [b, num_tx, all] to matrices [b, num_tx, num_sc], complex.

    Raises:
      ValueError: an argument is out of range.
    """
    _check_timing(timing)
    kept = _columns.kept(channel, num_sc, select, domain)

    def convert(h: np.ndarray) -> np.ndarray:
        h = transforms.synchronize(h) if timing == "strongest" else h
        if domain == "space_frequency":
            return h[..., kept]
        return transforms.to_angular_delay(h, num_sc)

    return convert


def _array_response(
    departure: np.ndarray, array: Sequence[int], spacing: float, rotation: float
) -> np.ndarray:
    """Returns [paths, num_tx], the phases at antennas along y and z, y first.

    `departure` holds unit vectors [paths, 3] from the base station.
    """
    turn = np.deg2rad(rotation)
    across = departure[:, 1] * np.cos(turn) - departure[:, 0] * np.sin(turn)
    z, y = (axis.ravel() for axis in np.indices(array[::-1]))
    turns = np.outer(across, y) + np.outer(departure[:, 2], z)
    return np.exp(2j * np.pi * spacing * turns)


def _check_timing(timing: str) -> None:
    if timing not in TIMINGS:
        raise ValueError(
            f"timing is {timing!r}; it must be one of {', '.join(TIMINGS)}"
        )


def _from_strongest(paths: Paths) -> Paths:
    """Subtracts from the delays of each user that of its strongest path."""
    users, place = np.unique(paths.user, return_inverse=True)
    by_gain = np.lexsort((-np.abs(paths.gain), place))
    strongest = by_gain[np.searchsorted(place, np.arange(len(users)))]
    delay = paths.delay - paths.delay[strongest][place]
    return dataclasses.replace(paths, delay=delay)
