"""TFLite encoders against the Keras encoder."""

import numpy as np
import pytest
import tensorflow as tf

from tests.conftest import slow
from tfcsi import transforms
from tfcsi.codecs.neural import Codec
from tfcsi.entropy import quantizers
from tfcsi.models import cllwcsinet, csinet, stqenet
from tfcsi.tflite import compare, convert, exports, flatbuffer, runner

pytestmark = pytest.mark.tflite
VARIANTS = {
    **{p: (p, "codeword") for p in ("float32", "float16", "dynamic", "int8")},
    "int8_full": ("int8_full", "codeword"),
    **{f"{p}_symbols": (p, "symbols") for p in ("float32", "int8", "int8_full")},
}


@pytest.fixture(scope="module")
def flatbuffers(codec, h):
    x = transforms.to_real(h[:100])
    return {
        name: convert.export(codec, p, x, out) for name, (p, out) in VARIANTS.items()
    }


@pytest.fixture(scope="module")
def x(draw_csi):
    """Float32 [60, 32, 32, 2]."""
    return transforms.to_real(draw_csi(60, (32, 32)))


def ends(content):
    """Types of what a network takes and gives."""
    network = runner.interpreter(content)
    details = (*network.get_input_details(), *network.get_output_details())
    return tuple(d["dtype"] for d in details)


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


@pytest.mark.parametrize("precision", ["float32", "float16", "dynamic", "int8"])
def test_each_precision_is_near_the_keras_encoder(codec, h, flatbuffers, precision):
    x = transforms.to_real(h[300:340])
    y = codec.analysis(x)
    if precision == "int8":  # It puts out symbols.
        y = np.rint(y / codec.quantizer.step) * codec.quantizer.step
    error = runner.Runner(flatbuffers[precision])(x) - y
    bound = {"float32": 1e-10, "float16": 1e-5, "dynamic": 1e-2, "int8": 1e-2}
    assert np.mean(error**2) / np.mean(y**2) < bound[precision]


def test_smaller_numbers_make_smaller_files(flatbuffers):
    size = {name: len(content) for name, content in flatbuffers.items()}
    for name in ("float16", "dynamic", "int8", "int8_full"):
        assert size["float32"] > size[name]


def test_all_variants_are_compared_in_the_whole_codec(codec, h, flatbuffers):
    points = compare.compare(codec, flatbuffers, h[300:])
    by_name = {point["codec"].split()[-1]: point for point in points}
    assert list(by_name) == ["Keras", *VARIANTS]
    assert by_name["float32"]["symbols_changed"] < 1e-3
    assert abs(by_name["int8"]["nmse_loss_db"]) < 0.5
    for name, content in flatbuffers.items():
        point = by_name[name]
        assert point["ue_bytes"] == len(content) and point["bits"] > 0
        assert 0 < point["microseconds"] <= point["microseconds_95"]
        assert set(point["operations"]) == flatbuffer.operations(content).keys()
    assert codec.analysis(transforms.to_real(h[:2])).shape == (2, 32)


def test_a_float_network_that_quantises_sends_keras_symbols(codec, h, flatbuffers):
    rows = runner.Runner(flatbuffers["float32_symbols"])(transforms.to_real(h[300:]))
    assert rows.dtype == np.int32 and np.abs(rows).max() > 3
    np.testing.assert_array_equal(rows, codec.symbols(h[300:])[0])


def test_symbols_of_integers_are_those_of_their_codewords(codec, h, flatbuffers):
    x = transforms.to_real(h[300:])
    rows = runner.Runner(flatbuffers["int8_symbols"])(x)
    y = runner.Runner(flatbuffers["int8"])(x)
    np.testing.assert_array_equal(rows, codec.quantizer.quantize(y)[0])


@pytest.mark.parametrize("precision", ["float32", slow("int8"), slow("int16x8")])
def test_a_network_with_side_information_puts_it_behind_the_symbols(x, precision):
    encoder, mulaw = csinet.encoder((32, 32), 24), quantizers.MuLaw(24, 5, 255.0)
    y = runner.Runner(convert.convert(encoder, precision, x))(x)
    content = convert.convert(encoder, precision, x, quantize=mulaw.graph)
    rows = runner.Runner(content)(x)
    assert rows.shape == (len(x), 26) and len(np.unique(rows[:, :24])) > 20
    np.testing.assert_array_equal(rows, np.concatenate(mulaw.quantize(y), 1))


def test_an_integer_export_computes_the_codeword_in_integers(codec, flatbuffers):
    network = tf.lite.Interpreter(model_content=flatbuffers["int8"])
    types = {d["index"]: d["dtype"] for d in network.get_tensor_details()}
    used = {
        types[index]
        for operation in network._get_ops_details()
        if operation["op_name"] == "CONV_2D"
        for index in [*operation["inputs"][:2], *operation["outputs"]]
    }
    kernel = codec.encoder.get_layer("codeword").kernel
    assert np.int8 in used
    assert flatbuffer.constants(flatbuffers["int8"])["INT8"] >= np.prod(kernel.shape)


def test_an_integer_export_puts_out_symbols(codec, h, flatbuffers):
    y = runner.Runner(flatbuffers["int8"])(transforms.to_real(h[300:340]))
    symbols = y / codec.quantizer.step
    np.testing.assert_allclose(symbols, np.rint(symbols), atol=1e-4)
    assert np.abs(symbols).max() > 3


def test_a_full_integer_export_has_integers_from_end_to_end(codec, h, flatbuffers):
    content = flatbuffers["int8_full"]
    assert ends(content) == (np.int8, np.int8)
    assert ends(flatbuffers["int8_full_symbols"]) == (np.int8, np.int32)
    assert not {"QUANTIZE", "DEQUANTIZE"} & flatbuffer.operations(content).keys()
    assert "FLOAT32" not in flatbuffer.constants(content)
    x = transforms.to_real(h[300:340])
    y = codec.analysis(x)
    assert np.mean((runner.Runner(content)(x) - y) ** 2) < 0.05 * np.mean(y**2)


@pytest.mark.slow
def test_sixteen_bit_activations_are_nearer_than_eight(x):
    encoder = csinet.encoder((32, 32), 24)
    y = encoder(x).numpy()
    errors = {}
    for precision in ("int8_full", "int16x8"):
        content = convert.convert(encoder, precision, x)
        errors[precision] = np.mean((runner.Runner(content)(x) - y) ** 2)
    assert ends(content) == (np.int16, np.int16)
    assert errors["int16x8"] < 0.1 * errors["int8_full"]


@pytest.mark.slow
def test_an_operation_that_has_no_such_form_is_named(make_config, h):
    codec = Codec(make_config(model="stqenet"))
    with pytest.raises(convert.ConversionError, match="no 'int16x8' form of RSQRT"):
        convert.export(codec, "int16x8", transforms.to_real(h[:20]))


@pytest.mark.parametrize("precision", ["dynamic", "int8"])
def test_convolutions_have_8_bit_weights_too(x, precision):
    encoder = cllwcsinet.encoder((32, 32), 512)
    content = convert.convert(encoder, precision, x)
    counts, kernels = flatbuffer.constants(content), flatbuffer.kernels(content)
    large = [size for size in kernels.values() if size >= 1024]
    assert counts["INT8"] == sum(large) > 0.99 * sum(kernels.values())
    assert counts["FLOAT32"] < 600  # Small kernels and biases.
    assert len(content) <= 64 * 1024


def test_an_operation_that_is_no_builtin_is_named():
    x = tf.keras.Input((8, 8, 2))
    y = tf.keras.layers.Reshape((1,))(tf.linalg.det(x[..., 0]))
    y = tf.keras.layers.Dense(4, name="codeword")(y)
    with pytest.raises(convert.ConversionError, match="MatrixDeterminant"):
        convert.convert(tf.keras.Model(x, y), "float32")


def test_bad_arguments_are_refused(codec):
    with pytest.raises(ValueError, match="precision is 'int4'; it must be one of"):
        convert.convert(codec.encoder, "int4")
    for precision in ("int8", "int8_full", "int16x8"):
        with pytest.raises(ValueError, match=f"'{precision}' needs training matrices"):
            convert.convert(codec.encoder, precision)
    with pytest.raises(ValueError, match="output is 'bits'; it must be one of"):
        convert.export(codec, "float32", None, "bits")


def test_reals_that_are_sent_as_they_are_make_no_symbols(make_config, dense):
    codec = Codec(make_config(model=dense, quantizer="float"))
    with pytest.raises(ValueError, match="this codec's is 'float', which sends reals"):
        convert.export(codec, "float32", None, "symbols")


def test_no_matrices_give_no_codewords(flatbuffers):
    empty = np.zeros((0, 16, 16, 2), np.float32)
    for name, words in (("int8", "f4"), ("float32_symbols", "i4")):
        y = runner.Runner(flatbuffers[name])(empty)
        assert y.shape == (0, 32) and y.dtype == words


def test_exports_are_found_by_variant_in_the_order_of_precisions(tmp_path):
    variants = [("int8_full", "codeword"), ("int8", "symbols"), ("float32", "codeword")]
    for precision, output in variants:
        (tmp_path / exports.file_name(precision, output)).write_bytes(b"1")
    (tmp_path / exports.file_name("float32", "symbols", "clusters8")).write_bytes(b"2")
    (tmp_path / exports.file_name("qat")).write_bytes(b"3")
    encoders = exports.find(tmp_path)
    assert list(encoders) == [
        *("float32", "float32_clusters8_symbols", "int8_symbols", "int8_full", "qat")
    ]
    assert encoders["qat"] == b"3"


def test_a_folder_without_exports_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="run tfcsi export first"):
        exports.find(tmp_path)
