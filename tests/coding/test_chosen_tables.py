"""Symbols with chosen tables: any symbol comes back, and each has one form alone."""

from __future__ import annotations

import numpy as np
import pytest

from tfcsi.coding import chosen_tables
from tfcsi.coding.intervals import Reader, encode_intervals
from tfcsi.coding.tables import PRECISION

SYMBOLS = np.array([0, 1, -1, 2, -2, 3, 9, -77, 1 << 12, -(1 << 17), 1 << 18])


@pytest.fixture(scope="module")
def tables():
    symbols = np.repeat([0, 1, -1, 2, -2], 40)
    return chosen_tables.symmetric(symbols, np.arange(200) % 3, 3)


def read(payload, count, chosen, tables):
    reader = Reader([payload])
    rows = np.zeros(1, np.int64)
    out = [
        chosen_tables.read(reader, rows, chosen[i : i + 1], tables)[0]
        for i in range(count)
    ]
    return np.array(out), int(reader.num_bits[0])


def test_symbols_of_any_size_come_back(tables):
    chosen = np.arange(SYMBOLS.size) % 3
    lower, upper = chosen_tables.parts(SYMBOLS, chosen, tables)
    payload, size = encode_intervals(lower, upper, PRECISION)
    symbols, num_bits = read(payload, SYMBOLS.size, chosen, tables)
    np.testing.assert_array_equal(symbols, SYMBOLS)
    assert num_bits == size
    expected = chosen_tables.bits(SYMBOLS, chosen, tables).sum()
    assert expected - 1 <= size <= expected + 3


@pytest.mark.parametrize("zeros", [0, 1, 18, 19, 20, 21, 30, 39, 40, 60])
@pytest.mark.parametrize("after", ["1" * 60, "10" * 30])
def test_a_number_that_is_longer_than_any_is_refused(tables, zeros, after):
    """Its end was read as another symbol before, of a payload that nobody writes."""
    bits = [int(bit) for bit in "0" * zeros + after]
    bits = bits[: 2 * zeros + 2] if zeros < 20 else bits
    cdf = tables.cdf_rows[0]
    lower, upper = (
        [at, *(bit + k << PRECISION - 1 for bit in bits)]
        for k, at in enumerate(cdf[-2:])
    )
    payload, size = encode_intervals(lower, upper, PRECISION)
    _, num_bits = read(payload, 1, np.zeros(1, np.int64), tables)
    assert (num_bits == size) == (zeros < 20)
    assert num_bits in (-1, size)
