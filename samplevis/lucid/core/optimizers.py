"""TensorFlow 1's optimizers as those of Keras, with the same updates."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from samplevis.runtime.checks import brief

# TensorFlow 1's; Keras's is 1e-7.
EPSILON = 1e-8


class RMSProp(keras.optimizers.Optimizer):
    """TensorFlow 1's RMSProp: its averages begin at 1, and epsilon is inside the root."""

    def __init__(
        self, learning_rate: float, decay: float = 0.9, momentum: float = 0.0, epsilon: float = 1e-10, **kwargs: Any
    ):
        super().__init__(learning_rate, **kwargs)
        self.decay, self.momentum, self.epsilon = decay, momentum, epsilon

    def build(self, variables: list[keras.Variable]) -> None:
        super().build(variables)
        ones = keras.initializers.Ones()
        self.squares = [self.add_variable_from_reference(one, name="square", initializer=ones) for one in variables]
        self.velocities = [self.add_variable_from_reference(one, name="velocity") for one in variables]

    def update_step(self, gradient: tf.Tensor, variable: keras.Variable, learning_rate: tf.Tensor) -> None:
        number = self._get_variable_index(variable)
        square, velocity = self.squares[number], self.velocities[number]
        square.assign(square + (1 - self.decay) * (tf.square(gradient) - square))
        step = learning_rate * gradient / tf.sqrt(square + self.epsilon)
        velocity.assign(self.momentum * velocity + step)
        variable.assign_sub(velocity)

    def get_config(self) -> dict[str, Any]:
        own = {"decay": self.decay, "momentum": self.momentum, "epsilon": self.epsilon}
        return super().get_config() | own


class Adagrad(keras.optimizers.Optimizer):
    """TensorFlow 1's Adagrad, without an epsilon."""

    def __init__(self, learning_rate: float, initial: float = 0.1, **kwargs: Any):
        super().__init__(learning_rate, **kwargs)
        self.initial = initial

    def build(self, variables: list[keras.Variable]) -> None:
        super().build(variables)
        first = keras.initializers.Constant(self.initial)
        self.squares = [self.add_variable_from_reference(one, name="square", initializer=first) for one in variables]

    def update_step(self, gradient: tf.Tensor, variable: keras.Variable, learning_rate: tf.Tensor) -> None:
        square = self.squares[self._get_variable_index(variable)]
        square.assign_add(tf.square(gradient))
        variable.assign_sub(learning_rate * gradient / tf.sqrt(square))

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"initial": self.initial}


def adam(learning_rate: float) -> keras.optimizers.Optimizer:
    """TensorFlow 1's Adam with its default settings."""
    return keras.optimizers.Adam(learning_rate, epsilon=EPSILON)


_TRAIN = tf.compat.v1.train
# TensorFlow 1's optimizer -> its settings (private attributes, which have no public names) as an optimizer of Keras.
TRANSLATIONS: dict[type, Callable[[Any], keras.optimizers.Optimizer]] = {
    _TRAIN.AdamOptimizer: lambda o: keras.optimizers.Adam(_value(o._lr), o._beta1, o._beta2, o._epsilon),
    _TRAIN.GradientDescentOptimizer: lambda o: keras.optimizers.SGD(_value(o._learning_rate)),
    _TRAIN.MomentumOptimizer: lambda o: keras.optimizers.SGD(
        _value(o._learning_rate), _value(o._momentum), nesterov=o._use_nesterov
    ),
    _TRAIN.RMSPropOptimizer: lambda o: RMSProp(_value(o._learning_rate), o._decay, _value(o._momentum), o._epsilon),
    _TRAIN.AdagradOptimizer: lambda o: Adagrad(_value(o._learning_rate), o._initial_accumulator_value),
}


def as_keras(optimizer: Any) -> keras.optimizers.Optimizer:
    """What `render_vis` takes as `optimizer`, as an optimizer of Keras.

    Args:
      optimizer: None for Adam(0.05); one of Keras or of `tf.compat.v1.train`; or a function without arguments that returns one.

    Returns:
      An optimizer of Keras.

    Raises:
      TypeError: if it is none of these.
    """
    if optimizer is None:
        return adam(0.05)
    if isinstance(optimizer, keras.optimizers.Optimizer):
        return optimizer
    for kind, translate in TRANSLATIONS.items():
        if type(optimizer) is kind:
            return translate(optimizer)
    if callable(optimizer):
        return as_keras(optimizer())
    known = ", ".join(kind.__name__ for kind in TRANSLATIONS)
    raise TypeError(
        f"optimizer: expected one of Keras, or of tf.compat.v1.train: {known}. Received: {brief(optimizer)}"
    )


def _value(setting: Any) -> float:
    setting = setting() if callable(setting) else setting
    if not isinstance(setting, (int, float)):
        raise TypeError(
            f"optimizer: expected settings that are numbers; for a schedule, use one of Keras. Received: {brief(setting)}"
        )
    return float(setting)
