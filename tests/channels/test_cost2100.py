"""What comes out of the COST 2100 simulator."""

import numpy as np
import pytest

from tfcsi import channels, metrics, transforms
from tfcsi.channels import cost2100, cost2100_setup


@pytest.fixture(scope="module")
def indoor():
    return cost2100.simulate(2000, seed=1)


@pytest.fixture(scope="module")
def outdoor():
    return cost2100.simulate(512, seed=1, scenario="outdoor")


def delay_profile(h):
    power = (np.abs(h) ** 2).sum(axis=(0, 1))
    return 100 * power / power.sum()


def correlation(h, other):
    """Mean over drops of |<h, other>| / (|h| |other|)."""
    h, other = h.reshape(len(h), -1), other.reshape(len(h), -1)
    norms = np.linalg.norm(h, axis=1) * np.linalg.norm(other, axis=1)
    return (np.abs((h.conj() * other).sum(axis=1)) / norms).mean()


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
    assert middle == pytest.approx(14.2, abs=0.4)


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


@pytest.mark.parametrize(
    ("scenario", "changes", "mean", "std"),
    [
        ("indoor_hall_5ghz", {}, -45.8, 4.7),
        ("indoor", {}, -51.6, 4.6),
        ("semi_urban_300mhz_los", {}, -46.4, 5.0),
        ("outdoor", {}, -49.2, 3.6),
    ],
)
def test_unscaled_energies_are_those_of_the_reference(scenario, changes, mean, std):
    h = cost2100.simulate(768, 5, scenario, scaled=False, **changes)
    db = 10 * np.log10((np.abs(h) ** 2).sum(axis=(1, 2)))
    assert db.mean() == pytest.approx(mean, abs=0.5)
    assert db.std() == pytest.approx(std, abs=0.5)


def test_a_matrix_depends_on_its_seed_and_place_only():
    h = cost2100.simulate(300, seed=7)
    np.testing.assert_array_equal(h[:140], cost2100.simulate(140, seed=7))
    assert not np.array_equal(h[:100], cost2100.simulate(100, seed=8))
    assert len(np.unique(np.abs(h).sum(axis=(1, 2)))) == 300
    assert cost2100.simulate(0, seed=7).shape == (0, 32, 32)


@pytest.mark.parametrize(
    ("scenario", "first", "last", "total"),
    [
        ("indoor", (10, 1, (0.49938 + 0.0249j)), (29, 1, (0.18349 + 0.46512j)), 889.68),
        (
            "outdoor",
            (30, 14, (0.49996 - 0.00633j)),
            (21, 11, (0.49819 - 0.04248j)),
            1121.44,
        ),
        (
            "indoor_hall_5ghz",
            (24, 0, (0.0303 - 0.49908j)),
            (0, 1, (0.17522 + 0.46829j)),
            1078.76,
        ),
        (
            "semi_urban_300mhz_los",
            (10, 9, (0.28255 - 0.41251j)),
            (29, 13, (-0.47425 - 0.15839j)),
            1228.97,
        ),
        (
            "semi_urban_300mhz_nlos",
            (13, 14, (-0.23438 - 0.44166j)),
            (29, 13, (-0.49104 + 0.09424j)),
            2128.1,
        ),
    ],
)
def test_the_matrices_of_a_seed_stay_the_same(scenario, first, last, total):
    """Strongest entries of two matrices and the sum of all, written down once."""
    h = cost2100.simulate(130, 7, scenario)
    for matrix, (angle, tap, value) in ((h[0], first), (h[-1], last)):
        assert np.abs(matrix).argmax() == 32 * angle + tap
        assert matrix[angle, tap] == pytest.approx(value, abs=2e-5)
    assert np.abs(h).sum() == pytest.approx(total, rel=1e-4)


def test_blocks_in_any_order_give_the_same_set():
    size = cost2100.BLOCK
    h, hf = cost2100.simulate_with_frequency(size + 9, seed=7)
    second, first = (cost2100.simulate_block(block, 7) for block in (1, 0))
    np.testing.assert_array_equal(h, np.concatenate([first, second])[: size + 9])
    _, few = cost2100.simulate_with_frequency(size + 1, seed=7)
    np.testing.assert_array_equal(hf[: size + 1], few)


def test_the_frequency_truth_differs_by_the_dropped_taps_only():
    h, hf = cost2100.simulate_with_frequency(400, seed=3)
    assert hf.shape == (400, 32, 125) and hf.dtype == np.complex64
    np.testing.assert_array_equal(h, cost2100.simulate(400, seed=3))
    error = metrics.nmse(hf, transforms.to_subcarriers(h))
    assert error.mean() == pytest.approx(1 - 0.964, abs=0.008)  # of the reference
    assert metrics.rho(h, hf, "angular_delay").mean() > 0.99
    all_taps = cost2100.simulate(128, seed=3, num_delay=257)
    np.testing.assert_allclose(transforms.to_subcarriers(all_taps), hf[:128], atol=1e-5)


def test_energy_is_the_same_in_both_domains():
    """Parseval, and the transform from one domain to the other."""
    grid = {"num_sc": 64, "num_tx": 16, "scaled": False}
    h_sf = cost2100.simulate(64, 2, domain="space_frequency", **grid)
    h = cost2100.simulate(64, 2, num_delay=64, **grid)
    assert h_sf.shape == (64, 16, 64)
    energy = [(np.abs(a) ** 2).sum(axis=(1, 2)) for a in (h_sf / np.sqrt(64), h)]
    np.testing.assert_allclose(*energy, rtol=1e-5)
    scale = np.abs(h).max()
    there = transforms.to_angular_delay(h_sf / np.sqrt(64), 64)
    np.testing.assert_allclose(there / scale, h / scale, atol=1e-5)
    back = transforms.to_space_frequency(h, 64) * np.sqrt(64)
    np.testing.assert_allclose(back / scale, h_sf / scale, atol=1e-4)


def test_arrays_bands_and_taps_have_any_size():
    grid = {"num_tx": 6, "num_delay": 5, "num_sc": 48, "carrier": 2e9}
    h = cost2100.simulate(3, 0, num_rx=2, num_time=4, interval=0.01, speed=1, **grid)
    assert h.shape == (3, 4, 2, 6, 5)
    np.testing.assert_allclose(np.abs(h).max(axis=(1, 2, 3, 4)), 0.5, rtol=1e-6)
    assert cost2100.simulate(3, 0, num_rx=2, **grid).shape == (3, 2, 6, 5)
    wide = cost2100.simulate(3, 0, "outdoor", num_tx=64, num_delay=40)
    assert wide.shape == (3, 64, 40)


def test_the_first_antenna_of_a_user_is_the_only_one_of_another():
    one = cost2100.simulate(20, 4, scaled=False)
    two = cost2100.simulate(20, 4, scaled=False, num_rx=2, rx_spacing=0.1)
    np.testing.assert_allclose(two[:, 0], one, rtol=1e-5, atol=1e-9)
    far = cost2100.simulate(20, 4, scaled=False, num_rx=2, rx_spacing=3)
    assert correlation(two[:, 0], two[:, 1]) > 0.9
    assert correlation(far[:, 0], far[:, 1]) < 0.8


@pytest.mark.parametrize("scenario", ["indoor", "outdoor"])
def test_time_correlation_falls_with_the_distance_moved(scenario):
    wavelength = 3e8 / cost2100.PRESETS[scenario].carrier
    moving = {"num_time": 4, "interval": 2, "speed": wavelength / 50, "scaled": False}
    h = cost2100.simulate(128, 4, scenario, **moving)
    rho = [correlation(h[:, 0], h[:, time]) for time in range(4)]
    assert rho[0] == pytest.approx(1) and (np.diff(rho) < 0).all()
    assert rho[1] > 0.95 and rho[3] < 0.98
    still = cost2100.simulate(2, 4, scenario, num_time=3, interval=1, speed=0)
    np.testing.assert_array_equal(still[:, 0], still[:, 2])
    np.testing.assert_allclose(
        still[:, 0], cost2100.simulate(2, 4, scenario), rtol=1e-6, atol=1e-9
    )


@pytest.mark.parametrize(
    ("law", "least", "most", "mean_square"),
    [
        (("square", 10), 0, 10 * np.sqrt(2), 200 / 3),
        (("disc", 10), 0, 10, 50),
        (("ring", 6, 10), 6, 10, (36 + 100) / 2),
        (("ring", (5, 6, 8), (3, 1)), 5, 8, 3 / 4 * 91 / 3 + 1 / 4 * 296 / 6),
    ],
)
def test_users_follow_their_law(law, least, most, mean_square):
    at = cost2100_setup.places(law, 20000, np.random.default_rng(0))
    distance = np.abs(at)
    assert distance.min() >= least and distance.max() <= most
    assert (distance**2).mean() == pytest.approx(mean_square, rel=0.03)
    assert abs(at.mean()) < 0.3 and abs((at**2).mean()) < 3
    assert cost2100.simulate(1, 0, users=law).shape == (1, 32, 32)


def test_a_progress_bar_is_shown_if_asked_for(capsys):
    cost2100.simulate(2, seed=0)
    assert capsys.readouterr().err == ""
    cost2100.simulate(2, seed=0, progress=True)
    assert "block" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"scenario": "rural"}, "unknown scenario 'rural'; known: indoor, outdoor"),
        ({"antennas": 2}, "cost2100 has no option 'antennas'; known: users, carrier"),
        ({"carier": 2}, "no option 'carier'; did you mean 'carrier'. known: users"),
        ({"num_tx": 0}, "num_tx must be at least 1, got 0"),
        ({"num_rx": 1.5}, "num_rx must be an integer, got 1.5"),
        ({"num_delay": 258}, "num_delay must be at most num_sc, 257, got 258"),
        ({"carrier": -1}, "carrier must be positive, got -1"),
        ({"tx_spacing": np.nan}, "tx_spacing is nan; it is in wavelengths"),
        ({"speed": -1}, "speed must not be negative, got -1"),
        ({"carrier": 1e7}, "must be less than twice the carrier, 1e"),
        ({"domain": "time"}, "domain must be one of angular_delay, space_frequency"),
        ({"users": ("cross", 3)}, r"users must be \('square', half side\)"),
        ({"users": ("ring", 5, 3)}, "least range, largest range"),
        ({"users": ("ring", (1, 2), (1, 1))}, "rising edges, weights"),
        ({"users": ("disc", "a")}, "got .'disc', 'a'"),
        ({"users": 3}, "in m, got 3"),
        ({"users": ("ring", (1, 2, 3), (0, 0))}, "rising edges, weights"),
        ({"users": ("square", 40)}, "up to 56.5685 m from the BS, more than the cell"),
        ({"num_time": 2, "interval": 9, "speed": 9}, "= 81 m, at most 54.56 m"),
    ],
)
def test_what_cannot_be_simulated_is_refused(changes, words):
    with pytest.raises(ValueError, match=words):
        cost2100.simulate(1, seed=0, **changes)


def test_negative_numbers_and_unknown_channels_are_refused():
    with pytest.raises(ValueError, match="num is -1; it must be an integer, 0 or more"):
        cost2100.simulate(-1, seed=0)
    for changes in ({"domain": "space_frequency"}, {"num_sc": 64}):
        with pytest.raises(ValueError, match="truth needs domain='angular_delay' and"):
            cost2100.simulate_with_frequency(1, seed=0, **changes)
    with pytest.raises(ValueError, match="num at most 128, got -1, 0 and 128"):
        cost2100.simulate_block(-1, seed=0)
    with pytest.raises(ValueError, match="num at most 128, got 0, 0 and 129"):
        cost2100.simulate_block(0, seed=0, num=129)
    assert channels.get("cost2100") is cost2100.SIMULATOR
    with pytest.raises(ValueError, match="unknown channel 'c'; known: cost2100"):
        channels.get("c")
