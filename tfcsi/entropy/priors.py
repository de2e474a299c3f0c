"""Priors of the symbols: the rate term of the loss, and the tables of the coder.

A prior is called with the codeword in symbol units, u [n, latent]. It returns the bits
of each matrix, which are those of the symbols round(u) that will be sent. The gradient
passes the rounding unchanged. The workflow:

1.  Train: `prior(u)` in the loss, `prior.refresh()` after each epoch.
2.  Freeze: `prior.freeze(symbols)` gives integer `tables.Tables`.
3.  Ship the tables; the prior itself is not needed to send or receive.

This is the only module that uses tensorflow_compression, and only in `Factorized`.
"""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from tfcsi.coding.tables import MAX_LEARNED, Tables
from tfcsi.entropy.quantizers import straight_through


class Histogram(tf.Module):
    """Histogram of each latent entry's symbols, as STQENet's text describes.

    The rate of a symbol is the length of its code word (Huffman) or -log2 of its
    frequency (range coder) under a histogram of the recent training symbols; between
    two symbols it is interpolated, which is where its gradient comes from. Deviations:
    a histogram an entry instead of one for all, learned on training data instead of on
    the batch that is sent (arXiv:2509.08776; the released code estimates the rate of
    something other than the symbols).
    """

    def __init__(self, latent_dim: int, num_levels: int | None, coder: str):
        """Makes the prior; at first all symbols are equally likely.

        Args:
          latent_dim: Length of the codeword.
          num_levels: Symbols are 0 ... num_levels - 1.
          coder: "huffman" or "range"; the rate of this coder is estimated.

        Raises:
          ValueError: If the quantiser's symbols are unbounded (num_levels is None).
        """
        super().__init__(name="histogram")
        _need_symbols(latent_dim, "histogram")
        if num_levels is None:
            raise ValueError(
                "prior 'histogram' takes a quantizer with a fixed number of levels "
                "('mulaw'); use prior 'factorized' with unbounded symbols"
            )
        self.coder = coder
        shape = (latent_dim, num_levels)
        self.counts = tf.Variable(tf.ones(shape), trainable=False, name="counts")
        self.code_bits = tf.Variable(tf.zeros(shape), trainable=False, name="code_bits")
        self.refresh()

    def __call__(self, u: tf.Tensor, training: bool) -> tf.Tensor:
        """Returns the bits of each matrix, float32 [n], of u float32 [n, latent]."""
        levels = self.code_bits.shape[1]
        symbols = tf.cast(tf.clip_by_value(tf.round(u), 0, levels - 1), tf.int32)
        if training:
            seen = tf.reduce_sum(tf.one_hot(symbols, levels), 0)
            self.counts.assign(0.99 * self.counts + seen)
        below = tf.clip_by_value(tf.cast(tf.floor(u), tf.int32), 0, levels - 2)
        bits_below, bits_above, bits = (
            tf.gather(self.code_bits, tf.transpose(at), axis=1, batch_dims=1)
            for at in (below, below + 1, symbols)
        )
        slope = tf.transpose(bits_above - bits_below)
        return tf.reduce_sum(straight_through(tf.transpose(bits), u * slope), 1)

    def refresh(self) -> None:
        """Makes the code lengths anew from the symbols seen lately."""
        tables = self._tables()
        self.code_bits.assign(tables.interval_bits[:, : self.code_bits.shape[1]])

    def freeze(self, symbols: np.ndarray) -> Tables:
        """Returns the tables of the histogram of the training data.

        Args:
          symbols: int32 [n, latent], 0 ... num_levels - 1, of the training data. They
            replace the recent symbols that the histogram held.

        Returns:
          Tables of latent positions with `num_levels` symbols each.
        """
        levels = self.counts.shape[1]
        one_hot = np.stack([(symbols == s).sum(0) for s in range(levels)], 1)
        self.counts.assign(one_hot)
        self.refresh()
        return self._tables()

    def _tables(self) -> Tables:
        pmf = self.counts.numpy().astype(np.float64) + 0.5
        return Tables.from_pmf(pmf, 0, coder=self.coder)


class Factorized(tf.Module):
    """Learned density of each latent entry, independent of the others.

    Ballé et al., "Variational image compression with a scale hyperprior" (ICLR 2018),
    appendix 6.1, by tensorflow_compression. Deviation: the likelihood is that of the
    rounded symbols, in training too. The paper adds uniform noise instead.
    """

    def __init__(self, latent_dim: int, num_levels: int | None, coder: str):
        """Makes the prior; needs tensorflow_compression.

        Args:
          latent_dim: Length of the codeword.
          num_levels: Not used; symbols may be unbounded.
          coder: "range" or "huffman", the coder that the tables are made for.
        """
        super().__init__(name="factorized")
        _need_symbols(latent_dim, "factorized")
        import tensorflow_compression as tfc  # Takes seconds; only training needs it.

        del num_levels
        self.coder = coder
        self.density = tfc.NoisyDeepFactorized(
            batch_shape=(latent_dim,), init_scale=4.0
        )

    def __call__(self, u: tf.Tensor, training: bool) -> tf.Tensor:
        """Returns the bits of each matrix, float32 [n], of u float32 [n, latent]."""
        del training
        symbols = straight_through(tf.round(u), u)
        return tf.reduce_sum(self.density.log_prob(symbols), 1) / -np.log(2.0)

    def refresh(self) -> None:
        """Does nothing: the density learns by gradient."""

    def freeze(self, symbols: np.ndarray) -> Tables:
        """Returns tables of the learned density.

        Args:
          symbols: int32 [n, latent] of the training data. They set the range of the
            tables, at most 4096 symbols around the median. Other symbols are escaped.

        Returns:
          Tables of latent positions.
        """
        middle = np.median(symbols, 0).astype(np.int64)
        half = MAX_LEARNED // 2
        low = np.maximum(symbols.min(0).astype(np.int64) - 1, middle - half)
        high = np.minimum(symbols.max(0).astype(np.int64) + 1, middle + half - 1)
        grid = low + np.arange((high - low).max() + 1)[:, None]
        pmf = self.density.prob(grid.astype(np.float32)).numpy()
        pmf = [column[: size + 1] for column, size in zip(pmf.T, high - low)]
        return Tables.from_pmf(pmf, low, coder=self.coder)


class Empty(tf.Module):
    """The prior of no symbols, for quantiser "float"."""

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
        return tf.reduce_sum(u, 1)

    def refresh(self) -> None:
        """Does nothing."""

    def freeze(self, symbols: np.ndarray) -> Tables:
        """Returns tables of no positions; the symbols, int32 [n, 0], are not used."""
        index = np.zeros(0, np.int32)
        return Tables.from_pmf([[1.0]], 0, index, self.coder)


PRIORS = {"histogram": Histogram, "factorized": Factorized, "none": Empty}


def _need_symbols(latent_dim: int, name: str) -> None:
    if not latent_dim:
        raise ValueError(f"prior {name!r} has no symbols to code; use prior 'none'")


def get(name: str) -> type:
    """Returns a prior class by its name.

    Args:
      name: A key of `PRIORS`.

    Returns:
      The class, which takes latent_dim, num_levels and coder.

    Raises:
      ValueError: If the name is not known; the message lists the known names.
    """
    if name not in PRIORS:
        known = ", ".join(sorted(PRIORS))
        raise ValueError(f"prior is {name!r}; known priors: {known}")
    return PRIORS[name]
