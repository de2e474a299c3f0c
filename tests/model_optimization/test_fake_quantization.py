"""Fake quantisation: exact where it rounds nothing, and what TFLite then computes."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from ml_collections import config_dict
from tensorflow.keras import layers

from tests.conftest import sampled
from tfcsi import models, transforms
from tfcsi.codecs.neural import Codec, load
from tfcsi.evaluation import measure
from tfcsi.model_optimization import fake_quantization, sparsity
from tfcsi.tflite import compare, convert, flatbuffer, runner
from tfcsi.training import finetune_qat, pair
from tfcsi.training.run import train

# One model for each rule of the rewriting.
EXACT = ("acrnet", "aianet", "bcsinet", "csiformer", "deepcmc", "ds_nlcsinet", "stnet")
NO_RULE = {"csi_inr"}  # Gradient steps, which are no layers.
# What may compute in floats: LayerNormalization, and the units of the codeword.
TUNING = {"epochs": 2, "learning_rate": 1e-4, "prior_warmup_steps": 20}
FLOAT = {"ADD", "MEAN", "MUL", "RSQRT", "SQUARED_DIFFERENCE", "SUB"}


def bits(weight_bits=8, activation_bits=8, decoder=False):
    """Field `qat` of a config."""
    return config_dict.ConfigDict(
        {
            "weight_bits": weight_bits,
            "activation_bits": activation_bits,
            "decoder": decoder,
        }
    )


def lively(network, seed=0):
    """Gives a network biases and batch statistics that matter."""
    rng = np.random.default_rng(seed)
    for weight in network.weights:
        if "variance" in weight.name:
            weight.assign(rng.uniform(0.5, 2.0, weight.shape))
        elif weight.shape.rank == 1:
            weight.assign(weight + 0.1 * rng.normal(size=weight.shape))
    return network


def decibels(a, b):
    """Energy of a - b relative to b."""
    return 10 * np.log10(np.sum((a - b) ** 2) / np.sum(b**2))


def quantized(codec, **fields):
    """A codec with fake quantisation and what the given one has learned."""
    config = config_dict.ConfigDict({**codec.config.to_dict(), "qat": bits(**fields)})
    return Codec(config)


def float_operations(content):
    """Names of the operations with float results."""
    network = runner.interpreter(content, xnnpack=False)
    return {
        operation["op_name"]
        for operation in network._get_ops_details()
        for index in operation["outputs"]
        if network._get_tensor_details(index, 0)["dtype"] == np.float32
    } - {"DEQUANTIZE"}


@pytest.mark.tflite
@pytest.mark.parametrize(
    "name",
    sampled(sorted(models.MODELS.keys() - NO_RULE), ("bcsinet",)),
)
def test_an_encoder_learns_and_computes_in_integers(
    name, make_config, h, tiny_networks
):
    config = make_config(model=name, latent_dim=64, network=tiny_networks[name])
    tf.keras.utils.set_random_seed(1)
    source = Codec(config)
    lively(source.encoder)
    x, x_val = transforms.to_real(h[:60]), transforms.to_real(h[300:320])
    y = source.analysis(x)
    source.quantizer.log_step.assign(np.full(64, np.log(np.abs(y).max() / 100)))
    codec = quantized(source)
    finetune_qat.initialize(codec, h[:60], source)

    variables = codec.encoder.trainable_variables
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean(tf.square(codec.encoder(x[:20], training=True)))
    gradients = tape.gradient(loss, variables)
    tf.keras.optimizers.legacy.SGD(1e-4).apply_gradients(zip(gradients, variables))
    assert all(np.isfinite(gradient).all() for gradient in gradients)

    y = codec.encoder(x_val).numpy()
    content = convert.export(codec, "int8", x)  # Others than builtins raise an error.
    assert decibels(runner.Runner(content)(x_val), y) < -20
    norm = any(isinstance(n, layers.LayerNormalization) for n in codec.encoder.layers)
    assert float_operations(content) <= (FLOAT if norm else {"MUL"})


@pytest.mark.parametrize(
    "name", sampled(EXACT, ("acrnet", "bcsinet", "csiformer", "deepcmc"))
)
def test_without_roundings_a_rewritten_network_is_the_same(
    name, monkeypatch, tiny_networks
):
    def as_it_is(weights, bits, axis):
        return weights

    monkeypatch.setattr(fake_quantization, "round_weights", as_it_is)
    model = models.get(name)
    value = np.random.default_rng(1).normal(0, 0.05, (3, 16, 16, 2)).astype(np.float32)
    for build, tail in ((model.encoder, True), (model.decoder, False)):
        network = lively(build((16, 16), 64, **tiny_networks[name]))
        rewritten = fake_quantization.quantize_aware(network, peak=0.5, tail=tail)
        for layer in rewritten.layers:
            assert not isinstance(layer, layers.BatchNormalization)
        expected = network(value).numpy()
        with fake_quantization.without_grids(rewritten):
            result = rewritten(value).numpy()
        np.testing.assert_allclose(result, expected, atol=2e-5 * np.abs(expected).max())
        value = expected


@pytest.mark.parametrize("bits, values", [(4, 15), (8, 255)])
def test_weights_have_few_values_a_channel_and_gradients_pass(bits, values):
    weights = tf.random.stateless_normal((3, 3, 64, 4), [1, bits])
    with tf.GradientTape() as tape:
        tape.watch(weights)
        rounded = fake_quantization.round_weights(weights, bits, 3)
        loss = tf.reduce_sum(3.0 * rounded)
    for channel in np.moveaxis(rounded.numpy(), 3, 0):
        assert len(np.unique(np.round(channel / np.abs(channel).max(), 4))) <= values
    largest = np.abs(weights).max((0, 1, 2))
    np.testing.assert_allclose(np.abs(rounded).max((0, 1, 2)), largest, rtol=1e-5)
    assert np.abs(rounded - weights).max() <= largest.max() / (values - 1) * 1.001
    np.testing.assert_array_equal(tape.gradient(loss, weights), 3.0)


@pytest.fixture(scope="module")
def floating(make_config, cache, h, tmp_path_factory):
    """Folder of a float codec."""
    folder = tmp_path_factory.mktemp("runs") / "float"
    config = make_config(model="csinet", init="random", learning_rate=3e-3)
    train(config, folder, h[:300], h[300:], progress=False)
    return folder


@pytest.fixture(scope="module")
def tuned(floating, h, tmp_path_factory):
    """Folder of the same codec, fine-tuned."""
    folder = tmp_path_factory.mktemp("runs") / "tuned"
    tuning = config_dict.ConfigDict({**TUNING, "qat": bits()})
    finetune_qat.finetune(
        load(floating), tuning, folder, h[:300], h[300:], progress=False
    )
    return folder


@pytest.mark.slow
@pytest.mark.tflite
def test_a_fine_tuned_codec_sends_what_its_integer_encoder_makes(tuned, floating, h):
    codec, source = load(tuned), load(floating)
    x = transforms.to_real(h[:300])
    content = convert.export(codec, "int8_full", x)
    keras, integer = compare.compare(codec, {"int8_full": content}, h[300:])
    assert abs(integer["nmse_loss_db"]) < 0.1
    assert integer["symbols_changed"] < 0.1
    assert keras["nmse_db"] < measure.evaluate(source, h[300:])["nmse_db"] + 0.5
    packets = codec.compress(h[300:])
    symbols, _ = codec.symbols(h[300:])
    np.testing.assert_array_equal(codec.receive(packets)[0], symbols)
    after = convert.export(load(floating), "int8_full", x)
    assert set(flatbuffer.operations(content)) <= set(flatbuffer.operations(after)) | {
        "QUANTIZE",
        "DEQUANTIZE",
    }


@pytest.mark.slow
def test_a_fine_tuning_that_was_stopped_continues_to_the_same_bits(
    tuned, floating, h, tmp_path, monkeypatch
):
    tuning = config_dict.ConfigDict({**TUNING, "qat": bits()})
    validate = pair.Pair.validate

    def interrupted(run, h_val):
        if int(run.epoch) == 1:
            raise KeyboardInterrupt
        return validate(run, h_val)

    arguments = (load(floating), tuning, tmp_path, h[:300], h[300:])
    monkeypatch.setattr(pair.Pair, "validate", interrupted)
    with pytest.raises(KeyboardInterrupt):
        finetune_qat.finetune(*arguments, progress=False)
    monkeypatch.setattr(pair.Pair, "validate", validate)
    codec = finetune_qat.finetune(*arguments, resume=True, progress=False)
    assert codec.session.fingerprint == load(tuned).session.fingerprint


@pytest.mark.tflite
def test_an_encoder_for_16_bit_activations_is_exported_as_such(make_config, h):
    source = Codec(make_config(model="csinet", latent_dim=32))
    y = source.analysis(transforms.to_real(h[:60]))
    source.quantizer.log_step.assign(np.full(32, np.log(np.abs(y).max() / 1000)))
    codec = quantized(source, activation_bits=16)
    finetune_qat.initialize(codec, h[:60], source)
    x = transforms.to_real(h[:60])  # Within the ranges.
    content = convert.export(codec, "int16x8", x)
    assert decibels(runner.Runner(content)(x), codec.encoder(x).numpy()) < -55


@pytest.mark.slow
def test_the_decoder_is_quantised_by_choice(floating, h):
    source = load(floating)
    codec = quantized(source, decoder=True)
    finetune_qat.initialize(codec, h[:300], source)
    _, y_hat = codec.quantizer(codec.encoder(transforms.to_real(h[300:])))
    grids = [layer for layer in codec.decoder.layers if layer.name.startswith("grid")]
    x_hat = codec.decoder(y_hat).numpy()
    assert grids and decibels(x_hat, source.decoder(y_hat).numpy()) < -15


@pytest.mark.slow
def test_what_cannot_be_is_refused(tuned, floating, h, make_config, tiny_networks):
    codec = load(tuned)
    x = transforms.to_real(h[:10])
    with pytest.raises(ValueError, match="quantisation-aware already"):
        finetune_qat.finetune(codec, codec.config, "unused", h[:300], h[300:])
    with pytest.raises(ValueError, match="'dynamic'; .* for int8 and int8_full"):
        convert.export(codec, "dynamic", x)
    with pytest.raises(ValueError, match="was fine-tuned for integers; .* float run"):
        sparsity.prune(codec.encoder, 0.5, x, 1)
    for name in ("weight_bits", "activation_bits"):
        with pytest.raises(ValueError, match=f"{name} is 5; it must be one of"):
            quantized(load(floating), **{name: 5})
    config = make_config(model="csi_inr", network=tiny_networks["csi_inr"])
    with pytest.raises(ValueError, match="steps is a Steps; there is no rule"):
        quantized(Codec(config))


@pytest.mark.slow
@pytest.mark.tflite
def test_weights_of_4_bits_take_4_bits_in_the_file(floating, h):
    source, x = load(floating), transforms.to_real(h[:60])
    sizes = {}
    for weight_bits in (4, 8):
        codec = quantized(source, weight_bits=weight_bits)
        finetune_qat.initialize(codec, h[:60], source)
        content = convert.export(codec, "int8_full", x)
        y = codec.encoder(x).numpy()
        assert decibels(runner.Runner(content)(x), y) < -15
        sizes[weight_bits] = len(content)
    saved = source.encoder.get_layer("codeword").kernel.shape.num_elements() / 2
    assert sizes[8] - sizes[4] > 0.95 * saved
