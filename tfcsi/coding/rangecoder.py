"""Range coder and Huffman coder on integer tables: symbols to bits and back.

Both coders are exact inverse pairs and need NumPy alone. `docs/bitstream.md` describes
every bit. The workflow:

1.  A prior, or training symbols, become frozen integer `Tables` that the phone (UE) and
    the base station (BS) share.
2.  The UE calls `encode_bits(symbols, tables)` and gets the bits of each matrix.
3.  The BS calls `decode_bits(payloads, tables)` and gets exactly the same integers.

`encode` and `decode` do the same for packets of version 1. Their payloads are whole
bytes without trailing zero bytes; those of the range coder, escapes included, are the
bytes of tensorflow-compression.

The arithmetic is in `tfcsi.coding.intervals`, the tables are in `tfcsi.coding.tables`,
the Huffman codes in `tfcsi.coding.huffman`.
"""

from __future__ import annotations

import bisect
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from tfcsi.coding import huffman
from tfcsi.coding.huffman import huffman_lengths
from tfcsi.coding.intervals import BITS, WORDS, Arithmetic, Reader, RowReader
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
    "decode_bits",
    "encode",
    "encode_bits",
    "huffman_lengths",
]
_ESCAPE_BITS = 32  # Most binary digits of gamma, the number behind an escape.
_ROWS = 4096  # Rows coded at a time; bounds the memory of a large batch.
_FEW = 128  # Up to so many rows, plain Python is faster than NumPy in lock-step.


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


def encode_bits(symbols: np.ndarray, tables: Tables) -> tuple[list[bytes], list[int]]:
    """Codes symbols with the coder that the tables name.

    Args:
      symbols: [n, latent], int32.
      tables: Tables of `latent` positions.

    Returns:
      n payloads, with zeros behind their last bits up to a whole byte, and their
      numbers of bits. No payload is the beginning of another.

    Raises:
      ValueError: If `symbols` are not int32 integers of that shape.
    """
    payloads, num_bits = [], []
    for payload, size in _encode(symbols, tables, BITS):
        payloads.append(payload)
        num_bits.append(size)
    return payloads, num_bits


def encode(symbols: np.ndarray, tables: Tables) -> list[bytes]:
    """Codes symbols for packets of version 1.

    Args:
      symbols: [n, latent], int32.
      tables: Tables of `latent` positions.

    Returns:
      n payloads without trailing zero bytes. A payload may be empty.

    Raises:
      ValueError: If `symbols` are not int32 integers of that shape.
    """
    return [payload.rstrip(b"\0") for payload, _ in _encode(symbols, tables, WORDS)]


def decode_bits(
    payloads: Sequence[bytes], tables: Tables
) -> tuple[np.ndarray, np.ndarray]:
    """Decodes symbols, the inverse of `encode_bits`.

    Args:
      payloads: n bytes objects that begin with what `encode_bits` wrote. Any bits may
        follow.
      tables: Tables that they were encoded with.

    Returns:
      symbols [n, latent], int32, and the number of bits of each row [n], int64.

    Raises:
      PayloadError: If a payload does not begin with bits that `encode_bits` writes with
        these tables.
    """
    symbols = np.zeros((len(payloads), tables.index.size), np.int32)
    num_bits = np.zeros(len(payloads), np.int64)
    for rows, _, decoded, sizes in _decode(payloads, tables, BITS):
        if (sizes < 0).any():
            raise _other_bytes(rows.start + int(np.argmin(sizes)))
        symbols[rows], num_bits[rows] = decoded, sizes
    return symbols, num_bits


def decode(payloads: Sequence[bytes], tables: Tables) -> np.ndarray:
    """Decodes symbols of packets of version 1, the inverse of `encode`.

    Args:
      payloads: n bytes objects.
      tables: Tables that they were encoded with.

    Returns:
      symbols [n, latent], int32.

    Raises:
      PayloadError: If a payload is not one that `encode` writes with these tables.
    """
    limit = _most_bytes(tables)
    for row, payload in enumerate(payloads):
        if len(payload) > limit:
            reason = f"{len(payload)} bytes, these tables need at most {limit}"
            raise PayloadError(row, reason)
    symbols = np.zeros((len(payloads), tables.index.size), np.int32)
    for rows, chunk, decoded, _ in _decode(payloads, tables, WORDS):
        symbols[rows] = decoded
        for row, again in enumerate(encode(decoded, tables)):
            if again != chunk[row]:
                raise _other_bytes(rows.start + row)
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


def _other_bytes(row: int) -> PayloadError:
    return PayloadError(row, "the encoder would not have written these bytes")


def _most_bytes(tables: Tables) -> int:
    """Returns a number of bytes that no payload exceeds."""
    return tables.index.size * (32 + 2 * _ESCAPE_BITS) // 8 + 4


def _encode(
    symbols: np.ndarray, tables: Tables, arithmetic: Arithmetic
) -> Iterator[tuple[bytes, int]]:
    """Yields the payload of each row and its number of bits."""
    symbols = check_symbols(symbols, tables.index.size)
    for start in range(0, len(symbols), _ROWS):
        interval, number = tables.intervals(symbols[start : start + _ROWS])
        bits = number_bits(number)
        if tables.coder == "range":
            yield from _range_encode(interval, number, bits, tables, arithmetic)
        else:
            codes, at = tables.huffman_codes, (tables.index, interval)
            yield from huffman.encode(codes.lengths[at], codes.words[at], number, bits)


def _range_encode(
    interval: np.ndarray,
    number: np.ndarray,
    bits: np.ndarray,
    tables: Tables,
    arithmetic: Arithmetic,
) -> Iterator[tuple[bytes, int]]:
    """Codes the intervals of each row, with the number behind each escape."""
    lower = tables.cdf[tables.index, interval].tolist()
    upper = tables.cdf[tables.index, interval + 1].tolist()
    escaped = bits.any(axis=1).tolist()
    for row, (lowers, uppers) in enumerate(zip(lower, upper)):
        for i in np.flatnonzero(bits[row])[::-1].tolist() if escaped[row] else ():
            # A bit narrows the interval to one of its halves.
            digits = f"{number[row, i]:0{bits[row, i]}b}"
            lowers[i + 1 : i + 1] = [int(d) << PRECISION - 1 for d in digits]
            uppers[i + 1 : i + 1] = [int(d) + 1 << PRECISION - 1 for d in digits]
        yield arithmetic.encode(lowers, uppers, PRECISION)


def _decode(
    payloads: Sequence[bytes], tables: Tables, arithmetic: Arithmetic
) -> Iterator[tuple[slice, list[bytes], np.ndarray, np.ndarray]]:
    """Decodes some payloads at a time; yields their rows, them, symbols and sizes."""
    limit = _most_bytes(tables)
    for start in range(0, len(payloads), _ROWS):
        rows = slice(start, start + _ROWS)
        chunk = [bytes(payload[:limit]) for payload in payloads[rows]]
        decode_them = _decode_rows if len(chunk) > _FEW else _decode_few
        interval, number, valid, num_bits = decode_them(chunk, tables, arithmetic)
        decoded = tables.symbols(interval, number)
        valid &= (np.abs(decoded + 0.5) < 2**31).all(axis=1)
        if not valid.all():
            reason = "the number behind an escape does not fit 32 bits"
            raise PayloadError(start + int(np.argmin(valid)), reason)
        yield rows, chunk, decoded.astype(np.int32), num_bits


def _decode_rows(
    payloads: list[bytes], tables: Tables, arithmetic: Arithmetic
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Decodes payloads in lock-step.

    Args:
      payloads: n bytes objects.
      tables: Tables that they were encoded with.
      arithmetic: Arithmetic of their version.

    Returns:
      interval and number [n, latent], int64, as `Tables.symbols` takes them; [n], bool,
      which rows have no number that is too long; and `num_bits` of the reader.
    """
    reader: _RangeReader | huffman.Reader
    if tables.coder == "range":
        reader = _RangeReader(arithmetic.reader(payloads), len(payloads), tables)
    else:
        reader = huffman.Reader(payloads, tables.huffman_codes)
    interval = np.zeros((len(payloads), tables.index.size), np.int64)
    number = np.zeros_like(interval)
    valid = np.ones(len(payloads), bool)
    for i, t in enumerate(tables.index):
        interval[:, i] = reader.read_interval(t)
        rows = np.flatnonzero(interval[:, i] == tables.length[t] - 2)
        if rows.size:
            number[rows, i], kept = _read_numbers(reader.read_bit, rows)
            valid[rows] &= kept
    return interval, number, valid, reader.num_bits


def _decode_few(
    payloads: list[bytes], tables: Tables, arithmetic: Arithmetic
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """As `_decode_rows`, one payload after the other."""
    each = [_decode_row(payload, tables, arithmetic) for payload in payloads]
    interval, number, valid, num_bits = zip(*each)
    return (
        np.array(interval, np.int64),
        np.array(number, np.int64),
        np.array(valid),
        np.array(num_bits),
    )


def _decode_row(
    payload: bytes, tables: Tables, arithmetic: Arithmetic
) -> tuple[list[int], list[int], bool, int]:
    """Decodes one payload; as `_decode_rows`, in plain Python integers."""
    reader: _RangeRowReader | huffman.RowReader
    if tables.coder == "range":
        reader = _RangeRowReader(arithmetic.row_reader(payload), tables)
    else:
        reader = huffman.RowReader(payload, tables.huffman_codes)
    interval, number, valid = [], [], True
    escape = (tables.length - 2).tolist()
    for t in tables.index.tolist():
        interval.append(reader.read_interval(t))
        number.append(0)
        if interval[-1] == escape[t]:
            zeros = 0
            while zeros < _ESCAPE_BITS and not reader.read_bit():
                zeros += 1
            valid &= zeros < _ESCAPE_BITS
            number[-1] = 1
            for _ in range(zeros + 1 if zeros < _ESCAPE_BITS else 0):
                number[-1] = 2 * number[-1] + reader.read_bit()
    return interval, number, valid, reader.num_bits


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


class _RangeReader:
    """Reads the intervals of tables from many payloads in lock-step."""

    def __init__(self, reader: Reader, num_rows: int, tables: Tables):
        self._reader = reader
        self._everyone = np.arange(num_rows)
        self._cdfs = [np.array(row) for row in tables.cdf_rows]

    @property
    def num_bits(self) -> np.ndarray:
        """See `Reader.num_bits`."""
        return self._reader.num_bits

    def read_interval(self, t: int) -> np.ndarray:
        """Reads an interval of table `t` from every row."""
        cdf, rows = self._cdfs[t], self._everyone
        position = self._reader.target(rows, PRECISION)
        interval = np.searchsorted(cdf, position, side="right") - 1
        self._reader.narrow(rows, cdf[interval], cdf[interval + 1], PRECISION)
        return interval

    def read_bit(self, rows: np.ndarray) -> np.ndarray:
        """Reads a bit from each of `rows`."""
        bit = self._reader.target(rows, 1)
        self._reader.narrow(rows, bit, bit + 1, 1)
        return bit


class _RangeRowReader:
    """As `_RangeReader`, for one payload, in plain Python integers."""

    def __init__(self, reader: RowReader, tables: Tables):
        self._reader = reader
        self._cdfs = tables.cdf_rows

    @property
    def num_bits(self) -> int:
        """See `Reader.num_bits`."""
        return self._reader.num_bits

    def read_interval(self, t: int) -> int:
        """Reads an interval of table `t`."""
        cdf = self._cdfs[t]
        interval = bisect.bisect_right(cdf, self._reader.target(PRECISION)) - 1
        self._reader.narrow(cdf[interval], cdf[interval + 1], PRECISION)
        return interval

    def read_bit(self) -> int:
        """Reads a bit."""
        bit = self._reader.target(1)
        self._reader.narrow(bit, bit + 1, 1)
        return bit
