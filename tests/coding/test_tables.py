"""Laws of the entropy tables: frequencies, fingerprints, refusals."""

from __future__ import annotations

import numpy as np
import pytest

from tfcsi.coding import rangecoder
from tfcsi.coding.tables import MAX_LEARNED, Tables


def test_from_pmf_gives_every_interval_a_frequency():
    rng = np.random.default_rng(8)
    for size in (0, 1, 5, 300, 5000, 65535):
        pmf = rng.dirichlet(np.full(size, 0.01)) if size else np.zeros(0)
        freqs = np.diff(Tables.from_pmf([pmf], 0).cdf[0])
        assert freqs.size == size + 1 and freqs.sum() == 1 << 16 and freqs.min() >= 1


def test_from_pmf_loses_little():
    rng = np.random.default_rng(9)
    for size in (2, 10, 100):
        pmf = rng.dirichlet(np.full(size, 0.3))
        q = np.diff(Tables.from_pmf([pmf], 0).cdf[0])[:-1] / 2**16
        used = pmf > 0
        assert (pmf[used] * np.log2(pmf[used] / q[used])).sum() < 0.003


def test_from_pmf_gives_the_missing_probability_to_the_escape():
    freqs = np.diff(Tables.from_pmf([[0.5, 0.25]], 0).cdf[0])
    np.testing.assert_array_equal(freqs, [32768, 16384, 16384])


def test_from_pmf_scales_what_exceeds_one_and_takes_all_zeros():
    freqs = np.diff(Tables.from_pmf([[3.0, 1.0]], 0).cdf[0])
    np.testing.assert_array_equal(freqs, [49151, 16384, 1])
    freqs = np.diff(Tables.from_pmf([np.r_[0.0, 0.0]], 0).cdf[0])
    np.testing.assert_array_equal(freqs, [1, 1, 65534])


def test_from_counts_covers_what_was_seen():
    rng = np.random.default_rng(10)
    symbols = np.rint(rng.laplace(size=(50, 8)) * 5).astype(np.int32)
    tables = Tables.from_counts(symbols)
    np.testing.assert_array_equal(tables.offset, symbols.min(0))
    np.testing.assert_array_equal(tables.length - 2, np.ptp(symbols, axis=0) + 1)
    one = Tables.from_counts(symbols, shared=True)
    assert one.cdf.shape[0] == 1 and one.length[0] - 2 == np.ptp(symbols) + 1
    pairs = Tables.from_counts(symbols, index=[0, 0, 1, 1, 2, 2, 3, 3])
    np.testing.assert_array_equal(pairs.offset, symbols.min(0).reshape(4, 2).min(1))


def test_from_counts_bounds_its_tables():
    symbols = np.append(np.arange(-9, 9), [10**9, -(10**9)])[:, None]
    tables = Tables.from_counts(symbols)
    assert tables.cdf.shape[1] <= MAX_LEARNED + 2
    payloads = rangecoder.encode(symbols, tables)
    np.testing.assert_array_equal(rangecoder.decode(payloads, tables), symbols)


def test_the_fingerprint_is_of_the_content():
    arrays = {
        "cdf": np.array([[0, 30000, 65536], [0, 65536, 65536]]),
        "length": np.array([3, 2]),
        "offset": np.array([-1, 0]),
        "index": np.array([0, 1, 0]),
        "coder": "range",
    }
    prints = {Tables(**arrays).fingerprint()}
    for name, value in (
        ("cdf", np.array([[0, 30001, 65536], [0, 65536, 65536]])),
        ("offset", np.array([-1, 1])),
        ("index", np.array([0, 1, 1])),
        ("coder", "huffman"),
    ):
        prints.add(Tables(**{**arrays, name: value}).fingerprint())
    assert len(prints) == 5
    arrays["cdf"] = np.pad(arrays["cdf"], ((0, 0), (0, 4)), constant_values=65536)
    assert Tables(**arrays).fingerprint() in prints  # Padding is no content.


def test_tables_are_frozen():
    tables = Tables.from_pmf([[0.5]], 0)
    with pytest.raises(ValueError, match="read-only"):
        tables.cdf[0, 1] = 3
    with pytest.raises(AttributeError):
        tables.coder = "huffman"


@pytest.mark.parametrize(
    "change, words",
    [
        ({"cdf": [0, 65536]}, "cdf must hold integers with 2 axes"),
        ({"cdf": [[0.0, 65536.0]]}, "cdf must hold integers"),
        ({"offset": [2**31]}, r"offset must be within \+-2\*\*30"),
        ({"offset": [0, 0]}, "1 tables, length 1, offset 2: they must agree"),
        ({"length": [4]}, r"length must be in 2..3"),
        ({"length": [1]}, r"length must be in 2..3"),
        ({"index": [1]}, r"index must be in 0..0"),
        ({"index": [-1]}, r"index must be in 0..0"),
        ({"cdf": [[1, 9, 65536]]}, "begin with 0 and end in"),
        ({"cdf": [[0, 9, 65535]]}, "begin with 0 and end in"),
        ({"length": [2]}, "begin with 0 and end in"),
        ({"cdf": [[0, 0, 65536]]}, "rise strictly"),
        ({"cdf": [[0, 65536, 65536]]}, "rise strictly"),
        ({"coder": "zip"}, "coder must be one of .* got 'zip'"),
    ],
)
def test_bad_tables_are_refused(change, words):
    good = {"cdf": [[0, 9, 65536]], "length": [3], "offset": [0], "index": [0]}
    Tables(**good)
    with pytest.raises(ValueError, match=words):
        Tables(**{**good, **change})


def test_bad_probabilities_are_refused():
    with pytest.raises(ValueError, match="must have 1 axis"):
        Tables.from_pmf([[[0.5]]], 0)
    with pytest.raises(ValueError, match="< 65536 symbols"):
        Tables.from_pmf([np.ones(65536)], 0)
    for bad in (-0.1, np.nan, np.inf):
        with pytest.raises(ValueError, match="finite and not negative"):
            Tables.from_pmf([[0.5, bad]], 0)
    with pytest.raises(ValueError, match="at least one table"):
        Tables.from_pmf([], 0)


def test_bad_training_symbols_are_refused():
    with pytest.raises(ValueError, match="at least one row"):
        Tables.from_counts(np.zeros((0, 3), int))
    with pytest.raises(ValueError, match="no position uses table 0"):
        Tables.from_counts(np.zeros((2, 2), int), index=[1, 1])


def test_missing_arrays_are_named():
    with pytest.raises(ValueError, match=r"tables lack \['cdf', 'coder'\]"):
        Tables.from_arrays({"length": [2], "offset": [0], "index": [0]})
