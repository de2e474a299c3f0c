"""Laws of the Gaussian mixture beside the contract of codecs (test_contract)."""

from __future__ import annotations

import numpy as np
import pytest

from tfcsi import metrics, transforms
from tfcsi.codecs.gaussian_mixture import GaussianMixture, fit_scales
from tfcsi.coding import chosen_tables
from tfcsi.coding.intervals import Reader, encode_intervals
from tfcsi.coding.packets import CRC_BITS
from tfcsi.coding.tables import PRECISION


def nmse(codec, h):
    return metrics.nmse(h, codec.decompress(codec.compress(h))).mean()


def test_symbols_with_chosen_tables_and_escapes_arrive():
    rng = np.random.default_rng(1)
    chosen = rng.integers(0, 3, (40, 30))
    symbols = np.rint(rng.laplace(0, 3.0**chosen)).astype(np.int64)
    tables = chosen_tables.symmetric(symbols[:20].ravel(), chosen[:20].ravel(), 3)
    symbols[25, 3], symbols[26, 29] = 70000, -40000
    payloads, sizes = zip(
        *(
            encode_intervals(*chosen_tables.parts(s, t, tables), PRECISION)
            for s, t in zip(symbols, chosen)
        )
    )
    reader, rows = Reader(payloads), np.arange(40)
    for i in range(30):
        received = chosen_tables.read(reader, rows, chosen[:, i], tables)
        np.testing.assert_array_equal(received, symbols[:, i])
    np.testing.assert_array_equal(reader.num_bits, sizes)
    ideal = [chosen_tables.bits(s, t, tables).sum() for s, t in zip(symbols, chosen)]
    surplus = np.array(sizes) - ideal
    assert surplus.min() > -0.1 and surplus.max() < 3


def test_two_clusters_are_told_apart_and_cost_fewer_bits_than_one_gaussian():
    rng = np.random.default_rng(2)
    h = np.zeros((800, 4, 8), np.complex64)
    white = rng.standard_normal((800, 4, 4, 2)) @ [1, 1j]
    h[::2, :, :4], h[1::2, :, 4:] = white[::2], white[1::2]
    bits = []
    for components in (1, 2):
        scales = fit_scales(h, components)
        codec = GaussianMixture.at_step(h, scales, -8, "angular_delay")
        label, _ = codec.quantize(h)
        assert len({*label[::2].tolist(), *label[1::2].tolist()}) == components
        bits.append(codec.mean_bits(h))
    assert bits[1] < 0.95 * bits[0]


def test_the_mean_packet_keeps_to_the_bits_and_more_bits_are_better(h):
    errors = []
    for bits in (80, 160, 320):
        codec = GaussianMixture.at_bits(h[:300], bits)
        ideal = codec.mean_bits(h[:300])
        packets = codec.compress(h[:300])
        mean = 8 * np.mean([len(packet) for packet in packets])
        assert CRC_BITS < ideal <= 1.05 * bits and 0 < mean - ideal < 8
        errors.append(nmse(codec, h[300:]))
    assert errors == sorted(errors, reverse=True) and errors[-1] < 0.05


def test_both_domains_code_the_same_channels_alike(h):
    h_sf = transforms.to_space_frequency(h, h.shape[2])
    one = GaussianMixture.at_bits(h[:300], 150)
    two = GaussianMixture.at_bits(h_sf[:300], 150, domain="space_frequency")
    assert two.domain == "space_frequency"
    assert nmse(two, h_sf[300:]) == pytest.approx(nmse(one, h[300:]), rel=0.02)


def test_bits_without_room_are_refused(h):
    with pytest.raises(ValueError, match="no room"):
        GaussianMixture.at_bits(h[:300], 3)
    for bits in (0, float("nan"), float("inf")):
        with pytest.raises(ValueError, match=f"bits must be positive .* got {bits}"):
            GaussianMixture.at_bits(h[:300], bits)


def test_what_would_saturate_is_refused(h):
    codec = GaussianMixture.at_bits(h[:300], 150)
    with pytest.raises(ValueError, match="too many steps of .*to_peak"):
        codec.compress(1e9 * h[300:])


def test_the_mixture_of_louder_matrices_is_as_good(h):
    codec = GaussianMixture.at_bits(h[:300], 150)
    louder = GaussianMixture.at_bits(2**20 * h[:300], 150)
    assert louder.step == codec.step + 80
    assert nmse(louder, 2**20 * h[300:]) == pytest.approx(
        nmse(codec, h[300:]), rel=0.02
    )
