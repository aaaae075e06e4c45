"""What an objective is in Lucid: one number for the whole batch, with an algebra and a description."""

from __future__ import annotations

import functools
import inspect
import numbers
import operator
from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from samplevis.lucid.core.closures import frozen

Accessor = Callable[[str], Any]
# Longest argument that a description shows.
MAX_SHOWN = 15
# Operations before a tensor that are asked where its channels are.
MAX_DEPTH = 20
# Orders of a transposition, and where it puts the channels.
TRANSPOSED = {(0, 2, 3, 1): "NHWC", (0, 3, 1, 2): "NCHW"}


class Objective:
    """A function of the accessor T to a number, which is maximised; Objectives combine with + - * / and numbers.

    Args:
      objective_func: function of T.
      name: what kind of objective it is.
      description: what `print_objectives` prints.
      structure: identifies the computation without its numbers; objectives of one structure share compiled code. Defaults to the
        function itself.
      parameters: the numbers, which `objective_func` then takes as its second argument.

    Example:
      >>> constant = Objective(lambda T: tf.constant(3.0), "constant", "Three")
      >>> float((2 * constant + 1)(None))
      7.0
    """

    # Keeps NumPy's numbers from taking the objective for an array.
    __array_ufunc__ = None

    def __init__(
        self,
        objective_func: Callable,
        name: str = "",
        description: str = "",
        *,
        structure: Hashable = None,
        parameters: Sequence[Any] = (),
    ):
        self.name, self.description = name, description
        self.parameters = tuple(parameters)
        self.structure = ("function", objective_func) if structure is None else structure
        self.score = objective_func if structure is not None else lambda T, parameters: objective_func(T)
        self.objective_func = self.__call__ if structure is not None else objective_func

    def __call__(self, T: Accessor) -> tf.Tensor:  # noqa: N803 - Lucid's name.
        """The value for the activations that `T` gives."""
        return self.score(T, self.parameters)

    def __str__(self) -> str:
        return self.description

    __repr__ = __str__

    def __add__(self, other: Objective | float) -> Objective:
        return _combined(operator.add, self, other)

    def __radd__(self, other: float) -> Objective:
        return _combined(operator.add, self, other)

    def __sub__(self, other: Objective | float) -> Objective:
        return self + (-1 * other)

    def __rsub__(self, other: float) -> Objective:
        return -self + other

    def __mul__(self, other: Objective | float) -> Objective:
        return _combined(operator.mul, self, other)

    def __rmul__(self, other: float) -> Objective:
        return _combined(operator.mul, self, other)

    def __truediv__(self, other: Objective | float) -> Objective:
        return _combined(operator.truediv, self, other)

    def __neg__(self) -> Objective:
        return -1 * self

    @staticmethod
    def sum(objs: Iterable[Objective]) -> Objective:
        """The sum of several objectives."""
        first, *others = objs
        total = functools.reduce(operator.add, others, first)
        total.name = ", ".join(each.name for each in (first, *others))
        total.description = _sum_of(each.description for each in (first, *others))
        return total


def _sum_of(descriptions: Iterable[str]) -> str:
    return "Sum(" + " +\n".join(descriptions) + ")"


def _combined(operation: Callable, left: Objective, right: Any) -> Objective:
    number = isinstance(right, numbers.Real) or (isinstance(right, np.ndarray) and right.ndim == 0)
    if number:
        right = Objective(
            lambda T, parameters: tf.cast(parameters[0], tf.float32), structure="number", parameters=[float(right)]
        )
    elif callable(right) and not isinstance(right, Objective):
        right = Objective(right, getattr(right, "__name__", ""), getattr(right, "__name__", ""))
    elif not isinstance(right, Objective):
        return NotImplemented
    split = len(left.parameters)

    def score(T: Accessor, parameters: Sequence[Any]) -> tf.Tensor:  # noqa: N803
        return operation(left.score(T, parameters[:split]), right.score(T, parameters[split:]))

    summed = operation is operator.add and not number
    return Objective(
        score,
        f"{left.name}, {right.name}" if summed else left.name,
        _sum_of((left.description, right.description)) if summed else left.description,
        structure=(operation.__name__, left.structure, right.structure),
        parameters=left.parameters + right.parameters,
    )


def handle_batch(batch: int | None = None) -> Callable[[Callable], Callable]:
    """Lets an objective see one image of the batch only.

    Args:
      batch: number of the image, also one of NumPy's integers; None for all.

    Returns:
      A decorator for functions of T.
    """
    return lambda f: lambda T: f(one_image(T, batch))


def wrap_objective(
    require_format: str | Callable | None = None, handle_batch: bool = False, *, shared: Sequence[str] = ()
) -> Callable:
    """Turns a function of arguments that returns a function of T into one that returns an `Objective`.

    Args:
      require_format: "NHWC" for activations [batch, height, width, channels], those of dense layers too. Or the function itself:
        notebooks before Lucid 0.3.10 write the decorator without parentheses.
      handle_batch: whether the function takes `batch`, the number of an image; no effect, as in Lucid.
      shared: arguments that are numbers or arrays, in which objectives that share compiled code may differ.

    Returns:
      A decorator, or the decorated function.

    Example:
      >>> @wrap_objective()
      ... def brightness(weight):
      ...     return lambda T: weight * tf.reduce_mean(T("input"))
      >>> brightness(2).description
      'Brightness [2]'
    """
    if callable(require_format):
        return _factory(require_format, None, ())
    return lambda function: _factory(function, require_format, tuple(shared))


def _factory(function: Callable, layout: str | None, shared: Sequence[str]) -> Callable[..., Objective]:
    signature = inspect.signature(function)

    @functools.wraps(function)
    def make(*args: Any, **kwargs: Any) -> Objective:
        given = signature.bind(*args, **kwargs)
        description = f"{function.__name__.title()} [{', '.join(map(shown, given.args))}]"
        numeric = {name: _number(value) for name, value in given.arguments.items() if name in shared}
        numeric = {name: value for name, value in numeric.items() if value is not None}
        if not numeric:
            inner = _formatted(function(*args, **kwargs), layout)
            return Objective(inner, function.__name__, description)
        rest = {name: value for name, value in given.arguments.items() if name not in numeric}

        def score(T: Accessor, parameters: Sequence[Any]) -> tf.Tensor:  # noqa: N803
            inner = function(**rest, **dict(zip(numeric, parameters, strict=True)))
            return _formatted(inner, layout)(T)

        structure = function.__module__, function.__name__, tuple((name, frozen(v)) for name, v in rest.items())
        return Objective(
            score,
            function.__name__,
            description,
            structure=(*structure, *numeric),
            parameters=tuple(numeric.values()),
        )

    return make


def _number(value: Any) -> Any:
    """A value to pass into compiled code as a tensor, or None."""
    if isinstance(value, numbers.Integral) and not isinstance(value, bool):
        return np.int32(value)
    if isinstance(value, np.ndarray) and value.dtype.kind == "f":
        return np.float32(value)
    return None


def shown(value: Any) -> str:
    """An argument in a description."""
    text = str(value)
    return "..." if len(text) > MAX_SHOWN or "\n" in text else text


def _formatted(inner: Callable[[Accessor], tf.Tensor], layout: str | None) -> Callable[[Accessor], tf.Tensor]:
    return (lambda T: inner(force_nhwc(T))) if layout == "NHWC" else inner


def force_nhwc(T: Accessor) -> Accessor:  # noqa: N803
    """Lets an objective see activations channels-last: [N, C, H, W] are transposed, and [N, C] become [N, 1, 1, C]."""

    def T2(name: str) -> Any:  # noqa: N802
        value = T(name)
        rank = value.shape.rank if isinstance(value, tf.Tensor) else None
        if rank == 2:
            return value[:, None, None, :]
        return tf.transpose(value, [0, 2, 3, 1]) if rank == 4 and data_format(value) == "NCHW" else value

    return T2


def data_format(t: tf.Tensor, max_depth: int = MAX_DEPTH) -> str | None:
    """Where the channels of a tensor of a graph are, by the nearest operation that says it.

    Args:
      t: activations of rank 4.
      max_depth: how many operations to look back. Defaults to 20, as in Lucid.

    Returns:
      "NHWC", "NCHW", or None if no operation says it.
    """
    if tf.executing_eagerly() or not hasattr(t, "op"):
        return None
    seen, edge = set(), [t.op]
    for _ in range(max_depth):
        for operation in edge:
            if (found := _said_format(operation)) is not None:
                return found
        seen |= {operation.name for operation in edge}
        edge = [tensor.op for operation in edge for tensor in operation.inputs if tensor.op.name not in seen]
    return None


def _said_format(operation: tf.Operation) -> str | None:
    if operation.type == "Transpose":
        # TensorFlow computes channels-first layers channels-last on some devices, and transposes what they give.
        order = tf.get_static_value(operation.inputs[1])
        return None if order is None else TRANSPOSED.get(tuple(order.tolist()))
    try:
        said = operation.get_attr("data_format")
    except ValueError:
        return None
    return said.decode() if isinstance(said, bytes) else None


def one_image(T: Accessor, batch: int | None = None) -> Accessor:  # noqa: N803
    """Lets an objective see one image of the batch; None for all."""
    if batch is None:
        return T

    def T2(name: str) -> Any:  # noqa: N802
        value = T(name)
        return value[batch : batch + 1] if isinstance(value, tf.Tensor) else value

    return T2
