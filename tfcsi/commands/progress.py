"""A line on standard error that tells how far a long command is."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator

import numpy as np

from tfcsi.commands.terminal import is_silent
from tfcsi.matrices import BLOCK, Matrices

_SECONDS = 30  # Between two lines where standard error is a file or a pipe.


@contextlib.contextmanager
def progress(total: int | None, name: str) -> Iterator[Callable[[int], object]]:
    """Shows a bar if there is more than one block of matrices to do.

    Args:
      total: Number of matrices; None if it is not known.
      name: What is done, such as "compress".

    Yields:
      Function of the number of matrices that were done since its last call.
    """
    try:
        from tqdm import tqdm
    except ImportError:  # Where NumPy alone is installed.
        yield lambda num: None
        return
    with tqdm(
        total=total,
        desc=name,
        unit=" matrices",
        disable=is_silent() or total is not None and total <= BLOCK,
        mininterval=0.1 if sys.stderr.isatty() else _SECONDS,
    ) as bar:
        yield bar.update


def counted(matrices: Matrices, done: Callable[[int], object]) -> Matrices:
    """Returns matrices that call a function with the number of those that are read."""

    def count(part: np.ndarray) -> np.ndarray:
        done(len(part))
        return part

    return matrices.changed(count)
