"""One contract for every model: it builds, has its shapes, is saved, sends, and runs on
a phone with builtin operations of TFLite alone.

A model of the registry needs a small network in `tests/conftest.py`, a row of
operations here and a row of parameters in test_family, where trainings are tested too.
"""

from __future__ import annotations

import ml_collections
import numpy as np
import pytest

import tfcsi
from tests.conftest import SAMPLE, sampled
from tfcsi import models, transforms
from tfcsi.codecs.neural import Codec
from tfcsi.coding.tables import Tables
from tfcsi.entropy import quantizers
from tfcsi.models.contract import Model
from tfcsi.tflite import convert, flatbuffer, runner
from tfcsi.training import run
from tfcsi.training.config import read

SHAPE, LATENT = (16, 16), 64
ATTENTION = "MEAN RSQRT SOFTMAX SQUARED_DIFFERENCE SUB"
PACKED = "BATCH_MATMUL GATHER GREATER STRIDED_SLICE"
SWIN = f"ADD BATCH_MATMUL CONV_2D GELU MUL TRANSPOSE_CONV {ATTENTION}"
LEAKY = "CONV_2D LEAKY_RELU"
# Besides FULLY_CONNECTED, RESHAPE and TRANSPOSE, which nearly all have.
OPERATIONS = {
    "acrnet": "ADD CONV_2D PRELU",
    "aianet": f"{LEAKY} ADD BATCH_MATMUL CONCATENATION DEPTHWISE_CONV_2D LOGISTIC MUL "
    f"STRIDED_SLICE {ATTENTION}",
    "attention_csinet": f"{LEAKY} LOGISTIC MEAN MUL",
    "bacrnet": f"ADD CONV_2D MUL PRELU {PACKED}",
    "bcsinet": f"{LEAKY} ADD MUL {PACKED}",
    "cllwcsinet": f"{LEAKY} CONCATENATION",
    "clnet": f"{LEAKY} CONCATENATION LOGISTIC MEAN MUL REDUCE_MAX",
    "crnet": f"{LEAKY} CONCATENATION",
    "csi_inr": "ADD BATCH_MATMUL CONCATENATION COS MEAN MINIMUM MUL RSQRT SIN SPLIT_V "
    "SQUARE SUB SUM",
    "csiformer": SWIN,
    "csinet": LEAKY,
    "csinet_dnn": LEAKY,
    "csinet_dnnet": LEAKY,
    "csinet_plus": LEAKY,
    "csinet_pro": LEAKY,
    "dcrnet": "ADD CONCATENATION CONV_2D PRELU",
    "deep_decoder_csinet": LEAKY,
    "deepcmc": LEAKY,
    "ds_nlcsinet": f"{LEAKY} ADD BATCH_MATMUL SOFTMAX",
    "offset_csinet": f"{LEAKY} TANH",
    "ravula_jain": LEAKY,
    "stnet": f"{SWIN} CONCATENATION STRIDED_SLICE",
    "stqenet": f"{SWIN} CONCATENATION STRIDED_SLICE",
    "transnet": f"ADD BATCH_MATMUL MUL {ATTENTION}",
}
COMMON = {"FULLY_CONNECTED", "RESHAPE", "TRANSPOSE"}
QUANTIZER = {"CAST", "DIV", "ROUND"}
# What TFLite has no form of with 16-bit activations.
NO_INT16 = {
    **dict.fromkeys(("acrnet", "bacrnet", "dcrnet"), "PRELU"),
    **dict.fromkeys(("csiformer", "stnet", "stqenet"), "GELU|RSQRT"),
    **dict.fromkeys(("aianet", "transnet"), "RSQRT"),
    "bcsinet": "CAST, GREATER",
    "csi_inr": "COS, SIN, SQUARE",
}


@pytest.fixture(scope="module", params=sampled(models.MODELS))
def codec(request, tiny_networks, h):
    """A codec of a small network of each model, with random weights and real tables."""
    config = read(f"autoencoder:{request.param}").to_dict()
    config["network"].update(tiny_networks[request.param])
    config.update(shape=SHAPE, latent_dim=LATENT)
    config.update(quantizer="uniform", quantizer_args={})
    made = Codec(ml_collections.ConfigDict(config))
    rng = np.random.default_rng(0)
    for network in (made.encoder, made.decoder):
        for weight in network.weights:
            if weight.shape.rank == 1 and "variance" not in weight.name:
                weight.assign(weight + 0.05 * rng.normal(size=weight.shape))
    made.quantizer.initialize(made.codewords(h[:60])[0], 1e-4)
    made.use(Tables.from_counts(made.symbols(h[:60])[0]))
    return made


def test_every_model_has_a_small_network_and_a_row(tiny_networks):
    for name in models.MODELS.keys() ^ (tiny_networks.keys() & OPERATIONS.keys()):
        pytest.fail(
            f"the model {name!r} must stand in _NAMES of tfcsi/models/__init__.py, in "
            f"TINY_NETWORKS of tests/conftest.py and in OPERATIONS of "
            f"tests/models/test_contract.py"
        )


@pytest.mark.parametrize("name", models.MODELS)
def test_a_model_declares_itself_with_the_options_of_its_builders(name, tiny_networks):
    model = models.get(name)
    assert isinstance(model, Model) and model.name == name
    assert set(read(f"autoencoder:{name}").network) == model.options.keys()
    assert tiny_networks[name].keys() <= model.options.keys()
    for build in (model.encoder, model.decoder):
        with pytest.raises(TypeError, match="unexpected keyword argument 'unknown'"):
            build(SHAPE, LATENT, unknown=1)


@pytest.mark.parametrize(
    ("shape", "latent_dim", "words"),
    [
        (SHAPE, 0, "latent_dim is 0"),
        ((16,), LATENT, r"shape is \(16,\)"),
        ((0, 16), LATENT, r"shape is \(0, 16\)"),
    ],
)
@pytest.mark.parametrize("name", models.MODELS)
def test_what_no_network_can_have_is_refused_by_name(
    name, shape, latent_dim, words, tiny_networks
):
    for build in (models.get(name).encoder, models.get(name).decoder):
        with pytest.raises(ValueError, match=words):
            build(shape, latent_dim, **tiny_networks[name])


def test_a_network_has_the_shapes_of_the_contract(codec, h):
    assert codec.encoder.input_shape == (None, *SHAPE, 2) == codec.decoder.output_shape
    assert codec.encoder.output_shape == (None, LATENT) == codec.decoder.input_shape
    y = codec.encoder(transforms.to_real(h[:3]))
    x_hat = codec.decoder(y)
    assert y.dtype == x_hat.dtype == np.float32
    assert np.isfinite(y).all() and np.isfinite(x_hat).all()
    assert np.ptp(y, axis=0).max() > 0 and np.ptp(x_hat, axis=0).max() > 0


def test_what_is_saved_is_loaded_and_reads_the_packets(codec, h, tmp_path):
    packets = codec.compress(h[300:310])
    codec.save(tmp_path)
    base_station = tfcsi.load(tmp_path)
    assert base_station.session == codec.session
    assert base_station.compress(h[300:310]) == packets
    h_hat = base_station.decompress(packets)
    np.testing.assert_allclose(h_hat, codec.decompress(packets), atol=1e-6)
    assert h_hat.shape == (10, *SHAPE) and np.isfinite(h_hat).all()


@pytest.mark.tflite
def test_the_encoder_runs_on_a_phone_with_the_operations_of_its_row(codec, h):
    content = convert.export(codec, "float32", None, "symbols")
    operations = flatbuffer.operations(content).keys() - COMMON
    assert operations == {*OPERATIONS[codec.name].split(), *QUANTIZER}
    symbols, _ = codec.symbols(h[300:310])
    words = runner.Runner(content)(transforms.to_real(h[300:310]))
    changed = words != symbols
    assert changed.sum() <= 0.01 * changed.size


def export(name, precision, x):
    """Operations of a model's encoder and a quantiser of uniform steps, on 32 x 32."""
    network = read(f"autoencoder:{name}").network
    model, uniform = models.get(name), quantizers.Uniform(128)
    uniform.log_step.assign_add([0.5] * 128)
    encoder = model.encoder((32, 32), 128, **network)
    content = convert.convert(encoder, precision, x, model, uniform.step, uniform.graph)
    return flatbuffer.operations(content).keys()


@pytest.mark.tflite
@pytest.mark.parametrize(
    ("name", "precision"),
    [
        pytest.param(
            *(name, precision),
            marks=pytest.mark.slow
            if name in SAMPLE or precision in ("float32", "int8_full", "int16x8")
            else pytest.mark.soak,
        )
        for name in OPERATIONS
        for precision in convert.PRECISIONS
    ],
)
def test_no_precision_needs_more_than_builtins(name, precision, draw_csi):
    x = transforms.to_real(draw_csi(20, (32, 32)))
    if precision == "int16x8" and name in NO_INT16:
        with pytest.raises(convert.ConversionError, match=NO_INT16[name]):
            export(name, precision, x)
        return
    operations = export(name, precision, x) - COMMON - QUANTIZER
    if precision == "float32":
        assert operations == {*OPERATIONS[name].split()} - QUANTIZER
        return
    more = {"CONV_2D", "DEQUANTIZE", "MUL", "QUANTIZE"}
    assert {*OPERATIONS[name].split()} <= operations | COMMON
    assert operations <= {*OPERATIONS[name].split(), *more}


def test_an_unknown_model_is_refused_by_the_names_of_the_known():
    with pytest.raises(ValueError, match="'csenet'; known models: .*stqenet"):
        models.get("csenet")


def test_builders_with_different_options_make_no_model():
    def encoder(shape, latent_dim, blocks=2):
        raise NotImplementedError

    def decoder(shape, latent_dim, blocks=3):
        raise NotImplementedError

    with pytest.raises(TypeError, match="two: the options .*'blocks': 2.*'blocks': 3"):
        Model("two", encoder, decoder)


def test_a_start_at_the_klt_is_refused_for_a_model_that_has_none(
    make_config, h, tmp_path
):
    config = make_config(model="crnet", init="klt")
    with pytest.raises(ValueError, match="init is 'klt'; the model 'crnet' cannot"):
        run.train(config, tmp_path / "run", h[:300], h[300:], progress=False)
    assert not (tmp_path / "run").exists()
