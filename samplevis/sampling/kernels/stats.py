"""The statistics of a transition, the same for every kernel."""

from __future__ import annotations

from typing import Any, NamedTuple

import tensorflow as tf

# Names in files and checkpoints of samplevis 0.1 -> names of today.
RENAMED_STATS = {
    "accept": "acceptance_rate",
    "move_accept": "move_acceptance_rate",
    "gradients": "num_gradient_evals",
}
# Stands for the log acceptance of a proposal that is not finite: zero acceptance, but finite for the adaptation.
LOG_ZERO = -1e4


class TransitionStats(NamedTuple):
    """The statistics of a transition, or of many: arrays [transition, chain], but for the last two, [transition].

    Attributes:
      acceptance_rate: acceptance probability of the proposal, in [0, 1].
      is_accepted: bool.
      energy_error: energy gained along the trajectory, in nats; not finite where the proposal was not.
      energy: total energy at the start of the trajectory, in nats, float64.
      log_density: tilt plus the prior's -|z|^2 / 2, in nats, float64.
      temperature: mean square of the velocities after the Metropolis decision, 1 in equilibrium; nan for NUTS.
      move_acceptance_rate: acceptance probability of the free move that was offered; nan if none was.
      step_size: radians.
      num_gradient_evals: gradient evaluations of the longest chain.
    """

    acceptance_rate: Any
    is_accepted: Any
    energy_error: Any
    energy: Any
    log_density: Any
    temperature: Any
    move_acceptance_rate: Any
    step_size: Any
    num_gradient_evals: Any


def log_acceptance(log_accept_ratio: tf.Tensor) -> tf.Tensor:
    """Log of the acceptance probability, elementwise; `LOG_ZERO` where the proposal was not finite."""
    clipped = tf.clip_by_value(log_accept_ratio, LOG_ZERO, 0.0)
    return tf.where(tf.math.is_finite(log_accept_ratio), clipped, LOG_ZERO)
