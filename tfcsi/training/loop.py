"""The training loop: steps, epochs and validation of one run."""

from __future__ import annotations

import re
from collections.abc import Callable

import ml_collections
import numpy as np
import tensorflow as tf
import tqdm

from tfcsi import metrics, models, transforms
from tfcsi.codecs.neural import Codec
from tfcsi.entropy import priors
from tfcsi.models.noise_path import under_noise
from tfcsi.training.augment import augment, awgn, draw_snr
from tfcsi.training.config import NOISE
from tfcsi.training.stages import WarmUpCosine, stages_of

DENOISED = "denoised"  # Layer of a decoder whose output a "codeword" stage looks at.
_EVAL_BATCH = 500


class Run:
    """What one training holds: codec, prior, optimizers, counters, compiled steps."""

    def __init__(
        self,
        config: ml_collections.ConfigDict,
        h_train: np.ndarray,
        start: Callable[[Codec, np.ndarray], None] | None = None,
    ):
        self.config, self.start = config, start
        self.initialize_klt = models.get(config.model).initialize_klt
        if config.init == "klt" and not (start or self.initialize_klt):
            raise ValueError(
                f"init is 'klt'; the model {config.model!r} has no such start: use "
                f"init 'random'"
            )
        self.codec = codec = Codec(config)
        self.prior = priors.get(config.prior)(
            codec.quantizer.num_symbols, codec.quantizer.num_levels, config.coder
        )
        self.stages = stages_of(config)
        self.steps = len(h_train) // config.batch_size
        network = [
            *codec.encoder.trainable_variables,
            *codec.decoder.trainable_variables,
            *codec.quantizer.trainable_variables,
        ]
        # Networks may share variables.
        self.network = list({variable.ref(): variable for variable in network}.values())
        self.densities = list(self.prior.trainable_variables)
        self.parts = {
            "encoder": codec.encoder,
            "decoder": codec.decoder,
            "quantizer": codec.quantizer,
            "prior": self.prior,
        }
        for stage in self.stages:
            self._selected(stage.train)
        self.epoch = tf.Variable(0, dtype=tf.int64)
        self.step = tf.Variable(0, dtype=tf.int64)
        self.optimizers = [
            tf.keras.optimizers.legacy.Adam(
                WarmUpCosine(peak, self.steps, self.stages, config),
                beta_1=config.beta_1,
            )
            for peak in (config.learning_rate, config.prior_learning_rate)
        ]
        for optimizer, variables in zip(
            self.optimizers, (self.network, self.densities)
        ):
            _build(optimizer, variables)
        self.decode = under_noise(codec.decoder)
        self.denoised = None
        if any(stage.loss == "codeword" for stage in self.stages):
            self.denoised = _inner(codec.decoder)
        self.prior_step = tf.function(self._prior_step)

    def enter(self, h_train: np.ndarray) -> None:
        """Makes ready for the coming epoch, which may be the first of a stage."""
        starts = np.cumsum([0] + [stage.epochs for stage in self.stages[:-1]])
        number = int(np.searchsorted(starts, int(self.epoch), "right")) - 1
        if not hasattr(self, "stage") or self.stage is not self.stages[number]:
            self.stage = self.stages[number]
            self.trained = self._selected(self.stage.train)
            self.train_step = tf.function(self._train_step)
            self.eval_step = tf.function(self._eval_step, reduce_retracing=True)
        if int(self.epoch) == starts[number]:
            self._begin(number, h_train)

    def _selected(self, pattern: str) -> list[tf.Variable]:
        """The variables of the layers in whose name the pattern is found."""
        if not pattern:
            return self.network
        names = {
            variable.ref(): f"{part}/{layer.name}"
            for part in ("encoder", "decoder")
            for layer in getattr(self.codec, part).layers
            for variable in layer.trainable_variables
        }
        found = [v for v in self.network if re.search(pattern, names.get(v.ref(), ""))]
        if not found:
            raise ValueError(f"train of a stage is {pattern!r}; no layer has that")
        return found

    def _begin(self, number: int, h_train: np.ndarray) -> None:
        """Initialises weights and quantiser, then fits the prior to the symbols."""
        if self.start and not number:
            self.start(self.codec, h_train)
        elif self.config.init == "klt" and not number:
            self.initialize_klt(self.codec.encoder, self.codec.decoder, h_train)
        if not self.stage.quantize or (number and self.stages[number - 1].quantize):
            return
        rng = np.random.default_rng([self.config.seed, 2**31 + number])
        sample = h_train[np.sort(rng.permutation(len(h_train))[:_EVAL_BATCH])]
        x = transforms.to_real(sample)
        if number or not self.start:
            energy = 1.0 if self.config.distortion == "nmse" else np.sum(x**2) / len(x)
            y = self.codec.analysis(x)
            self.codec.quantizer.initialize(y, self.config.lmbda / energy)
        adam = tf.keras.optimizers.legacy.Adam(self.config.prior_warmup_learning_rate)
        _build(adam, self.densities)
        for _ in range(self.config.prior_warmup_steps):
            chosen = np.sort(rng.choice(len(h_train), self.config.batch_size, False))
            self.prior_step(transforms.to_real(h_train[chosen]), adam)
        self.prior.refresh()

    def train_epoch(self, h_train: np.ndarray, progress: bool) -> dict[str, float]:
        """One pass over the training data, in an order that (seed, epoch) sets."""
        rng = np.random.default_rng([self.config.seed, int(self.epoch)])
        order = rng.permutation(len(h_train))
        total = np.zeros(3)
        bar = tqdm.trange(
            self.steps,
            desc=f"epoch {int(self.epoch) + 1}/{self.config.epochs}",
            disable=not progress,
            leave=False,
            mininterval=1.0,
        )
        for i in bar:
            chosen = np.sort(
                order[i * self.config.batch_size :][: self.config.batch_size]
            )
            total += self.train_step(transforms.to_real(h_train[chosen]))
            self._check_finite(total[0])
        self.prior.refresh()
        return self._row("train", total / self.steps)

    def validate(self, h_val: np.ndarray) -> dict[str, float]:
        """Mean loss, NMSE and payload bits of the symbols of the validation data."""
        parts = [
            self.eval_step(
                transforms.to_real(h_val[i : i + _EVAL_BATCH]), tf.constant(i)
            )
            for i in range(0, len(h_val), _EVAL_BATCH)
        ]
        loss, nmse, bits = (np.concatenate(values) for values in zip(*parts))
        self._check_finite(loss.mean())
        return self._row("val", (loss.mean(), nmse.mean(), bits.mean()))

    def _check_finite(self, loss: float) -> None:
        if not np.isfinite(loss):
            raise FloatingPointError(
                f"the loss is not finite at step {int(self.step)}; lower "
                f"learning_rate ({self.config.learning_rate}) or clip_norm "
                f"({self.config.clip_norm})"
            )

    def _row(self, name: str, means) -> dict[str, float]:
        loss, nmse, bits = map(float, means)
        return {
            f"{name}_loss": loss,
            f"{name}_nmse_db": float(metrics.to_db(nmse)),
            f"{name}_bits": bits,
        }

    def _forward(self, x, training: bool, seed):
        """Loss, NMSE and bits of each matrix, float32 [n]."""
        codec, whole = self.codec, training and not self.stage.train
        measured = self._noisy(x, "csi_snr_db", seed)
        y = y_hat = codec.encoder(measured, training=whole)
        bits = tf.zeros(tf.shape(x)[:1])
        if self.stage.quantize:
            u, y_hat = codec.quantizer(y)
            bits = self.prior(u, training=training) + 16.0 * codec.quantizer.num_side
        received = self._noisy(y_hat, "codeword_snr_db", seed)
        x_hat = self.decode(received, y_hat, training=whole)
        error = tf.reduce_sum(tf.square(x - x_hat), (1, 2, 3))
        nmse = error / tf.reduce_sum(tf.square(x), (1, 2, 3))
        distortion = nmse if self.config.distortion == "nmse" else error
        if self.stage.loss == "codeword":
            denoised = self.denoised(received)
            error = tf.reduce_sum(tf.square(denoised - y_hat), 1)
            distortion = error / tf.reduce_sum(tf.square(y_hat), 1)
        return distortion + self.config.lmbda * bits, nmse, bits

    def _noisy(self, y, field: str, seed):
        """Adds noise of an SNR that is drawn between the limits in the config."""
        limits = self.config.noise[field]
        if not (limits and self.stage.noise):
            return y
        seed = seed + 2**40 * (1 + list(NOISE).index(field))
        snr_db = draw_snr(tf.shape(y)[0], limits, seed)
        return awgn(y, snr_db, seed + 2**39)

    def _eval_step(self, x, number):
        seed = tf.stack([self.config.seed, -1 - tf.cast(number, tf.int64)])
        return self._forward(x, False, seed)

    def _train_step(self, x):
        seed = tf.stack([self.config.seed, self.step])
        x = augment(x, self.config.augment, seed)
        with tf.GradientTape() as tape:
            parts = self._forward(x, True, seed)
            loss = tf.reduce_mean(parts[0])
        variables = self.trained + self.densities
        gradients = tape.gradient(loss, variables, unconnected_gradients="zero")
        split = len(self.trained)
        clipped, _ = tf.clip_by_global_norm(gradients[:split], self.config.clip_norm)
        self.optimizers[0].apply_gradients(zip(clipped, self.trained))
        if self.densities:
            self.optimizers[1].apply_gradients(zip(gradients[split:], self.densities))
        self.step.assign_add(1)
        return tf.stack([tf.reduce_mean(part) for part in parts])

    def _prior_step(self, x, adam):
        u, _ = self.codec.quantizer(self.codec.encoder(x, training=False))
        with tf.GradientTape() as tape:
            bits = tf.reduce_mean(self.prior(u, training=True))
        if self.densities:
            gradients = tape.gradient(bits, self.densities)
            adam.apply_gradients(zip(gradients, self.densities))


def _inner(decoder: tf.keras.Model) -> tf.keras.Model:
    """The decoder up to the denoised codeword."""
    if not any(layer.name == DENOISED for layer in decoder.layers):
        raise ValueError(
            f"loss of a stage is 'codeword'; the decoder {decoder.name} has no layer "
            f"{DENOISED!r}: use loss 'csi', or a model with a denoiser (csinet_dnnet)"
        )
    return tf.keras.Model(decoder.inputs, decoder.get_layer(DENOISED).output)


def _build(optimizer, variables: list[tf.Variable]) -> None:
    """Makes the slots now, for a checkpoint to restore and a step to be traced once."""
    optimizer._create_all_weights(variables)
