"""Laws of the rounding of weights that watches the inputs."""

import numpy as np
import pytest

from tfcsi.model_optimization import rounding


@pytest.fixture(scope="module")
def kernel():
    return np.random.default_rng(0).normal(size=(64, 12)).astype(np.float32)


def nearest(kernel):
    """What a converter does: each weight by itself, to 127 levels of its column."""
    scale = np.abs(kernel).max(0) / rounding.LEVELS
    return np.rint(kernel / scale) * scale


def test_a_converter_leaves_rounded_weights_as_they_are(kernel):
    x = np.random.default_rng(1).normal(size=(200, 64)).astype(np.float32)
    rounded = rounding.round_kernel(kernel, x)
    np.testing.assert_allclose(nearest(rounded), rounded, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(np.abs(rounded).max(0), np.abs(kernel).max(0), rtol=1e-6)


def test_inputs_in_few_directions_are_served_far_better_than_by_nearest(kernel):
    rng = np.random.default_rng(1)
    directions = rng.normal(size=(8, 64))
    x, new = (rng.normal(size=(200, 8)) @ directions for _ in range(2))
    rounded = rounding.round_kernel(kernel, x.astype(np.float32))
    error = np.square(new @ (rounded - kernel)).mean()
    assert error < 0.1 * np.square(new @ (nearest(kernel) - kernel)).mean()


def test_unrelated_inputs_of_equal_strength_are_rounded_to_the_nearest(kernel):
    rounded = rounding.round_kernel(kernel, np.eye(64, dtype=np.float32))
    np.testing.assert_allclose(rounded, nearest(kernel), rtol=1e-5, atol=1e-7)


def test_a_column_of_zeros_stays_zero(kernel):
    kernel = np.where(np.arange(12) == 5, 0, kernel)
    rounded = rounding.round_kernel(kernel, np.eye(64, dtype=np.float32))
    assert not rounded[:, 5].any() and np.isfinite(rounded).all()
