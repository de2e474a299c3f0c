"""Laws of quantisation after training, on a codec of real codewords."""

from __future__ import annotations

import numpy as np
import pytest

from tfcsi import metrics, transforms
from tfcsi.codecs import requantize
from tfcsi.codecs.neural import load
from tfcsi.coding import rangecoder
from tfcsi.training import run


@pytest.fixture(scope="module")
def real(make_config, dense, h, tmp_path_factory):
    """Workdir of a linear codec, trained for real codewords of 16 entries."""
    fields = {"quantizer": "float", "prior": "none", "epochs": 1, "latent_dim": 16}
    folder = tmp_path_factory.mktemp("runs") / "real"
    config = make_config(model=dense, **fields)
    run.train(config, folder, h[:300], h[300:], progress=False)
    return folder


def loss(codec, h):
    """Mean NMSE over the way of packets, linear."""
    return metrics.nmse(h, codec.decompress(codec.compress(h))).mean()


def test_a_bit_more_costs_a_bit_an_entry_and_quarters_the_error(real, h):
    codec, x = load(real), transforms.to_real(h[:300])
    exact, y = h[300:], load(real).analysis(transforms.to_real(h[300:]))
    errors, bits = [], []
    for b in (4, 6, 8, 14):
        made = requantize.quantized(codec, x, b)
        symbols, side = made.symbols(exact)
        errors.append(np.square(made.dequantize(symbols, side)[0] - y).mean())
        bits.append(made.bits_estimated(symbols).mean() / 16)
        payload = (8 * np.mean([len(p) for p in made.compress(exact)]) - 11) / 16
        assert bits[-1] - 0.01 < payload < bits[-1] + 1.1
    assert np.divide(errors[:2], errors[1:3]) == pytest.approx(16, rel=0.3)
    assert np.diff(bits)[:2] == pytest.approx(2, abs=0.3) and max(bits) < 14.2
    assert loss(requantize.quantized(codec, x, 14), exact) == pytest.approx(
        loss(codec, exact), rel=1e-4
    )


def test_a_quantised_run_is_a_run(real, h, tmp_path):
    made = requantize.quantize_run(real, tmp_path / "six", 6)
    again = load(tmp_path / "six")
    assert again.session == made.session and again.facts["codeword_bits"] == 6
    np.testing.assert_array_equal(
        again.decompress(made.compress(h[300:])),
        made.decompress(made.compress(h[300:])),
    )
    with pytest.raises(FileExistsError, match="already holds a run"):
        requantize.quantize_run(real, tmp_path / "six", 6)


def test_cells_are_as_likely_as_the_symbols_seen_in_them():
    column = np.repeat([-5, -4, 3, 8], [10, 20, 30, 40])
    tables = requantize.histograms(column[:, None], 4, "range")
    seen = np.array([-8, -5, -4, -1, 0, 3, 4, 8, 11])
    counts = np.array([10, 10, 20, 20, 30, 30, 0, 40, 40]) + 0.5
    expected = -np.log2(counts / 4 / (100 + 0.5 * 8))
    bits = rangecoder.code_bits(seen[:, None].astype(np.int32), tables)
    np.testing.assert_allclose(bits, expected, atol=0.05)


def test_what_does_not_fit_is_refused(real, h):
    codec, x = load(real), transforms.to_real(h[:300])
    for bits in (0, 15):
        with pytest.raises(ValueError, match=f"bits is {bits}; it must be 1 to 14"):
            requantize.quantized(codec, x, bits)
    with pytest.raises(ValueError, match="needs training matrices"):
        requantize.quantized(codec, x[:0], 6)
    with pytest.raises(ValueError, match="dense has no option steps; .* are: none"):
        requantize.quantized(codec, x, 6, steps=3)
