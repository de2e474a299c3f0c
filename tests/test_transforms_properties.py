"""Inverses of tfcsi.transforms for any CSI that hypothesis thinks of."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tfcsi import transforms

SIDE = st.integers(1, 9)
# Of CSI in any unit: far below a channel gain, far above what float32 radios see.
REALS = st.floats(-1.0, 1.0, width=32, allow_subnormal=False)
UNITS = st.integers(-125, 125).map(lambda exponent: 2.0**exponent)


def matrices(*axes, elements=REALS):
    """Complex64 [*axes], each axis a strategy of its size."""
    shapes = st.tuples(*axes, st.just(2))
    reals = shapes.flatmap(lambda s: hnp.arrays(np.float32, s, elements=elements))
    return reals.map(lambda x: x.view(np.complex64)[..., 0])


def peak(h):
    """Largest modulus, [n, 1, 1]."""
    return np.abs(h).max((-2, -1), keepdims=True)


def assert_near(ours, expected, tolerance=1e-5):
    """Equal to a part of the largest modulus of each matrix."""
    error = peak(ours.astype(complex) - expected)
    assert (error <= tolerance * peak(expected.astype(complex))).all()


@given(
    st.tuples(SIDE, SIDE, SIDE, st.just(2)).flatmap(
        lambda shape: hnp.arrays(np.uint32, shape)
    )
)
def test_to_complex_inverts_to_real_bit_by_bit(words):
    x = words.view(np.float32)  # NaN, infinities and subnormal numbers as well.
    h = transforms.to_complex(x)
    assert h.dtype == np.complex64 and h.shape == x.shape[:-1]
    assert transforms.to_real(h).tobytes() == x.tobytes()
    assert transforms.to_real(h.swapaxes(1, 2)).shape == (*h.swapaxes(1, 2).shape, 2)


@given(matrices(SIDE, SIDE, SIDE), st.integers(0, 20))
def test_to_angular_delay_inverts_to_space_frequency_of_any_length(h, more):
    num_delay = h.shape[-1]
    h_sf = transforms.to_space_frequency(h, num_delay + more)
    assert h_sf.shape == (*h.shape[:-1], num_delay + more)
    assert_near(transforms.to_angular_delay(h_sf, num_delay), h)


@given(matrices(SIDE, SIDE, SIDE))
def test_to_space_frequency_inverts_to_angular_delay_of_all_taps(h_sf):
    h = transforms.to_angular_delay(h_sf, h_sf.shape[-1])
    assert_near(transforms.to_space_frequency(h, h_sf.shape[-1]), h_sf)


@given(matrices(SIDE, SIDE, SIDE))
def test_angles_and_antennas_invert_each_other(h):
    assert_near(transforms.to_antennas(transforms.to_angles(h)), h)
    assert_near(transforms.to_angles(transforms.to_antennas(h)), h)


@given(matrices(SIDE, SIDE, SIDE), st.integers(0, 20))
def test_from_subcarriers_inverts_to_subcarriers_of_any_length(h, more):
    num_fft = h.shape[-1] + more
    hf = transforms.to_subcarriers(h, num_fft, num_fft)
    assert_near(transforms.from_subcarriers(hf, h.shape[-1]), h)


@given(matrices(SIDE, SIDE, SIDE), UNITS, st.booleans())
def test_from_peak_inverts_to_peak_in_any_unit(h, unit, per_matrix):
    h[:, 0, 0] = 1  # No matrix of zeros, which has no scale.
    h = (h * np.float32(unit)).astype(np.complex64)
    scaled, scale = transforms.to_peak(h, per_matrix)
    assert_near(transforms.from_peak(scaled, scale), h, 1e-6)
    top = peak(scaled) if per_matrix else peak(scaled).max(0)
    np.testing.assert_allclose(top, transforms.PEAK, rtol=1e-6)


@given(matrices(SIDE, SIDE, SIDE), UNITS)
def test_from_unit_interval_inverts_to_unit_interval_in_any_unit(h, unit):
    h[:, 0, 0] = 1
    h = (h * np.float32(unit)).astype(np.complex64)
    x01, scale = transforms.to_unit_interval(h)
    assert x01.min() >= 0 and x01.max() <= 1
    # About 0.5 a float32 has 24 bits, of which the shift by 0.5 loses one.
    assert_near(transforms.from_unit_interval(x01, scale), h, 1e-6)


@given(matrices(SIDE, SIDE, SIDE))
def test_the_klt_basis_is_unitary_and_gives_the_covariance_back(h):
    variances, basis = transforms.klt_basis(h)
    size = h[0].size
    np.testing.assert_allclose(basis.conj().T @ basis, np.eye(size), atol=1e-9)
    assert (np.diff(variances) <= 1e-9).all()
    flat = h.reshape(len(h), size).astype(complex)
    covariance = flat.T @ flat.conj() / len(h)
    again = (basis * variances) @ basis.conj().T
    np.testing.assert_allclose(again, covariance, atol=1e-5)


@given(matrices(SIDE, SIDE, SIDE))
def test_vectorised_matrices_keep_every_entry_in_its_order(h):
    flat = transforms.vectorised(h.swapaxes(1, 2), h.swapaxes(1, 2).shape[1:])
    assert flat.tobytes() == h.swapaxes(1, 2).tobytes()
