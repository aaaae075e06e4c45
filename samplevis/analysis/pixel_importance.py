"""importance(): which pixels an optimisation worked on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf

from samplevis import param
from samplevis.activation import make_activation
from samplevis.network import Network
from samplevis.objectives import Objective
from samplevis.results.optimized import Optimized
from samplevis.runtime import seeds
from samplevis.runtime.checks import brief, check_number, check_whole
from samplevis.transform import Transform


class Importance(NamedTuple):
    """What `importance` returns.

    Attributes:
      map: mean absolute gradient of the activation, float32 [N, H, W], in units of activation per unit of pixel value.
      pictures: the images with the map as their alpha channel, float32 [N, H, W, C + 1] in [0, 1].
    """

    map: np.ndarray
    pictures: np.ndarray


def importance(
    model: Network | keras.Model,
    obj: Objective | str | Callable,
    result: Optimized,
    *,
    transforms: Transform | Sequence[Transform] | str | None = "standard",
    draws: int = 4,
    percentile: float = 80.0,
    seed: int = 0,
) -> Importance:
    """Accumulates the gradient with respect to the image over an optimisation, and hides what it did not touch.

    A phase or a colour is never "off": images made with `param.maco` are full of detail to which the objective is blind.

    Source: Fel et al. 2023 (arXiv:2306.06805), who add up |gradient| while they optimise.

    Args:
      model, obj: those of the optimisation.
      result: what `optimize` returned. Its snapshots are the steps that count, so ask for them with `thresholds`; its last
        images count as well.
      transforms: those of the optimisation. Defaults to Lucid's standard set.
      draws: transforms for each image, >= 1. Defaults to 4.
      percentile: share of the pixels, in percent, that may be transparent to some degree; the others are opaque. Above 0, to
        100. Defaults to 80.
      seed: int from 0 to 2**31 - 1.

    Returns:
      `Importance`.

    Raises:
      ValueError, TypeError: if an argument is out of range.

    Example:
      >>> result = samplevis.optimize(model, obj, param=p, transforms=crops, thresholds=range(16, 257, 16))
      >>> pictures = samplevis.importance(model, obj, result, transforms=crops).pictures
    """
    if not isinstance(result, Optimized):
        raise TypeError(f"result: expected what samplevis.optimize returned. Received: {brief(result)}")
    check_whole("draws", draws, 1)
    check_number("percentile", percentile)
    if not 0 < percentile <= 100:
        raise ValueError(f"percentile: expected a number above 0, to 100. Received: {percentile!r}")
    root, (batch, *size, channels) = seeds.root(seed), result.images.shape
    # Only the shape matters: the gradient is that of the image.
    activation = make_activation(model, obj, param.pixel(tuple(size), channels=channels), transforms)
    steps = [*result.snapshots.values(), result.images]
    total = np.zeros((batch, *size))
    for number, step in enumerate(steps):
        images = tf.constant(step)
        for member in range(draws):
            drawn = activation.sample_transforms(seeds.fold(root, "importance", number, member), batch)
            with tf.GradientTape() as tape:
                tape.watch(images)
                score = activation.of_images(images, drawn)
            total += np.abs(tape.gradient(score, images).numpy()).mean(-1)
    found = (total / (len(steps) * draws)).astype(np.float32)
    limit = np.percentile(found, percentile, axis=tuple(range(1, found.ndim)), keepdims=True)
    alpha = np.clip(np.divide(found, limit, out=np.ones_like(found), where=limit > 0), 0, 1)
    return Importance(found, np.concatenate([result.images, alpha[..., None]], -1))
