"""Range coder and Huffman coder on integer tables: symbols to bytes and back.

Both coders are exact inverse pairs and need NumPy alone. `docs/bitstream.md` describes
every byte. The workflow:

1.  A prior, or training symbols, become frozen integer `Tables` that the phone (UE) and
    the base station (BS) share.
2.  The UE calls `encode(symbols, tables)` and gets one payload for each matrix.
3.  The BS calls `decode(payloads, tables)` and gets exactly the same integers.

The range coder is that of G. N. N. Martin, "Range encoding: an algorithm for removing
redundancy from a digitised message" (1979). Its bytes, escapes included, are those of
tensorflow-compression without the trailing zero bytes. The tables are in
`tfcsi.coding.tables`, the Huffman codes in `tfcsi.coding.huffman`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from tfcsi.coding import huffman
from tfcsi.coding.huffman import huffman_lengths
from tfcsi.coding.tables import (
    CODERS,
    MAX_LEARNED,
    PRECISION,
    Tables,
    check_symbols,
    number_bits,
)

__all__ = [
    "CODERS",
    "MAX_LEARNED",
    "PRECISION",
    "PayloadError",
    "Tables",
    "code_bits",
    "decode",
    "encode",
    "huffman_lengths",
]
_ESCAPE_BITS = 32  # Most binary digits of gamma, the number behind an escape.
_HALVES = np.array([0, 1, 2])  # The cdf of a bit, with a precision of 1.
_ROWS = 4096  # Rows coded at a time; bounds the memory of a large batch.


class PayloadError(ValueError):
    """A payload is not one that `encode` writes.

    Attributes:
      row: int, position of the payload in its batch.
      reason: str, what is wrong with the payload.
    """

    def __init__(self, row: int, reason: str):
        """See the attributes."""
        super().__init__(f"payload {row}: {reason}")
        self.row, self.reason = row, reason


def encode(symbols: np.ndarray, tables: Tables) -> list[bytes]:
    """Codes symbols with the coder that the tables name.

    Args:
      symbols: [n, latent], int32.
      tables: Tables of `latent` positions.

    Returns:
      n payloads without trailing zero bytes. A payload may be empty.

    Raises:
      ValueError: If `symbols` are not int32 integers of that shape.
    """
    symbols = check_symbols(symbols, tables.index.size)
    return [
        payload.rstrip(b"\0")
        for start in range(0, len(symbols), _ROWS)
        for payload in _encode_rows(symbols[start : start + _ROWS], tables)
    ]


def decode(payloads: Sequence[bytes], tables: Tables) -> np.ndarray:
    """Decodes symbols, the inverse of `encode`.

    Args:
      payloads: n bytes objects.
      tables: Tables that they were encoded with.

    Returns:
      symbols [n, latent], int32.

    Raises:
      PayloadError: If a payload is not one that `encode` writes with these tables.
    """
    limit = tables.index.size * (32 + 2 * _ESCAPE_BITS) // 8 + 4
    symbols = np.zeros((len(payloads), tables.index.size), np.int32)
    for start in range(0, len(payloads), _ROWS):
        chunk = [bytes(payload) for payload in payloads[start : start + _ROWS]]
        for row, payload in enumerate(chunk):
            if len(payload) > limit:
                reason = f"{len(payload)} bytes, these tables need at most {limit}"
                raise PayloadError(start + row, reason)
        width = max(map(len, chunk)) // 2 * 2 + 6
        data = np.frombuffer(b"".join(p.ljust(width, b"\0") for p in chunk), np.uint8)
        decoded, valid = _decode_rows(data.reshape(len(chunk), width), tables)
        valid &= (np.abs(decoded + 0.5) < 2**31).all(axis=1)
        if not valid.all():
            reason = "the number behind an escape does not fit 32 bits"
            raise PayloadError(start + int(np.argmin(valid)), reason)
        decoded = decoded.astype(np.int32)
        for row, again in enumerate(encode(decoded, tables)):
            if again != chunk[row]:
                reason = "the encoder would not have written these bytes"
                raise PayloadError(start + row, reason)
        symbols[start : start + len(chunk)] = decoded
    return symbols


def code_bits(symbols: np.ndarray, tables: Tables) -> np.ndarray:
    """Returns the ideal size of each row: the sum of its code lengths.

    Args:
      symbols: [n, latent], int32.
      tables: Tables of `latent` positions.

    Returns:
      [n], float64 [bits]. A range-coded payload differs from it by about a byte.

    Raises:
      ValueError: If `symbols` are not int32 integers of that shape.
    """
    symbols = check_symbols(symbols, tables.index.size)
    bits = np.zeros(len(symbols))
    for start in range(0, len(symbols), _ROWS):
        rows = slice(start, start + _ROWS)
        interval, number = tables.intervals(symbols[rows])
        cost = tables.interval_bits[tables.index, interval] + number_bits(number)
        bits[rows] = cost.sum(axis=1)
    return bits


def _encode_rows(symbols: np.ndarray, tables: Tables) -> list[bytes]:
    """Returns payloads, with trailing zero bytes, of symbols [n, latent], int64."""
    interval, number = tables.intervals(symbols)
    bits = number_bits(number)
    if tables.coder == "range":
        return _range_encode(interval, number, bits, tables)
    codes, at = tables.huffman_codes, (tables.index, interval)
    return huffman.encode(codes.lengths[at], codes.words[at], number, bits)


def _decode_rows(data: np.ndarray, tables: Tables) -> tuple[np.ndarray, np.ndarray]:
    """Decodes rows of bytes.

    Args:
      data: [n, num_bytes], uint8.
      tables: Tables that they were encoded with.

    Returns:
      symbols [n, latent], int64, and [n], bool, which rows have no number that is too
      long.
    """
    reader: _RangeReader | huffman.Reader
    if tables.coder == "range":
        reader = _RangeReader(data, tables)
    else:
        reader = huffman.Reader(data, tables.huffman_codes)
    interval = np.zeros((len(data), tables.index.size), np.int64)
    number = np.zeros_like(interval)
    valid = np.ones(len(data), bool)
    for i, t in enumerate(tables.index):
        interval[:, i] = reader.read_interval(t)
        rows = np.flatnonzero(interval[:, i] == tables.length[t] - 2)
        if rows.size:
            number[rows, i], kept = _read_numbers(reader.read_bit, rows)
            valid[rows] &= kept
    return tables.symbols(interval, number), valid


def _read_numbers(
    read_bit: Callable[[np.ndarray], np.ndarray], rows: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Reads the number behind an escape, from each of some rows.

    Args:
      read_bit: Function that takes rows [k], int64, and returns the next bit of each
        row, [k], int64.
      rows: [num_escapes], int64.

    Returns:
      number [num_escapes], int64, and whether each gamma has at most 32 digits, bool.
    """
    number = np.zeros(rows.size, np.int64)
    zeros = np.zeros(rows.size, np.int64)
    active = np.arange(rows.size)
    for step in range(1, 2 * _ESCAPE_BITS + 1):
        number[active] = 2 * number[active] + read_bit(rows[active])
        zeros[active] += number[active] == 0
        going = (zeros[active] < _ESCAPE_BITS) & (step < 2 * zeros[active] + 2)
        active = active[going]
        if not active.size:
            break
    return number, zeros < _ESCAPE_BITS


def _range_encode(
    interval: np.ndarray, number: np.ndarray, bits: np.ndarray, tables: Tables
) -> list[bytes]:
    """Codes the intervals of each row, with the number behind each escape."""
    lower = tables.cdf[tables.index, interval]
    upper = tables.cdf[tables.index, interval + 1]
    escaped = bits.any(axis=1).tolist()
    payloads = []
    for row in range(len(interval)):
        lowers, uppers = lower[row].tolist(), upper[row].tolist()
        for i in np.flatnonzero(bits[row])[::-1].tolist() if escaped[row] else ():
            # A bit narrows the interval to one of its halves.
            digits = f"{number[row, i]:0{bits[row, i]}b}"
            lowers[i + 1 : i + 1] = [int(d) << PRECISION - 1 for d in digits]
            uppers[i + 1 : i + 1] = [int(d) + 1 << PRECISION - 1 for d in digits]
        payloads.append(_range_encode_row(lowers, uppers))
    return payloads


def _range_encode_row(lowers: list[int], uppers: list[int]) -> bytes:
    """Narrows an interval to the parts [lower, upper) / 2**16, one after the other.

    `low` is a Python integer with as many digits as it needs, so carries need no code.
    NumPy that works position by position on a batch is not faster, and is a hundred
    times slower on a single row.
    """
    low, size, num_bytes = 0, 1 << 32, 4
    for lower, upper in zip(lowers, uppers):
        start = size * lower >> PRECISION
        low += start
        size = (size * upper >> PRECISION) - start
        if size <= 1 << 16:
            low <<= 16
            size <<= 16
            num_bytes += 2
    # The number of the interval that the format writes in the fewest bytes.
    for bits in (32, 24, 16):
        value = -(-low >> bits) << bits
        if value < low + size:
            break
    return value.to_bytes(num_bytes, "big")


class _RangeReader:
    """The inverse of `_range_encode`; `value` is the number read minus `low`."""

    def __init__(self, data: np.ndarray, tables: Tables):
        self.words = data.view(">u2").astype(np.uint16)
        self.size = np.full(len(data), 1 << 32, np.int64)
        self.value = self.words[:, :2].astype(np.int64) @ np.array([1 << 16, 1])
        self.at = np.full(len(data), 2)
        self.everyone = np.arange(len(data))
        pairs = zip(tables.cdf, tables.length)
        self.cdfs = [row[:size].astype(np.int64) for row, size in pairs]

    def read_interval(self, t: int) -> np.ndarray:
        """Reads an interval of table `t` from every row."""
        return self._read(self.everyone, self.cdfs[t])

    def read_bit(self, rows: np.ndarray) -> np.ndarray:
        """Reads a bit from each of `rows`."""
        return self._read(rows, _HALVES, 1)

    def _read(
        self, rows: np.ndarray, cdf: np.ndarray, precision: int = PRECISION
    ) -> np.ndarray:
        """Finds the interval of `cdf` that each of `rows` is in, and narrows to it."""
        size, value = self.size[rows], self.value[rows]
        # 0 <= value < size always holds, so any bytes decode to something.
        scaled = (((value + 1) << precision) - 1) // size
        interval = np.searchsorted(cdf, scaled, side="right") - 1
        low = (size * cdf[interval]) >> precision
        size = ((size * cdf[interval + 1]) >> precision) - low
        value = value - low
        small = np.flatnonzero(size <= 1 << 16)
        shifted = rows[small]
        column = np.minimum(self.at[shifted], self.words.shape[1] - 1)
        value[small] = (value[small] << 16) + self.words[shifted, column]
        size[small] <<= 16
        self.at[shifted] += 1
        self.size[rows], self.value[rows] = size, value
        return interval
