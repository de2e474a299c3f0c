"""Quantisers of the codeword: y -> integer symbols -> y_hat.

Each quantiser has two faces that use one set of formulas. In training (TensorFlow),
`quantizer(y)` gives the codeword in symbol units, `u`, and the grid points `y_hat` with
a straight-through gradient. In use (NumPy), `quantize` and `dequantize` are what the UE
and the BS run; what the BS needs beyond the symbols is `side`, sent as 16-bit words.
"""

from __future__ import annotations

import numpy as np
import tensorflow as tf
import tensorflow.experimental.numpy as tnp

_LARGEST = np.float32(2**31 - 2**7)  # The last float32 that an int32 holds.


def straight_through(exact: tf.Tensor, smooth: tf.Tensor) -> tf.Tensor:
    """Returns a tensor with the value of `exact` and the gradient of `smooth`."""
    return smooth + tf.stop_gradient(exact - smooth)


class Uniform(tf.Module):
    """Uniform quantiser with a learned step a latent entry: symbol = round(y / step).

    The gradient of rounding is the identity; the step learns from both the distortion
    and the rate (Esser et al., "Learned step size quantization", ICLR 2020, eq. 3).
    """

    num_levels = None  # Symbols are unbounded.

    def __init__(self, latent_dim: int):
        """Makes the quantiser; latent_dim is the length of y."""
        super().__init__(name="uniform")
        self.num_symbols = latent_dim  # Entropy-coded a matrix.
        self.num_side = 0  # 16-bit words of side information a matrix.
        self.log_step = tf.Variable(np.zeros(latent_dim, np.float32), name="log_step")

    def initialize(self, y: np.ndarray, slope: float) -> None:
        """Sets the step that is optimal at high rate.

        An orthonormal code with step D has distortion D^2 / 12 an entry, of which a bit
        more would save the share 2 ln 2; at the optimum that equals `slope`.

        Args:
          y: float32 [n, latent], codewords of training data.
          slope: lmbda over a distortion relative to the energy of y, per bit.
        """
        energy = np.mean(np.sum(np.square(y), 1))
        step = np.sqrt(6 * slope * energy / np.log(2))
        self.log_step.assign(np.full(self.log_step.shape, np.log(step), np.float32))

    def __call__(self, y: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns (u, y_hat), float32 [n, latent]; u = y / step, not yet rounded."""
        step = tf.exp(self.log_step)
        u = y / step
        return u, straight_through(tf.round(u), u) * step

    def quantize(self, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Returns symbols int32 [n, latent] and side uint16 [n, 0] of y [n, latent]."""
        symbols = np.clip(np.rint(y / self.step), -_LARGEST, _LARGEST)
        symbols = symbols.astype(np.int32)
        return symbols, np.zeros((len(y), 0), np.uint16)

    def dequantize(self, symbols: np.ndarray, side: np.ndarray) -> np.ndarray:
        """Returns y_hat float32 [n, latent] of symbols int32 [n, latent]."""
        del side
        return symbols.astype(np.float32) * self.step

    @property
    def step(self) -> np.ndarray:
        """Float32 [latent], the distance of two grid points of each entry."""
        return np.exp(self.log_step.numpy())


class MuLaw(tf.Module):
    """Mu-law companding and uniform b-bit quantisation between a matrix's min and max.

    STQENet (arXiv:2509.08776), section III: y is normalised to [-1, 1] by its minimum
    and maximum, companded by sgn(s) ln(1 + mu |s|) / ln(1 + mu), and rounded to one of
    2^b levels. Training passes the gradient of y_hat to y unchanged, which the paper
    states; the released code scales it by 2 / (max - min), which we do not. The minimum
    and maximum are rounded to float16 before use and travel in the packet as two words.
    """

    step = None  # Not the same for all symbols.

    def __init__(self, latent_dim: int, bits: int, mu: float):
        """Makes the quantiser.

        Args:
          latent_dim: Length of y.
          bits: Bits a symbol before entropy coding, 1 to 12.
          mu: Strength of the companding, positive; 255 in the paper.

        Raises:
          ValueError: If an argument is out of range.
        """
        super().__init__(name="mu_law")
        if not 1 <= bits <= 12:
            raise ValueError(f"bits is {bits}; it must be 1 to 12")
        if not mu > 0:
            raise ValueError(f"mu is {mu}; it must be positive")
        self.num_levels, self.mu = 2**bits, float(mu)
        self.num_symbols, self.num_side = latent_dim, 2

    def initialize(self, y: np.ndarray, slope: float) -> None:
        """Does nothing: each matrix brings its own minimum and maximum."""

    def __call__(self, y: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns (u, y_hat), float32 [n, latent]; u in [0, 2^b - 1], not rounded."""
        low, high = _limits(tf.stop_gradient(y), tnp)
        u = self._compress(y, low, high, tnp)
        y_hat = self._expand(tf.round(u), low, high, tnp)
        return u, straight_through(tf.stop_gradient(y_hat), y)

    def quantize(self, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Returns symbols int32 [n, latent]; side uint16 [n, 2], float16 min, max."""
        low, high = _limits(np.asarray(y, np.float32), np)
        symbols = np.rint(self._compress(y, low, high, np)).astype(np.int32)
        return symbols, np.concatenate([low, high], 1).astype(np.float16).view(
            np.uint16
        )

    def dequantize(self, symbols: np.ndarray, side: np.ndarray) -> np.ndarray:
        """Returns y_hat float32 [n, latent].

        Raises:
          ValueError: If `side` holds no finite minimum below a finite maximum.
        """
        limits = np.ascontiguousarray(side).view(np.float16).astype(np.float32)
        low, high = limits[:, :1], limits[:, 1:]
        sound = np.all(np.isfinite(limits) & (low < high), 1)
        if not np.all(sound):
            raise ValueError(
                f"minimum and maximum of codeword {np.argmin(sound)} are not in order"
            )
        return self._expand(symbols.astype(np.float32), low, high, np)

    def _compress(self, y, low, high, xp):
        s = xp.clip(2.0 * (y - low) / (high - low) - 1.0, -1.0, 1.0)
        s = xp.sign(s) * xp.log1p(self.mu * xp.abs(s)) / np.float32(np.log1p(self.mu))
        return (s + 1.0) * np.float32((self.num_levels - 1) / 2)

    def _expand(self, symbols, low, high, xp):
        s = symbols * np.float32(2 / (self.num_levels - 1)) - 1.0
        s = xp.sign(s) * xp.expm1(xp.abs(s) * np.float32(np.log1p(self.mu))) / self.mu
        return low + (s + 1.0) * (high - low) * 0.5


def _limits(y, xp):
    """Row minimum and maximum [n, 1], float16 values, at least 2^-10 apart."""

    def half(limit):
        return xp.asarray(xp.asarray(limit, xp.float16), xp.float32)

    y = xp.clip(y, np.float32(-6e4), np.float32(6e4))
    low, high = (half(limit(y, axis=1, keepdims=True)) for limit in (xp.min, xp.max))
    apart = xp.maximum(xp.abs(low) * np.float32(2**-9), np.float32(2**-10))
    return low, half(xp.maximum(high, low + apart))


class Float(tf.Module):
    """No quantisation: the float codewords of most papers, 32 bits a real.

    The codeword travels as side information, two words an entry; no symbol is left for
    an entropy coder. It is here to compare with published tables, not to feed back CSI.
    """

    num_levels = None
    step = None

    def __init__(self, latent_dim: int):
        """Makes the quantiser; latent_dim is the length of y."""
        super().__init__(name="float")
        self.num_symbols, self.num_side = 0, 2 * latent_dim

    def initialize(self, y: np.ndarray, slope: float) -> None:
        """Does nothing."""

    def __call__(self, y: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns (u, y_hat), float32 [n, 0] and y itself, [n, latent]."""
        return y[:, :0], y

    def quantize(self, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Returns symbols int32 [n, 0]; side uint16 [n, 2 latent], high word first."""
        side = np.asarray(y, ">f4").view(">u2").astype(np.uint16)
        return np.zeros((len(y), 0), np.int32), side

    def dequantize(self, symbols: np.ndarray, side: np.ndarray) -> np.ndarray:
        """Returns y_hat float32 [n, latent].

        Raises:
          ValueError: If an entry is not finite.
        """
        del symbols
        y_hat = np.ascontiguousarray(side.astype(">u2")).view(">f4").astype(np.float32)
        sound = np.isfinite(y_hat).all(1)
        if not sound.all():
            raise ValueError(f"codeword {np.argmin(sound)} is not finite")
        return y_hat


QUANTIZERS = {"uniform": Uniform, "mulaw": MuLaw, "float": Float}


def get(name: str) -> type:
    """Returns a quantiser class; ValueError that lists the known names if unknown."""
    if name not in QUANTIZERS:
        known = ", ".join(sorted(QUANTIZERS))
        raise ValueError(f"quantizer is {name!r}; known quantizers: {known}")
    return QUANTIZERS[name]
