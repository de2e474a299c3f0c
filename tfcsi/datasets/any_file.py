"""Reads CSI matrices from a file of the user's own: .npy, .npz, .mat or .h5."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tfcsi import transforms
from tfcsi.datasets import _axes, _files
from tfcsi.datasets._files import Array, DataError
from tfcsi.datasets._splits import near_one
from tfcsi.datasets.cost2100 import KEY
from tfcsi.matrices import Matrices


def read_csi(path: str | os.PathLike, *more: Any, **named: Any) -> np.ndarray:
    """Reads CSI matrices from a file of the user's own, all of them into memory.

    Args:
      path: as of `open_csi`.
      *more: the other arguments of `open_csi`.
      **named: the same by name.

    Returns:
      [n, num_tx, num_delay], as the matrices of `open_csi`.

    Raises:
      DataError: as of `open_csi`.
      ValueError: as of `open_csi`.
    """
    with open_csi(path, *more, **named) as matrices:
        return matrices.whole()


@contextlib.contextmanager
def open_csi(
    path: str | os.PathLike,
    key: str | None = None,
    axes: str | None = None,
    shape: Sequence[int] | None = None,
    rx: int | None = None,
    zero: float = 0.0,
    scale: bool = False,
    domain: str = "angular_delay",
    report: Callable[[str], None] | None = None,
) -> Iterator[Matrices]:
    """Opens a file of the user's own, whose CSI matrices are read a block at a time.

    `axes` names the axes of the array. Without it an array is read only if its sizes
    allow one reading: as complex [n, num_tx, num_delay], with the matrices first or
    last, with an axis of the user's antennas or without, or as the variable `HT` [n, 2
    num_tx num_delay] of the published form. Real numbers are parts of complex ones only
    where `axes`, a compound type or the names of two arrays say so.

    Args:
      path: path of a `.npy`, `.npz`, `.mat` (v5 or v7.3), `.h5` or `.hdf5` file.
      key: name of the array, with its groups in HDF5; by default the only one that
        fits.
      axes: names of the axes in the order of the file, such as "tx,sc,n"; known are
        n, rx, tx, sc (or delay), reim, ht and 1.
      shape: (num_tx, num_delay) that the matrices must have, such as those of a codec.
      rx: number of the user's antenna, from 0; needed if there are several.
      zero: number that stands for zero in real and imaginary parts, such as 0.5 for
        parts in [0, 1].
      scale: whether each matrix is scaled to max|h| = 0.5, in the precision of the
        file.
      domain: domain of the matrices, for the report.
      report: is called with a line that says how the array was read.

    Yields:
      The matrices, complex64, zero-centred, in the scale of the file unless `scale` is
      True. They can be read until the block ends.

    Raises:
      DataError: the file is missing, unreadable or of another form, or several or no
        arrays or readings fit; and when they are read, if matrices have NaN or infinite
        values or some that float32 cannot hold.
      ValueError: `axes` lists no axes, or there is no antenna `rx`.
    """
    path = Path(path)
    with _files.arrays(path) as variables:
        if key is None:
            key = _only(variables, path, axes, shape)
        array = _files.pick(variables, path, key, "CSI matrices")
        if not axes and array.axes:
            try:
                _axes.names_of(array.axes)
            except ValueError as error:
                raise DataError(f"{path}: the attribute of {key!r}: {error}") from None
        order = axes or array.axes
        if domain == "space_frequency" and "delay" in order.split(","):
            raise DataError(
                f"{path}: {key!r} has an axis of delays (axes={order}), but matrices "
                f"of domain {domain!r} are wanted, which have subcarriers"
            )
        names = _axes.reading(array, axes, shape)
        if zero and "ht" in names:
            raise ValueError(
                f"zero is {zero:g}; {key!r} of {path} has the form of {KEY}, in which "
                f"0.5 stands for zero anyhow"
            )
        matrices = _axes.arranged(array, names, rx, shape, zero)
        if shape is not None and matrices.shape[1:] != tuple(shape):
            raise DataError(
                f"{path}: {key!r} holds matrices of {matrices.shape[1]} x "
                f"{matrices.shape[2]} (axes={','.join(names)}), expected {shape[0]} x "
                f"{shape[1]}"
            )
        if report:
            report(_axes.told(array, names, matrices, domain))

        def parts(first: int) -> Iterator[np.ndarray]:
            for _, block in matrices.blocks(span=(first, matrices.shape[0])):
                if scale:
                    block = _peak(block, path, key, first)
                yield _single(block, path, key, first)
                first += len(block)

        yield Matrices(matrices.shape[1:], matrices.shape[0], parts)


def _only(
    variables: dict[str, Array],
    path: Path,
    axes: str | None,
    shape: Sequence[int] | None,
) -> str:
    """Returns the key of the only array that can be CSI, or lists those there are."""
    if len(variables) == 1:
        return next(iter(variables))
    told = len(_axes.names_of(axes)) if axes else None
    kinds = {key: _kind(array) for key, array in variables.items()}
    fits = [
        key
        for key, array in variables.items()
        if (kinds[key] == "complex" or (told and kinds[key] == "real"))
        and (len(array.shape) in (2, 3, 4) if told is None else True)
        and told in (None, len(array.shape))
        or (key == KEY and kinds[key] == "real" and len(array.shape) == 2)
    ]
    for better in (
        [k for k in fits if len(variables[k].shape) != 2 or k == KEY],
        [k for k in fits if shape and _axes.fitting(variables[k], shape)],
    ):
        fits = better or fits
    if len(fits) == 1:
        return fits[0]
    texts = [f"{k} {kinds[k]} {list(array.shape)}" for k, array in variables.items()]
    listed = _files.first(texts)
    count = f"{len(fits)} arrays could be CSI" if fits else "no array could be CSI"
    raise DataError(
        f"{path}: {count}; found {listed}; name one by its key. Taken are {_axes.TAKEN}"
    )


def _kind(array: Array) -> str:
    """Kind of an array; "unreadable" of one that holds Python objects or is damaged."""
    try:
        return array.kind()
    except DataError:
        return "unreadable"


def _single(block: np.ndarray, path: Path, key: str, first: int) -> np.ndarray:
    """Casts matrices [b, num_tx, num_sc] to complex64, if it can hold their scale."""
    limits = np.finfo(np.float32)
    peak = np.abs(block.astype(np.complex128)).max(axis=(1, 2), initial=0)
    bad = (peak > float(limits.max)) | ((peak > 0) & (peak < float(limits.tiny)))
    if bad.any():
        at = int(np.argmax(bad))
        raise DataError(
            f"{path}: {key!r}, matrix {first + at}: max|h| is {peak[at]:.3g}, which "
            f"float32 cannot hold; scale it, by scale=True or tfcsi compress --scale"
        )
    return block.astype(np.complex64)


def _peak(block: np.ndarray, path: Path, key: str, first: int) -> np.ndarray:
    """Scales matrices [b, num_tx, num_sc] to max|h| = 0.5, before they are cast."""
    empty = ~block.any(axis=(1, 2))
    if empty.any():
        raise DataError(
            f"{path}: {key!r}, matrix {first + int(np.argmax(empty))} is all zero and "
            f"has no scale"
        )
    block = near_one(block)
    return block * (transforms.PEAK / np.abs(block).max(axis=(1, 2), keepdims=True))
