"""Activations of one image in many layers. Source: lucid/recipes/image_activations.py."""

from __future__ import annotations

from collections.abc import Sequence
from timeit import default_timer as timer
from typing import Any

import numpy as np
import tensorflow as tf

from samplevis.lucid.core.models import as_model
from samplevis.lucid.misc.ndimage_utils import resize
from samplevis.lucid.recipes.caricature import size_of


def image_activations(model: Any, image: np.ndarray, layer_names: Sequence[str] | None = None) -> dict[str, np.ndarray]:
    """The activations of an image.

    Args:
      model: the model.
      image: [height, width, channels] in [0, 1], resized to the model's size.
      layer_names: names of layers. Default to all that are tagged "conv".

    Returns:
      {layer: activations without the batch}.

    Example:
      >>> from samplevis.lucid.modelzoo import vision_models
      >>> acts = image_activations(vision_models.Shapes(), np.zeros([32, 32, 3], np.float32), ["logits"])
      >>> acts["logits"].shape
      (18,)
    """
    model = as_model(model)
    if layer_names is None:
        layer_names = [layer.name for layer in model.layers if "conv" in layer.tags]
    resized = np.asarray(resize(image, size_of(model)), np.float32)
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        T = model.import_graph(tf.constant(resized), scope="import")  # noqa: N806
        return session.run({name: T(name)[0] for name in layer_names})


def manifest_image_activations(
    model: Any, image: np.ndarray, layer_names: Sequence[str] | None = None
) -> dict[str, Any]:
    """`image_activations` as a list with shapes, and the seconds that it took."""
    start = timer()
    found = image_activations(model, image, layer_names)
    values = [
        {"type": "activations", "value": value, "shape": value.shape, "layer_name": name}
        for name, value in found.items()
    ]
    return {"type": "image-activations", "took": timer() - start, "values": values}
