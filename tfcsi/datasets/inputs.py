"""Reads the CSI that a command is given as a file, in the domain of a codec.

A file in the form of a source, such as a ray-traced one, holds CSI in the axes, domain
and scale of that source. It is read as for training and evaluation: in the domain of
the codec, with the options of the run. Any other file holds matrices as the codec takes
them (`any_file`).
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tfcsi import transforms
from tfcsi.datasets import DATASETS, any_file, cost2100, dataset_of, tfrecord
from tfcsi.datasets._files import DataError, check_file
from tfcsi.datasets.contract import Dataset
from tfcsi.matrices import Matrices

# Data sets whose files have a form of their own, whatever the run was trained on.
_KNOWN_BY_FORM = ("generated", "quadriga", "deepmimo", "cost2100")


def read(path: str | os.PathLike, domain: str, *more: Any, **named: Any) -> np.ndarray:
    """Reads the CSI matrices of a file, all of them into memory.

    Args:
      path: as of `open_csi`.
      domain: as of `open_csi`.
      *more: the other arguments of `open_csi`.
      **named: the same by name.

    Returns:
      [n, num_tx, num_delay], as the matrices of `open_csi`.

    Raises:
      DataError: as of `open_csi`.
      ValueError: as of `open_csi`.
    """
    with open_csi(path, domain, *more, **named) as matrices:
        return matrices.whole()


@contextlib.contextmanager
def open_csi(
    path: str | os.PathLike,
    domain: str,
    config: Mapping[str, Any] | None = None,
    shape: tuple[int, int] | None = None,
    told: Mapping[str, Any] | None = None,
    prepared: bool = False,
    scale: bool = False,
    report: Callable[[str], None] | None = None,
) -> Iterator[Matrices]:
    """Opens a file, whose CSI matrices are read a block at a time.

    Args:
      path: file of a source, of a `.tfrecord` of `tfcsi generate`, or any file that
        `any_file.read_csi` takes.
      domain: domain of the matrices that are wanted.
      config: config of the run. A file in the form of its data set is read with its
        options. None if there is no run.
      shape: (num_tx, num_delay) that the matrices must have; any if None.
      told: `key`, `axes`, `rx` and `zero`, as of `any_file.read_csi`; None or absent if
        not told.
      prepared: whether the file holds matrices as they are wanted, whatever its form.
      scale: whether each matrix is scaled to max|h| = 0.5.
      report: is called with a line that says how the file was read.

    Yields:
      The matrices, complex64. Those of a source have max|h| = 0.5 each. They can be
      read until the block ends.

    Raises:
      DataError: the file is missing, unreadable, or of another form or shape; some of
        that may show only when the matrices are read.
      ValueError: what was told does not go with the form of the file.
    """
    path = Path(path)
    check_file(path)
    told = {
        name: value
        for name, value in (told or {}).items()
        if value is not None and (name, value) != ("zero", 0)
    }
    form, options = (None, {}) if prepared else _form(path, config, shape)
    opened: contextlib.AbstractContextManager[Matrices]
    if form is None and path.suffix != ".tfrecord":
        to: dict[str, Any] = {"shape": shape, "domain": domain, "scale": scale}
        with any_file.open_csi(path, report=report, **to, **told) as matrices:
            yield matrices
        return
    if form is None:
        opened, note = contextlib.nullcontext(tfrecord.matrices([path])), ""
    else:
        if strangers := [name for name in told if name not in form.options]:
            raise ValueError(
                f"{path} has the form of {form.name} files and is read as they are, so "
                f"{strangers[0]} does not go with it; to read it as matrices of domain "
                f"{domain!r}, give --prepared"
            )
        if form.name != dataset_of(config or {}) and shape and "num_sc" in form.options:
            options["num_sc"] = shape[1]
        opened = form.open_file(path, domain, **options, **told)
        note = (
            f", read as {form.name} files are, in domain {domain}; --prepared reads it "
            f"as it is"
        )
    with opened as matrices:
        num_tx, num_delay = matrices.shape
        if shape is not None and matrices.shape != tuple(shape):
            raise DataError(
                f"{path} gives matrices of {num_tx} x {num_delay} in domain "
                f"{domain!r}, expected {shape[0]} x {shape[1]}"
            )
        if report:
            report(f"{path}: {_count(matrices.num)} of {num_tx} x {num_delay}{note}")
        if form is None and scale:
            matrices = matrices.changed(lambda h: transforms.to_peak(h)[0])
        yield matrices


def _form(
    path: Path, config: Mapping[str, Any] | None, shape: tuple[int, int] | None
) -> tuple[Dataset | None, dict[str, Any]]:
    """Returns the data set whose form a file has, and the options of the run for it."""
    own = None if config is None else DATASETS.get(dataset_of(config))
    if own is not None and config is not None:
        options = dict(config.get("source") or {})
        if own.owns(path, own.Options(**options)) and not _other_ht(own, shape):
            return own, options
    for name in _KNOWN_BY_FORM:
        form = DATASETS[name]
        if form.owns(path, None) and not _other_ht(form, shape):
            return form, {}
    return None, {}


def _other_ht(form: Dataset, shape: tuple[int, int] | None) -> bool:
    """Whether matrices in the published form are of another shape than published."""
    published = (cost2100.NUM_TX, cost2100.NUM_DELAY)
    return form.name == "cost2100" and shape is not None and tuple(shape) != published


def _count(num: int | None) -> str:
    return {None: "matrices", 1: "1 matrix"}.get(num, f"{num} matrices")
