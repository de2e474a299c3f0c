"""Tables of either kind behind one face: one row a position, or rows that are picked.

`Tables` give each position one row (`tfcsi.coding.tables`), `NetworkTables` let integer
networks pick it (`tfcsi.coding.network_tables`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Union

import numpy as np

from tfcsi.coding import rangecoder
from tfcsi.coding.network_tables import KIND, NetworkTables
from tfcsi.coding.rangecoder import PayloadError
from tfcsi.coding.tables import Tables, number_bits

AnyTables = Union[Tables, NetworkTables]


def encode_bits(
    symbols: np.ndarray, tables: AnyTables
) -> tuple[list[bytes], list[int]]:
    """Codes symbols; arguments, results and errors as `rangecoder.encode_bits`."""
    if isinstance(tables, NetworkTables):
        return tables.encode_bits(symbols)
    return rangecoder.encode_bits(symbols, tables)


def decode_bits(
    payloads: Sequence[bytes], tables: AnyTables
) -> tuple[np.ndarray, np.ndarray]:
    """Decodes symbols; arguments, results and errors as `rangecoder.decode_bits`."""
    if not isinstance(tables, NetworkTables):
        return rangecoder.decode_bits(payloads, tables)
    symbols, num_bits = tables.decode_bits(payloads)
    if (num_bits < 0).any():
        reason = "the encoder would not have written these bytes"
        raise PayloadError(int(np.argmin(num_bits)), reason)
    return symbols, num_bits


def code_bits(symbols: np.ndarray, tables: AnyTables) -> np.ndarray:
    """Returns the ideal size of each row, float64 [n]; as `rangecoder.code_bits`."""
    if isinstance(tables, NetworkTables):
        return sum(bits.sum(axis=1) for bits in tables.symbol_bits(symbols))
    return rangecoder.code_bits(symbols, tables)


def symbol_bits(
    symbols: np.ndarray, tables: AnyTables
) -> tuple[np.ndarray, np.ndarray]:
    """Returns the ideal sizes of what is sent before the symbols, and of each symbol.

    Args:
      symbols: [n, latent], int32.
      tables: Their tables.

    Returns:
      float64 [n, hyper], of hyper-latents, and float64 [n, latent].
    """
    if isinstance(tables, NetworkTables):
        return tables.symbol_bits(symbols)
    interval, number = tables.intervals(symbols.astype(np.int64))
    bits = tables.interval_bits[tables.index, interval] + number_bits(number)
    return np.zeros((len(symbols), 0)), bits


def from_arrays(arrays: Mapping[str, np.ndarray]) -> AnyTables:
    """Makes tables of what their `arrays` returned; a ValueError if they do not fit."""
    kind = str(arrays.get("kind", ""))
    if kind not in ("", KIND):
        raise ValueError(f"tables are of kind {kind!r}, which this tfcsi does not know")
    made = NetworkTables if kind else Tables
    return made.from_arrays(arrays)
