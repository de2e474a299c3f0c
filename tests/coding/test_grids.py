"""Grids: made again from what is stored. Their other laws are in test_quantizers."""

import numpy as np
import pytest

from tfcsi.coding import grids
from tfcsi.entropy import quantizers


@pytest.mark.parametrize(
    ("name", "arguments"),
    [("uniform", ()), ("mulaw", (5, 100.0)), ("float", ())],
)
def test_a_grid_from_its_arrays_is_the_quantizer(name, arguments):
    rng = np.random.default_rng(0)
    quantizer = quantizers.get(name)(24, *arguments)
    y = rng.standard_normal((50, 24)).astype(np.float32)
    quantizer.initialize(y, 1e-4)
    grid = grids.from_arrays(name, quantizer.arrays())
    for field in ("latent_dim", "num_symbols", "num_side", "num_levels"):
        assert getattr(grid, field) == getattr(quantizer, field)
    for ours, theirs in zip(grid.quantize(y), quantizer.quantize(y)):
        np.testing.assert_array_equal(ours, theirs)
    sent = grid.quantize(y)
    np.testing.assert_array_equal(grid.dequantize(*sent), quantizer.dequantize(*sent))


def test_what_is_no_grid_is_refused():
    with pytest.raises(ValueError, match="'vector'; known quantizers: float, mulaw"):
        grids.from_arrays("vector", {})
    with pytest.raises(ValueError, match="'uniform' got wrong arguments"):
        grids.from_arrays("uniform", {"stride": np.ones(3)})
    for step in (np.zeros(3), np.full(3, np.nan), np.ones((3, 3))):
        with pytest.raises(ValueError, match="step must be positive numbers"):
            grids.from_arrays("uniform", {"step": step})
