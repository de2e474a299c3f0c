"""Laws of the classical codecs: inverses, rates, theory, refusals."""

from __future__ import annotations

import json
import math
import os
import pathlib

import numpy as np
import pytest

import tfcsi
from tfcsi import metrics
from tfcsi.codecs import classical, klt, topk
from tfcsi.codecs.gaussian_mixture import GaussianMixture
from tfcsi.codecs.klt import Klt
from tfcsi.codecs.topk import TopK
from tfcsi.coding import rangecoder
from tfcsi.coding.packets import CRC_BITS, PacketError, pack, unpack
from tfcsi.coding.tables import Tables

FOLDER = pathlib.Path(__file__).parents[1] / "golden"
GOLDEN = {1: FOLDER / "topk.json", 2: FOLDER / "topk_2.json"}  # By version.
SHAPE = (4, 6)


def channels(n=400, seed=0, shape=SHAPE):
    """Correlated circular Gaussian matrices, decaying over the delay, peak 0.5."""
    rng = np.random.default_rng(seed)
    mix = np.random.default_rng(99).standard_normal((2, shape[0], shape[0]))
    h = rng.standard_normal((2, n, *shape)) * np.exp(-np.arange(shape[1]))
    h = np.einsum("ij,njk->nik", mix[0] + 1j * mix[1], h[0] + 1j * h[1])
    return (0.5 * h / np.abs(h).max((1, 2), keepdims=True)).astype(np.complex64)


def mean_bits(packets):
    """Mean of 8 len(packet) [bits]."""
    return 8 * np.mean([len(packet) for packet in packets])


def mean_nmse(codec, h):
    """Mean NMSE, linear, through real packets."""
    return metrics.nmse(h, codec.decompress(codec.compress(h))).mean()


def codecs():
    """One of each."""
    return [Klt.fit(channels(), 0.05), TopK(SHAPE, 5, 6, 10.0)]


@pytest.mark.parametrize("codec", codecs(), ids=lambda codec: codec.name)
class TestBoth:
    """What both do besides the contract of codecs (test_contract)."""

    def test_decompress_gives_matrices_close_to_the_sent_ones(self, codec):
        h = channels(50, 1)
        h_hat = codec.decompress(codec.compress(h))
        assert h_hat.shape == h.shape and h_hat.dtype == np.complex64
        assert metrics.nmse(h, h_hat).mean() < 0.2

    def test_packets_unpack_with_the_session_of_their_codec(self, codec):
        packets = codec.compress(channels(5, 1))
        assert unpack(packets, codec.session)
        assert codec.session.codec == codec.name
        assert (codec.session.num_tx, codec.session.num_delay) == codec.shape == SHAPE

    def test_bad_matrices_are_refused(self, codec):
        with pytest.raises(ValueError, match=r"complex64 \[4, 6\]; this codec takes"):
            codec.compress(channels(1)[0])
        with pytest.raises(
            ValueError, match=r"complex64 \[1, 6, 4\]; this codec takes"
        ):
            codec.compress(channels(1).swapaxes(1, 2))
        with pytest.raises(ValueError, match="h holds NaN or infinity"):
            codec.compress(channels(1) * np.nan)


def test_the_klt_without_quantisation_is_unitary():
    h = channels(50, 1)
    basis, z = klt._klt(h)
    np.testing.assert_allclose(basis @ basis.conj().T, np.eye(24), atol=1e-5)
    np.testing.assert_allclose(z @ basis.conj(), h.reshape(50, 24), atol=1e-5)


def test_klt_coefficients_are_uncorrelated_and_in_order():
    h = channels()
    _, z = klt._klt(h)
    covariance = z.T @ z.conj() / len(z)
    powers = np.diag(covariance).real
    np.testing.assert_allclose(covariance, np.diag(powers), atol=1e-5)
    assert (np.diff(powers) <= 1e-6).all()


def test_the_klt_distortion_of_a_fine_step_is_that_of_uniform_noise():
    h, step = channels(), 1e-3
    codec = Klt.fit(h, step)
    error = np.abs(h - codec.decompress(codec.compress(h))) ** 2
    # Bins are step wide and their points off the middle by (1/2 - ROUNDING) step.
    off = 0.5 - classical.ROUNDING
    expected = 2 * step**2 * (1 / 12 + off**2)
    assert error[:, :, :2].mean() == pytest.approx(expected, rel=0.05)


def test_the_klt_rate_of_a_fine_step_grows_by_a_bit_a_real_coefficient():
    h = channels(10000)
    bits = []
    for step in (0.02, 0.01):
        codec = Klt.fit(h, step)
        strong = Klt(SHAPE, codec.basis[:3], step, codec.tables)
        symbols = klt._quantize(h.reshape(-1, 24) @ strong.basis.T, step)
        tables = Tables.from_counts(symbols)
        bits.append(rangecoder.code_bits(symbols, tables).mean() / 6)
    assert bits[1] - bits[0] == pytest.approx(1, abs=0.05)


def test_klt_packets_are_within_the_bounds_of_their_ideal_bits():
    h, codec = channels(300, 1), Klt.fit(channels(), 0.02)
    packets = codec.compress(h)
    ideal = rangecoder.code_bits(codec.receive(packets)[0], codec.tables).mean()
    assert abs(mean_bits(packets) - CRC_BITS - ideal) <= 0.005 * ideal + 8


def test_the_klt_drops_coefficients_that_are_always_zero():
    coarse, fine = Klt.fit(channels(), 0.5), Klt.fit(channels(), 0.01)
    assert len(coarse.basis) < len(fine.basis) <= 24
    assert len(coarse.tables.index) == 2 * len(coarse.basis)
    zeros = Klt.fit(channels(), 100.0)
    assert len(zeros.basis) == 1 and mean_nmse(zeros, channels(9, 1)) == 1


@pytest.mark.parametrize("bits", [25, 60, 150])
def test_klt_at_bits_keeps_to_the_bits_of_the_training_set(bits):
    h = channels()
    codec = Klt.at_bits(h, bits)
    assert bits - 2 - 0.02 * bits <= mean_bits(codec.compress(h)) <= bits or bits == 25
    assert mean_bits(codec.compress(h)) <= bits


def test_more_bits_give_less_distortion():
    h, h_val = channels(1000), channels(200, 1)
    for make in (
        lambda bits: Klt.at_bits(h, bits),
        lambda bits: TopK.at_bits(h, bits, 10.0),
    ):
        nmse = [mean_nmse(make(bits), h_val) for bits in (60, 100, 160, 240)]
        assert (np.diff(nmse) < 0).all()


def test_the_klt_fingerprint_covers_what_both_sides_share():
    codec = Klt.fit(channels(), 0.05)
    same = Klt(SHAPE, codec.basis, codec.step, codec.tables)
    assert same.session == codec.session
    for other in (
        Klt((6, 4), codec.basis, codec.step, codec.tables),
        Klt(SHAPE, -codec.basis, codec.step, codec.tables),
        Klt(SHAPE, codec.basis, 0.06, codec.tables),
        Klt(SHAPE, codec.basis, 0.05, Klt.fit(channels(seed=3), 0.05).tables),
    ):
        assert other.session.fingerprint != codec.session.fingerprint


def test_bad_arguments_of_the_klt_are_refused():
    for bad in (channels(0), channels(2)[0]):
        with pytest.raises(ValueError, match=r"h_train must be \[n, num_tx, num_delay"):
            Klt.fit(bad, 0.1)
    for step in (0, -1.0, math.nan):
        with pytest.raises(ValueError, match="step must be positive"):
            Klt.fit(channels(9), step)
    with pytest.raises(ValueError, match="bits is 16; .* above 16"):
        Klt.at_bits(channels(9), 16)


def test_a_klt_payload_that_no_encoder_writes_is_refused():
    codec = Klt.fit(channels(), 0.05)
    packets = codec.compress(channels(2, 1))
    payloads = unpack(packets, codec.session)
    for bad, words in (
        (payloads[1] + b"\0", r"packet 1: its symbols take \d+ bits, and it has"),
        (payloads[1] + b"\1", r"packet 1: its symbols take \d+ bits, and it has"),
        (payloads[1][:-2], "packet 1: "),
    ):
        (packet,) = pack([bad], codec.session)
        with pytest.raises(PacketError, match=words):
            codec.decompress([packets[0], packet])


def test_top_k_keeps_the_strongest_entries():
    h = channels(30, 1)
    codec = TopK(SHAPE, 5, 12, 10.0)
    h_hat = codec.decompress(codec.compress(h)).reshape(30, -1)
    order = np.argsort(-np.abs(h.reshape(30, -1)), axis=1)
    kept, dropped = order[:, :5], order[:, 5:]
    np.testing.assert_allclose(
        np.take_along_axis(h_hat, kept, 1),
        np.take_along_axis(h.reshape(30, -1), kept, 1),
        atol=2e-3,
    )
    assert not np.take_along_axis(h_hat, dropped, 1).any()


@pytest.mark.parametrize("k", [1, 2, 12, 23, 24])
@pytest.mark.parametrize("value_bits", [1, 3, 8])
def test_top_k_packets_are_as_long_as_the_formula(k, value_bits):
    h = channels(20, 1)
    codec = TopK(SHAPE, k, value_bits, 10.0)
    bits = math.ceil(math.log2(math.comb(24, k))) + 2 * k * value_bits
    packets = codec.compress(h)
    assert {len(p) for p in packets} == {codec.num_bytes}
    assert codec.num_bytes == math.ceil((11 + bits) / 8)
    expected = codec._place(*codec._quantize(h))
    np.testing.assert_array_equal(codec.decompress(packets), expected)


@pytest.mark.parametrize("k", [1, 3, 6])
def test_every_support_has_its_own_number(k):
    codec = TopK((2, 3), k, 1, 0.0)
    h = np.zeros((math.comb(6, k), 6), np.complex64)
    masks = [m for m in range(64) if bin(m).count("1") == k]
    for row, mask in zip(h, masks):
        row[[p for p in range(6) if mask >> p & 1]] = 0.5
    h = h.reshape(-1, 2, 3)
    packets = codec.compress(h)
    bits = codec.num_bits  # Behind the check; 2 k of them are levels.
    payloads = [int.from_bytes(p, "big") >> -(11 + bits) % 8 for p in packets]
    ranks = [payload % (1 << bits) >> 2 * k for payload in payloads]
    assert sorted(ranks) == list(range(len(h)))
    np.testing.assert_array_equal(codec.decompress(packets) != 0, h != 0)


@pytest.mark.parametrize("mu", [0.0, 1.0, 255.0])
def test_the_mu_law_is_inverted_within_half_a_bin(mu):
    y = np.linspace(-1, 1, 101)
    x = topk._expand_mu(y, mu)
    np.testing.assert_allclose(topk._compress_mu(x, mu), y, atol=1e-12)
    np.testing.assert_allclose(x[[0, 50, 100]], [-1, 0, 1], atol=1e-12)
    codec = TopK((1, 2), 2, 8, mu)
    h = np.full((101, 1, 2), 0.5j, np.complex64)  # The peak is beside what is tested.
    h[:, 0, 0] = x / 2 * 0.99
    h_hat = codec.decompress(codec.compress(h))
    near = topk._compress_mu(h_hat[:, 0, 0].real / 0.5, mu)
    wanted = topk._compress_mu(h[:, 0, 0].real / 0.5, mu)
    assert np.abs(near - wanted).max() <= 1 / 2**8 + 1e-6


@pytest.mark.parametrize("bits", [41, 80, 200])
def test_top_k_at_bits_keeps_to_the_bits_and_beats_its_neighbours(bits):
    h = channels(200)
    best = TopK.at_bits(h, bits, 10.0)
    assert 8 * best.num_bytes <= bits
    for value_bits in range(2, 11):
        for k in range(1, 13):
            other = TopK(SHAPE, k, value_bits, 10.0)
            if 8 * other.num_bytes <= bits and k in (best.k, best.k + 1):
                assert mean_nmse(best, h) <= mean_nmse(other, h) + 1e-3


def test_the_top_k_fingerprint_covers_what_both_sides_share():
    sessions = [
        TopK(shape, k, value_bits, mu).session
        for shape in (SHAPE, (6, 4))
        for k in (3, 4)
        for value_bits in (5, 6)
        for mu in (0.0, 10.0)
    ]
    assert len({session.fingerprint for session in sessions}) == 16
    assert TopK(SHAPE, 3, 5, 0.0).session == sessions[0]


def test_bad_arguments_of_top_k_are_refused():
    for k in (0, 25):
        with pytest.raises(ValueError, match=f"k must be in 1..24, got {k}"):
            TopK(SHAPE, k, 4, 1.0)
    for value_bits in (0, 17):
        with pytest.raises(ValueError, match=f"value_bits must be .* got {value_bits}"):
            TopK(SHAPE, 3, value_bits, 1.0)
    for mu in (-1.0, math.nan):
        with pytest.raises(ValueError, match="mu must not be negative"):
            TopK(SHAPE, 3, 4, mu)
    with pytest.raises(ValueError, match="16 bits have no room for one entry"):
        TopK.at_bits(channels(9), 16, 1.0)
    for scale in (1e-3, 2):
        with pytest.raises(ValueError, match=r"h\[\d\] has max \|h\| = .*to_peak"):
            TopK(SHAPE, 3, 4, 1.0).compress(scale * channels(3))


def test_a_klt_refuses_what_would_saturate_and_a_rate_that_is_no_number():
    codec = Klt.at_bits(channels(200), 60)
    with pytest.raises(ValueError, match="too many steps of .*to_peak"):
        codec.compress(1e9 * channels(3))
    for scale in (1e-300, 1e-47, 1e59):
        with pytest.raises(ValueError, match="matrix 0 of 3 has "):
            codec.compress(scale * channels(3).astype(complex))
    for bits in (math.nan, math.inf):
        with pytest.raises(ValueError, match=f"bits is {bits}; it must be a finite"):
            Klt.at_bits(channels(200), bits)


def test_what_rounds_to_zero_is_refused_for_its_scale_alone(tmp_path):
    h = channels(200).astype(np.complex64)
    h[3] /= 8
    for make in (Klt.at_bits, GaussianMixture.at_bits):
        codec = make(h, 40)  # So coarse that whole matrices round to zero.
        codec.save(tmp_path)
        codec = tfcsi.load(tmp_path)
        assert not codec.decompress(codec.compress(h[3:4])).any()
        h[5] = 0
        assert codec.decompress(codec.compress(h))[:5].any()
        weak = np.float32(1e-3) * h[3:6]
        with pytest.raises(ValueError, match=r"h\[0\] .* 60 dB below .*--scale"):
            codec.compress(weak)
        codec.weakest = 0.0
        codec.save(tmp_path)  # As a run of an early version, which cannot tell.
        assert not tfcsi.load(tmp_path).decompress(codec.compress(weak)).any()


@pytest.mark.parametrize("unit", [2.0**-40, 2.0**-20, 2.0**20])
def test_a_rate_is_met_alike_in_any_unit(unit):
    h = channels(200)
    for make in (Klt.at_bits, GaussianMixture.at_bits):
        codec, scaled = make(h, 60), make((unit * h).astype(np.complex64), 60)
        h_hat = scaled.decompress(scaled.compress((unit * h).astype(np.complex64)))
        assert metrics.nmse(h, h_hat / unit).mean() == pytest.approx(
            mean_nmse(codec, h), rel=0.03
        )


def test_top_k_payloads_that_no_encoder_writes_are_refused():
    codec = TopK(SHAPE, 5, 6, 10.0)  # 42504 supports of 65536 numbers.
    (good,) = codec.compress(channels(1))
    for number, bits, words in (
        ((1 << 76) - 1, 76, "packet 1: the number of its support is too large"),
        (0, 68, "packet 1: its symbols take 76 bits, and it has 69"),
        (0, 0, "packet 1: its symbols take 76 bits, and it has 5"),
        (1, 77, "packet 1: its last bits are not zero"),
    ):
        payload = (number << -bits % 8).to_bytes(-(-bits // 8), "big")
        (packet,) = pack([payload], codec.session, [bits])
        with pytest.raises(PacketError, match=words):
            codec.decompress([good, packet])


def golden_matrix():
    """A matrix by a formula without ties."""
    p = np.arange(24)
    h = 0.5 * np.exp(-0.2 * (7 * p % 24)) * np.exp(2j * p)
    return h.reshape(1, *SHAPE).astype(np.complex64)


@pytest.mark.parametrize("version, golden", GOLDEN.items())
def test_a_top_k_packet_equals_the_golden_packet(version, golden):
    codec = TopK(SHAPE, 5, 6, 10.0, version)
    (packet,) = codec.compress(golden_matrix())
    if os.environ.get("GENERATE_EXPECTED"):
        golden.write_text(json.dumps({"packet": packet.hex()}) + "\n")
    assert packet.hex() == json.loads(golden.read_text())["packet"]
    h_hat = TopK(SHAPE, 5, 6, 10.0).decompress(
        TopK(SHAPE, 5, 6, 10.0).compress(golden_matrix())
    )
    np.testing.assert_array_equal(codec.decompress([packet]), h_hat)


@pytest.mark.parametrize("version, golden", GOLDEN.items())
def test_golden_top_k_packet_by_the_words_of_the_page(version, golden):
    packet = bytes.fromhex(json.loads(golden.read_text())["packet"])
    number = int.from_bytes(packet, "big") & (1 << 8 * len(packet) - 11) - 1
    if version == 1:
        number &= (1 << 8 * len(packet) - 24) - 1
    else:  # 16 bits of the support and 60 of the levels.
        number >>= 8 * len(packet) - 11 - 76
    levels = [number >> 6 * (9 - i) & 63 for i in range(10)]
    rank, positions = number >> 60, []
    for j in range(5, 0, -1):
        positions.append(max(p for p in range(24) if math.comb(p, j) <= rank))
        rank -= math.comb(positions[-1], j)
    h_hat = np.zeros(24, complex)
    f = [
        math.copysign((11 ** abs(c) - 1) / 10, c) for c in np.add(levels, 0.5) / 32 - 1
    ]
    for i, p in enumerate(sorted(positions)):
        h_hat[p] = 0.5 * (f[2 * i] + 1j * f[2 * i + 1])
    strongest = np.abs(golden_matrix()) > 0.5 * np.exp(-0.9)
    np.testing.assert_array_equal(h_hat.reshape(1, *SHAPE) != 0, strongest)
    assert np.abs(h_hat.reshape(1, *SHAPE) - golden_matrix())[strongest].max() < 0.03
