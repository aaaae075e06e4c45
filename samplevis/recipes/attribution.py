"""Attribution: how much of a score each activation of a layer accounts for.

All functions start from `attribution`. With the gradient at the activations it is a linear approximation; with the mean gradient
along a path from a baseline, it adds up to the difference in score (Sundararajan et al., Axiomatic Attribution for Deep
Networks, 2017).

Max pooling passes its whole gradient to one position, which makes maps of positions coarse: use a network with smoothed
pooling gradients, see `overrides`.
"""

from __future__ import annotations

from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf

from samplevis.network import Network, as_network
from samplevis.objectives import Objective, as_objective
from samplevis.objectives.base import make_accessor
from samplevis.objectives.reduce import safe_sqrt
from samplevis.objectives.schedule import END
from samplevis.recipes.picture import check_seen
from samplevis.recipes.reducer import ChannelReducer
from samplevis.runtime import seeds
from samplevis.runtime.checks import brief, check_choice, check_known, check_whole, keywords

PATHS = ("point", "straight", "stochastic")

# Activations of a layer [batch, ...] -> scores [batch].
Score = Callable[[tf.Tensor], tf.Tensor]


def attribution(
    model: Network | keras.Model,
    obj: Objective | str | Callable,
    layer: str,
    images: np.ndarray,
    *,
    path: str = "point",
    baseline: float | np.ndarray = 0.0,
    steps: int = 64,
    seed: int = 0,
) -> np.ndarray:
    """Attributes a score to the activations of a layer: (activation - baseline) * mean gradient.

    Args:
      model: a `Network` or a Keras model.
      obj: the score: an objective, a string such as "logits:285", or a function of the layer accessor `T`.
      layer: a name from `Network.layers`, or `"input"`.
      images: array [batch, H, W, C] in [0, 1].
      path: where gradients are taken.
        "point": at the activations (gradient times activation).
        "straight": at the midpoints of `steps` equal parts of the line from the baseline (integrated gradients): adds up to
        score - score at the baseline as `steps` grows.
        "stochastic": on that line, with every channel scaled at every step by (u + u') / 1.5, with u and u' uniform on [0, 1]:
        depends less on a single path, but does not add up.
        Defaults to "point".
      baseline: a number, or an array that fits the activations [batch, ...]. Defaults to 0.
      steps: parts of the path, >= 1. Defaults to 64.
      seed: int from 0 to 2**31 - 1, for the stochastic path.

    Returns:
      float32 [batch, *shape of the layer].

    Raises:
      ValueError: for an unknown layer or path, a baseline that does not fit, or images that the network does not take.

    Source: the AttrChannel notebook of Lucid's Building Blocks, which took gradients at the starts of the parts.

    Example:
      >>> by_pixel = attribution(model, "logits:285", "input", images, path="straight").sum(-1)
    """
    network = as_network(model)
    values, score = _values(network, layer, images), _score(network, obj, layer, images)
    difference, gradient = _mean_gradient(score, values, path, baseline, steps, seed)
    return (difference * gradient).numpy()


def channel_attribution(
    model: Network | keras.Model, obj: Objective | str | Callable, layer: str, images: np.ndarray, **settings: object
) -> np.ndarray:
    """Attributes a score to the channels of a layer, summed over positions.

    Args:
      model, obj, layer, images, **settings: as in `attribution`.

    Returns:
      float32 [batch, channels].

    Raises:
      ValueError, TypeError: as in `attribution`.

    Example:
      >>> strongest = recipes.channel_attribution(model, "logits:285", "fire9", images).argmax(-1)
    """
    check_known(settings, keywords(attribution))
    found = attribution(model, obj, layer, images, **settings)
    return found.sum(tuple(range(1, found.ndim - 1)))


def group_attribution(
    model: Network | keras.Model,
    obj: Objective | str | Callable,
    layer: str,
    images: np.ndarray,
    reducer: ChannelReducer,
    *,
    path: str = "point",
    steps: int = 64,
    seed: int = 0,
) -> np.ndarray:
    """Attributes a score to groups of neurons.

    Activations are approximately the sum over groups of weight * direction; a group accounts for its term of that sum.

    Args:
      model, obj, layer, images, path, steps, seed: as in `attribution`.
      reducer: a fitted `ChannelReducer` with additive components, such as NMF, of this layer.

    Returns:
      float32 [batch, *positions, n_components]; sum over the positions for one number for each group.

    Raises:
      ValueError: as `attribution`, or if the reducer has other channels.

    Source: the NeuronGroups notebook of Lucid's Building Blocks.

    Example:
      >>> reducer = ChannelReducer(6).fit(collect_activations(model, "fire9", images, reducer=None))
      >>> group_attribution(model, "logits:285", "fire9", images, reducer).sum((1, 2)).shape
      (batch, 6)
    """
    network = as_network(model)
    values = _values(network, layer, images)
    if not isinstance(reducer, ChannelReducer):
        raise TypeError(f"reducer: expected a fitted ChannelReducer. Received: {brief(reducer)}")
    directions = np.asarray(reducer.directions, np.float32)
    if directions.shape[-1] != values.shape[-1]:
        raise ValueError(
            f"reducer: {layer!r} has {values.shape[-1]} channels. Received one fitted to {directions.shape[-1]}"
        )
    _, gradient = _mean_gradient(_score(network, obj, layer, images), values, path, 0.0, steps, seed)
    return reducer.transform(values.numpy()) * np.tensordot(gradient.numpy(), directions.T, 1)


def spatial_attribution(
    model: Network | keras.Model, layer: str, later: str, image: np.ndarray, *, batch_size: int = 16
) -> np.ndarray:
    """Attributes each position of a later layer to the positions of a layer.

    The score of a position is the norm of its activations; a position accounts for gradient times activation, summed over
    its channels.

    Args:
      model: a `Network` or a Keras model.
      layer: the layer to attribute to: a name from `Network.layers`, or `"input"`.
      later: the layer to explain, with positions.
      image: array [H, W, C] in [0, 1].
      batch_size: positions of `later` to run at a time, >= 1. Defaults to 16.

    Returns:
      float32 [rows of later, columns of later, rows of layer, columns of layer].

    Raises:
      ValueError: for an unknown layer, one without positions, or an image that the network does not take.

    Source: the AttrSpatial notebook of Lucid's Building Blocks.

    Example:
      >>> recipes.spatial_attribution(model, "fire5", "fire9", photograph)[3, 4].shape
      (14, 14)
    """
    network = as_network(model)
    check_whole("batch_size", batch_size, 1)
    images = check_seen(network, "image", image)[None]
    goal, values = network.activations(images, later)[later], _values(network, layer, images)
    for name, found in ((layer, values), (later, goal)):
        if found.shape.rank != 4:
            raise ValueError(f"layer: expected one with rows and columns. Received {name!r} of shape {found.shape[1:]}")
    run = network.substitute(layer, (later,))
    rows, columns = goal.shape[1:3]
    images = tf.constant(images, tf.float32)

    @tf.function(autograph=False, reduce_retracing=True)
    def of_positions(positions: tf.Tensor) -> tf.Tensor:
        """Positions [n], row by row -> attributions [n, rows of layer, columns of layer]."""
        count = tf.shape(positions)[0]
        copies = tf.repeat(values, count, axis=0)
        with tf.GradientTape() as tape:
            tape.watch(copies)
            norms = safe_sqrt(tf.reduce_sum(run(tf.repeat(images, count, axis=0), copies)[later] ** 2, -1))
            score = tf.gather(tf.reshape(norms, (count, rows * columns)), positions, batch_dims=1)
        return tf.reduce_sum(copies * _gradient(tape, score, copies), -1)

    parts = [
        of_positions(tf.range(n, min(n + batch_size, rows * columns))) for n in range(0, rows * columns, batch_size)
    ]
    return tf.concat(parts, 0).numpy().reshape(rows, columns, *values.shape[1:3])


def _values(network: Network, layer: str, images: np.ndarray) -> tf.Tensor:
    """The activations of the layer; checks the images."""
    found = network.activations(images, () if layer == "input" else layer)
    return tf.constant(images, tf.float32) if layer == "input" else found[layer]


def _score(network: Network, obj: Objective | str | Callable, layer: str, images: np.ndarray) -> Score:
    """The score as a function of a layer's activations, for images that have been checked."""
    images = tf.constant(images, tf.float32)
    objective = as_objective(obj, network).resolve(network, tuple(images.shape[1:3]))
    run = network.substitute(layer, tuple(name for name in objective.layers if name != "input"))

    def score(activations: tf.Tensor) -> tf.Tensor:
        clean = activations if layer == "input" else images
        accessor = make_accessor(run(clean, activations).__getitem__, network, clean, step=END)
        return objective.function(accessor, objective.parameters)

    return score


def _mean_gradient(
    score: Score, values: tf.Tensor, path: str, baseline: float | np.ndarray, steps: int, seed: int
) -> tuple[tf.Tensor, tf.Tensor]:
    """(values - baseline, mean gradient on the path between them)."""
    check_choice("path", path, PATHS)
    check_whole("steps", steps, 1)
    root = seeds.fold(seeds.root(seed), "attribution")
    try:
        start = tf.constant(np.broadcast_to(np.asarray(baseline, np.float32), values.shape))
    except ValueError as error:
        raise ValueError(
            f"baseline: expected a number or an array that fits {tuple(values.shape)}. Received shape: {np.shape(baseline)}"
        ) from error
    difference = values - start
    channels = (len(values), *[1] * (values.shape.rank - 2), values.shape[-1])

    def gradient(part: tf.Tensor, step: tf.Tensor) -> tf.Tensor:
        way = part * difference
        if path == "stochastic":
            uniform = tf.random.stateless_uniform((2, *channels), seeds.fold(root, step))
            way *= tf.reduce_sum(uniform, 0) / 1.5
        point = start + way
        with tf.GradientTape() as tape:
            tape.watch(point)
            scores = score(point)
        return _gradient(tape, scores, point)

    if path == "point":
        # A graph would cost more than this one gradient.
        return difference, gradient(tf.constant(1.0), tf.constant(0))
    compiled = tf.function(gradient, autograph=False)
    total = tf.zeros_like(values)
    for step in range(steps):
        total += compiled(tf.constant((step + 0.5) / steps, tf.float32), tf.constant(step))
    return difference, total / steps


def _gradient(tape: tf.GradientTape, scores: tf.Tensor, values: tf.Tensor) -> tf.Tensor:
    """Zero where the scores do not depend on the values."""
    return tape.gradient(scores, values, unconnected_gradients=tf.UnconnectedGradients.ZERO)
