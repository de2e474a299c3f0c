"""Closed forms against the direct sum over paths, antennas and subcarriers."""

import numpy as np
import pytest

from tfcsi import transforms
from tfcsi.channels import _paths

GRID = _paths.Grid(
    carrier=5.3e9,
    subcarrier_spacing=78.125e3,
    num_sc=257,
    num_tx=32,
    tx_spacing=0.5,
    num_rx=2,
    rx_spacing=0.7,
)
WIDE = _paths.Grid(28e9, 120e3, 300, 24, 0.8, 1, 0.5)
SMALL = _paths.Grid(2e9, 1e6, 7, 1, 0.5, 3, 0.5)


def random_paths():
    rng = np.random.default_rng(0)
    drop = np.repeat([0, 1, 3], [7, 5, 400])
    delay, departure = rng.uniform(0, 3e-6, 412), rng.uniform(-1, 1, 412)
    delay[:3] = np.array([0, 4, 200]) / (257 * 78.125e3)  # on the grid
    departure[:4] = 0, 1, -1, 1 / 16  # on the grid
    amplitude = (rng.standard_normal(412) + 1j * rng.standard_normal(412)) / 20
    return _paths.Paths(drop, amplitude, delay, departure, rng.uniform(-1, 1, 412))


def direct_sum(paths, num, grid):
    h = np.zeros((num, grid.num_rx, grid.num_tx, grid.num_sc), complex)
    k = np.arange(grid.num_sc) - (grid.num_sc - 1) / 2
    frequency = grid.carrier + grid.subcarrier_spacing * k
    rows = (paths.drop, paths.amplitude, paths.delay, paths.departure, paths.arrival)
    for drop, amplitude, delay, departure, arrival in zip(*rows):
        r, i = np.arange(grid.num_rx), np.arange(grid.num_tx)
        at_ue = np.exp(-2j * np.pi * r * grid.rx_spacing * arrival)
        at_bs = np.exp(-2j * np.pi * i * grid.tx_spacing * departure)
        tone = amplitude * np.exp(-2j * np.pi * frequency * delay)
        h[drop] += at_ue[:, None, None] * at_bs[:, None] * tone
    return h


@pytest.mark.parametrize("grid", [GRID, WIDE, SMALL])
def test_paths_in_closed_form_equal_the_direct_sum(grid):
    paths = random_paths()
    direct = direct_sum(paths, 5, grid)
    size = min(32, grid.num_sc)
    h = _paths.matrices(paths, 5, grid, angles=True, delays=True, size=size)
    expected = transforms.to_angular_delay(direct, size) / np.sqrt(grid.num_sc)
    np.testing.assert_allclose(h, expected, atol=1e-5)
    assert h.dtype == np.complex64 and not h[[2, 4]].any()  # no paths there

    h_sf = _paths.matrices(paths, 5, grid, False, False, grid.num_sc)
    np.testing.assert_allclose(h_sf, direct, atol=1e-5)

    mixed = _paths.matrices(paths, 5, grid, True, False, 3)
    expected = np.fft.fftshift(np.fft.fft(direct, axis=2, norm="ortho"), axes=2)
    np.testing.assert_allclose(mixed, expected[..., :3], atol=2e-5)


@pytest.mark.parametrize("size", [32, 257])
def test_the_dirichlet_kernel_is_the_mean_of_a_tone(size):
    s = np.array([0, 1 / size, 0.5, 0.123, -0.4, 1, 1.3, 1 / 3 + 1e-9])
    bins = np.arange(-5, 20)
    of_s, of_m, of_both = _paths.dirichlet(s, size, bins)
    k = np.arange(size)
    u = bins / size - s[:, None]
    expected = np.exp(2j * np.pi * k * u[..., None]).mean(axis=-1)
    np.testing.assert_allclose(of_s[:, None] * of_m * of_both, expected, atol=1e-6)


@pytest.mark.parametrize("size", [1, 2, 16, 125])
def test_tones_are_exponentials(size):
    s = np.array([0, 0.3, -1.7])
    expected = np.exp(-2j * np.pi * s[:, None] * np.arange(size))
    np.testing.assert_allclose(_paths.tones(s, size), expected, atol=1e-6)


def test_joined_paths_stand_drop_by_drop():
    a = _paths.Paths(*(np.array(x) for x in ([0, 2], [1, 2], [3, 4], [5, 6], [7, 8])))
    b = _paths.Paths(*(np.array([x]) for x in (1, 9, 9, 9, 9)))
    both = _paths.joined([a, b])
    assert both.drop.tolist() == [0, 1, 2]
    assert both.amplitude.tolist() == [1, 9, 2] and both.arrival.tolist() == [7, 9, 8]
