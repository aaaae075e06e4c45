"""In which precision an activation is computed whose values nothing is accepted or rejected by."""

from __future__ import annotations

import dataclasses
import logging
import time
from collections.abc import Callable
from typing import Literal, get_args

import numpy as np
import tensorflow as tf

from samplevis.activation.activation import Activation
from samplevis.network import Network
from samplevis.network.sources.functional import FunctionalSource
from samplevis.overrides import bfloat16
from samplevis.runtime import compiled, seeds
from samplevis.runtime.checks import check_choice

Precision = Literal["float32", "bfloat16", "auto"]
# The trial takes gradients in turn, at least so many pairs, until the time is up.
TRIAL_SECONDS, MIN_PAIRS = 1.0, 3
# bfloat16 is chosen if its gradient takes at most this share of the time of float32's: less gain is not worth the digits.
WORTH = 0.85

logger = logging.getLogger(__name__)


def in_precision(activation: Activation, precision: Precision, batch: int) -> Activation:
    """An activation that computes its network in another precision.

    Args:
      activation: what is optimised.
      precision: "float32": as it is. "bfloat16": on `overrides.bfloat16` of the network. "auto": in bfloat16 if a trial of about a
        second shows a gain for the network, the machine and the batch; the choice is cached with the network and logged.
      batch: number of images at a time.

    Returns:
      An activation on the same weights.

    Raises:
      ValueError: for another precision; or for "bfloat16" if the network has a fixed one.

    Example:
      >>> from samplevis import activation, modelzoo, param
      >>> from samplevis.activation.precision import in_precision
      >>> a = activation.make_activation(modelzoo.Shapes(), "logits:4", param.fourier(32), None)
      >>> in_precision(a, "bfloat16", 1).network.exact_gradient
      False
    """
    if check_choice("precision", precision, get_args(Precision)) == "float32":
        return activation
    if precision == "auto" and not isinstance(activation.network.source, FunctionalSource):
        return activation
    fast = dataclasses.replace(activation, network=_fast(activation.network))
    return fast if precision == "bfloat16" or _gains(activation, fast, batch) else activation


def _fast(network: Network) -> Network:
    """The network in bfloat16, cached with it; it has the same weights, so that it is never out of date."""
    if "bfloat16" not in network.compiled:
        network.compiled["bfloat16"] = bfloat16(network)
    return network.compiled["bfloat16"]


def _gains(activation: Activation, fast: Activation, batch: int) -> bool:
    """Whether the trial shows a gain, found once."""
    known, key = activation.network.compiled, ("bfloat16 gains", activation.key, batch)
    if key not in known:
        share = measured_share(_gradient(activation, batch), _gradient(fast, batch))
        known[key] = share <= WORTH
        logger.info(
            "precision: %s for %s; a gradient of %d images in bfloat16 took %.2f of the time of float32",
            "bfloat16" if known[key] else "float32",
            activation.network.name,
            batch,
            share,
        )
    return known[key]


def measured_share(slow: Callable[[], object], fast: Callable[[], object]) -> float:
    """The median time of `fast` over that of `slow`, taken in turn for `TRIAL_SECONDS`, after one call of each that compiles."""
    slow(), fast()
    ratios, end = [], time.perf_counter() + TRIAL_SECONDS
    while len(ratios) < MIN_PAIRS or time.perf_counter() < end:
        clock = time.perf_counter()
        slow()
        middle = time.perf_counter()
        fast()
        ratios.append((time.perf_counter() - middle) / (middle - clock))
    return float(np.median(ratios))


def _gradient(activation: Activation, batch: int) -> Callable[[], np.ndarray]:
    """A call that computes the gradient of a batch, one transform an image."""
    seed = seeds.root(0)
    z, params = activation.param.prior(seed, batch), activation.sample_transforms(seed, batch)

    def gradient(z: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            tape.watch(z)
            score = activation.paired(z, params)
        return tape.gradient(score, z, unconnected_gradients=tf.UnconnectedGradients.ZERO)

    run = compiled.uncached("gradient", gradient)
    return lambda: run(z).numpy()
