"""What a layer sees of a photograph. Source: lucid/recipes/caricature.py."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from samplevis.lucid.core.models import as_model
from samplevis.lucid.misc.io import load, save, showing
from samplevis.lucid.misc.ndimage_utils import resize
from samplevis.lucid.modelzoo.vision_base import Model
from samplevis.lucid.optvis import objectives, param, render, transform
from samplevis.lucid.optvis.objectives import Objective, wrap_objective


@wrap_objective()
def dot_compare(layer: str, batch: int = 1, cossim_pow: float = 0) -> objectives.Score:
    """How much the first image of the batch has of the activations of another, times a power of their cosine.

    Args:
      layer: the layer.
      batch: number of the other image. Defaults to 1.
      cossim_pow: the power; the cosine, which lacks the first image's norm as in Lucid, counts as 0.1 at least. Defaults to 0.
    """

    def inner(T: objectives.Accessor) -> tf.Tensor:  # noqa: N803
        first, other = T(layer)[0], T(layer)[batch]
        dot = tf.reduce_sum(first * other)
        cosine = dot / (1e-6 + tf.sqrt(tf.reduce_sum(other**2)))
        return dot * tf.maximum(0.1, cosine) ** cossim_pow

    return inner


def caricature(
    img: np.ndarray,
    model: Any,
    layer: str | Sequence[str],
    n_steps: int = 512,
    cossim_pow: float = 0.0,
    verbose: bool = True,
) -> np.ndarray:
    """Caricatures of a photograph by one or several layers.

    Args:
      img: [height, width, 3] in [0, 1], resized to the model's size.
      model: the model.
      layer: a layer, or several: a picture for each.
      n_steps: number of updates. Defaults to 512.
      cossim_pow: as in `dot_compare`. Defaults to 0.
      verbose: whether to show the pictures. Defaults to True.

    Returns:
      [1 + number of layers, height, width, 3] in [0, 1]: the resized photograph, then the caricatures.

    Raises:
      TypeError: if `layer` is not a name or a list of names.
    """
    if not isinstance(layer, (str, list, tuple)):
        raise TypeError(f"layer: expected a name, or a list of names. Received: {type(layer).__name__}")
    layers = [layer] if isinstance(layer, str) else list(layer)
    height, width = size_of(as_model(model))
    photograph = np.asarray(resize(img, (height, width)), np.float32)

    def images() -> tf.Tensor:
        drawn = param.image(width, height, batch=len(layers))
        return tf.concat([tf.constant(photograph[None]), drawn], 0)

    comparisons = [dot_compare(each, cossim_pow=cossim_pow, batch=place) for place, each in enumerate(layers, start=1)]
    (result,) = render.render_vis(
        model,
        Objective.sum([1.0 * each for each in comparisons]),
        images,
        transforms=[*transform.standard_transforms, transform.crop_or_pad_to(height, width)],
        thresholds=[n_steps - 1],
        verbose=False,
        relu_gradient_override=False,
    )
    if verbose:
        showing.images(result[1:], layers)
    return result


def feature_inversion(*args: Any, **kwargs: Any) -> np.ndarray:
    """The same as `caricature`."""
    return caricature(*args, **kwargs)


def make_caricature(
    image_url: str, saved_model_folder_url: str, to: str, n_steps: int = 512, cossim_pow: float = 0.0
) -> dict[str, Any]:
    """Writes the caricatures of all layers that a model's manifest lists.

    Args:
      image_url: path of a photograph.
      saved_model_folder_url: folder with a manifest.json.
      to: folder for the pictures and results.json.
      n_steps, cossim_pow: as in `caricature`.

    Returns:
      What results.json contains: paths of the pictures.
    """
    model: Any = Model.load(os.path.join(saved_model_folder_url, "manifest.json"))
    photograph, *pictures = caricature(load(image_url), model, model.layer_names, n_steps, cossim_pow, verbose=False)
    results: dict[str, Any] = {"type": "caricature", "input_image": os.path.join(to, "input.jpg")}
    save(photograph, results["input_image"])
    results["values"] = []
    for name, picture in zip(model.layer_names, pictures, strict=True):
        path = os.path.join(to, f"{name}.jpg")
        save(picture, path)
        results["values"].append({"type": "image", "url": path, "shape": picture.shape})
    save(results, os.path.join(to, "results.json"))
    return results


def imgToModelSize(arr: np.ndarray, model: Any) -> np.ndarray:  # noqa: N802 - Lucid's name, before 0.3.9.
    """A photograph, resized so that it covers the model's size, and cropped to it.

    Args:
      arr: [height, width, 3] in [0, 1].
      model: the model.

    Returns:
      [height, width, 3] of the model's size.
    """
    wanted = size_of(as_model(model))
    ratio = max(side / of for side, of in zip(wanted, arr.shape[:2], strict=True))
    sides = [max(side, round(of * ratio)) for side, of in zip(wanted, arr.shape[:2], strict=True)]
    top, left = ((side - of) // 2 for side, of in zip(sides, wanted, strict=True))
    return resize(arr, sides)[top : top + wanted[0], left : left + wanted[1]]


def size_of(model: Any) -> tuple[int, int]:
    """(height, width) of a model's images, 224 where it takes any."""
    height, width = list(model.image_shape)[-3:-1]
    return height or 224, width or 224
