"""Physics of the simulated channels, and the closed form against the direct sum."""

import numpy as np
import pytest

from tfcsi import channels, metrics, transforms
from tfcsi.channels import _paths, cost2100


@pytest.fixture(scope="module")
def indoor():
    return cost2100.simulate(2000, seed=1)


@pytest.fixture(scope="module")
def outdoor():
    return cost2100.simulate(300, seed=1, scenario="outdoor")


def delay_profile(h):
    power = (np.abs(h) ** 2).sum(axis=(0, 1))
    return 100 * power / power.sum()


def test_paths_in_closed_form_equal_the_direct_sum():
    rng = np.random.default_rng(0)
    delay = rng.uniform(0, 3e-6, (2, 7))
    delay[0, :3] = np.array([0, 4, 300]) / (257 * cost2100.SPACING)  # on the grid
    azimuth = rng.uniform(-np.pi, np.pi, (2, 7))
    azimuth[0, :4] = np.pi / 2, 0, np.pi, np.arccos(1 / 16)  # on the grid
    amplitude = rng.standard_normal((2, 7)) + 1j * rng.standard_normal((2, 7))
    paths = _paths.Paths(np.zeros((2, 7)), amplitude, delay, azimuth)
    carrier = 5.29e9
    h = _paths.angular_delay(paths, carrier, cost2100.SPACING, 257, 32, 32)

    frequency = carrier + cost2100.SPACING * np.arange(257)
    tones = np.exp(-2j * np.pi * frequency * delay[..., None])
    waves = np.exp(-1j * np.pi * np.arange(32) * np.cos(azimuth)[..., None])
    h_sf = np.einsum("np,npi,npk->nik", amplitude, waves, tones)
    expected = transforms.to_angular_delay(h_sf, 32) / np.sqrt(257)
    np.testing.assert_allclose(h, expected, atol=1e-5)


@pytest.mark.parametrize("size", [32, 257])
def test_the_dirichlet_kernel_is_the_mean_of_a_tone(size):
    s = np.array([0, 1 / size, 0.5, 0.123, -0.4, 1, 1.3, 1 / 3 + 1e-9])
    bins = np.arange(-5, 20)
    of_s, of_m, of_both = _paths.dirichlet(s, size, bins)
    k = np.arange(size)
    u = bins / size - s[:, None]
    expected = np.exp(2j * np.pi * k * u[..., None]).mean(axis=-1)
    np.testing.assert_allclose(of_s[:, None] * of_m * of_both, expected, atol=1e-5)


def test_matrices_have_their_form_and_a_peak_of_a_half(indoor, outdoor):
    for h in indoor, outdoor:
        assert h.dtype == np.complex64 and h.shape[1:] == (32, 32)
        np.testing.assert_allclose(np.abs(h).max(axis=(1, 2)), 0.5, rtol=1e-6)


def test_phases_are_uniform(indoor, outdoor):
    for h in indoor, outdoor:
        flat = h.reshape(len(h), -1)
        peak = flat[np.arange(len(h)), np.abs(flat).argmax(axis=1)]
        for order in 1, 2:  # Rayleigh's test
            assert np.abs(np.mean((2 * peak) ** order)) < 3.5 / np.sqrt(len(h))


def test_left_and_right_of_the_array_are_alike(indoor):
    power = (np.abs(indoor) ** 2).sum(axis=(0, 2))
    left, right = power[1:16].sum(), power[17:].sum()
    assert left / right == pytest.approx(1, abs=0.15)


def test_the_indoor_delay_profile_is_the_published_one(indoor):
    published = [12.9, 56.2, 16.1, 5.7, 3.8, 1.9, 0.84]
    np.testing.assert_allclose(delay_profile(indoor)[:7], published, rtol=0.2)


def test_the_outdoor_delay_profile_is_the_published_one(outdoor):
    published = [1.7, 3.3, 5.2, 7.3, 9.0, 10.3, 12.3, 12.1, 9.6, 6.9, 4.7, 2.6, 1.8]
    profile = delay_profile(outdoor)[8:21]
    assert profile.sum() == pytest.approx(np.sum(published), rel=0.08)
    middle = (profile * np.arange(8, 21)).sum() / profile.sum()
    assert middle == pytest.approx(14.2, abs=0.6)


@pytest.mark.parametrize(
    ("scenario", "energy", "entries"),
    [("indoor", 0.92, (19, 104)), ("outdoor", 0.94, (30, 189))],
)
def test_matrices_are_as_sparse_as_those_of_the_reference(
    scenario, energy, entries, indoor, outdoor
):
    h = {"indoor": indoor, "outdoor": outdoor}[scenario]
    power = np.sort((np.abs(h) ** 2).reshape(len(h), -1))[:, ::-1]
    total = power.sum(axis=1, keepdims=True)
    assert total.mean() == pytest.approx(energy, rel=0.1)
    for share, number in (0.9, entries[0]), (0.99, entries[1]):
        needed = 1 + (power.cumsum(axis=1) < share * total).sum(axis=1)
        assert needed.mean() == pytest.approx(number, rel=0.1)


def test_the_number_of_active_clusters_is_the_measured_one():
    rng = np.random.default_rng(0)
    for name, expected in ("indoor", 9.5), ("outdoor", 25.2):
        scenario = cost2100.SCENARIOS[name]
        user = cost2100._users(scenario, 500, rng)
        drop, distance, reference = cost2100._clusters(scenario, user, rng)
        count = np.bincount(drop, minlength=500)
        assert count.min() >= 1 and (np.diff(drop) >= 0).all()
        assert count.mean() == pytest.approx(expected, rel=0.08)
        assert distance.max() <= scenario.vr[0]
        near = np.linalg.norm(reference - user[drop], axis=1) <= scenario.vr[0]
        # A VR seen is the reference of its group of 1 + Poisson(ms_common).
        m = scenario.ms_common
        share = (1 - np.exp(-m)) / m if m else 1
        assert near.mean() <= min(1, 1.6 * share + 0.02)


def test_a_matrix_depends_on_its_seed_and_place_only():
    h = cost2100.simulate(300, seed=7)
    np.testing.assert_array_equal(h[:140], cost2100.simulate(140, seed=7))
    assert not np.array_equal(h[:100], cost2100.simulate(100, seed=8))
    assert len(np.unique(np.abs(h).sum(axis=(1, 2)))) == 300
    assert cost2100.simulate(0, seed=7).shape == (0, 32, 32)


def test_the_frequency_truth_differs_by_the_dropped_taps_only():
    h, hf = cost2100.simulate(400, seed=3, return_frequency=True)
    assert hf.shape == (400, 32, 125) and hf.dtype == np.complex64
    np.testing.assert_allclose(h, cost2100.simulate(400, seed=3), atol=1e-6)
    error = metrics.nmse(hf, transforms.to_subcarriers(h))
    assert error.mean() == pytest.approx(1 - 0.964, abs=0.008)  # of the reference
    assert metrics.rho(h, hf).mean() > 0.99


def test_a_progress_bar_is_shown_if_asked_for(capsys):
    cost2100.simulate(2, seed=0)
    assert capsys.readouterr().err == ""
    cost2100.simulate(2, seed=0, progress=True)
    assert "block" in capsys.readouterr().err


def test_unknown_names_and_negative_numbers_are_refused():
    with pytest.raises(ValueError, match="unknown scenario 'rural'; known: indoor"):
        cost2100.simulate(1, seed=0, scenario="rural")
    with pytest.raises(ValueError, match="must not be negative, got -1 and 0"):
        cost2100.simulate(-1, seed=0)
    assert channels.get("cost2100") is cost2100
    with pytest.raises(ValueError, match="unknown channel 'c'; known: cost2100"):
        channels.get("c")
