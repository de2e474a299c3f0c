"""Parts of a simulated data set that other machines have made.

`tfcsi generate --shard=2/8` simulates every eighth block, into a folder of its own in
`shards/`. Where these folders are, copied from other machines or on a shared disk, the
command without --shard takes the blocks from there and simulates those that are
missing. So the files are the same as without shards.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from tfcsi.channels.blocks import blocks_of

FOLDER = "shards"


def name_of(number: int, count: int) -> str:
    """Returns the name of the folder of a part, from 1, of some."""
    return f"{number}-of-{count}"


def blocks_of_part(num: int, number: int, count: int) -> list[tuple[int, int, int]]:
    """Returns the blocks of a part.

    Args:
      num: Number of all matrices.
      number: Number of the part, from 1.
      count: Number of parts.

    Returns:
      (number of the block, number of its first matrix in the part, number of its
      matrices) of each block.
    """
    listed, start = [], 0
    for block, _, size in blocks_of(num)[number - 1 :: count]:
        listed.append((block, start, size))
        start += size
    return listed


def gather(
    out: Path,
    split: str,
    num: int,
    folder: Path,
    names: tuple[str, ...],
    is_same: Callable[[Path], bool],
) -> None:
    """Copies the finished blocks of all parts of a split.

    Args:
      out: Folder of the data set.
      split: Name of the split.
      num: Number of its matrices.
      folder: Folder of the arrays of all blocks.
      names: Names of the arrays, without ".npy".
      is_same: Whether a folder of a part is of the same data set.
    """
    starts = {block: start for block, start, _ in blocks_of(num)}
    for part in sorted((out / FOLDER).glob("*-of-*")):
        if not is_same(part):
            continue
        number, count = map(int, part.name.split("-of-"))
        made = part / split
        for block, start, size in blocks_of_part(num, number, count):
            mark = f"{block}.done"
            if (folder / mark).exists() or not (made / mark).exists():
                continue
            for name in names:
                target = np.load(folder / f"{name}.npy", mmap_mode="r+")
                rows = slice(starts[block], starts[block] + size)
                source = np.load(made / f"{name}.npy", mmap_mode="r")
                target[rows] = source[start : start + size]
                target.flush()
            (folder / mark).touch()
