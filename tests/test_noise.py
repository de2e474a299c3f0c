"""Laws of noise: it is as strong as asked, on each row, and can be drawn again."""

from __future__ import annotations

import numpy as np
import pytest

from tfcsi.noise import awgn as numpy_awgn
from tfcsi.noise import flip_bits
from tfcsi.training.augment import awgn as graph_awgn
from tfcsi.training.augment import draw_snr

SEED = (1, 2)


@pytest.fixture(params=[numpy_awgn, graph_awgn], ids=["numpy", "graph"])
def awgn(request):
    """The noise of evaluations, and that of trainings: they obey the same laws."""
    return lambda *args: np.asarray(request.param(*args))


def rows(scales, shape=(40, 50)):
    """Rows of Gaussian entries, each of its own scale."""
    y = np.random.default_rng(0).standard_normal((len(scales), *shape))
    return (y * np.reshape(scales, (-1, 1, 1))).astype(np.float32)


def measured_snr_db(y, noisy):
    power, error = (np.mean(np.square(a), (1, 2)) for a in (y, noisy - y))
    return 10 * np.log10(power / error)


def packets():
    rng = np.random.default_rng(0)
    return [rng.bytes(size) for size in (0, 1, 3, 500, 0, 2000)]


def bits(some):
    return np.unpackbits(np.frombuffer(b"".join(some), np.uint8))


@pytest.mark.parametrize("snr_db", [-10.0, 0.0, 30.0])
def test_each_row_has_the_snr_asked_for_whatever_its_power(awgn, snr_db):
    y = rows([1e-3, 1.0, 50.0, 1e4])
    noisy = awgn(y, snr_db, SEED)
    assert noisy.shape == y.shape and noisy.dtype == np.float32
    np.testing.assert_allclose(measured_snr_db(y, noisy), snr_db, atol=0.4)


def test_each_row_may_have_its_own_snr(awgn):
    y, snr_db = rows([1.0, 1.0, 7.0]), np.array([-5.0, 10.0, 20.0], np.float32)
    noisy = awgn(y, snr_db, SEED)
    np.testing.assert_allclose(measured_snr_db(y, noisy), snr_db, atol=0.4)


def test_noise_is_white_and_has_no_mean(awgn):
    y = np.ones((100, 30, 40), np.float32)
    noise = awgn(y, 0.0, SEED) - y
    assert abs(noise.mean()) < 0.01 and noise.std() == pytest.approx(1, abs=0.01)
    for one, other in ((noise[1:], noise[:-1]), (noise[..., 1:], noise[..., :-1])):
        assert abs(np.mean(one * other)) < 0.01


def test_a_row_of_zeros_stays_and_an_infinite_snr_is_no_noise(awgn):
    y = rows([0.0, 1.0])
    noisy = awgn(y, 3.0, SEED)
    assert not noisy[0].any() and noisy[1].any()
    np.testing.assert_array_equal(awgn(y, np.inf, SEED), y)


def test_the_same_seed_draws_the_same_noise(awgn):
    y = rows([1.0, 2.0])
    first = awgn(y, 5.0, SEED)
    np.testing.assert_array_equal(awgn(y, 5.0, SEED), first)
    other = awgn(y, 5.0, (1, 3))
    assert np.mean(other == first) < 0.01


def test_the_noise_of_a_seed_is_ten_times_weaker_at_20_db_more(awgn):
    y = rows([1e-2, 2.0])
    noise, weaker = (awgn(y, snr_db, SEED) - y for snr_db in (-10.0, 10.0))
    np.testing.assert_allclose(weaker, noise / 10, atol=1e-5 * np.abs(noise).max())


def test_drawn_snrs_fill_their_limits():
    snr_db = draw_snr(4000, (-5, 15), SEED).numpy()
    assert -5 <= snr_db.min() < -4.9 and 14.9 < snr_db.max() <= 15
    assert snr_db.mean() == pytest.approx(5, abs=0.3)
    again = draw_snr(4000, (-5, 15), SEED)
    np.testing.assert_array_equal(again, snr_db)


@pytest.mark.parametrize("rate", [0.01, 0.3, 0.5])
def test_the_share_of_inverted_bits_is_the_rate(rate):
    sent = packets()
    received = flip_bits(sent, rate, 3)
    assert [len(packet) for packet in received] == [len(packet) for packet in sent]
    share = np.mean(bits(sent) != bits(received))
    assert share == pytest.approx(rate, abs=4 * np.sqrt(rate / bits(sent).size))


def test_a_rate_of_0_changes_nothing_and_of_1_everything():
    sent = packets()
    assert flip_bits(sent, 0, 3) == sent
    received = flip_bits(sent, 1, 3)
    assert (bits(received) == 1 - bits(sent)).all()
    assert flip_bits([], 0.5, 3) == []


def test_the_same_bits_inverted_twice_are_the_bits_sent():
    sent = packets()
    once = flip_bits(sent, 0.2, 3)
    assert once != sent and flip_bits(once, 0.2, 3) == sent
    assert flip_bits(sent, 0.2, 3) == once
    assert flip_bits(sent, 0.2, 4) != once


@pytest.mark.parametrize("rate", [-0.1, 1.1, np.nan])
def test_a_rate_that_is_no_probability_is_refused(rate):
    with pytest.raises(ValueError, match="a bit error rate must be 0 to 1"):
        flip_bits(packets(), rate, 3)


@pytest.mark.parametrize("snr_db", [-1e9, 1e9, np.nan, -np.inf])
def test_an_snr_that_is_not_plausible_is_refused(snr_db):
    with pytest.raises(ValueError, match="snr_db is .*; it is in dB, -300 to 300"):
        numpy_awgn(np.ones((2, 3)), np.array([10, snr_db]), 0)
