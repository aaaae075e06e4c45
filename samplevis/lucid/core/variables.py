"""The variables that a program written for Lucid makes, as one latent.

In Lucid, `param_f` makes variables of its graph. In compiled code here there is no graph that lasts, so the same function is
called again and again: the variables that it makes are intercepted, recorded the first time, and then read from a latent.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from typing import Any

import numpy as np
import tensorflow as tf

# The generator of initial values while a seed is fixed; NumPy's own, which Lucid uses, otherwise.
_initial_values: ContextVar[np.random.RandomState | None] = ContextVar("initial_values", default=None)

# Whether variables are read from a latent: then their first values have no use, and none are drawn.
_reading: ContextVar[bool] = ContextVar("reading", default=False)

Creator = Callable[..., Any]
# Where a graph keeps the variables of `tf.compat.v1.get_variable` by name.
VARIABLE_STORE = ("__variable_store",)


def normal(shape: tuple[int, ...], sd: float) -> np.ndarray:
    """Initial values N(0, sd^2), float32, from `numpy.random` as in Lucid, so that `numpy.random.seed` fixes them."""
    if _reading.get():
        return np.zeros(shape, np.float32)
    return (_initial_values.get() or np.random).normal(size=shape, scale=sd).astype(np.float32)


def glorot_normal(shape: tuple[int, ...], fan_in: int) -> np.ndarray:
    """Truncated normal values with variance 1 / fan_in, TensorFlow's `variance_scaling`."""
    if _reading.get():
        return np.zeros(shape, np.float32)
    generator = _initial_values.get() or np.random
    values = generator.normal(size=shape)
    while (outside := np.abs(values) > 2).any():
        values[outside] = generator.normal(size=int(outside.sum()))
    # The standard deviation of a normal variable that is truncated at 2.
    return np.float32(values * np.sqrt(1 / fan_in) / 0.87962566103423978)


def random_seed() -> int:
    """An int below 2**31 from the same generator."""
    return int((_initial_values.get() or np.random).randint(2**31 - 1))


def seed_beside() -> int:
    """An int below 2**31 that follows from the generator's state and leaves it as it is: first values come from there."""
    generator = np.random.RandomState()
    generator.set_state((_initial_values.get() or np.random).get_state())
    return int(generator.randint(2**31 - 1))


@contextlib.contextmanager
def fixed_initial_values(seed: int) -> Iterator[None]:
    """Initial values inside this block follow from a seed, and `numpy.random` stays as it is."""
    token = _initial_values.set(np.random.RandomState(seed))
    try:
        yield
    finally:
        _initial_values.reset(token)


def variable(initial: np.ndarray) -> Any:
    """A variable that is optimised.

    Args:
      initial: its first value.

    Returns:
      What `tf.compat.v1.Variable` gives: a variable of the default graph, or an eager one; in compiled code, what `Latents`
      puts in its place.
    """
    return tf.compat.v1.Variable(initial, trainable=True)


class Latents:
    """The variables that a function makes, one after the other in a vector.

    Args:
      function: a function without arguments that makes variables and returns a tensor, such as `lambda: param.image(128)`.

    Attributes:
      initial: float32 [1, size], the first values of those that can be trained.
      shapes: of those that can be trained, in order.
      constants: first values of the others.
      result: what the function returned.
      seed: an int from the same generator as the first values, after them.
    """

    def __init__(self, function: Callable[[], Any]):
        self.function = function
        self.shapes: list[tuple[int, ...]] = []
        self.constants: list[np.ndarray] = []
        values: list[np.ndarray] = []

        def record(following: Creator, **settings: Any) -> tf.Tensor:
            value = _first_value(settings)
            if _is_trained(settings, value):
                self.shapes.append(value.shape)
                values.append(np.ravel(value).astype(np.float32))
            else:
                self.constants.append(value)
            return following(**{**settings, "initial_value": value})

        with tf.variable_creator_scope(record), _no_variables_yet():
            self.result = tf.convert_to_tensor(function())
        self._compiled = tf.function(self._read, autograph=False)
        self.seed = random_seed()
        self.initial = np.concatenate(values)[None] if values else np.zeros((1, 0), np.float32)

    def read(self, z: tf.Tensor) -> Any:
        """Calls the function with its variables replaced by their values in a latent.

        Args:
          z: [1, size].

        Returns:
          What the function returns.
        """
        # What it makes has a name only in a graph, which `tf.compat.v1.get_variable` asks for.
        return self._compiled(z) if tf.executing_eagerly() else self._read(z)

    def _read(self, z: tf.Tensor) -> Any:
        sizes = [int(np.prod(shape)) for shape in self.shapes]
        parts = iter(zip(tf.split(z[0], sizes), self.shapes, strict=True) if len(sizes) > 1 else _one(z, self.shapes))
        constants = iter(self.constants)

        def replace(following: Creator, **settings: Any) -> tf.Tensor:
            if _is_trained(settings, None):
                part, shape = next(parts)
                return tf.reshape(part, shape)
            return tf.constant(next(constants))

        token = _reading.set(True)
        try:
            with tf.variable_creator_scope(replace), _no_variables_yet():
                return self.function()
        finally:
            _reading.reset(token)

    def fingerprint(self) -> str:
        """A digest of what the function computes, and of the arrays in it: equal for two functions that do the same."""
        graph = tf.Graph()
        with graph.as_default():
            self.read(tf.compat.v1.placeholder(tf.float32, self.initial.shape))
        return hashlib.sha256(graph.as_graph_def().SerializeToString(deterministic=True)).hexdigest()


@contextlib.contextmanager
def _no_variables_yet() -> Iterator[None]:
    """In this block, `tf.compat.v1.get_variable` knows no names: the same function is called again and again."""
    store = tf.compat.v1.get_default_graph().get_collection_ref(VARIABLE_STORE)
    before, store[:] = list(store), []
    try:
        yield
    finally:
        store[:] = before


def _one(z: tf.Tensor, shapes: list[tuple[int, ...]]) -> list[tuple[tf.Tensor, tuple[int, ...]]]:
    """A single variable needs no split."""
    return [(z, shape) for shape in shapes]


def _is_trained(settings: dict[str, Any], value: np.ndarray | None) -> bool:
    return settings.get("trainable") is not False


def _first_value(settings: dict[str, Any]) -> np.ndarray:
    value = settings.get("initial_value")
    value = value() if callable(value) else value
    if value is None:
        shape, dtype = settings["shape"], settings.get("dtype") or tf.float32
        value = settings["initializer"](shape, dtype=dtype)
    return np.asarray(value)
