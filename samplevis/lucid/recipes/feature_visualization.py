"""Neurons and channels in one call. Source: lucid/recipes/feature_visualization.py."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from samplevis.lucid.core.eager import outside
from samplevis.lucid.core.models import as_model
from samplevis.lucid.core.objective import Objective
from samplevis.lucid.modelzoo.vision_base import Layer
from samplevis.lucid.optvis import objectives, overrides, param, render, transform
from samplevis.lucid.recipes.caricature import size_of

Images = tuple[np.ndarray, np.ndarray] | list[tuple[np.ndarray, np.ndarray]]


def neuron(*args: Any, **kwargs: Any) -> Images:
    """Images for neurons at the centre of a layer; arguments as in `channel`."""
    return _main(objectives.neuron, *args, **kwargs)


def channel(*args: Any, **kwargs: Any) -> Images:
    """Images for channels, all in one batch.

    Args:
      model: the model.
      layer: a layer, or its name.
      channel_indices: a channel, or several.
      alpha: whether images have an opacity. Defaults to False.
      negative: whether to minimise. Defaults to False.
      decorrelation_matrix: None, as in Lucid.
      n_steps: number of updates, >= 1. Defaults to 128.
      parallel_transforms: no effect, as in Lucid.
      lr: learning rate of Adam. Defaults to 0.05.
      override_gradients: whether gradients are redirected. Defaults to True.

    Returns:
      For one channel (images [1, height, width, channels], values of the objective [1, n_steps]). For several, a list with
      (image [height, width, channels], values [n_steps]) for each.
    """
    return _main(objectives.channel, *args, **kwargs)


def _main(
    objective_f: Callable[..., Objective],
    model: Any,
    layer: Layer | str,
    channel_indices: int | Sequence[int],
    alpha: bool = False,
    negative: bool = False,
    decorrelation_matrix: Any = None,
    n_steps: int = 128,
    parallel_transforms: int = 16,
    lr: float = 0.05,
    override_gradients: bool = True,
) -> Images:
    if not isinstance(layer, (Layer, str)):
        raise ValueError(f"layer: expected a layer, or its name. Received: {type(layer).__name__}")
    if decorrelation_matrix is not None:
        raise NotImplementedError("decorrelation_matrix: Lucid has none either. Write param_f for render_vis.")
    chosen = list(channel_indices) if isinstance(channel_indices, (list, tuple)) else [channel_indices]
    name = layer.name if isinstance(layer, Layer) else layer
    sign = -1 if negative else 1
    objs = [sign * objective_f(name, each, batch=place) for place, each in enumerate(chosen)]
    images, values = outside(lambda: _optimized(as_model(model), objs, alpha, n_steps, lr, override_gradients))
    return (images, values) if len(chosen) == 1 else list(zip(images, values, strict=True))


def _optimized(
    model: Any, objs: Sequence[Objective], alpha: bool, n_steps: int, lr: float, override_gradients: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Images, and the value of each one's objective at every step, in a graph as in Lucid."""
    height, width = size_of(model)
    transforms = [*transform.standard_transforms, transform.crop_or_pad_to(height, width)]
    transforms += [transform.collapse_alpha_random()] if alpha else []
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        image_t = param.image(width, height, batch=len(objs), alpha=alpha)
        overridden = overrides.relu_overrides_map if override_gradients else {}
        with overrides.gradient_override_map(overridden):
            T = render.import_model(model, transform.compose(transforms)(image_t), image_t)  # noqa: N806
        reported = tf.stack([each(T) for each in objs])
        total = tf.reduce_sum(reported)
        if alpha:
            total = total * (1 - tf.reduce_mean(image_t[..., -1])) - 0.1 * objectives.blur_alpha_each_step()(T)
        update = tf.compat.v1.train.AdamOptimizer(lr).minimize(-total)
        tf.compat.v1.global_variables_initializer().run()
        values = np.zeros((len(objs), n_steps))
        for step in range(n_steps):
            _, values[:, step] = session.run([update, reported])
        return image_t.eval(), values
