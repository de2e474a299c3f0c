"""Frozen integer tables, which both ends of the link share.

A prior, or training symbols, become `Tables` of integer frequencies. The check of every
packet covers their fingerprint. Alphabets have no bounds: a symbol outside its table is
coded as the escape of the table, followed by a number. `tfcsi.coding.rangecoder` writes
and reads bytes with the tables, and `docs/bitstream.md` describes every bit.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
from collections.abc import Mapping, Sequence

import numpy as np

from tfcsi.coding import huffman

PRECISION = 16  # The frequencies of a table sum to 2**PRECISION.
MAX_LEARNED = 4096  # Most symbols of a table that is learned from counts.
CODERS = ("range", "huffman")


@dataclasses.dataclass(frozen=True, eq=False)
class Tables:
    """Integer cumulative frequencies, which UE and BS share.

    Position `i` of a codeword is coded with table `t = index[i]`. Interval `k` of that
    table, `[cdf[t, k], cdf[t, k + 1])`, stands for the symbol `offset[t] + k`. The last
    of its `length[t] - 1` intervals is the escape, for all symbols outside the table.

    Attributes:
      cdf: [num_tables, max_len], int32. Rows rise strictly from 0 to 2**16 over their
        first `length[t]` entries and hold 2**16 from there on.
      length: [num_tables], int32, valid entries of a row, at least 2.
      offset: [num_tables], int32, symbol of the first interval, within +-2**30.
      index: [latent], int32, the table of each position.
      coder: "range" or "huffman".

    Raises:
      ValueError: If the arrays do not fit this description.
    """

    cdf: np.ndarray
    length: np.ndarray
    offset: np.ndarray
    index: np.ndarray
    coder: str = "range"

    def __post_init__(self) -> None:
        """Checks the arrays and keeps read-only int32 copies of them."""
        for name, ndim in (("cdf", 2), ("length", 1), ("offset", 1), ("index", 1)):
            array = np.array(getattr(self, name))
            if array.ndim != ndim or array.dtype.kind not in "iu":
                raise ValueError(
                    f"{name} must hold integers with {ndim} axes, got "
                    f"{array.dtype} {list(array.shape)}"
                )
            if array.size and np.abs(array.astype(np.int64)).max() > 2**30:
                raise ValueError(f"{name} must be within +-2**30")
            array = array.astype(np.int32)
            array.flags.writeable = False
            object.__setattr__(self, name, array)
        num_tables, max_len = self.cdf.shape
        if not num_tables:
            raise ValueError("tables need at least one table")
        if {self.length.size, self.offset.size} != {num_tables}:
            raise ValueError(
                f"cdf has {num_tables} tables, length {self.length.size}, "
                f"offset {self.offset.size}: they must agree"
            )
        if self.length.min() < 2 or self.length.max() > max_len:
            raise ValueError(f"length must be in 2..{max_len}, the width of cdf")
        if ((self.index < 0) | (self.index >= num_tables)).any():
            raise ValueError(f"index must be in 0..{num_tables - 1}")
        pad = np.arange(max_len) >= self.length[:, None] - 1
        if self.cdf[:, 0].any() or (self.cdf[pad] != 1 << PRECISION).any():
            raise ValueError("each row of cdf must begin with 0 and end in 2**16")
        if ((np.diff(self.cdf) <= 0) & ~pad[:, :-1]).any():
            raise ValueError("each row of cdf must rise strictly to its end")
        if self.coder not in CODERS:
            raise ValueError(f"coder must be one of {CODERS}, got {self.coder!r}")

    @classmethod
    def from_pmf(
        cls,
        pmf: Sequence[np.ndarray | Sequence[float]] | np.ndarray,
        offset: np.ndarray | Sequence[int] | int,
        index: np.ndarray | None = None,
        coder: str = "range",
    ) -> Tables:
        """Rounds probabilities to integer frequencies.

        Args:
          pmf: `num_tables` arrays [num_symbols], float, probabilities >= 0 of the
            symbols `offset[t], offset[t] + 1, ...`. If a row sums to less than 1, the
            rest goes to its escape. If it sums to more, it is scaled.
          offset: [num_tables] or one number for all, int, the symbol of the first
            probability.
          index: [latent], int, table of each position. If None, each position has a
            table of its own.
          coder: "range" or "huffman".

        Returns:
          Tables in which every interval, the escape included, has a frequency >= 1.

        Raises:
          ValueError: If a row is not 1-D, negative, not finite or too long.
        """
        rows = [_frequencies(np.asarray(row, np.float64)) for row in pmf]
        length = np.array([row.size + 1 for row in rows], np.int32)
        cdf = np.full((len(rows), max(length, default=0)), 1 << PRECISION, np.int32)
        for row, out in zip(rows, cdf):
            out[: row.size + 1] = np.concatenate(([0], np.cumsum(row)))
        index = np.arange(len(rows)) if index is None else index
        offset = np.asarray(offset)
        if not offset.ndim:
            offset = np.repeat(offset, len(rows))
        return cls(cdf, length, offset, np.asarray(index), coder)

    @classmethod
    def from_counts(
        cls,
        symbols: np.ndarray,
        coder: str = "range",
        shared: bool = False,
        index: np.ndarray | None = None,
        smoothing: float = 0.5,
    ) -> Tables:
        """Learns histograms that cover the range of the training symbols.

        A range wider than 4096 symbols keeps the 4096 symbols around its median.

        Args:
          symbols: [n, latent], int32, training symbols, n >= 1.
          coder: "range" or "huffman".
          shared: bool, whether all positions share one table. Otherwise each position
            has its own.
          index: [latent], int, table of each position. It overrides `shared`.
          smoothing: float > 0, added to the count of each symbol of the range and of
            the escape.

        Returns:
          Tables with `max(index) + 1` tables.

        Raises:
          ValueError: If there are no training symbols or a table has no position.
        """
        symbols = check_symbols(symbols)
        if not symbols.size:
            raise ValueError("from_counts needs at least one row and one position")
        if index is None:
            index = np.arange(symbols.shape[1]) * (not shared)
        index = np.asarray(index)
        pmf, offset = [], []
        for t in range(index.max() + 1):
            seen = symbols[:, index == t]
            if not seen.size:
                raise ValueError(f"no position uses table {t}")
            low, high = int(seen.min()), int(seen.max())
            if high - low >= MAX_LEARNED:
                low = max(low, int(np.median(seen)) - MAX_LEARNED // 2)
                high = min(high, low + MAX_LEARNED - 1)
                seen = seen[(seen >= low) & (seen <= high)]
            counts = np.bincount(np.ravel(seen) - low, minlength=high - low + 1)
            total = counts.sum() + smoothing * (counts.size + 1)
            pmf.append((counts + smoothing) / total)
            offset.append(low)
        return cls.from_pmf(pmf, offset, index, coder)

    def arrays(self) -> dict[str, np.ndarray]:
        """Returns the content as arrays for an `.npz`, the inverse of `from_arrays`."""
        names = ("cdf", "length", "offset", "index")
        return {**{k: getattr(self, k) for k in names}, "coder": np.array(self.coder)}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> Tables:
        """Makes tables from `arrays()`; raises a ValueError if a key is missing."""
        names = [field.name for field in dataclasses.fields(cls)]
        missing = [name for name in names if name not in arrays]
        if missing:
            raise ValueError(f"tables lack {missing}")
        return cls(**{k: arrays[k] for k in names[:-1]}, coder=str(arrays["coder"]))

    def fingerprint(self) -> bytes:
        """Returns the SHA-256 of the content, 32 bytes, the same on every machine."""
        valid = self.cdf[np.arange(self.cdf.shape[1]) < self.length[:, None]]
        digest = hashlib.sha256(f"tfcsi tables {PRECISION} {self.coder}".encode())
        for array in (self.length, self.offset, self.index, valid):
            digest.update(np.array([array.size, *array], "<i4").tobytes())
        return digest.digest()

    @property
    def num_positions(self) -> int:
        """Number of symbols of a codeword."""
        return self.index.size

    @functools.cached_property
    def cdf_rows(self) -> list[list[int]]:
        """The valid entries of each row of `cdf`, as Python integers."""
        return [row[:size].tolist() for row, size in zip(self.cdf, self.length)]

    @functools.cached_property
    def interval_bits(self) -> np.ndarray:
        """Bits that each interval costs, [num_tables, max_len - 1], float64."""
        if self.coder == "huffman":
            return self.huffman_codes.lengths.astype(np.float64)
        return PRECISION - np.log2(np.maximum(np.diff(self.cdf), 1))

    @functools.cached_property
    def huffman_codes(self) -> huffman.Codes:
        """Canonical Huffman codes of the intervals."""
        return huffman.canonical_codes(np.diff(self.cdf), self.length - 1)

    def intervals(self, symbols: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Splits symbols into intervals and the numbers behind escapes.

        A number is `2 * gamma + sign`. Above the table, gamma is the distance from the
        last regular symbol and sign is 0. Below the table, gamma is the distance from
        the first symbol and sign is 1.

        Args:
          symbols: [n, latent], int64.

        Returns:
          interval and number [n, latent], int64. The number is 0 if there is no escape.
        """
        regular = self.length[self.index] - 2
        interval = symbols - self.offset[self.index]
        below, above = interval < 0, interval >= regular
        gamma = np.where(below, -interval, np.where(above, interval - regular + 1, 0))
        return np.where(gamma > 0, regular, interval), 2 * gamma + below

    def symbols(self, interval: np.ndarray, number: np.ndarray) -> np.ndarray:
        """Returns symbols [n, latent], int64, the inverse of `intervals`."""
        regular = self.length[self.index] - 2
        gamma = number >> 1
        escaped = np.where(number & 1, -gamma, regular + gamma - 1)
        return self.offset[self.index] + np.where(number > 0, escaped, interval)


def number_bits(number: np.ndarray) -> np.ndarray:
    """Returns the bits that numbers cost: 2 floor(log2 number), 0 for number 0.

    These are the bits of Elias' gamma code and a sign.
    """
    return 2 * np.maximum(np.frexp(number.astype(np.float64))[1] - 1, 0)


def check_symbols(symbols: np.ndarray, latent: int | None = None) -> np.ndarray:
    """Checks that an array holds symbols.

    Args:
      symbols: [n, latent], any integer type.
      latent: int, number of positions, or None for any number.

    Returns:
      The symbols as int64.

    Raises:
      ValueError: If `symbols` are not int32 integers of that shape.
    """
    symbols = np.asarray(symbols)
    if symbols.ndim != 2 or latent not in (None, symbols.shape[1]):
        size = "latent" if latent is None else latent
        raise ValueError(f"symbols must be [n, {size}], got {list(symbols.shape)}")
    if symbols.dtype.kind not in "iu":
        raise ValueError(f"symbols must be integers, got {symbols.dtype}")
    if symbols.size and not (
        -(2**31) <= symbols.min() and symbols.max() < 2**31  # Python integers.
    ):
        raise ValueError("symbols must fit int32")
    return symbols.astype(np.int64)


def _frequencies(pmf: np.ndarray) -> np.ndarray:
    """Returns integer frequencies >= 1, sum 2**16, of the symbols and the escape."""
    total = 1 << PRECISION
    if pmf.ndim != 1 or pmf.size >= total:
        raise ValueError(f"a pmf must have 1 axis and < {total} symbols: {pmf.shape}")
    if not np.isfinite(pmf).all() or (pmf < 0).any():
        raise ValueError("probabilities must be finite and not negative")
    pmf = np.append(pmf, max(0.0, 1.0 - pmf.sum()))
    if not pmf.sum():
        pmf = pmf + 1.0
    # Frequencies that would fall below 1 are held at 1, and the others share the rest.
    held = np.zeros(pmf.size, bool)
    while True:
        share = pmf * ((total - held.sum()) / pmf[~held].sum())
        below = ~held & (share < 1)
        if not below.any():
            break
        held |= below
    share[held] = 1
    freqs = np.floor(share).astype(np.int64)
    rest = np.where(held, -1.0, share - freqs)
    freqs[np.argsort(-rest, kind="stable")[: total - freqs.sum()]] += 1
    return freqs
