"""Channel objects of QuaDRiGa: coefficients and delays of paths.

Coefficients are [rx, tx, path, snapshot]. Delays are in s, [path, snapshot] if all
antennas share them, else [rx, tx, path, snapshot]. Three forms are read:

- `qd_channel.mat_save` writes `channel_%05d_{Coeffs, Delays, ...}`;
- structs with the fields `coeff` and `delay`, one or an array of them, of any name,
  often `h_channel`;
- `qd_channel.hdf5_write` writes groups `channel_%d` with `coeff_re`, `coeff_im` and
  `delay`, in a group `Snap_%d` for each snapshot if there are several. The axes on disk
  are those of MATLAB, reversed, but without its mark.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import h5py
import numpy as np

from tfcsi import hdf5_files
from tfcsi.datasets import _files, _hdf5, _matlab5
from tfcsi.datasets._files import DataError
from tfcsi.datasets._matlab_cells import nested
from tfcsi.datasets._units import check_delays
from tfcsi.responses import Paths, joined

_SAVED = re.compile(r"channel_(\d{5})_(Coeffs|Delays)")
_EXPORTED = re.compile(r"channel_(\d+)(?:/Snap_(\d+))?/(coeff|delay)")
_FIELDS = ("coeff", "delay")


def holds_objects(variables: Iterable[str]) -> bool:
    """Returns whether these variables of a file are those of channel objects."""
    return any(_SAVED.fullmatch(name) for name in variables) or bool(_stems(variables))


def _stems(variables: Iterable[str]) -> list[str]:
    """Names of the structs or groups with coefficients and delays."""
    ends = [
        {n[: -len(f) - 1] for n in variables if n.endswith(f"/{f}")} for f in _FIELDS
    ]
    return sorted(ends[0] & ends[1])


def channels(path: Path, rx: int = 0) -> tuple[Paths, int]:
    """Reads the paths of the channel objects of a file; each snapshot is a user.

    Args:
      path: path of a file in one of the three forms.
      rx: number of the user's antenna, from 0.

    Returns:
      paths: the paths, with complex64 gains at each antenna. Delays are those of each
        antenna if an object of the file has them, else common to all antennas.
      num: number of snapshots.

    Raises:
      ValueError: the user has no antenna `rx`.
      DataError: a variable is missing or of another form.
    """
    parts, num = [], 0
    for label, coeffs, delay in _objects(path):
        # MATLAB drops trailing axes of length one.
        coeffs = coeffs.reshape(coeffs.shape + (1,) * (4 - coeffs.ndim))
        num_rx, _, num_paths, num_snap = coeffs.shape
        common = delay.shape in ((num_paths, num_snap), (num_paths,))
        common |= delay.ndim > 2 and delay.shape[:2] == (1, 1)
        if common and delay.size == num_paths * num_snap:
            delay = delay.reshape(1, 1, num_paths, num_snap)
        else:
            delay = delay.reshape(delay.shape + (1,) * (4 - delay.ndim))
            common = False
            if delay.shape != coeffs.shape:
                raise DataError(
                    f"{path}: delays of {label} are {list(delay.shape)}, coefficients "
                    f"{list(coeffs.shape)}; expected [path, snapshot] or the shape of "
                    f"the coefficients"
                )
        if not 0 <= rx < num_rx:
            raise ValueError(f"rx is {rx}; {path} has antennas 0 to {num_rx - 1}")
        _blocked_to_zeros(coeffs, delay)
        for kind, values in (("coefficients", coeffs), ("delays", delay)):
            if not np.isfinite(values).all() or (kind == "delays" and values.min() < 0):
                raise DataError(
                    f"{path}: {kind} of {label} have NaN, infinite or negative values"
                )
        check_delays(delay, f"{path}: delays of {label}")
        # Rows are snapshots, then paths; columns antennas of the BS.
        gain = np.moveaxis(coeffs[rx], 0, -1).swapaxes(0, 1)
        delay = np.moveaxis(delay[0 if common else rx], 0, -1).swapaxes(0, 1)
        user = np.repeat(num + np.arange(num_snap), num_paths)
        gain, delay = (x.reshape(len(user), -1) for x in (gain, delay))
        parts.append(Paths(user, gain, delay))
        num += num_snap
    counts = sorted({part.gain.shape[1] for part in parts})
    if len(counts) != 1:
        raise DataError(f"{path}: channels differ in antennas of the BS: {counts}")
    widest = max(part.delay.shape[1] for part in parts)
    for part in parts:
        part.delay = np.broadcast_to(part.delay, (len(part.user), widest))
        part.delay = part.delay[:, 0] if widest == 1 else part.delay
    return joined(parts), num


def _blocked_to_zeros(coeffs: np.ndarray, delay: np.ndarray) -> None:
    """Replaces snapshots without a path, which are all NaN, by zeros, in place."""
    blocked = np.isnan(coeffs).all(axis=(0, 1, 2))
    coeffs[..., blocked] = 0
    delay[..., blocked] = 0


def _objects(path: Path) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """Yields a label, coefficients and delays of each object, which may be changed."""
    with _files.arrays(path) as variables:
        names = list(variables)
        stems = _stems(names)
        exported = any(_EXPORTED.fullmatch(name) for name in names)
    if any(_SAVED.fullmatch(name) for name in names):
        objects = _saved(path)
    elif exported:
        objects = _exported(path, names)
    else:
        objects = (each for stem in stems for each in _structs(path, stem))
    for label, coeffs, delay in objects:
        for kind, values in (("coefficients", coeffs), ("delays", delay)):
            if values.dtype.kind not in "fc" or not 0 < values.ndim <= 4:
                raise DataError(
                    f"{path}: {kind} of {label} are {values.dtype} {list(values.shape)}"
                )
        yield label, np.array(coeffs), np.array(delay)


def _saved(path: Path) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """Reads what `mat_save` wrote.

    All variables are read together because each costs a pass through a v6 file.
    """
    with _files.wrapped(path):
        if h5py.is_hdf5(path):
            with hdf5_files.opened(path) as file:
                whole = _hdf5.Writer(file, path).whole
                known = _hdf5.entries(file).items()
                named = {n: whole(item) for n, item in known if _SAVED.fullmatch(n)}
        else:
            names = [name for name, *_ in _matlab5.listed(path)]
            named = _matlab5.loaded(path, filter(_SAVED.fullmatch, names))
    matches = [match for match in map(_SAVED.fullmatch, named) if match]
    for number in sorted({match[1] for match in matches}):
        label = f"channel_{number}"
        names = [f"{label}_{kind}" for kind in ("Coeffs", "Delays")]
        for name in names:
            if name not in named:
                raise DataError(f"{path}: {name} is missing")
        coeffs, delay = (named[name] for name in names)
        yield label, coeffs, delay


def _exported(
    path: Path, names: Iterable[str]
) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """Reads what `hdf5_write` wrote, snapshot by snapshot."""
    matches = [match for match in map(_EXPORTED.fullmatch, names) if match]
    snapshots = sorted({(int(match[1]), int(match[2] or 0)) for match in matches})
    stems = {(int(m[1]), int(m[2] or 0)): m[0].rpartition("/")[0] for m in matches}
    with _files.arrays(path) as variables:
        for place in snapshots:
            label = stems[place]
            coeffs, delay = (
                _files.pick(variables, path, f"{label}/{field}", "a channel object")
                for field in _FIELDS
            )
            yield label, _whole(coeffs).T, _whole(delay).T


def _whole(array: _files.Array) -> np.ndarray:
    return array[(slice(None),) * len(array.shape)]


def _structs(path: Path, stem: str) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """Reads a struct, or each struct of an array of structs."""
    top, *fields = stem.split("/")
    value = nested(path, top)
    for field in fields:
        value = value[field]
    for number, struct in enumerate(value if isinstance(value, list) else [value], 1):
        coeffs, delay = (np.asarray(struct[field]) for field in _FIELDS)
        yield f"{stem}({number})", coeffs, delay
