"""The pursuit finds the paths that are there, and leaves the rest."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from tests.conftest import sampled
from tfcsi.coding import pursuit
from tfcsi.coding.atoms import UNIT, Atoms
from tfcsi.coding.path_lists import Lists, fineness

ATOMS = [Atoms(16, 16, 64, "angular_delay"), Atoms(16, 12, 12, "space_frequency")]
every_form = pytest.mark.parametrize("atoms", ATOMS, ids=["taps", "subcarriers"])
EFFORT = dataclasses.replace(pursuit.EFFORTS["default"], stop=1.5)


def apart(num, seed=0):
    """Lists of three strong paths that do not overlap, on the grid of their cells."""
    rng = np.random.default_rng(seed)
    lists = Lists.empty(num, 3)
    for k in range(3):
        lists.re[:, k], lists.im[:, k] = rng.integers(10, 40, (2, num))
        lists.angle[:, k] = (5 * k + 1) * UNIT + rng.integers(0, UNIT, num)
        lists.delay[:, k] = (4 * k + 1) * UNIT + rng.integers(0, UNIT, num)
    cell = UNIT >> fineness(lists.power)
    lists.angle[:] = lists.angle // cell * cell
    lists.delay[:] = lists.delay // cell * cell
    return lists.sorted()


def picture(atoms, lists):
    return atoms.synthesize(lists.re + 1j * lists.im, lists.angle, lists.delay)


@every_form
def test_paths_that_are_apart_are_found(atoms):
    lists = apart(40)
    x = picture(atoms, lists)
    found = pursuit.find(x, atoms, None, EFFORT)
    rest = x - picture(atoms, found)
    assert (rest**2).sum(axis=(1, 2, 3)).max() < 4  # In steps, of about 2000.
    assert found.count.mean() < 3.5


@every_form
@pytest.mark.parametrize("effort", sampled(pursuit.EFFORTS, ("light",)))
def test_places_lie_on_the_cells_of_their_magnitude(atoms, effort):
    rng = np.random.default_rng(1)
    x = 5 * rng.normal(size=(20, 16, 2, atoms.num_delay)).astype(np.float32)
    found = pursuit.find(x, atoms, None, pursuit.EFFORTS[effort]).sorted()
    cell = UNIT >> fineness(np.maximum(found.power, 1))
    for name in ("angle", "delay"):
        axis, place = getattr(atoms, name), getattr(found, name)
        assert not (place % cell).any()
        inside = (place >= axis.origin) & (place < axis.origin + axis.num_places)
        assert inside.all()
    assert (np.diff(found.power, axis=1) <= 0).all()


@every_form
def test_no_paths_are_found_in_a_matrix_of_zeros(atoms):
    x = np.zeros((3, 16, 2, atoms.num_delay), np.float32)
    assert not pursuit.find(x, atoms, None, EFFORT).count.any()


@pytest.mark.slow
def test_the_rest_is_what_the_paths_leave():
    atoms = ATOMS[0]
    x = 4 * np.random.default_rng(2).normal(size=(6, 16, 2, 16)).astype(np.float32)
    block = pursuit._Block(x.copy(), atoms, None, EFFORT, np.zeros(6), np.zeros(6))
    lists = block.run()
    np.testing.assert_allclose(block.rest, x - picture(atoms, lists), atol=1e-3)


@pytest.mark.slow
def test_a_path_behind_one_that_was_dropped_stays_in_the_list():
    rng, gaps = np.random.default_rng(3), 0
    effort = dataclasses.replace(EFFORT, near=0)  # Drops paths at the end.
    for _ in range(10):
        x = 2 * rng.normal(size=(1, 16, 2, 16)).astype(np.float32)
        block = pursuit._Block(
            x.copy(), ATOMS[0], None, effort, np.zeros(1), np.zeros(1)
        )
        whole, found = block.run(), pursuit.find(x, ATOMS[0], None, effort)
        gaps += whole.power[0, whole.count[0] - 1] == 0
        assert found.count == whole.count
    assert gaps


def test_an_effort_that_is_not_known_is_refused():
    with pytest.raises(ValueError, match="effort is 'most'; it must be one of light"):
        pursuit.check_effort("most")


@every_form
@pytest.mark.parametrize("effort", pursuit.EFFORTS)
def test_a_path_whose_gain_lies_between_two_resolutions_is_kept(atoms, effort):
    # Rounding the place changes the gain, and with it the resolution of the place.
    num = 4000
    rng = np.random.default_rng(2)
    border = 2.0 ** (rng.integers(2, 6, num) + 0.5)
    phase = rng.uniform(0, 2 * np.pi, num)
    lists = Lists.empty(num, 1)
    gain = border * (1 + rng.uniform(-0.02, 0.02, num)) * np.exp(1j * phase)
    for name in ("angle", "delay"):
        getattr(lists, name)[:, 0] = 4 * UNIT + rng.integers(0, 4 * UNIT, num)
    x = atoms.synthesize(gain[:, None], lists.angle, lists.delay)
    found = pursuit.find(x, atoms, None, pursuit.EFFORTS[effort])
    rest = ((x - picture(atoms, found)) ** 2).sum(axis=(1, 2, 3))
    assert (rest < 0.1 * border**2).all()


@every_form
@pytest.mark.parametrize("effort", sampled(["light", "default"], ("light",)))
def test_a_matrix_alone_has_the_paths_that_it_has_among_others(atoms, effort):
    """Alone, several of its paths are searched at once."""
    rng = np.random.default_rng(4)
    x = 2 * rng.normal(size=(4, 16, 2, atoms.num_delay)).astype(np.float32)
    effort = pursuit.EFFORTS[effort]
    together = pursuit.find(x, atoms, None, effort)
    for row in range(len(x)):
        alone = pursuit.find(x[row : row + 1], atoms, None, effort)
        width = alone.paths.shape[2]
        np.testing.assert_array_equal(alone.paths[:, 0], together.paths[:, row, :width])
        assert not together.paths[:, row, width:].any()
