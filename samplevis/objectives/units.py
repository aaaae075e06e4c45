"""Objectives of one unit: a neuron, a channel, some positions of a channel, a class."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import tensorflow as tf

from samplevis.objectives.base import Accessor, Context, Objective, Score, UnitLayer
from samplevis.objectives.reduce import mean, one_channel
from samplevis.runtime.checks import check_number, check_whole

# Functions whose values are probabilities.
PROBABILITIES = ("softmax", "sigmoid", "hardsigmoid")


def neuron(layer: str, channel: int, x: int | None = None, y: int | None = None, z: int | None = None) -> Objective:
    """One neuron: a channel at one position.

    Args:
      layer: a layer's name.
      channel: 0 <= channel < number of channels.
      x: row (sic: as in Lucid); in a layer [batch, token, channel] the token, or time; in one of volumes, [batch, depth, height,
        width, channel], the depth. Defaults to the middle, H // 2.
      y: column; in a layer [batch, token, head, channel] the head; in one of volumes the row. Defaults to the middle, W // 2.
        Layers of tokens or time, and layers without positions, take none.
      z: the column in a layer of volumes. Defaults to the middle. Other layers take none.

    Returns:
      An objective. Source: lucid/optvis/objectives.py.

    Example:
      >>> objectives.neuron("conv2", 1, x=3, y=4)
      neuron(conv2, 1, x=3, y=4)
    """

    def score(T: Accessor, parameters: Sequence[Any]) -> tf.Tensor:  # noqa: N803
        return one_channel(at_position(T(UnitLayer(layer)), *parameters[1:]), parameters[0])

    def check(context: Context, parameters: tuple) -> tuple:
        return context.index("channel", parameters[0], layer), *check_position(context, layer, x, y, z)

    return Objective(
        score,
        ("neuron", layer),
        (channel, x, y, z),
        f"neuron({layer}, {channel}{show_position(x, y, z)})",
        resolver=check,
    )


def channel(layer: str, n: int) -> Objective:
    """The mean of a channel over all positions.

    Args:
      layer: a layer's name, or "input" for a channel of the images themselves: 3 is the alpha of RGBA.
      n: 0 <= n < number of channels.

    Returns:
      An objective. Source: lucid/optvis/objectives.py.

    Example:
      >>> result = samplevis.optimize(model, objectives.channel("conv2", 1), param=param.fourier(32))
    """
    return _channel(layer, n, "channel", f"channel({layer}, {n})")


def positions(layer: str, channel: int, where: Any = ...) -> Objective:
    """The mean of a channel over chosen positions: a row, a column, a rectangle, any mask.

    Multiply by the number of positions for the sum.

    Args:
      layer: a layer with rows and columns.
      channel: 0 <= channel < number of channels.
      where: a NumPy index of an array [H, W]: a boolean mask [H, W], `np.s_[3]` for a row, `np.s_[:, 5]` for a
        column, `np.s_[2:6, 1:4]`. Defaults to all positions, which makes it `channel`.

    Returns:
      An objective. Source: https://blbadger.github.io/deep-dream.html, subsets of a feature map.

    Raises:
      ValueError: when resolved, if the layer has no rows and columns, or `where` is not an index of its positions.

    Example:
      >>> left = np.s_[:, :4]
      >>> objectives.positions("conv2", 0, left) - objectives.positions("conv2", 1, left)
      (positions(conv2, 0, where) - positions(conv2, 1, where))
    """

    def score(T: Accessor, parameters: Sequence[Any]) -> tf.Tensor:  # noqa: N803
        values = one_channel(T(UnitLayer(layer)), parameters[0])
        mask = tf.cast(parameters[1], tf.float32)
        return tf.reduce_sum(values * mask, (1, 2)) / tf.reduce_sum(mask)

    return _on_mask("positions", score, layer, channel, where)


def first_positions(layer: str, channel: int, n: int) -> Objective:
    """The mean of a channel over its first positions in reading order: row by row, from the left.

    Increase `n` to see how a channel's picture is put together from its neurons.

    Args:
      layer: a layer with rows and columns.
      channel: 0 <= channel < number of channels.
      n: number of positions, 1 <= n <= H * W.

    Returns:
      An objective. Source: https://blbadger.github.io/deep-dream.html, the reading order of `mixed_6b`.

    Raises:
      ValueError: when resolved, if the layer has no rows and columns, or a number is out of range.

    Example:
      >>> [objectives.first_positions("conv2", 1, n) for n in (8, 16)]
      [first_positions(conv2, 1, 8), first_positions(conv2, 1, 16)]
    """
    whole = positions(layer, channel)

    def check(context: Context, parameters: tuple) -> tuple:
        chosen, mask = whole.resolver(context, parameters)
        check_whole("n", n, 1, mask.size)
        return chosen, (np.arange(mask.size) < n).reshape(mask.shape).astype(np.float32)

    return Objective(
        whole.function, whole.structure, (channel, None), f"first_positions({layer}, {channel}, {n})", resolver=check
    )


def distance_to_constant(layer: str, channel: int, constant: float = 200.0, where: Any = ...) -> Objective:
    """The sum of |constant - activation| over positions of a channel; subtract it.

    While the activations stay below the constant, its gradient is minus that of their sum.

    Args:
      layer: a layer with rows and columns.
      channel: 0 <= channel < number of channels.
      constant: the target of every activation. Defaults to 200, far above what units reach.
      where: the positions, as for `positions`. Defaults to all.

    Returns:
      An objective. Source: https://blbadger.github.io/deep-dream.html, which descends the L1 distance to 200.

    Example:
      >>> -objectives.distance_to_constant("conv2", 1, 10)
      -distance_to_constant(conv2, 1, 10)
    """

    def score(T: Accessor, parameters: Sequence[Any]) -> tf.Tensor:  # noqa: N803
        values, mask = one_channel(T(UnitLayer(layer)), parameters[0]), tf.cast(parameters[1], tf.float32)
        return tf.reduce_sum(tf.abs(tf.cast(parameters[2], tf.float32) - values) * mask, (1, 2))

    check_number("distance_to_constant: constant", constant)
    return _on_mask("distance_to_constant", score, layer, channel, where, float(constant))


def class_logit(layer: str, label: int | str) -> Objective:
    """The score of a class, before any softmax.

    Args:
      layer: a layer of shape [batch, classes] or [batch, 1, 1, classes], such as "logits"; of an output that ends in a softmax,
        the values before it are scored.
      label: index of the class from 0, or its name, or one of its synonyms.

    Returns:
      An objective. Source: lucid/optvis/objectives.py, which sums over the batch.

    Example:
      >>> objectives.class_logit("logits", "b").resolve(model).parameters
      (1,)
    """
    return _channel(layer, label, "label", f"class_logit({layer}, {label!r})")


def class_probability(layer: str, label: int | str) -> Objective:
    """The probability of a class, from 0 to 1: the softmax of a layer of logits, or an output that is a probability already.

    It also rises when other classes fall, and is flat near 0 and 1: `class_logit` is easier to climb.

    Args:
      layer: a layer of logits, or an output that ends in a softmax or sigmoid, which is not applied twice, of shape
        [batch, classes] or [batch, 1, 1, classes].
      label: index of the class from 0, or its name, or one of its synonyms.

    Returns:
      An objective.

    Example:
      >>> logits = model(images, "logits")
      >>> total = sum(objectives.class_probability("logits", n)(logits.get) for n in range(3))
      >>> np.allclose(total, 1)
      True
    """
    logit = class_logit(layer, label)

    def score(T: Accessor, parameters: Sequence[Any]) -> tf.Tensor:  # noqa: N803
        values, (index, is_probability) = T(layer), parameters
        return mean(one_channel(tf.where(tf.cast(is_probability, tf.bool), values, tf.nn.softmax(values)), index))

    def check(context: Context, parameters: tuple) -> tuple:
        ending = context.network.endings.find(layer)
        return *logit.resolver(context, parameters[:1]), int(ending is not None and ending.kind in PROBABILITIES)

    description = f"class_probability({layer}, {label!r})"
    return Objective(score, ("probability", layer), (label, 0), description, resolver=check)


def class_log_odds(layer: str, label: int | str) -> Objective:
    """The log-odds of a class against all others: log p - log(1 - p) of its softmax, which is never flat.

    A class's logit can rise while another's rises more; then the network does not name the class. Log-odds above 0 are a
    probability above 1/2.

    Args:
      layer: a layer of logits, or an output that ends in a softmax, of shape [batch, classes] or [batch, 1, 1, classes].
      label: index of the class from 0, or its name, or one of its synonyms.

    Returns:
      An objective.

    Example:
      >>> objectives.class_log_odds("logits", "b")
      class_log_odds(logits, 'b')
    """
    logit = class_logit(layer, label)

    def score(T: Accessor, parameters: Sequence[Any]) -> tf.Tensor:  # noqa: N803
        values, index = T(UnitLayer(layer)), parameters[0]
        others = tf.where(tf.range(values.shape[-1]) == tf.cast(index, tf.int32), -np.inf, values)
        return mean(one_channel(values, index) - tf.reduce_logsumexp(others, -1))

    description = f"class_log_odds({layer}, {label!r})"
    return Objective(score, ("log odds", layer), (label,), description, resolver=logit.resolver)


def at_position(activations: tf.Tensor, *position: Any) -> tf.Tensor:
    """Activations [batch, channels] of [batch, H, W, channels] at a row and a column; None means the middle."""
    sizes = activations.shape[1:-1]
    where = (n // 2 if place is None else place for n, place in zip(sizes, position, strict=False))
    return activations[(slice(None), *where)]


def check_position(
    context: Context, layer: str, x: int | None, y: int | None, z: int | None = None
) -> tuple[int, int, int]:
    """(row, column, 0) in a layer, or (depth, row, column); None means the middle, and directions that a layer lacks are 0."""
    *sizes, _ = context.shape(layer)
    places = (x, y, z)
    if len(sizes) > len(places) or any(place is not None for place in places[len(sizes) :]):
        shown = "" if z is None else f", z={z!r}"
        raise ValueError(f"neuron: {layer!r} has {len(sizes)} directions. Received: x={x!r}, y={y!r}{shown}")
    names = {1: ("x (time)" if context.network.dimensions == 1 else "x (token)",)}
    names |= {2: ("x (row)", "y (column)"), 3: ("x (depth)", "y (row)", "z (column)")}
    found = (
        size // 2 if place is None else context.index(name, place, layer, axis)
        for axis, (size, name, place) in enumerate(zip(sizes, names.get(len(sizes), ()), places, strict=False))
    )
    return (*found, 0, 0, 0)[:3]


def show_position(x: int | None, y: int | None, z: int | None = None) -> str:
    """A position as printed after other arguments."""
    if x is None and y is None and z is None:
        return ""
    return f", x={x}, y={y}" + ("" if z is None else f", z={z}")


def _channel(layer: str, n: int | str, name: Literal["channel", "label"], description: str) -> Objective:
    """The mean of a channel; if the argument is called `label`, a class's name will do."""

    def score(T: Accessor, parameters: Sequence[Any]) -> tf.Tensor:  # noqa: N803
        return mean(one_channel(T(UnitLayer(layer)), parameters[0]))

    def check(context: Context, parameters: tuple) -> tuple:
        (index,) = parameters
        if name == "label" and isinstance(index, str):
            index = _class_index(context, layer, index)
        return (context.index(name, index, layer),)

    return Objective(score, ("channel", layer), (n,), description, resolver=check)


def _class_index(context: Context, layer: str, label: str) -> int:
    """The channel of a class in a layer that scores classes."""
    index = context.network.class_index(label)
    *positions, channels = context.shape(layer)
    count = len(context.network.labels)
    if channels != count and any(size != 1 for size in positions):
        raise ValueError(
            f"label: {layer!r} has {channels} channels and {context.network.name!r} {count} classes, so that {label!r} is none "
            "of its channels. Give a channel's number, or a layer of scores"
        )
    return index


def _on_mask(name: str, score: Score, layer: str, channel: int, where: Any, *numbers: float) -> Objective:
    """An objective of (channel, mask [H, W], *numbers)."""

    def check(context: Context, parameters: tuple) -> tuple:
        chosen = context.index("channel", parameters[0], layer)
        *sizes, _ = context.shape(layer)
        if len(sizes) != 2:
            raise ValueError(f"layer: expected one with rows and columns. Received: {layer!r}, {len(sizes)} directions")
        mask = np.zeros(sizes, np.float32)
        try:
            mask[where] = 1
        except (IndexError, ValueError) as error:
            raise ValueError(
                f"where: expected what indexes an array {tuple(sizes)}, as {layer!r} has: {error}"
            ) from error
        if not mask.any():
            raise ValueError(f"where: expected at least one position of {tuple(sizes)}. Received: {where!r}")
        return chosen, mask, *parameters[2:]

    shown = "" if where is ... else ", where"
    numbers_shown = "".join(f", {number:g}" for number in numbers)
    return Objective(
        score,
        (name, layer),
        (channel, None, *numbers),
        f"{name}({layer}, {channel}{numbers_shown}{shown})",
        resolver=check,
    )
