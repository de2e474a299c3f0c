"""UE encoders rewritten for export: the codeword layer, rounded or packed."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from tfcsi import transforms
from tfcsi.model_optimization import rounding
from tfcsi.models.binary import BinaryDense

LARGEST = 127  # The largest 8-bit integer.
_HEADROOM = 1.25  # Range of an entry over its largest value in calibration.
_NIBBLE = np.array(
    [[2 * (i >> k & 1) - 1 for i in range(16)] for k in (3, 2, 1, 0)], np.float32
)  # [4, 16]: bits of 0 ... 15, the highest first, as signs.


def round_codeword(
    encoder: tf.keras.Model,
    x: np.ndarray,
    integer: bool = False,
    step: np.ndarray | None = None,
    own_units: bool = False,
) -> tuple[tf.keras.Model, np.ndarray | None]:
    """Rounds the weights of the dense codeword layer for the inputs that it will see.

    The layer becomes a 1 x 1 convolution of one pixel. This computes the same, but
    TFLite quantises its columns one by one. The weights are rounded for the inputs that
    x gives the layer in four phases.

    Args:
      encoder: Keras model x -> y.
      x: float32 [n, num_tx, num_delay, 2], training matrices.
      integer: Whether activations will be integers too. Half of the difference in range
        (in dB) between inputs then moves to the weights, as in Xiao et al.,
        "SmoothQuant" (ICML 2023, arXiv:2211.10438), eq. 4 with alpha = 1/2, where all
        weights are taken to have the same range.
      step: float32 [latent], steps of the quantiser; None if it has no steps.
      own_units: Whether each entry is put out in its own unit, as an 8-bit integer. If
        there are steps, the integer is the symbol, which is then rounded only once; if
        8 bits are too few for the symbols, it is the symbol divided by a whole number.
        If there are no steps, the unit is the range in calibration divided by 127.

    Returns:
      The encoder x -> y / unit; unit float32 [latent], or None for 1. Encoders that do
      not end in a dense layer are returned as they are.
    """
    dense = encoder.layers[-1]
    if not isinstance(dense, tf.keras.layers.Dense):
        return encoder, None
    kernel, bias = dense.get_weights()
    probe = tf.keras.Model(encoder.input, dense.input)
    phases = (transforms.to_complex(x) * np.complex64(1j**p) for p in range(4))
    fed = [probe.predict(transforms.to_real(h), verbose=0) for h in phases]
    source, fed, unit = dense.input, np.concatenate(fed), None
    if integer:
        ranges = np.abs(fed).max(0)
        gain = np.sqrt(ranges.max() / np.maximum(ranges, 1e-3 * ranges.max()))
        source, fed, kernel = source * gain, fed * gain, kernel / gain[:, None]
    if own_units:
        unit = _HEADROOM * np.abs(fed @ kernel + bias).max(0) / LARGEST
        unit = np.maximum(unit, np.float32(1e-30))
        if step is not None:
            unit = step * np.maximum(np.ceil(unit / step), 1.0)
        kernel, bias = kernel / unit, bias / unit
    kernel = rounding.round_kernel(kernel, fed)
    columns = tf.keras.layers.Conv2D(len(bias), 1, name=f"{dense.name}_columns")
    y = columns(tf.keras.layers.Reshape((1, 1, len(kernel)))(source))
    columns.set_weights([kernel[None, None], bias])
    if own_units:  # Sets the scale of the 8-bit result to 1.
        y = tf.quantization.fake_quant_with_min_max_args(y, -LARGEST - 1, LARGEST)
    y = tf.keras.layers.Reshape((len(bias),))(y)
    return tf.keras.Model(encoder.input, y), unit


def pack_codeword(encoder: tf.keras.Model) -> tf.keras.Model:
    """Makes a binary codeword layer store each weight in one bit.

    TFLite has no type of one bit. Eight inputs are added up with all 256 combinations
    of signs, and the byte that holds eight weights of an output says which of the sums
    it takes. This needs an eighth of the additions of the dense layer, and only the
    multiplication by the scale.

    Args:
      encoder: Keras model x -> y; one that does not end in a `BinaryDense` is returned
        as it is.

    Returns:
      Keras model float32 [1, num_tx, num_delay, 2] -> float32 [1, latent]: one matrix
      at a time.
    """
    dense = encoder.layers[-1]
    if not isinstance(dense, BinaryDense):
        return encoder
    signs, scales = dense.packed()
    y = _Packed(signs, name=f"{dense.name}_packed")(dense.input)
    return tf.keras.Model(encoder.input, y * scales + dense.bias.numpy())


class _Packed(tf.keras.layers.Layer):
    """Products with a kernel of signs, float32 [1, inputs] -> [1, units].

    `signs` is as `BinaryDense.packed` gives it, uint8 [bytes, units].
    """

    def __init__(self, signs: np.ndarray, **layer_args):
        super().__init__(**layer_args)
        self._signs = signs

    def call(self, x):
        num_bytes, units = self._signs.shape
        x = tf.pad(x, ((0, 0), (0, 8 * num_bytes - x.shape[1])))
        halves = tf.reshape(x, (2 * num_bytes, 4)) @ _NIBBLE
        halves = tf.reshape(halves, (num_bytes, 2, 16))
        sums = tf.expand_dims(halves[:, 0], 2) + tf.expand_dims(halves[:, 1], 1)
        sums = tf.reshape(sums, (num_bytes, 256))
        # Always zero, which the converter cannot know. It would store a constant index
        # in 32 bits.
        zero = tf.cast(x[:, :1] > 1e30, tf.int32)
        index = tf.gather(self._signs[None], tf.reshape(zero, (1,)))
        index = tf.cast(tf.reshape(index, (num_bytes, units)), tf.int32)
        chosen = tf.gather(sums, index, batch_dims=1)
        return tf.ones((1, num_bytes)) @ chosen
