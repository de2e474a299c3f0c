"""Huffman coder: optimal prefix codes of integer frequencies, to bits and back.

The codes are canonical: the frequencies alone fix every code word, on every machine.
The symbols of this module are the intervals of `tfcsi.coding.tables`.
`tfcsi.coding.rangecoder` makes payloads of the bit strings of this module, and
`docs/bitstream.md` describes every bit.

The lengths of the codes are those of D. A. Huffman, "A method for the construction of
minimum-redundancy codes" (1952).
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from tfcsi.coding.intervals import Bits, RowBits


class Codes(NamedTuple):
    """Canonical Huffman codes of some tables.

    Attributes:
      lengths: [num_tables, max_symbols], int64, bits of each code, 0 for padding.
      words: [num_tables, max_symbols], int64, codes left-justified in 32 bits.
      orders: for each table [num_symbols], int64, its symbols in order of code.
      starts: for each table [num_symbols], int64, their codes, rising.
    """

    lengths: np.ndarray
    words: np.ndarray
    orders: list[np.ndarray]
    starts: list[np.ndarray]


def canonical_codes(freqs: np.ndarray, sizes: np.ndarray) -> Codes:
    """Makes canonical codes, ordered by length and then by symbol.

    Args:
      freqs: [num_tables, max_symbols], int, weights >= 0. Each row sums to 2**16.
      sizes: [num_tables], int, number of symbols of each table. Entries beyond are
        padding.

    Returns:
      Codes.
    """
    lengths = np.zeros(freqs.shape, np.int64)
    words, orders, starts = np.zeros_like(lengths), [], []
    for t, size in enumerate(sizes):
        row = huffman_lengths(freqs[t, :size])
        order = np.argsort(row, kind="stable")
        start = np.cumsum(1 << (32 - row[order])) - (1 << (32 - row[order]))
        lengths[t, :size], words[t, order] = row, start
        orders.append(order)
        starts.append(start)
    return Codes(lengths, words, orders, starts)


def huffman_lengths(freqs: np.ndarray) -> np.ndarray:
    """Returns the lengths of an optimal prefix code.

    Among equal weights, symbols are merged before merged nodes, the lower symbol first
    and the older node first. So all machines get the same lengths.

    Args:
      freqs: [num_symbols], int, weights >= 0, num_symbols >= 1.

    Returns:
      [num_symbols], int64, lengths in bits. A lone symbol has length 0. Weights that
      sum to 2**16 have lengths of at most 23.

    Raises:
      ValueError: If `freqs` is empty, negative or not a vector of integers.
    """
    freqs = np.asarray(freqs)
    if freqs.ndim != 1 or not freqs.size or freqs.dtype.kind not in "iu":
        raise ValueError("freqs must be a vector of at least one integer")
    if freqs.min() < 0:
        raise ValueError("freqs must not be negative")
    size = freqs.size
    heap = [(freq, node) for node, freq in enumerate(freqs.tolist())]
    heapq.heapify(heap)
    parent = [0] * (2 * size - 1)
    for node in range(size, 2 * size - 1):
        (a, left), (b, right) = heapq.heappop(heap), heapq.heappop(heap)
        parent[left] = parent[right] = node
        heapq.heappush(heap, (a + b, node))
    depth = [0] * (2 * size - 1)
    for node in reversed(range(2 * size - 2)):
        depth[node] = depth[parent[node]] + 1
    return np.array(depth[:size], np.int64)


def encode(
    length: np.ndarray, word: np.ndarray, number: np.ndarray, number_bits: np.ndarray
) -> list[tuple[bytes, int]]:
    """Joins codes, and the numbers that follow escapes, into strings of bits.

    Args:
      length: [n, latent], int64, bits of the code at each position, at most 32.
      word: [n, latent], int64, the codes, left-justified in 32 bits.
      number: [n, latent], int64, number that follows the code.
      number_bits: [n, latent], int, bits of that number, at most 64. 0 if no number
        follows.

    Returns:
      n strings, padded with zeros to a whole byte, and their numbers of bits.
    """
    total = length + number_bits
    num_words = -(-total.sum(axis=1).max() // 32) + 1
    start = np.cumsum(total, axis=1) - total
    start += np.arange(len(length))[:, None] * num_words * 32
    # Fields of at most 32 bits, left-justified: the codes, then both halves of each
    # number.
    escaped = number_bits > 0
    bits, value = number_bits[escaped], number[escaped]
    upper = np.maximum(bits - 32, 0)
    after = start[escaped] + length[escaped]
    field = np.concatenate(
        [
            word.ravel(),
            (value >> (bits - upper)) << (32 - upper),
            (value << (32 - (bits - upper))) & 0xFFFFFFFF,
        ]
    )
    place = np.concatenate([start.ravel(), after, after + upper])
    at, shift = place >> 5, place & 31
    num_words = int(num_words) * len(length)
    # Fields do not overlap, so their sums stay below 2**32 and are exact in float64.
    words = np.bincount(at, field >> shift, num_words)
    words += np.bincount(at + 1, (field << (32 - shift)) & 0xFFFFFFFF, num_words)
    words = words.astype(">u4").reshape(len(length), -1)
    sizes = total.sum(axis=1).tolist()
    return [(row.tobytes()[: -(-n // 8)], n) for row, n in zip(words, sizes)]


class Reader:
    """Reads a batch of bit strings; any bytes decode to something."""

    def __init__(self, payloads: Sequence[bytes], codes: Codes):
        """Starts at the first bit of each string.

        Args:
          payloads: n bytes objects, the strings. Zeros are read past their end.
          codes: Codes that they were encoded with.
        """
        self.codes = codes
        self._bits = Bits(payloads)
        self.num_bits = np.zeros(len(payloads), np.int64)  # Read so far, of each row.
        self._everyone = np.arange(len(payloads))

    def read_interval(self, t: int) -> np.ndarray:
        """Reads a code of table `t` from every row; returns symbols [n], int64."""
        word = self._bits.get(self._everyone, self.num_bits, 32)
        rank = np.searchsorted(self.codes.starts[t], word, side="right") - 1
        interval = self.codes.orders[t][rank]
        self.num_bits += self.codes.lengths[t, interval]
        return interval

    def read_bit(self, rows: np.ndarray) -> np.ndarray:
        """Reads a bit from each of `rows` [k], int64; returns bits [k], int64."""
        bit = self._bits.get(rows, self.num_bits[rows], 1)
        self.num_bits[rows] += 1
        return bit


class RowReader:
    """As `Reader`, for one bit string."""

    def __init__(self, payload: bytes, codes: Codes):
        """See `Reader`."""
        self.codes = codes
        self._bits = RowBits(payload)
        self.num_bits = 0

    def read_interval(self, t: int) -> int:
        """Reads a code of table `t`; returns its symbol."""
        word = self._bits.get(self.num_bits, 32)
        rank = int(np.searchsorted(self.codes.starts[t], word, side="right")) - 1
        interval = int(self.codes.orders[t][rank])
        self.num_bits += int(self.codes.lengths[t, interval])
        return interval

    def read_bit(self) -> int:
        """Reads a bit."""
        bit = self._bits.get(self.num_bits, 1)
        self.num_bits += 1
        return bit
