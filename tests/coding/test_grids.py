"""One contract for every grid: the quantiser and the grid of a name are one thing.

The other laws of the quantisers are in test_quantizers.
"""

import numpy as np
import pytest

from tfcsi.coding import grids
from tfcsi.coding.packets import PacketError
from tfcsi.coding.sending import quantize
from tfcsi.entropy import quantizers

LATENT = 24
# Arguments of a quantiser besides the length of the codeword.
ARGUMENTS = {
    "float": {},
    "mulaw": {"bits": 5, "mu": 100.0},
    "uniform": {},
    "uniform_rates": {"rates": 4, "rate": 3},
}
CASES = [
    *ARGUMENTS.items(),
    *(("uniform", {"offset": offset}) for offset in ("learned", "dither")),
]


@pytest.fixture
def y():
    """Codewords, float32 [50, LATENT]."""
    draw = np.random.default_rng(0).standard_normal((50, LATENT))
    return draw.astype(np.float32)


@pytest.fixture(params=CASES, ids=lambda case: "-".join([case[0], *map(str, case[1])]))
def quantizer(request, y):
    """A quantiser that has seen data."""
    name, arguments = request.param
    made = quantizers.get(name)(LATENT, **arguments)
    made.initialize(y, 1e-4)
    return made


@pytest.fixture
def grid(quantizer):
    """The grid that is stored for a phone in place of a quantiser."""
    (name,) = (n for n, cls in quantizers.QUANTIZERS.items() if cls is type(quantizer))
    return grids.from_arrays(name, quantizer.arrays())


def test_every_grid_has_a_quantizer_and_arguments_here():
    assert grids.GRIDS.keys() == quantizers.QUANTIZERS.keys() == ARGUMENTS.keys()


def test_a_grid_from_its_arrays_is_the_quantizer(quantizer, grid, y):
    for field in ("latent_dim", "num_symbols", "num_side", "num_levels", "num_rates"):
        assert getattr(grid, field) == getattr(quantizer, field)
    np.testing.assert_array_equal(grid.step, quantizer.step)
    sent = grid.quantize(y)
    for ours, theirs in zip(sent, quantizer.quantize(y)):
        np.testing.assert_array_equal(ours, theirs)
    np.testing.assert_array_equal(grid.dequantize(*sent), quantizer.dequantize(*sent))


def test_symbols_and_side_words_are_as_many_as_it_says(grid, y):
    symbols, side = grid.quantize(y)
    assert (symbols.shape, symbols.dtype) == ((50, grid.num_symbols), np.int32)
    assert (side.shape, side.dtype) == ((50, grid.num_side), np.uint16)
    y_hat = grid.dequantize(symbols, side)
    assert (y_hat.shape, y_hat.dtype) == ((50, grid.latent_dim), np.float32)
    if grid.num_levels is not None:
        assert 0 <= symbols.min() and symbols.max() < grid.num_levels


def test_a_point_of_the_grid_stays_where_it_is(grid, y):
    y_hat = grid.dequantize(*grid.quantize(y))
    again = grid.dequantize(*grid.quantize(y_hat))
    np.testing.assert_allclose(again, y_hat, rtol=1e-5, atol=1e-6)
    if grid.step is not None:
        assert np.all(np.abs(y_hat - y) <= 0.5001 * grid.step)


def test_words_of_a_network_that_quantises_are_taken_apart(grid, y):
    symbols, side = grid.quantize(y)
    words = np.concatenate([symbols, side.astype(np.int32)], 1)
    for sent, expected in zip(quantize(words, grid), (symbols, side)):
        np.testing.assert_array_equal(sent, expected)


def test_what_is_no_grid_is_refused():
    with pytest.raises(ValueError, match="'vector'; known quantizers: float, mulaw"):
        grids.from_arrays("vector", {})
    with pytest.raises(ValueError, match="'uniform' got wrong arguments"):
        grids.from_arrays("uniform", {"stride": np.ones(3)})
    for step in (np.zeros(3), np.full(3, np.nan), np.ones((3, 3))):
        with pytest.raises(ValueError, match="step must be positive numbers"):
            grids.from_arrays("uniform", {"step": step})
    with pytest.raises(ValueError, match=r"steps must be positive numbers \[rates"):
        grids.RatesGrid(np.ones(3), 0)
    with pytest.raises(ValueError, match="rate is 2; it must be 0 to 1"):
        grids.RatesGrid(np.ones((2, 3)), 2)


def test_each_rate_of_a_grid_has_its_steps_and_is_named_first(y):
    steps = np.float32([[1.0] * LATENT, [0.5] * LATENT, np.linspace(0.1, 0.2, LATENT)])
    grid = grids.RatesGrid(steps, 1)
    rate = np.arange(50) % 3
    symbols, side = grid.quantize(y, rate)
    np.testing.assert_array_equal(symbols[:, 0], rate)
    apart = np.abs(grid.dequantize(symbols, side) - y)
    assert np.all(apart <= 0.5001 * steps[rate])
    np.testing.assert_array_equal(grid.quantize(y)[0][:, 0], 1)
    assert np.all(np.diff(grid.mean_steps) < 0)
    for wrong in (-1, 3):
        symbols[7, 0] = wrong
        with pytest.raises(PacketError, match=f"packet 7: rate {wrong} is none of"):
            grid.dequantize(symbols, side)
