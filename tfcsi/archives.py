"""Limits of the memory that a file may take; arrays of `.npz` files, one by one."""

from __future__ import annotations

import io
import math
import os
import pathlib
import zipfile
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from tfcsi import files

# The limits below are multiplied by the number in this variable of the environment.
LIMITS = "TFCSI_LIMITS"
# The arrays that are read may take FREE bytes and MOST times the size of the file.
FREE, MOST = 1 << 26, 50
# A file of data may declare FREE_NUMBERS numbers, and DENSEST for each of its bytes.
FREE_NUMBERS, DENSEST = 1 << 24, 8


def limit(number: int) -> int:
    """Returns a limit times the number in the environment variable `LIMITS`.

    Raises:
      ValueError: If the variable holds no positive number.
    """
    text = os.environ.get(LIMITS, "1")
    try:
        factor = float(text)
    except ValueError:
        factor = math.nan
    if not 0 < factor < math.inf:
        raise ValueError(f"{LIMITS} is {text!r}; it must be a positive number")
    return int(number * factor)


def check_declared(path: str | os.PathLike, shape: Sequence[int]) -> None:
    """Refuses an array that is much larger than the file that declares it.

    HDF5 and compressed files can declare arrays of any size in a few bytes.

    Args:
      path: The file.
      shape: Lengths of the axes of the array.

    Raises:
      ValueError: If the file declares more numbers than one of its size may.
    """
    size, count = os.path.getsize(path), math.prod(int(n) for n in shape)
    most = limit(FREE_NUMBERS + DENSEST * size)
    if count > most:
        raise ValueError(
            f"it declares {count:,} numbers; a file of {size:,} bytes may declare "
            f"{most:,}; {LIMITS}=2 in the environment doubles that"
        )


class Archive(Mapping[str, np.ndarray]):
    """The arrays of a `.npz` file by name. Each is read when it is first asked for."""

    def __init__(self, path: str | os.PathLike):
        """Opens the file; it is closed again at once.

        Args:
          path: The file.

        Raises:
          OSError: As `files.check_input`.
          ValueError: If it is no `.npz` file. This and later errors name the file.
        """
        self._path = path
        files.check_input(path)
        content = pathlib.Path(path).read_bytes()
        try:
            with zipfile.ZipFile(io.BytesIO(content)) as archive:
                members = archive.infolist()
            self._stored = np.load(io.BytesIO(content), allow_pickle=False)
        except Exception as error:  # A damaged file raises errors of many kinds.
            message = f"{path} is damaged: it is no .npz file: {error}"
            raise ValueError(message) from error
        ending = len(".npy")
        self._sizes = {
            info.filename[:-ending]: info.file_size
            for info in members
            if info.filename.endswith(".npy")
        }
        self._limit = limit(FREE + MOST * len(content))
        self._read: dict[str, np.ndarray] = {}

    def __getitem__(self, name: str) -> np.ndarray:
        """Returns an array.

        Raises:
          KeyError: If there is none of this name.
          ValueError: If it is damaged, or if it and those read before it take more
            memory than a file of this size may.
        """
        if name in self._read:
            return self._read[name]
        taken = self._sizes[name] + sum(array.nbytes for array in self._read.values())
        if taken > self._limit:
            raise ValueError(
                f"{self._path}: array {name!r} is of {self._sizes[name]:,} bytes; all "
                f"arrays of a file of this size may take {self._limit:,}"
            )
        try:
            array = self._stored[name]
            if not isinstance(array, np.ndarray):
                raise ValueError("it is no array")
            self._read[name] = array
        except Exception as error:
            message = f"{self._path} is damaged: array {name!r}: {error}"
            raise ValueError(message) from error
        return self._read[name]

    def __contains__(self, name: object) -> bool:
        """Whether there is an array of this name; it is not read."""
        return name in self._sizes

    def __iter__(self) -> Iterator[str]:
        """Yields the names of all arrays."""
        return iter(self._sizes)

    def __len__(self) -> int:
        """Returns the number of arrays."""
        return len(self._sizes)
