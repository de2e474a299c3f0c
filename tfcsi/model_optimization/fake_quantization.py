"""Fake quantisation of weights and activations, to fine-tune networks for integers.

`quantize_aware` rewrites a network (`integer_graph`) so that it computes in floats
what its integer TFLite model will compute, with gradients that pass the
roundings straight through (Jacob et al., "Quantization and Training of Neural Networks
for Efficient Integer-Arithmetic-Only Inference", CVPR 2018, arXiv:1712.05877). This is
the quantisation of weights and activations. That of the codeword is in
`tfcsi.entropy.quantizers`.

* Weights are rounded a channel, symmetric about zero, by tfmot's `QuantizeWrapperV2`
  with a `QuantizeConfig` of our own.
* Each result that TFLite will hold as integers goes through tfmot's `QuantizeLayer`
  with a moving minimum and maximum; that of a sigmoid, tanh or soft-max has the range
  that TFLite sets, the CSI that of its scale.

Deviations from tfmot's `quantize_model`, which refuses most networks of the field: the
scales of weights follow the weights of the moment, so that none is ever out of range;
every layer has a rule. Beside `sparsity`, this is the only module that uses
tensorflow_model_optimization.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import ml_collections
import numpy as np
import tensorflow as tf
import tensorflow_model_optimization as tfmot
from tensorflow.keras import layers
from tensorflow_model_optimization.python.core.quantization.keras import (
    quantize_layer,
    quantize_wrapper,
)

from tfcsi import models, transforms
from tfcsi.model_optimization import integer_graph
from tfcsi.model_optimization.integer_graph import Kernel, Limits
from tfcsi.models.binary import binarize

WEIGHT_BITS, ACTIVATION_BITS = (4, 8), (8, 16)
_tfmot: Any = tfmot.quantization.keras
_HEADROOM = 1.25  # Range of an entry over its largest value in calibration.


def quantize_pair(
    encoder: tf.keras.Model,
    decoder: tf.keras.Model,
    config: ml_collections.ConfigDict,
    symbols: bool,
) -> tuple[tf.keras.Model, tf.keras.Model]:
    """Returns the networks of a codec with fake quantisation as its config has it.

    Args:
      encoder: Encoder of the config's model.
      decoder: Decoder of the config's model.
      config: Fields `model` and `qat`, which has `weight_bits`, `activation_bits` and
        `decoder`, whether the decoder is quantised too.
      symbols: Whether the quantiser of the codeword has steps. If so, it rounds the
        results of a dense codeword layer, see `in_units`.

    Returns:
      (encoder, decoder). The decoder is unchanged unless `qat.decoder` is set.

    Raises:
      ValueError: As `quantize_aware`.
    """
    bits = {name: config.qat[name] for name in ("weight_bits", "activation_bits")}
    symbols = symbols and isinstance(encoder.layers[-1], integer_graph.DENSE)
    model = models.get(config.model)
    if model.fold_to_train:
        encoder = model.fold_to_train(encoder)
    encoder = quantize_aware(encoder, **bits, peak=transforms.PEAK, tail=not symbols)
    if config.qat.decoder:
        decoder = quantize_aware(decoder, **bits, tail=False)
    return encoder, decoder


def quantize_aware(
    network: tf.keras.Model,
    weight_bits: int = 8,
    activation_bits: int = 8,
    peak: float | None = None,
    tail: bool = True,
) -> tf.keras.Model:
    """Returns the same network with fake quantisation.

    The ranges of activations mean nothing before `calibrate` is called.

    Args:
      network: Functional Keras model with one output, such as the encoder of a model.
      weight_bits: 8; or 4, which holds for convolutions and dense layers.
      activation_bits: 8 or 16.
      peak: Largest magnitude of the input, which fixes its range; None if the range
        follows the data.
      tail: Whether to quantise the results of the last layers with weights, and of the
        layers without weights after them.

    Returns:
      Functional Keras model with inputs and output as the given one.

    Raises:
      ValueError: If a number of bits is not offered, or a layer has no rule.
    """
    for name, bits, known in (
        ("weight_bits", weight_bits, WEIGHT_BITS),
        ("activation_bits", activation_bits, ACTIVATION_BITS),
    ):
        if bits not in known:
            raise ValueError(f"{name} is {bits}; it must be one of {known}")

    def rounded(layer: layers.Layer, kernel: Kernel) -> layers.Layer:
        bits = weight_bits if type(layer) is layers.Conv2D else 8
        return _with_rounded(layer, _Rounding(kernel, bits))

    def on_grid(name: str, limits: Limits | None) -> layers.Layer:
        if limits is None:
            quantizer = _tfmot.quantizers.MovingAverageQuantizer(
                activation_bits, False, activation_bits > 8, narrow_range=False
            )
        else:
            quantizer = _FixedRange(activation_bits, *limits)
        return quantize_layer.QuantizeLayer(quantizer, name=name)

    return integer_graph.rewrite(network, rounded, on_grid, peak, not tail)


def calibrate(network: tf.keras.Model, inputs: np.ndarray) -> None:
    """Sets the ranges of activations to what they are for some inputs.

    Args:
      network: Model of `quantize_aware`.
      inputs: float32 [n, ...], some hundred inputs of the network.
    """
    moving = {
        layer: layer.quantizer
        for layer in _grids(network)
        if isinstance(layer.quantizer, _tfmot.quantizers.MovingAverageQuantizer)
    }
    everything = _tfmot.quantizers.AllValuesQuantizer
    for layer, quantizer in moving.items():
        layer.quantizer = everything(**quantizer.get_config())
        for variable in layer.quantizer_vars.values():
            variable.assign(0.0)
    try:
        network(inputs, training=True)
    finally:
        for layer, quantizer in moving.items():
            layer.quantizer = quantizer


@contextlib.contextmanager
def without_grids(network: tf.keras.Model) -> Iterator[tf.keras.Model]:
    """Yields a model that does not round its results until the context ends.

    Args:
      network: Model of `quantize_aware`.

    Yields:
      The same model.
    """
    kept = {layer: layer.quantizer for layer in _grids(network)}
    for layer in kept:
        layer.quantizer = None
    try:
        yield network
    finally:
        for layer, quantizer in kept.items():
            layer.quantizer = quantizer


def _grids(network: tf.keras.Model) -> list[layers.Layer]:
    """The layers of a network that round its results."""
    kind = quantize_layer.QuantizeLayer
    return [layer for layer in network.layers if isinstance(layer, kind)]


def in_units(
    encoder: tf.keras.Model, step: np.ndarray | None, bits: int, x: np.ndarray
) -> tuple[tf.keras.Model, np.ndarray | None]:
    """Scales a dense codeword layer so that its integer outputs are the symbols.

    Args:
      encoder: Model of `quantize_aware`.
      step: float32 [latent], steps of the quantiser, or None if it has none.
      bits: Number of bits of activations.
      x: float32 [n, num_tx, num_delay, 2], training matrices.

    Returns:
      Encoder x -> y / unit, with results rounded to integers; unit float32 [latent],
      the quantiser's step, or a whole multiple of it where 8 bits are too few for the
      symbols of x. An encoder without such a layer, or with a quantiser without steps,
      is returned as it is, with None for a unit of 1.
    """
    codeword = encoder.layers[-2]
    if step is None or not isinstance(codeword, quantize_wrapper.QuantizeWrapperV2):
        return encoder, None
    levels = 2 ** (bits - 1)
    largest = np.abs(encoder.predict(x, verbose=0)).max(0) / step
    unit = step * np.maximum(np.ceil(_HEADROOM * largest / (levels - 1)), 1.0)
    weights = codeword.get_weights()[: len(codeword.trainable_weights)]
    columns = layers.Conv2D(len(unit), 1, use_bias=len(weights) > 1, name=codeword.name)
    columns.build(codeword.input_shape)
    columns.set_weights([weight / unit for weight in weights])
    y = _with_rounded(columns, codeword.quantize_config)(codeword.input)
    y = tf.quantization.fake_quant_with_min_max_args(y, -levels, levels - 1, bits)
    return tf.keras.Model(encoder.input, layers.Reshape(unit.shape)(y)), unit


def round_weights(weights: tf.Tensor, bits: int, axis: int | None) -> tf.Tensor:
    """Rounds weights to integers times a scale a channel; the gradient is the identity.

    Args:
      weights: float32, any shape.
      bits: 8 or 4; the integers are symmetric, -127 ... 127 or -7 ... 7.
      axis: Axis of the channels, the last one for 4 bits; None for one scale for all.

    Returns:
      float32, the same shape; the largest magnitude of a channel is as it was.
    """
    others = [i for i in range(len(weights.shape)) if i != axis]
    largest = tf.reduce_max(tf.abs(weights), others, keepdims=True)

    @tf.custom_gradient
    def rounded(weights):
        if bits == 8:  # A constant, from which the converter finds the scales.
            scale = tf.where(largest > 0.0, largest / 127.0, 1.0)
            return tf.round(weights / scale) * scale, tf.identity
        limit = tf.reshape(largest, [-1])  # This tells the converter the bits.
        result = tf.quantization.fake_quant_with_min_max_vars_per_channel(
            weights, -limit, limit, bits, narrow_range=True
        )
        return result, tf.identity

    return rounded(weights)


def _with_rounded(layer: layers.Layer, rounding: _Rounding) -> layers.Layer:
    return quantize_wrapper.QuantizeWrapperV2(layer, rounding, name=layer.name)


class _Rounding(_tfmot.QuantizeConfig, _tfmot.quantizers.Quantizer):
    """How the kernel of a layer is rounded; it needs no variables."""

    def __init__(self, kernel: Kernel, bits: int):
        self.kernel, self.bits = kernel, bits

    def build(self, tensor_shape, name, layer):
        return {}

    def __call__(self, inputs, training, weights, **kwargs):
        if self.kernel.binary:
            inputs = binarize(inputs[0, 0], self.kernel.one_scale)[None, None]
        return round_weights(inputs, self.bits, self.kernel.axis)

    def get_weights_and_quantizers(self, layer):
        return [(getattr(layer, self.kernel.attribute), self)]

    def set_quantize_weights(self, layer, quantize_weights):
        setattr(layer, self.kernel.attribute, quantize_weights[0])

    def get_activations_and_quantizers(self, layer):
        return []

    def set_quantize_activations(self, layer, quantize_activations):
        pass

    def get_output_quantizers(self, layer):
        return []

    def get_config(self):
        return vars(self)


class _FixedRange(_tfmot.quantizers.Quantizer):
    """Rounds to 2^bits integers in the range low <= x < high."""

    def __init__(self, bits: int, low: float, high: float):
        if bits > 8:  # TFLite's 16-bit integers are symmetric.
            low = min(low, -high)
        self.bits, self.low = bits, low
        self.high = high - (high - low) / 2**bits

    def build(self, tensor_shape, name, layer):
        return {}

    def __call__(self, inputs, training, weights, **kwargs):
        return tf.quantization.fake_quant_with_min_max_args(
            inputs, self.low, self.high, self.bits
        )

    def get_config(self):
        return vars(self)
