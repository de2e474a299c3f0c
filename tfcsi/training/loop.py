"""The loop that every training here runs: steps, epochs and validation.

What is trained and how good it is comes from outside: groups of variables, each with an
optimizer, and a loss. `pair.py` trains an encoder, a decoder, a quantiser and a prior;
`finetune_decoder.py` trains a decoder alone.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Sequence

import numpy as np
import tensorflow as tf
import tqdm

from tfcsi.training import strategy
from tfcsi.training.optimizer import Adam


@dataclasses.dataclass(frozen=True)
class Group:
    """Variables that have an optimizer in common.

    Attributes:
      variables: All that any stage of the training updates.
      optimizer: Its moments belong to these variables.
      clip_norm: Largest norm of the gradient of the variables together; None for any.
    """

    variables: list[tf.Variable]
    optimizer: Adam
    clip_norm: float | None = None


class Loop:
    """Steps of gradient descent on a loss, counted and compiled.

    Attributes:
      groups: The groups of variables.
      step: int64 variable, number of steps so far.
    """

    def __init__(self, groups: Sequence[Group], seed: int, remedy: str = ""):
        """Makes a loop; `begin` must be called before the first step.

        Args:
          groups: Groups of variables.
          seed: Seed of everything that a loss draws at random.
          remedy: What to do if the loss is not finite, for the error.
        """
        self.groups, self.seed, self.remedy = groups, seed, remedy
        first = tf.VariableAggregation.ONLY_FIRST_REPLICA
        self.step = tf.Variable(0, dtype=tf.int64, aggregation=first)
        for group in groups:
            group.optimizer.build(group.variables)

    def begin(
        self,
        loss: Callable[..., Sequence[tf.Tensor]],
        trained: Sequence[list[tf.Variable]] | None = None,
    ) -> None:
        """Sets the loss, and what is trained, for the steps that follow.

        Args:
          loss: Function of the tensors of a batch and of keyword arguments `training`
            (bool) and `seed` (int64 [2]) that returns float32 [n] tensors. The mean of
            the first one is minimised; the others are only reported.
          trained: Variables of each group that are updated; all if None. The other
            variables and their moments do not change.
        """
        self._loss = loss
        self._trained = trained or [group.variables for group in self.groups]
        self.train_step = strategy.distributed(self._train_step)
        self.eval_step = tf.function(self._eval_step, reduce_retracing=True)

    def train_epoch(
        self,
        batches: Iterable[tuple[tf.Tensor, ...]],
        label: str = "",
        count: int | None = None,
        progress: bool = False,
    ) -> np.ndarray:
        """Takes a step on each batch.

        Args:
          batches: Tensors of each batch; at least one.
          label: Text before the progress bar.
          count: Number of batches, for the bar.
          progress: Whether to show the bar.

        Returns:
          Mean over the steps of each value that the loss returns.

        Raises:
          FloatingPointError: If the loss is no longer finite.
        """
        first = int(self.step.numpy())
        bar = tqdm.tqdm(
            batches,
            desc=label,
            total=count,
            disable=not progress,
            leave=False,
            mininterval=1.0,
        )
        means = []
        for number, batch in enumerate(bar):
            means.append(self.train_step(*batch))
            if number:  # Checks the step before while this one runs.
                self._check_finite(means[-2][0], first + number, f"batch {number}")
        number = len(means)
        self._check_finite(means[-1][0], first + number, f"batch {number}")
        return np.mean(means, 0, np.float64)

    def evaluate(self, batches: Iterable[tuple[tf.Tensor, ...]]) -> list[np.ndarray]:
        """Computes the loss of matrices that are not trained on.

        Args:
          batches: Tensors of each batch; at least one.

        Returns:
          Each value that the loss returns, float32 [n], for all matrices.

        Raises:
          FloatingPointError: If the mean loss is not finite.
        """
        parts, first = [], 0
        for batch in batches:
            parts.append(self.eval_step(tf.constant(first, tf.int64), *batch))
            first += len(batch[0])
        values = [np.concatenate(value) for value in zip(*parts)]
        step = int(self.step.numpy())
        self._check_finite(values[0].mean(), step, "in validation")
        return values

    def _check_finite(self, loss: float, step: int, place: str) -> None:
        if not np.isfinite(loss):
            raise FloatingPointError(
                f"the loss is not finite at step {step}, {place}{self.remedy}"
            )

    def _eval_step(self, first: tf.Tensor, *batch: tf.Tensor) -> Sequence[tf.Tensor]:
        seed = tf.stack([tf.constant(self.seed, tf.int64), -1 - first])
        return self._loss(*batch, training=False, seed=seed)

    def _train_step(self, *batch: tf.Tensor) -> tf.Tensor:
        """Takes a step on a share of a batch, which is the batch of one replica."""
        seed = tf.stack([tf.constant(self.seed, tf.int64), self.step])
        share = 1.0 / strategy.replicas()
        if share < 1:
            seed = strategy.seed_of_replica(seed)
        with tf.GradientTape() as tape:
            parts = self._loss(*batch, training=True, seed=seed)
            loss = tf.reduce_mean(parts[0])
            if share < 1:
                loss *= share
        gradients = tape.gradient(loss, self._trained, unconnected_gradients="zero")
        for group, variables, slopes in zip(self.groups, self._trained, gradients):
            slopes = strategy.summed(slopes)
            if group.clip_norm is not None:
                slopes, _ = tf.clip_by_global_norm(slopes, group.clip_norm)
            group.optimizer.apply_gradients(
                zip(slopes, variables), skip_gradients_aggregation=True
            )
        self.step.assign_add(1)
        means = tf.stack([tf.reduce_mean(part) for part in parts])
        return means if share == 1 else strategy.summed([means * share])[0]
