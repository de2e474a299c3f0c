"""Laws of tfcsi.transforms: inverses, energy, scale, refusals."""

import numpy as np
import pytest

from tfcsi import transforms


def random_matrices(*shape, seed=0):
    rng = np.random.default_rng(seed)
    h = rng.standard_normal(shape) + 1j * rng.standard_normal(shape)
    return h.astype(np.complex64)


def energy(h):
    return (np.abs(h.astype(complex)) ** 2).sum(axis=(-2, -1))


def test_to_complex_inverts_to_real_exactly():
    h = random_matrices(5, 32, 32)
    x = transforms.to_real(h)
    assert x.dtype == np.float32 and x.shape == (5, 32, 32, 2)
    np.testing.assert_array_equal(x[..., 0], h.real)
    np.testing.assert_array_equal(x[..., 1], h.imag)
    np.testing.assert_array_equal(transforms.to_complex(x), h)
    turned = np.swapaxes(h, 1, 2)
    np.testing.assert_array_equal(
        transforms.to_complex(transforms.to_real(turned)), turned
    )


def test_to_complex_refuses_an_array_without_re_im_last():
    with pytest.raises(ValueError, match=r"last axis must be \(re, im\)"):
        transforms.to_complex(np.zeros((2, 32, 32)))


def test_to_space_frequency_inverts_to_angular_delay_of_all_taps():
    h_sf = random_matrices(3, 16, 40)
    h = transforms.to_angular_delay(h_sf, 40)
    back = transforms.to_space_frequency(h, 40)
    np.testing.assert_allclose(back, h_sf, atol=2e-6)


def test_csi_in_angles_and_delays_goes_back_to_its_domain():
    h = random_matrices(3, 16, 40)
    assert transforms.in_angular_delay(h, "angular_delay") is h
    np.testing.assert_array_equal(
        transforms.in_angular_delay(h, "space_frequency"),
        transforms.to_angular_delay(h, 40),
    )
    for domain in transforms.DOMAINS:
        there = transforms.in_angular_delay(h, domain)
        back = transforms.in_domain(there, domain)
        np.testing.assert_allclose(back, h, atol=2e-6)


def test_to_angular_delay_inverts_to_space_frequency_of_few_taps():
    h = random_matrices(3, 32, 8)
    h_sf = transforms.to_space_frequency(h, 64)
    assert h_sf.shape == (3, 32, 64) and h_sf.dtype == np.complex64
    np.testing.assert_allclose(transforms.to_angular_delay(h_sf, 8), h, atol=2e-6)
    np.testing.assert_allclose(transforms.truncation_loss(h_sf, 8), 0, atol=1e-6)


def test_the_angular_delay_transform_keeps_energy():
    h_sf = random_matrices(3, 16, 40)
    whole = transforms.to_angular_delay(h_sf, 40)
    np.testing.assert_allclose(energy(whole), energy(h_sf), rtol=1e-6)
    padded = transforms.to_space_frequency(whole, 64)
    np.testing.assert_allclose(energy(padded), energy(h_sf), rtol=1e-6)
    kept = energy(transforms.to_angular_delay(h_sf, 10)) / energy(h_sf)
    np.testing.assert_allclose(transforms.truncation_loss(h_sf, 10), 1 - kept)


@pytest.mark.parametrize("angle", [-5, 0, 7])
def test_a_phase_that_rises_over_the_antennas_is_above_the_middle_angle(angle):
    wave = np.exp(2j * np.pi * angle * np.arange(32) / 32)
    h = transforms.to_angular_delay(np.outer(wave, np.ones(64)), 64)
    expected = np.zeros((32, 64))
    expected[16 + angle, 0] = np.sqrt(32 * 64)
    np.testing.assert_allclose(np.abs(h), expected, atol=1e-4)


def test_a_broadside_path_on_the_grid_is_one_entry_at_middle_angle():
    tone = np.exp(-2j * np.pi * 3 * np.arange(64) / 64)
    h = transforms.to_angular_delay(np.tile(tone, (32, 1)), 32)
    expected = np.zeros((32, 32))
    expected[16, 3] = np.sqrt(32 * 64)
    np.testing.assert_allclose(np.abs(h), expected, atol=1e-4)


@pytest.mark.parametrize("num_delay", [0, 41])
def test_more_or_fewer_taps_than_there_are_is_refused(num_delay):
    with pytest.raises(ValueError, match=f"cannot keep {num_delay} of 40"):
        transforms.to_angular_delay(random_matrices(1, 4, 40), num_delay)


def test_fewer_subcarriers_than_taps_is_refused():
    with pytest.raises(ValueError, match="cannot keep 32 of 16"):
        transforms.to_space_frequency(random_matrices(1, 4, 32), 16)
    with pytest.raises(ValueError, match="cannot keep 300 of 257"):
        transforms.to_subcarriers(random_matrices(1, 4, 32), num_sc=300)


def test_truncation_loss_of_nothing_is_refused():
    with pytest.raises(ValueError, match="no energy"):
        transforms.truncation_loss(np.zeros((1, 4, 8), np.complex64), 4)


def test_to_subcarriers_is_the_published_zero_padded_fft():
    h = random_matrices(2, 32, 32)
    padded = np.concatenate([h, np.zeros((2, 32, 257 - 32))], axis=2)
    expected = np.fft.fft(padded, axis=2)[:, :, :125]
    np.testing.assert_allclose(transforms.to_subcarriers(h), expected, atol=1e-5)


def test_from_subcarriers_inverts_to_subcarriers_of_all_bins():
    h = random_matrices(2, 32, 32)
    hf = transforms.to_subcarriers(h, num_sc=transforms.NUM_FFT)
    np.testing.assert_allclose(transforms.from_subcarriers(hf, 32), h, atol=1e-6)
    np.testing.assert_allclose(energy(hf), 257 * energy(h), rtol=1e-5)


@pytest.mark.parametrize("size", [1e-30, 1e-3, 1, 1e30])
def test_from_unit_interval_inverts_to_unit_interval_at_any_scale(size):
    h = random_matrices(4, 32, 32) * np.float32(size)
    x01, scale = transforms.to_unit_interval(h)
    assert x01.dtype == scale.dtype == np.float32
    assert x01.min() >= 0 and x01.max() <= 1
    back = transforms.from_unit_interval(x01, scale)
    assert back.dtype == np.complex64
    np.testing.assert_allclose(back / size, h / size, atol=1e-6)


def test_the_unit_interval_has_zero_at_a_half_and_peak_modulus_a_half():
    x01, scale = transforms.to_unit_interval(random_matrices(4, 32, 32))
    peak = np.abs(transforms.from_unit_interval(x01)).max(axis=(1, 2))
    np.testing.assert_allclose(peak, 0.5, atol=1e-6)
    h = np.zeros((1, 2, 2), np.complex64)
    h[0, 0, 0] = -3
    x01, scale = transforms.to_unit_interval(h)
    np.testing.assert_array_equal(x01[0, 0], [[0, 0.5], [0.5, 0.5]])
    assert scale == 6


def test_to_unit_interval_names_the_matrix_it_cannot_scale():
    h = random_matrices(4, 8, 8)
    h[2] = 0
    with pytest.raises(ValueError, match="matrix 2 of 4 is all zero"):
        transforms.to_unit_interval(h)
    h[1, 3, 3] = np.nan
    with pytest.raises(ValueError, match="matrix 1 of 4 has NaN or infinite"):
        transforms.to_unit_interval(h)
    with pytest.raises(ValueError, match=r"must be \[n, num_tx, num_delay\]"):
        transforms.to_unit_interval(h[0])


@pytest.mark.parametrize("scale", [transforms.to_peak, transforms.to_unit_interval])
def test_csi_that_float32_cannot_scale_is_refused_and_not_made_nan(scale):
    for size, words in ((1e-39, "no entry above 5.9e-39"), (2e38, "some above 1.7e38")):
        with pytest.raises(ValueError, match=f"matrix 1 of 2 has .*{words}"):
            scale(np.array([1, size], np.complex64)[:, None, None])


@pytest.mark.parametrize("per_matrix", [True, False])
def test_from_peak_inverts_to_peak_of_each_matrix_or_of_all(per_matrix):
    h = random_matrices(5, 8, 4) * np.array([1e-6, 1, 30, 2, 3])[:, None, None]
    scaled, scale = transforms.to_peak(h, per_matrix)
    assert scaled.dtype == np.complex64 and scale.shape == ((5,) if per_matrix else ())
    peaks = np.abs(scaled).max((1, 2))
    assert peaks.max() == pytest.approx(0.5) and per_matrix == (peaks.min() > 0.49)
    np.testing.assert_allclose(transforms.from_peak(scaled, scale), h, rtol=1e-5)


def test_one_scale_for_all_keeps_the_power_between_matrices():
    h = random_matrices(3, 8, 4) * np.array([1, 0.1, 0])[:, None, None]
    scaled, _ = transforms.to_peak(h, per_matrix=False)
    ratio = energy(scaled[:2]) / energy(h[:2])
    assert ratio[0] == pytest.approx(ratio[1], rel=1e-5) and not scaled[2].any()
    with pytest.raises(ValueError, match="matrix 2 of 3 is all zero and has no scale"):
        transforms.to_peak(h)
    with pytest.raises(ValueError, match="is all zero and has no scale"):
        transforms.to_peak(0 * h, per_matrix=False)
    with pytest.raises(ValueError, match="NaN or infinite"):
        transforms.to_peak(h * np.nan, per_matrix=False)


def test_to_antennas_inverts_to_angles():
    h = random_matrices(3, 32, 8)
    np.testing.assert_allclose(
        transforms.to_antennas(transforms.to_angles(h)), h, atol=1e-6
    )
