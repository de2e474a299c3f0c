"""Several sets of path tables in one codec: a packet names the set of its list.

Channels of unlike places have unlike laws of paths. A codec for many places holds a set
of tables for each kind. The first symbol of a payload is the label, the number of the
set that codes the list in the fewest bits. The rest is as `PathCoder` writes it.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
from collections.abc import Mapping, Sequence
from typing import Union

import numpy as np

from tfcsi import files
from tfcsi.coding.atoms import Atoms, Axis
from tfcsi.coding.contexts import SYMBOLS, PathTables
from tfcsi.coding.intervals import Reader
from tfcsi.coding.path_coder import Parts, PathCoder, read_symbol
from tfcsi.coding.path_lists import Lists

MAX_SETS = 8


@dataclasses.dataclass(frozen=True, eq=False)
class PathTableSets:
    """Sets of tables and how likely each is.

    Attributes:
      sets: Two to MAX_SETS `PathTables` of the same axes. The prices of the first one
        guide the search of the encoder.
      labels: int64 [sets], probabilities of the sets, which sum to 2**SYMBOLS.
    """

    sets: Sequence[PathTables]
    labels: np.ndarray

    def arrays(self) -> dict[str, np.ndarray]:
        """Returns the tables by their names, uint32, for a file."""
        arrays = {"labels": self.labels.astype(np.uint32)}
        for number, tables in enumerate(self.sets):
            arrays |= {f"{number}/{k}": v for k, v in tables.arrays().items()}
        return arrays

    def resized(self, old: tuple[Axis, Axis], new: tuple[Axis, Axis]) -> PathTableSets:
        """As `PathTables.resized`, for each set."""
        sets = [tables.resized(old, new) for tables in self.sets]
        return dataclasses.replace(self, sets=sets)

    def fingerprint(self) -> bytes:
        """Returns 32 bytes that change with any table or probability."""
        digest = hashlib.sha256(self.labels.astype("<u4").tobytes())
        for tables in self.sets:
            digest.update(tables.fingerprint())
        return digest.digest()

    @functools.cached_property
    def label_ends(self) -> np.ndarray:
        """Cumulative `labels`, int64 [sets + 1]."""
        return np.concatenate([[0], np.cumsum(self.labels)])

    @property
    def norms(self) -> np.ndarray:
        """Probabilities of the norms over all sets, float64 [NORMS]."""
        return self.labels @ np.stack([tables.norms for tables in self.sets])


AnyTables = Union[PathTables, PathTableSets]


def tables_of(arrays: Mapping[str, np.ndarray], angle: Axis, delay: Axis) -> AnyTables:
    """Makes tables, of one set or several, of stored arrays.

    Raises:
      KeyError: If a table is missing.
      ValueError: If they are not sound; the message names the table.
    """
    if "labels" not in arrays:
        return PathTables.of(arrays, angle, delay)
    labels = np.asarray(arrays["labels"])
    if labels.ndim != 1 or not 2 <= len(labels) <= MAX_SETS or labels.dtype.kind != "u":
        raise ValueError(
            f"labels is {labels.dtype} {list(labels.shape)}, expected unsigned "
            f"integers [2] to [{MAX_SETS}]"
        )
    labels = labels.astype(np.int64)
    if not labels.all() or labels.sum() != 1 << SYMBOLS:
        raise ValueError(f"labels does not hold a sum of {1 << SYMBOLS}")
    sets = [
        PathTables.of(files.part(arrays, str(number)), angle, delay)
        for number in range(len(labels))
    ]
    return PathTableSets(sets, labels)


class SetsCoder:
    """As `PathCoder`, with several sets of tables.

    Attributes:
      tables: The `PathTableSets`.
      coders: A `PathCoder` for each set.
      prices: Those of the first set.
      step_ends: As of `PathCoder`.
    """

    def __init__(self, tables: PathTableSets, atoms: Atoms, step: int):
        """Takes the number of the step that most packets have."""
        self.tables = tables
        self.coders = [PathCoder(one, atoms, step) for one in tables.sets]
        self.prices = self.coders[0].prices
        self.step_ends = self.coders[0].step_ends

    def parts(self, step: np.ndarray, norm: np.ndarray, lists: Lists) -> Parts:
        """As `PathCoder.parts`; the label of the shortest code comes first."""
        ends = self.tables.label_ends
        label_bits = SYMBOLS - np.log2(self.tables.labels)
        each = [coder.parts(step, norm, lists) for coder in self.coders]
        bits = [one.bits().sum(axis=1) + own for one, own in zip(each, label_bits)]
        label = np.argmin(bits, axis=0)
        rows = np.arange(len(label))
        lower, upper, precision = (
            np.stack([getattr(one, field) for one in each])[label, rows]
            for field in ("lower", "upper", "precision")
        )
        digits = np.full(len(label), SYMBOLS)
        return Parts(
            np.column_stack([ends[label], lower]),
            np.column_stack([ends[label + 1], upper]),
            np.column_stack([digits, precision]),
        )

    def read(
        self, payloads: Sequence[bytes]
    ) -> tuple[np.ndarray, np.ndarray, Lists, np.ndarray]:
        """As `PathCoder.read`."""
        reader = Reader(payloads)
        everyone = np.arange(len(payloads))
        label = read_symbol(reader, everyone, self.tables.label_ends[None])
        step, norm = np.zeros((2, len(payloads)), np.int64)
        lists = Lists.empty(len(payloads), 0)
        for number, coder in enumerate(self.coders):
            rows = np.flatnonzero(label == number)
            if rows.size:
                step[rows], norm[rows], some = coder.read_rows(reader, rows)
                lists = lists.wider(some.re.shape[1])
                lists.put(rows, some)
        return step, norm, lists, reader.num_bits


AnyCoder = Union[PathCoder, SetsCoder]


def coder_of(tables: AnyTables, atoms: Atoms, step: int) -> AnyCoder:
    """Returns the coder of tables of one set or several."""
    if isinstance(tables, PathTableSets):
        return SetsCoder(tables, atoms, step)
    return PathCoder(tables, atoms, step)
