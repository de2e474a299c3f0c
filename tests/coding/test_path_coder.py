"""Lists of paths code to bits and back, whatever they are."""

from __future__ import annotations

import numpy as np
import pytest

from tfcsi.coding import contexts, path_fit
from tfcsi.coding.atoms import UNIT, Atoms
from tfcsi.coding.path_coder import PathCoder
from tfcsi.coding.path_laws import PRECISION
from tfcsi.coding.path_lists import MAX_POWER, Lists, class_of, fineness, lattice
from tfcsi.coding.path_steps import STEPS

FORMS = [
    (32, 32, 257, "angular_delay"),
    (8, 16, 16, "angular_delay"),
    (5, 3, 3, "space_frequency"),
]


def random_lists(atoms, num, most, seed=0):
    """Sorted lists of 0 to `most` paths of any magnitude at any place."""
    rng = np.random.default_rng(seed)
    lists = Lists.empty(num, most)
    number = (len(lattice().re) * rng.random((num, most)) ** 6).astype(int)
    used = np.arange(most) < rng.integers(0, most + 1, num)[:, None]
    lists.re[:] = np.where(used, lattice().re[number], 0)
    lists.im[:] = np.where(used, lattice().im[number], 0)
    cell = UNIT >> fineness(np.maximum(lists.power, 1))
    for name in ("angle", "delay"):
        axis = getattr(atoms, name)
        index = axis.num_cells(fineness(np.maximum(lists.power, 1))) * rng.random(
            (num, most)
        )
        place = index.astype(int) * cell + axis.origin
        getattr(lists, name)[:] = np.where(used, place, 0)
    return lists.sorted()


@pytest.fixture(scope="module", params=FORMS, ids=str)
def atoms(request):
    return Atoms(*request.param)


@pytest.fixture(scope="module")
def coder(atoms):
    lists = random_lists(atoms, 60, 12, seed=1)
    tables = path_fit.fit(np.full(60, 128), [30], [lists], atoms)
    return PathCoder(tables, atoms, 30)


def test_lists_arrive_as_they_were_and_cost_what_the_tables_promise(atoms, coder):
    lists = random_lists(atoms, 200, 14)
    rng = np.random.default_rng(2)
    step, norm = rng.integers(0, STEPS, 200), rng.integers(0, 256, 200)
    parts = coder.parts(step, norm, lists)
    payloads = parts.payloads()
    step_2, norm_2, lists_2, num_bits = coder.read([p for p, _ in payloads])
    np.testing.assert_array_equal(step_2, step)
    np.testing.assert_array_equal(norm_2, norm)
    np.testing.assert_array_equal(num_bits, [bits for _, bits in payloads])
    for name in ("re", "im", "angle", "delay"):
        np.testing.assert_array_equal(getattr(lists_2, name), getattr(lists, name))
    excess = num_bits - parts.bits().sum(axis=1)
    assert excess.min() > -0.01 and excess.max() < 2.1


def test_reading_any_bytes_ends_with_lists_within_the_bounds(coder):
    rng = np.random.default_rng(3)
    payloads = [rng.bytes(rng.integers(0, 40)) for _ in range(300)]
    lists = coder.read(payloads)[2]
    assert lists.re.shape[1] <= 128 and lists.power.max() <= MAX_POWER


def test_cells_of_a_law_fill_the_whole_interval(atoms, coder):
    delays = np.array([[3, 40], [0, 64]]) * np.ones((2, 2), np.int64)
    digits = np.array([1, 3])
    of_delay = coder.laws.of_delay(2, digits, delays)
    cell = np.array([1, 2])
    of_angle = coder.laws.of_angle(2, digits, delays, of_delay, cell, delays)
    for law in (of_delay, of_angle):
        for row in range(2):
            cells = np.arange(law.num_cells[row] + 1)
            below = law.below(np.stack([cells, cells]))[row]
            assert below[0] == 0 and below[-1] == 1 << PRECISION
            assert np.diff(below).min() >= 1


def test_no_product_exceeds_2_to_the_53(coder):
    weight = (1 << 30) * (1 << PRECISION)
    assert max(weight, contexts.MASS << PRECISION, (MAX_POWER * 4) << 24) <= 1 << 53


def test_the_resolution_follows_the_magnitude():
    power = np.arange(1, 5000)
    expected = np.clip(np.floor(np.log2(np.sqrt(power)) + 1.5), 1, 7)
    np.testing.assert_array_equal(fineness(power), expected)


def test_classes_are_quarter_octaves_of_lattice_points():
    number = np.arange(len(lattice().re))
    power = lattice().power(number)
    assert (np.diff(power) >= 0).all() and power[-1] <= MAX_POWER
    np.testing.assert_array_equal(class_of(power), np.floor(2 * np.log2(power) + 1e-9))
    np.testing.assert_array_equal(lattice().number(lattice().re, lattice().im), number)


def test_tables_of_another_form_or_sum_are_refused(atoms, coder):
    arrays = coder.tables.arrays()
    again = contexts.PathTables.of(arrays, atoms.angle, atoms.delay)
    assert again.fingerprint() == coder.tables.fingerprint()
    for name, array in arrays.items():
        for bad in (array[:-1], array + 1, array.astype(float)):
            with pytest.raises(ValueError, match=name):
                contexts.PathTables.of({**arrays, name: bad}, atoms.angle, atoms.delay)


@pytest.mark.parametrize("num", [1, 7, 300])
def test_a_search_finds_the_cell_of_each_position_whatever_the_number_of_rows(
    coder, num
):
    rng = np.random.default_rng(num)
    delays = rng.integers(0, 60, (num, 3))
    law = coder.laws.of_delay(3, rng.integers(0, 4, num), delays)
    position = rng.integers(0, 1 << PRECISION, num)
    lower, upper = law.ends(law.search(position))
    assert (lower <= position).all() and (position < upper).all()
