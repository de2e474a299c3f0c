"""The parts of a packet: they fill it, and say what the coder put there."""

from __future__ import annotations

import numpy as np
import pytest

import tfcsi
from tfcsi.channels import cost2100
from tfcsi.codecs.dft_grid import DftGrid
from tfcsi.codecs.klt import Klt
from tfcsi.codecs.topk import TopK
from tfcsi.coding.packets import CRC_BITS, PacketError
from tfcsi.evaluation import packet_parts
from tfcsi.evaluation.packet_parts import (
    ANGLE,
    CHECK,
    DELAY,
    GAIN,
    OTHER,
    PLACES,
    REST,
    VALUES,
    ZERO,
)
from tfcsi.transforms import to_peak

KINDS = {
    "paths": lambda h: tfcsi.load("paths"),
    "paths_cost2100_indoor": lambda h: tfcsi.load("paths_cost2100_indoor"),
    "klt": lambda h: Klt.fit(h, 0.1),
    "topk": lambda h: TopK(h.shape[1:], 5, 4, 10.0),
    "dft_grid": lambda h: DftGrid.fit(h, 0.3),
}


@pytest.fixture(scope="module")
def matrices():
    return cost2100.simulate(12, 3, "indoor")


def corner(h):
    """Small matrices, for which a KLT is fitted soon; max |h| = 0.5."""
    return to_peak(h[:, :8, :8])[0]


@pytest.fixture(scope="module", params=KINDS)
def written(request, matrices):
    """A codec, its packets and their parts."""
    if request.param == "klt":
        matrices = corner(matrices)
    codec = KINDS[request.param](matrices)
    packets = codec.compress(matrices)
    return codec, packets, packet_parts.parts(codec, packets)


def test_the_parts_fill_each_packet(written):
    _, packets, parts = written
    assert len(parts) == len(packets)
    for packet, own in zip(packets, parts):
        assert sum(part.bits for part in own) == pytest.approx(8 * len(packet))
        assert own[0] == (CHECK, CRC_BITS)
        assert all(part.bits > 0 for part in own)
        assert all(one.kind != two.kind for one, two in zip(own, own[1:]))


def test_what_is_left_at_the_end_is_less_than_two_bytes(written):
    _, _, parts = written
    assert all(part.bits < 16 for own in parts for part in own if part.kind == REST)


def test_the_mean_bits_add_up_to_the_mean_packet(written):
    _, packets, parts = written
    mean = packet_parts.mean_bits(parts)
    assert sum(mean.values()) == pytest.approx(8 * np.mean([len(p) for p in packets]))
    assert list(mean) == [kind for kind in packet_parts.KINDS if kind in mean]


def test_each_path_has_a_gain_a_delay_and_an_angle(matrices):
    codec = tfcsi.load("paths_cost2100_indoor")
    packets = codec.compress(matrices)
    counts = codec.receive_lists(packets)[2].count
    for own, count in zip(packet_parts.parts(codec, packets), counts):
        kinds = [part.kind for part in own]
        for kind in (GAIN, DELAY, ANGLE):
            assert kinds.count(kind) == count


def test_the_symbols_of_a_klt_have_the_bits_of_its_tables(matrices):
    h = corner(matrices)
    codec = Klt.fit(h, 0.1)
    symbols, _ = codec.symbols(h)
    own = packet_parts.parts(codec, codec.compress(h))
    sizes = [sum(p.bits for p in one if p.kind in (ZERO, OTHER)) for one in own]
    np.testing.assert_allclose(sizes, codec.bits_estimated(symbols))


def test_top_k_has_places_and_values(matrices):
    codec = TopK((32, 32), 5, 4, 10.0)
    (own, *_) = packet_parts.parts(codec, codec.compress(matrices))
    assert dict(own) == {CHECK: 11, PLACES: 44, VALUES: 40, REST: 1}


def test_a_network_has_side_information_only_if_it_sends_some(codec, h):
    own = packet_parts.parts(codec, codec.compress(h[:3]))
    kinds = {part.kind for one in own for part in one}
    assert {CHECK, OTHER} <= kinds <= {CHECK, ZERO, OTHER, REST}


def test_a_damaged_packet_is_refused(matrices):
    codec = tfcsi.load("paths")
    packets = codec.compress(matrices[:2])
    packets[1] = bytes([packets[1][0] ^ 1]) + packets[1][1:]
    with pytest.raises(PacketError, match="packet 1"):
        packet_parts.parts(codec, packets)


def test_no_packets_have_no_parts():
    assert packet_parts.parts(tfcsi.load("paths"), []) == []
