"""Atoms are the pictures of paths, and pictures keep the matrix."""

from __future__ import annotations

import numpy as np
import pytest

from tfcsi import responses, transforms
from tfcsi.coding.atoms import UNIT, Atoms
from tfcsi.responses import Antennas, Band

FORMS = [
    (32, 32, 257, "angular_delay"),
    (8, 16, 1024, "angular_delay"),
    (7, 9, 9, "angular_delay"),
    (16, 8, 8, "space_frequency"),
]


def one_path(form, angle, delay):
    """The matrix of a path at an angle (bins from the middle) and a delay (taps)."""
    num_tx, num_delay, num_fft, domain = form
    path = responses.Paths(
        np.array([0]),
        np.array([1.0]),
        np.array([delay / num_fft]),
        np.array([-2 * angle / num_tx]),
    )
    band, taps = Band(num_fft, num_fft, num_fft), domain == "angular_delay"
    h = responses.matrices(path, 1, Antennas(num_tx), band, taps, taps)[:, 0]
    return h[..., :num_delay]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(("angle", "delay"), [(1.25, 2.5), (-2.0, 3.0), (0.5, 0.75)])
def test_an_atom_is_the_picture_of_a_path(form, angle, delay):
    atoms = Atoms(*form)
    picture = atoms.picture(one_path(form, angle, delay))[0]
    picture = picture[:, 0] + 1j * picture[:, 1]
    a = atoms.angle.rows[int((angle + form[0] // 2) * UNIT) - atoms.angle.origin]
    d = atoms.delay.rows[int(delay * UNIT) - atoms.delay.origin]
    gain = a @ picture @ d
    np.testing.assert_allclose(picture, gain * np.outer(a, d), atol=1e-5 * abs(gain))
    assert np.linalg.norm(a) == pytest.approx(1) and np.linalg.norm(d) == pytest.approx(
        1
    )


@pytest.mark.parametrize("form", FORMS)
def test_a_picture_is_turned_back_and_keeps_the_energy(form):
    rng = np.random.default_rng(0)
    h = rng.normal(size=(3, *form[:2], 2)) @ np.array([1, 1j])
    picture = Atoms(*form).picture(h)
    assert (picture**2).sum() == pytest.approx((np.abs(h) ** 2).sum(), rel=1e-5)
    np.testing.assert_allclose(Atoms(*form).csi(picture), h, atol=1e-5)


def test_a_synthesis_sums_atoms():
    atoms = Atoms(8, 6, 20, "angular_delay")
    gain = np.array([[1 + 2j, -0.5j, 0]])
    angle, delay = np.array([[3, 700, 0]]), np.array([[-60, 400, 0]])
    picture = atoms.synthesize(gain, angle, delay)[0]
    expected = sum(
        g * np.outer(atoms.angle.rows[a], atoms.delay.rows[d - atoms.delay.origin])
        for g, a, d in zip(gain[0], angle[0], delay[0])
    )
    np.testing.assert_allclose(picture[:, 0] + 1j * picture[:, 1], expected, atol=1e-6)


def test_atoms_with_invalid_arguments_are_refused():
    with pytest.raises(ValueError, match="num_fft is 16; it must be at least"):
        Atoms(32, 32, 16, "angular_delay")
    with pytest.raises(ValueError, match="num_fft is 64; in the space_frequency"):
        Atoms(32, 32, 64, "space_frequency")
    with pytest.raises(ValueError, match="domain is 'delay'"):
        Atoms(32, 32, 32, "delay")
    assert transforms.DOMAINS == ("angular_delay", "space_frequency")
