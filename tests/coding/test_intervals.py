"""Laws of the interval coder: an inverse, prefix-free ends, bounds, both readers."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tfcsi.coding import intervals
from tfcsi.coding.intervals import Reader, RowReader, encode_intervals


@st.composite
def parts(draw):
    """Rows (lower, upper, precision) of up to 12 parts, wide and narrow ones."""
    rows = []
    for _ in range(draw(st.integers(1, 4))):
        row = []
        for precision in draw(st.lists(st.integers(0, 24), max_size=12)):
            lower = draw(st.integers(0, (1 << precision) - 1))
            narrow, wide = st.just(lower + 1), st.integers(lower + 1, 1 << precision)
            row.append((lower, draw(narrow | wide), precision))
        rows.append(tuple(map(list, zip(*row))) if row else ([], [], []))
    return rows


def encode_all(rows):
    """Payloads of rows and their numbers of bits."""
    return zip(*(encode_intervals(*row) for row in rows))


def string(payload, num_bits):
    """The bits of a payload as a text of 0 and 1."""
    return "".join(f"{byte:08b}" for byte in payload)[:num_bits]


def read_row(payload, row):
    """Bits that a reader counts; it finds each of its parts on the way."""
    reader = RowReader(payload)
    for lower, upper, precision in zip(*row):
        assert lower <= reader.target(precision) < upper
        reader.narrow(lower, upper, precision)
    return reader.num_bits


@given(parts(), st.binary(max_size=4))
def test_both_readers_find_every_part_and_the_end_whatever_follows(rows, rest):
    payloads, num_bits = encode_all(rows)
    streams = []
    for payload, size in zip(payloads, num_bits):
        behind = int.from_bytes(rest[:1] or b"\0", "big") & (1 << -size % 8) - 1
        number = int.from_bytes(payload, "big") | behind
        streams.append(number.to_bytes(len(payload), "big") + rest)
    assert [read_row(*case) for case in zip(streams, rows)] == list(num_bits)
    reader = Reader(streams)
    for i in range(max(len(lower) for lower, _, _ in rows)):
        active = np.array([k for k, row in enumerate(rows) if len(row[0]) > i])
        lower, upper, precision = np.array([[p[i] for p in rows[k]] for k in active]).T
        position = reader.target(active, precision)
        assert ((lower <= position) & (position < upper)).all()
        reader.narrow(active, lower, upper, precision)
    assert reader.num_bits.tolist() == list(num_bits)


@given(parts())
def test_a_payload_takes_at_most_two_bits_more_than_its_parts(rows):
    for row, (payload, num_bits) in zip(rows, map(encode_intervals, *zip(*rows))):
        share, waste = Fraction(1), 0.0
        for lower, upper, precision in zip(*row):
            share *= Fraction(upper - lower, 1 << precision)
            waste += 2 * (1 << precision) / (upper - lower) / 2**27
        ideal = -np.log2(float(share)) if share else 0.0
        assert ideal - waste <= num_bits <= ideal + waste + 2
        assert len(payload) == -(-num_bits // 8)
        assert not string(payload, None)[num_bits:].strip("0")


def test_the_strings_of_an_alphabet_are_prefix_free_and_their_shares_sum_below_1():
    cuts = np.array([0, 1, 3, 100, 101, 200, 255, 256])
    shares = [(int(a), int(b)) for a, b in zip(cuts, cuts[1:])]
    rows = [(a, b) for a in shares for b in shares]
    strings = {
        string(*encode_intervals([a[0], b[0]], [a[1], b[1]], 8)) for a, b in rows
    }
    assert len(strings) == len(rows)
    assert not any(a != b and b.startswith(a) for a in strings for b in strings)
    assert sum(Fraction(1, 2 ** len(text)) for text in strings) <= 1


def test_no_shorter_string_lies_inside_the_interval():
    for lower in range(64):
        for upper in range(lower + 1, 65):
            payload, num_bits = encode_intervals([lower], [upper], 6)
            inside = [
                n
                for n in range(9)
                for block in range(1 << n)
                if lower << 8 <= block << 14 - n and block + 1 << 14 - n <= upper << 8
            ]
            assert num_bits == min(inside)


@given(parts(), st.data())
def test_another_end_of_the_same_parts_is_not_taken_for_that_of_the_encoder(rows, data):
    row = rows[0]
    payload, num_bits = encode_intervals(*row)
    number = int.from_bytes(payload, "big") >> -num_bits % 8
    other = number + data.draw(st.integers(1, 3))
    if other >> num_bits:
        return
    stream = (other << -num_bits % 8).to_bytes(len(payload), "big")
    reader, readers = RowReader(stream), Reader([stream])
    for lower, upper, precision in zip(*row):
        if not lower <= reader.target(precision) < upper:
            return  # These are other parts.
        reader.narrow(lower, upper, precision)
        readers.narrow(np.array([0]), *np.array([[lower], [upper], [precision]]))
    assert reader.num_bits == readers.num_bits == -1


@given(st.binary(max_size=30), st.lists(st.integers(0, 24), max_size=60))
def test_any_bytes_decode_to_something_far_behind_their_end_too(data, precisions):
    row, rows = RowReader(data), Reader([data])
    for precision in precisions:
        position = row.target(precision)
        assert 0 <= position < 1 << precision
        assert rows.target(np.array([0]), precision) == position
        row.narrow(position, position + 1, precision)
        rows.narrow(np.array([0]), np.array([position]), position + 1, precision)
    assert rows.num_bits == row.num_bits


def test_no_product_of_the_coder_needs_more_than_52_bits():
    assert intervals.WINDOW + intervals.MAX_PRECISION <= 52


def test_an_empty_part_is_refused():
    with pytest.raises(ValueError, match=r"part 1 is \[3, 3\): it is empty"):
        encode_intervals([0, 3, 1], [1, 3, 2], 8)
