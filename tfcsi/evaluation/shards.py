"""Parts of an evaluation: what was measured on each matrix, and joining the parts.

The parts of a set of matrices may be measured on several machines. Their joined values
are those of all matrices, and so is what `measure.summary` makes of them.
"""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Sequence

import numpy as np

from tfcsi import files
from tfcsi.archives import Archive
from tfcsi.evaluation import measure
from tfcsi.matrices import BLOCK, Matrices, bound

SUFFIX = ".npz"
_PART, _VALUE = "part", "values/"  # Names of the arrays of a file.


@dataclasses.dataclass(frozen=True)
class Shard:
    """A part of an evaluation.

    Attributes:
      number: Number of the part, from 1.
      count: Number of parts.
      known: What a results file tells of codec and data.
      seed: Seed of the run.
      shape: (num_tx, num_delay) of a matrix.
      values: As `measure.evaluated` returns them.
    """

    number: int
    count: int
    known: dict[str, object]
    seed: int
    shape: tuple[int, ...]
    values: dict[str, np.ndarray]


def part_of(matrices: Matrices, number: int, count: int) -> tuple[Matrices, int]:
    """Returns a part of matrices, and the number of its first matrix.

    Raises:
      ValueError: If the part is empty: there are more parts than blocks.
    """
    num = matrices.num if matrices.num is not None else sum(map(len, matrices.blocks()))
    part = matrices.shard(number, count)
    if not part.num:
        raise ValueError(
            f"part {number} of {count} of {num} matrices is empty; there are "
            f"{-(-num // BLOCK)} blocks of {BLOCK}: give no more parts"
        )
    return part, bound(number - 1, count, num, BLOCK)


def check_output(path: str | os.PathLike) -> None:
    """Refuses to write over anything but such a part; see `files.check_output`."""
    files.check_parent(path)
    if os.path.exists(path):
        try:
            read(path)
        except ValueError as error:
            raise FileExistsError(
                f"{path} exists and is no part of an evaluation, so it is not "
                f"replaced; give another --output"
            ) from error


def write(path: str | os.PathLike, shard: Shard) -> None:
    """Writes a part to a `.npz` file, whole or not at all."""
    told = dataclasses.asdict(shard)
    values = told.pop("values")
    arrays = {f"{_VALUE}{name}": value for name, value in values.items()}
    files.write_arrays(path, {_PART: np.array(json.dumps(told)), **arrays})


def read(path: str | os.PathLike) -> Shard:
    """Reads what `write` wrote.

    Raises:
      ValueError: If the file is damaged or of another kind.
    """
    files.check_input(path)
    try:
        arrays = Archive(path)
        told = json.loads(str(arrays[_PART]))
        values = files.part({name: arrays[name] for name in arrays}, _VALUE[:-1])
        return Shard(**{**told, "shape": tuple(told["shape"])}, values=values)
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path} is no part of an evaluation: {error}") from error


def joined(shards: Sequence[Shard]) -> dict[str, object]:
    """Returns the point of a results file of all parts, in any order.

    Raises:
      ValueError: If a part is missing or there twice, or they are not of one
        evaluation.
    """
    shards = sorted(shards, key=lambda shard: shard.number)
    first = shards[0]
    for shard in shards:
        if (shard.known, shard.count, shard.shape) != (
            first.known,
            first.count,
            first.shape,
        ):
            raise ValueError(
                f"part {shard.number} of {shard.count} is of another evaluation than "
                f"part {first.number} of {first.count}"
            )
    numbers = [shard.number for shard in shards]
    if numbers != [*range(1, first.count + 1)]:
        raise ValueError(
            f"there are the parts {', '.join(map(str, numbers))} of {first.count}; "
            f"give each part once"
        )
    values = measure.joined([shard.values for shard in shards])
    return {**first.known, **measure.summary(values, first.shape)}
