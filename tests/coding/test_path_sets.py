"""Several sets of path tables in a codec: a packet names the set of its list."""

from __future__ import annotations

import numpy as np
import pytest

import tfcsi
from tfcsi.channels import cost2100
from tfcsi.codecs.paths import Paths
from tfcsi.coding.contexts import SYMBOLS
from tfcsi.coding.intervals import Reader
from tfcsi.coding.packets import PacketError, unpack
from tfcsi.coding.path_coder import read_symbol
from tfcsi.coding.path_sets import MAX_SETS, PathTableSets, tables_of
from tfcsi.ue import PathUe

PLACES = ("indoor", "outdoor")
SHARES = np.array([3, 1]) << SYMBOLS - 2  # Labels of 0.4 and of 2 bits.


@pytest.fixture(scope="module")
def own():
    """The codec of each place."""
    return [tfcsi.load(f"paths_cost2100_{place}") for place in PLACES]


@pytest.fixture(scope="module")
def codec(own):
    sets = PathTableSets([one.tables for one in own], SHARES)
    return Paths(own[0].atoms, sets, own[0].step)


@pytest.fixture(scope="module")
def matrices():
    """Complex64 [24, 32, 32]: 12 indoor, 12 outdoor."""
    return np.concatenate([cost2100.simulate(12, 3, place) for place in PLACES])


@pytest.fixture(scope="module")
def packets(codec, matrices):
    return codec.compress(matrices)


def labels(codec, packets):
    payloads = unpack(packets, codec.session)
    ends = codec.tables.label_ends[None]
    return read_symbol(Reader(payloads), np.arange(len(payloads)), ends)


def test_a_packet_names_the_set_of_the_place_of_its_matrix(codec, packets):
    right = labels(codec, packets) == np.repeat([0, 1], 12)
    assert right.mean() > 0.9


def test_a_list_costs_its_label_and_what_its_set_takes(codec, own, packets):
    steps, norms, lists = codec.receive_lists(packets)
    bits = codec.coder.parts(steps, norms, lists).bits().sum(axis=1)
    alone = [one.coder.parts(steps, norms, lists).bits().sum(axis=1) for one in own]
    label = SYMBOLS - np.log2(SHARES)
    expected = np.minimum(alone[0] + label[0], alone[1] + label[1])
    np.testing.assert_allclose(bits, expected, atol=1e-6)


def test_batches_single_packets_and_the_phone_agree(codec, matrices, packets, tmp_path):
    together = codec.receive_lists(packets)[2]
    for row, packet in enumerate(packets):
        alone = codec.receive_lists([packet])[2]
        one, all_ = alone.paths[:, 0], together.paths[:, row]
        np.testing.assert_array_equal(one, all_[:, : one.shape[1]])
        assert not all_[:, one.shape[1] :].any()
    codec.save_ue(tmp_path / "tables.npz")
    ue = PathUe(tmp_path / "tables.npz")
    assert [ue.encode(h) for h in matrices[::8]] == packets[::8]


def test_the_codec_is_saved_loaded_and_resized(codec, matrices, packets, tmp_path):
    codec.save(tmp_path / "run")
    again = tfcsi.load(tmp_path / "run")
    assert again.session == codec.session
    assert again.compress(matrices) == packets
    smaller = codec.resized((16, 24), 257, "angular_delay")
    h = np.ascontiguousarray(matrices[:, :16, :24])
    assert smaller.decompress(smaller.compress(h)).shape == h.shape


def test_a_codec_of_one_set_refuses_the_packets_and_so_does_another_order(
    codec, own, packets
):
    sets = PathTableSets(codec.tables.sets[::-1], SHARES)
    for other in (own[0], Paths(codec.atoms, sets, codec.step)):
        with pytest.raises(PacketError):
            other.decompress(packets[:1])


@pytest.mark.parametrize(
    "labels",
    [[1 << 15, 1 << 14], [1 << 16, 0], [1 << 16], [1 << 12] * 16, [0.5, 0.5]],
    ids=str,
)
def test_labels_that_are_not_sound_are_refused(codec, labels):
    assert len(labels) <= 2 or len(labels) > MAX_SETS
    arrays = {**codec.tables.arrays(), "labels": np.array(labels)}
    if arrays["labels"].dtype.kind == "i":
        arrays["labels"] = arrays["labels"].astype(np.uint32)
    with pytest.raises(ValueError, match="labels"):
        tables_of(arrays, codec.atoms.angle, codec.atoms.delay)


def test_a_missing_set_is_told(codec):
    arrays = codec.tables.arrays()
    del arrays["1/norms"]
    with pytest.raises(KeyError, match="norms"):
        tables_of(arrays, codec.atoms.angle, codec.atoms.delay)
