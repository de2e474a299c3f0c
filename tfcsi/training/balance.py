"""Costs of several rates, brought to one size.

A training of several rates draws one for each matrix. A matrix at a fine rate costs
many more bits than one at a coarse rate; divided by the running mean of the cost at its
rate, each rate counts as much as the others.
"""

from __future__ import annotations

import tensorflow as tf

_FORGETTING = 0.05  # Of the running mean of the cost at a rate.


class Balance(tf.Module):
    """Means of the cost at each rate.

    Attributes:
      means: float32 [rates], running means of the training.
      scale: float32 [rates], means at the start, by which validation costs are divided:
        they stay, so that epochs can be compared.
    """

    def __init__(self, rates: int):
        """Makes means of one, for a number of rates."""
        super().__init__(name="balance")
        mean = tf.VariableAggregation.MEAN  # Of the replicas of a training.
        ones = tf.ones(rates)
        self.means = tf.Variable(ones, False, name="means", aggregation=mean)
        self.scale = tf.Variable(ones, False, name="scale", aggregation=mean)

    def __call__(self, cost: tf.Tensor, rate: tf.Tensor, training: bool) -> tf.Tensor:
        """Returns balanced costs, float32 [n].

        Args:
          cost: float32 [n].
          rate: float32 [n, rates], 1 at the number of the rate and 0 elsewhere.
          training: Whether the means learn from the costs.
        """
        if training:
            count = tf.reduce_sum(rate, 0)
            now = tf.linalg.matvec(rate, tf.stop_gradient(cost), transpose_a=True)
            now = tf.where(count > 0, now / tf.maximum(count, 1.0), self.means)
            self.means.assign_add(_FORGETTING * (now - self.means))
        means = self.means if training else self.scale
        return cost / tf.linalg.matvec(rate, means)

    def begin(self, cost: tf.Tensor, rate: tf.Tensor) -> None:
        """Sets both means to those of some costs; see `__call__` for the arguments."""
        count = tf.maximum(tf.reduce_sum(rate, 0), 1.0)
        means = tf.linalg.matvec(rate, cost, transpose_a=True) / count
        self.scale.assign(tf.maximum(means, 1e-6))
        self.means.assign(self.scale)


def drawn(x: tf.Tensor, rates: int, seed: tf.Tensor | None) -> tf.Tensor:
    """Returns a rate of each matrix, float32 [n, rates], 1 at its number.

    Args:
      x: [n, ...], the matrices.
      rates: Number of rates.
      seed: int64 [2] to draw them; None to take one after the other.
    """
    n = tf.shape(x)[0]
    number = tf.range(n) % rates
    if seed is not None:
        number = tf.random.stateless_uniform((n,), seed, 0, rates, tf.int32)
    return tf.one_hot(number, rates)
