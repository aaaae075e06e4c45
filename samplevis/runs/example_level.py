"""level="examples": the activation that real pictures reach, as the level of a run."""

from __future__ import annotations

import os
from typing import NamedTuple, TypeAlias

import numpy as np
import tensorflow as tf

from samplevis.activation import Activation
from samplevis.activation.chunked import bank_size
from samplevis.analysis.dataset_examples import Examples, collect
from samplevis.runtime.checks import check_between
from samplevis.sampling.level_scale import Gauge, fresh_transforms

# Images of a folder that are held ready, of the most and of the least active.
NUM_EXTREMES = 64
# Levels that can be sampled: below the first, the unit prefers noise to the pictures.
MIN_LEVEL = 0.02

ExamplesLike: TypeAlias = Examples | str | os.PathLike | np.ndarray | None


class ExampleLevel(NamedTuple):
    """The pictures that set the level.

    Attributes:
      examples: all pictures.
      image: the one whose activation is the level, [1, *image_shape] in [0, 1].
      name: its file or number.
    """

    examples: Examples
    image: tf.Tensor
    name: str


def level_of_examples(activation: Activation, examples: ExamplesLike, quantile: float) -> ExampleLevel:
    """Finds the picture that sets the level.

    Args:
      activation: the unit, on the network as it is.
      examples: what `samplevis.collect` returned for the unit, or a folder or images to collect from.
      quantile: of the pictures' activations, in (0, 1]; 1 is the best.

    Returns:
      `ExampleLevel`.

    Raises:
      ValueError: if there are no examples, they are another unit's, or too few of their images are at hand for the quantile.
    """
    check_between("examples_quantile", quantile, 0.0, 1.0)
    if examples is None:
        raise ValueError(
            "examples: level='examples' needs them: a folder of pictures, or what samplevis.collect returned"
        )
    image_shape = activation.param.image_shape
    if not isinstance(examples, Examples):
        examples = _collected(activation, examples, quantile)
    if examples.objective != str(activation.objective):
        raise ValueError(f"examples: expected those of {activation.objective}. Received: {examples.objective}")
    rank = _rank(examples, quantile)
    if rank >= len(examples.top_images):
        raise ValueError(
            f"examples: the {quantile:g} quantile is picture {rank + 1} from the top, and {len(examples.top_images)} are at hand. "
            f"Give samplevis.collect(..., top={rank + 1})"
        )
    image = tf.constant(examples.top_images[rank : rank + 1])
    if image.shape[1:] != image_shape:
        if len(image_shape) != 3 or image.shape[-1] != image_shape[-1]:
            raise ValueError(f"examples: expected images of shape {image_shape}. Received: {tuple(image.shape[1:])}")
        image = tf.clip_by_value(tf.image.resize(image, image_shape[:-1], antialias=True), 0.0, 1.0)
    return ExampleLevel(examples, image, examples.top_names[rank])


def _collected(activation: Activation, images: str | os.PathLike | np.ndarray, quantile: float) -> Examples:
    """The examples of a folder or of images, with the picture of the quantile at hand."""
    is_folder, sides = isinstance(images, (str, os.PathLike)), activation.param.image_shape[:-1]
    size = sides if is_folder and len(sides) == 2 else None

    def collected(top: int) -> Examples:
        return collect(activation.network, activation.objective, images, image_size=size, top=top, bottom=NUM_EXTREMES)

    found = collected(NUM_EXTREMES)
    rank = _rank(found, quantile)
    return found if rank < len(found.top_images) else collected(rank + 1)


def _rank(examples: Examples, quantile: float) -> int:
    """How many pictures are more active than that of the quantile."""
    return int((1 - quantile) * len(examples) + 1e-9)


def measure_level(gauge: Gauge, found: ExampleLevel, seed: tf.Tensor) -> float:
    """The level of the picture, on fresh transforms like any other.

    Args:
      gauge: where levels are measured.
      found: the picture.
      seed: of the fresh transforms, int32 [2].

    Returns:
      The level.

    Raises:
      ValueError: if it is no level between the prior and the optimised images.
    """
    activation, scale = gauge
    fresh = fresh_transforms(activation, seed)
    value = float(tf.reduce_mean(activation.of_images(found.image, fresh, bank_size(fresh))))
    level = scale.levels(value)
    if not MIN_LEVEL <= level <= 1:
        where = "no more than noise" if level < MIN_LEVEL else "more than the optimised images"
        raise ValueError(
            f"level: the picture {found.name} excites {activation.objective} {where} ({value:.4g}; noise {scale.prior:.4g}, "
            f"optimised {scale.optimum:.4g}). Give other examples, another quantile, or a level from 0 to 1"
        )
    return level
