"""UE encoders rewritten for export."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from tfcsi import transforms
from tfcsi.model_optimization import codeword
from tfcsi.models import bacrnet, bcsinet, cllwcsinet, csinet
from tfcsi.tflite import convert, flatbuffer, runner


@pytest.fixture(scope="module")
def x(draw_csi):
    return transforms.to_real(draw_csi(80))


def test_rounding_keeps_the_codewords_and_has_127_levels_a_column(x):
    encoder = csinet.encoder((16, 16), 12)
    rounded, unit = codeword.round_codeword(encoder, x)
    assert unit is None
    kernel = rounded.get_layer("codeword_columns").kernel.numpy()[0, 0]
    levels = 127 * kernel / np.abs(kernel).max(0)
    np.testing.assert_allclose(levels, np.rint(levels), atol=1e-3)
    y = encoder(x).numpy()
    assert np.mean((rounded(x) - y) ** 2) < 1e-3 * np.mean(y**2)


def test_units_put_out_symbols_or_an_even_part_of_them(x):
    encoder, step = csinet.encoder((16, 16), 12), np.full(12, 1e-3, np.float32)
    rounded, unit = codeword.round_codeword(encoder, x, True, step, own_units=True)
    np.testing.assert_allclose(unit / step, np.rint(unit / step), rtol=1e-5)
    u, y = rounded(x).numpy(), encoder(x).numpy()
    np.testing.assert_array_equal(u, np.rint(u))
    assert 64 < np.abs(u).max() <= 127
    np.testing.assert_allclose(u * unit, y, atol=1.5 * unit.max())


def test_without_steps_a_unit_is_the_range_of_its_entry(x):
    encoder = csinet.encoder((16, 16), 12)
    rounded, _ = codeword.round_codeword(encoder, x, True, None, own_units=True)
    turned = (transforms.to_real(transforms.to_complex(x) * 1j**p) for p in range(4))
    largest = np.max([np.abs(rounded(x)).max(0) for x in turned], 0)
    assert largest.min() > 90 and largest.max() <= 127


def test_weights_that_are_zero_stay_zero(x):
    encoder = csinet.encoder((16, 16), 12)
    layer = encoder.get_layer("codeword")
    kernel, bias = layer.get_weights()
    kernel[np.abs(kernel) < np.quantile(np.abs(kernel), 0.7)] = 0
    layer.set_weights([kernel, bias])
    rounded, _ = codeword.round_codeword(encoder, x, True)
    back = rounded.get_layer("codeword_columns").kernel.numpy()[0, 0]
    np.testing.assert_array_equal(back[kernel == 0], 0)


def test_a_codeword_without_a_dense_layer_is_left_alone(x):
    encoder = cllwcsinet.encoder((16, 16), 64)
    assert codeword.round_codeword(encoder, x) == (encoder, None)
    assert codeword.pack_codeword(encoder) is encoder


@pytest.mark.tflite
@pytest.mark.parametrize("model", [bcsinet, bacrnet])
def test_binary_weights_take_one_bit_each_on_disk(model, draw_csi):
    x = transforms.to_real(draw_csi(5, (32, 32)))
    encoder = model.encoder((32, 32), 512)
    content = convert.convert(encoder, "float32")
    weights = int(np.prod(encoder.get_layer("codeword").kernel.shape))
    assert flatbuffer.constants(content)["UINT8"] == weights / 8
    assert weights / 8 < len(content) < weights / 8 + 20_000
    y = encoder(x).numpy()
    np.testing.assert_allclose(
        runner.Runner(content)(x), y, atol=1e-5 * np.abs(y).max()
    )


@pytest.mark.tflite
def test_inputs_that_fill_no_byte_are_packed_too():
    encoder = bcsinet.encoder((3, 5), 7)
    encoder.get_layer("codeword").bias.assign(np.arange(7.0))
    x = np.random.default_rng(0).normal(size=(4, 3, 5, 2)).astype(np.float32)
    y = runner.Runner(convert.convert(encoder, "float32"))(x)
    np.testing.assert_allclose(y, encoder(x), atol=1e-4)


@pytest.mark.tflite
def test_the_table_of_a_nibble_holds_its_bits_as_signs():
    bits = np.unpackbits(np.arange(16, dtype=np.uint8)[:, None], axis=1)[:, 4:]
    np.testing.assert_array_equal(codeword._NIBBLE, 2.0 * bits.T - 1)
    assert tf.constant(codeword._NIBBLE).dtype == tf.float32
