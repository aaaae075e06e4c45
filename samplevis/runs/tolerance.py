"""Weaker transforms for units that lose their activation under the default ones, as of networks with a flattened, dense head."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import NamedTuple, Protocol, TypeVar

import numpy as np
import tensorflow as tf

from samplevis.activation import Activation
from samplevis.activation.untransformed import untransformed
from samplevis.optimizers.ascent import AscentOptions, ascend
from samplevis.runtime.context import RunContext
from samplevis.sampling.level_scale import LevelScale
from samplevis.transform import compose
from samplevis.transform.sets import robust

# The share of its activation that a unit has to retain under the transforms. In trials with digits of 8 and 28 pixels, another
# network named the optimised pictures right from .4 on, and often wrong below .3. Weaker transforms are no gain in themselves:
# pooled networks then show texture.
MIN_RETAINED = 0.3
# Where optimised pictures lose no more than this by the transforms, optimising without them is not worth its time.
MAX_LOSS = 0.1
MAX_HALVINGS = 4
# Updates without transforms, from the best picture under them.
REFERENCE_STEPS = 128


class Optimum(Protocol):
    """Optimised images.

    Attributes:
      activation: what was maximised.
      latents: of the images, [N, *latent_shape].
      scale: with their activation on fresh transforms.
    """

    activation: Activation
    latents: np.ndarray
    scale: LevelScale


OptimumT = TypeVar("OptimumT", bound=Optimum)


class Tolerated(NamedTuple):
    """What `tolerated` returns.

    Attributes:
      optimum: what the last attempt returned.
      retained: what `retained` found in each attempt, each with half the amplitude of the one before.
    """

    optimum: Optimum
    retained: tuple[float, ...]


def tolerated(attempt: Callable[[float], OptimumT], context: RunContext) -> Tolerated:
    """Halves the transforms until the unit retains its activation under them, four times at most.

    Args:
      attempt: optimises under transforms of an amplitude, as a fraction of that of the default set.
      context: seed and checkpoint.

    Returns:
      The optimum under the transforms that are tolerated, and how much is retained.

    Example:
      >>> tolerated(lambda amplitude: optimised(weakened(activation, amplitude)), RunContext(seeds.root(0))).retained
      (0.18, 0.37)
    """
    shares: list[float] = []
    for halvings in range(MAX_HALVINGS + 1):
        optimum = attempt(0.5**halvings)
        found = context.checkpoint.get_or_compute(
            f"retained {halvings}", lambda optimum=optimum: {"share": retained(optimum, context.seed)}
        )
        shares.append(float(found["share"]))
        # Nothing is known of an activation that is not finite.
        if not shares[-1] < MIN_RETAINED:
            break
    return Tolerated(optimum, tuple(shares))


def retained(optimum: Optimum, seed: tf.Tensor) -> float:
    """The share of a unit's activation that is left under the transforms.

    That is the best image's activation under them, over that of the same image after it was optimised on without them; both
    above the mean under the prior.

    Args:
      optimum: images that were optimised under the transforms.
      seed: int32 tensor of shape [2].

    Returns:
      The share; an upper bound of it if it exceeds 1 - MAX_LOSS.

    Example:
      >>> retained(optimum, seeds.root(0))
      0.18
    """
    plain = untransformed(optimum.activation)
    prior, optimum_under = optimum.scale.prior, optimum.scale.optimum

    def share(latents: np.ndarray) -> tuple[float, int]:
        values = plain.mean(tf.constant(latents), plain.sample_transforms(seed, 1)).numpy()
        best = int(np.nanargmax(np.where(np.isfinite(values), values, -np.inf)))
        return (optimum_under - prior) / max(float(values[best]) - prior, np.finfo(np.float32).tiny), best

    found, best = share(optimum.latents)
    if found >= 1 - MAX_LOSS:
        return found
    start = tf.constant(optimum.latents[best : best + 1])
    options = AscentOptions(REFERENCE_STEPS, skip_nonfinite=True)
    return share(ascend(plain, start, options, seed).latents)[0]


def weakened(activation: Activation, amplitude: float) -> Activation:
    """The activation under the default transforms of another amplitude.

    Args:
      activation: under the default set "robust".
      amplitude: fraction of the shifts, zooms and rotations of the set, > 0.

    Returns:
      An `Activation`.

    Example:
      >>> weakened(activation, 0.5).transform
      Compose(transforms=(Affine(shift=4.0, scale=0.05, rotate=4.0, edges='reflect'),))
    """
    *sides, _ = activation.param.image_shape
    transform = compose(robust(len(sides), min(sides), amplitude))
    return activation if amplitude == 1 else dataclasses.replace(activation, transform=transform)
