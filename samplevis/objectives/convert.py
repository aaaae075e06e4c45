"""What a user may pass in place of an objective: a string, or a function of the activations."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from samplevis.network import Network
from samplevis.objectives.base import Accessor, Objective
from samplevis.objectives.units import channel, class_logit
from samplevis.runtime.checks import brief

# Longest channel number: no layer has more channels, and Python refuses to parse numbers of thousands of digits.
MAX_DIGITS = 18
# A sign between spaces separates units; names of layers contain signs without spaces.
_SIGN = re.compile(r"\s+([+-])\s+")


def as_objective(obj: Objective | str | Callable, network: Network | None = None) -> Objective:
    """Turns a string or a function into an objective.

    Args:
      obj: an objective; a string "layer:channel" with the channel's number or "layer:label" with the name of a class, either
        with a "-" in front for a negative unit, or several of them joined by " + " and " - "; or a function of the accessor
        `T` that returns scores [batch].
      network: the network, whose layers the messages name. Defaults to none.

    Returns:
      An objective.

    Raises:
      ValueError: for a string of another form.
      TypeError: for anything else.

    Example:
      >>> objectives.as_objective("conv2:1 - logits:b")
      (channel(conv2, 1) - class_logit(logits, 'b'))
      >>> objectives.as_objective(lambda T: tf.reduce_mean(T("conv2"), [1, 2, 3]))
      <lambda>(T)
    """
    if isinstance(obj, Objective):
        return obj
    if isinstance(obj, str):
        first, *rest = _SIGN.split(obj)
        result = _unit(first, obj, network)
        for sign, text in zip(rest[::2], rest[1::2], strict=True):
            unit = _unit(text, obj, network)
            result = result + unit if sign == "+" else result - unit
        return result
    if callable(obj):
        name = getattr(obj, "__name__", type(obj).__name__)
        return Objective(lambda T, parameters: _called(obj, name, T), ("function", obj), (), f"{name}(T)")
    raise TypeError(f"obj: expected an objective, a string 'layer:channel' or a function of T. Received: {brief(obj)}")


def _called(function: Callable, name: str, T: Accessor) -> Any:  # noqa: N803 - Lucid's name for the accessor.
    """Calls a user's function on the activations; its errors name it."""
    try:
        scores = function(T)
    except ValueError as error:
        raise ValueError(f"obj: {name}(T) failed: {error}") from error
    except (TypeError, AttributeError, LookupError, ArithmeticError) as error:
        raise TypeError(f"obj: {name}(T) failed: {type(error).__name__}: {error}") from error
    if scores is None or isinstance(scores, (str, bytes)):
        raise TypeError(f"obj: expected one score per image, shape [batch]. Received from {name}(T): {scores!r}")
    return scores


def _unit(text: str, whole: str, network: Network | None) -> Objective:
    layer, colon, name = (part.strip() for part in text.strip().rpartition(":"))
    # A name with a letter is a label; anything else that is not a number is a mistake.
    if not (colon and layer.strip("-") and (name.isdecimal() or any(map(str.isalpha, name)))):
        raise ValueError(f"obj: {_expected(text.strip().removeprefix('-').strip(), network)}. Received: {whole!r}")
    positive = layer.removeprefix("-").strip()
    if name.isdecimal() and len(name) > MAX_DIGITS:
        raise ValueError(f"channel: expected a number of at most {MAX_DIGITS} digits. Received: {brief(name)}")
    unit = channel(positive, int(name)) if name.isdecimal() else class_logit(positive, name)
    return -unit if layer.startswith("-") else unit


def _expected(text: str, network: Network | None) -> str:
    """What a unit looks like, in the network's own names if there is one."""
    if network is not None and text in network.layers:
        return f"{text!r} is a layer; expected one of its channels, such as {_named(text, network)}"
    # The last layer: classes, where there are some.
    layer = "layer" if network is None else next(reversed(network.layers), "layer")
    unit = f"'{layer}:0' (layer:channel)" if network is None else _named(layer, network)
    return f"expected a string such as {unit}, '-{layer}:0' or '{layer}:0 + {layer}:1'"


def _named(layer: str, network: Network) -> str:
    """A channel of a layer by its number and, of a layer of classes, by its label."""
    number = f"'{layer}:0' (layer:channel)"
    try:
        labels = network.labels
    except OSError:
        # Those of a model of the zoo may have to be fetched.
        labels = None
    if labels is None or network.layers[layer][-1:] != (len(labels),):
        return number
    return f"{number}, '{layer}:{labels[0].partition(',')[0]}' (layer:label)"
