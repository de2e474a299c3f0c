"""UE encoders as TFLite models: convert, run, compare. The only use of tf.lite.

A converted encoder takes one matrix, x float32 [1, num_tx, num_delay, 2], and gives
y float32 [1, latent]. Inside, "int8" computes the layers that hold the weights in
integers, weights and activations; the results of a dense codeword layer are the integer
symbols, times their step. What has no weights stays float (LayerNormalization's
statistics, soft-max, sums, moves of data), and so do the layers that a model lists in
`FLOAT_LAYERS`: on sparse CSI their roundings cost more than their bytes are worth.
"""

from __future__ import annotations

import contextlib
import re
import time
import warnings
from collections.abc import Mapping
from types import ModuleType

import numpy as np
import tensorflow as tf
from absl import logging

from tfcsi import evaluation, models, rounding, transforms

PRECISIONS = ("float32", "float16", "dynamic", "int8")
LARGEST = 127  # Of 8-bit integers.
_HEADROOM = 1.25  # Of an entry over its largest value in calibration.
# Operations without weights, which would only add roundings.
_FLOAT_OPS = [
    *("ABS", "ADD", "BATCH_MATMUL", "CONCATENATION", "DIV", "GATHER", "GELU", "MEAN"),
    *("MUL", "REDUCE_MAX", "RESHAPE", "RSQRT", "SOFTMAX", "SQUARED_DIFFERENCE"),
    *("STRIDED_SLICE", "SUB", "TRANSPOSE"),
]
_DEBUG_MATRICES = 10
_CALIBRATION_MATRICES = 1000


class ConversionError(ValueError):
    """The model needs operations that are not TFLite builtins."""


def convert(
    encoder: tf.keras.Model,
    precision: str,
    x: np.ndarray | None = None,
    model: ModuleType | None = None,
    step: np.ndarray | None = None,
) -> bytes:
    """Converts a UE encoder to a TFLite flatbuffer of builtin operations.

    Args:
      encoder: Keras model x -> y.
      precision: "float32"; "float16" (weights stored in 16 bits); "dynamic" (int8
        weights, float activations); "int8" (integer layers, see the module).
      x: float32 [n, num_tx, num_delay, 2], training matrices to calibrate "int8" by; a
        dense codeword layer is rounded for them in "int8" and "dynamic".
      model: The module of the encoder; it may have `fold`, a rewriting for export, and
        `FLOAT_LAYERS`, names of layers that stay float in "int8".
      step: float32 [latent], quantiser steps of the entries, if it has such; the 8-bit
        results of a dense codeword layer in "int8" are then the symbols themselves.

    Returns:
      The flatbuffer.

    Raises:
      ValueError: If the precision is unknown or the calibration data are missing.
      ConversionError: If an operation is no builtin; the message names it.
    """
    if precision not in PRECISIONS:
        raise ValueError(f"precision is {precision!r}; it must be one of {PRECISIONS}")
    if precision == "int8" and (x is None or not len(x)):
        raise ValueError("precision 'int8' needs training matrices to calibrate by")
    if precision in ("dynamic", "int8"):
        encoder = _rounded(encoder, x, precision == "int8", step)
    encoder = getattr(model, "fold", lambda encoder: encoder)(encoder)
    shape = (1, *encoder.input_shape[1:])
    call = tf.function(lambda x: encoder(x, training=False))
    concrete = call.get_concrete_function(tf.TensorSpec(shape, tf.float32))
    try:
        with _quietly():
            plain = tf.lite.TFLiteConverter.from_concrete_functions([concrete], encoder)
            if precision == "float32":
                return plain.convert()
            converter = tf.lite.TFLiteConverter.from_concrete_functions(
                [concrete], encoder
            )
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
            if precision == "float16":
                converter.target_spec.supported_types = [tf.float16]
            if precision != "int8":
                return converter.convert()
            layers = getattr(model, "FLOAT_LAYERS", ())
            return _integer(converter, x, _nodes(plain.convert(), layers))
    except Exception as error:
        names = re.findall(r"(?:TF Select|Custom) ops: (.+)", str(error))
        if not names:
            raise
        names = sorted({name for line in names for name in line.split(", ")})
        raise ConversionError(
            f"not builtin operations of TFLite: {', '.join(names)}"
        ) from error


def export(codec, precision: str, x: np.ndarray) -> bytes:
    """Converts the encoder of a codec; arguments and errors as `convert`."""
    model = models.get(codec.name)
    return convert(codec.encoder, precision, x, model, codec.quantizer.step)


def _integer(
    converter: tf.lite.TFLiteConverter, x: np.ndarray, float_nodes: list[str]
) -> bytes:
    def matrices(count: int):
        return lambda: ([row[None]] for row in x[:count])

    converter.representative_dataset = matrices(_CALIBRATION_MATRICES)
    debugger = tf.lite.experimental.QuantizationDebugger(
        converter=converter,
        debug_dataset=matrices(_DEBUG_MATRICES),
        debug_options=tf.lite.experimental.QuantizationDebugOptions(
            denylisted_ops=_FLOAT_OPS, denylisted_nodes=float_nodes
        ),
    )
    return debugger.get_nondebug_quantized_model()


def _nodes(flatbuffer: bytes, layers: tuple[str, ...]) -> list[str]:
    """Names of the results of the operations that belong to the named layers."""
    interpreter = tf.lite.Interpreter(model_content=flatbuffer)
    names = []
    for operation in interpreter._get_ops_details():
        for index in operation["outputs"]:
            name = interpreter._get_tensor_details(index, 0)["name"]
            if set(layers) & set(name.split(";")[0].split("/")):
                names.append(name)
    return names


class Runner:
    """A TFLite encoder as a function x -> y, one thread.

    Attributes:
      size: Bytes of the flatbuffer.
      operations: Names of its operations, sorted.
    """

    def __init__(self, flatbuffer: bytes):
        """Loads a flatbuffer that `convert` made."""
        self.size = len(flatbuffer)
        self._interpreter = tf.lite.Interpreter(model_content=flatbuffer, num_threads=1)
        self._interpreter.allocate_tensors()
        self._input = self._interpreter.get_input_details()[0]["index"]
        output = self._interpreter.get_output_details()[0]
        self._output, self._latent = output["index"], output["shape"][1]
        details = self._interpreter._get_ops_details()
        self.operations = sorted({op["op_name"] for op in details} - {"DELEGATE"})

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """Returns y float32 [n, latent] of x float32 [n, num_tx, num_delay, 2]."""
        y = np.empty((len(x), self._latent), np.float32)
        for matrix, row in zip(x, y):
            self._interpreter.set_tensor(self._input, matrix[None])
            self._interpreter.invoke()
            row[:] = self._interpreter.get_tensor(self._output)[0]
        return y

    def microseconds(self, x: np.ndarray, runs: int = 300) -> float:
        """Median time of one matrix [us], one thread, after a warm-up."""
        self._interpreter.set_tensor(self._input, x[:1])
        times = []
        for _ in range(runs + 20):
            began = time.perf_counter()
            self._interpreter.invoke()
            times.append(time.perf_counter() - began)
        return 1e6 * float(np.median(times[20:]))


def file_name(precision: str) -> str:
    """Returns the name that an exported encoder has in its workdir."""
    return f"encoder_{precision}.tflite"


def compare(
    codec, flatbuffers: Mapping[str, bytes], h: np.ndarray
) -> list[dict[str, object]]:
    """Measures the whole codec with each TFLite encoder against the Keras encoder.

    Args:
      codec: Codec with tables.
      flatbuffers: Name of a precision to an encoder that `convert` made.
      h: complex64 [n, num_tx, num_delay].

    Returns:
      A point for Keras and one an encoder, as of `evaluation.evaluate`, with
      `nmse_loss_db` against Keras, the share `symbols_changed`, `ue_bytes`,
      `microseconds` a matrix (one thread) and `operations`.
    """
    keras = codec.analysis
    symbols, _ = codec.symbols(h)
    point = evaluation.evaluate(codec, h)
    points = [{"codec": f"{codec.name}, Keras", **point, "nmse_loss_db": 0.0}]
    for precision, flatbuffer in flatbuffers.items():
        codec.analysis = runner = Runner(flatbuffer)
        try:
            point = evaluation.evaluate(codec, h)
            changed = codec.symbols(h)[0] != symbols
        finally:
            codec.analysis = keras
        points.append(
            {
                "codec": f"{codec.name}, TFLite {precision}",
                **point,
                "nmse_loss_db": point["nmse_db"] - points[0]["nmse_db"],
                "symbols_changed": float(changed.mean()),
                "ue_bytes": runner.size,
                "microseconds": runner.microseconds(transforms.to_real(h[:1])),
                "operations": runner.operations,
            }
        )
    return points


@contextlib.contextmanager
def _quietly():
    """Keeps the converter's progress messages off the screen."""
    before = logging.get_verbosity()
    logging.set_verbosity(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.set_verbosity(before)


def _rounded(
    encoder: tf.keras.Model,
    x: np.ndarray | None,
    integer: bool,
    step: np.ndarray | None,
) -> tf.keras.Model:
    """Rounds the dense codeword layer's weights for the inputs that it will see.

    The layer becomes a 1 x 1 convolution of one pixel, which is the same, but TFLite
    quantises its columns one by one; its weights are rounded for what x, in four
    phases, feeds it. For integer activations:

    * half of the difference in range (in dB) between inputs moves to the weights, as in
      Xiao et al., "SmoothQuant" (ICML 2023, arXiv:2211.10438), eq. 4 with alpha = 1/2,
      the range of the weights taken as even;
    * an entry is put out in units of its step, so that its 8-bit result is its symbol
      and not rounded twice; in a multiple of the step where 8 bits are too few.

    Encoders that do not end in such a layer are returned as they are.
    """
    dense = encoder.layers[-1]
    if not isinstance(dense, tf.keras.layers.Dense) or x is None:
        return encoder
    kernel, bias = dense.get_weights()
    probe = tf.keras.Model(encoder.input, dense.input)
    phases = (transforms.to_complex(x) * np.complex64(1j**p) for p in range(4))
    fed = [probe.predict(transforms.to_real(h), verbose=0) for h in phases]
    source, fed = dense.input, np.concatenate(fed)
    if integer:
        ranges = np.abs(fed).max(0)
        gain = np.sqrt(ranges.max() / np.maximum(ranges, 1e-3 * ranges.max()))
        unit = _HEADROOM * np.abs(fed @ kernel + bias).max(0) / LARGEST
        if step is not None:
            unit = step * np.maximum(np.ceil(unit / step), 1.0)
        source, fed = source * gain, fed * gain
        kernel, bias = kernel / gain[:, None] / unit, bias / unit
    kernel = rounding.round_kernel(kernel, fed)
    columns = tf.keras.layers.Conv2D(len(bias), 1, name=f"{dense.name}_columns")
    y = columns(tf.keras.layers.Reshape((1, 1, len(kernel)))(source))
    columns.set_weights([kernel[None, None], bias])
    if integer:  # Sets the scale of the 8-bit result to 1.
        y = tf.quantization.fake_quant_with_min_max_args(y, -LARGEST - 1, LARGEST)
    y = tf.keras.layers.Reshape((len(bias),))(y)
    return tf.keras.Model(encoder.input, y * unit if integer else y)
