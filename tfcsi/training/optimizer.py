"""Adam as one operation a variable, and the learning rates of a staged training."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import ml_collections
import numpy as np
import tensorflow as tf

from tfcsi.training.stages import Stage


class Adam(tf.keras.optimizers.Adam):
    """Adam (Kingma and Ba, ICLR 2015) that updates a variable in one operation.

    The update of Keras takes ten operations a variable. They make a training step of a
    small network up to a fifth slower on a CPU.
    """

    def __init__(
        self,
        learning_rate: float | tf.keras.optimizers.schedules.LearningRateSchedule,
        beta_1: float = 0.9,
        average: float | None = None,
    ):
        """Makes the optimizer.

        Args:
          learning_rate: A number, or a schedule of steps.
          beta_1: Decay of the mean gradient.
          average: Decay of a moving average of the variables, which
            `finalize_variable_values` puts in their place; None for no average.
        """
        super().__init__(
            learning_rate,
            beta_1,
            jit_compile=False,
            use_ema=average is not None,
            ema_momentum=0.99 if average is None else average,
        )
        self.moments: Callable | None = None
        self._factors: dict[str, tf.Tensor] | None = None

    def build(self, var_list: Sequence[tf.Variable]) -> None:
        """Makes the moments of variables.

        Args:
          var_list: All variables that `apply_gradients` may ever update.
        """
        super().build(var_list)
        if self.moments is None:
            pairs = self.variables[-2 * len(var_list) :] if var_list else []
            # Under a strategy, each variable is updated by its copy on each replica.
            copies = tf.distribute.get_strategy().experimental_local_results
            table = {
                one.ref(): (mean, square)
                for triple in zip(var_list, pairs[::2], pairs[1::2])
                for one, mean, square in zip(*map(copies, triple))
            }
            self.moments = lambda variable: table[variable.ref()]

    def apply_gradients(self, grads_and_vars: Any, **options: Any) -> tf.Variable:
        """Updates variables, as Keras' own method does.

        Args:
          grads_and_vars: Pairs of a gradient and a variable.
          **options: As of Keras.

        Returns:
          Number of steps so far, int64.
        """
        self._factors = None
        return super().apply_gradients(grads_and_vars, **options)

    def update_step(self, gradient: tf.Tensor, variable: tf.Variable) -> None:
        """Updates a variable and its moments; those of others stay as they are.

        Args:
          gradient: float32, of the shape of the variable.
          variable: One of the variables of `build`.
        """
        if self._factors is None:  # All variables of a step have the same factors.
            step = tf.cast(self.iterations + 1, tf.float32)
            self._factors = {
                "beta1_power": tf.pow(self.beta_1, step),
                "beta2_power": tf.pow(self.beta_2, step),
                "lr": tf.convert_to_tensor(self.learning_rate),
            }
        assert self.moments is not None  # `build` has made them.
        mean, square = self.moments(variable)
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,
            m=mean.handle,
            v=square.handle,
            **self._factors,
            beta1=self.beta_1,
            beta2=self.beta_2,
            epsilon=self.epsilon,
            grad=gradient,
        )


@tf.keras.utils.register_keras_serializable("tfcsi")
class WarmUpCosine(tf.keras.optimizers.schedules.LearningRateSchedule):
    """Learning rate that rises linearly to a peak and falls as a half cosine, a stage.

    Args:
      peak: Largest learning rate.
      steps: Steps an epoch.
      stages: Stages of the training.
      config: Has `warmup_epochs` and `final_rate`, the last rate relative to the peak.
    """

    def __init__(
        self,
        peak: float,
        steps: int,
        stages: list[Stage],
        config: ml_collections.ConfigDict,
    ):
        self.peak, self.final = peak, config.final_rate
        self.warmup = max(1.0, config.warmup_epochs * steps)
        self.lengths = [float(stage.epochs * steps) for stage in stages]
        self.starts = [sum(self.lengths[:i]) for i in range(len(stages))]

    def __call__(self, step: tf.Tensor) -> tf.Tensor:
        """Returns the learning rate of a step of the whole training."""
        step = tf.cast(step, tf.float32)
        starts = tf.constant(self.starts, tf.float32)
        stage = tf.reduce_sum(tf.cast(starts <= step, tf.int32)) - 1
        step -= tf.gather(starts, stage)
        total = tf.maximum(self.warmup + 1.0, tf.gather(self.lengths, stage))
        done = tf.clip_by_value((step - self.warmup) / (total - self.warmup), 0.0, 1.0)
        cosine = self.final + (1 - self.final) * 0.5 * (1 + tf.cos(np.pi * done))
        return self.peak * tf.minimum((step + 1.0) / self.warmup, cosine)

    def get_config(self) -> dict[str, object]:
        """Returns the attributes of the schedule, as Keras stores them."""
        return dict(vars(self))
