"""The COST 2100 files of the CsiNet release, and files of the same form.

Wen, Shih and Jin, "Deep Learning for Massive MIMO CSI Feedback", IEEE Wireless
Communications Letters 2018, published `DATA_H{train,val,test}{in,out}.mat` with 100000,
30000 and 20000 matrices and, for rho, the frequency-domain truth of the test matrices,
`DATA_HtestF{in,out}_all.mat`. Nearly every paper of the field uses them.

Files may be MATLAB v5 (as published) or v7.3, in a read-only folder. Each is converted
once to a float32 memory map in a cache folder: `cache_dir`, or `$TFCSI_CACHE`, or
`$XDG_CACHE_HOME/tfcsi`, or `~/.cache/tfcsi`.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from tqdm import tqdm

from tfcsi import transforms
from tfcsi.datasets import _cache, _files, _matlab
from tfcsi.datasets._files import DataError
from tfcsi.datasets.contract import SPLITS, Dataset
from tfcsi.matrices import BLOCK, Matrices

# In the release HT is [n, 2048] in [0, 1], zero at 0.5, in C order (re/im, antenna,
# delay), and HF_all is complex [n, 4000] in C order (antenna, subcarrier).
KEY, KEY_FREQUENCY = "HT", "HF_all"
NUM_TX, NUM_DELAY, NUM_SC = 32, 32, transforms.NUM_SC
WIDTH, WIDTH_FREQUENCY = 2 * NUM_TX * NUM_DELAY, NUM_TX * NUM_SC
ZERO = 0.5
SCENARIOS = {"indoor": "in", "outdoor": "out"}
# Bytes and SHA-256 of the published files.
MANIFEST = {
    "DATA_Htrainin.mat": (
        1429768613,
        "db9d232fc347178c596653a8c0402956517353fbfa1d6d0eae8041cb3c95e2c2",
    ),
    "DATA_Hvalin.mat": (
        428919585,
        "aee1fc970466c198d69eca745b1fd3545b729576da728b52391a62299a3e72ed",
    ),
    "DATA_Htestin.mat": (
        285973959,
        "9740d1f57a03cb11b6d325aebb8f90fe175a5e7f80ef081817497931ce364c75",
    ),
    "DATA_Htrainout.mat": (
        1473870791,
        "9f52eaed29ea8f8b9eeae2cf843093341a3d02c216430841cb1428bbdb660909",
    ),
    "DATA_Hvalout.mat": (
        442171698,
        "b0f18183749dde5b79654d1f1c611b11848b2e783d213ee2152499cba432c986",
    ),
    "DATA_Htestout.mat": (
        294782702,
        "581d69559862cc87301ece158442f4f14b9e38f57379d1a245e396aa0ac58c98",
    ),
    "DATA_HtestFin_all.mat": (
        1234713165,
        "4971a6040f6086b44d9fa8e2173ac0a839a0411a44ec8a79ef843b7296d0f1da",
    ),
    "DATA_HtestFout_all.mat": (
        1233171880,
        "157c935b333701a429eea8430c19cd807fe9dd2cf0be7665cf3db7153d8a1012",
    ),
}
_SLACK = 1e-6  # Rounding that is allowed outside [0, 1].


def file_name(split: str, scenario: str = "indoor") -> str:
    """Returns the name of the published file of a split.

    Args:
      split: "train", "val" or "test".
      scenario: "indoor" or "outdoor".

    Returns:
      A name such as "DATA_Htrainin.mat".

    Raises:
      ValueError: unknown split or scenario.
    """
    if split not in SPLITS:
        raise ValueError(f"unknown split {split!r}; known: {', '.join(SPLITS)}")
    return f"DATA_H{split}{_suffix(scenario)}.mat"


def frequency_file_name(scenario: str = "indoor") -> str:
    """Returns the name of the published file of frequency-domain truth.

    Args:
      scenario: "indoor" or "outdoor".

    Returns:
      A name such as "DATA_HtestFin_all.mat".

    Raises:
      ValueError: unknown scenario.
    """
    return f"DATA_HtestF{_suffix(scenario)}_all.mat"


@dataclasses.dataclass(frozen=True)
class Options:
    """Options of `load`.

    Attributes:
      cache_dir: folder of the converted files; by default the user's cache.
    """

    cache_dir: str | os.PathLike | None = None


def _read(
    folder: Path, scenario: str, split: str, domain: str, options: Options
) -> tuple[np.ndarray, None]:
    """Reads matrices [n, 32, 32] in the published scale, HT minus 0.5.

    They are a read-only memory map. In the space-frequency domain they are in memory
    and have as many subcarriers as delay taps.
    """
    h = _cached(_find(folder, file_name(split, scenario)), options)
    return _in_domain(h, domain), None


def _cached(path: Path, options: Options) -> np.ndarray:
    """Returns the matrices of a file, as a memory map."""
    shape, cache_dir = (NUM_TX, NUM_DELAY, 2), options.cache_dir
    x = _cache.cached(path, KEY, WIDTH, shape, np.float32, from_ht, cache_dir)
    return x.view(np.complex64)[..., 0]


@contextlib.contextmanager
def _open_split(
    folder: Path, scenario: str, split: str, domain: str, options: Options
) -> Iterator[Matrices]:
    """Opens a split; it is mapped anew for each block, so that none stays in memory."""
    path = _find(folder, file_name(split, scenario))
    num = len(_cached(path, options))

    def parts(first: int) -> Iterator[np.ndarray]:
        for start in range(first, num, BLOCK):
            h = np.array(_cached(path, options)[start : start + BLOCK])
            yield _in_domain(h, domain)

    yield Matrices((NUM_TX, NUM_DELAY), num, parts)


def _in_domain(h: np.ndarray, domain: str) -> np.ndarray:
    """Matrices as published, or in the other domain with max|h| = 0.5."""
    if domain == "angular_delay":
        return h
    return transforms.to_peak(transforms.in_domain(h, domain))[0]


@contextlib.contextmanager
def _opened(path: Path, domain: str, options: Options) -> Iterator[Matrices]:
    """Opens a file, whose matrices are read a block at a time."""
    del options
    shape = (NUM_TX, NUM_DELAY)
    with _files.arrays(path) as variables:
        array = _files.pick(variables, path, KEY, f"{KEY} [n, {WIDTH}]")
        num = array.shape[0]

        def parts(first: int) -> Iterator[np.ndarray]:
            for label, block in array.blocks(span=(first, num)):
                h = transforms.to_complex(from_ht(block, label, shape))
                yield _in_domain(h, domain)

        yield Matrices(shape, num, parts)


def _of_file(path: Path, domain: str, options: Options) -> np.ndarray:
    """Reads all matrices of a file, in memory."""
    with _opened(path, domain, options) as matrices:
        return matrices.whole()


def _owns(path: Path, options: Options | None) -> bool:
    """Whether a file has matrices of 32 x 32 in the published form."""
    del options
    if path.suffix.lower() not in _files.NAMED:
        return False
    with _files.arrays(path) as variables:
        return KEY in variables and variables[KEY].shape[1:] == (WIDTH,)


DATASET = Dataset(
    "cost2100",
    _read,
    Options,
    _of_file,
    _owns,
    tuple(SCENARIOS),
    opener=_opened,
    split_opener=_open_split,
)
load = DATASET.load


def load_frequency(
    data_dir: str | os.PathLike,
    scenario: str = "indoor",
    cache_dir: str | os.PathLike | None = None,
) -> np.ndarray:
    """Loads the frequency-domain truth of the test matrices, used by `metrics.rho`.

    Args:
      data_dir: folder of `DATA_HtestF{in,out}_all.mat`; it may be read-only.
      scenario: "indoor" or "outdoor".
      cache_dir: folder of the converted files; by default the user's cache.

    Returns:
      [n, 32, 125], complex64, angles by subcarriers. A read-only memory map.

    Raises:
      DataError: the file is missing, unreadable, or not HF_all [n, 4000].
    """
    path = _find(data_dir, frequency_file_name(scenario))
    spec = (WIDTH_FREQUENCY, (NUM_TX, NUM_SC), np.complex64)
    return _cache.cached(path, KEY_FREQUENCY, *spec, _from_hf, cache_dir)


def write(path: str | os.PathLike, h: np.ndarray, version: str = "5") -> None:
    """Writes matrices in the published form, HT [n, 2048] in [0, 1], double.

    Args:
      path: path of the file to write; it appears only when it is complete.
      h: [n, 32, 32], complex, zero-centred, real and imaginary parts within 0.5.
      version: MATLAB format, "5" or "7.3".

    Raises:
      ValueError: `h` has another shape, is not finite or exceeds 0.5.
    """
    h = _check_shape(h, (NUM_TX, NUM_DELAY), "h")

    def rows(start: int, stop: int) -> np.ndarray:
        x = transforms.to_real(h[start:stop])
        peak = np.abs(x).max(initial=0)
        if not peak <= 0.5 + _SLACK:  # NaN is refused too.
            raise ValueError(f"h must be finite and within 0.5, its peak is {peak:.4g}")
        ht = np.moveaxis(x, -1, 1).reshape(-1, WIDTH).astype(np.float64) + ZERO
        return np.clip(ht, 0, 1)

    _matlab.write_mat(Path(path), KEY, len(h), rows, version)


def write_frequency(
    path: str | os.PathLike, hf: np.ndarray, version: str = "5"
) -> None:
    """Writes frequency-domain truth in the published form, HF_all [n, 4000] complex.

    Args:
      path: path of the file to write; it appears only when it is complete.
      hf: [n, 32, 125], complex, angles by subcarriers.
      version: MATLAB format, "5" or "7.3".

    Raises:
      ValueError: `hf` has another shape or is not finite.
    """
    hf = _check_shape(hf, (NUM_TX, NUM_SC), "hf")

    def rows(start: int, stop: int) -> np.ndarray:
        block = hf[start:stop].reshape(-1, WIDTH_FREQUENCY).astype(np.complex128)
        if not np.isfinite(block).all():
            raise ValueError("hf must be finite to be written")
        return block

    _matlab.write_mat(Path(path), KEY_FREQUENCY, len(hf), rows, version)


def verify(
    data_dir: str | os.PathLike, progress: bool = True
) -> list[tuple[str, str, str]]:
    """Compares the files of a folder with the published release.

    Args:
      data_dir: folder of the release.
      progress: whether to show a progress bar on standard error.

    Returns:
      (file, status, detail) of each file of `MANIFEST`. The status is "ok", "missing"
      or "differs"; the detail says whether the size or the hash differs.

    Raises:
      DataError: there is no such folder.
    """
    if not Path(data_dir).is_dir():
        reason = "is a file" if Path(data_dir).exists() else "no such folder"
        raise DataError(f"{data_dir}: {reason}; give the folder of the files")
    report = []
    for name, (size, sha256) in MANIFEST.items():
        path = Path(data_dir) / name
        if not path.is_file():
            report.append((name, "missing", f"not in {data_dir}"))
        elif path.stat().st_size != size:
            detail = f"{path.stat().st_size} bytes, published {size}"
            report.append((name, "differs", detail))
        elif (digest := _sha256(path, progress)) != sha256:
            report.append((name, "differs", f"SHA-256 {digest}, published {sha256}"))
        else:
            report.append((name, "ok", f"{size} bytes, SHA-256 {sha256}"))
    return report


def _find(data_dir: str | os.PathLike, name: str) -> Path:
    """Returns the path of a published file, or says what the folder has instead."""
    path = Path(data_dir) / name
    if path.is_file():
        return path
    if not path.parent.is_dir():
        raise DataError(f"{data_dir}: no such folder; give the folder of {name}")
    there = sorted(p.name for p in Path(data_dir).glob("*")) or ["nothing"]
    listed = ", ".join(there[:8] + ["..."] * (len(there) > 8))
    if not any((path.parent / known).is_file() for known in MANIFEST):
        raise DataError(
            f"{data_dir}: none of the COST 2100 files is here, expected {name}; "
            f"found {listed}"
        )
    raise DataError(f"{path}: no such file; the folder has {listed}")


def _suffix(scenario: str) -> str:
    if scenario not in SCENARIOS:
        known = ", ".join(SCENARIOS)
        raise ValueError(f"unknown scenario {scenario!r}; known: {known}")
    return SCENARIOS[scenario]


def from_ht(
    block: np.ndarray, label: str, shape: tuple[int, ...] = (NUM_TX, NUM_DELAY)
) -> np.ndarray:
    """Converts matrices in the published form to what networks take.

    Args:
      block: HT [b, 2 num_tx num_delay], real, in [0, 1] with zero at 0.5, in C order
        (re/im, antenna, delay).
      label: where the block is from, as `_files.Array.blocks` yields it.
      shape: (num_tx, num_delay).

    Returns:
      x [b, *shape, 2], float32, zero-centred.

    Raises:
      DataError: HT is complex, or not in [0, 1].
    """
    if block.dtype.kind == "c":
        raise DataError(f"{label}: complex, expected real in [0, 1]")
    low, high = block.min(axis=1), block.max(axis=1)
    bad = (low < -_SLACK) | (high > 1 + _SLACK)
    if bad.any():
        at = int(np.argmax(bad))
        where, _, numbers = label.rpartition("matrices ")
        number = int(numbers.partition(" ")[0]) + at
        raise DataError(
            f"{where}matrix {number}: in [{low[at]:.4g}, {high[at]:.4g}], expected "
            f"[0, 1] with zero at {ZERO}"
        )
    x = (block - ZERO).reshape(-1, 2, *shape)
    return np.moveaxis(x, 1, -1).astype(np.float32)


def _from_hf(block: np.ndarray, label: str) -> np.ndarray:
    """Converts HF_all [b, 4000] to hf [b, 32, 125]."""
    if block.dtype.kind != "c":
        raise DataError(f"{label}: real, expected complex")
    return block.reshape(-1, NUM_TX, NUM_SC)


def _check_shape(h: np.ndarray, shape: tuple, name: str) -> np.ndarray:
    h = np.asanyarray(h)
    if h.shape[1:] != shape or not len(h):
        expected = f"[n, {shape[0]}, {shape[1]}]"
        raise ValueError(f"{name} must be {expected}, got {list(h.shape)}")
    return h


def _sha256(path: Path, progress: bool) -> str:
    digest = hashlib.sha256()
    options = {"desc": path.name, "unit": "B", "unit_scale": True}
    bar = tqdm(total=path.stat().st_size, disable=not progress, **options)
    with open(path, "rb") as file, bar:
        while block := file.read(1 << 22):
            digest.update(block)
            bar.update(len(block))
    return digest.hexdigest()
