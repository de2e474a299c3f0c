"""The bottlenecks as a Keras layer, for networks of one's own.

    codeword = Bottleneck(prior="contexts", lmbda=1e-4)
    model = tf.keras.Sequential([encoder, codeword, decoder])
    model.compile("adam", loss)
    codeword.adapt(encoder.predict(x))        # Steps of the quantiser.
    model.fit(x, x, callbacks=[RefreshPriors()])
    codeword.freeze(encoder.predict(x))       # Integer tables.
    payloads = codeword.compress(encoder.predict(x))
    y_hat = codeword.decompress(payloads)

The layer adds `lmbda` times the mean bits of a codeword to the loss, and shows the bits
as the metric `bits`. `.keras` and `.weights.h5` files hold the prior and its tables.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from tfcsi.coding import any_tables
from tfcsi.coding.any_tables import AnyTables
from tfcsi.entropy import priors, quantizers
from tfcsi.entropy.rounding import ROUNDINGS, surrogate


@tf.keras.utils.register_keras_serializable("tfcsi")
class Bottleneck(tf.keras.layers.Layer):
    """Quantiser and prior of a codeword, float32 [n, latent] to the same.

    Attributes:
      quantizer: Object of a class of `tfcsi.entropy.quantizers`, once built.
      prior: Object of a class of `tfcsi.entropy.priors`, once built.
      tables: Integer tables of the coder; None before `freeze`.
      bits: Metric, mean bits of a codeword.
    """

    def __init__(
        self,
        prior: str = "factorized",
        lmbda: float = 1e-4,
        quantizer: str = "uniform",
        quantizer_args: Mapping[str, Any] | None = None,
        prior_args: Mapping[str, Any] | None = None,
        rounding: str = "prior",
        coder: str = "range",
        seed: int = 0,
        **options: Any,
    ):
        """Makes a layer; its sizes follow from the codeword that it gets first.

        Args:
          prior: Name of the prior, as the field of a config; so are the next ones.
          lmbda: Weight of a bit in the loss.
          quantizer: Name of the quantiser.
          quantizer_args: Its arguments.
          prior_args: Arguments of the prior.
          rounding: What stands for rounding in training.
          coder: "range" or "huffman".
          seed: Seed of the noise of training.
          **options: As of a Keras layer.

        Raises:
          ValueError: If the rounding is not known.
        """
        super().__init__(**{**options, "dtype": "float32"})
        if rounding not in ("prior", *ROUNDINGS):
            raise ValueError(
                f"rounding is {rounding!r}; it must be one of {('prior', *ROUNDINGS)}"
            )
        self.fields = {
            "prior": prior,
            "lmbda": float(lmbda),
            "quantizer": quantizer,
            "quantizer_args": dict(quantizer_args or {}),
            "prior_args": dict(prior_args or {}),
            "rounding": rounding,
            "coder": coder,
            "seed": int(seed),
        }
        self.tables: AnyTables | None = None
        self.bits = tf.keras.metrics.Mean(name="bits")

    def build(self, shape: Sequence[int | None]) -> None:
        """Makes quantiser and prior for codewords of the shape [n, latent].

        Raises:
          ValueError: If a field does not fit the others.
        """
        if len(shape) != 2 or not shape[-1]:
            raise ValueError(f"a bottleneck takes codewords [n, latent], got {shape}")
        fields = {**self.fields, "latent_dim": shape[-1]}
        self.quantizer = quantizers.of_config(fields)
        if self.quantizer.num_rates > 1:
            raise ValueError(
                f"quantizer is {fields['quantizer']!r}; a layer has one rate: give "
                f"'uniform', or train with tfcsi"
            )
        self.prior = priors.of_config(fields, self.quantizer)
        self.rounding = str(self.fields["rounding"])
        if self.rounding == "prior":
            self.rounding = self.prior.rounding
        if self.rounding != "straight_through" and fields["quantizer"] != "uniform":
            raise ValueError(
                f"rounding {self.rounding!r} is for quantizer 'uniform', got "
                f"{fields['quantizer']!r}"
            )
        self.step = tf.Variable(0, trainable=False, dtype=tf.int64, name="step")
        super().build(shape)

    def call(self, y: tf.Tensor, training: bool | None = None) -> tf.Tensor:
        """Returns what the decoder gets, float32 [n, latent]; adds the rate."""
        u, y_hat = self.quantizer(y)
        if training and self.rounding != "straight_through":
            seed = tf.stack([tf.constant(self.fields["seed"], tf.int64), self.step])
            self.step.assign_add(1)
            rate, points = surrogate(u, self.rounding, seed)
            bits, y_hat = self.prior.bits(rate, True), self.quantizer.points(points)
        else:
            bits = self.prior(u, bool(training))
        bits += 16.0 * self.quantizer.num_side
        self.add_loss(self.fields["lmbda"] * tf.reduce_mean(bits))
        self.bits.update_state(bits)
        return y_hat

    def adapt(self, y: np.ndarray) -> None:
        """Sets the steps that are best at a high rate, and the first histogram.

        Args:
          y: float32 [n, latent], codewords of training data. The loss of the model is
            taken as relative to their energy.
        """
        self._need_built()
        self.quantizer.initialize(y, self.fields["lmbda"])
        if isinstance(self.prior, priors.Histogram):
            self.prior.freeze(self.quantizer.quantize(y)[0])

    def freeze(self, y: np.ndarray) -> None:
        """Makes the integer tables; from now on the layer can send and receive.

        Args:
          y: float32 [n, latent], codewords of training data.
        """
        self._need_built()
        self.tables = self.prior.freeze(self.quantizer.quantize(y)[0])

    def compress(self, y: np.ndarray) -> list[bytes]:
        """Turns codewords, float32 [n, latent], into n payloads.

        Raises:
          RuntimeError: If there are no tables yet.
        """
        symbols, side = self.quantizer.quantize(np.asarray(y, np.float32))
        coded, _ = any_tables.encode_bits(symbols, self._tables())
        return [w.astype(">u2").tobytes() + c for w, c in zip(side, coded)]

    def decompress(self, payloads: Sequence[bytes]) -> np.ndarray:
        """Turns payloads into the codewords that the decoder gets, float32 [n, latent].

        Raises:
          RuntimeError: If there are no tables yet.
          rangecoder.PayloadError: If a payload is not one that `compress` writes.
        """
        cut = 2 * self.quantizer.num_side
        words = np.frombuffer(b"".join(p[:cut] for p in payloads), ">u2")
        side = words.astype(np.uint16).reshape(len(payloads), self.quantizer.num_side)
        coded = [payload[cut:] for payload in payloads]
        symbols, _ = any_tables.decode_bits(coded, self._tables())
        return self.quantizer.dequantize(symbols, side)

    @property
    def trainable_weights(self) -> list[tf.Variable]:
        """Variables of quantiser and prior that training changes."""
        return self._variables(True) if self.trainable else []

    @property
    def non_trainable_weights(self) -> list[tf.Variable]:
        """All others."""
        return self._variables(False, *(() if self.trainable else (True,)))

    def save_own_variables(self, store: Any) -> None:
        """Writes variables and tables to a file of weights."""
        for i, variable in enumerate(self._variables(True, False)):
            store[f"{i}"] = variable.numpy()
        if self.tables is not None:
            content = io.BytesIO()
            np.savez_compressed(content, **self.tables.arrays())
            store["tables"] = np.frombuffer(content.getvalue(), np.uint8)

    def load_own_variables(self, store: Any) -> None:
        """Reads what `save_own_variables` wrote."""
        for i, variable in enumerate(self._variables(True, False)):
            variable.assign(store[f"{i}"])
        self.tables = None
        if "tables" in store:
            with np.load(io.BytesIO(np.asarray(store["tables"]).tobytes())) as arrays:
                self.tables = any_tables.from_arrays(dict(arrays))

    def get_config(self) -> dict[str, object]:
        """Returns the arguments of the constructor."""
        return {**super().get_config(), **self.fields}

    def _variables(self, *trainable: bool) -> list[tf.Variable]:
        if not self.built:
            return []
        modules = (self.quantizer, self.prior)
        every = [v for module in modules for v in module.variables]
        return [v for t in trainable for v in every if v.trainable == t]

    def _need_built(self) -> None:
        if not self.built:
            raise RuntimeError(
                "the layer has no sizes yet: build the model, or call it once"
            )

    def _tables(self) -> AnyTables:
        if self.tables is None:
            raise RuntimeError("the layer has no entropy tables: call freeze(y) first")
        return self.tables


class RefreshPriors(tf.keras.callbacks.Callback):
    """Makes the histograms of all bottlenecks anew after each epoch of `fit`."""

    def on_epoch_end(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        """See the class."""
        for layer in self.model.submodules:
            if isinstance(layer, Bottleneck):
                layer.prior.refresh()
