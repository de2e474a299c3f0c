"""Conversion of UE encoders to TFLite models.

A converted encoder takes one matrix, x [1, num_tx, num_delay, 2], and returns its
codeword, y [1, latent], or what the UE sends instead: a row of int32 that holds the
symbols and then the 16-bit words of side information. Input and output are float32,
except with "int8_full" and "int16x8".

* "float32"; "float16": weights in 16 bits.
* "dynamic": 8-bit weights of all dense and convolutional layers. TFLite leaves layers
  of less than 1024 weights in float.
* "int8": the same layers compute in integers, weights and activations. The rest
  stays float: activation functions and sums would only add roundings, and on sparse CSI
  the roundings of small convolutions cost more than their bytes are worth.
* "int8_full": the whole network computes in integers, with int8 CSI in and int8
  codewords out, for hardware without floats.
* "int16x8": the same with 16-bit activations and 8-bit weights.

In "int8", the 8-bit results of a dense codeword layer are the symbols themselves. If
the quantiser has no steps, each entry has its own unit. The scale follows in float.
"""

from __future__ import annotations

import contextlib
import functools
import re
import warnings
from collections.abc import Callable, Iterator

import numpy as np
import tensorflow as tf
from absl import logging
from tensorflow.lite.python.convert import mlir_quantize

from tfcsi import models
from tfcsi.codecs.neural import Codec
from tfcsi.model_optimization import codeword
from tfcsi.models.contract import Model
from tfcsi.tflite import flatbuffer
from tfcsi.tflite.exports import CALIBRATED, OUTPUTS, PRECISIONS
from tfcsi.tflite.runner import Runner, interpreter

_INT16X8 = tf.lite.OpsSet.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8
_MIN_WEIGHTS = 1024  # Smaller operations stay float in "int8".
_CALIBRATION_MATRICES = 1000


class ConversionError(ValueError):
    """The network has no such TFLite form of builtin operations."""


def convert(
    encoder: tf.keras.Model,
    precision: str,
    x: np.ndarray | None = None,
    model: Model | None = None,
    step: np.ndarray | None = None,
    quantize: Callable[[tf.Tensor], tf.Tensor] | None = None,
) -> bytes:
    """Converts a UE encoder to a TFLite flatbuffer of builtin operations.

    Args:
      encoder: Keras model x -> y.
      precision: One of `PRECISIONS`, see the module.
      x: float32 [n, num_tx, num_delay, 2], training matrices that calibrate integers.
        In all precisions with 8-bit weights, a dense codeword layer is rounded for
        them. Without them, "dynamic" rounds to the nearest.
      model: Model of the encoder, which may have `fold`, a rewriting for export.
      step: float32 [latent], steps of the quantiser; None if it has no steps. With
        steps, the 8-bit results of a dense codeword layer in "int8" are the symbols.
      quantize: `graph` of a quantiser, float32 [1, latent] to int32 [1, words], which
        becomes the end of the network; None for a network that returns the codeword.

    Returns:
      The flatbuffer.

    Raises:
      ValueError: If the precision is unknown or the calibration data are missing.
      ConversionError: If an operation is no builtin, or has no form of this precision;
        the message names it.
    """
    if precision not in PRECISIONS:
        raise ValueError(f"precision is {precision!r}; it must be one of {PRECISIONS}")
    if precision in CALIBRATED:
        _calibration(precision, x)
    unit = None
    if precision not in ("float32", "float16") and x is not None:
        integer = precision in ("int8", "int8_full")
        own_units = integer and (precision == "int8" or quantize is not None)
        encoder, unit = codeword.round_codeword(encoder, x, integer, step, own_units)
    encoder = codeword.pack_codeword(encoder)
    if model and model.fold:
        encoder = model.fold(encoder)
    make = functools.partial(_network, precision=precision, x=x)
    return _whole(encoder, make, precision, unit, quantize)


def convert_quantized(
    codec: Codec,
    precision: str,
    x: np.ndarray | None,
    quantize: Callable[[tf.Tensor], tf.Tensor] | None = None,
) -> bytes:
    """Converts an encoder with fake quantisation to the integers that it emulates.

    Args:
      codec: tfcsi.codecs.neural.Codec with the field `qat` in its config.
      precision: "int8" or "int8_full", which differ only in the types of input and
        output; "int16x8" if the encoder was trained for 16-bit activations, whose
        ranges the converter takes from x and not from the encoder.
      x: float32 [n, num_tx, num_delay, 2], training matrices.
      quantize: As in `convert`.

    Returns:
      The flatbuffer.

    Raises:
      ValueError: If the encoder was trained for another precision.
      ConversionError: As `convert`.
    """
    from tfcsi.model_optimization import fake_quantization

    bits = codec.config.qat.activation_bits
    fitting: tuple[str, ...] = ("int8", "int8_full") if bits == 8 else ("int16x8",)
    if precision not in fitting:
        raise ValueError(
            f"precision is {precision!r}; this encoder was fine-tuned for "
            f"{' and '.join(fitting)}"
        )
    if precision == "int16x8":
        make = functools.partial(_network, precision=precision, x=x)
        with fake_quantization.without_grids(codec.encoder) as encoder:
            return _whole(encoder, make, precision, None, quantize)
    step = codec.quantizer.step
    encoder, unit = fake_quantization.in_units(
        codec.encoder, step, bits, _calibration(precision, x)
    )
    make = functools.partial(_quantized_network, precision=precision)
    return _whole(encoder, make, precision, unit, quantize)


def export(
    codec: Codec, precision: str, x: np.ndarray | None, output: str = "codeword"
) -> bytes:
    """Converts the encoder of a codec.

    Args:
      codec: tfcsi.codecs.neural.Codec.
      precision: As in `convert`.
      x: As in `convert`.
      output: "codeword", or "symbols" for a network that quantises too.

    Returns:
      The flatbuffer.

    Raises:
      ValueError: As `convert`; if the output is unknown, or the quantiser has no
        symbols.
    """
    if output not in OUTPUTS:
        raise ValueError(f"output is {output!r}; it must be one of {OUTPUTS}")
    quantizer, quantize = codec.quantizer, None
    if output == "symbols":
        if not quantizer.num_symbols:
            raise ValueError(
                f"output 'symbols' needs a quantizer that makes symbols; this codec's "
                f"is {codec.config.quantizer!r}, which sends reals"
            )
        quantize = quantizer.graph
    if codec.config.get("qat"):
        return convert_quantized(codec, precision, x, quantize)
    model = models.get(codec.name)
    return convert(codec.encoder, precision, x, model, quantizer.step, quantize)


def export_decoder(codec: Codec) -> bytes:
    """Converts the decoder of a codec, in float32.

    Args:
      codec: tfcsi.codecs.neural.Codec.

    Returns:
      The flatbuffer, which maps a received codeword, y_hat float32 [1, latent], to
      x_hat float32 [1, num_tx, num_delay, 2].

    Raises:
      ConversionError: As `convert`.
    """
    decoder = codec.decoder
    with quietly(), refusals("float32"):
        content = _network(decoder, "float32", None, ended=True)
        interpreter(content).invoke()
    return content


def _calibration(precision: str, x: np.ndarray | None) -> np.ndarray:
    """Returns the matrices to calibrate by; a ValueError if there are none."""
    if x is None or not len(x):
        raise ValueError(
            f"precision {precision!r} needs training matrices for its calibration"
        )
    return x


def _whole(
    encoder: tf.keras.Model,
    make: Callable[..., bytes],
    precision: str,
    unit: np.ndarray | None,
    quantize: Callable[[tf.Tensor], tf.Tensor] | None,
) -> bytes:
    """Converts an encoder by `make`, and appends the scale and the quantiser."""

    def end(y: tf.Tensor) -> tf.Tensor:
        y = y if unit is None else y * unit
        return quantize(y) if quantize else y

    ended = unit is None and quantize is None
    with quietly(), refusals(precision):
        content = make(encoder, ended=ended)
        if not ended:
            last = _converter(end, encoder.output_shape[1:]).convert()
            content = flatbuffer.chain(content, last)
        Runner(content)(np.zeros((1, *encoder.input_shape[1:]), np.float32))
    return content


def _converter(function: Callable, shape: tuple) -> tf.lite.TFLiteConverter:
    """Converter of a function of float32 [1, *shape]."""
    spec = tf.TensorSpec((1, *shape), tf.float32)
    concrete = tf.function(function).get_concrete_function(spec)
    return tf.lite.TFLiteConverter.from_concrete_functions([concrete], tf.Module())


def _network(
    encoder: tf.keras.Model, precision: str, x: np.ndarray | None, ended: bool
) -> bytes:
    """Converts an encoder; its result is float if another network follows."""
    converter = _converter(_inference(encoder), encoder.input_shape[1:])
    if precision == "float32":
        return converter.convert()
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if precision == "float16":
        converter.target_spec.supported_types = [tf.float16]
    if precision not in CALIBRATED:
        return converter.convert()
    rows = _calibration(precision, x)[:_CALIBRATION_MATRICES]
    converter.representative_dataset = lambda: ([row[None]] for row in rows)
    if precision == "int16x8":
        converter.target_spec.supported_ops = [_INT16X8]
        converter.inference_input_type = tf.int16
        converter.inference_output_type = tf.int16 if ended else tf.float32
        return converter.convert()
    converter._experimental_calibrate_only = True
    calibrated = converter.convert()
    if precision == "int8":
        small = flatbuffer.kernels(calibrated).items()
        return mlir_quantize(
            calibrated,
            denylisted_ops=sorted(
                flatbuffer.operations(calibrated).keys() - flatbuffer.WITH_KERNEL
            ),
            denylisted_nodes=[name for name, size in small if size < _MIN_WEIGHTS],
        )
    output = tf.int8 if ended else tf.float32
    return mlir_quantize(calibrated, input_data_type=tf.int8, output_data_type=output)


def _quantized_network(encoder: tf.keras.Model, precision: str, ended: bool) -> bytes:
    """Converts an encoder that holds all ranges as fake quantisation."""
    converter = _converter(_inference(encoder), encoder.input_shape[1:])
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if precision == "int8_full":
        converter.inference_input_type = tf.int8
        converter.inference_output_type = tf.int8 if ended else tf.float32
    return converter.convert()


def _inference(encoder: tf.keras.Model) -> Callable[[tf.Tensor], tf.Tensor]:
    return lambda x: encoder(x, training=False)


@contextlib.contextmanager
def refusals(precision: str) -> Iterator[None]:
    """Turns errors of the converter into ones that name the operation."""
    try:
        yield
    except Exception as error:
        words = str(error)
        names = re.findall(r"(?:TF Select|Custom) ops: (.+)", words)
        names = sorted({name for line in names for name in line.split(", ")})
        if names:
            raise ConversionError(
                f"not builtin operations of TFLite: {', '.join(names)}"
            ) from error
        names = re.findall(r"for op: \'(\w+)\'|\((\w+)\) failed to prepare", words)
        names = sorted({one or other for one, other in names})
        if names:
            raise ConversionError(
                f"TFLite has no {precision!r} form of {', '.join(names)}: choose "
                f"another precision"
            ) from error
        raise


@contextlib.contextmanager
def quietly() -> Iterator[None]:
    """Keeps the converter's progress messages off the screen."""
    before = logging.get_verbosity()
    logging.set_verbosity(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.set_verbosity(before)
