"""Contexts of a grid of tokens: an integer network that picks the table of each symbol.

The symbols of a matrix lie on a grid of tokens, angle by delay, some channels each.
They are sent in passes: a group of channels on one colour of the checkerboard of tokens
at a time. A network of three layers reads the symbols that are already sent and gives
the mean and the scale of the law of each symbol of the pass (Minnen and Singh,
"Channel-wise autoregressive entropy models for learned image compression", ICIP 2020;
He et al., "Checkerboard context model for efficient learned image compression", CVPR
2021). Here the network is one of integers: weights of 8 bits, symbols and activations
of 8 bits, sums that are rounded by shifts. Both sides so pick the same tables on every
machine. The sums are taken in float64, which holds integers below 2^53 exactly, so
their order has no influence.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np

from tfcsi.coding.tables import Tables

SCALES, FRACTIONS = 48, 8  # Scales 2^(i/4 - 5), and means in eighths of a step.
RATIOS = (0.5, 1.0, 2.2)  # Scales of the three parts of a law, relative to its scale.
_REACH = 127  # Largest symbol with a place of its own in a table.
_COMPANDED = np.minimum(np.rint(16 * np.log2(1 + np.arange(256))), 127).astype("i8")


class TokenContexts:
    """The integer network and the tables that it picks.

    Attributes:
      grid: (angles, delays) of the tokens.
      channels: Symbols of a token.
      arrays: The integers of the network by name. w1 int8 [passes, hidden, 2 channels,
        5, 5] reads signed companded symbols, then their magnitudes; b1 int32 [passes,
        hidden, angles, delays]; r1 int32 [rates, passes, hidden]; w2 int8 [passes,
        hidden, hidden]; b2; w3 int8 [passes, 2 size, hidden], means, then scales; b3.
      tables: Tables [SCALES x FRACTIONS].
    """

    def __init__(self, arrays: Mapping[str, np.ndarray], tables: Tables):
        """See the attributes.

        Raises:
          ValueError: If the arrays do not fit together.
        """
        w1, b1 = arrays["w1"], arrays["b1"]
        self.grid, self.channels = b1.shape[2:], w1.shape[2] // 2
        self.passes, self.hidden = b1.shape[:2]
        self.size = 2 * self.channels // self.passes
        rates = len(arrays["r1"])
        forms = {
            "w1": (self.passes, self.hidden, 2 * self.channels, 5, 5),
            "b1": (self.passes, self.hidden, *self.grid),
            "r1": (rates, self.passes, self.hidden),
            "w2": (self.passes, self.hidden, self.hidden),
            "b2": (self.passes, self.hidden),
            "w3": (self.passes, 2 * self.size, self.hidden),
            "b3": (self.passes, 2 * self.size),
        }
        for name, form in forms.items():
            array = arrays[name]
            if array.shape != form or array.dtype.kind != "i":
                raise ValueError(
                    f"{name} is {array.dtype} {list(array.shape)}, expected integers "
                    f"{list(form)}"
                )
        if len(tables.length) != SCALES * FRACTIONS:
            raise ValueError(
                f"there are {len(tables.length)} tables, expected {SCALES * FRACTIONS}"
            )
        self.arrays = {name: np.asarray(arrays[name]) for name in forms}
        self.tables, self.rates = tables, rates
        self._passes = [self._layers(p) for p in range(self.passes)]

    def _layers(self, p: int) -> tuple[np.ndarray, ...]:
        """Places [k] of tokens, their inputs [k, inputs], and weights of a pass."""
        angles, delays = self.grid
        angle, delay = np.nonzero(
            np.add.outer(np.arange(angles), np.arange(delays)) % 2 == p % 2
        )
        w1 = self.arrays["w1"][p]
        channel, a, d = np.nonzero(w1.any(axis=0))
        row = (angle[:, None] + a - 2) % angles
        inputs = (row * (delays + 4) + delay[:, None] + d) * w1.shape[1] + channel
        w2, w3 = self.arrays["w2"][p].T, self.arrays["w3"][p].T
        weights = (w1[:, channel, a, d].T, w2, w3)
        b1 = self.arrays["b1"][p][:, angle, delay].T
        return (angle * delays + delay, inputs, b1, *(w.astype("f8") for w in weights))

    def code(self, n: int, rate: np.ndarray, send: Callable) -> np.ndarray:
        """Goes through the passes in their order.

        Args:
          n: Number of matrices.
          rate: [n], int, number of the rate of each.
          send: Function of the tables [n, k] and the shifts [n, k] of the symbols of a
            pass, and of their positions [k] in a matrix, that returns the symbols
            [n, k]. Those of the encoder are known, the decoder reads them.

        Returns:
          symbols int64 [n, tokens x channels].
        """
        angles, delays = self.grid
        tokens = angles * delays
        symbols = np.zeros((n, tokens, self.channels), np.int64)
        state = np.zeros((n, angles, delays + 4, 2, self.channels))
        read = state.reshape(n, math.prod(state.shape[1:]))  # The same memory.
        for p in range(self.passes):
            places, inputs, b1, w1, w2, w3 = self._passes[p]
            first = p // 2 * self.size
            channels = np.arange(first, first + self.size)
            r1 = self.arrays["r1"][rate, p].astype(np.int64)
            x = read[:, inputs]  # [n, k, inputs], integers.
            total = (x @ w1).astype(np.int64) + b1 + r1[:, None]
            total = _activations(total) @ w2 + self.arrays["b2"][p]
            total = _activations(total) @ w3 + self.arrays["b3"][p]
            total = total.astype(np.int64)
            chosen, shift = _tables_of(total[..., : self.size], total[..., self.size :])
            at = (places[:, None] * self.channels + channels).ravel()
            sent = send(chosen.reshape(n, len(at)), shift.reshape(n, len(at)), at)
            sent = sent.reshape(n, len(places), self.size)
            symbols[:, places[:, None], channels] = sent
            angle, delay = np.divmod(places, delays)
            small = companded(sent)
            where = (slice(None), angle, delay + 2)
            state[(*where, 0, slice(first, first + self.size))] = small
            state[(*where, 1, slice(first, first + self.size))] = np.abs(small)
        return symbols.reshape(n, tokens * self.channels)

    def macs(self) -> int:
        """Multiply-accumulates of the network for a matrix, all passes."""
        tokens = self.grid[0] * self.grid[1] // 2
        count = sum(w.size for p in self._passes for w in p[3:])
        return tokens * count


def companded(symbols: np.ndarray) -> np.ndarray:
    """Symbols as the network reads them: sign(q) round(16 log2(1 + |q|)), 8 bits."""
    size = np.minimum(np.abs(symbols), len(_COMPANDED) - 1)
    return np.sign(symbols) * _COMPANDED[size]


def law_tables(mix: np.ndarray) -> Tables:
    """Makes the tables of all scales and fractions of the mean.

    Args:
      mix: float [3], weights of the parts of a law: logistic laws whose scales are
        RATIOS times that of the table.

    Returns:
      Tables [SCALES x FRACTIONS] of 65536ths; the fraction goes fastest.
    """
    rows, offsets = [], []
    for i in range(SCALES):
        scale = 2.0 ** ((i - 20) / 4)
        reach = min(_REACH, max(2, int(np.ceil(12 * scale))))
        edges = np.arange(-reach, reach + 2) - 0.5
        for fraction in range(FRACTIONS):
            away = edges - (fraction - FRACTIONS // 2) / FRACTIONS
            parts = [0.5 * np.tanh(away / (2 * scale * ratio)) for ratio in RATIOS]
            rows.append(np.diff(np.asarray(mix, np.float64) @ np.array(parts)))
            offsets.append(-reach)
    return Tables.from_pmf([np.maximum(row, 0) for row in rows], offsets)


def _activations(total: np.ndarray) -> np.ndarray:
    """Sums of products as activations of 8 bits: float64 that hold integers."""
    total = total.astype(np.int64)
    return np.clip((total + 32) >> 6, 0, 255).astype(np.float64)


def _tables_of(mean: np.ndarray, scale: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Numbers of tables, and what is taken from the symbols, of sums of the network."""
    mean = (mean + 64) >> 7  # Eighths of a step.
    shift = (mean + FRACTIONS // 2) >> 3
    number = np.clip((scale + 128) >> 8, -20, SCALES - 21) + 20
    return number * FRACTIONS + mean - 8 * shift + FRACTIONS // 2, shift
