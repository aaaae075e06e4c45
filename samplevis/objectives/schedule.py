"""Weights that change in the course of an optimisation. Multiply an objective by one.

A weight is an objective with the same score for all images. The step is the number of updates so far: 0 before the first.
Sampling has no steps: there every schedule has ended, `decay` is 0 and the others are 1.

Example:
  >>> objectives.channel("conv2", 1) - 0.1 * objectives.decay(300) * objectives.blur_input_each_step()
  (channel(conv2, 1) - ((0.1 * decay(300)) * blur_input_each_step()))
"""

from __future__ import annotations

from collections.abc import Callable

import tensorflow as tf

from samplevis.objectives.base import Objective
from samplevis.runtime.checks import check_number

# The step of a schedule that has ended.
END = tf.int32.max


def decay(steps: float) -> Objective:
    """A weight that falls linearly from 1 at the first step to 0 at step `steps`, and stays there.

    Args:
      steps: number of updates, > 0; need not be whole.

    Returns:
      A weight. Source: Lucid's notebook misc/alpha_feature_vis, which has no lower bound.

    Raises:
      ValueError: if `steps` is not > 0.

    Example:
      >>> T = {"step": tf.constant(75)}.__getitem__
      >>> float(objectives.decay(300)(T))
      0.75
    """
    check_number("decay: steps", steps, 0, above=True)
    return _weight("decay", lambda step, n: 1 - tf.minimum(step / n, 1), steps)


def only_after(step: float) -> Objective:
    """A weight that is 0 before step `step`, and 1 from then on.

    Args:
      step: number of updates, >= 0.

    Returns:
      A weight. Source: Lucid's notebook misc/alpha_feature_vis.

    Raises:
      ValueError: if `step` is not >= 0.

    Example:
      >>> T = {"step": tf.constant(75)}.__getitem__
      >>> float(objectives.only_after(75)(T)), float(objectives.only_after(76)(T))
      (1.0, 0.0)
    """
    check_number("only_after: step", step, 0)
    return _weight("only_after", lambda now, first: tf.where(now >= first, 1.0, 0.0), step)


def ramp(first: float, last: float) -> Objective:
    """A weight that is 0 until step `first` and rises linearly to 1 at step `last`.

    Args:
      first: number of updates, >= 0.
      last: number of updates, > first.

    Returns:
      A weight.

    Raises:
      ValueError: unless 0 <= first < last.

    Example:
      >>> T = {"step": tf.constant(75)}.__getitem__
      >>> float(objectives.ramp(50, 100)(T))
      0.5
    """
    check_number("ramp: first", first, 0)
    check_number("ramp: last", last, first, above=True)
    return _weight("ramp", lambda step, a, b: tf.clip_by_value((step - a) / (b - a), 0, 1), first, last)


def _weight(name: str, function: Callable[..., tf.Tensor], *numbers: float) -> Objective:
    return Objective(
        lambda T, parameters: function(*(tf.cast(x, tf.float32) for x in (T("step"), *parameters))),
        name,
        tuple(float(number) for number in numbers),
        f"{name}({', '.join(f'{number:g}' for number in numbers)})",
    )
