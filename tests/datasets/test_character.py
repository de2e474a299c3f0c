"""What a set of matrices is like, against channels of which it is known."""

from __future__ import annotations

import numpy as np
import pytest

from tfcsi import transforms
from tfcsi.channels import cost2100
from tfcsi.datasets import character

SHAPE = (16, 64)


def plane_wave(angle, delay, shape=SHAPE):
    """Complex [1, num_tx, num_sc] of one path on the grid of angles and delays."""
    h = np.zeros((1, *shape), np.complex64)
    h[0, angle, delay] = 1
    return transforms.to_space_frequency(h, shape[1])


def gaussian(n, shape=SHAPE, seed=0):
    rng = np.random.default_rng(seed)
    return (rng.standard_normal((n, *shape, 2)) @ [1, 1j]) / np.sqrt(2)


@pytest.mark.parametrize("domain", transforms.DOMAINS)
def test_the_domain_of_simulated_channels_is_told(domain):
    setup = {"num_sc": 64} if domain == "space_frequency" else {}
    h = cost2100.simulate(5, 1, "indoor", domain=domain, **setup)
    assert character.likely_domain(1e3 * h) == domain


@pytest.mark.parametrize("factor_db", [0.0, 6.0, 12.0])
def test_the_rician_factor_of_rician_fading_is_estimated(factor_db):
    factor = 10 ** (factor_db / 10)
    phase = np.exp(1j * np.arange(40))[:, None, None]
    h = np.sqrt(factor) * phase + gaussian(40)
    measured = character.rician_factors(h, "space_frequency")
    assert 10 * np.log10(np.median(measured)) == pytest.approx(factor_db, abs=0.7)


def test_rayleigh_fading_has_a_small_factor_and_one_path_an_infinite_one():
    rayleigh = character.rician_factors(gaussian(40), "space_frequency")
    assert np.median(rayleigh) < 0.3
    wave = character.rician_factors(plane_wave(3, 5), "space_frequency")
    assert wave[0] > 1e3


def test_the_factor_is_that_of_the_channel_in_both_domains():
    h = np.sqrt(4) + gaussian(10, (16, 256))
    taps = transforms.to_angular_delay(h, 256)
    both = [
        np.median(character.rician_factors(one, domain))
        for one, domain in zip((taps, h), transforms.DOMAINS)
    ]
    assert both[0] == pytest.approx(both[1], rel=0.05)


def test_one_path_has_no_spread_and_is_one_entry():
    facts = character.character(plane_wave(3, 5), "space_frequency")
    assert (facts["first_tap"], facts["last_tap"]) == (5, 5)
    assert facts["entries_90"] == facts["entries_99"] == 1
    assert facts["delay_spread"] == pytest.approx(0, abs=0.01)
    assert facts["angle_spread"] == pytest.approx(0, abs=0.01)
    assert facts["num_entries"] == 16 * 32


def test_a_window_may_go_round_the_end_of_the_axis():
    h = plane_wave(3, 63) + plane_wave(3, 1)
    facts = character.character(h, "space_frequency")
    assert (facts["first_tap"], facts["last_tap"]) == (-1, 1)


def test_truncated_taps_do_not_wrap_around():
    h = np.zeros((1, 4, 8), np.complex64)
    h[0, 1, [0, 7]] = 1
    facts = character.character(h, "angular_delay")
    assert (facts["first_tap"], facts["last_tap"]) == (0, 7)


def test_two_opposite_angles_are_spread_wider_than_two_neighbours():
    near, far = (
        character.character(
            plane_wave(3, 1) + plane_wave(3 + apart, 1), "space_frequency"
        )["angle_spread"]
        for apart in (1, 6)
    )
    assert 0.4 < near < 0.6 and far > 3


@pytest.mark.parametrize(
    ("factor_db", "words"),
    [
        (-np.inf, "as in Rayleigh fading"),
        (4.0, "Rician factor 4.0 dB"),
        (np.inf, "one path"),
    ],
)
def test_the_words_have_the_numbers(factor_db, words):
    facts = character.character(plane_wave(3, 5), "space_frequency")
    lines = character.in_words({**facts, "rician_db": factor_db})
    assert words in lines[-1] and "taps 5 to 5 hold 99 %" in lines[1]
