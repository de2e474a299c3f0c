"""Training of the codec `learned`: encoder, decoder, gains and contexts together.

The loss of a matrix is

    (bits + lambda |x - x_hat|^2 / |x|^2) / (running mean of this at its rate).

Each matrix draws a rate, and each rate has a lambda, so that one set of weights serves
all rates (Cui et al., "Asymmetric gained deep image compression with continuous rate
adaptation", CVPR 2021). The rate is that of numbers with uniform noise, and the decoder
sees rounded numbers whose gradient passes straight through (Minnen and Singh,
"Channel-wise autoregressive entropy models", ICIP 2020). At the end the encoder is
fixed, and the rest sees true symbols. What is kept is the moving average of the weights
(Polyak and Juditsky, 1992) that is best on validation data.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import ml_collections
import numpy as np
import tensorflow as tf

from tfcsi import metrics, transforms
from tfcsi.codecs import zoo
from tfcsi.codecs.learned import OF_TRAINING, Learned
from tfcsi.codecs.workdir import CLASSICAL_FIELDS, load
from tfcsi.coding.tables import Tables
from tfcsi.coding.token_sending import NORM, norms_of
from tfcsi.entropy.token_contexts import TokenContexts
from tfcsi.models import learned as networks
from tfcsi.training.augment import augment, shift_angles
from tfcsi.training.balance import Balance, drawn
from tfcsi.training.loop import Group, Loop
from tfcsi.training.optimizer import Adam, WarmUpCosine
from tfcsi.training.pipeline import csi_batches, in_order, shuffled
from tfcsi.training.stages import Stage

_EVAL_BATCH = 250


class Networks(tf.Module):
    """All that is trained.

    Attributes:
      encoder: Keras model of `models.learned`.
      decoder: Keras model of `models.learned`.
      contexts: entropy.token_contexts.TokenContexts.
      gain: float32 [rates, channels], logarithms of the gains.
    """

    def __init__(
        self, size: networks.Size, lambdas: np.ndarray, source: Learned | None
    ):
        """Makes networks.

        Args:
          size: Their size.
          lambdas: [rates], the lambda of each rate, from which gains follow.
          source: Codec of this size that has their weights; None for random weights.
        """
        super().__init__()
        self.encoder, self.decoder = networks.encoder(size), networks.decoder(size)
        # A uniform step of 2.94 lambda^(-1/2) of the norm begins near its optimum.
        gain = np.log(np.sqrt(lambdas) / (2.94 * NORM)).astype(np.float32)
        gain = np.repeat(gain[:, None], size.channels, 1)
        if source is None:
            self.contexts = TokenContexts(size.grid, size.channels, size.rates)
        else:
            self.contexts = TokenContexts.of(source.contexts)
            networks.assign(self.encoder, source.weights)
            networks.assign(self.decoder, source.weights)
            gain = source.weights["gain"]
        self.gain = tf.Variable(gain, name="gain")

    def codec(self, h: np.ndarray, rate: int, domain: str) -> Learned:
        """Returns a codec of these weights.

        Args:
          h: complex64 [n, num_tx, num_delay], matrices whose norms are counted.
          rate: Number of the usual rate.
          domain: Domain of the matrices.
        """
        weights = networks.arrays_of(self.encoder) | networks.arrays_of(self.decoder)
        weights = {k: array.astype(np.float16) for k, array in weights.items()}
        weights["gain"] = self.gain.numpy()
        norms = Tables.from_counts(norms_of(h)[:, None])
        return Learned(weights, self.contexts.frozen(), norms, rate, domain)

    def __call__(
        self, x: tf.Tensor, rate: tf.Tensor, noise: tf.Tensor | None, settled: bool
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns bits and relative errors, float32 [n] each.

        Args:
          x: float32 [n, num_tx, num_delay, 2], norm `NORM` a matrix.
          rate: float32 [n, rates], 1 at the number of the rate and 0 elsewhere.
          noise: float32 of the shape of tokens, uniform; None for the true symbols.
          settled: Whether no gradient passes to encoder and gains.
        """
        gain = tf.exp(tf.matmul(rate, self.gain))[:, None, None]
        y = tf.cast(self.encoder(x), tf.float32) * gain
        symbols = tf.stop_gradient(tf.round(y))
        q = symbols if settled else y + tf.stop_gradient(symbols - y)
        bits = self.contexts.bits(q if noise is None else y + noise, symbols, rate)
        x_hat = tf.cast(self.decoder([q / gain, q, rate]), tf.float32)
        error = tf.reduce_sum(tf.square(x - x_hat), (1, 2, 3)) / NORM**2
        return bits, error


class TokenPair:
    """The training of one codec `learned`, as `run.train` goes through it.

    Attributes:
      stages: The training, and the end with true symbols if there is one.
      epoch: int64 variable, number of epochs so far.
    """

    def __init__(
        self,
        config: ml_collections.ConfigDict,
        h_train: np.ndarray,
        start: Callable | None = None,
    ):
        """Builds the networks and all that trains them.

        Args:
          config: Of the run, checked.
          h_train: complex64 [n, num_tx, num_delay].
          start: Not used.

        Raises:
          ValueError: If the matrices do not fit, or the codec to start from is none.
        """
        del start
        self.config, options = config, config.network
        num_tx, num_delay = h_train.shape[1:]
        grid = (num_tx // networks.PATCH, num_delay // networks.PATCH)
        if (num_tx % networks.PATCH, num_delay % networks.PATCH) != (0, 0):
            raise ValueError(
                f"the matrices are {num_tx} x {num_delay}; the codec learned takes "
                f"multiples of {networks.PATCH}"
            )
        source = _source(options.start, grid) if options.start else None
        if source is None:
            sizes = ("ue_width", "ue_blocks", "width", "blocks")
            given: dict[str, Any] = {name: tuple(options[name]) for name in sizes}
            size = networks.Size(grid, options.rates, **given)
        else:
            size = networks.Size.of(source.weights, grid)
        self.rates = size.rates
        lambdas = options.lowest * 2.0 ** (options.octaves * np.arange(size.rates))
        self._lambdas = tf.constant(lambdas, tf.float32)
        self.average = Networks(size, lambdas, source)
        with precision(options.precision):
            self.trained = Networks(size, lambdas, source)
        self._tokens = (*size.grid, size.channels)
        self._steps = len(h_train) // config.batch_size
        self.stages = _stages(config.epochs, options.settled)
        self.epoch = tf.Variable(0, dtype=tf.int64)
        self.balance = Balance(size.rates)
        self._stage: Stage | None = None
        every = self.trained
        ue = [*every.encoder.trainable_variables, every.gain]
        bs, prior = (
            list(part.trainable_variables) for part in (every.decoder, every.contexts)
        )
        self._trainable = {False: [ue + bs, prior], True: [bs, prior]}
        rates = (config.learning_rate, config.prior_learning_rate)
        self.loop = Loop(
            [
                Group(variables, self._adam(peak), config.clip_norm)
                for variables, peak in zip(self._trainable[False], rates)
            ],
            config.seed,
            f"; lower learning_rate ({config.learning_rate}) or clip_norm "
            f"({config.clip_norm})",
        )

    @property
    def parts(self) -> dict[str, tf.Module]:
        """What is kept of the best epoch."""
        return {"average": self.average}

    @property
    def state(self) -> dict[str, object]:
        """All that a training needs to continue after an epoch, by name."""
        optimizers = [group.optimizer for group in self.loop.groups]
        counters = {"epoch": self.epoch, "step": self.loop.step}
        means = {"means": self.balance.means, "scale": self.balance.scale}
        networks_ = {"trained": self.trained, "average": self.average}
        return {**networks_, **means, **counters, "optimizers": optimizers}

    def enter(self, h_train: np.ndarray) -> None:
        """Prepares the coming epoch, which may be the first one of a stage.

        Args:
          h_train: complex64 [n, num_tx, num_delay].
        """
        if not int(self.epoch):
            self._copy()
            self._begin(self.stages[0])
            self._measure(h_train[:_EVAL_BATCH])
        ends = np.cumsum([stage.epochs for stage in self.stages])
        stage = self.stages[int(np.searchsorted(ends, int(self.epoch), "right"))]
        if stage is not self._stage:
            self._begin(stage)

    def _begin(self, stage: Stage) -> None:
        self._stage, settled = stage, not stage.noise

        def loss(x: Any, training: bool, seed: Any) -> tuple[tf.Tensor, ...]:
            """Loss, relative error and bits of each matrix, float32 [n] each."""
            each = self.trained if training else self.average
            draw = seed + 2**42 if training else None
            rate, noise, n = drawn(x, self.rates, draw), None, tf.shape(x)[0]
            if training:
                x = self._augmented(x, seed)
                if not settled:
                    draw = seed + 2**43
                    noise = tf.random.stateless_uniform((n, *self._tokens), draw) - 0.5
            energy = tf.reduce_sum(tf.square(x), (1, 2, 3), keepdims=True)
            x = x * NORM * tf.math.rsqrt(energy)
            bits, error = each(x, rate, noise, settled or not training)
            lambdas = tf.linalg.matvec(rate, self._lambdas)
            cost = self.balance(bits + lambdas * error, rate, training)
            return cost, error, bits

        self.loop.begin(loss, self._trainable[settled])

    def _augmented(self, x: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        x = augment(x, self.config.augment, seed)
        reach = self.config.network.shift
        return shift_angles(x, reach, seed + 2**41) if reach else x

    def _measure(self, h: np.ndarray) -> None:
        """Sets the means to the loss of networks that are not trained."""
        x = transforms.to_real(h)
        x = x * (NORM / np.sqrt(np.square(x).sum((1, 2, 3), keepdims=True)))
        rate = drawn(x, self.rates, None)
        bits, error = self.average(x, rate, None, True)
        self.balance.begin(bits + tf.linalg.matvec(rate, self._lambdas) * error, rate)

    def train_epoch(self, h_train: np.ndarray, progress: bool) -> dict[str, float]:
        """Trains for one pass over the data, as `pair.Pair.train_epoch` does."""
        size, epoch = self.config.batch_size, int(self.epoch)
        chosen = shuffled(len(h_train), size, [self.config.seed, epoch])
        label = f"epoch {epoch + 1}/{self.config.epochs}"
        batches = csi_batches(h_train, chosen, size)
        means = self.loop.train_epoch(batches, label, len(chosen), progress)
        self._copy()
        return _row("train", means)

    def validate(self, h_val: np.ndarray) -> dict[str, float]:
        """Measures the averaged weights with true symbols, over all rates."""
        batches = csi_batches(h_val, in_order(len(h_val), _EVAL_BATCH))
        return _row("val", [part.mean() for part in self.loop.evaluate(batches)])

    def finished(self, h: np.ndarray, facts: dict[str, Any]) -> Learned:
        """Returns the codec of the averaged weights; see `pair.Pair.finished`."""
        rate, domain = self.config.network.rate, transforms.domain_of(self.config)
        codec, fields = self.average.codec(h, rate, domain), self.config.to_dict()
        kept = {name: fields[name] for name in CLASSICAL_FIELDS if name in fields}
        codec.config.update(json.loads(json.dumps(kept)))
        codec.facts = {
            **facts,
            "training": {name: fields[name] for name in OF_TRAINING},
        }
        return codec

    def _copy(self) -> None:
        """Gives the averaged weights to the networks that are measured."""
        ours, theirs = self.trained.variables, self.average.variables
        now = [variable.numpy() for variable in ours]
        if int(self.loop.step):
            for group in self.loop.groups:
                group.optimizer.finalize_variable_values(group.variables)
        for trained, average, value in zip(ours, theirs, now):
            average.assign(trained)
            trained.assign(value)

    def _adam(self, peak: float) -> Adam:
        whole = [Stage(self.config.epochs, "", True, True, "csi")]
        schedule = WarmUpCosine(peak, self._steps, whole, self.config)
        return Adam(schedule, self.config.beta_1, self.config.network.average)


@contextlib.contextmanager
def precision(name: str) -> Iterator[None]:
    """Layers that are made in this context compute in float32 or in bfloat16.

    Their weights are float32 in both cases.

    Args:
      name: "float32" or "bfloat16".

    Raises:
      ValueError: If the name is another one, or if this machine has no bfloat16.
    """
    policies = {"float32": "float32", "bfloat16": "mixed_bfloat16"}
    if name not in policies:
        raise ValueError(
            f"network.precision is {name!r}; it must be one of {', '.join(policies)}"
        )
    if name == "bfloat16" and not has_bfloat16():
        raise ValueError(
            "network.precision is 'bfloat16', for which the kernels of TensorFlow need "
            "a GPU or a processor with AVX512; this machine trains in 'float32'"
        )
    before = tf.keras.mixed_precision.global_policy()
    tf.keras.mixed_precision.set_global_policy(policies[name])
    try:
        yield
    finally:
        tf.keras.mixed_precision.set_global_policy(before)


def has_bfloat16() -> bool:
    """Whether a graph with convolutions in bfloat16 runs here.

    oneDNN has such kernels only with AVX512. Without a graph TensorFlow takes others.
    """

    @tf.function
    def convolve(x: tf.Tensor) -> tf.Tensor:
        return tf.nn.bias_add(tf.nn.conv2d(x, x, 1, "SAME"), x[0, 0, 0])

    try:
        convolve(tf.zeros([1, 1, 1, 1], tf.bfloat16))
    except tf.errors.OpError:
        return False
    return True


def _source(workdir: str, grid: tuple[int, int]) -> Learned:
    """The codec that a training starts from."""
    codec = load(zoo.folder_of(workdir))
    if not isinstance(codec, Learned):
        raise ValueError(f"network.start is {workdir}, the codec {codec.name!r}")
    if codec.contexts.grid != grid:
        raise ValueError(
            f"network.start is {workdir}, a codec of {codec.shape} matrices; these are "
            f"{tuple(networks.PATCH * n for n in grid)}"
        )
    return codec


def _stages(epochs: int, settled: float) -> list[Stage]:
    """The stages: one without noise at the end if it has a whole epoch."""
    last = min(round(settled * epochs), epochs - 1)
    stages = [Stage(epochs - last, "", True, True, "csi")]
    return stages + [Stage(last, "", True, False, "csi")] * bool(last)


def _row(name: str, means: Iterable[float]) -> dict[str, float]:
    """Columns of the log of loss, NMSE and bits."""
    loss, nmse, bits = map(float, means)
    return {
        f"{name}_loss": loss,
        f"{name}_nmse_db": float(metrics.to_db(nmse)),
        f"{name}_bits": bits,
    }
