"""What warm-up reads from and writes to the results of any kernel to adapt its step size."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from samplevis.sampling.kernels.stats import log_acceptance

# Energy lost on a proposal, in nats, by which a chain shows that it still falls towards its density. At rest, where errors are
# nearly normal with half their variance as mean (Beskos et al. 2013), fewer than one in twelve are such, however long the step.
FALL = 1.0


def step_size_of(results: Any) -> Any:
    """The step size in the results of any kernel."""
    return results.step_size if hasattr(results, "step_size") else results.accepted_results.step_size


def with_step_size(results: Any, step_size: Any) -> Any:
    """The same results with another step size."""
    if hasattr(results, "step_size"):
        return results._replace(step_size=step_size)
    return results._replace(accepted_results=results.accepted_results._replace(step_size=step_size))


def adaptation_log_accept(results: Any, target: float) -> tf.Tensor:
    """Log of the acceptance probability that the step size adapts to.

    It is `target`, which leaves the step size alone, for chains that say nothing about it: a chain that still falls towards its
    density (it loses more than `FALL`) is accepted whatever the step, which would grow until it is far too long; and a chain
    whose own density is not finite can never move.

    Args:
      results: a kernel's.
      target: acceptance probability aimed at, in (0, 1).

    Returns:
      float32 [chain], <= 0; `LOG_ZERO` where the proposal was not finite.
    """
    ratio = results.log_accept_ratio
    falls = tf.math.is_finite(ratio) & (ratio > FALL)
    return tf.where(falls | _is_stuck(results), np.float32(np.log(target)), log_acceptance(ratio))


def _is_stuck(results: Any) -> tf.Tensor:
    """Whether the density of a chain's own state is not finite, bool [chain]: it can never move."""
    if hasattr(results, "accepted_results"):
        return _is_stuck(results.accepted_results)
    return ~tf.math.is_finite(results.tilt if hasattr(results, "tilt") else results.target_log_prob)
