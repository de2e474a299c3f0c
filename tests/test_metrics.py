"""Laws of tfcsi.metrics."""

import numpy as np
import pytest

from tfcsi import metrics, transforms

TAPS, FREQUENCY = transforms.DOMAINS


def sgcs_of_taps(h, h_hat):
    return metrics.sgcs(h, h_hat, TAPS)


@pytest.fixture
def h():
    rng = np.random.default_rng(0)
    h = rng.standard_normal((600, 32, 32)) + 1j * rng.standard_normal((600, 32, 32))
    return h.astype(np.complex64)


def test_nmse_of_zeros_is_0_db(h):
    value = metrics.nmse(h, np.zeros_like(h))
    assert value.shape == (600,) and value.dtype == np.float64
    np.testing.assert_allclose(value, 1)
    assert metrics.to_db(value.mean()) == pytest.approx(0, abs=1e-6)


def test_nmse_of_the_truth_is_zero_and_minus_infinity_db(h):
    assert not metrics.nmse(h, h.copy()).any()
    assert metrics.to_db(0.0) == -np.inf


def test_nmse_is_the_relative_error_energy_of_each_matrix(h):
    share = np.linspace(0.01, 2, len(h), dtype=np.float32)[:, None, None]
    np.testing.assert_allclose(
        metrics.nmse(h, (1 + share) * h), share[:, 0, 0] ** 2, rtol=1e-4
    )


def test_the_mean_is_taken_before_db():
    linear = np.array([0.1, 0.001])
    assert metrics.to_db(linear.mean()) == pytest.approx(-12.967, abs=1e-3)
    np.testing.assert_allclose(metrics.to_db(linear), [-10, -30])


def test_to_db_refuses_values_that_are_in_db_already():
    with pytest.raises(ValueError, match="in dB already"):
        metrics.to_db(-17.36)


@pytest.mark.parametrize("factor", [3.0, 0.01j, -1 + 2j])
def test_similarities_ignore_scale_and_phase(h, factor):
    h_hat = (factor * h).astype(np.complex64)
    np.testing.assert_allclose(metrics.sgcs(h, h_hat, TAPS), 1, atol=1e-6)
    hf = transforms.to_subcarriers(h)
    np.testing.assert_allclose(metrics.rho(h_hat, hf, TAPS), 1, atol=1e-6)


def test_similarities_with_zero_are_zero(h):
    zeros = np.zeros_like(h)
    assert not metrics.sgcs(h, zeros, TAPS).any()
    assert not metrics.rho(zeros, transforms.to_subcarriers(h), TAPS).any()


def test_similarities_of_independent_matrices_follow_the_antennas(h):
    """|w^H v|^2 of independent directions in C^32 is Beta(1, 31), its mean 1/32."""
    other = h[::-1]
    assert metrics.sgcs(h, other, TAPS).mean() == pytest.approx(1 / 32, rel=0.05)
    value = metrics.rho(other, transforms.to_subcarriers(h), TAPS)
    assert value.mean() == pytest.approx(np.sqrt(np.pi / 4 / 32), rel=0.05)
    assert (metrics.sgcs(h, other, TAPS) >= value**2).all()  # Jensen


def test_rho_is_the_same_in_both_domains(h):
    h_hat = (h + 0.3 * h[::-1]).astype(np.complex64)
    hf = transforms.to_subcarriers(h)
    h_sf = transforms.to_space_frequency(h_hat, h.shape[-1])
    expected = metrics.rho(h_hat, hf, TAPS)
    rho = metrics.rho(h_sf, hf, "space_frequency")
    np.testing.assert_allclose(rho, expected, atol=1e-6)
    assert expected.max() < 0.99
    with pytest.raises(ValueError, match="domain is 'time'; it must be one of"):
        metrics.rho(h_hat, hf, "time")


def test_sgcs_is_the_same_over_angles_and_over_antennas(h):
    h_hat = h + np.roll(h, 1, axis=0)
    turn = np.fft.fft(np.eye(32), norm="ortho")
    np.testing.assert_allclose(
        metrics.sgcs(turn @ h, turn @ h_hat, TAPS),
        metrics.sgcs(h, h_hat, TAPS),
        atol=1e-5,
    )


def plain_sgcs(hf, hf_hat):
    """The definition in plain loops; CSI over antennas and subcarriers."""
    values = []
    for truth, estimate in zip(hf.astype(complex), hf_hat.astype(complex)):
        total = 0.0
        for k in range(truth.shape[1]):
            product, energy, energy_hat = 0.0, 0.0, 0.0
            for i in range(truth.shape[0]):
                product += truth[i, k].conjugate() * estimate[i, k]
                energy += abs(truth[i, k]) ** 2
                energy_hat += abs(estimate[i, k]) ** 2
            total += abs(product) ** 2 / (energy * energy_hat)
        values.append(total / truth.shape[1])
    return values


def test_sgcs_is_that_over_antennas_and_subcarriers_in_both_domains():
    rng = np.random.default_rng(1)
    h = (rng.standard_normal((3, 8, 6, 2)) @ [1, 1j]).astype(np.complex64)
    h_hat = h + 0.3 * np.roll(h, 1, axis=0)
    expected = plain_sgcs(h, h_hat)
    np.testing.assert_allclose(metrics.sgcs(h, h_hat, FREQUENCY), expected, rtol=1e-5)
    # Antennas and subcarriers of the taps, by the sums that define both DFTs.
    num_sc, num_fft = transforms.NUM_SC, transforms.NUM_FFT
    antennas = [[np.exp(2j * np.pi * i * a / 8) for a in range(8)] for i in range(8)]
    turns = [
        [np.exp(-2j * np.pi * d * k / num_fft) for k in range(num_sc)] for d in range(6)
    ]
    hf, hf_hat = (np.array(antennas) @ x @ np.array(turns) for x in (h, h_hat))
    sgcs = metrics.sgcs(h, h_hat, TAPS)
    np.testing.assert_allclose(sgcs, plain_sgcs(hf, hf_hat), rtol=1e-4)
    assert np.abs(sgcs - expected).max() > 1e-3  # The domain matters.


def test_sgcs_of_an_unknown_domain_is_refused(h):
    with pytest.raises(ValueError, match="domain is 'time'; it must be one of angular"):
        metrics.sgcs(h, h, "time")


def test_measures_refuse_a_truth_without_energy_and_name_it(h):
    h[517] = 0
    for measure in (metrics.nmse, sgcs_of_taps):
        with pytest.raises(ValueError, match="matrix 517 of the truth has no energy"):
            measure(h, h)
    h[3, 0, 0] = np.nan
    with pytest.raises(ValueError, match="matrix 3 of the truth"):
        metrics.nmse(h, h)


def test_measures_refuse_unequal_shapes(h):
    for measure in (metrics.nmse, sgcs_of_taps):
        with pytest.raises(ValueError, match=r"\(600, 32, 32\).*\(600, 32, 31\)"):
            measure(h, h[..., :31])
    with pytest.raises(ValueError, match="expected"):
        metrics.rho(h, transforms.to_subcarriers(h)[:5], TAPS)


def test_bits_count_every_byte():
    assert metrics.bits_per_csi([b"abc", b"", b"a"]) == pytest.approx(32 / 3)
    assert metrics.bits_per_pixel(1024) == 0.5
    assert metrics.bits_per_pixel(1024, num_reals=512) == 2
    with pytest.raises(ValueError, match="no packets"):
        metrics.bits_per_csi([])


def test_the_confidence_interval_covers_the_mean_as_often_as_it_says():
    samples = np.random.default_rng(0).exponential(size=(200, 100))
    low, high = np.transpose([metrics.confidence_interval(s) for s in samples])
    assert 0.89 <= np.mean((low < 1) & (high > 1)) <= 0.98


def test_the_confidence_interval_has_the_width_of_the_normal_law():
    values = np.random.default_rng(0).normal(5, 2, 10000)
    low, high = metrics.confidence_interval(values, seed=3)
    assert (low, high) == metrics.confidence_interval(values, seed=3)
    assert low < values.mean() < high
    assert high - low == pytest.approx(2 * 1.96 * 2 / 100, rel=0.1)
    narrow = metrics.confidence_interval(values, level=0.5)
    assert narrow[1] - narrow[0] < high - low


def test_the_confidence_interval_refuses_what_it_cannot_do():
    with pytest.raises(ValueError, match=r"values must be \[n\], n > 1"):
        metrics.confidence_interval(np.zeros(1))
    with pytest.raises(ValueError, match=r"level must be in \(0, 1\)"):
        metrics.confidence_interval(np.zeros(3), level=95)


@pytest.mark.parametrize("number", [np.nan, np.inf])
def test_a_reconstruction_that_is_not_finite_has_no_similarity(h, number):
    h_hat, hf = h.copy(), transforms.to_subcarriers(h)
    h_hat[3, 5, 7] = number
    for value in (
        metrics.sgcs(h, h_hat, TAPS),
        metrics.sgcs(h, h_hat, FREQUENCY),
        metrics.rho(h_hat, hf, TAPS),
    ):
        assert np.isnan(value[3]) and np.isfinite(np.delete(value, 3)).all()
    value = metrics.nmse(h, h_hat)
    assert not np.isfinite(value[3]) and not np.delete(value, 3).any()
    assert not np.isfinite(metrics.to_db(value.mean()))


@pytest.mark.parametrize("scale", [1e300, 1e-300, 2.0**-1000])
def test_measures_are_the_same_at_scales_whose_squares_are_out_of_range(h, scale):
    h = h[:70].astype(complex)
    h_hat, hf = h + 0.3 * h[::-1], transforms.to_subcarriers(h).astype(complex)
    far, far_hat = scale * h, scale * h_hat
    expected = metrics.nmse(h, h_hat)
    np.testing.assert_allclose(metrics.nmse(far, far_hat), expected, rtol=1e-9)
    for domain in transforms.DOMAINS:
        expected = metrics.sgcs(h, h_hat, domain)
        value = metrics.sgcs(far, far_hat, domain)
        np.testing.assert_allclose(value, expected, rtol=1e-6)
        expected = metrics.rho(h_hat, hf, domain)
        value = metrics.rho(far_hat, scale * hf, domain)
        np.testing.assert_allclose(value, expected, rtol=1e-6)
