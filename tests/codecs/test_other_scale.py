"""Codecs with a table of norms tell when matrices have another scale than training."""

from __future__ import annotations

import pathlib
import warnings

import numpy as np
import pytest

import tfcsi
from tests.codecs.learned_weights import arrays
from tfcsi.channels import cost2100
from tfcsi.codecs import streams
from tfcsi.codecs.dft_grid import DftGrid
from tfcsi.codecs.learned import Learned
from tfcsi.coding import chosen_tables
from tfcsi.coding.scales import OtherScale
from tfcsi.coding.token_sending import norms_of
from tfcsi.matrices import Matrices

ZOO = pathlib.Path(__file__).parents[2] / "zoo"


def learned(path, h):
    np.savez(path, **arrays())
    return Learned.trained(path, h, rate=1)


@pytest.fixture(scope="module")
def matrices(draw_csi):
    """Complex64 [40, 8, 8]."""
    return draw_csi(40, (8, 8))


@pytest.fixture(scope="module", params=["learned", "dft_grid", "paths"])
def codec_and_h(request, matrices, tmp_path_factory):
    """A codec, and matrices of its training or as of its training."""
    if request.param == "paths":
        return tfcsi.load("paths_cost2100_indoor"), cost2100.simulate(8, 5, "indoor")
    if request.param == "dft_grid":
        return DftGrid.fit(matrices, 0.25), matrices
    path = tmp_path_factory.mktemp("weights") / "weights.npz"
    return learned(path, matrices), matrices


def test_another_scale_is_told_and_that_of_the_training_is_not(codec_and_h):
    codec, h = codec_and_h
    with warnings.catch_warnings():
        warnings.simplefilter("error", OtherScale)
        codec.compress(h)
        codec.compress(1000 * h[:7])  # Too few to tell.
    text = f"norms of {len(h)} .* scale h as for the"
    with pytest.warns(OtherScale, match=text) as told:
        packets = codec.compress(1000 * h)
    assert told[0].filename == __file__
    assert told[0].message.bits > told[0].message.usual + 4
    assert np.isfinite(codec.decompress(packets)).all()


def test_what_is_told_are_bits_of_packets(matrices, tmp_path):
    codec = learned(tmp_path / "weights.npz", matrices)
    with pytest.warns(OtherScale) as told:
        more = codec.compress(2.0**10 * matrices)  # The same symbols, other norms.
    excess = 8 * np.mean([len(p) for p in more])
    excess -= 8 * np.mean([len(p) for p in codec.compress(matrices)])
    norm = norms_of(matrices)
    usual = chosen_tables.bits(norm, np.zeros(len(norm), int), codec.norms).mean()
    assert abs(told[0].message.bits - usual - excess) < 2


def test_norms_that_are_counted_anew_cost_what_they_did(matrices, tmp_path):
    codec = learned(tmp_path / "weights.npz", matrices)
    h = 2.0**10 * matrices
    again = codec.counted(h)
    assert again.session.fingerprint != codec.session.fingerprint
    assert again.config == codec.config
    with warnings.catch_warnings():
        warnings.simplefilter("error", OtherScale)
        packets = again.compress(h)
    old = codec.compress(matrices)
    assert [len(packet) for packet in packets] == [len(packet) for packet in old]
    h_hat = 2.0**10 * codec.decompress(old)
    np.testing.assert_array_equal(again.decompress(packets), h_hat)


def test_a_stream_tells_once_of_all_its_blocks(matrices, tmp_path):
    codec = DftGrid.fit(matrices, 0.25)
    file = tmp_path / "h.tcsi"
    h = Matrices.of(np.tile(1000 * matrices, (60, 1, 1)))
    sent = streams.compress(codec, h, file, None, print)
    assert sent.scaled.num == sent.num == 2400
    assert "the norms of 2400 matrices take" in str(sent.scaled)


@pytest.mark.parametrize("workdir", sorted(ZOO.glob("learned_*")), ids=lambda p: p.name)
def test_norms_of_the_trained_codecs_are_those_of_a_peak_of_a_half(workdir):
    """A matrix of one path on the grid has the least norm, 0.5 or 2^(-8/8)."""
    least = int(tfcsi.load(workdir).norms.offset[0])
    assert -8 <= least <= -4
