"""Objectives of a whole batch: images that differ, agree, or interpolate between units.

Activations of a batch are [images * num_transforms, ...]: one row for each image under each transform, image 0 first. Only images
under the same transform are compared.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import tensorflow as tf

from samplevis.objectives.base import Accessor, Context, Objective
from samplevis.objectives.convert import as_objective
from samplevis.objectives.reduce import mean, one_channel
from samplevis.runtime.checks import check_number, check_whole, is_list

# How far apart in the batch two images may be and still be aligned. Source: lucid/optvis/objectives.py.
ALIGNED_DISTANCES = (1, 2, 3, 4)


def only_image(n: int) -> Objective:
    """1 for image `n` of a batch, 0 for the others: multiply by it to apply an objective to one image.

    It replaces the argument `batch` of Lucid's objectives. For many images, each with its own unit, see `each`.

    Args:
      n: place of the image in the batch, >= 0.

    Returns:
      An objective, for batches of at least n + 1 images, and of two.

    Example:
      >>> unit = objectives.channel("conv2", 1)
      >>> both = objectives.only_image(0) * unit - objectives.only_image(1) * unit
      >>> result = samplevis.optimize(model, both, param=param.fourier(32), batch=2)
    """
    check_whole("only_image: n", n, 0)

    def score(T: Accessor, parameters: Sequence[Any]) -> tf.Tensor:  # noqa: N803
        return tf.cast(tf.equal(_places(T), parameters[0]), tf.float32)

    return Objective(score, "only_image", (int(n),), f"only_image({n})", images=max(2, int(n) + 1))


def each(objectives: Iterable[Objective | str | Callable]) -> Objective:
    """One objective for each image of a batch.

    Image n is scored by objective n; a larger batch starts again from the first. It costs as much as one objective for the whole
    batch, however many there are.

    Args:
      objectives: what `as_objective` takes, at least one, each of single images.

    Returns:
      An objective.

    Raises:
      ValueError: if there are none, or one depends on several images.

    Example:
      >>> channels = objectives.each(f"conv2:{n}" for n in range(4))
      >>> result = samplevis.optimize(model, channels, param=param.fourier(32), batch=4)
    """
    if not is_list(objectives):
        raise TypeError(f"each: expected a list of objectives. Received: {objectives!r}")
    parts = tuple(as_objective(objective) for objective in objectives)
    if not parts:
        raise ValueError("each: expected at least one objective. Received: none")
    for part in parts:
        if part.coupled:
            raise ValueError(f"each: expected objectives of single images. Received: {part}")
    ends = [0, *itertools.accumulate(len(part.parameters) for part in parts)]

    def numbers_of(n: int, parameters: Sequence[Any]) -> Sequence[Any]:
        return parameters[ends[n] : ends[n + 1]]

    def score(T: Accessor, parameters: Sequence[Any]) -> tf.Tensor:  # noqa: N803
        # Unstacked once: the gradient of many slices would be as many whole batches.
        # Typed: the units of an output are not read as the output itself is.
        rows = functools.lru_cache(maxsize=None, typed=True)(lambda layer: tf.unstack(T(layer)))

        def one(row: int) -> tf.Tensor:
            def accessor(layer: str) -> Any:
                if layer in ("num_transforms", "members"):
                    return 1
                return T(layer) if layer in ("labels", "step") else rows(layer)[row][None]

            n = row // T("num_transforms") % len(parts)
            return parts[n].function(accessor, numbers_of(n, parameters))

        return tf.concat([one(row) for row in range(T("input").shape[0])], 0)

    def check(context: Context, parameters: tuple) -> tuple:
        resolved = (part.resolver(context, numbers_of(n, parameters)) for n, part in enumerate(parts))
        return tuple(itertools.chain.from_iterable(resolved))

    return Objective(
        score,
        ("each", *(part.structure for part in parts)),
        tuple(itertools.chain.from_iterable(part.parameters for part in parts)),
        f"each({', '.join(map(str, parts))})" if len(parts) < 4 else f"each({parts[0]}, ..., {parts[-1]})",
        resolver=check,
        images=len(parts),
    )


def channel_interpolate(layer1: str, n1: int, layer2: str, n2: int) -> Objective:
    """Interpolates from one channel, for the first image of a batch, to another, for the last.

    Image n of N scores (1 - n / (N - 1)) channel(layer1, n1) + n / (N - 1) channel(layer2, n2).

    Args:
      layer1: layer of the first image's channel.
      n1: the first image's channel.
      layer2: layer of the last image's channel.
      n2: the last image's channel.

    Returns:
      An objective. The sum over the batch is Lucid's value. Source: lucid/optvis/objectives.py.

    Example:
      >>> objectives.channel_interpolate("conv2", 1, "conv2", 3)
      channel_interpolate(conv2, 1, conv2, 3)
    """

    def score(T: Accessor, parameters: Sequence[Any]) -> tf.Tensor:  # noqa: N803
        places = _places(T)
        weight = tf.cast(places, tf.float32) / tf.cast(places[-1], tf.float32)
        first, last = (mean(one_channel(T(x), n)) for x, n in zip((layer1, layer2), parameters, strict=True))
        return (1 - weight) * first + weight * last

    def check(context: Context, parameters: tuple) -> tuple:
        return context.index("n1", parameters[0], layer1), context.index("n2", parameters[1], layer2)

    return Objective(
        score,
        ("channel_interpolate", layer1, layer2),
        (n1, n2),
        f"channel_interpolate({layer1}, {n1}, {layer2}, {n2})",
        resolver=check,
        images=2,
    )


def alignment(layer: str, decay_ratio: float = 2.0) -> Objective:
    """Minus the mean squared difference from the next images of the batch; add it to put similar things in the same places.

    Pairs of images at distance d = 1 to 4 in the batch have weight decay_ratio^-d; each image of a pair gets half.

    Args:
      layer: the layer to compare.
      decay_ratio: > 0. Defaults to 2.

    Returns:
      An objective. The sum over the batch is Lucid's value. Source: lucid/optvis/objectives.py.

    Raises:
      ValueError: if `decay_ratio` is not > 0.

    Example:
      >>> objectives.channel_interpolate("conv2", 1, "conv2", 3) + 0.1 * objectives.alignment("conv1")
      (channel_interpolate(conv2, 1, conv2, 3) + (0.1 * alignment(conv1)))
    """
    check_number("alignment: decay_ratio", decay_ratio, 0, above=True)

    def score(T: Accessor, parameters: Sequence[Any]) -> tf.Tensor:  # noqa: N803
        x = _by_image(T, layer)
        ratio, penalty = tf.cast(parameters[0], tf.float32), tf.zeros(x.shape[:2])
        for distance in (d for d in ALIGNED_DISTANCES if d < x.shape[0]):
            apart = tf.reduce_mean(tf.square(x[distance:] - x[:-distance]), list(range(2, x.shape.rank)))
            both = tf.pad(apart, [[distance, 0], [0, 0]]) + tf.pad(apart, [[0, distance], [0, 0]])
            penalty += 0.5 * both / ratio**distance
        return -tf.reshape(penalty, [-1])

    return Objective(score, ("alignment", layer), (float(decay_ratio),), f"alignment({layer})", images=2)


def diversity(layer: str) -> Objective:
    """How similar the style of an image is to that of the others in the batch; subtract it to see different facets of a unit.

    The sum over the other images of the cosine between Gram matrices.

    Args:
      layer: the layer whose channels' correlations are compared.

    Returns:
      An objective. The mean over the batch is Lucid's value, so that `channel(...) - 1e2 * diversity(...)` carries over.
      Source: lucid/optvis/objectives.py.

    Example:
      >>> varied = objectives.channel("conv2", 1) - 1e2 * objectives.diversity("conv1")
      >>> result = samplevis.optimize(model, varied, param=param.fourier(32), batch=4)
    """

    def score(T: Accessor, parameters: Sequence[Any]) -> tf.Tensor:  # noqa: N803
        x = _by_image(T, layer)
        x = tf.reshape(x, (*x.shape[:2], -1, x.shape[-1]))
        style = tf.nn.l2_normalize(tf.matmul(x, x, transpose_a=True), [2, 3], epsilon=1e-10)
        others = tf.reduce_sum(style, 0) - style
        return tf.reshape(tf.reduce_sum(style * others, [2, 3]), [-1])

    return Objective(score, ("diversity", layer), (), f"diversity({layer})", images=2)


def _places(T: Accessor) -> tf.Tensor:  # noqa: N803
    """The place of each row's image in the batch, int32 [images * num_transforms]."""
    return tf.range(T("input").shape[0]) // T("num_transforms")


def _by_image(T: Accessor, layer: str) -> tf.Tensor:  # noqa: N803
    """Activations as [images, num_transforms, ...]."""
    x, num_transforms = T(layer), T("num_transforms")
    return tf.reshape(x, (x.shape[0] // num_transforms, num_transforms, *x.shape[1:]))
