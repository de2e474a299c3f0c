"""Weights in 16 bits: a run of a network in half of the bytes, if it loses little."""

from __future__ import annotations

import os
import pathlib
from collections.abc import Mapping

import numpy as np

from tfcsi import files, metrics
from tfcsi.archives import Archive
from tfcsi.codecs.contract import Codec
from tfcsi.codecs.workdir import CODEC_FILE, CONFIG_FILE, load

MOST_LOSS_DB = 0.01
_WEIGHTS = ("encoder/", "decoder/")  # Names of arrays of a network begin so.


def copy(
    workdir: str | os.PathLike, target: str | os.PathLike, h: np.ndarray | None
) -> str:
    """Copies what a codec needs to another folder, its weights in float16 if it can.

    Args:
      workdir: Folder of a codec.
      target: Folder to write to; it is made if it is missing.
      h: complex64 [n, num_tx, num_delay], by which both forms of the weights are
        compared; not test matrices. Without them the weights stay as they are.

    Returns:
      A sentence that says in what form the weights are, and why.

    Raises:
      OSError, ValueError: If the workdir holds no sound codec.
    """
    workdir, target = pathlib.Path(workdir), pathlib.Path(target)
    arrays = Archive(workdir / CODEC_FILE)
    target.mkdir(parents=True, exist_ok=True)
    files.write_bytes(target / CONFIG_FILE, (workdir / CONFIG_FILE).read_bytes())
    rounded = _rounded(arrays)
    if not rounded:
        _copy_as_it_is(workdir, target)
        return "The codec has no weights in float32; its file was copied."
    if h is None or not len(h):
        _copy_as_it_is(workdir, target)
        return (
            "The weights stay in float32, because the workdir has no calibration.npy "
            "by which the loss of float16 could be measured."
        )
    if not all(np.isfinite(array).all() for array in rounded.values()):
        _copy_as_it_is(workdir, target)
        return "The weights stay in float32, because float16 cannot hold all of them."
    files.write_arrays(target / CODEC_FILE, {**arrays, **rounded})
    loss_db = _nmse_db(load(target), h) - _nmse_db(load(workdir), h)
    if loss_db < MOST_LOSS_DB:
        return f"The weights are in float16, which loses {loss_db:.4f} dB."
    _copy_as_it_is(workdir, target)
    return f"The weights stay in float32, because float16 loses {loss_db:.4f} dB."


def _rounded(arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The weights that are in float32, in float16; too large ones become infinite."""
    with np.errstate(over="ignore"):
        return {
            name: arrays[name].astype(np.float16)
            for name in arrays
            if name.startswith(_WEIGHTS) and arrays[name].dtype == np.float32
        }


def _copy_as_it_is(workdir: pathlib.Path, target: pathlib.Path) -> None:
    files.write_bytes(target / CODEC_FILE, (workdir / CODEC_FILE).read_bytes())


def _nmse_db(codec: Codec, h: np.ndarray) -> float:
    """NMSE in dB of packets."""
    nmse = metrics.nmse(h, codec.decompress(codec.compress(h)))
    return float(metrics.to_db(nmse.mean()))
