"""Inverses of the room for any input that hypothesis thinks of.

Tables, symbols and payloads are drawn over all that their descriptions allow: tables of
one interval, frequencies of 1, symbols at the ends of int32, empty batches.
"""

from __future__ import annotations

import functools
import io
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tfcsi import transforms
from tfcsi.coding import (
    crc,
    grids,
    huffman,
    packet_file,
    packets,
    rangecoder,
    sending,
    tables,
)
from tfcsi.coding.tables import CODERS, Tables

INT32 = st.integers(-(2**31), 2**31 - 1)
PAYLOADS = st.lists(st.binary(max_size=60), max_size=6)


@st.composite
def any_tables(draw):
    """Tables of 1 to 4 rows and 0 to 12 positions, padded or not."""
    cuts = st.sets(st.integers(1, 2**16 - 1), max_size=12).map(sorted)
    rows = [[0, *cut] for cut in draw(st.lists(cuts, min_size=1, max_size=4))]
    length = [len(row) + 1 for row in rows]
    width = max(length) + draw(st.integers(0, 3))
    cdf = [row + [2**16] * (width - len(row)) for row in rows]
    near, far = st.integers(-20, 20), st.integers(-(2**30), 2**30)
    offset = draw(st.lists(near | far, min_size=len(rows), max_size=len(rows)))
    index = draw(st.lists(st.integers(0, len(rows) - 1), max_size=12))
    index = np.array(index, np.int32)
    return Tables(np.array(cdf), length, offset, index, draw(st.sampled_from(CODERS)))


@st.composite
def tables_and_symbols(draw):
    """Tables and int32 [n, latent]: most symbols near their table, some anywhere."""
    drawn = draw(any_tables())
    near = [st.integers(int(start) - 5, int(start) + 20) for start in drawn.offset]
    row = st.tuples(*(near[t] | INT32 for t in drawn.index))
    rows = draw(st.lists(row, max_size=4))
    symbols = np.array(rows, np.int64).reshape(len(rows), drawn.index.size)
    return drawn, symbols.astype(np.int32)


@given(tables_and_symbols())
def test_decode_inverts_encode_for_any_tables_and_symbols(case):
    drawn, symbols = case
    payloads = rangecoder.encode(symbols, drawn)
    decoded = rangecoder.decode(payloads, drawn)
    np.testing.assert_array_equal(decoded, symbols)
    assert decoded.dtype == np.int32 and len(payloads) == len(symbols)
    assert not any(payload.endswith(b"\0") for payload in payloads)


@given(any_tables(), PAYLOADS)
def test_any_bytes_are_refused_or_are_what_the_encoder_writes(drawn, payloads):
    try:
        symbols = rangecoder.decode(payloads, drawn)
    except rangecoder.PayloadError as error:
        assert 0 <= error.row < len(payloads)
    else:
        assert rangecoder.encode(symbols, drawn) == payloads


@given(tables_and_symbols())
def test_symbols_inverts_intervals(case):
    drawn, symbols = case
    interval, number = drawn.intervals(symbols.astype(np.int64))
    assert ((interval >= 0) & (interval <= drawn.length[drawn.index] - 2)).all()
    np.testing.assert_array_equal(drawn.symbols(interval, number), symbols)


@given(hnp.arrays(np.int64, st.integers(1, 8), elements=st.integers(0, 2**34)))
def test_a_number_has_the_bits_of_its_elias_gamma_code_and_sign(number):
    expected = [2 * (int(n).bit_length() - 1) if n else 0 for n in number]
    np.testing.assert_array_equal(tables.number_bits(number), expected)


@given(any_tables())
def test_tables_come_back_whole_from_their_arrays(drawn):
    stored = io.BytesIO()
    np.savez(stored, **drawn.arrays())
    stored.seek(0)
    again = Tables.from_arrays(dict(np.load(stored, allow_pickle=False)))
    for name, array in drawn.arrays().items():
        np.testing.assert_array_equal(again.arrays()[name], array)
    assert again.fingerprint() == drawn.fingerprint()


@given(any_tables(), any_tables())
def test_fingerprints_are_equal_just_where_the_contents_are(one, two):
    def content(drawn):
        rows = [row[:size].tolist() for row, size in zip(drawn.cdf, drawn.length)]
        return rows, drawn.offset.tolist(), drawn.index.tolist(), drawn.coder

    same = content(one) == content(two)
    assert (one.fingerprint() == two.fingerprint()) == same
    wide = np.pad(one.cdf, ((0, 0), (0, 2)), constant_values=2**16)
    padded = Tables(wide, one.length, one.offset, one.index, one.coder)
    assert padded.fingerprint() == one.fingerprint()


@given(
    hnp.arrays(np.float64, st.integers(0, 40), elements=st.floats(0, 1e6)),
    st.integers(-(2**30), 2**30),
)
def test_any_weights_make_tables_in_which_every_interval_has_a_frequency(pmf, offset):
    drawn = Tables.from_pmf([pmf], offset)
    freqs = np.diff(drawn.cdf[0])
    assert freqs.sum() == 2**16 and freqs.min() >= 1 and freqs.size == pmf.size + 1
    if pmf.sum() <= 1 - 1e-9 and (pmf >= 2**-16).all():
        # What is above the least frequency is off by its rounding and by what the
        # raised ones took.
        np.testing.assert_allclose(freqs[:-1] / 2**16, pmf, atol=2**-16 * 2, rtol=2e-4)


@given(
    hnp.arrays(
        np.int32,
        st.tuples(st.integers(1, 6), st.integers(1, 6)),
        elements=st.integers(-9, 9) | st.integers(-(2**30), 2**30),
    ),
    st.sampled_from(CODERS),
    st.booleans(),
)
def test_tables_of_any_counts_code_what_they_were_learned_from(symbols, coder, shared):
    learned = Tables.from_counts(symbols, coder, shared)
    payloads = rangecoder.encode(symbols, learned)
    np.testing.assert_array_equal(rangecoder.decode(payloads, learned), symbols)


@given(st.lists(st.integers(0, 2**16), min_size=1, max_size=40).map(np.array))
def test_huffman_codes_fill_the_tree_and_are_within_a_bit_of_the_entropy(freqs):
    lengths = huffman.huffman_lengths(freqs)
    assert math.fsum(2.0**-lengths) == 1  # Kraft.
    heavier = freqs[:, None] > freqs
    assert (lengths[:, None] <= lengths)[heavier].all()
    if total := freqs.sum():
        p = freqs[freqs > 0] / total
        entropy = -(p * np.log2(p)).sum()
        assert entropy - 1e-9 <= (freqs * lengths).sum() / total <= entropy + 1


@given(any_tables())
def test_no_huffman_code_begins_another(drawn):
    codes = huffman.canonical_codes(np.diff(drawn.cdf), drawn.length - 1)
    for t, size in enumerate(drawn.length - 1):
        pairs = zip(codes.words[t, :size].tolist(), codes.lengths[t, :size].tolist())
        words = sorted(f"{word:032b}"[:bits] for word, bits in pairs)
        assert not any(b.startswith(a) for a, b in zip(words, words[1:]))


SESSIONS = st.builds(
    packets.Session,
    st.text(max_size=60),
    st.integers(0, 2**16 - 1),
    st.integers(0, 2**16 - 1),
    st.binary(min_size=8, max_size=8),
    st.sampled_from(packets.VERSIONS),
)


@given(SESSIONS, st.binary(max_size=20))
def test_a_session_comes_back_from_its_header_whatever_follows(session, rest):
    header = session.to_bytes()
    assert packets.Session.from_bytes(header + rest) == (session, len(header))


@given(SESSIONS, PAYLOADS)
def test_unpack_and_split_invert_pack(session, payloads):
    packed = packets.pack(payloads, session)
    assert packets.sound(packed, session).all()
    unpacked = packets.unpack(packed, session)
    if session.version == 1:
        assert unpacked == payloads
        assert packets.split(b"".join(packed), session) == packed
    else:
        packets.check_ends(unpacked, [8 * len(payload) for payload in payloads])
        assert unpacked == [payload + b"\0" for payload in payloads]


@given(SESSIONS, st.binary(max_size=200), st.data())
def test_a_packet_with_one_wrong_bit_is_refused(session, payload, data):
    (packet,) = packets.pack([payload], session)
    bit = data.draw(st.integers(0, 8 * len(packet) - 1))
    damaged = bytearray(packet)
    damaged[bit // 8] ^= 1 << bit % 8
    with pytest.raises(packets.PacketError):
        packets.unpack([bytes(damaged)], session)


@given(PAYLOADS)
def test_the_check_is_the_remainder_of_a_long_division(messages):
    def remainder(message):
        number = int.from_bytes(message, "big") << crc.CRC_BITS
        divisor = 1 << crc.CRC_BITS | crc.CRC_POLYNOMIAL
        while number.bit_length() > crc.CRC_BITS:
            number ^= divisor << number.bit_length() - divisor.bit_length()
        return number

    expected = [remainder(message) for message in messages]
    assert crc.crc11(messages).tolist() == expected


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder that all examples share."""
    return tmp_path_factory.mktemp("packets")


@given(session=SESSIONS, payloads=PAYLOADS)
def test_a_file_of_packets_reads_back_as_it_was_written(folder, session, payloads):
    packed = packets.pack(payloads, session)
    packet_file.write_file(folder / "sent.bin", session, packed)
    assert packet_file.read_file(folder / "sent.bin") == (session, packed)


FLOATS = functools.partial(st.floats, width=32)
ROWS = st.tuples(st.integers(0, 4), st.integers(1, 8))


@given(
    hnp.arrays(np.float32, ROWS, elements=FLOATS(allow_nan=False, allow_infinity=False))
)
def test_the_float_grid_gives_every_number_back(y):
    grid = grids.FloatGrid(y.shape[1])
    y_hat = grid.dequantize(*grid.quantize(y))
    assert y_hat.dtype == np.float32 and y_hat.tobytes() == y.tobytes()


@given(
    hnp.arrays(np.int32, ROWS, elements=st.integers(-(2**22), 2**22)),
    st.floats(2**-20, 2**20),
)
def test_points_of_the_uniform_grid_are_symbols_again(symbols, step):
    grid = grids.UniformGrid(np.full(symbols.shape[1], step))
    again, side = grid.quantize(grid.dequantize(symbols, np.zeros((len(symbols), 0))))
    np.testing.assert_array_equal(again, symbols)
    assert again.dtype == np.int32 and side.shape == (len(symbols), 0)


@given(
    hnp.arrays(np.float32, ROWS, elements=FLOATS(-1000, 1000)),
    st.integers(1, 12),
    st.floats(0.1, 1000),
)
def test_the_mu_law_grid_is_within_half_a_level_of_what_it_takes(y, bits, mu):
    grid = grids.MuLawGrid(y.shape[1], bits, mu)
    symbols, side = grid.quantize(y)
    assert ((symbols >= 0) & (symbols < 2**bits)).all()
    y_hat = grid.dequantize(symbols, side)
    low, high = side.view(np.float16).astype(np.float32).T[..., None]

    def level(values):
        s = np.clip(2.0 * (values - low) / (high - low) - 1, -1, 1)
        s = np.sign(s) * np.log1p(mu * np.abs(s)) / np.log1p(mu)
        return (s + 1) * (2**bits - 1) / 2

    # float32 rounds low + ... to a part of 2^24 of the largest, at most mu levels wide.
    apart = np.abs(level(y) - level(y_hat))
    assert (apart <= 0.5 + 2**bits * (mu + 2) * 2**-12).all()


@pytest.mark.parametrize("name", sorted(grids.GRIDS))
@given(data=st.data())
def test_a_grid_comes_back_from_its_arrays(name, data):
    latent = data.draw(st.integers(1, 8))
    rate = data.draw(st.integers(0, 4))
    rates, steps = (
        hnp.arrays(np.float32, shape, elements=FLOATS(2**-20, 2**20))
        for shape in ((rate + 2, latent), latent)
    )
    grid = {
        "uniform": lambda: grids.UniformGrid(data.draw(steps)),
        "mulaw": lambda: grids.MuLawGrid(
            latent, data.draw(st.integers(1, 12)), data.draw(st.floats(0.1, 1000))
        ),
        "float": lambda: grids.FloatGrid(latent),
        "uniform_rates": lambda: grids.RatesGrid(data.draw(rates), rate),
    }[name]()
    again = grids.from_arrays(name, grid.arrays())
    assert type(again) is type(grid) and again.arrays().keys() == grid.arrays().keys()
    for key, array in grid.arrays().items():
        np.testing.assert_array_equal(again.arrays()[key], array)


@given(hnp.arrays(np.uint16, st.integers(1, 9), elements=st.integers(256, 64768)))
def test_a_gain_word_is_itself_again(words):
    h_peak = transforms.PEAK * sending.word_to_gain(words).astype(np.float64)
    np.testing.assert_array_equal(sending.gain_to_word(h_peak), words)


@given(
    hnp.arrays(
        np.float32, st.integers(1, 9), elements=st.floats(2**-126, 2**125, width=32)
    )
)
def test_a_gain_is_sent_to_a_512th_of_an_octave(h_peak):
    gain = sending.word_to_gain(sending.gain_to_word(h_peak))
    octaves = np.log2(h_peak.astype(np.float64) / (transforms.PEAK * gain))
    assert (np.abs(octaves) <= 1 / 512 + 1e-6).all()
