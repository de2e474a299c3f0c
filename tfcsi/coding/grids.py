"""Grids of codewords in NumPy: y -> integer symbols -> y_hat, at the UE and the BS.

The quantisers of `tfcsi.entropy.quantizers` are these grids, with variables that
TensorFlow trains. If the BS needs more than the symbols, the grid has side information,
`side`, which is sent as 16-bit words. `Grid` says what all of them have.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np

from tfcsi.coding.packets import PacketError

_LARGEST = np.float32(2**31 - 2**7)  # The last float32 that an int32 holds.


class Grid(Protocol):
    """What every grid and every quantiser has.

    Attributes:
      latent_dim: Length of the codeword y.
      num_symbols: Entropy-coded symbols of a matrix.
      num_side: 16-bit words of side information of a matrix.
      num_levels: How many values a symbol may have; None if there is no limit.
      num_rates: How many rates the grid has. If there are several, the first symbol is
        the number of the rate, and `quantize` takes numbers of rates.
      step: float32 [latent], distance of two points of each entry, at the finest rate;
        None if it is not the same for all symbols of an entry.
    """

    latent_dim: int
    num_symbols: int
    num_side: int
    num_levels: int | None
    num_rates: int

    @property
    def step(self) -> np.ndarray | None:
        """See the attributes."""
        ...

    def quantize(
        self, y: np.ndarray, rate: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Quantises codewords.

        Args:
          y: float32 [n, latent].
          rate: int [n], numbers of the rates; None for the usual one. A grid of one
            rate does not look at it.

        Returns:
          symbols int32 [n, num_symbols]; side uint16 [n, num_side].
        """
        ...

    def dequantize(self, symbols: np.ndarray, side: np.ndarray) -> np.ndarray:
        """Returns the codewords y_hat float32 [n, latent] of what `quantize` gave.

        Raises:
          ValueError: If the side information makes no sense.
        """
        ...

    def arrays(self) -> dict[str, np.ndarray]:
        """Returns the arguments that make the grid again, see `from_arrays`."""
        ...


class UniformGrid:
    """A grid with a step for each entry: symbol = round(y / step - offset).

    Attributes:
      offset: float32 [latent], where the point of symbol 0 is, in steps; None if it is
        at zero in every entry.
    """

    num_levels = None  # Symbols are unbounded.
    num_rates = 1

    def __init__(self, step: np.ndarray, offset: np.ndarray | None = None):
        """Makes the grid.

        Args:
          step: float32 [latent], the step of each entry.
          offset: float32 [latent], or None; see the attributes.

        Raises:
          ValueError: If a step is not a positive number, or an offset not a number.
        """
        self.step = np.array(step, np.float32)
        if self.step.ndim != 1 or not np.all(np.isfinite(self.step) & (self.step > 0)):
            raise ValueError("step must be positive numbers with one axis")
        self.offset = None if offset is None else np.array(offset, np.float32)
        if self.offset is not None and not (
            self.offset.shape == self.step.shape and np.isfinite(self.offset).all()
        ):
            raise ValueError("offset must be a number for each step")
        self._set_size(self.step.size)

    def _set_size(self, latent_dim: int) -> None:
        self.latent_dim = self.num_symbols = latent_dim
        self.num_side = 0

    def arrays(self) -> dict[str, np.ndarray]:
        """Returns the arguments that make this grid."""
        offset = self.offset
        return {"step": self.step} | ({} if offset is None else {"offset": offset})

    def quantize(
        self, y: np.ndarray, rate: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Returns symbols int32 [n, latent] and side uint16 [n, 0] of y [n, latent]."""
        del rate
        u, offset = y / self.step, self.offset
        u = u if offset is None else u - offset
        symbols = np.clip(np.rint(u), -_LARGEST, _LARGEST)
        symbols = symbols.astype(np.int32)
        return symbols, np.zeros((len(y), 0), np.uint16)

    def dequantize(self, symbols: np.ndarray, side: np.ndarray) -> np.ndarray:
        """Returns y_hat float32 [n, latent] of symbols int32 [n, latent]."""
        del side
        points, offset = symbols.astype(np.float32), self.offset
        return (points if offset is None else points + offset) * self.step


class RatesGrid:
    """A uniform grid for each of several rates; the packet names the rate.

    One pair of networks serves all rates: the codeword is divided by other steps at
    each of them (Cui et al., "Asymmetric gained deep image compression with continuous
    rate adaptation", CVPR 2021). The first symbol is the number of the rate; rate 0 is
    the coarsest one.

    Attributes:
      steps: float32 [rates, latent], the step of each entry at each rate.
      rate: Number of the rate that is taken if none is given.
    """

    num_levels: int | None = None
    num_side = 0

    def __init__(self, steps: np.ndarray, rate: int):
        """Makes the grid; see the attributes.

        Raises:
          ValueError: If a step is not a positive number, or there is no such rate.
        """
        self.steps = np.array(steps, np.float32)
        sound = np.isfinite(self.steps) & (self.steps > 0)
        if self.steps.ndim != 2 or not self.steps.size or not sound.all():
            raise ValueError("steps must be positive numbers [rates, latent]")
        self._set_size(len(self.steps), self.steps.shape[1], rate)

    def _set_size(self, num_rates: int, latent_dim: int, rate: int) -> None:
        if not 0 <= rate < num_rates:
            raise ValueError(f"rate is {rate}; it must be 0 to {num_rates - 1}")
        self.num_rates, self.rate = int(num_rates), int(rate)
        self.latent_dim, self.num_symbols = int(latent_dim), int(latent_dim) + 1

    def arrays(self) -> dict[str, np.ndarray]:
        """Returns the arguments that make this grid."""
        return {"steps": self.steps, "rate": np.array(self.rate)}

    @property
    def step(self) -> np.ndarray:
        """Step of each entry at the finest rate, float32 [latent]."""
        return self.steps[-1]

    @property
    def mean_steps(self) -> np.ndarray:
        """Geometric mean of the steps of the entries at each rate, float64 [rates]."""
        return np.exp(np.log(self.steps.astype(np.float64)).mean(axis=1))

    def quantize(
        self, y: np.ndarray, rate: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Quantises codewords.

        Args:
          y: float32 [n, latent].
          rate: int [n], numbers of rates; None for the usual one.

        Returns:
          symbols int32 [n, 1 + latent], the rate first; side uint16 [n, 0].
        """
        rate = np.full(len(y), self.rate) if rate is None else np.asarray(rate)
        symbols = np.clip(np.rint(y / self.steps[rate]), -_LARGEST, _LARGEST)
        symbols = np.concatenate([rate[:, None], symbols], axis=1).astype(np.int32)
        return symbols, np.zeros((len(y), 0), np.uint16)

    def dequantize(self, symbols: np.ndarray, side: np.ndarray) -> np.ndarray:
        """Returns y_hat float32 [n, latent] of symbols int32 [n, 1 + latent].

        Raises:
          PacketError: If a first symbol is no number of a rate.
        """
        del side
        rate = symbols[:, 0]
        known = (rate >= 0) & (rate < self.num_rates)
        if not known.all():
            row = int(np.argmin(known))
            raise PacketError(
                f"packet {row}: rate {rate[row]} is none of the {self.num_rates} rates",
                row,
            )
        return symbols[:, 1:].astype(np.float32) * self.steps[rate]


class MuLawGrid:
    """A grid of 2^b companded levels between the minimum and maximum of a codeword.

    STQENet (arXiv:2509.08776), section III: y is normalised to [-1, 1] by its minimum
    and maximum, companded by sgn(s) ln(1 + mu |s|) / ln(1 + mu), and rounded to one of
    2^b levels. The minimum and the maximum are rounded to float16 before use and travel
    in the packet as two words.
    """

    step = None  # It differs from symbol to symbol.
    num_rates = 1

    def __init__(self, latent_dim: int, bits: int, mu: float):
        """Makes the grid.

        Args:
          latent_dim: Length of y.
          bits: Bits of a symbol before entropy coding, 1 to 12.
          mu: Strength of the companding, a positive number. The paper has 255.

        Raises:
          ValueError: If an argument is out of range.
        """
        if not 1 <= bits <= 12:
            raise ValueError(f"bits is {bits}; it must be 1 to 12")
        if not mu > 0:
            raise ValueError(f"mu is {mu}; it must be positive")
        self.bits, self.mu, self.num_levels = int(bits), float(mu), 2 ** int(bits)
        self.latent_dim = self.num_symbols = int(latent_dim)
        self.num_side = 2

    def arrays(self) -> dict[str, np.ndarray]:
        """Returns the arguments that make this grid."""
        return {k: np.array(getattr(self, k)) for k in ("latent_dim", "bits", "mu")}

    def quantize(
        self, y: np.ndarray, rate: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Returns symbols int32 [n, latent]; side uint16 [n, 2], float16 min, max."""
        del rate
        low, high = limits(np.asarray(y, np.float32), np)
        symbols = np.rint(self._compress(y, low, high, np)).astype(np.int32)
        return symbols, np.concatenate([low, high], 1).astype(np.float16).view(
            np.uint16
        )

    def dequantize(self, symbols: np.ndarray, side: np.ndarray) -> np.ndarray:
        """Returns y_hat float32 [n, latent].

        Raises:
          PacketError: If `side` holds no finite minimum below a finite maximum, or if a
            symbol is no level.
        """
        ends = np.ascontiguousarray(side).view(np.float16).astype(np.float32)
        low, high = ends[:, :1], ends[:, 1:]
        sound = np.all(np.isfinite(ends) & (low < high), 1)
        if not np.all(sound):
            row = int(np.argmin(sound))
            raise PacketError(
                f"packet {row}: side information: minimum and maximum of codeword "
                f"{row} are not in order",
                row,
            )
        levels = np.all((symbols >= 0) & (symbols < self.num_levels), 1)
        if not levels.all():
            row = int(np.argmin(levels))
            raise PacketError(
                f"packet {row}: a symbol is none of the {self.num_levels} levels", row
            )
        return self._expand(symbols.astype(np.float32), low, high, np)

    def _compress(self, y: Any, low: Any, high: Any, xp: Any) -> Any:
        return self._compand(normalize(y, low, high, xp), xp)

    def _compand(self, s: Any, xp: Any) -> Any:
        s = xp.sign(s) * xp.log1p(self.mu * xp.abs(s)) / np.float32(np.log1p(self.mu))
        return (s + 1.0) * np.float32((self.num_levels - 1) / 2)

    def _expand(self, symbols: Any, low: Any, high: Any, xp: Any) -> Any:
        s = symbols * np.float32(2 / (self.num_levels - 1)) - 1.0
        s = xp.sign(s) * xp.expm1(xp.abs(s) * np.float32(np.log1p(self.mu))) / self.mu
        return low + (s + 1.0) * (high - low) * 0.5


def limits(y: Any, xp: Any) -> tuple[Any, Any]:
    """Returns minimum and maximum, [n, 1] each, of the rows of y [n, latent].

    They are float16 values, at least 2^-10 apart.

    Args:
      y: [n, latent], an array of NumPy or a tensor.
      xp: NumPy, or the NumPy interface of TensorFlow.
    """

    def half(limit: Any) -> Any:
        return xp.asarray(xp.asarray(limit, xp.float16), xp.float32)

    y = xp.clip(y, np.float32(-6e4), np.float32(6e4))
    low, high = (half(limit(y, axis=1, keepdims=True)) for limit in (xp.min, xp.max))
    apart = xp.maximum(xp.abs(low) * np.float32(2**-9), np.float32(2**-10))
    return low, half(xp.maximum(high, low + apart))


def normalize(y: Any, low: Any, high: Any, xp: Any) -> Any:
    """Maps low ... high to -1 ... 1; `xp` is as in `limits`."""
    return xp.clip(2.0 * (y - low) / (high - low) - 1.0, -1.0, 1.0)


class FloatGrid:
    """A grid without quantisation: an entry is sent as 32 bits of side information."""

    num_levels = None
    num_rates = 1
    step = None

    def __init__(self, latent_dim: int):
        """Makes the grid for codewords of length latent_dim."""
        self.latent_dim = int(latent_dim)
        self.num_symbols, self.num_side = 0, 2 * self.latent_dim

    def arrays(self) -> dict[str, np.ndarray]:
        """Returns the arguments that make this grid."""
        return {"latent_dim": np.array(self.latent_dim)}

    def quantize(
        self, y: np.ndarray, rate: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Returns symbols int32 [n, 0]; side uint16 [n, 2 latent], high word first."""
        del rate
        side = np.asarray(y, ">f4").view(">u2").astype(np.uint16)
        return np.zeros((len(y), 0), np.int32), side

    def dequantize(self, symbols: np.ndarray, side: np.ndarray) -> np.ndarray:
        """Returns y_hat float32 [n, latent].

        Raises:
          PacketError: If an entry is not finite.
        """
        del symbols
        y_hat = np.ascontiguousarray(side.astype(">u2")).view(">f4").astype(np.float32)
        sound = np.isfinite(y_hat).all(1)
        if not sound.all():
            row = int(np.argmin(sound))
            raise PacketError(f"packet {row}: codeword {row} is not finite", row)
        return y_hat


# Registry: name of a grid, the same as that of its quantiser, to its class.
GRIDS = {
    "uniform": UniformGrid,
    "uniform_rates": RatesGrid,
    "mulaw": MuLawGrid,
    "float": FloatGrid,
}


def from_arrays(name: str, arrays: Mapping[str, np.ndarray]) -> Grid:
    """Makes a grid from its name and its arrays, the inverse of `arrays`.

    Args:
      name: A key of `GRIDS`.
      arrays: The arguments of the grid, as its `arrays` returns them.

    Raises:
      ValueError: If the name is unknown, or the arrays are not those of this grid.
    """
    if name not in GRIDS:
        known = ", ".join(sorted(GRIDS))
        raise ValueError(f"quantizer is {name!r}; known quantizers: {known}")
    try:
        return GRIDS[name](**{k: v if v.ndim else v.item() for k, v in arrays.items()})
    except TypeError as error:
        raise ValueError(f"quantizer {name!r} got wrong arguments: {error}") from None
