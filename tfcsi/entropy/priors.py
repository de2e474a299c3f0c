"""Priors of the symbols: the rate term of the loss, and the tables of the coder.

A prior is called with the codeword in symbol units, u [n, latent]. It returns the bits
of each matrix, which are those of the symbols round(u) that will be sent. The gradient
passes the rounding unchanged. `bits` takes what stands for the symbols in training
(`tfcsi.entropy.rounding`). The workflow:

1.  Train: `prior.bits(v)` in the loss, `prior.refresh()` after each epoch.
2.  Freeze: `prior.freeze(symbols)` gives integer tables.
3.  Ship the tables; the prior itself is not needed to send or receive.

`docs/entropy.md` compares the priors.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from tfcsi.coding.grids import Grid
from tfcsi.coding.tables import Tables, number_bits
from tfcsi.entropy.conditional import (
    Conditional,
    Contexts,
    MeanScaleHyperprior,
    ScaleHyperprior,
)
from tfcsi.entropy.densities import Factorized, Universal, need_symbols
from tfcsi.entropy.rounding import rounded, straight_through

_REACH = 127  # Largest unbounded symbol that a histogram counts.


class Histogram(tf.Module):
    """Histogram of each latent entry's symbols, as STQENet's text describes.

    The rate of a symbol is the length of its code word (Huffman) or -log2 of its
    frequency (range coder) under a histogram of the recent training symbols; between
    two symbols it is interpolated, which is where its gradient comes from. Deviations:
    a histogram an entry instead of one for all, learned on training data instead of on
    the batch that is sent (arXiv:2509.08776; the released code estimates the rate of
    something other than the symbols).
    """

    rounding = "straight_through"

    def __init__(self, latent_dim: int, num_levels: int | None, coder: str):
        """Makes the prior; at first all symbols are equally likely.

        Args:
          latent_dim: Length of the codeword.
          num_levels: Symbols are 0 ... num_levels - 1. None for symbols without
            bounds: -127 ... 127 are counted, and others taken for the nearest of them.
          coder: "huffman" or "range"; the rate of this coder is estimated.

        Raises:
          ValueError: If there are no symbols (latent_dim is 0).
        """
        super().__init__(name="histogram")
        need_symbols(latent_dim, "histogram")
        self.coder, self.bounded = coder, num_levels is not None
        self.low = 0 if self.bounded else -_REACH
        shape = (latent_dim, num_levels or 2 * _REACH + 1)
        # Replicas of a training (`tf.distribute`) have the mean of their counts.
        mean = tf.VariableAggregation.MEAN
        ones = tf.ones(shape)
        self.counts = tf.Variable(ones, False, name="counts", aggregation=mean)
        self.code_bits = tf.Variable(tf.zeros(shape), trainable=False, name="code_bits")
        self.refresh()

    def __call__(self, u: tf.Tensor, training: bool) -> tf.Tensor:
        """Returns the bits of each matrix, float32 [n], of u float32 [n, latent]."""
        return self.bits(rounded(u), training, u)

    def bits(
        self, v: tf.Tensor, training: bool, u: tf.Tensor | None = None
    ) -> tf.Tensor:
        """Returns the bits, float32 [n], of round(v).

        Args:
          v: float32 [n, latent].
          training: Whether the symbols are counted.
          u: float32 [n, latent]; the slope is that between its neighbouring symbols.
            v if None.
        """
        u = (v if u is None else u) - self.low
        latent, levels = self.code_bits.shape
        symbols = tf.clip_by_value(tf.round(v - self.low), 0, levels - 1)
        symbols = tf.cast(symbols, tf.int32)
        if training:
            place = symbols + levels * tf.range(latent)
            seen = tf.math.bincount(place, minlength=latent * levels, dtype=tf.float32)
            self.counts.assign(0.99 * self.counts + tf.reshape(seen, (latent, levels)))
        below = tf.clip_by_value(tf.cast(tf.floor(u), tf.int32), 0, levels - 2)
        bits_below, bits_above, bits = (
            tf.gather(self.code_bits, tf.transpose(at), axis=1, batch_dims=1)
            for at in (below, below + 1, symbols)
        )
        slope = tf.transpose(bits_above - bits_below)
        return tf.reduce_sum(straight_through(tf.transpose(bits), u * slope), 1)

    def refresh(self) -> None:
        """Makes the code lengths anew from the symbols seen lately."""
        latent, levels = self.counts.shape
        tables = self._tables()
        every = self.low + np.repeat(np.arange(levels)[:, None], latent, 1)
        interval, number = tables.intervals(every)
        bits = tables.interval_bits[tables.index, interval] + number_bits(number)
        self.code_bits.assign(bits.T)

    def freeze(self, symbols: np.ndarray) -> Tables:
        """Returns the tables of the histogram of the training data.

        Args:
          symbols: int32 [n, latent], 0 ... num_levels - 1 if they have bounds, of the
            training data. They replace the recent symbols that the histogram held.

        Returns:
          Tables of latent positions: of `num_levels` symbols each, or of those between
          the least and the largest.
        """
        levels = self.counts.shape[1]
        near = np.clip(symbols, self.low, self.low + levels - 1) - self.low
        counts = [np.bincount(column, minlength=levels) for column in near.T]
        self.counts.assign(np.stack(counts))
        self.refresh()
        return self._tables()

    def _tables(self) -> Tables:
        counts = self.counts.numpy().astype(np.float64)
        if self.bounded:
            return Tables.from_pmf(counts + 0.5, 0, coder=self.coder)
        seen = counts >= 0.5
        first = np.argmax(seen, 1)
        last = counts.shape[1] - np.argmax(seen[:, ::-1], 1)
        pmf = [
            (row[a:b] + 0.5) / (row[a:b] + 0.5).sum() * (1 - 0.5 / (1 + row.sum()))
            for row, a, b in zip(counts, first, last)
        ]
        return Tables.from_pmf(pmf, first + self.low, coder=self.coder)


class Empty(tf.Module):
    """The prior of no symbols, for quantiser "float"."""

    rounding = "straight_through"

    def __init__(self, latent_dim: int, num_levels: int | None, coder: str):
        """Makes the prior.

        Raises:
          ValueError: If there are symbols (latent_dim is not 0).
        """
        super().__init__(name="empty")
        if latent_dim:
            raise ValueError("prior 'none' is only for quantizer 'float'")
        self.coder = coder

    def __call__(self, u: tf.Tensor, training: bool) -> tf.Tensor:
        """Returns zeros, float32 [n], of u float32 [n, 0]."""
        return self.bits(u, training)

    def bits(self, v: tf.Tensor, training: bool) -> tf.Tensor:
        """Returns zeros, float32 [n], of v float32 [n, 0]."""
        del training
        return tf.reduce_sum(v, 1)

    def refresh(self) -> None:
        """Does nothing."""

    def freeze(self, symbols: np.ndarray) -> Tables:
        """Returns tables of no positions; the symbols, int32 [n, 0], are not used."""
        index = np.zeros(0, np.int32)
        return Tables.from_pmf([[1.0]], 0, index, self.coder)


PRIORS = {
    "contexts": Contexts,
    "factorized": Factorized,
    "histogram": Histogram,
    "mean_scale_hyperprior": MeanScaleHyperprior,
    "none": Empty,
    "scale_hyperprior": ScaleHyperprior,
    "universal": Universal,
}


def get(name: str) -> type:
    """Returns a prior class by its name.

    Args:
      name: A key of `PRIORS`.

    Returns:
      The class, which takes latent_dim, num_levels, coder and arguments of its own.

    Raises:
      ValueError: If the name is not known; the message lists the known names.
    """
    if name not in PRIORS:
        known = ", ".join(sorted(PRIORS))
        raise ValueError(f"prior is {name!r}; known priors: {known}")
    return PRIORS[name]


def of_config(config: Mapping[str, Any], grid: Grid) -> Any:
    """Makes the prior of a config.

    Args:
      config: Of a run: `prior`, `prior_args` and `coder`.
      grid: Grid or quantiser of the codeword.

    Returns:
      Object of a class of `PRIORS`.

    Raises:
      ValueError: If the prior is not known or does not fit the quantiser or the coder.
    """
    make: Any = get(config["prior"])
    arguments = dict(config["prior_args"])
    if grid.num_rates > 1:
        if not issubclass(make, Conditional):
            reading = [name for name in PRIORS if issubclass(PRIORS[name], Conditional)]
            raise ValueError(
                f"prior is {config['prior']!r}; quantizer {config['quantizer']!r} "
                f"takes one that reads the rate: {', '.join(reading)}"
            )
        arguments["leading"] = grid.num_symbols - grid.latent_dim
        return make(grid.latent_dim, grid.num_levels, config["coder"], **arguments)
    return make(grid.num_symbols, grid.num_levels, config["coder"], **arguments)
