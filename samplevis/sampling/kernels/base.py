"""What the kernels share: their base class, gradients of a target, and the pieces of an accept step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf
import tensorflow_probability as tfp

# state [chain, ...] -> tilt [chain]: the log density less that of N(0, I), in nats.
Target = Callable[[tf.Tensor], tf.Tensor]
# Seed int32 [2] -> a target on freshly drawn transforms.
Redraw = Callable[[tf.Tensor], Target]


class Kernel(tfp.mcmc.TransitionKernel):
    """A TFP transition kernel that keeps its constructor's arguments in `_parameters`, and is exact by default."""

    _parameters: dict[str, Any]

    @property
    def parameters(self) -> dict[str, Any]:
        """The arguments of the constructor."""
        return self._parameters

    @property
    def is_calibrated(self) -> bool:
        """Whether the kernel leaves its density invariant."""
        return True


def value_and_gradient(target_fn: Target, state: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Evaluates a target and its gradient.

    Args:
      target_fn: state [chain, ...] -> tilt [chain].
      state: [chain, ...].

    Returns:
      (tilt [chain], gradient of the tilt in the shape of the state; zero where the tilt does not depend on the state).
    """
    with tf.GradientTape() as tape:
        tape.watch(state)
        tilt = target_fn(state)
    return tilt, tape.gradient(tilt, state, unconnected_gradients=tf.UnconnectedGradients.ZERO)


def acceptance_probability(log_ratio: tf.Tensor) -> tf.Tensor:
    """Metropolis' acceptance probability of a log ratio, elementwise; 0 where it is not finite."""
    return tf.where(tf.math.is_finite(log_ratio), tf.exp(tf.minimum(log_ratio, 0.0)), 0.0)


def uniform_above_zero(shape: Any, seed: tf.Tensor) -> tf.Tensor:
    """Draw uniform numbers from (0, 1].

    TensorFlow draws from [0, 1), and one number in 2^23 is exactly 0. It is below every probability, and its logarithm is below
    every log probability, so that even the impossible would be accepted.
    """
    return 1.0 - tf.random.stateless_uniform(shape, seed)


def accepts(log_ratio: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Metropolis' decisions, bool [chain], of log ratios [chain]; False where one is not finite."""
    uniform = uniform_above_zero(tf.shape(log_ratio), seed)
    return tf.math.is_finite(log_ratio) & (tf.math.log(uniform) <= log_ratio)


def choose(accepted: tf.Tensor, new: tf.Tensor, old: tf.Tensor) -> tf.Tensor:
    """New states where accepted, old ones elsewhere; `accepted` is bool [chain], states are [chain, ...]."""
    shape = tf.concat([tf.shape(accepted), tf.ones([new.shape.rank - 1], tf.int32)], 0)
    return tf.where(tf.reshape(accepted, shape), new, old)


def half_square(x: tf.Tensor, dtype: tf.DType) -> tf.Tensor:
    """|x|^2 / 2 of each chain, summed in `dtype`: [chain, ...] -> [chain]."""
    return tf.reduce_sum(tf.square(tf.cast(x, dtype)), list(range(1, x.shape.rank))) / 2


def unit_mass_log_density(target_fn: Target, preconditioner: tf.Tensor) -> Callable[[tf.Tensor], tf.Tensor]:
    """The log density of states divided by the preconditioner, for kernels with a unit mass.

    Args:
      target_fn: state [chain, ...] -> tilt [chain].
      preconditioner: root of the inverse diagonal mass, shape of one state.

    Returns:
      state / preconditioner [chain, ...] -> log density [chain], up to a constant.
    """

    def log_density(x: tf.Tensor) -> tf.Tensor:
        return target_fn(x * preconditioner) - half_square(x * preconditioner, tf.float32)

    return log_density
