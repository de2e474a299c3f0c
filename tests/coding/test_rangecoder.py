"""Laws of the entropy coders: inverses, bounds, golden payloads, refusals."""

from __future__ import annotations

import json
import os
import pathlib

import numpy as np
import pytest

from tfcsi.coding import rangecoder
from tfcsi.coding.rangecoder import PayloadError
from tfcsi.coding.tables import CODERS, Tables

GOLDEN = pathlib.Path(__file__).parents[1] / "golden" / "rangecoder.json"
coders = pytest.mark.parametrize("coder", CODERS)


@pytest.fixture(autouse=True, params=[0, 1000], ids=["lockstep", "rows"])
def few(request, monkeypatch):
    """Both ways to decode: NumPy over many rows, and plain Python row by row."""
    monkeypatch.setattr(rangecoder, "_FEW", request.param)


def random_tables(rng, latent, coder="range", num_tables=4):
    """Tables from smooth to nearly deterministic, some with no regular symbol."""
    pmf = [
        rng.dirichlet(np.full(rng.integers(1, 30), rng.choice([0.03, 0.3, 3])))[1:]
        for _ in range(num_tables)
    ]
    offset = rng.integers(-9, 9, num_tables)
    return Tables.from_pmf(pmf, offset, rng.integers(0, num_tables, latent), coder)


def laplacian(rng, n, latent, scale=1.5):
    """Symbols [n, latent], int32, of positions with different spreads."""
    spread = scale * np.exp(rng.uniform(-2, 2, latent))
    return np.rint(rng.laplace(size=(n, latent)) * spread).astype(np.int32)


def golden_cases():
    """The stored cases with their tables."""
    cases = json.loads(GOLDEN.read_text())
    for case in cases:
        length = [len(row) for row in case["cdf"]]
        cdf = np.full((len(length), max(length)), 1 << 16)
        for out, row in zip(cdf, case["cdf"]):
            out[: len(row)] = row
        index = np.array(case["index"])
        tables = Tables(cdf, length, case["offset"], index, case["coder"])
        yield case, tables, np.array(case["symbols"])


def generate_expected():
    """Writes the golden file anew; compare the difference before you keep it."""
    cases = []
    for case, tables, symbols in golden_cases():
        payloads = [p.hex() for p in rangecoder.encode(symbols, tables)]
        fingerprint = tables.fingerprint().hex()
        cases.append({**case, "payloads": payloads, "fingerprint": fingerprint})
    GOLDEN.write_text("[\n" + ",\n".join(map(json.dumps, cases)) + "\n]\n")


if os.environ.get("GENERATE_EXPECTED"):
    generate_expected()


@coders
@pytest.mark.parametrize("scale", [0, 1, 30, 1e6])
def test_decode_inverts_encode(coder, scale):
    rng = np.random.default_rng(0)
    for latent in (1, 2, 7, 60):
        tables = random_tables(rng, latent, coder)
        symbols = np.rint(rng.standard_normal((25, latent)) * scale).astype(np.int32)
        decoded = rangecoder.decode(rangecoder.encode(symbols, tables), tables)
        np.testing.assert_array_equal(decoded, symbols)
        assert decoded.dtype == np.int32


@coders
@pytest.mark.parametrize("scale", [0, 1, 30, 1e6])
def test_decode_bits_inverts_encode_bits_whatever_follows(coder, scale):
    rng = np.random.default_rng(0)
    for latent in (0, 1, 2, 7, 60):
        tables = random_tables(rng, latent, coder)
        symbols = np.rint(rng.standard_normal((25, latent)) * scale).astype(np.int32)
        payloads, num_bits = rangecoder.encode_bits(symbols, tables)
        assert [len(payload) for payload in payloads] == [-(-n // 8) for n in num_bits]
        ideal = rangecoder.code_bits(symbols, tables)
        assert (num_bits <= 1.001 * ideal + 2).all()
        if coder == "huffman":
            assert num_bits == ideal.tolist()
        streams = [p + rng.bytes(rng.integers(4)) for p in payloads]
        decoded, read = rangecoder.decode_bits(streams, tables)
        np.testing.assert_array_equal(decoded, symbols)
        assert decoded.dtype == np.int32 and read.tolist() == num_bits


@coders
def test_whatever_decodes_is_what_encode_bits_writes(coder):
    rng = np.random.default_rng(5)
    refused = 0
    for _ in range(300):
        tables = random_tables(rng, rng.integers(1, 40), coder)
        stream = rng.bytes(rng.integers(0, 60))
        try:
            decoded, num_bits = rangecoder.decode_bits([stream], tables)
        except PayloadError as error:
            refused += error.row == 0 and bool(error.reason)
        else:
            (payload,), sizes = rangecoder.encode_bits(decoded, tables)
            assert sizes == num_bits
            bits = "".join(f"{byte:08b}" for byte in stream).ljust(9999, "0")
            wrote = "".join(f"{byte:08b}" for byte in payload)
            assert bits[: sizes[0]] == wrote[: sizes[0]]
    assert refused > 10


@coders
def test_decode_inverts_encode_at_the_ends_of_int32(coder):
    for offset in (-(2**30), -1, 0, 2**30):
        for pmf in ([], [0.5], [0.2, 0.3, 0.4]):
            tables = Tables.from_pmf([pmf], [offset], [0, 0, 0], coder)
            symbols = np.array([[-(2**31), 2**31 - 1, offset], [0, -1, 1]])
            payloads = rangecoder.encode(symbols, tables)
            np.testing.assert_array_equal(rangecoder.decode(payloads, tables), symbols)


@coders
def test_an_empty_batch_gives_no_payloads(coder):
    tables = random_tables(np.random.default_rng(0), 5, coder)
    assert rangecoder.encode(np.zeros((0, 5), np.int32), tables) == []
    assert rangecoder.decode([], tables).shape == (0, 5)
    assert rangecoder.code_bits(np.zeros((0, 5), np.int32), tables).shape == (0,)


@coders
def test_a_row_codes_alike_alone_and_in_a_batch(coder, monkeypatch):
    rng = np.random.default_rng(1)
    tables, symbols = random_tables(rng, 20, coder), laplacian(rng, 30, 20, 9)
    payloads = rangecoder.encode(symbols, tables)
    alone = [rangecoder.encode(row[None], tables)[0] for row in symbols]
    monkeypatch.setattr(rangecoder, "_ROWS", 7)
    assert payloads == alone == rangecoder.encode(symbols, tables)
    np.testing.assert_array_equal(rangecoder.decode(payloads, tables), symbols)
    bits = rangecoder.code_bits(symbols, tables)
    monkeypatch.undo()
    np.testing.assert_array_equal(bits, rangecoder.code_bits(symbols, tables))


@coders
def test_a_certain_symbol_costs_next_to_nothing(coder):
    tables = Tables.from_pmf([[1.0]], 3, np.zeros(100, int), coder)
    symbols = np.full((2, 100), 3)
    payloads = rangecoder.encode(symbols, tables)
    assert max(map(len, payloads)) <= (13 if coder == "huffman" else 1)
    np.testing.assert_array_equal(rangecoder.decode(payloads, tables), symbols)


@pytest.mark.parametrize("coder, share", [("range", 0.005), ("huffman", 0.01)])
@pytest.mark.parametrize("scale, escapes", [(0.1, False), (2.0, False), (2.0, True)])
def test_payloads_are_hardly_longer_than_the_information(coder, share, scale, escapes):
    rng = np.random.default_rng(2)
    train, symbols = (
        laplacian(rng, 800, 128, scale)[:, None].repeat(2, 1).swapaxes(0, 1)
    )
    tables = Tables.from_counts(train[:400] // (4 if escapes else 1), coder)
    ideal = rangecoder.code_bits(symbols, tables)
    payloads = rangecoder.encode(symbols, tables)
    real = np.array([8 * len(payload) for payload in payloads])
    assert abs(real.mean() - ideal.mean()) <= share * ideal.mean() + 8
    assert (real <= ideal * (1 + share) + 16).all()


def test_the_ideal_bits_are_those_of_shannon():
    tables = Tables.from_pmf([[0.5, 0.25, 0.125]], 0, [0] * 3)
    symbols = np.array([[0, 1, 2], [0, 0, 4], [0, 0, -1]])
    escape = 3 + np.array([0, 2 * 2, 2 * 1])  # gamma 2 and 1 have 2 and 1 digits.
    np.testing.assert_allclose(
        rangecoder.code_bits(symbols, tables), [6, 2 + escape[1], 2 + escape[2]]
    )


def test_the_range_coder_is_within_a_percent_of_the_entropy():
    rng = np.random.default_rng(3)
    p = np.array([0.02, 0.9, 0.05, 0.03])
    symbols = rng.choice(4, (100, 1000), p=p)
    payloads = rangecoder.encode(symbols, Tables.from_pmf([p], 0, [0] * 1000))
    entropy = -(p * np.log2(p)).sum() * 1000
    assert 8 * np.mean([len(x) for x in payloads]) == pytest.approx(entropy, rel=0.02)


@pytest.mark.parametrize("case", range(len(list(golden_cases()))))
def test_symbols_code_to_the_golden_payloads(case):
    case, tables, symbols = list(golden_cases())[case]
    payloads = [bytes.fromhex(payload) for payload in case["payloads"]]
    assert rangecoder.encode(symbols, tables) == payloads
    np.testing.assert_array_equal(rangecoder.decode(payloads, tables), symbols)
    assert tables.fingerprint().hex() == case["fingerprint"]


def test_range_coded_payloads_are_those_of_tensorflow_compression():
    pytest.importorskip("tensorflow_compression")
    from tensorflow_compression.python.ops import gen_ops

    def reference(symbols, tables):
        lookup = np.pad(tables.cdf, ((0, 0), (1, 0)), constant_values=-16)
        values = (symbols - tables.offset[tables.index]).astype(np.int32)
        index = np.broadcast_to(tables.index, values.shape)
        handle = gen_ops.create_range_encoder([len(values)], lookup)
        handle = gen_ops.entropy_encode_index(handle, index, values)
        strings = gen_ops.entropy_encode_finalize(handle).numpy()
        return [bytes(string).rstrip(b"\0") for string in strings]

    rng = np.random.default_rng(4)
    cases = [(s, t) for _, t, s in golden_cases() if t.coder == "range"]
    for latent in (1, 3, 30, 100):
        for scale in (1, 10, 1e6):
            symbols = np.rint(rng.standard_normal((50, latent)) * scale)
            cases.append((symbols.astype(np.int32), random_tables(rng, latent)))
    for symbols, tables in cases:
        symbols = symbols[np.abs(symbols).max(axis=1) < 2**29]  # Its numbers are int32.
        assert rangecoder.encode(symbols, tables) == reference(symbols, tables)


@coders
def test_whatever_decodes_is_what_the_encoder_writes(coder):
    rng = np.random.default_rng(5)
    refused = 0
    for _ in range(300):
        tables = random_tables(rng, rng.integers(1, 40), coder)
        payload = rng.bytes(rng.integers(0, 60))
        try:
            decoded = rangecoder.decode([payload], tables)
        except PayloadError as error:
            refused += error.row == 0 and bool(error.reason)
        else:
            assert rangecoder.encode(decoded, tables) == [payload]
    assert refused > 100


@coders
def test_truncated_and_extended_payloads_are_refused_or_other_symbols(coder):
    rng = np.random.default_rng(6)
    tables = Tables.from_counts(laplacian(rng, 100, 50), coder)
    symbols = laplacian(rng, 20, 50)
    for row, payload in zip(symbols, rangecoder.encode(symbols, tables)):
        for other in (payload[:-1], payload[: len(payload) // 2], b""):
            try:
                assert (rangecoder.decode([other], tables)[0] != row).any()
            except PayloadError:
                pass
        for more in (payload + b"\0", payload + b"\0\0\0", payload + b"junk junk"):
            with pytest.raises(PayloadError, match="would not have written"):
                rangecoder.decode([more], tables)


@coders
def test_a_refusal_names_the_row(coder, monkeypatch):
    tables = random_tables(np.random.default_rng(7), 5, coder)
    good = rangecoder.encode(np.zeros((8, 5), int), tables)
    monkeypatch.setattr(rangecoder, "_ROWS", 3)
    with pytest.raises(PayloadError, match="payload 5: the encoder would not") as error:
        rangecoder.decode([*good[:5], good[5] + b"\0", *good[6:]], tables)
    assert error.value.row == 5
    with pytest.raises(PayloadError, match="payload 7: 999 bytes, these .* at most 64"):
        rangecoder.decode([*good[:7], b"x" * 999], tables)


@coders
def test_a_number_beyond_32_bits_is_refused(coder):
    tables = Tables.from_pmf([[]], 0, [0, 0], coder)  # Each symbol is an escape.
    for zeros in (4, 5, 6, 7):  # Bytes of zeros: gamma of 33 and more digits.
        with pytest.raises(PayloadError, match="does not fit 32 bits"):
            rangecoder.decode([b"\0" * zeros + b"\x80"], tables)
    with pytest.raises(PayloadError, match="does not fit 32 bits"):
        rangecoder.decode([b""], tables)
    with pytest.raises(PayloadError, match="does not fit 32 bits"):  # gamma = 2^32 - 1
        rangecoder.decode([b"\0\0\0\1" + b"\xff" * 4], tables)


@pytest.mark.parametrize("function", [rangecoder.encode, rangecoder.code_bits])
def test_bad_symbols_are_refused(function):
    tables = Tables.from_pmf([[0.5]] * 3, 0)
    with pytest.raises(ValueError, match=r"symbols must be \[n, 3\], got \[3\]"):
        function(np.zeros(3, int), tables)
    with pytest.raises(ValueError, match=r"symbols must be \[n, 3\], got \[1, 4\]"):
        function(np.zeros((1, 4), int), tables)
    with pytest.raises(ValueError, match="symbols must be integers, got float64"):
        function(np.zeros((1, 3)), tables)
    with pytest.raises(ValueError, match="symbols must fit int32"):
        function(np.full((1, 3), 2**31), tables)
