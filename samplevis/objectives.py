"""Objectives: what to maximise, one score per image, with an algebra.

An objective is a function of the layer accessor `T`: `T("fire9")` gives the activations [batch, ...] of a layer, `T("input")` the
images before transforms, `T("labels")` the labels. All objectives are maximised: subtract what should be small.
"""

from __future__ import annotations

import dataclasses
import numbers
import operator
from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from samplevis.network import Network

Accessor = Callable[[str], Any]
Score = Callable[[Accessor, Sequence[Any]], tf.Tensor]
# (network, (height, width) at the network's input, parameters) -> parameters, checked and numeric.
Resolver = Callable[[Network, tuple[int, int] | None, tuple], tuple]


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Objective:
    """A score per image. Made by the functions of this module; combined with + - * / and unary minus.

    Attributes:
      function: (T, parameters) -> scores [batch].
      structure: says which computation this is, without its numbers: objectives of one structure share compiled code.
      parameters: the numbers (channel, position, direction, weight), in order.
      description: how it is printed.
      layers: the layers that it reads, known once it is resolved.
      resolver: checks the parameters against a network.
    """

    function: Score
    structure: Hashable
    parameters: tuple
    description: str
    layers: tuple[str, ...] = ()
    resolver: Resolver = lambda network, size, parameters: parameters

    def __call__(self, T: Accessor) -> tf.Tensor:  # noqa: N803 - Lucid's name for the accessor.
        """Scores [batch] of the activations that `T` gives."""
        return self.function(T, self.parameters)

    def __repr__(self) -> str:
        return self.description

    def __add__(self, other: Objective | float) -> Objective:
        return _combine(operator.add, "+", self, other)

    def __radd__(self, other: float) -> Objective:
        # sum() starts from 0, which need not be printed.
        return self if _is_zero(other) else _combine(operator.add, "+", other, self)

    def __sub__(self, other: Objective | float) -> Objective:
        return _combine(operator.sub, "-", self, other)

    def __rsub__(self, other: float) -> Objective:
        return _combine(operator.sub, "-", other, self)

    def __mul__(self, other: Objective | float) -> Objective:
        return _combine(operator.mul, "*", self, other)

    def __rmul__(self, other: float) -> Objective:
        return _combine(operator.mul, "*", other, self)

    def __truediv__(self, other: Objective | float) -> Objective:
        return _combine(operator.truediv, "/", self, other)

    def __rtruediv__(self, other: float) -> Objective:
        return _combine(operator.truediv, "/", other, self)

    def __neg__(self) -> Objective:
        return dataclasses.replace(
            self,
            function=lambda T, parameters: -self.function(T, parameters),
            structure=("neg", self.structure),
            description=f"-{self.description}",
        )

    # Keeps NumPy scalars from taking the objective for an array of objects.
    __array_ufunc__ = None

    @staticmethod
    def sum(objectives: Iterable[Objective]) -> Objective:
        """The sum of several objectives, at least one."""
        objectives = list(objectives)
        if not objectives:
            raise ValueError("objectives: expected at least one. Received: an empty list")
        return sum(objectives[1:], start=objectives[0])

    def resolve(self, network: Network, image_size: tuple[int, int] | None = None) -> Objective:
        """Checks the objective against a network and finds the layers that it reads.

        Args:
          network: the network that it will be used on.
          image_size: (height, width) in pixels at the network's input. Defaults to what the network declares, or 96.

        Returns:
          The objective with numeric parameters and `layers` filled in.

        Raises:
          ValueError: for an unknown layer or label, a channel or position out of range, or scores that are not [batch].
        """
        declared = network.image_shape
        size = image_size or tuple(side or 96 for side in declared[:2])
        network.check_size(size)
        known = dataclasses.replace(self, parameters=self.resolver(network, size, self.parameters))
        layers: dict[str, None] = {}

        def trace(images: tf.Tensor) -> tf.Tensor:
            def accessor(layer: str) -> Any:
                if layer == "labels":
                    return network.labels
                layers[layer] = None
                return images if layer == "input" else network.cut((layer,))(images)[layer]

            return tf.convert_to_tensor(known(accessor))

        # Shapes flow through a trace, numbers do not. Two images tell a score per image from one for the batch.
        spec = tf.TensorSpec((2, *size, declared[-1]), tf.float32)
        scores = tf.function(trace, autograph=False).get_concrete_function(spec).outputs[0]
        if scores.shape.rank != 1 or scores.shape[0] != 2:
            raise ValueError(
                f"obj: expected one score per image, shape [batch]. Received from {self}: shape {scores.shape} "
                "for a batch of 2"
            )
        return dataclasses.replace(known, layers=tuple(layers))


def neuron(layer: str, channel: int, x: int | None = None, y: int | None = None) -> Objective:
    """One neuron: a channel at one position.

    Args:
      layer: a layer's name.
      channel: 0 <= channel < number of channels.
      x: row (sic: as in Lucid). Defaults to the middle, H // 2.
      y: column. Defaults to the middle, W // 2. Layers without positions take neither.

    Returns:
      An objective. Source: lucid/optvis/objectives.py.
    """

    def score(T: Accessor, parameters: Sequence[Any]) -> tf.Tensor:  # noqa: N803
        activations = T(layer)
        sizes = activations.shape[1:-1]
        position = [n // 2 if given is None else given for n, given in zip(sizes, parameters[1:], strict=False)]
        return tf.gather(activations[(slice(None), *position)], parameters[0], axis=-1)

    def check(network: Network, size: tuple[int, int] | None, parameters: tuple) -> tuple:
        *positions, channels = network.layer_shape(layer, size)
        chosen = _index("channel", parameters[0], channels, layer)
        if not positions and (x is None and y is None):
            return chosen, 0, 0
        if len(positions) != 2:
            raise ValueError(f"neuron: {layer!r} has {len(positions)} directions, not 2. Received: x={x!r}, y={y!r}")
        names = ("x (row)", "y (column)")
        where = (
            n // 2 if value is None else _index(name, value, n, layer)
            for name, value, n in zip(names, parameters[1:], positions, strict=True)
        )
        return chosen, *where

    where = "" if x is None and y is None else f", x={x}, y={y}"
    return Objective(score, ("neuron", layer), (channel, x, y), f"neuron({layer}, {channel}{where})", resolver=check)


def channel(layer: str, n: int) -> Objective:
    """The mean of a channel over all positions.

    Args:
      layer: a layer's name.
      n: 0 <= n < number of channels.

    Returns:
      An objective. Source: lucid/optvis/objectives.py.
    """

    def score(T: Accessor, parameters: Sequence[Any]) -> tf.Tensor:  # noqa: N803
        return _mean(tf.gather(T(layer), parameters[0], axis=-1))

    def check(network: Network, size: tuple[int, int] | None, parameters: tuple) -> tuple:
        return (_index("channel", parameters[0], network.layer_shape(layer, size)[-1], layer),)

    return Objective(score, ("channel", layer), (n,), f"channel({layer}, {n})", resolver=check)


def direction(layer: str, vector: Any, cossim_pow: float = 0.0) -> Objective:
    """The dot product with a direction, averaged over positions, times a power of the cosine similarity.

    At every position: dot * max(0.1, cosine)^cossim_pow (Lucid's `dot_cossim`).

    Args:
      layer: a layer's name.
      vector: array [channels].
      cossim_pow: power, >= 0. Defaults to 0, the plain dot product.

    Returns:
      An objective. Source: lucid/optvis/objectives.py.
    """
    vector = np.asarray(vector, np.float32)
    if vector.ndim != 1 or not np.isfinite(vector).all():
        raise ValueError(f"direction: vector: expected finite numbers of shape [channels]. Received: {vector.shape}")
    if not cossim_pow >= 0:
        raise ValueError(f"direction: cossim_pow: expected a number >= 0. Received: {cossim_pow!r}")
    power = float(cossim_pow)

    def score(T: Accessor, parameters: Sequence[Any]) -> tf.Tensor:  # noqa: N803
        activations, v = T(layer), tf.cast(parameters[0], tf.float32)
        dot = tf.linalg.matvec(activations, v)
        if power:
            # Lucid's 1e-4 keeps a silent position from dividing by zero.
            norms = (1e-4 + _safe_norm(activations)) * (1e-4 + tf.norm(v))
            dot = dot * tf.maximum(0.1, dot / norms) ** power
        return _mean(dot)

    def check(network: Network, size: tuple[int, int] | None, parameters: tuple) -> tuple:
        channels = network.layer_shape(layer, size)[-1]
        if len(vector) != channels:
            raise ValueError(f"direction: vector: {layer!r} has {channels} channels. Received: {len(vector)} numbers")
        return parameters

    power_text = f", cossim_pow={power:g}" if power else ""
    return Objective(
        score,
        ("direction", layer, power),
        (vector,),
        f"direction({layer}, [{len(vector)}]{power_text})",
        resolver=check,
    )


def class_logit(layer: str, label: int | str) -> Objective:
    """The score of a class.

    Args:
      layer: a layer of shape [batch, classes] or [batch, 1, 1, classes], such as "logits".
      label: index of the class from 0, or its name, or one of its synonyms.

    Returns:
      An objective. Source: lucid/optvis/objectives.py.
    """

    def score(T: Accessor, parameters: Sequence[Any]) -> tf.Tensor:  # noqa: N803
        return _mean(tf.gather(T(layer), parameters[0], axis=-1))

    def check(network: Network, size: tuple[int, int] | None, parameters: tuple) -> tuple:
        index = network.class_index(parameters[0]) if isinstance(parameters[0], str) else parameters[0]
        return (_index("label", index, network.layer_shape(layer, size)[-1], layer),)

    return Objective(score, ("channel", layer), (label,), f"class_logit({layer}, {label!r})", resolver=check)


def deepdream(layer: str) -> Objective:
    """The mean squared activation of a layer: whatever it sees, more of it. Source: lucid/optvis/objectives.py."""
    return _of_layer("deepdream", layer, lambda x: _mean(tf.square(x)))


def total_variation(layer: str = "input") -> Objective:
    """The sum of absolute differences between neighbours; subtract it to smooth. Source: `tf.image.total_variation`."""
    return _of_layer("total_variation", layer, tf.image.total_variation)


def L1(layer: str = "input", constant: float = 0.0) -> Objective:  # noqa: N802 - Lucid's name.
    """The sum of |activation - constant|; subtract it. Source: lucid/optvis/objectives.py."""
    return _of_layer("L1", layer, lambda x, c: _total(tf.abs(x - c)), constant)


def L2(layer: str = "input", constant: float = 0.0, epsilon: float = 1e-6) -> Objective:  # noqa: N802 - Lucid's name.
    """sqrt(epsilon + sum of (activation - constant)^2); subtract it. Source: lucid/optvis/objectives.py."""
    return _of_layer("L2", layer, lambda x, c, e: tf.sqrt(e + _total(tf.square(x - c))), constant, epsilon)


def as_objective(obj: Objective | str | Callable) -> Objective:
    """Turns what a user may pass into an objective.

    Args:
      obj: an objective; a string "layer:channel"; or a function of the accessor `T` that returns scores [batch].

    Returns:
      An objective.

    Raises:
      ValueError: for a string of another form.
      TypeError: for anything else.
    """
    if isinstance(obj, Objective):
        return obj
    if isinstance(obj, str):
        layer, colon, number = obj.rpartition(":")
        if not (colon and layer and number.strip().isdigit()):
            raise ValueError(f"obj: expected a string such as 'fire9:10' (layer:channel). Received: {obj!r}")
        return channel(layer, int(number))
    if callable(obj):
        name = getattr(obj, "__name__", type(obj).__name__)
        return Objective(lambda T, parameters: obj(T), ("function", obj), (), f"{name}(T)")
    raise TypeError(f"obj: expected an objective, a string 'layer:channel' or a function of T. Received: {obj!r}")


def _of_layer(name: str, layer: str, score: Callable[..., tf.Tensor], *constants: float) -> Objective:
    """An objective that needs all of one layer and some constants."""
    shown = "".join(f", {c:g}" for c in constants if c not in (0.0, 1e-6))
    return Objective(
        lambda T, parameters: score(T(layer), *(tf.cast(p, tf.float32) for p in parameters)),
        (name, layer),
        tuple(float(c) for c in constants),
        f"{name}({layer}{shown})",
    )


def _combine(operation: Callable, sign: str, left: Any, right: Any) -> Objective:
    """left (operation) right, where one of them may be a number."""
    left, right = _operand(left), _operand(right)
    if left is None or right is None:
        return NotImplemented
    split = len(left.parameters)

    def score(T: Accessor, parameters: Sequence[Any]) -> tf.Tensor:  # noqa: N803
        return operation(left.function(T, parameters[:split]), right.function(T, parameters[split:]))

    def check(network: Network, size: tuple[int, int] | None, parameters: tuple) -> tuple:
        return left.resolver(network, size, parameters[:split]) + right.resolver(network, size, parameters[split:])

    return Objective(
        score,
        (sign, left.structure, right.structure),
        left.parameters + right.parameters,
        f"({left} {sign} {right})",
        resolver=check,
    )


def _operand(value: Any) -> Objective | None:
    if isinstance(value, Objective):
        return value
    if isinstance(value, numbers.Real) or (isinstance(value, np.ndarray) and value.ndim == 0):
        return Objective(
            lambda T, parameters: tf.cast(parameters[0], tf.float32), "number", (float(value),), f"{float(value):g}"
        )
    return None


def _is_zero(value: Any) -> bool:
    return isinstance(value, numbers.Real) and value == 0


def _index(name: str, value: Any, count: int | None, layer: str) -> int:
    if isinstance(value, bool) or not hasattr(value, "__index__") or value < 0 or (count and value >= count):
        highest = "" if count is None else f" to {count - 1}"
        raise ValueError(f"{name}: expected a whole number from 0{highest} for layer {layer!r}. Received: {value!r}")
    return int(value)


def _mean(x: tf.Tensor) -> tf.Tensor:
    """Mean over all but the batch."""
    return tf.reduce_mean(tf.reshape(x, (x.shape[0] or -1, int(np.prod(x.shape[1:])))), axis=1)


def _total(x: tf.Tensor) -> tf.Tensor:
    """Sum over all but the batch."""
    return tf.reduce_sum(x, list(range(1, x.shape.rank)))


def _safe_norm(x: tf.Tensor) -> tf.Tensor:
    """Norm over the last axis, with a zero gradient at zero."""
    square = tf.reduce_sum(tf.square(x), -1)
    zero = square == 0
    return tf.where(zero, 0.0, tf.sqrt(tf.where(zero, 1.0, square)))
