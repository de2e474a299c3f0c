"""Priors that learn a density of each latent entry, by tensorflow_compression.

The library gives the densities. Its own range coder is not used: tables are frozen as
integers of ours, so that no float decides a bit of a packet.
"""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from tfcsi.coding.tables import MAX_LEARNED, Tables
from tfcsi.entropy.rounding import rounded


class Factorized(tf.Module):
    """Learned density of each latent entry, independent of the others.

    Ballé et al., "Variational image compression with a scale hyperprior" (ICLR 2018),
    appendix 6.1.
    """

    rounding = "straight_through"

    def __init__(self, latent_dim: int, num_levels: int | None, coder: str):
        """Makes the prior; needs tensorflow_compression.

        Args:
          latent_dim: Length of the codeword.
          num_levels: Not used; symbols may be unbounded.
          coder: "range" or "huffman", the coder that the tables are made for.

        Raises:
          ValueError: If there are no symbols (latent_dim is 0).
        """
        super().__init__(name="factorized")
        need_symbols(latent_dim, type(self).__name__.lower())
        import tensorflow_compression as tfc  # Takes seconds; only training needs it.

        del num_levels
        self.coder = coder
        self.density = tfc.NoisyDeepFactorized(
            batch_shape=(latent_dim,), init_scale=4.0
        )

    def __call__(self, u: tf.Tensor, training: bool) -> tf.Tensor:
        """Returns the bits of each matrix, float32 [n], of u float32 [n, latent]."""
        return self.bits(rounded(u), training)

    def bits(self, v: tf.Tensor, training: bool) -> tf.Tensor:
        """Returns the bits, float32 [n], of v float32 [n, latent] as it is."""
        del training
        return tf.reduce_sum(self.density.log_prob(v), 1) / -np.log(2.0)

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


class Universal(Factorized):
    """The same density under universal quantisation.

    Training adds uniform noise, and the grid of each entry is moved by a dither that
    both sides know (`quantizers.Uniform`), so that the error of quantisation is what
    training saw: Agustsson and Theis, "Universally quantized neural compression"
    (NeurIPS 2020), as `tfc.UniversalBatchedEntropyModel` does it. The density is that
    of the moved codeword, so the dither needs no table of its own.
    """

    rounding = "noise"


def need_symbols(latent_dim: int, name: str) -> None:
    """Refuses a codeword without symbols.

    Args:
      latent_dim: Number of its symbols.
      name: Of the prior, for the message.

    Raises:
      ValueError: If there are none.
    """
    if not latent_dim:
        raise ValueError(
            f"prior {name!r} has no symbols to code; use prior 'none', or a quantizer "
            f"that makes symbols"
        )
