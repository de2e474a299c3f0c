"""Conversion of the encoder of the codec `learned` to TFLite models.

The networks take x float32 [1, num_tx, num_delay, 2], norm 32, and return the tokens as
y float32 [1, tokens x channels]. `tfcsi.coding.token_sending.TokenNetwork` runs them.

* "float32"; "float16": weights in 16 bits.
* "dynamic": 8-bit weights.
* "int8": the network computes in integers, weights and activations of 8 bits. Two parts
  stay in floats. One is the companding of its input. The other is the linear transform
  beside it, of 1024 weights: its output is the codeword but for a correction, and the
  correction alone bears 8 bits.
"""

from __future__ import annotations

import numpy as np
import tensorflow as tf
from tensorflow.keras import layers

from tfcsi.codecs.learned import Learned
from tfcsi.model_optimization import fake_quantization
from tfcsi.models import learned as networks
from tfcsi.tflite.convert import quietly, refusals
from tfcsi.tflite.exports import TOKEN_PRECISIONS
from tfcsi.tflite.runner import Runner

_CALIBRATION_MATRICES = 1000


def convert(codec: Learned, precision: str, h: np.ndarray | None = None) -> bytes:
    """Converts the encoder of a codec to a TFLite flatbuffer of builtin operations.

    Args:
      codec: The codec.
      precision: One of `exports.TOKEN_PRECISIONS`.
      h: complex64 [n, num_tx, num_delay], training matrices that calibrate integers, of
        any scale.

    Returns:
      The flatbuffer.

    Raises:
      ValueError: If the precision is not known, or if "int8" has no matrices.
      convert.ConversionError: If an operation is no builtin; the message names it.
    """
    if precision not in TOKEN_PRECISIONS:
        raise ValueError(
            f"precision is {precision!r}; for the codec learned it must be one of "
            f"{TOKEN_PRECISIONS}"
        )
    encoder = encoder_of(codec)
    if precision == "int8":
        if h is None or not len(h):
            raise ValueError(
                "precision 'int8' needs training matrices for its calibration"
            )
        _, x = codec.sender.network_input(h[:_CALIBRATION_MATRICES])
        encoder = in_integers(encoder, x)
    spec = tf.TensorSpec((1, *encoder.input_shape[1:]), tf.float32)

    @tf.function
    def rows(x: tf.Tensor) -> tf.Tensor:
        return tf.reshape(encoder(x, training=False), (1, -1))

    with quietly(), refusals(precision):
        concrete = rows.get_concrete_function(spec)
        converter = tf.lite.TFLiteConverter.from_concrete_functions(
            [concrete], tf.Module()
        )
        if precision != "float32":
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
        if precision == "float16":
            converter.target_spec.supported_types = [tf.float16]
        content = converter.convert()
        Runner(content)(np.zeros((1, *encoder.input_shape[1:]), np.float32))
    return content


def encoder_of(codec: Learned) -> tf.keras.Model:
    """Returns the encoder of a codec as a Keras model."""
    size = networks.Size.of(codec.weights, codec.contexts.grid)
    encoder = networks.encoder(size)
    networks.assign(encoder, codec.weights)
    return encoder


def in_integers(encoder: tf.keras.Model, x: np.ndarray) -> tf.keras.Model:
    """Returns an encoder whose network has fake quantisation of 8 bits.

    Args:
      encoder: Keras model of `models.learned.encoder`.
      x: float32 [n, num_tx, num_delay, 2], norm 32, which set the ranges.
    """
    companded = encoder.get_layer("encoder.companded")
    first = layers.Input(companded.output.shape[1:], name="u")
    whole = tf.keras.Model(companded.output, encoder.get_layer("encoder.out").output)
    branch = tf.keras.models.clone_model(whole, input_tensors=first)
    branch.set_weights(whole.get_weights())
    branch = fake_quantization.quantize_aware(branch)
    u = tf.keras.Model(encoder.input, companded.output)
    fake_quantization.calibrate(branch, u.predict(x, verbose=0))
    linear = encoder.get_layer("encoder.skip").output
    y = layers.Add(name="y")([linear, branch(companded.output)])
    return tf.keras.Model(encoder.input, y)
