"""Gradient ascent on a smoothed network first: the kinks of ReLU6 and max pooling leave pale pictures at the same activation."""

from __future__ import annotations

import dataclasses
import logging

import numpy as np
import tensorflow as tf

from samplevis.activation import Activation
from samplevis.optimizers import Method, as_method
from samplevis.optimizers.ascent import AscentOptions, ascend, unresponsive
from samplevis.overrides.smooth import DEFAULT_SOFTNESS, smoothed
from samplevis.results.optimized import Optimized
from samplevis.runtime.checks import check_number
from samplevis.runtime.progress import Progress

# One step in so many is the last part's, on the network as it is: as `render` optimises.
EXACT_PART = 5
SMOOTH = DEFAULT_SOFTNESS

logger = logging.getLogger(__name__)


def check_smooth(smooth: float | None) -> None:
    """Raises TypeError or ValueError unless a softness is a number > 0 or None."""
    if smooth is not None:
        check_number("smooth", smooth, 0, above=True)


def smooth_activation(activation: Activation, smooth: float | None, options: AscentOptions) -> Activation | None:
    """The activation on the smoothed network.

    Args:
      activation: of the network as it is.
      smooth: softness of the kinks; None for none.
      options: of the ascent.

    Returns:
      The activation; None if there is nothing to smooth: a network without kinks, with gradients of its own or that cannot be
      copied, a single step, or an optimiser that is not Keras's.
    """
    network = activation.network
    if (
        smooth is None
        or options.steps < 2
        or not network.exact_gradient
        or isinstance(as_method(options.optimizer), Method)
    ):
        return None
    try:
        smooth_network = smoothed(network, float(smooth))
    except (TypeError, ValueError) as error:
        logger.info("smooth: %r is optimised as it is, since it cannot be smoothed: %s", network.name, error)
        return None
    if smooth_network is network:
        return None
    return dataclasses.replace(activation, network=smooth_network)


def ascend_smoothly(
    activation: Activation,
    smooth: Activation | None,
    z: tf.Tensor,
    options: AscentOptions,
    seed: tf.Tensor,
    bar: Progress,
) -> tuple[Optimized, np.ndarray]:
    """Maximises the activation of a smoothed network, and in the last fifth of the steps that of the network as it is.

    Args:
      activation: the function to maximise.
      smooth: the same on the smoothed network; None for all steps on the network as it is.
      z: first latents, [batch, *latent_shape].
      options: what to do.
      seed: int32 tensor of shape [2].
      bar: progress on which the steps count.

    Returns:
      (the result of all steps, those images that no step changed the score of: bool [batch], judged on the network as it is where
      it has several steps).

    Raises:
      ValueError, FloatingPointError: as `ascend`.
    """
    if smooth is None:
        found = ascend(activation, z, options, seed, bar=bar)
        return found, unresponsive(found.history)
    last = max(options.steps // EXACT_PART, 1)
    first = options.steps - last
    before = dataclasses.replace(
        options,
        steps=first,
        thresholds=[threshold for threshold in options.thresholds if threshold <= first],
        redirect_steps=None if options.redirect_steps is None else min(options.redirect_steps, first),
    )
    found = ascend(smooth, z, before, seed, bar=bar)
    found = dataclasses.replace(found, smooth_steps=len(found.history))
    if bar.interrupted:
        return found, unresponsive(found.history[:0])
    after = dataclasses.replace(
        options,
        steps=last,
        thresholds=[threshold - first for threshold in options.thresholds if threshold > first],
        redirect_steps=None if options.redirect_steps is None else 0,
        first_step=first,
    )
    try:
        end = ascend(activation, tf.constant(found.latents), after, seed, bar=bar)
    except KeyboardInterrupt:
        if bar.insisted:
            raise
        return found, unresponsive(found.history[:0])
    snapshots = found.snapshots | {first + number: images for number, images in end.snapshots.items()}
    history = np.concatenate([found.history, end.history])
    silent = unresponsive(end.history if len(end.history) > 1 else history)
    return dataclasses.replace(end, history=history, snapshots=snapshots, smooth_steps=found.smooth_steps), silent
