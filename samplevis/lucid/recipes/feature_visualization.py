"""Neurons and channels in one call. Source: lucid/recipes/feature_visualization.py."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from samplevis.lucid.core.networks import network_of
from samplevis.lucid.core.objective import Objective
from samplevis.lucid.core.optimizers import adam
from samplevis.lucid.optvis import objectives, param, render, transform

DEFAULT_SIZE = 224


def neuron(*args: Any, **kwargs: Any) -> Any:
    """Images for neurons at the centre of a layer; arguments as in `channel`."""
    return _main(objectives.neuron, *args, **kwargs)


def channel(*args: Any, **kwargs: Any) -> Any:
    """Images for channels, all in one batch.

    Args:
      model: the model.
      layer: a layer, or its name.
      channel_indices: a channel, or several.
      alpha: whether images have an opacity. Defaults to False.
      negative: whether to minimise. Defaults to False.
      n_steps: number of updates, >= 1. Defaults to 128.
      lr: learning rate of Adam. Defaults to 0.05.
      override_gradients: whether gradients are redirected in the first steps. Defaults to True.

    Returns:
      For several channels a list of images [height, width, channels]; for one a batch of it, [1, height, width, channels]. Lucid
      returns the values of the objectives too: see `samplevis.sweep`.
    """
    return _main(objectives.channel, *args, **kwargs)


def _main(
    objective_f: Callable[..., Objective],
    model: Any,
    layer: Any,
    channel_indices: int | Sequence[int],
    alpha: bool = False,
    negative: bool = False,
    **settings: Any,
) -> Any:
    settings = {"n_steps": 128, "lr": 0.05, "override_gradients": True} | settings
    chosen = channel_indices if isinstance(channel_indices, (list, tuple)) else [channel_indices]
    height, width, _ = network_of(model).image_shape
    height, width = height or DEFAULT_SIZE, width or DEFAULT_SIZE
    name = getattr(layer, "name", layer)
    objective = Objective.sum([objective_f(name, each, batch=place) for place, each in enumerate(chosen)])
    objective = -objective if negative else objective
    transforms = [*transform.standard_transforms, transform.crop_or_pad_to(height, width)]
    if alpha:
        opaque = Objective(lambda T: 1 - tf.reduce_mean(T("input")[..., 3]))
        objective = objective * opaque - 0.1 * objectives.blur_alpha_each_step()
        transforms = [transform.collapse_alpha_random(), *transforms]
    (images,) = render.render_vis(
        model,
        objective,
        lambda: param.image(width, height, batch=len(chosen), alpha=alpha),
        lambda: adam(settings["lr"]),
        transforms,
        thresholds=[settings["n_steps"] - 1],
        verbose=False,
        relu_gradient_override=settings["override_gradients"],
    )
    return images if len(chosen) == 1 else list(np.asarray(images))
