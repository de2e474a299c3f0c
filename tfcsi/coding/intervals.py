"""Interval coder: parts of the unit interval, one after the other, to bits and back.

This is the arithmetic under the range coder of `tfcsi.coding.rangecoder`, for codecs
that have no fixed tables but compute the interval of each symbol from what they coded
before. A symbol is the part [lower, upper) of [0, 2**precision). The encoder narrows an
interval to these parts. It then writes the shortest string of bits whose continuations
all lie inside. No such string is the beginning of another, so that a payload needs no
length: after its last symbol, the reader knows how many bits it had.

    payload, num_bits = encode_intervals([0, 3], [1, 8], 3)

    reader = Reader(payloads)
    rows = np.arange(len(payloads))
    position = reader.target(rows, 3)          # In 0..7: it says what the symbol is.
    reader.narrow(rows, lower, upper, 3)       # lower <= position < upper
    reader.num_bits                            # After the last symbol.

`RowReader` does the same for one payload in plain Python integers, which is many times
faster for a few payloads. No product exceeds 2**52, so that numbers of JavaScript do
the same. `docs/bitstream.md` describes every bit.

Packets of version 1 have the arithmetic and the end of tensorflow-compression: `WORDS`
in place of `BITS`.

The coder is that of G. N. N. Martin, "Range encoding: an algorithm for removing
redundancy from a digitised message" (1979).
"""

from __future__ import annotations

import itertools
import operator
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

WINDOW = 28  # 2**27 < size <= 2**28 before each symbol.
_LEAST = 1 << WINDOW - 1
MAX_PRECISION = 24  # Then an interval of one part has at least eight numbers.
_ENDS = (28, 27, 26)  # A block of 2**26 numbers lies in every interval that is so wide.


def encode_intervals(
    lower: Sequence[int], upper: Sequence[int], precision: int | Sequence[int]
) -> tuple[bytes, int]:
    """Narrows an interval to parts of it, one after the other, and writes its bits.

    `low` is a Python integer with as many digits as it needs, so carries need no code.
    NumPy that works position by position on a batch is not faster, and is a hundred
    times slower on a single row.

    Args:
      lower: Python integers, the start of each part.
      upper: Python integers, the end of each part, 0 <= lower < upper <= 2**precision.
      precision: int in 0..24, or one for each part.

    Returns:
      The payload, zeros behind its last bit up to a whole byte, and its number of bits.

    Raises:
      ValueError: If a part is empty.
    """
    each = itertools.repeat(precision) if isinstance(precision, int) else precision
    low, size, num_bits = 0, 1 << WINDOW, WINDOW
    front = pending = 0  # The number is front * 2**pending + low: low stays short.
    for first, end, digits in zip(lower, upper, each):
        start = size * first >> digits
        low += start
        size = (size * end >> digits) - start
        if size <= _LEAST:
            shift = WINDOW - (size - 1).bit_length()
            low <<= shift
            size <<= shift
            pending += shift
            if pending > 96:
                front = (front << pending) + low
                num_bits += pending
                low = pending = 0
    if size <= 0:  # From an empty part on.
        part = list(map(operator.ge, lower, upper)).index(True)
        raise ValueError(f"part {part} is [{lower[part]}, {upper[part]}): it is empty")
    low += front << pending
    num_bits += pending
    for width in _ENDS:
        block = -(-low >> width)
        if block + 1 << width <= low + size:
            break
    num_bits -= width
    num_bytes = -(-num_bits // 8)
    return (block << 8 * num_bytes - num_bits).to_bytes(num_bytes, "big"), num_bits


def encode_words(
    lower: Sequence[int], upper: Sequence[int], precision: int
) -> tuple[bytes, int]:
    """As `encode_intervals`, for payloads of version 1 and one precision up to 16.

    The end is that of tensorflow-compression: a decoder reads zeros behind it.
    """
    low, size, num_bytes = 0, 1 << 32, 4
    for first, end in zip(lower, upper):
        start = size * first >> precision
        low += start
        size = (size * end >> precision) - start
        if size <= 1 << 16:
            low <<= 16
            size <<= 16
            num_bytes += 2
    # The number of the interval that the format writes in the fewest bytes.
    for width in (32, 24, 16):
        value = -(-low >> width) << width
        if value < low + size:
            break
    return value.to_bytes(num_bytes, "big"), 8 * num_bytes


class Bits:
    """Strings of bits, one a row. Zeros follow behind their ends."""

    def __init__(self, payloads: Sequence[bytes]):
        """Takes n bytes objects of any lengths."""
        width = max(map(len, payloads), default=0) + 6
        data = np.frombuffer(b"".join(p.ljust(width, b"\0") for p in payloads), "u1")
        data = data.reshape(len(payloads), width).astype(np.int64)
        # The five bytes from each byte on. The last window is all padding, and is the
        # one that is read past the end.
        self._windows = np.zeros((len(payloads), width - 4), np.int64)
        for k in range(5):
            self._windows += data[:, k : width - 4 + k] << (32 - 8 * k)

    def get(
        self, rows: np.ndarray, at: np.ndarray, count: np.ndarray | int
    ) -> np.ndarray:
        """Returns `count` bits, at most 32, of some rows.

        Args:
          rows: [k], int64.
          at: [k], int64, position of the first of these bits in each row.
          count: int, or int64 [k].

        Returns:
          [k], int64, numbers of `count` binary digits.
        """
        column = np.minimum(at >> 3, self._windows.shape[1] - 1)
        behind = 40 - (at & 7) - count
        return self._windows[rows, column] >> behind & (1 << count) - 1


class RowBits:
    """As `Bits`, for one string, in plain Python integers."""

    def __init__(self, payload: bytes):
        """Takes a bytes object."""
        self._size = 8 * len(payload)
        self._number = int.from_bytes(payload, "big")

    def get(self, at: int, count: int) -> int:
        """Returns `count` bits from position `at` on."""
        behind = self._size - at - count
        number = self._number >> behind if behind >= 0 else self._number << -behind
        return number & (1 << count) - 1


class Reader:
    """The inverse of `encode_intervals` for many payloads in lock-step.

    Any bits decode to something, so the caller checks that `num_bits` is the size of
    the payload. Then the payload is what the encoder writes for these symbols, to the
    last bit.
    """

    window = WINDOW

    def __init__(self, payloads: Sequence[bytes]):
        """Starts at the first bit of each of n bytes objects; zeros follow them."""
        self._bits = Bits(payloads)
        self._everyone = np.arange(len(payloads))
        self._size = np.full(len(payloads), 1 << self.window, np.int64)
        self._refused = np.zeros(len(payloads), bool)
        # The number that was read, minus the low end of the interval.
        self._at = np.full(len(payloads), self.window)
        zero = np.zeros_like(self._at)
        self._value = self._bits.get(self._everyone, zero, self.window)

    def target(self, rows: np.ndarray, precision: int | np.ndarray) -> np.ndarray:
        """Says where in [0, 2**precision) the next symbol of some rows lies.

        Args:
          rows: [k], int64, positions of payloads, none of them twice.
          precision: int, or int64 [k]; in 0..24.

        Returns:
          [k], int64. The part [lower, upper) of the symbol contains this position.
        """
        return (((self._value[rows] + 1) << precision) - 1) // self._size[rows]

    def narrow(
        self,
        rows: np.ndarray,
        lower: np.ndarray,
        upper: np.ndarray,
        precision: int | np.ndarray,
    ) -> None:
        """Goes on behind a symbol.

        Args:
          rows: [k], int64, as for `target`.
          lower: [k], int64, the start of the part of the symbol of each row.
          upper: [k], int64, the end of the part.
          precision: As for `target`.
        """
        size = self._size[rows]
        low = size * lower >> precision
        size = (size * upper >> precision) - low
        shift = self._shift(size)
        self._size[rows] = size << shift
        at = self._at[rows]
        more = self._bits.get(rows, at, shift)
        self._value[rows] = ((self._value[rows] - low) << shift) + more
        self._at[rows] = at + shift

    def refuse(self, rows: np.ndarray) -> None:
        """Says of some rows that they hold what no encoder writes."""
        self._refused[rows] = True

    @property
    def num_bits(self) -> np.ndarray:
        """Bits of each payload, [n], int64, if the last symbol was its last.

        -1 where the encoder writes another end behind these symbols, or other symbols.
        """
        number = self._bits.get(self._everyone, self._at - WINDOW, WINDOW)
        low = number - self._value & (1 << WINDOW) - 1
        num_bits = np.full(len(low), -1)
        open_ = np.ones(len(low), bool)
        for width in _ENDS:
            block = -(-low >> width)
            fits = open_ & (block + 1 << width <= low + self._size)
            written = block == low + self._value >> width
            num_bits[fits & written] = (self._at - width)[fits & written]
            open_ &= ~fits
        return np.where(self._refused, -1, num_bits)

    @staticmethod
    def _shift(size: np.ndarray) -> np.ndarray:
        return WINDOW - np.frexp((size - 1).astype(np.float64))[1].astype(np.int64)


class RowReader:
    """As `Reader`, for one payload, in plain Python integers."""

    window = WINDOW

    def __init__(self, payload: bytes):
        """Starts at the first bit of a bytes object; zeros follow it."""
        self._bits = RowBits(payload)
        self._size = 1 << self.window
        self._at = self.window
        self._value = self._bits.get(0, self.window)

    def target(self, precision: int) -> int:
        """Returns the position in [0, 2**precision) at which the next symbol lies."""
        return ((self._value + 1 << precision) - 1) // self._size

    def narrow(self, lower: int, upper: int, precision: int) -> None:
        """Goes on behind a symbol, whose part is [lower, upper)."""
        size = self._size
        low = size * lower >> precision
        size = (size * upper >> precision) - low
        shift = self._shift(size)
        self._value -= low
        if shift:
            more = self._bits.get(self._at, shift)
            self._value = (self._value << shift) + more
            self._at += shift
            size <<= shift
        self._size = size

    @property
    def num_bits(self) -> int:
        """Bits of the payload, or -1; see `Reader.num_bits`."""
        number = self._bits.get(self._at - WINDOW, WINDOW)
        low = number - self._value & (1 << WINDOW) - 1
        for width in _ENDS:
            block = -(-low >> width)
            if block + 1 << width <= low + self._size:
                break
        written = block == low + self._value >> width
        return self._at - width if written else -1

    @staticmethod
    def _shift(size: int) -> int:
        return WINDOW - (size - 1).bit_length()


class WordReader(Reader):
    """Reader of payloads of version 1: words of 16 bits, precisions up to 16."""

    window = 32

    @staticmethod
    def _shift(size: np.ndarray) -> np.ndarray:
        return np.where(size <= 1 << 16, 16, 0)


class WordRowReader(RowReader):
    """As `WordReader`, for one payload."""

    window = 32

    @staticmethod
    def _shift(size: int) -> int:
        return 16 if size <= 1 << 16 else 0


class Arithmetic(NamedTuple):
    """The arithmetic of a version of packets.

    Attributes:
      encode: Function (lower, upper, precision) -> (payload, number of bits).
      reader: Class of its reader for many payloads.
      row_reader: Class of its reader for one payload.
    """

    encode: Callable[[Sequence[int], Sequence[int], int], tuple[bytes, int]]
    reader: type[Reader]
    row_reader: type[RowReader]


BITS = Arithmetic(encode_intervals, Reader, RowReader)
WORDS = Arithmetic(encode_words, WordReader, WordRowReader)
