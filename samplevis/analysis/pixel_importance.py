"""importance(): which pixels mattered in an optimisation."""

from __future__ import annotations

from collections.abc import Callable
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
from samplevis.runtime.deprecation import renamed_keywords
from samplevis.transform.base import TransformLike


class Importance(NamedTuple):
    """What `importance` returns.

    Attributes:
      map: mean absolute gradient of the activation, float32 [N, H, W], in units of activation per unit of pixel value.
      pictures: the images with the map as their alpha channel, float32 [N, H, W, C + 1] in [0, 1].
    """

    map: np.ndarray
    pictures: np.ndarray


@renamed_keywords(draws="num_transforms")
def importance(
    model: Network | keras.Model,
    obj: Objective | str | Callable,
    result: Optimized,
    *,
    transforms: TransformLike = "standard",
    num_transforms: int = 4,
    percentile: float = 80.0,
    seed: int = 0,
) -> Importance:
    """Averages the magnitude of the gradient with respect to the image over an optimisation, as an alpha channel.

    Images made with `param.maco` have detail everywhere, since no frequency is ever "off". Importance hides the detail that the
    objective does not depend on.

    Source: Fel et al. 2023 (arXiv:2306.06805), who sum |gradient| over the optimisation.

    Args:
      model, obj: those of the optimisation.
      result: what `optimize` returned. The average is over its snapshots and its last images, so set `thresholds`.
      transforms: those of the optimisation. Defaults to "standard", Lucid's set.
      num_transforms: number of transforms for each image, >= 1. Defaults to 4.
      percentile: percentage of the pixels that may be partly transparent; the others are opaque. Above 0, at most 100.
        Defaults to 80.
      seed: int from 0 to 2**31 - 1. Defaults to 0.

    Returns:
      `Importance`.

    Raises:
      ValueError, TypeError: if an argument is out of range.

    Example:
      >>> import samplevis
      >>> from samplevis import modelzoo, param
      >>> model, p = modelzoo.Shapes(), param.maco(param.fourier(32, contrast=1.0))
      >>> result = samplevis.optimize(
      ...     model, "logits:4", param=p, transforms=None, steps=8, thresholds=(4, 8), progress=False
      ... )
      >>> samplevis.importance(model, "logits:4", result, transforms=None).pictures.shape
      (1, 32, 32, 4)
    """
    if not isinstance(result, Optimized):
        raise TypeError(f"result: expected what samplevis.optimize returned. Received: {brief(result)}")
    check_whole("num_transforms", num_transforms, 1)
    check_number("percentile", percentile)
    if not 0 < percentile <= 100:
        raise ValueError(f"percentile: expected a number above 0, to 100. Received: {percentile!r}")
    root, (batch, *size, channels) = seeds.root(seed), result.images.shape
    # The gradient is with respect to the image, so only the shape of the parameterization matters.
    activation = make_activation(model, obj, param.pixel(tuple(size), channels=channels), transforms)
    steps = [*result.snapshots.values(), result.images]
    total = np.zeros((batch, *size))
    for number, step in enumerate(steps):
        images = tf.constant(step)
        for repeat in range(num_transforms):
            transform_params = activation.sample_transforms(seeds.fold(root, "importance", number, repeat), batch)
            with tf.GradientTape() as tape:
                tape.watch(images)
                score = activation.of_images(images, transform_params)
            total += np.abs(tape.gradient(score, images).numpy()).mean(-1)
    mean = (total / (len(steps) * num_transforms)).astype(np.float32)
    places = tuple(range(1, mean.ndim))
    limit = np.percentile(mean, percentile, axis=places, keepdims=True)
    # If fewer pixels matter than lie above the percentile, all that do are opaque; and everything, if none does.
    few = np.where(mean.any(places, keepdims=True), np.sign(mean), 1).astype(np.float32)
    alpha = np.clip(np.divide(mean, limit, out=few, where=limit > 0), 0, 1)
    return Importance(mean, np.concatenate([result.images, alpha[..., None]], -1))
