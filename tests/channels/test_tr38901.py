"""Channels of TR 38.901: forms and physics where Sionna is installed, else refusals."""

import importlib.util

import numpy as np
import pytest

from tfcsi import transforms
from tfcsi.channels import tr38901

here = importlib.util.find_spec("sionna") is not None


def sionna(test):
    """Marks a test that runs where Sionna is installed."""
    skip = pytest.mark.skipif(not here, reason=tr38901.INSTALL)
    return pytest.mark.sionna(skip(test))


@pytest.fixture(scope="module")
def uma():
    return tr38901.simulate_with_loss(100, 1, "uma_nlos")


@pytest.mark.skipif(here, reason="Sionna is installed")
def test_without_sionna_the_command_that_installs_it_is_told():
    for _ in range(2):
        with pytest.raises(
            ImportError, match=r"0\.19\.2: pip install 'tfcsi\[sionna\]'"
        ):
            tr38901.simulate(1, 1)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (
            {"scenario": "uma"},
            "unknown scenario 'uma'; known: uma_los, uma_nlos, uma_m",
        ),
        ({"num": -1}, "num is -1; it must be an integer, 0 or more"),
        ({"domain": "time"}, "domain is 'time'; it must be one of"),
        ({"num_delay": 2000}, "num_sc is 2000; it must be 1 to 1024"),
    ],
)
def test_arguments_out_of_range_are_refused(arguments, words):
    with pytest.raises(ValueError, match=words):
        tr38901.simulate(**{"num": 1, "seed": 1, **arguments})


@sionna
def test_matrices_have_their_form_and_most_energy_comes_early(uma):
    h, lost = uma
    assert h.dtype == np.complex64 and h.shape == (100, 32, 32)
    np.testing.assert_allclose(np.abs(h).max((1, 2)), 0.5, rtol=1e-6)
    assert 0.01 < lost.mean() < 0.15 and lost.min() >= 0
    profile = (np.abs(h) ** 2).sum((0, 1))
    assert profile[0] == profile.max()


@sionna
def test_a_matrix_depends_on_seed_and_number_alone(uma):
    h = tr38901.simulate(70, 1, "uma_nlos")
    np.testing.assert_array_equal(h, uma[0][:70])
    other = tr38901.simulate(70, 2, "uma_nlos")
    assert np.abs(other - h).max((1, 2)).min() > 0.1


@sionna
def test_both_domains_are_one_channel():
    options = {"num_fft": 64, "num_delay": 64, "num_tx": 8, "carrier": 3.5e9}
    h = tr38901.simulate(5, 1, "umi_nlos", **options)
    h_sf = tr38901.simulate(5, 1, "umi_nlos", domain="space_frequency", **options)
    back = transforms.to_peak(transforms.to_angular_delay(h_sf, 64))[0]
    np.testing.assert_allclose(back, h, atol=1e-5)


@sionna
@pytest.mark.parametrize("name", ["uma", "umi", "rma"])
def test_line_of_sight_is_sparser_than_none(name):
    spread = {}
    for sight in ("los", "nlos", "mixed"):
        power = np.abs(tr38901.simulate(64, 1, f"{name}_{sight}", carrier=6e9)) ** 2
        spread[sight] = (power.sum((1, 2)) / power.max((1, 2))).mean()
    assert spread["los"] < spread["nlos"] and spread["los"] < spread["mixed"]
