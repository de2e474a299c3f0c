"""Files of QuaDRiGa: saved channel objects, and matrices saved by a user's script.

- `qd_channel.mat_save` writes `channel_%05d_{Coeffs, Delays, ...}`. Coefficients are
  [rx, tx, path, snapshot]. Delays are in s, [path, snapshot] if all antennas share
  them, else [rx, tx, path, snapshot]. Each snapshot becomes a matrix.
- Scripts save matrices under a name of their own, often `H`. They are complex with
  three axes, the matrices first or last, or [rx, tx, subcarrier, n], as `fr` returns
  them. The option `axes` names any other order.

The files in `FILES` hold 3GPP 38.901 UMa NLOS channels as `H` in MATLAB v7.3 format,
with MATLAB's axes [32 angles, 32 delays, n] (h5py shows [n, 32, 32]). These are the
first delay taps of 20 MHz and the FFT over a 32-element half-wavelength array, with the
zero angle first: the strongest bin follows 16 sin(azimuth) of the users' positions in
the files, counted from bin 0. Here the zero angle is moved to the middle, where COST
2100 files have it.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import scipy.io

from tfcsi import responses, transforms
from tfcsi.datasets import _axes, _columns, _files, _hdf5, _splits
from tfcsi.datasets._files import DataError
from tfcsi.datasets._units import check_delays
from tfcsi.datasets.contract import Dataset
from tfcsi.options import check_physical
from tfcsi.responses import Band, Paths, joined

KEY = "H"
NUM_TX, NUM_DELAY = 32, 32
FILES = {
    "28ghz": "quadriga_uma_nlos_28ghz.mat",
    "5p3ghz": "quadriga_uma_nlos_5p3ghz.mat",
    "300mhz": "quadriga_uma_nlos_300mhz.mat",
}
# A stored matrix has subcarriers, or delay taps with the zero angle first (as an FFT
# leaves it), or delay taps with the zero angle in the middle.
STORED = ("space_frequency", "angular_delay", "angular_delay_centred")
_CHANNEL = re.compile(r"channel_(\d{5})_(Coeffs|Delays)")


@dataclasses.dataclass(frozen=True)
class Options:
    """Options of `load`.

    Attributes:
      key: name of the variable that holds the matrices; not needed for channel objects.
      stored: what the variable holds, one of `STORED`.
      rx: number of the user's antenna, from 0.
      bandwidth: bandwidth in Hz, for channel objects.
      num_fft: number of subcarriers in the band, for channel objects.
      num_sc: number of delay taps or subcarriers that are kept.
      select: which subcarriers are kept: "spread" evenly over the band, or the "first".
      axes: names of the axes of matrices in the order of the file, such as "tx,sc,n"
        (see `_axes`); if empty, the only order that fits their sizes.
      num_val: number of matrices for validation.
      num_test: number of matrices for test.
      keep_empty: whether matrices of zeros or NaN are kept, as zeros.
    """

    key: str = KEY
    stored: str = "angular_delay"
    rx: int = 0
    bandwidth: float = 20e6
    num_fft: int = 1024
    num_sc: int = NUM_DELAY
    select: str = "spread"
    axes: str = ""
    num_val: int = _splits.NUM_VAL
    num_test: int = _splits.NUM_TEST
    keep_empty: bool = False


def _read(
    folder: Path, scenario: str, split: str, domain: str, options: Options
) -> tuple[np.ndarray, np.ndarray | None]:
    """Reads matrices [n, num_tx, num_sc].

    The last `num_test` of a file are for test, the `num_val` before them for
    validation. Channel objects report the energy in the delay taps that are cut off.
    """
    published = scenario in FILES
    path = _files.find(folder, FILES.get(scenario, scenario))
    return _of_path(path, split, domain, options, published)


def _of_path(
    path: Path, split: str, domain: str, o: Options, published: bool
) -> tuple[np.ndarray, np.ndarray | None]:
    with _files.arrays(path) as variables:
        if any(_CHANNEL.fullmatch(variable) for variable in variables):
            return _of_objects(path, split, domain, o)
        expected = f"complex {o.key} "
        expected += f"[{NUM_TX}, {NUM_DELAY}, n]" if published else "[num_tx, k, n]"
        array = _files.pick(variables, path, o.key, expected)
        if published:
            kind, shape = array.kind(), array.shape
            if shape[:-1] != (NUM_TX, NUM_DELAY) or kind != "complex":
                raise DataError(
                    f"{path}: {o.key!r} is {kind} {list(shape)}, expected {expected}"
                )
            names: tuple[str, ...] = ("tx", "sc", "n")
        else:
            axes = o.axes or array.axes
            axes = "rx,tx,sc,n" if not axes and len(array.shape) == 4 else axes
            # A file that trains is read alike as an input, which may also be short.
            least = o.num_val + o.num_test + 1
            if split == _splits.ALL and not _axes.fitting(array, None, least):
                least = 1
            names = _axes.reading(array, axes, None, least)
        matrices = _axes.arranged(array, names, o.rx)
        convert = _converter(matrices, o, domain)
        counts = (o.num_val, o.num_test)
        h = _splits.read_split(
            matrices, split, convert, *counts, keep_empty=o.keep_empty
        )
        return h, None


def _of_objects(
    path: Path, split: str, domain: str, o: Options
) -> tuple[np.ndarray, np.ndarray]:
    """Reads matrices of channel objects, and the energy that is cut off."""
    check_physical(bandwidth=o.bandwidth)
    band = Band(o.bandwidth, o.num_fft, o.num_sc, o.select)
    paths, num = channels(path, o.rx)
    label = f"{path}: {num} snapshots"
    chosen = _splits.split_users(num, split, label, o.num_val, o.num_test)
    paths, num_tx = paths.of_users(chosen), paths.gain.shape[1]
    h, lost = responses.with_loss(paths, len(chosen), num_tx, band, domain)
    return _splits.scaled(h, lost, f"{path}: snapshots of {split!r}", o.keep_empty)


def _of_file(path: Path, domain: str, options: Options) -> np.ndarray:
    """Reads all matrices of a file."""
    published = path.name in FILES.values()
    return _of_path(path, _splits.ALL, domain, options, published)[0]


def _owns(path: Path, options: Options | None) -> bool:
    """Whether a file has channel objects, or the variable of a run's options."""
    if path.suffix.lower() not in (".mat", ".h5", ".hdf5"):
        return False
    with _files.arrays(path) as variables:
        named = options is not None and options.key in variables
        return (
            named
            or path.name in FILES.values()
            or any(_CHANNEL.fullmatch(variable) for variable in variables)
        )


DATASET = Dataset("quadriga", _read, Options, _of_file, _owns, tuple(FILES), own=".mat")
load = DATASET.load


def channels(path: Path, rx: int = 0) -> tuple[Paths, int]:
    """Reads the paths of the channel objects of a file; each snapshot is a user.

    Args:
      path: path of a `.mat` file of `qd_channel.mat_save`, v6 or v7.3.
      rx: number of the user's antenna, from 0.

    Returns:
      paths: the paths, with complex64 gains at each antenna. Delays are those of each
        antenna if an object of the file has them, else common to all antennas.
      num: number of snapshots.

    Raises:
      ValueError: the user has no antenna `rx`.
      DataError: a variable is missing or of another form.
    """
    variables = _variables(path)
    numbers = sorted({int(number) for number, _ in variables})
    if not numbers:
        raise DataError(f"{path}: no channel_%05d_Coeffs; expected a qd_channel file")
    parts, num = [], 0
    for number in numbers:
        missing = {"Coeffs", "Delays"} - {w for n, w in variables if int(n) == number}
        if missing:
            raise DataError(f"{path}: channel_{number:05d}_{missing.pop()} is missing")
        coeffs, delay = (variables[f"{number:05d}", w] for w in ("Coeffs", "Delays"))
        # MATLAB drops trailing axes of length one.
        coeffs = coeffs.reshape(coeffs.shape + (1,) * (4 - coeffs.ndim))
        num_rx, _, num_paths, num_snap = coeffs.shape
        common = delay.shape in ((num_paths, num_snap), (num_paths,))
        if common:
            delay = delay.reshape(1, 1, num_paths, num_snap)
        else:
            delay = delay.reshape(delay.shape + (1,) * (4 - delay.ndim))
            if delay.shape != coeffs.shape:
                raise DataError(
                    f"{path}: channel_{number:05d}_Delays is {list(delay.shape)}, "
                    f"Coeffs {list(coeffs.shape)}; expected [path, snapshot] or the "
                    f"shape of Coeffs"
                )
        if not 0 <= rx < num_rx:
            raise ValueError(f"rx is {rx}; {path} has antennas 0 to {num_rx - 1}")
        _blocked_to_zeros(coeffs, delay)
        for kind, values in (("Coeffs", coeffs), ("Delays", delay)):
            if not np.isfinite(values).all() or (kind == "Delays" and values.min() < 0):
                raise DataError(
                    f"{path}: channel_{number:05d}_{kind} has NaN, infinite or "
                    f"negative values"
                )
        check_delays(delay, f"{path}: channel_{number:05d}_Delays")
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


def _variables(path: Path) -> dict[tuple[str, str], np.ndarray]:
    """Reads coefficients and delays of all channels, by (number, kind).

    They are read together because each variable costs a pass through a v6 file.
    """
    with _files.wrapped(path):
        if h5py.is_hdf5(path):
            with h5py.File(path) as file:
                whole = _hdf5.Writer(file).whole
                named = {n: whole(file[n]) for n in file if _CHANNEL.fullmatch(n)}
        else:
            names = [name for name, *_ in scipy.io.whosmat(path, appendmat=False)]
            names = [name for name in names if _CHANNEL.fullmatch(name)]
            named = scipy.io.loadmat(path, variable_names=names, appendmat=False)
    out: dict[tuple[str, str], np.ndarray] = {}
    for name, value in named.items():
        match = _CHANNEL.fullmatch(name)
        if not match:
            continue
        if value.dtype.kind not in "fc" or value.ndim > 4:
            raise DataError(f"{path}: {name} is {value.dtype} {list(value.shape)}")
        number, kind = match.groups()
        out[number, kind] = value
    return out


def _converter(
    matrices: _files.Array, o: Options, domain: str
) -> Callable[[np.ndarray], np.ndarray]:
    """Returns a function from a block of stored matrices to matrices of the domain.

    Args:
      matrices: [n, num_tx, all], the stored matrices.
      o: the options.
      domain: the domain.
    """
    if o.stored not in STORED:
        raise ValueError(f"stored is {o.stored!r}; it must be one of {STORED}")
    kept = _columns.kept(matrices, o.num_sc, o.select, domain)

    def convert(h: np.ndarray) -> np.ndarray:
        if o.stored == "space_frequency":
            if domain == "space_frequency":
                return h[..., kept]
            return transforms.to_angular_delay(h, o.num_sc)
        if o.stored == "angular_delay":
            h = np.fft.fftshift(h, axes=1)
        if domain == "space_frequency":
            return transforms.to_space_frequency(h, matrices.shape[2])[..., kept]
        return h[..., kept]

    return convert
