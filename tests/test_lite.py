"""TFLite encoders against the Keras encoder."""

import numpy as np
import pytest
import tensorflow as tf

from tfcsi import lite, transforms
from tfcsi.models import stqenet

pytestmark = pytest.mark.tflite


@pytest.fixture(scope="module")
def flatbuffers(codec, h):
    x = transforms.to_real(h[:100])
    return {p: lite.export(codec, p, x) for p in lite.PRECISIONS}


@pytest.mark.parametrize("attention", stqenet.ATTENTIONS)
@pytest.mark.parametrize("amplitude", stqenet.AMPLITUDES)
def test_folding_does_not_change_the_encoder(attention, amplitude):
    kwargs = {"attention": attention, "amplitude": amplitude}
    encoder = stqenet.encoder((32, 32), 16, **kwargs)
    for name in ("conv1", "conv5"):  # Biases start at zero and would hide an error.
        kernel, bias = encoder.get_layer(name).get_weights()
        bias = np.random.default_rng(0).normal(size=bias.shape)
        encoder.get_layer(name).set_weights([kernel, bias])
    x = np.random.default_rng(1).uniform(-0.5, 0.5, (3, 32, 32, 2)).astype(np.float32)
    np.testing.assert_allclose(
        stqenet.fold(encoder)(x), encoder(x), rtol=2e-4, atol=2e-4
    )


@pytest.mark.parametrize("precision", lite.PRECISIONS)
def test_each_precision_is_near_the_keras_encoder(codec, h, flatbuffers, precision):
    x = transforms.to_real(h[300:340])
    y = codec.analysis(x)
    if precision == "int8":  # It puts out symbols.
        y = np.rint(y / codec.quantizer.step) * codec.quantizer.step
    error = lite.Runner(flatbuffers[precision])(x) - y
    bound = {"float32": 1e-10, "float16": 1e-5, "dynamic": 1e-2, "int8": 1e-2}
    assert np.mean(error**2) / np.mean(y**2) < bound[precision]


def test_smaller_numbers_make_smaller_files(flatbuffers):
    size = {precision: len(content) for precision, content in flatbuffers.items()}
    assert size["float32"] > max(size["float16"], size["dynamic"], size["int8"])


def test_the_float_export_sends_the_same_symbols(codec, h, flatbuffers):
    points = lite.compare(codec, flatbuffers, h[300:])
    by_name = {point["codec"]: point for point in points}
    assert by_name["stqenet, TFLite float32"]["symbols_changed"] < 1e-3
    assert abs(by_name["stqenet, TFLite int8"]["nmse_loss_db"]) < 0.5
    assert by_name["stqenet, TFLite int8"]["ue_bytes"] == len(flatbuffers["int8"])
    assert all(p["microseconds"] > 0 for p in points[1:])
    assert codec.analysis(transforms.to_real(h[:2])).shape == (2, 32)


def test_an_integer_export_computes_the_codeword_in_integers(codec, flatbuffers):
    interpreter = tf.lite.Interpreter(model_content=flatbuffers["int8"])
    types = {d["index"]: d["dtype"] for d in interpreter.get_tensor_details()}
    used = {
        types[index]
        for operation in interpreter._get_ops_details()
        if operation["op_name"] == "CONV_2D"
        for index in [*operation["inputs"][:2], *operation["outputs"]]
    }
    integers = sum(
        np.prod(d["shape"])
        for d in interpreter.get_tensor_details()
        if d["dtype"] == np.int8
    )
    assert np.int8 in used
    assert integers >= np.prod(codec.encoder.get_layer("codeword").kernel.shape)


def test_an_integer_export_puts_out_symbols(codec, h, flatbuffers):
    y = lite.Runner(flatbuffers["int8"])(transforms.to_real(h[300:340]))
    symbols = y / codec.quantizer.step
    np.testing.assert_allclose(symbols, np.rint(symbols), atol=1e-4)
    assert np.abs(symbols).max() > 3


def test_an_operation_that_is_no_builtin_is_named():
    x = tf.keras.Input((8, 8, 2))
    y = tf.keras.layers.Reshape((1,))(tf.linalg.det(x[..., 0]))
    y = tf.keras.layers.Dense(4, name="codeword")(y)
    with pytest.raises(lite.ConversionError, match="MatrixDeterminant"):
        lite.convert(tf.keras.Model(x, y), "float32")


def test_bad_arguments_are_refused(codec):
    with pytest.raises(ValueError, match="precision is 'int4'; it must be one of"):
        lite.convert(codec.encoder, "int4")
    with pytest.raises(ValueError, match="'int8' needs training matrices"):
        lite.convert(codec.encoder, "int8")


def test_no_matrices_give_no_codewords(flatbuffers):
    empty = np.zeros((0, 16, 16, 2), np.float32)
    assert lite.Runner(flatbuffers["int8"])(empty).shape == (0, 32)
