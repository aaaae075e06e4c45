"""Style transfer: the content of one picture in the style of another."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from samplevis import param as parameterizations
from samplevis.network import Network, as_network
from samplevis.objectives import Objective, activation_difference, gram
from samplevis.param import Parameterization
from samplevis.recipes.picture import check_seen
from samplevis.results.optimized import Optimized
from samplevis.runs.optimization import optimize
from samplevis.runtime.checks import check_names, check_number
from samplevis.transform import Transform

# Smallest magnitude of a target by which differences are divided.
MIN_MAGNITUDE = 1e-6


def style_transfer(
    model: Network | keras.Model,
    content: np.ndarray,
    style: np.ndarray,
    *,
    content_layers: str | Sequence[str],
    style_layers: str | Sequence[str],
    content_weight: float = 0.5,
    norm: str = "l1",
    param: Parameterization | None = None,
    transforms: Transform | Sequence[Transform] | None = None,
    **settings: Any,
) -> Optimized:
    """Paints the content of one picture in the style of another.

    Maximises -(content_weight * content + style), the differences (`objectives.activation_difference`) of activations from those
    of one picture and of Gram matrices from those of the other. Both are relative: the difference in each layer is divided by the
    mean magnitude of its target, and averaged over layers, so that layers with large activations do not dominate.

    Args:
      model: a `Network` or a Keras model.
      content: picture [H, W, C] in [0, 1] that gives the content.
      style: picture [h, w, C] in [0, 1] that gives the style.
      content_layers: where the content is compared: a middle layer, or several.
      style_layers: where the style is compared: layers from low (grain) to high (figures).
      content_weight: weight of the content, >= 0: 1 preserves most of it, 0.3 half. Defaults to 0.5.
      norm: "l1" or "l2", how differences are measured. Defaults to "l1".
      param: parameterization of images [H, W, C]. Defaults to `param.fourier((H, W), channels=C)`.
      transforms: distortions; they move the image against the content. Defaults to None.
      **settings: other arguments of `optimize`: steps, optimizer, init, seed, progress ... Pass `init=content[None]` to start
        from the picture rather than from faint noise.

    Returns:
      An `Optimized` with images [1, H, W, C].

    Raises:
      ValueError, TypeError: if an argument is out of range, before any work.

    Source: Gatys, Ecker and Bethge 2015, "A neural algorithm of artistic style"; the parameterization as in Lucid's notebook
    on style transfer; lucid/optvis/style.py without its moving average, which has no place in a score of the images alone.

    Example:
      >>> result = style_transfer(network, photograph, painting, content_layers="fire4",
      ...     style_layers=["conv1", "fire2", "fire3", "fire5"], steps=256)
      >>> export.save_png(result.images[0], "transferred.png")
    """
    network = as_network(model)
    channels = network.image_shape[-1]
    content = check_seen(network, "content", content)
    style = check_seen(network, "style", style)
    check_number("content_weight", content_weight, 0)
    content_layers, style_layers = (
        check_names("content_layers", content_layers),
        check_names("style_layers", style_layers),
    )
    content_difference = _relative_difference(network, content_layers, content, None, norm)
    style_difference = _relative_difference(network, style_layers, style, gram, norm)
    param = param if param is not None else parameterizations.fourier(content.shape[:2], channels=channels)
    return optimize(
        network,
        -(content_weight * content_difference + style_difference),
        param=param,
        transforms=transforms,
        **{"smooth": None} | settings,
    )


def _relative_difference(
    network: Network,
    layers: str | Sequence[str],
    picture: np.ndarray,
    features: Callable[[tf.Tensor], tf.Tensor] | None,
    norm: str,
) -> Objective:
    """The mean over layers of the difference, in units of the target's mean magnitude."""
    found = network.activations(picture[None], layers)
    size = {layer: tf.reduce_mean(tf.abs(features(x) if features else x)) for layer, x in found.items()}
    return Objective.sum(
        activation_difference(layer, picture, features, norm) / (len(found) * max(float(size[layer]), MIN_MAGNITUDE))
        for layer in found
    )
