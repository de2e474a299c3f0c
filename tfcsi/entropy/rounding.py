"""What stands for rounding in training, where its gradient is zero.

| name | the rate is that of | the decoder gets |
|---|---|---|
| straight_through | round(u) | round(u) |
| noise | u + noise | u + noise |
| mixed | u + noise | round(u) |
| soft | s(u) + noise | the mean of u, given s(u) + noise |

Rounding passes gradients unchanged. The noise is uniform in a step (Ballé et al., "End-
to-end optimized image compression", ICLR 2017), s is a soft rounding (Agustsson and
Theis, "Universally quantized neural compression", NeurIPS 2020), and "mixed" is that of
Minnen and Singh, "Channel-wise autoregressive entropy models" (ICIP 2020). Validation
and packets always round.
"""

from __future__ import annotations

import tensorflow as tf

ROUNDINGS = ("straight_through", "noise", "mixed", "soft")
_ALPHA = 4.0  # Slope of the soft rounding: 0 is none, from 10 on it is nearly hard.


@tf.custom_gradient
def straight_through(exact: tf.Tensor, smooth: tf.Tensor) -> tuple:
    """Gives a tensor the gradient of another one.

    Args:
      exact: Tensor that gives the values.
      smooth: Tensor of the same shape and dtype that gives the gradient.

    Returns:
      A tensor with the values of `exact` and the gradient of `smooth`.
    """
    return tf.identity(exact), lambda slope: (None, slope)


def rounded(u: tf.Tensor) -> tf.Tensor:
    """Returns round(u) with the gradient of u."""
    return straight_through(tf.round(u), u)


def surrogate(
    u: tf.Tensor, rounding: str, seed: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns what stands for the symbols in a step of training.

    Args:
      u: float32 [n, latent], the codeword in symbol units.
      rounding: One of `ROUNDINGS`.
      seed: int64 [2], of the noise.

    Returns:
      float32 [n, latent] whose rate counts, and float32 [n, latent] that the decoder
      gets.
    """
    if rounding == "straight_through":
        return (rounded(u),) * 2
    noise = tf.random.stateless_uniform(tf.shape(u), seed, -0.5, 0.5)
    if rounding != "soft":
        noisy = u + noise
        return noisy, noisy if rounding == "noise" else rounded(u)
    import tensorflow_compression as tfc  # Takes seconds; only this needs it.

    noisy = tfc.soft_round(u, _ALPHA) + noise
    return noisy, tfc.soft_round_conditional_mean(noisy, _ALPHA)
