"""Symbols with tables that are chosen by what was coded before, symbol by symbol.

`tfcsi.coding.rangecoder` gives each position one table. Here the codec says for each
symbol which row of `Tables` it is coded with. A symbol outside its table is an escape
and a number, as in `tfcsi.coding.tables`.
"""

from __future__ import annotations

import numpy as np

from tfcsi.coding.intervals import Reader
from tfcsi.coding.scales import warn_of_scale
from tfcsi.coding.tables import PRECISION, Tables, number_bits

_MOST_BITS = 40  # Of a number behind an escape.
LARGEST = 1 << 18  # Magnitude of a symbol that an escape has room for.


def symmetric(symbols: np.ndarray, chosen: np.ndarray, num_tables: int) -> Tables:
    """Counts symbols that have either sign with equal probability.

    Args:
      symbols: [k], int, training symbols.
      chosen: [k], int, the table of each.
      num_tables: Number of tables; one without symbols has 0 and the escape alone.

    Returns:
      Tables with offsets -m, where m is the largest magnitude that was seen.
    """
    pmf, offset = [], []
    magnitude = np.minimum(np.abs(symbols), 1000)
    for t in range(num_tables):
        counts = np.bincount(magnitude[chosen == t], minlength=1) + 0.25
        sides = counts[1:] / 2
        row = np.concatenate([sides[::-1], counts[:1], sides])
        pmf.append(row / (row.sum() + 0.25))
        offset.append(1 - len(counts))
    return Tables.from_pmf(pmf, offset)


def bits(symbols: np.ndarray, chosen: np.ndarray, tables: Tables) -> np.ndarray:
    """Returns the ideal size of each symbol [k] with its table [k], in bits."""
    interval, number = _intervals(symbols, chosen, tables)
    return tables.interval_bits[chosen, interval] + number_bits(number)


def warn_of_norms(norm: np.ndarray, norms: Tables, stacklevel: int) -> None:
    """Warns of norms [n], int, that cost many bits more than those of the training.

    Args:
      norm: int [n].
      norms: Tables of one table, that of the norm.
      stacklevel: As of `scales.warn_of_scale`.
    """
    each = bits(norm, np.zeros(len(norm), np.int64), norms)
    law = np.diff(norms.cdf[0, : norms.length[0]])
    warn_of_scale(each, law, stacklevel + 1)


def parts(
    symbols: np.ndarray, chosen: np.ndarray, tables: Tables
) -> tuple[list[int], list[int]]:
    """The parts [lower, upper) of 2**16 that stand for symbols, for `encode_intervals`.

    Args:
      symbols: [k], int64.
      chosen: [k], int64, the table of each.
      tables: Tables.

    Returns:
      lower and upper, Python integers; more than k if there are escapes.
    """
    interval, number = _intervals(symbols, chosen, tables)
    lower = tables.cdf[chosen, interval].tolist()
    upper = tables.cdf[chosen, interval + 1].tolist()
    count = number_bits(number)
    for i in np.flatnonzero(count)[::-1].tolist():
        digits = [int(digit) for digit in f"{number[i]:0{count[i]}b}"]
        lower[i + 1 : i + 1] = [d << PRECISION - 1 for d in digits]
        upper[i + 1 : i + 1] = [d + 1 << PRECISION - 1 for d in digits]
    return lower, upper


def read(
    reader: Reader, rows: np.ndarray, chosen: np.ndarray, tables: Tables
) -> np.ndarray:
    """Reads a symbol of each of some rows; any bits decode to something.

    Rows with a number that has more than `_MOST_BITS` are refused, see `Reader.refuse`.

    Args:
      reader: At that symbol.
      rows: [k], int64, positions of payloads.
      chosen: [k], int64, the table of each.
      tables: Tables.

    Returns:
      symbols [k], int64.
    """
    position = reader.target(rows, PRECISION)
    cdf = tables.cdf.astype(np.int64)
    interval = (cdf[chosen, 1:] <= position[:, None]).sum(axis=1)
    reader.narrow(rows, cdf[chosen, interval], cdf[chosen, interval + 1], PRECISION)
    regular = tables.length[chosen] - 2
    number = np.zeros(len(rows), np.int64)
    active = np.flatnonzero(interval == regular)
    zeros = np.zeros(len(rows), np.int64)
    for step in range(1, _MOST_BITS + 1):
        if not active.size:
            break
        bit = reader.target(rows[active], 1)
        reader.narrow(rows[active], bit, bit + 1, 1)
        number[active] = 2 * number[active] + bit
        zeros[active] += number[active] == 0
        active = active[step < 2 * zeros[active] + 2]
    reader.refuse(rows[active])
    gamma = number >> 1
    escaped = np.where(number & 1, -gamma, regular + gamma - 1)
    return tables.offset[chosen] + np.where(number > 0, escaped, interval)


def _intervals(
    symbols: np.ndarray, chosen: np.ndarray, tables: Tables
) -> tuple[np.ndarray, np.ndarray]:
    """As `Tables.intervals`, with the table of each symbol."""
    regular = tables.length[chosen] - 2
    interval = symbols - tables.offset[chosen]
    below, above = interval < 0, interval >= regular
    gamma = np.where(below, -interval, np.where(above, interval - regular + 1, 0))
    return np.where(gamma > 0, regular, interval), 2 * gamma + below
