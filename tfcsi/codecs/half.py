"""Weights in 16 bits: a run of a network in half of the bytes, if it loses little.

float16 keeps 10 bits of fraction. Large arrays keep fewer where that loses little too:
the zeros behind them take no bytes in the compressed file. Small arrays, such as those
of a normalisation, lose much and save nothing.
"""

from __future__ import annotations

import os
import pathlib

import numpy as np
import tqdm

from tfcsi import files, metrics
from tfcsi.archives import Archive
from tfcsi.codecs.contract import Codec
from tfcsi.codecs.workdir import CODEC_FILE, CONFIG_FILE, load

MOST_LOSS_DB = 0.01
FRACTION_BITS = (10, 8, 7, 6, 5, 4)
_LARGE = 10_000  # Numbers of an array that keeps fewer bits.
_WEIGHTS = ("encoder/", "decoder/")  # Names of arrays of a network begin so.


def copy(
    workdir: str | os.PathLike,
    target: str | os.PathLike,
    h: np.ndarray | None,
    progress: bool = False,
) -> str:
    """Copies what a codec needs to another folder, its weights in float16 if it can.

    Large arrays have the fewest bits of fraction of `FRACTION_BITS` that lose less
    than `MOST_LOSS_DB`.

    Args:
      workdir: Folder of a codec.
      target: Folder to write to; it is made if it is missing.
      h: complex64 [n, num_tx, num_delay], by which both forms of the weights are
        compared; not test matrices. Without them the weights stay as they are.
      progress: Show a progress bar.

    Returns:
      A sentence that says in what form the weights are, and why.

    Raises:
      OSError, ValueError: If the workdir holds no sound codec.
    """
    workdir, target = pathlib.Path(workdir), pathlib.Path(target)
    arrays = Archive(workdir / CODEC_FILE)
    target.mkdir(parents=True, exist_ok=True)
    files.write_bytes(target / CONFIG_FILE, (workdir / CONFIG_FILE).read_bytes())
    weights = {
        name: array
        for name in arrays
        if name.startswith(_WEIGHTS) and (array := arrays[name]).dtype == np.float32
    }
    if not weights:
        _copy_as_it_is(workdir, target)
        return "The codec has no weights in float32; its file was copied."
    if h is None or not len(h):
        _copy_as_it_is(workdir, target)
        return (
            "The weights stay in float32, because the workdir has no calibration.npy "
            "by which the loss of float16 could be measured."
        )
    whole_db, kept = _nmse_db(load(workdir), h), None
    reason = "float16 cannot hold all of them"
    for bits in tqdm.tqdm(FRACTION_BITS, desc="weights", disable=not progress):
        rounded = {
            name: _rounded(array, bits if array.size > _LARGE else FRACTION_BITS[0])
            for name, array in weights.items()
        }
        if not all(np.isfinite(array).all() for array in rounded.values()):
            break
        files.write_arrays(target / CODEC_FILE, {**arrays, **rounded})
        loss_db = _nmse_db(load(target), h) - whole_db
        if loss_db >= MOST_LOSS_DB:
            reason = f"float16 loses {loss_db:.4f} dB"
            break
        kept = bits, loss_db, rounded
    if kept is None:
        _copy_as_it_is(workdir, target)
        return f"The weights stay in float32, because {reason}."
    bits, loss_db, rounded = kept
    files.write_arrays(target / CODEC_FILE, {**arrays, **rounded})
    fewer = f", large arrays with {bits} bits of fraction" * (bits < FRACTION_BITS[0])
    return f"The weights are in float16{fewer}, which loses {loss_db:.4f} dB."


def _rounded(array: np.ndarray, bits: int) -> np.ndarray:
    """float16 of the nearest numbers with that many bits of fraction.

    Numbers too large for float16 become infinite.
    """
    fraction, exponent = np.frexp(array)  # In [0.5, 1).
    nearest = np.ldexp(np.rint(np.ldexp(fraction, bits + 1)), exponent - bits - 1)
    with np.errstate(over="ignore"):
        return nearest.astype(np.float16)


def _copy_as_it_is(workdir: pathlib.Path, target: pathlib.Path) -> None:
    files.write_bytes(target / CODEC_FILE, (workdir / CODEC_FILE).read_bytes())


def _nmse_db(codec: Codec, h: np.ndarray) -> float:
    """NMSE in dB of packets."""
    nmse = metrics.nmse(h, codec.decompress(codec.compress(h)))
    return float(metrics.to_db(nmse.mean()))
