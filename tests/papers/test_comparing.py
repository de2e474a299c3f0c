"""Ways to one number from the errors of many matrices."""

from __future__ import annotations

import numpy as np
import pytest

from tfcsi import metrics
from tfcsi.papers import comparing


@pytest.fixture(scope="module")
def ways(h):
    """The ways for the first 300 matrices, and their NMSE."""
    nmse = np.random.default_rng(0).gamma(2.0, 0.05, 300)
    return comparing.ways(h[:300], nmse), nmse


def test_the_mean_of_decibels_is_below_the_decibels_of_the_mean(ways):
    published, nmse = ways
    honest = float(metrics.to_db(nmse.mean()))
    of_each = published["dB of each matrix, then their mean"]
    assert of_each == pytest.approx(float(metrics.to_db(nmse).mean()))
    assert of_each < published["dB of each batch of 200, then their mean"] + 1e-9
    assert of_each < honest - 0.5


def test_csi_around_a_half_seems_to_have_a_far_smaller_error(ways, h):
    published, nmse = ways
    energy = (np.abs(h[:300]) ** 2).sum((1, 2))
    around = 0.5 * h[0].size + energy.mean()  # The parts are uncorrelated with 0.5.
    wrong = float(metrics.to_db((nmse * energy).mean() / around))
    name = "relative to CSI from which 0.5 is not subtracted"
    assert published[name] == pytest.approx(wrong)
    assert published[name] < metrics.to_db(nmse.mean()) - 10
