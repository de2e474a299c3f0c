"""Inverses of the codecs without a network, for any CSI that hypothesis thinks of."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import tfcsi
from tfcsi.codecs.klt import Klt
from tfcsi.codecs.topk import TopK
from tfcsi.transforms import PEAK

SIDE = st.integers(1, 4)
# Zero, or normal numbers of float32 in any unit below: codecs refuse weaker matrices.
REALS = st.floats(-0.34375, 0.34375, width=32).map(
    lambda x: x if abs(x) >= 2.0**-100 else 0.0
)
SOURCES = st.dictionaries(st.sampled_from(["dataset", "scenario"]), st.text())


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder that all examples share."""
    return tmp_path_factory.mktemp("codecs")


def csi(n, shape):
    """A strategy of complex64 [n, *shape] whose largest modulus is at most 0.5."""
    reals = hnp.arrays(np.float32, (n, *shape, 2), elements=REALS)
    return reals.map(lambda x: x.view(np.complex64)[..., 0])


def _peaked(h):
    """Scales each matrix to max |h| = 0.5; zeros stay zeros."""
    peak = np.abs(h.astype(np.complex128)).max((1, 2), keepdims=True, initial=0)
    return (h * (PEAK / np.where(peak > 0, peak, 1))).astype(np.complex64)


@st.composite
def klt_and_csi(draw):
    """A Klt that fits few matrices of one unit, and other matrices of it."""
    shape = draw(st.tuples(SIDE, SIDE))
    unit = np.float32(2.0 ** draw(st.integers(-20, 18)))
    h_train = unit * draw(csi(draw(st.integers(1, 8)), shape))
    codec = Klt.fit(h_train, unit * draw(st.floats(1e-3, 1)))
    codec.config.update(draw(SOURCES))
    return codec, unit * _peaked(draw(csi(draw(st.integers(0, 4)), shape)))


@st.composite
def topk_and_csi(draw):
    """A TopK and matrices of its shape."""
    shape = draw(st.tuples(SIDE, SIDE))
    k = draw(st.integers(1, shape[0] * shape[1]))
    mu = draw(st.just(0) | st.floats(0.01, 1000))
    codec = TopK(shape, k, draw(st.integers(1, 16)), mu)
    codec.config.update(draw(SOURCES))
    return codec, _peaked(draw(csi(draw(st.integers(0, 4)), shape)))


@given(case=klt_and_csi() | topk_and_csi())
def test_a_codec_that_was_saved_and_loaded_is_the_same(folder, case):
    codec, h = case
    codec.save(folder)
    again = tfcsi.load(folder)
    assert type(again) is type(codec)
    assert again.session == codec.session
    assert again.describe() == codec.describe()
    packets = codec.compress(h)
    assert again.compress(h) == packets
    h_hat = codec.decompress(packets)
    assert h_hat.shape == h.shape and h_hat.dtype == np.complex64
    np.testing.assert_array_equal(again.decompress(packets), h_hat)


@given(klt_and_csi())
def test_the_symbols_of_a_klt_arrive_whatever_the_unit_of_the_csi(case):
    codec, h = case
    symbols, side = codec.symbols(h)
    received, nothing = codec.receive(codec.compress(h))
    np.testing.assert_array_equal(received, symbols)
    assert side.shape == nothing.shape == (len(h), 0)


@given(klt_and_csi(), st.integers(-20, 18))
def test_a_klt_codes_another_unit_or_says_which_matrix_is_too_weak(case, exponent):
    codec, h = case
    h = h * np.float32(2.0**exponent)
    try:
        symbols, _ = codec.symbols(h)
    except ValueError as error:
        energy = (np.abs(h).astype(float) ** 2).sum((1, 2))
        weak = int(re.match(r"h\[(\d)\] has .* dB below", str(error))[1])
        assert 0 < energy[weak] < codec.weakest / 99
        codec.weakest = 0.0
        assert not codec.symbols(h)[0][weak].any()
    else:
        np.testing.assert_array_equal(codec.receive(codec.compress(h))[0], symbols)


@given(topk_and_csi())
def test_top_k_keeps_the_strongest_entries_to_a_level_of_its_quantiser(case):
    codec, h = case
    packets = codec.compress(h)
    assert {len(packet) for packet in packets} <= {codec.num_bytes}
    h_hat = codec.decompress(packets)
    for sent, got in zip(map(np.ravel, h), map(np.ravel, h_hat)):
        kept = got != 0
        assert kept.sum() == codec.k
        assert np.abs(sent[kept]).min() >= np.abs(sent[~kept]).max(initial=0)
        apart = _companded(sent[kept], codec.mu) - _companded(got[kept], codec.mu)
        half = 0.5**codec.value_bits + 1e-5
        assert max(np.abs(apart.real).max(), np.abs(apart.imag).max()) <= half


def _companded(x, mu):
    """The mu-law of re and im, -1 ... 1, of numbers whose re and im reach PEAK."""

    def law(real):
        real = real.astype(float) / PEAK
        return (
            np.sign(real) * np.log1p(mu * np.abs(real)) / np.log1p(mu) if mu else real
        )

    return law(x.real) + 1j * law(x.imag)
