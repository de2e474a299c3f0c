"""Our coders against `constriction`, an entropy coder of other hands.

Both code the same symbols with the same frequencies. Our payloads end in whole bytes,
those of constriction in whole words of 32 bits.
"""

from __future__ import annotations

import numpy as np
import pytest

from tfcsi.coding import rangecoder
from tfcsi.coding.tables import Tables, number_bits

constriction = pytest.importorskip(
    "constriction", reason="constriction has no wheel for this machine"
)
CODERS = {
    "range": constriction.stream.queue.RangeEncoder,
    "ans": constriction.stream.stack.AnsCoder,
}
WORD = 32  # Bits; either coder of constriction ends in whole words.


def case(seed, n=20, latent=200, num_tables=5, escapes=False):
    """Tables from peaky to flat and symbols [n, latent] that follow them."""
    rng = np.random.default_rng(seed)
    sizes = rng.integers(2, 40, num_tables)
    shapes = rng.choice([0.1, 0.5, 3.0], num_tables)
    pmf = [rng.dirichlet(np.full(size, shape)) for size, shape in zip(sizes, shapes)]
    offset = rng.integers(-9, 9, num_tables)
    index = rng.integers(0, num_tables, latent)
    tables = Tables.from_pmf(pmf, offset, index)
    symbols = [rng.choice(sizes[t], n, p=pmf[t]) + offset[t] for t in index]
    symbols = np.stack(symbols, 1)
    if escapes:
        rare = rng.random(symbols.shape) < 0.02
        symbols[rare] += rng.integers(-1000, 1000, rare.sum())
    return tables, symbols.astype(np.int32)


def steps(row, tables):
    """What is coded of one row, in turn: pairs of an interval and frequencies."""
    intervals, numbers = (a[0] for a in tables.intervals(row[None].astype(np.int64)))
    for t, interval, number in zip(tables.index, intervals, numbers):
        yield interval, np.diff(tables.cdf[t, : tables.length[t]])
        for k in reversed(range(int(number_bits(np.array([number]))[0]))):
            yield int(number) >> k & 1, np.array([1, 1])


def constriction_bits(row, tables, coder):
    """Bits that constriction takes for a row, which it must also read back."""
    sent = [(i, freqs / freqs.sum()) for i, freqs in steps(row, tables)]
    models = [
        constriction.stream.model.Categorical(p.astype(np.float32), perfect=False)
        for _, p in sent
    ]
    encoder = CODERS[coder]()
    pairs = list(zip(sent, models))
    if coder == "range":
        for (interval, _), model in pairs:
            encoder.encode(int(interval), model)
        decoder = encoder.get_decoder()
    else:  # A stack: what goes in last comes out first.
        for (interval, _), model in reversed(pairs):
            encoder.encode_reverse(int(interval), model)
        decoder = constriction.stream.stack.AnsCoder(encoder.get_compressed())
    size = WORD * len(encoder.get_compressed())
    assert [decoder.decode(model) for model in models] == [int(i) for i, _ in sent]
    return size


@pytest.mark.parametrize("escapes", [False, True])
@pytest.mark.parametrize("coder", CODERS)
def test_a_payload_is_as_long_as_that_of_constriction(coder, escapes):
    tables, symbols = case(seed=1, escapes=escapes)
    ours = 8 * np.array([len(p) for p in rangecoder.encode(symbols, tables)])
    ideal = rangecoder.code_bits(symbols, tables)
    theirs = np.array([constriction_bits(row, tables, coder) for row in symbols])
    # Each is within its rounding, and the end of its last byte or words, of the ideal.
    assert (ours >= ideal - 8).all() and (ours <= 1.002 * ideal + 16).all()
    assert (theirs >= ideal - 8).all() and (theirs <= 1.002 * ideal + 2 * WORD).all()
    assert (np.abs(ours - theirs) <= 0.002 * ideal + 2 * WORD).all()
    assert ours.mean() <= theirs.mean()


def test_the_ideal_length_is_the_information_of_the_frequencies():
    tables, symbols = case(seed=2, n=5, escapes=True)
    expected = [
        sum(-np.log2(freqs[i] / freqs.sum()) for i, freqs in steps(row, tables))
        for row in symbols
    ]
    np.testing.assert_allclose(rangecoder.code_bits(symbols, tables), expected)


def test_a_huffman_payload_is_as_long_as_that_of_the_huffman_code_of_constriction():
    tables, symbols = case(seed=3)
    tables = Tables(tables.cdf, tables.length, tables.offset, tables.index, "huffman")
    huffman = constriction.symbol.huffman
    books = [
        huffman.EncoderHuffmanTree(np.diff(row[:size]).astype(np.float32))
        for row, size in zip(tables.cdf, tables.length)
    ]
    for row, payload in zip(symbols, rangecoder.encode(symbols, tables)):
        encoder = constriction.symbol.QueueEncoder()
        for interval, t in zip(row - tables.offset[tables.index], tables.index):
            encoder.encode_symbol(int(interval), books[t])
        _, num_bits = encoder.get_compressed()
        assert rangecoder.code_bits(row[None], tables) == num_bits
        assert 8 * len(payload) <= num_bits + 7
