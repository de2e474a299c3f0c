"""Quantisers of the codeword: y -> integer symbols -> y_hat.

Each quantiser has two faces that use one set of formulas. In training (TensorFlow),
`quantizer(y)` gives the codeword in symbol units, `u`, and the grid points `y_hat` with
a straight-through gradient. In use (NumPy), it is one of `tfcsi.coding.grids`:
`quantize` and `dequantize` are what the UE and the BS run. `received` is `dequantize`
in TensorFlow, for a SavedModel of the decoder.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow.experimental.numpy as tnp

from tfcsi.coding import grids
from tfcsi.entropy.rounding import rounded, straight_through

OFFSETS = ("zero", "learned", "dither")
_DITHER_LEVELS, _DITHER_SEED = 15, 1234  # As in tensorflow-compression.


class Uniform(tf.Module, grids.UniformGrid):
    """Uniform quantiser with a learned step a latent entry.

    symbol = round(y / step - offset). The gradient of rounding is the identity; the
    step learns from both the distortion and the rate (Esser et al., "Learned step size
    quantization", ICLR 2020, eq. 3).
    """

    def __init__(self, latent_dim: int, offset: str = "zero"):
        """Makes the quantiser with steps of 1.

        Args:
          latent_dim: Length of the codeword y.
          offset: Where the point of symbol 0 is. "zero"; "learned", which starts at the
            median of each entry and learns from the rate; "dither", a pattern of 15
            fixed offsets within a step, as if at random, for universal quantisation
            (Agustsson and Theis, "Universally quantized neural compression", NeurIPS
            2020). As in tensorflow-compression the pattern is the same in each matrix.

        Raises:
          ValueError: If the offset is none of these.
        """
        tf.Module.__init__(self, name="uniform")
        if offset not in OFFSETS:
            raise ValueError(f"offset is {offset!r}; it must be one of {OFFSETS}")
        self._set_size(latent_dim)
        self.log_step = tf.Variable(np.zeros(latent_dim, np.float32), name="log_step")
        self._offset = None
        if offset != "zero":
            values = np.zeros(latent_dim, np.float32)
            if offset == "dither":
                rng = np.random.default_rng(_DITHER_SEED)
                level = rng.integers(_DITHER_LEVELS, size=latent_dim)
                values = (level + 1) / (_DITHER_LEVELS + 1) - 0.5
            self._offset = tf.Variable(
                values, offset == "learned", name="offset", dtype=tf.float32
            )

    def initialize(self, y: np.ndarray, slope: float) -> None:
        """Sets the step that is optimal at high rate.

        An orthonormal code with step D has the distortion D^2 / 12 for each entry. More
        bits for an entry lower it by 2 ln 2 D^2 / 12 per bit. At the optimum this
        equals `slope`, times the energy of y.

        Args:
          y: float32 [n, latent], codewords of training data.
          slope: lmbda over a distortion relative to the energy of y, per bit.
        """
        energy = np.mean(np.sum(np.square(y), 1))
        step = np.sqrt(6 * slope * energy / np.log(2))
        self.log_step.assign(np.full(self.log_step.shape, np.log(step), np.float32))
        if self._offset is not None and self._offset.trainable:
            middle = np.median(y / step, 0)
            self._offset.assign(middle - np.rint(middle))

    def __call__(self, y: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns (u, y_hat), float32 [n, latent]; u = y / step - offset, real."""
        u = y / tf.exp(self.log_step)
        if self._offset is not None:
            u -= self._offset
        return u, self.points(rounded(u))

    def points(self, u: tf.Tensor) -> tf.Tensor:
        """Returns the codewords, float32 [n, latent], of u in symbol units."""
        moved = u if self._offset is None else u + self._offset
        return moved * tf.exp(self.log_step)

    def graph(self, y: tf.Tensor) -> tf.Tensor:
        """Does what `quantize` does, in operations that TFLite has.

        Args:
          y: float32 [1, latent].

        Returns:
          int32 [1, latent], the symbols; below 2^31, where `quantize` clips.
        """
        with tf.init_scope():
            step, offset = self.step, self.offset
        # The converter turns y / step into a product with 1 / step, which rounds
        # differently. It leaves this operation as it is.
        u = tf.math.divide_no_nan(y, step)
        return tf.cast(tf.round(u if offset is None else u - offset), tf.int32)

    def received(self, symbols: tf.Tensor, side: tf.Tensor) -> tf.Tensor:
        """Does what `dequantize` does, on int32 tensors in TensorFlow."""
        return self.points(tf.cast(symbols, tf.float32))

    @property  # Computed from the variable; the phone's grid stores it.
    def step(self) -> np.ndarray:  # type: ignore[override]
        """Distance of two grid points of each entry, float32 [latent]."""
        return np.exp(self.log_step.numpy())

    @property
    def offset(self) -> np.ndarray | None:  # type: ignore[override]
        """Offset of each entry in steps, float32 [latent]; None if all are zero."""
        return None if self._offset is None else self._offset.numpy()


class UniformRates(tf.Module, grids.RatesGrid):
    """Uniform quantiser with a learned step a latent entry and rate; see `RatesGrid`.

    A training draws a rate for each matrix. Rate r has the weight lmbda / 2^(octaves r)
    of a bit in the loss, so the codeword learns to serve all rates.
    """

    def __init__(
        self, latent_dim: int, rates: int = 12, octaves: float = 0.75, rate: int = 5
    ):
        """Makes the quantiser with steps of 1.

        Args:
          latent_dim: Length of the codeword y.
          rates: Number of rates, 2 to 64.
          octaves: Octaves of lmbda from rate to rate, positive.
          rate: Number of the rate that is taken if none is wished.

        Raises:
          ValueError: If an argument is out of range.
        """
        tf.Module.__init__(self, name="uniform_rates")
        if not 2 <= rates <= 64:
            raise ValueError(f"rates is {rates}; it must be 2 to 64")
        if not octaves > 0:
            raise ValueError(f"octaves is {octaves}; it must be positive")
        self._set_size(rates, latent_dim, rate)
        # Weight of a bit at each rate, relative to lmbda.
        self.weights = 2.0 ** (-octaves * np.arange(rates))
        steps = np.zeros((rates, latent_dim), np.float32)
        self.log_step = tf.Variable(steps, name="log_step")

    def initialize(self, y: np.ndarray, slope: float) -> None:
        """Sets the steps of each rate as `Uniform.initialize` does."""
        energy = np.mean(np.sum(np.square(y), 1))
        steps = np.sqrt(6 * slope * self.weights * energy / np.log(2))
        log_step = np.log(steps).astype(np.float32)
        self.log_step.assign(np.repeat(log_step[:, None], self.latent_dim, 1))

    def __call__(
        self, y: tf.Tensor, rate: tf.Tensor | None = None
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Quantises codewords.

        Args:
          y: float32 [n, latent].
          rate: float32 [n, rates], 1 at the number of the rate and 0 elsewhere; None
            for the usual rate.

        Returns:
          u float32 [n, 1 + latent], the number of the rate and y / step; y_hat float32
          [n, latent].
        """
        if rate is None:
            rate = tf.one_hot(tf.fill(tf.shape(y)[:1], self.rate), self.num_rates)
        step = tf.exp(tf.matmul(rate, self.log_step))
        u, numbers = y / step, tf.range(self.num_rates, dtype=tf.float32)
        number = tf.matmul(rate, numbers[:, None])
        return tf.concat([number, u], 1), rounded(u) * step

    def graph(self, y: tf.Tensor) -> tf.Tensor:
        """Does what `quantize` does at the usual rate, as `Uniform.graph`."""
        with tf.init_scope():
            step = self.steps[self.rate]
        symbols = tf.cast(tf.round(tf.math.divide_no_nan(y, step)), tf.int32)
        return tf.concat([0 * symbols[:, :1] + self.rate, symbols], 1)

    def received(self, symbols: tf.Tensor, side: tf.Tensor) -> tf.Tensor:
        """Does what `dequantize` does, on int32 tensors in TensorFlow."""
        rate = symbols[:, 0]
        with tf.control_dependencies(
            [
                tf.debugging.assert_non_negative(rate, "rate"),
                tf.debugging.assert_less(rate, self.num_rates, "rate"),
            ]
        ):
            step = tf.exp(tf.gather(self.log_step, rate))
        return tf.cast(symbols[:, 1:], tf.float32) * step

    @property  # Computed from the variable; the phone's grid stores it.
    def steps(self) -> np.ndarray:  # type: ignore[override]
        """Step of each entry at each rate, float32 [rates, latent]."""
        return np.exp(self.log_step.numpy())


class MuLaw(tf.Module, grids.MuLawGrid):
    """Mu-law companding and uniform b-bit quantisation between a matrix's min and max.

    STQENet (arXiv:2509.08776), section III. Training passes the gradient of y_hat to y
    unchanged, which the paper states; the released code scales it by 2 / (max - min),
    which we do not.
    """

    def __init__(self, latent_dim: int, bits: int, mu: float):
        """Makes the quantiser.

        Args:
          latent_dim: Length of the codeword y.
          bits: Bits of an entry, 1 to 14.
          mu: Strength of the companding, positive.

        Raises:
          ValueError: As `grids.MuLawGrid`.
        """
        tf.Module.__init__(self, name="mu_law")
        grids.MuLawGrid.__init__(self, latent_dim, bits, mu)

    def initialize(self, y: np.ndarray, slope: float) -> None:
        """Does nothing: each matrix brings its own minimum and maximum."""

    def __call__(self, y: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns (u, y_hat), float32 [n, latent]; u in [0, 2^b - 1], not rounded."""
        low, high = grids.limits(tf.stop_gradient(y), tnp)
        u = self._compress(y, low, high, tnp)
        y_hat = self._expand(tf.round(u), low, high, tnp)
        return u, straight_through(tf.stop_gradient(y_hat), y)

    def graph(self, y: tf.Tensor) -> tf.Tensor:
        """Does what `quantize` does, in operations that TFLite has.

        TFLite has no logarithm that is equal on all devices: normalised entries are
        compared with the numbers at which NumPy's symbol changes.

        Args:
          y: float32 [1, latent].

        Returns:
          int32 [1, latent + 2], symbols and then the words of side information.
        """
        within = tf.clip_by_value(y, -6e4, 6e4)
        low, low_word = _half(tf.reduce_min(within, 1, keepdims=True))
        high = tf.reduce_max(within, 1, keepdims=True)
        apart = tf.maximum(tf.abs(low) * 2**-9, 2**-10)
        high, high_word = _half(tf.maximum(high, low + apart))
        s = grids.normalize(y, low, high, tnp)
        symbols = tf.raw_ops.Bucketize(input=s, boundaries=self._thresholds())
        return tf.concat([symbols, low_word, high_word], 1)

    def received(self, symbols: tf.Tensor, side: tf.Tensor) -> tf.Tensor:
        """Does what `dequantize` does, on int32 tensors in TensorFlow."""
        ends = tf.cast(tf.bitcast(tf.cast(side, tf.uint16), tf.float16), tf.float32)
        low, high = ends[:, :1], ends[:, 1:]
        with tf.control_dependencies(
            [
                tf.debugging.assert_all_finite(ends, "minimum or maximum"),
                tf.debugging.assert_less(low, high, "minimum and maximum"),
            ]
        ):
            return self._expand(tf.cast(symbols, tf.float32), low, high, tnp)

    def _thresholds(self) -> list[float]:
        """The least float32 numbers in -1 ... 1 that get the symbols 1, 2, ..."""
        symbols = np.arange(1, self.num_levels)
        # Floats of one sign have the order of their bits, so integers are searched.
        one = int(np.float32(1).view(np.int32))
        below, at = np.full(len(symbols), -one), np.full(len(symbols), one)

        def floats(keys: np.ndarray) -> np.ndarray:
            size = np.abs(keys).astype(np.int32).view(np.float32)
            return np.where(keys < 0, -size, size)

        while np.any(at - below > 1):
            middle = (below + at) // 2
            reached = np.rint(self._compand(floats(middle), np)) >= symbols
            below, at = np.where(reached, below, middle), np.where(reached, middle, at)
        return floats(at).tolist()


class Float(tf.Module, grids.FloatGrid):
    """No quantisation: the float codewords of most papers, 32 bits a real.

    The codeword travels as side information, two words an entry; no symbol is left for
    an entropy coder. It is here to compare with published tables, not to feed back CSI.
    """

    def __init__(self, latent_dim: int):
        """Makes the quantiser.

        Args:
          latent_dim: Length of the codeword y.
        """
        tf.Module.__init__(self, name="float")
        grids.FloatGrid.__init__(self, latent_dim)

    def initialize(self, y: np.ndarray, slope: float) -> None:
        """Does nothing."""

    def __call__(self, y: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns (u, y_hat), float32 [n, 0] and y itself, [n, latent]."""
        return y[:, :0], y

    def received(self, symbols: tf.Tensor, side: tf.Tensor) -> tf.Tensor:
        """Does what `dequantize` does, on int32 tensors in TensorFlow."""
        words = tf.bitwise.left_shift(side[:, ::2], 16) | side[:, 1::2]
        return tf.debugging.check_numerics(tf.bitcast(words, tf.float32), "codeword")


def _half(limit: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Rounds to float16 in operations that TFLite has.

    Args:
      limit: float32 [1, 1], within 6e4 of zero.

    Returns:
      float32 [1, 1], the float16 number; int32 [1, 1], its 16 bits.
    """
    size = tf.abs(limit)
    powers = tf.raw_ops.Bucketize(
        input=size, boundaries=[2.0**power for power in range(-13, 16)]
    )
    spacing = tf.gather(np.float32(2) ** np.arange(-24, 6, dtype=np.float32), powers)
    units = tf.round(size / spacing)  # Exact: a power of 2.
    negative = tf.cast(limit < 0, tf.int32)
    word = 32768 * negative + 1024 * powers + tf.cast(units, tf.int32)
    return units * spacing * (1.0 - 2.0 * tf.cast(negative, tf.float32)), word


QUANTIZERS = {
    "uniform": Uniform,
    "uniform_rates": UniformRates,
    "mulaw": MuLaw,
    "float": Float,
}


def get(name: str) -> type:
    """Returns a quantiser class by its name.

    Args:
      name: A key of `QUANTIZERS`.

    Returns:
      The class, which takes latent_dim and the arguments of the quantiser.

    Raises:
      ValueError: If the name is not known; the message lists the known names.
    """
    if name not in QUANTIZERS:
        known = ", ".join(sorted(QUANTIZERS))
        raise ValueError(f"quantizer is {name!r}; known quantizers: {known}")
    return QUANTIZERS[name]


def of_config(config: Mapping[str, Any]) -> Any:
    """Makes the quantiser of a config.

    Args:
      config: Of a run: `quantizer`, `quantizer_args`, `latent_dim` and `prior`. The
        prior "universal" dithers.

    Returns:
      Object of a class of `QUANTIZERS`.

    Raises:
      ValueError: If the quantiser is not known, or cannot dither as the prior needs it.
    """
    make, arguments = get(config["quantizer"]), dict(config["quantizer_args"])
    if config.get("prior") == "universal":
        if make is not Uniform or arguments.get("offset", "dither") != "dither":
            raise ValueError(
                "prior 'universal' dithers a uniform grid: it takes quantizer "
                f"'uniform' with offset 'dither', got {config['quantizer']!r} with "
                f"{arguments}"
            )
        arguments["offset"] = "dither"
    return make(config["latent_dim"], **arguments)
