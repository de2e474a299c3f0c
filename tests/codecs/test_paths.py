"""Path coding meets its limits, and reads what other machines wrote."""

from __future__ import annotations

import dataclasses
import warnings

import numpy as np
import pytest

from tests.conftest import slow
from tfcsi import metrics, transforms
from tfcsi.channels import cost2100
from tfcsi.codecs.paths import Paths
from tfcsi.coding import path_encoder
from tfcsi.coding.packets import PacketError
from tfcsi.coding.wishes import NoiseAlone


@pytest.fixture(scope="module")
def matrices():
    """Complex64 [160, 32, 32]; the last 60 are sent."""
    return cost2100.simulate(160, 3, "indoor")


@pytest.fixture(scope="module")
def codec(matrices):
    return Paths.fit(matrices[:100])


def bits_of(packets):
    return np.array([8 * len(packet) for packet in packets])


def test_a_target_is_met_by_each_matrix(codec, matrices):
    for nmse_db in (-8.0, -15.0):
        packets = codec.compress(matrices[100:], nmse_db=nmse_db)
        nmse = metrics.nmse(matrices[100:], codec.decompress(packets))
        assert nmse.max() <= 10 ** (nmse_db / 10) * 1.0001
        assert nmse.mean() > 10 ** (nmse_db / 10) / 2


def test_a_target_that_is_missed_is_told(codec, matrices):
    with pytest.warns(UserWarning, match="1 of 1 matrices miss -90.0 dB, by up to"):
        codec.compress(matrices[-1:], nmse_db=-90.0)


@pytest.mark.parametrize("max_bits", [32, slow(60), 120, slow(250)])
def test_no_packet_exceeds_its_budget(codec, matrices, max_bits):
    bits = bits_of(codec.compress(matrices[100:], max_bits=max_bits))
    assert bits.max() <= max_bits
    assert bits.mean() > 0.85 * max_bits or max_bits < 60


@pytest.mark.parametrize("wish", [{"step": 0.08}, slow({"nmse_db": -10.0})], ids=str)
def test_a_budget_beside_another_wish_is_that_of_the_matrices_above_it(
    codec, matrices, wish
):
    h = matrices[100:]
    free, cut = codec.compress(h, **wish), codec.compress(h, max_bits=96)
    over = bits_of(free) > 96
    assert 5 < over.sum() < len(h) - 5
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        packets = codec.compress(h, max_bits=96, **wish)
    assert packets == [c if is_over else f for f, c, is_over in zip(free, cut, over)]
    if "nmse_db" in wish:
        missed = metrics.nmse(h, codec.decompress(packets)) > 0.1
        assert missed.any() and not missed[~over].any()
        assert f"{missed.sum()} of {len(h)} matrices miss -10.0 dB" in str(
            told[0].message
        )


def test_a_budget_without_room_is_refused(codec, matrices):
    with pytest.raises(ValueError, match="max_bits is 8; a packet without paths takes"):
        codec.compress(matrices[-3:], max_bits=8)
    with pytest.raises(ValueError, match="max_bits is 8; a packet without paths takes"):
        codec.compress(matrices[-3:], step=0.1, max_bits=8)
    with pytest.raises(ValueError, match="give one of step, nmse_db"):
        codec.compress(matrices[-3:], step=0.1, nmse_db=-10)
    for limit in ("step", "nmse_db", "max_bits"):
        with pytest.raises(ValueError, match=f"{limit} is nan; it must be a finite"):
            codec.compress(matrices[-3:], **{limit: float("nan")})


def test_finer_steps_cost_more_and_err_less(codec, matrices):
    points = []
    for step in (0.2, 0.1, 0.05, 0.025, 0.0125):
        packets = codec.compress(matrices[100:], step=step)
        nmse = metrics.nmse(matrices[100:], codec.decompress(packets)).mean()
        points.append((bits_of(packets).mean(), nmse))
    bits, nmse = zip(*points)
    assert (np.diff(bits) > 0).all() and (np.diff(nmse) < 0).all()
    assert bits[2] < 200 and nmse[2] < 10**-1.5
    for step in (0.001, 2.0):
        with pytest.raises(ValueError, match="step must be in 0.0043..1"):
            codec.compress(matrices[-1:], step=step)


def test_one_path_of_any_power_is_sent_at_the_finest_step(codec):
    """Its gain may be larger than that of a path may be; two paths then share it."""
    h = 0.003 * cost2100.simulate(8, 5, "indoor")
    h[:, 9, 4] = 2.0 ** np.linspace(0, 0.5, 8)  # Norms are sent in half octaves.
    h_hat = codec.decompress(codec.compress(h, step=2 ** (-63 / 8)))
    assert metrics.nmse(h, h_hat).max() < 1e-4


def test_the_usual_step_is_the_cheapest_to_name(codec, matrices):
    usual = codec.at_step(0.03)
    assert usual.session != codec.session
    here = bits_of(usual.compress(matrices[100:])).mean()
    assert here < bits_of(codec.compress(matrices[100:], step=0.03)).mean() - 4


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_the_scale_is_sent(codec, matrices, scale):
    h = matrices[100:] * np.float32(scale)
    nmse = metrics.nmse(h, codec.decompress(codec.compress(h)))
    assert 10 * np.log10(nmse.mean()) < -14


def test_nothing_and_noise_cost_little(codec):
    (packet,) = codec.compress(np.zeros((1, 32, 32), np.complex64))
    assert len(packet) <= 6 and not codec.decompress([packet]).any()
    noise = np.random.default_rng(0).normal(size=(9, 32, 32, 2)) @ np.array([1, 1j])
    with pytest.warns(NoiseAlone, match="9 of 9 matrices look like noise alone"):
        bits = bits_of(codec.compress(noise, step=0.25))
    assert bits.max() <= 48


@pytest.mark.slow
def test_known_noise_is_not_coded(codec, matrices):
    h = matrices[100:]
    variance = (np.abs(h) ** 2).mean(axis=(1, 2))  # 0 dB.
    rng = np.random.default_rng(1)
    noise = rng.normal(size=(*h.shape, 2)) @ np.array([1, 1j]) / np.sqrt(2)
    noisy = h + noise * np.sqrt(variance)[:, None, None]
    points = []
    for known in (0.0, variance):
        packets = codec.compress(noisy, step=0.02, noise_variance=known)
        nmse = metrics.nmse(h, codec.decompress(packets)).mean()
        points.append((bits_of(packets).mean(), nmse))
    (bits, nmse), (bits_known, nmse_known) = points
    assert bits_known < 0.7 * bits and nmse_known < nmse
    assert nmse_known < 0.1


def test_estimated_noise_is_as_good_as_known_noise(codec, matrices):
    h = matrices[100:]
    variance = (np.abs(h) ** 2).mean(axis=(1, 2))  # 0 dB.
    rng = np.random.default_rng(1)
    noise = rng.normal(size=(*h.shape, 2)) @ np.array([1, 1j]) / np.sqrt(2)
    noisy = h + noise * np.sqrt(variance)[:, None, None]
    estimated = path_encoder.estimated_noise(path_encoder.scaled(noisy, codec.atoms)[0])
    norm = path_encoder.norm_of(path_encoder.scaled(noisy, codec.atoms)[1])
    assert np.median(estimated * norm**2 / variance) == pytest.approx(1.2, abs=0.3)
    points = []
    for known in (variance, "estimate"):
        packets = codec.compress(noisy, step=0.02, noise_variance=known)
        nmse = metrics.nmse(h, codec.decompress(packets)).mean()
        points.append((bits_of(packets).mean(), nmse))
    (bits, nmse), (bits_estimated, nmse_estimated) = points
    assert bits_estimated < 1.05 * bits and nmse_estimated < 1.05 * nmse


@pytest.mark.slow
def test_noise_that_is_not_given_is_seen_and_left_out(codec, matrices):
    """And a target of NMSE, which is that of the matrix with its noise, is met."""
    h = matrices[100:]
    variance = (np.abs(h) ** 2).mean(axis=(1, 2))  # 0 dB.
    rng = np.random.default_rng(1)
    noise = rng.normal(size=(*h.shape, 2)) @ np.array([1, 1j]) / np.sqrt(2)
    noisy = h + noise * np.sqrt(variance)[:, None, None]
    points = []
    for given in (None, variance):
        packets = codec.compress(noisy, step=0.02, noise_variance=given)
        nmse = metrics.nmse(h, codec.decompress(packets)).mean()
        points.append((bits_of(packets).mean(), nmse))
    (bits, nmse), (bits_given, nmse_given) = points
    assert bits < 1.1 * bits_given and nmse < 1.1 * nmse_given
    packets = codec.compress(noisy[:2], nmse_db=-5)
    assert metrics.nmse(noisy[:2], codec.decompress(packets)).max() < 10**-0.5 * 1.0001


def test_matrices_without_noise_are_sent_as_they_are(codec, matrices):
    h = matrices[100:]
    packets = codec.compress(h, noise_variance=0.0)
    assert packets == codec.compress(h)
    assert packets == codec.compress(h, noise_variance="estimate")
    fine = codec.compress(h, step=0.01, noise_variance=0.0)
    assert fine == codec.compress(h, step=0.01)


def test_a_matrix_of_noise_alone_costs_little_if_the_noise_is_estimated(codec):
    noise = np.random.default_rng(0).normal(size=(20, 32, 32, 2)) @ np.array([1, 1j])
    for noise_variance in ("estimate", None):
        with pytest.warns(NoiseAlone, match="20 of 20 matrices"):
            packets = codec.compress(noise, step=0.02, noise_variance=noise_variance)
        bits = bits_of(packets)
        assert bits.mean() <= 100 and bits.max() <= 240
    packets = codec.compress(noise[:3], step=0.02, noise_variance=0.0)
    assert bits_of(packets).min() > 1000


def test_another_word_for_the_noise_is_refused(codec, matrices):
    with pytest.raises(ValueError, match="noise_variance is 'known'"):
        codec.compress(matrices, noise_variance="known")


def test_packets_do_not_depend_on_the_precision_of_the_pursuit(codec, matrices):
    h = matrices[100:]
    packets = codec.compress(h)
    for other in (h.astype(np.complex128) * (1 + 1e-7), h[::-1][::-1]):
        h_hat = codec.decompress(codec.compress(other))
        assert (
            metrics.nmse(h, h_hat).mean()
            < 1.02 * metrics.nmse(h, codec.decompress(packets)).mean() + 1e-9
        )


def test_single_bit_errors_are_refused(codec, matrices):
    packets = codec.compress(matrices[-2:])
    for position in range(8 * len(packets[0])):
        damaged = bytearray(packets[0])
        damaged[position // 8] ^= 128 >> position % 8
        with pytest.raises(PacketError, match="packet 1"):
            codec.decompress([packets[1], bytes(damaged)])


def test_packets_that_are_cut_or_longer_are_refused(codec, matrices):
    packets = codec.compress(matrices[-20:])
    for packet in packets:
        for other in (packet[:-1], packet + b"\0", packet + packet):
            with pytest.raises(PacketError, match="packet 0"):
                codec.decompress([other])


@pytest.mark.slow
@pytest.mark.parametrize("domain", transforms.DOMAINS)
def test_any_form_and_both_domains_are_coded(domain):
    rng = np.random.default_rng(4)
    shape = (2, 12, 20)
    h = cost2100.simulate(8, 5, "outdoor")[:, : shape[1], : shape[2]]
    if domain == "space_frequency":
        h = transforms.to_space_frequency(h, shape[2])
    h = h + 1e-3 * rng.normal(size=h.shape)
    codec = Paths.fit(h, num_fft=257, domain=domain)
    assert codec.domain == domain
    nmse = metrics.nmse(h, codec.decompress(codec.compress(h, step=0.02)))
    assert nmse.max() < 0.05


def test_tables_of_another_domain_are_not_loaded_silently(codec, tmp_path):
    codec.save(tmp_path)
    facts = codec.describe()
    assert facts["table_entries"] < 64 * 1024
    text = (tmp_path / "config.json").read_text()
    text = text.replace("angular_delay", "space_frequency")
    (tmp_path / "config.json").write_text(text)
    import tfcsi

    with pytest.raises(ValueError, match="the run is of 'angular_delay'"):
        tfcsi.load(tmp_path)
    assert dataclasses.is_dataclass(codec.atoms)
