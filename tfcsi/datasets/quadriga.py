"""Files of QuaDRiGa: saved channel objects, and matrices saved by a user's script.

- Channel objects (`_channel_objects`), in a `.mat` file or in QuaDRiGa's own HDF5 file.
  Each snapshot becomes a matrix.
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
from collections.abc import Callable
from pathlib import Path

import numpy as np

from tfcsi import responses, transforms
from tfcsi.datasets import _axes, _columns, _files, _splits
from tfcsi.datasets._channel_objects import channels, holds_objects
from tfcsi.datasets._files import DataError
from tfcsi.datasets.contract import Dataset
from tfcsi.options import check_physical
from tfcsi.responses import Band

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
        if holds_objects(variables):
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
    if path.suffix.lower() not in DATASET.own:
        return False
    with _files.arrays(path) as variables:
        named = options is not None and options.key in variables
        return named or path.name in FILES.values() or holds_objects(variables)


DATASET = Dataset(
    "quadriga", _read, Options, _of_file, _owns, tuple(FILES), own=_files.NAMED[1:]
)
load = DATASET.load


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
