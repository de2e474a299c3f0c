"""The TFLite operations of every model: builtins all, and these."""

from __future__ import annotations

import pytest

from tfcsi import models, transforms
from tfcsi.entropy import quantizers
from tfcsi.tflite import convert, flatbuffer
from tfcsi.training import config as configs

LATENT = 128
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
}


def export(name, precision, x):
    """Operations of a model's encoder and a quantiser of uniform steps."""
    network = configs.read(f"autoencoder:{name}").network
    model, uniform = models.get(name), quantizers.Uniform(LATENT)
    uniform.log_step.assign_add([0.5] * LATENT)
    encoder = model.encoder((32, 32), LATENT, **network)
    content = convert.convert(encoder, precision, x, model, uniform.step, uniform.graph)
    return flatbuffer.operations(content).keys()


def test_every_model_has_a_row():
    assert sorted(OPERATIONS) == sorted(models.MODELS)


@pytest.mark.tflite
@pytest.mark.parametrize("name", OPERATIONS)
def test_a_model_has_the_operations_of_its_row(name):
    found = export(name, "float32", None)
    assert found - COMMON == {*OPERATIONS[name].split(), *QUANTIZER}


@pytest.mark.slow
@pytest.mark.tflite
@pytest.mark.parametrize("name", OPERATIONS)
@pytest.mark.parametrize("precision", convert.PRECISIONS[1:])
def test_no_precision_needs_more_than_builtins(name, precision, draw_csi):
    x = transforms.to_real(draw_csi(20, (32, 32)))
    if precision == "int16x8" and name in NO_INT16:
        with pytest.raises(convert.ConversionError, match=NO_INT16[name]):
            export(name, precision, x)
        return
    found = export(name, precision, x) - COMMON - QUANTIZER
    more = {"CONV_2D", "DEQUANTIZE", "MUL", "QUANTIZE"}
    assert {*OPERATIONS[name].split()} <= found | COMMON
    assert found <= {*OPERATIONS[name].split(), *more}
