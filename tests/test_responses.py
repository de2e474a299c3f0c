"""Closed forms against the direct sum over paths, antennas and subcarriers."""

import numpy as np
import pytest

from tfcsi import responses, transforms
from tfcsi.responses import Antennas, Band, Paths

GRIDS = {
    "indoor": (5.3e9, 78.125e3, 257, Antennas(32, 0.5, 2, 0.7)),
    "wide": (28e9, 120e3, 300, Antennas(24, 0.8, 1, 0.5)),
    "small": (2e9, 1e6, 7, Antennas(1, 0.5, 3, 0.5)),
}


def band_of(grid, size):
    carrier, spacing, num_sc, _ = GRIDS[grid]
    lowest = carrier - (num_sc - 1) / 2 * spacing
    return Band(num_sc * spacing, num_sc, size, "first", lowest)


def random_paths():
    rng = np.random.default_rng(0)
    user = np.repeat([0, 1, 3], [7, 5, 400])
    delay, departure = rng.uniform(0, 3e-6, 412), rng.uniform(-1, 1, 412)
    delay[:3] = np.array([0, 4, 200]) / (257 * 78.125e3)  # on the grid
    departure[:4] = 0, 1, -1, 1 / 16  # on the grid
    gain = (rng.standard_normal(412) + 1j * rng.standard_normal(412)) / 20
    return Paths(user, gain, delay, departure, rng.uniform(-1, 1, 412))


def direct_sum(paths, num, grid):
    carrier, spacing, num_sc, antennas = GRIDS[grid]
    h = np.zeros((num, antennas.num_rx, antennas.num_tx, num_sc), complex)
    frequency = carrier + spacing * (np.arange(num_sc) - (num_sc - 1) / 2)
    r, i = np.arange(antennas.num_rx), np.arange(antennas.num_tx)
    rows = (paths.user, paths.gain, paths.delay, paths.departure, paths.arrival)
    for user, gain, delay, departure, arrival in zip(*rows):
        at_user = np.exp(-2j * np.pi * r * antennas.rx_spacing * arrival)
        at_bs = np.exp(-2j * np.pi * i * antennas.tx_spacing * departure)
        tone = gain * np.exp(-2j * np.pi * frequency * delay)
        h[user] += at_user[:, None, None] * at_bs[:, None] * tone
    return h


@pytest.mark.parametrize("dtype", [np.complex64, np.complex128])
@pytest.mark.parametrize("grid", GRIDS)
def test_paths_in_closed_form_equal_the_direct_sum(grid, dtype):
    paths = random_paths()
    direct = direct_sum(paths, 5, grid)
    _, _, num_sc, antennas = GRIDS[grid]

    def matrices(size, angles, delays):
        form = antennas, band_of(grid, size), angles, delays
        return responses.matrices(paths, 5, *form, dtype)

    size = min(32, num_sc)
    h = matrices(size, angles=True, delays=True)
    expected = transforms.to_angular_delay(direct, size) / np.sqrt(num_sc)
    np.testing.assert_allclose(h, expected, atol=1e-5)
    assert h.dtype == dtype and not h[[2, 4]].any()  # no paths there

    h_sf = matrices(num_sc, angles=False, delays=False)
    np.testing.assert_allclose(h_sf, direct, atol=1e-5)

    mixed = matrices(3, angles=True, delays=False)
    expected = np.fft.fftshift(np.fft.fft(direct, axis=2, norm="ortho"), axes=2)
    np.testing.assert_allclose(mixed, expected[..., :3], atol=2e-5)


@pytest.mark.parametrize("domain", transforms.DOMAINS)
def test_gains_at_each_antenna_are_those_of_the_departures(domain):
    paths, in_taps = random_paths(), domain == "angular_delay"
    antennas, band = Antennas(32), Band(20e6, 64, 16, "spread")
    form = (antennas, band, in_taps, in_taps, np.complex128)
    h = responses.matrices(paths, 5, *form)[:, 0]
    turns = paths.departure[:, None] / 2 * np.arange(32)
    gain = paths.gain[:, None] * np.exp(-2j * np.pi * turns)
    delay = np.repeat(paths.delay[:, None], 32, axis=1)
    for each in (paths.delay, delay):
        same, lost = responses.with_loss(
            Paths(paths.user, gain, each), 5, 32, band, domain
        )
        scale = np.sqrt(64) if in_taps else 1
        np.testing.assert_allclose(same, scale * h, atol=1e-5)
        assert (lost[[0, 1, 3]] > 0).all() == in_taps and not lost[[2, 4]].any()


def test_delays_of_each_antenna_equal_common_ones_where_they_are_alike():
    rng = np.random.default_rng(0)
    gain = rng.standard_normal((3, 4, 5)) + 1j * rng.standard_normal((3, 4, 5))
    delay = rng.uniform(0, 1e-6, (3, 1, 5))
    band = Band(20e6, 64, 8)
    each = np.repeat(delay, 4, axis=1)
    common, own = (responses.unpadded(gain, d) for d in (delay[:, 0], each))
    for domain in transforms.DOMAINS:
        one, two = (responses.with_loss(p, 3, 4, band, domain) for p in (common, own))
        for a, b in zip(one, two):
            np.testing.assert_allclose(a, b, atol=1e-6)


def test_the_energy_is_that_of_all_subcarriers():
    paths = random_paths()
    turns = paths.departure[:, None] / 2 * np.arange(32)
    paths.gain = paths.gain[:, None] * np.exp(-2j * np.pi * turns)
    band = Band(20e6, 64, 64)
    h = responses.matrices(paths, 5, Antennas(32), band, False, False, np.complex128)
    sums = (np.abs(h) ** 2).sum((1, 2, 3))
    energy = responses.energy(paths, 5, Band(20e6, 64, 4))
    np.testing.assert_allclose(energy, sums, rtol=1e-6)


@pytest.mark.parametrize("size", [32, 257])
def test_the_dirichlet_kernel_is_the_mean_of_a_tone(size):
    s = np.array([0, 1 / size, 0.5, 0.123, -0.4, 1, 1.3, 1 / 3 + 1e-9, -7 / size])
    bins = np.arange(-5, size + 20)
    of_s, of_m, of_both = responses.dirichlet(s, size, bins)
    k = np.arange(size)
    u = bins / size - s[:, None]
    expected = np.exp(2j * np.pi * k * u[..., None]).mean(axis=-1)
    kernel = of_s[:, None] * of_m * of_both
    np.testing.assert_allclose(kernel, expected, atol=1e-6)
    on_grid = np.abs(s * size - np.rint(s * size)) < 1e-9
    assert 4 <= on_grid.sum() < len(s)
    np.testing.assert_allclose(kernel[on_grid], expected[on_grid], atol=1e-11)


@pytest.mark.parametrize("size", [1, 2, 16, 125])
def test_tones_are_exponentials(size):
    s = np.array([0, 0.3, -1.7])
    expected = np.exp(-2j * np.pi * s[:, None] * np.arange(size))
    np.testing.assert_allclose(responses.tones(s, size), expected, atol=1e-6)


def test_joined_paths_stand_user_by_user():
    a = Paths(*(np.array(x) for x in ([0, 2], [1, 2], [3, 4], [5, 6], [7, 8])))
    b = Paths(*(np.array([x]) for x in (1, 9, 9, 9, 9)))
    both = responses.joined([a, b])
    assert both.user.tolist() == [0, 1, 2]
    assert both.gain.tolist() == [1, 9, 2] and both.arrival.tolist() == [7, 9, 8]


def test_chosen_users_keep_their_paths_and_are_numbered_anew():
    paths = Paths(*(np.array(x) for x in ([0, 0, 3, 5, 5], [1, 2, 3, 4, 5], [6] * 5)))
    some = paths.of_users(np.array([0, 4, 5]))  # User 4 has no path.
    assert some.user.tolist() == [0, 0, 2, 2] and some.gain.tolist() == [1, 2, 4, 5]
    assert some.departure is None


def test_paths_of_padded_arrays_are_those_with_a_gain():
    gain = np.zeros((2, 3, 4), complex)
    gain[0, :, 1], gain[1, 2, 3] = [1, 2, 3], 4
    delay = np.arange(8.0).reshape(2, 4)
    paths = responses.unpadded(gain, delay)
    assert paths.user.tolist() == [0, 1] and paths.delay.tolist() == [1, 7]
    assert paths.gain.tolist() == [[1, 2, 3], [0, 0, 4]]
