"""The loss of a pair: distortion plus lmbda times bits, under noise if there is any."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ml_collections
import tensorflow as tf

from tfcsi.codecs.neural import Codec
from tfcsi.codecs.schema import NOISE
from tfcsi.entropy.rounding import surrogate
from tfcsi.models.noise_path import under_noise
from tfcsi.training.augment import augment, awgn, draw_snr
from tfcsi.training.balance import Balance, drawn
from tfcsi.training.stages import Stage

DENOISED = "denoised"  # Layer of a decoder; a "codeword" stage compares its output.


def relative_error(x: tf.Tensor, x_hat: tf.Tensor) -> tf.Tensor:
    """Returns the squared error of each row relative to its energy: the NMSE, linear.

    Args:
      x: float32 [n, ...], the truth.
      x_hat: float32 [n, ...], the estimate.

    Returns:
      |x - x_hat|^2 / |x|^2, float32 [n].
    """
    axes = list(range(1, x.shape.rank))
    error = tf.reduce_sum(tf.square(x - x_hat), axes)
    return error / tf.reduce_sum(tf.square(x), axes)


class Objective:
    """The losses of the stages of a training."""

    def __init__(self, config: ml_collections.ConfigDict, codec: Codec, prior: Any):
        """Makes the objective of a training.

        Args:
          config: Of the run.
          codec: The pair and its quantiser.
          prior: Of a class of `tfcsi.entropy.priors`.

        Raises:
          ValueError: If the quantiser does not go with what stands for rounding.
        """
        self.config, self.codec, self.prior = config, codec, prior
        self.rounding = config.rounding
        if self.rounding == "prior":
            self.rounding = prior.rounding
        if self.rounding != "straight_through" and config.quantizer != "uniform":
            raise ValueError(
                f"rounding {self.rounding!r} is for quantizer 'uniform'; with "
                f"{config.quantizer!r} use 'straight_through'"
            )
        self._decode = under_noise(codec.decoder)
        self.balance: Balance | None = None
        if codec.quantizer.num_rates > 1:
            self.balance = Balance(codec.quantizer.num_rates)
            weights = config.lmbda * codec.quantizer.weights
            self._lmbda = tf.constant(weights, tf.float32)

    def of_stage(self, stage: Stage) -> Callable[..., tuple[tf.Tensor, ...]]:
        """Returns the loss of a stage.

        Args:
          stage: The stage.

        Returns:
          Function as `loop.Loop.begin` takes it. It maps x, float32
          [n, num_tx, num_delay, 2], to loss, NMSE and bits of each matrix, float32 [n].

        Raises:
          ValueError: If the stage compares codewords and the decoder has no denoiser.
        """
        codec = self.codec
        denoise = _denoiser(codec.decoder) if stage.loss == "codeword" else None

        def loss(x: Any, training: bool, seed: Any) -> tuple[tf.Tensor, ...]:
            """Returns loss, NMSE and bits of each matrix, float32 [n] each."""
            if training:
                x = augment(x, self.config.augment, seed)
            trains_all = training and not stage.train
            rate = self._rate(x, seed if training else None)
            measured = self._noisy(x, "csi_snr_db", stage, seed)
            y = y_hat = codec.encoder(measured, training=trains_all)
            bits = tf.zeros(tf.shape(x)[:1])
            if stage.quantize:
                y_hat, bits = self._quantized(y, rate, training, seed)
            received = self._noisy(y_hat, "codeword_snr_db", stage, seed)
            x_hat = self._decode(received, y_hat, training=trains_all)
            nmse = distortion = relative_error(x, x_hat)
            if self.config.distortion == "sse":
                distortion = tf.reduce_sum(tf.square(x - x_hat), (1, 2, 3))
            if denoise is not None:
                distortion = relative_error(y_hat, denoise(received))
            return self._cost(distortion, bits, rate, training), nmse, bits

        return loss

    def begin(self, x: tf.Tensor) -> None:
        """Sets the balance of several rates to their costs; nothing for one rate.

        Args:
          x: float32 [n, num_tx, num_delay, 2], training matrices.
        """
        if self.balance is None:
            return
        rate = self._rate(x, None)
        y_hat, bits = self._quantized(self.codec.encoder(x), rate, False, None)
        error = relative_error(x, self.codec.decoder(y_hat))
        if self.config.distortion == "sse":
            error *= tf.reduce_sum(tf.square(x), (1, 2, 3))
        self.balance.begin(bits + error / tf.linalg.matvec(rate, self._lmbda), rate)

    def _cost(
        self, distortion: tf.Tensor, bits: tf.Tensor, rate: Any, training: bool
    ) -> tf.Tensor:
        """The loss of each matrix, float32 [n]."""
        if self.balance is None:
            return distortion + self.config.lmbda * bits
        cost = bits + distortion / tf.linalg.matvec(rate, self._lmbda)
        return self.balance(cost, rate, training)

    def _rate(self, x: tf.Tensor, seed: Any) -> tf.Tensor | None:
        """Rates [n, rates], drawn, or in turn without a seed; None if there is one."""
        if self.balance is None:
            return None
        draw = None if seed is None else seed + 2**42
        return drawn(x, self.codec.quantizer.num_rates, draw)

    def _quantized(
        self, y: Any, rate: Any, training: bool, seed: Any
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """The codewords that the decoder gets, and the bits of each [n]."""
        u, y_hat = self.codec.quantizer(*_of_rate(y, rate))
        if training and self.rounding != "straight_through":
            rate, points = surrogate(u, self.rounding, seed + 2**38)
            bits = self.prior.bits(rate, training=True)
            y_hat = self.codec.quantizer.points(points)
        else:
            bits = self.prior(u, training=training)
        return y_hat, bits + 16.0 * self.codec.quantizer.num_side

    def of_prior(self, x: Any, training: bool, seed: Any) -> tuple[tf.Tensor]:
        """Returns the loss of the prior alone: the bits of each matrix.

        Args:
          x: float32 [n, num_tx, num_delay, 2].
          training: Not used: the prior is always trained.
          seed: int64 [2], to draw rates if there are several.

        Returns:
          (bits,), float32 [n].
        """
        del training
        y, rate = self.codec.encoder(x, training=False), self._rate(x, seed)
        u, _ = self.codec.quantizer(*_of_rate(y, rate))
        return (self.prior(tf.stop_gradient(u), training=True),)

    def _noisy(self, y: Any, field: str, stage: Stage, seed: Any) -> tf.Tensor:
        """Adds noise of an SNR that is drawn between the limits in the config."""
        limits = self.config.noise[field]
        if not (limits and stage.noise):
            return y
        seed = seed + 2**40 * (1 + list(NOISE).index(field))
        snr_db = draw_snr(tf.shape(y)[0], limits, seed)
        return awgn(y, snr_db, seed + 2**39)


def _of_rate(y: tf.Tensor, rate: tf.Tensor | None) -> tuple[tf.Tensor, ...]:
    """The arguments of a quantiser, which takes a rate if it has several."""
    return (y,) if rate is None else (y, rate)


def _denoiser(decoder: tf.keras.Model) -> tf.keras.Model:
    """The decoder up to the denoised codeword."""
    if not any(layer.name == DENOISED for layer in decoder.layers):
        raise ValueError(
            f"loss of a stage is 'codeword'; the decoder {decoder.name} has no layer "
            f"{DENOISED!r}: use loss 'csi', or a model with a denoiser (csinet_dnnet)"
        )
    return tf.keras.Model(decoder.inputs, decoder.get_layer(DENOISED).output)
