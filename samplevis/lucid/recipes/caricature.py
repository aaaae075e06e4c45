"""What a layer sees of a photograph. Source: lucid/recipes/caricature.py."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from samplevis.lucid.core.networks import network_of
from samplevis.lucid.misc.io import show
from samplevis.lucid.optvis import objectives, param, render, transform
from samplevis.lucid.optvis.objectives import wrap_objective
from samplevis.recipes.picture import resize


def imgToModelSize(arr: np.ndarray, model: Any) -> np.ndarray:  # noqa: N802 - Lucid's name.
    """A photograph, resized and cropped to the model's square.

    Args:
      arr: [height, width, 3] in [0, 1].
      model: the model.

    Returns:
      [side, side, 3].
    """
    side = network_of(model).image_shape[0] or (getattr(model, "image_shape", None) or [224])[0] or 224
    height, width = arr.shape[:2]
    ratio = side / min(height, width)
    arr = resize(np.float32(arr), (max(side, round(height * ratio)), max(side, round(width * ratio))))
    top, left = (arr.shape[0] - side) // 2, (arr.shape[1] - side) // 2
    return arr[top : top + side, left : left + side]


@wrap_objective()
def dot_compare(layer: str, batch: int = 1, cossim_pow: float = 0) -> objectives.Score:
    """How much the first image of the batch has of the activations of another, times a power of their cosine.

    Args:
      layer: the layer.
      batch: number of the other image. Defaults to 1.
      cossim_pow: the power; the cosine, which lacks the first image's norm as in Lucid, counts as 0.1 at least. Defaults to 0.
    """

    def inner(T: objectives.Accessor) -> tf.Tensor:  # noqa: N803
        mine, other = T(layer)[0], T(layer)[batch]
        dot = tf.reduce_sum(mine * other)
        return dot * tf.maximum(0.1, dot / (1e-6 + tf.sqrt(tf.reduce_sum(other**2)))) ** cossim_pow

    return inner


def feature_inversion(
    img: np.ndarray,
    model: Any,
    layer: str | Sequence[str],
    n_steps: int = 512,
    cossim_pow: float = 0.0,
    verbose: bool = True,
) -> np.ndarray:
    """A caricature of a photograph by a layer.

    Args:
      img: [height, width, 3] in [0, 1].
      model: the model.
      layer: a layer, or several: a picture for each.
      n_steps: number of updates. Defaults to 512.
      cossim_pow: as in `dot_compare`. Defaults to 0.
      verbose: whether to show the picture. Defaults to True.

    Returns:
      [side, side, 3] in [0, 1], or a list of these.
    """
    if not isinstance(layer, str):
        return [feature_inversion(img, model, each, n_steps, cossim_pow, verbose) for each in layer]
    img = imgToModelSize(img, model)
    objective = dot_compare(layer, cossim_pow=cossim_pow) - objectives.blur_input_each_step()
    transforms = [
        transform.pad(8, mode="constant", constant_value=0.5),
        transform.jitter(8),
        transform.random_scale([0.9, 0.95, 1.05, 1.1, 1.0, 1.0, 1.0, 1.0]),
        transform.random_rotate([*range(-5, 5), 0, 0, 0, 0, 0]),
        transform.jitter(2),
    ]

    def images() -> tf.Tensor:
        return tf.stack([param.image(img.shape[1], img.shape[0])[0], tf.constant(img, tf.float32)])

    (pair,) = render.render_vis(
        model, objective, images, transforms=transforms, thresholds=[n_steps - 1], verbose=False
    )
    if verbose:
        show(pair[0])
    return pair[0]


caricature = feature_inversion
