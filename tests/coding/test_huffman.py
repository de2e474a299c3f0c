"""Laws of Huffman codes: known examples, optimal lengths, prefixes, refusals."""

from __future__ import annotations

import heapq

import numpy as np
import pytest

from tfcsi.coding import huffman
from tfcsi.coding.tables import Tables


@pytest.mark.parametrize(
    "freqs, lengths",
    [
        ([5], [0]),
        ([1, 1], [1, 1]),
        ([45, 13, 12, 16, 9, 5], [1, 3, 3, 3, 4, 4]),  # Cormen et al., section 16.3.
        ([1, 1, 2, 3, 5, 8], [5, 5, 4, 3, 2, 1]),  # Fibonacci numbers.
        ([1, 1, 1, 1], [2, 2, 2, 2]),
        ([0, 0, 1], [2, 2, 1]),
    ],
)
def test_huffman_lengths_of_known_examples(freqs, lengths):
    np.testing.assert_array_equal(huffman.huffman_lengths(np.array(freqs)), lengths)


def test_huffman_lengths_are_optimal_and_fill_the_tree():
    rng = np.random.default_rng(12)
    for size in (2, 3, 17, 200):
        freqs = np.ceil(rng.pareto(0.5, size) + 1).astype(np.int64)
        lengths = huffman.huffman_lengths(freqs)
        assert (2.0**-lengths).sum() == 1  # Kraft.
        heap, cost = sorted(freqs.tolist()), 0  # The cost is the sum of all merges.
        while len(heap) > 1:
            merged = heapq.heappop(heap) + heapq.heappop(heap)
            heapq.heappush(heap, merged)
            cost += merged
        assert (freqs * lengths).sum() == cost


def test_huffman_codes_of_tables_are_prefix_free_and_short():
    fibonacci = [1, 1]
    while sum(fibonacci) < 2**16:
        fibonacci.append(fibonacci[-1] + fibonacci[-2])
    tables = Tables.from_pmf([np.array(fibonacci[:-1], float)], 0, None, "huffman")
    lengths, codes = (row[0] for row in tables.huffman_codes[:2])
    assert lengths.max() <= 23
    words = sorted(f"{c:032b}"[:n] for c, n in zip(codes.tolist(), lengths.tolist()))
    assert not any(b.startswith(a) for a, b in zip(words, words[1:]))


def test_bad_weights_are_refused():
    for bad in (np.zeros(0, int), np.ones((2, 2), int), np.ones(2)):
        with pytest.raises(ValueError, match="vector of at least one integer"):
            huffman.huffman_lengths(bad)
    with pytest.raises(ValueError, match="must not be negative"):
        huffman.huffman_lengths(np.array([1, -1]))
