"""Priors whose tables are picked by what was sent before: hyperpriors and contexts.

Training computes with the very integers that `tfcsi.coding.network_tables` computes
with, here floats that hold integers over powers of two. Gradients pass the roundings
unchanged, so that the frozen integer networks do what was trained.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from tfcsi.coding import token_contexts as integers
from tfcsi.coding.network_tables import (
    ACTIVATION,
    BIAS,
    FARTHEST,
    WEIGHT,
    IntegerNetwork,
    NetworkTables,
)
from tfcsi.coding.tables import PRECISION, Tables
from tfcsi.entropy.densities import Factorized, need_symbols
from tfcsi.entropy.orders import after, passes_of
from tfcsi.entropy.rounding import rounded, straight_through
from tfcsi.entropy.token_contexts import mix_of

_REFIT_RATE, _REFIT_BATCH = 1e-2, 100


class Network(tf.Module):
    """Two dense layers that hold integers; see `network_tables.IntegerNetwork`."""

    def __init__(self, inputs: int, hidden: int, outputs: int, bias: np.ndarray):
        """Makes a network of random weights and of a last bias [outputs]."""
        super().__init__(name="network")
        normal = tf.random.normal
        spreads = max(inputs, 1) ** -0.5, 0.3 * hidden**-0.5
        start = spreads[0] * normal((inputs, hidden))
        self.w0 = tf.Variable(start, trainable=inputs > 0, name="w0")
        self.b0 = tf.Variable(0.5 + 0.1 * normal((hidden,)), name="b0")
        self.w1 = tf.Variable(spreads[1] * normal((hidden, outputs)), name="w1")
        self.b1 = tf.Variable(bias.astype(np.float32), name="b1")

    def __call__(self, x: tf.Tensor) -> tf.Tensor:
        """Returns outputs, float32 [n, outputs], of x float32 [n, inputs]."""
        total = tf.zeros((tf.shape(x)[0], self.b0.shape[0]))
        if x.shape[1]:  # Multiplication with no inputs is not everywhere defined.
            total = tf.matmul(x, _part(self.w0, WEIGHT, 127))
        x = total + _part(self.b0, BIAS)
        x = tf.clip_by_value(x, 0.0, 255 / ACTIVATION)
        x = straight_through(tf.floor(x * ACTIVATION + 0.5) / ACTIVATION, x)
        return tf.matmul(x, _part(self.w1, WEIGHT, 127)) + _part(self.b1, BIAS)

    def frozen(self) -> IntegerNetwork:
        """Returns the network of integers."""

        def whole(
            variable: tf.Variable, unit: int, limit: int, dtype: type
        ) -> np.ndarray:
            return np.rint(unit * variable.numpy()).clip(-limit, limit).astype(dtype)

        return IntegerNetwork(
            [whole(w, WEIGHT, 127, np.int8) for w in (self.w0, self.w1)],
            [whole(b, BIAS, 2**30, np.int32) for b in (self.b0, self.b1)],
        )

    def assign(self, network: IntegerNetwork) -> None:
        """Takes the integers of a frozen network of the same size."""
        for w, b, weight, bias in zip(
            (self.w0, self.w1), (self.b0, self.b1), network.weights, network.biases
        ):
            w.assign(weight.astype(np.float32) / WEIGHT)
            b.assign(bias.astype(np.float32) / BIAS)


class Conditional(tf.Module):
    """Laws with a mean and a scale that networks read from what is sent before.

    The law is a mixture of three logistic laws of one mean (`NoisyLogisticMixture` of
    tensorflow_compression); with the scale as an index of a table it is what
    `LocationScaleIndexedEntropyModel` computes in floats.
    """

    rounding = "straight_through"

    def __init__(
        self,
        order: np.ndarray,
        num_levels: int | None,
        coder: str,
        hyper_dim: int,
        hidden: int,
        means: bool = True,
    ):
        """Makes the prior with random networks.

        Args:
          order: int [latent], the pass of each symbol, from 0 on.
          num_levels: Symbols are 0 ... num_levels - 1; None if they have no bounds.
          coder: "range"; Huffman codes need fixed tables.
          hyper_dim: Number of hyper-latents, maybe 0.
          hidden: Width of the networks.
          means: Whether the networks give means; otherwise they are 0.

        Raises:
          ValueError: If the coder is not "range" or a size is not positive.
        """
        super().__init__(name="conditional")
        if coder != "range":
            raise ValueError(
                f"coder is {coder!r}: this prior picks the table of each symbol, which "
                f"takes coder 'range'"
            )
        if hidden < 1 or hyper_dim < 0:
            raise ValueError(
                f"hidden is {hidden} and hyper_dim {hyper_dim}; they must be positive"
            )
        self.coder, self.order, self.means = coder, np.asarray(order, np.int32), means
        self.center = (num_levels or 0) // 2
        latent = self.order.size
        self._at = [
            np.flatnonzero(self.order == p) for p in range(self.order.max() + 1)
        ]
        self._back = np.argsort(np.concatenate(self._at))
        zeros = np.zeros(hyper_dim)
        self.analysis: Any = None
        self.hyper: Any = None
        if hyper_dim:
            self.analysis = Network(2 * latent, hidden, hyper_dim, zeros)
            self.hyper = Factorized(hyper_dim, None, coder)
        self.networks, before = [], hyper_dim
        for at in self._at:
            start = np.repeat([0.0, -0.5], at.size)
            self.networks.append(Network(before, hidden, 2 * at.size, start))
            before += 2 * at.size
        self.mix = tf.Variable([0.0, 1.0, -1.0], name="mix")

    def __call__(self, u: tf.Tensor, training: bool) -> tf.Tensor:
        """Returns the bits of each matrix, float32 [n], of u float32 [n, latent]."""
        return self.bits(rounded(u), training)

    def bits(self, v: tf.Tensor, training: bool) -> tf.Tensor:
        """Returns the bits, float32 [n], of v float32 [n, latent] as it is."""
        v = v - float(self.center)
        small = companded(v)
        z, bits = self._hyper(small, training)
        mean, scale = self.laws(z, small)
        each = self.law(mean, scale).log_prob(v) / -np.float32(np.log(2))
        # What a table has no place for is an escape and a number.
        most = PRECISION + 1 + 2 * _log2(1 + tf.abs(v - mean))
        each = straight_through(tf.minimum(each, most), each)
        return bits + tf.reduce_sum(each, 1)

    def laws(self, z: tf.Tensor, small: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Runs the networks of all passes.

        Args:
          z: float32 [n, hyper], companded hyper-latents.
          small: float32 [n, latent], companded symbols.

        Returns:
          Means and scales of the laws, float32 [n, latent], on the grids of the tables.
        """
        known, sizes, parts = z, z[:, :0], []
        for at, network in zip(self._at, self.networks):
            parts.append(network(tf.concat([known, sizes], 1)))
            sent = tf.gather(small, at, axis=1)
            known = tf.concat([known, sent], 1)
            sizes = tf.concat([sizes, tf.abs(sent)], 1)
        halves = zip(*(tf.split(part, 2, 1) for part in parts))
        mean, scale = (tf.gather(tf.concat(h, 1), self._back, axis=1) for h in halves)
        if not self.means:
            mean = 0 * mean
        mean = tf.clip_by_value(mean, float(-FARTHEST), float(FARTHEST))
        mean = straight_through(tf.floor(8 * mean + 0.5) / 8, mean)
        scale = tf.clip_by_value(scale, -5.0, (integers.SCALES - 21) / 4)
        scale = straight_through(tf.floor(4 * scale + 0.5) / 4, scale)
        return mean, 2.0**scale

    def law(self, mean: tf.Tensor, scale: tf.Tensor) -> tf.Module:
        """Returns the law with uniform noise of means and scales [n, latent]."""
        import tensorflow_compression as tfc  # Takes seconds; only training needs it.

        ratios = tf.constant(integers.RATIOS)
        return tfc.NoisyLogisticMixture(
            mean[..., None] + 0 * ratios,
            scale[..., None] * ratios,
            tf.nn.softmax(self.mix),
        )

    def refresh(self) -> None:
        """Does nothing: the networks learn by gradient."""

    def refit(self, symbols: np.ndarray, steps: int = 300) -> None:
        """Trains the prior alone on symbols that no longer change.

        Args:
          symbols: int32 [n, latent].
          steps: Steps of Adam on 100 rows each; their rate falls to zero.
        """
        variables = self.trainable_variables
        adam = tf.keras.optimizers.Adam(_REFIT_RATE, jit_compile=False)
        adam.build(variables)

        @tf.function
        def step(rows: tf.Tensor) -> None:
            with tf.GradientTape() as tape:
                loss = tf.reduce_mean(self.bits(rows, training=True))
            slopes = tape.gradient(loss, variables, unconnected_gradients="zero")
            adam.apply_gradients(zip(slopes, variables))

        rng = np.random.default_rng(0)
        for k in range(steps):
            adam.learning_rate.assign(_REFIT_RATE * (1 - k / steps))
            chosen = rng.integers(len(symbols), size=_REFIT_BATCH)
            step(tf.constant(symbols[chosen], tf.float32))

    def freeze(self, symbols: np.ndarray) -> NetworkTables:
        """Returns integer networks and tables.

        Args:
          symbols: int32 [n, latent] of the training data. They set the range of the
            tables of the hyper-latents.
        """
        analysis: IntegerNetwork | None = None
        hyper = Tables.from_pmf([[1.0]], 0, np.zeros(0, np.int32))
        if self.hyper:
            small = companded(tf.constant(symbols - self.center, tf.float32))
            latents = self._latents(small).numpy().astype(np.int32)
            analysis, hyper = self.analysis.frozen(), self.hyper.freeze(latents)
        networks = [network.frozen() for network in self.networks]
        if not self.means:
            for network in networks:
                half = network.biases[-1].size // 2
                network.weights[-1][:, :half] = network.biases[-1][:half] = 0
            networks = [IntegerNetwork(n.weights, n.biases) for n in networks]
        laws = integers.law_tables(tf.nn.softmax(self.mix).numpy())
        return NetworkTables(self.order, self.center, hyper, analysis, networks, laws)

    def thaw(self, tables: NetworkTables) -> None:
        """Takes the networks of frozen tables, to go on with their training.

        Args:
          tables: Of a prior of the same sizes. The density of the hyper-latents is not
            in them; it has to be trained again.
        """
        for network, frozen in zip(self.networks, tables.networks):
            network.assign(frozen)
        if tables.analysis is not None:
            self.analysis.assign(tables.analysis)
        self.mix.assign(np.log(mix_of(tables.laws)))

    def _hyper(self, small: tf.Tensor, training: bool) -> tuple[tf.Tensor, tf.Tensor]:
        """Companded hyper-latents [n, hyper] and their bits [n]."""
        if self.hyper is None:
            return small[:, :0], tf.reduce_sum(small[:, :0], 1)
        latents = self._latents(small)
        return companded(latents), self.hyper.bits(latents, training)

    def _latents(self, small: tf.Tensor) -> tf.Tensor:
        """Hyper-latents, float32 [n, hyper], of companded symbols."""
        z = self.analysis(tf.concat([small, tf.abs(small)], 1))
        return tf.clip_by_value(straight_through(tf.floor(z + 0.5), z), -127.0, 127.0)


class ScaleHyperprior(Conditional):
    """Laws of mean 0 whose scales are read from hyper-latents.

    Ballé et al., "Variational image compression with a scale hyperprior" (ICLR 2018).
    """

    means = False

    def __init__(
        self,
        latent_dim: int,
        num_levels: int | None,
        coder: str,
        hyper_dim: int = 0,
        hidden: int = 64,
        leading: int = 0,
    ):
        """Makes the prior; errors as `Conditional`.

        Args:
          latent_dim: Length of the codeword.
          num_levels: As of `Conditional`.
          coder: As of `Conditional`.
          hyper_dim: Number of hyper-latents; 0 for one of 32 symbols, at least 4.
          hidden: Width of the networks.
          leading: As of `after`.
        """
        need_symbols(latent_dim, "hyperprior")
        size = hyper_dim or max(4, latent_dim // 32)
        order, means = np.zeros(latent_dim, np.int32), type(self).means
        order = after(leading, order)
        super().__init__(order, num_levels, coder, size, hidden, means)


class MeanScaleHyperprior(ScaleHyperprior):
    """Laws whose means and scales are read from hyper-latents.

    Minnen et al., "Joint autoregressive and hierarchical priors for learned image
    compression" (NeurIPS 2018), without the autoregressive part.
    """

    means = True


class Contexts(Conditional):
    """Laws whose means and scales are read from symbols that were sent before.

    Channel groups: Minnen and Singh, "Channel-wise autoregressive entropy models"
    (ICIP 2020). Checkerboard: He et al., "Checkerboard context model" (CVPR 2021).
    """

    def __init__(
        self,
        latent_dim: int,
        num_levels: int | None,
        coder: str,
        groups: int = 4,
        order: str = "interleaved",
        grid: Sequence[int] = (),
        hyper_dim: int = 0,
        hidden: int = 64,
        leading: int = 0,
    ):
        """Makes the prior; errors as `Conditional` and `passes_of`.

        Args:
          latent_dim: Length of the codeword.
          num_levels: As of `Conditional`.
          coder: As of `Conditional`.
          groups: As of `passes_of`.
          order: As of `passes_of`.
          grid: As of `passes_of`.
          hyper_dim: Number of hyper-latents that all passes read; 0 for none.
          hidden: Width of the networks.
          leading: As of `after`.
        """
        need_symbols(latent_dim, "contexts")
        passes = after(leading, passes_of(latent_dim, groups, order, grid))
        super().__init__(passes, num_levels, coder, hyper_dim, hidden)


def companded(v: tf.Tensor) -> tf.Tensor:
    """Symbols as networks read them: sign(v) log2(1 + |v|) in 16ths, below 8."""
    size = _log2(1 + tf.abs(v))
    steps = tf.minimum(tf.round(size * ACTIVATION), 127.0) / ACTIVATION
    return tf.sign(v) * straight_through(steps, size)


def _log2(x: tf.Tensor) -> tf.Tensor:
    return tf.math.log(x) * np.float32(1 / np.log(2))


def _part(variable: tf.Variable, unit: int, limit: int = 2**30) -> tf.Tensor:
    """A variable as integers over a unit, within a limit."""
    whole = tf.clip_by_value(tf.round(variable * unit), -float(limit), float(limit))
    return straight_through(whole / unit, variable)
