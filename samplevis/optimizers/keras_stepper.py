"""Gradient ascent with any Keras optimizer, compiled as one loop with its update."""

from __future__ import annotations

import json
from collections.abc import Sequence

import keras
import numpy as np
import tensorflow as tf

from samplevis.activation import Activation
from samplevis.network import Network
from samplevis.optimizers.base import Method, Stepper
from samplevis.runtime import seeds
from samplevis.runtime.checks import brief


class KerasStepper(Stepper):
    """The compiled loop of a Keras optimizer with its variables: latents and the optimizer's state."""

    def __init__(
        self, activation: Activation, batch: int, optimizer: keras.optimizers.Optimizer, shared_transforms: bool
    ):
        self.z = keras.Variable(np.zeros((batch, *activation.param.latent_shape), np.float32))
        optimizer.build([self.z])
        self._state = [(variable, tf.identity(variable.value)) for variable in optimizer.variables]

        @tf.function(autograph=False, reduce_retracing=True)
        def run(parameters: list[tf.Tensor], seed: tf.Tensor, first: tf.Tensor, count: tf.Tensor) -> tf.Tensor:
            """Runs `count` steps from step `first`; returns the scores before each update, [count, batch]."""

            def step(i: tf.Tensor, scores: tf.TensorArray) -> tuple[tf.Tensor, tf.TensorArray]:
                draws = activation.sample_transforms(
                    seeds.fold(seed, "optimize", first + i), 1 if shared_transforms else batch
                )
                if shared_transforms:
                    draws = tf.nest.map_structure(lambda draw: tf.repeat(draw, batch, axis=0), draws)
                with tf.GradientTape() as tape:
                    score = activation.paired(self.z.value, draws, parameters, first + i)[:, 0]
                gradient = tape.gradient(score, self.z.value)
                if gradient is None:
                    raise ValueError("obj: it has no gradient. Use optimizer='cma' or 'genetic'.")
                finite = tf.reduce_all(tf.math.is_finite(gradient), list(range(1, gradient.shape.rank)), keepdims=True)
                # Keras minimises. Images without a gradient rest: they must not spoil the optimizer's averages.
                optimizer.apply([tf.where(finite, -gradient, 0.0)], [self.z])
                return i + 1, scores.write(i, score)

            scores = tf.TensorArray(tf.float32, count, element_shape=[batch])
            return tf.while_loop(lambda i, _: i < count, step, (tf.constant(0), scores), parallel_iterations=1)[
                1
            ].stack()

        self._compiled = run

    @property
    def latents(self) -> tf.Tensor:
        return self.z.value

    @property
    def variables(self) -> list[np.ndarray]:
        """Copies of the latents and of the optimizer's state: with them, another stepper goes on from here."""
        return [np.array(variable.numpy()) for variable in (self.z, *(variable for variable, _ in self._state))]

    @variables.setter
    def variables(self, values: Sequence[np.ndarray]) -> None:
        for variable, value in zip((self.z, *(variable for variable, _ in self._state)), values, strict=True):
            variable.assign(value)

    def run(self, parameters: Sequence[tf.Tensor], seed: tf.Tensor, first: tf.Tensor, count: tf.Tensor) -> tf.Tensor:
        return self._compiled(parameters, seed, first, count)

    def reset(self, z: tf.Tensor) -> None:
        """Starts again from latents `z`, with a fresh optimizer."""
        self.z.assign(z)
        for variable, value in self._state:
            variable.assign(value)

    def resume(self, other: KerasStepper) -> KerasStepper:
        """Goes on from another stepper's latents and optimizer."""
        self.z.assign(other.z)
        for (variable, _), (theirs, _) in zip(self._state, other._state, strict=True):
            variable.assign(theirs)
        return self


def copied(optimizer: keras.optimizers.Optimizer | None) -> keras.optimizers.Optimizer:
    """A fresh optimizer with the same settings: Keras ties an optimizer to the first variables that it sees."""
    given = keras.optimizers.Adam(0.05) if optimizer is None else optimizer
    fresh = type(given).from_config(given.get_config())
    # Keras adds gradients up over devices, also over one, by an operation that keeps every graph it is traced in for good.
    fresh._all_reduce_sum_gradients = lambda gradients_and_variables: gradients_and_variables
    return fresh


def settings_of(optimizer: keras.optimizers.Optimizer | None) -> tuple:
    """What decides the updates of an optimizer. Made without a copy: every Keras optimizer that was ever made takes memory."""
    if optimizer is None or isinstance(optimizer, Method):
        return ()
    if not isinstance(optimizer, keras.optimizers.Optimizer):
        raise TypeError(
            "optimizer: expected a keras.optimizers.Optimizer, 'lbfgs', 'cma', 'genetic', or settings from "
            f"samplevis.optimizers. Received: {brief(optimizer)}"
        )
    # Keras numbers the names of optimizers; they change nothing.
    settings = {name: value for name, value in optimizer.get_config().items() if name != "name"}
    return type(optimizer), json.dumps(settings, sort_keys=True, default=str)


def number_of_traces(network: Network) -> int:
    """How often the optimiser's loops of a network and its clones have been traced: 1 after a sweep over channels."""
    kept = list(network.compiled.values())
    traces = sum(each._compiled.experimental_get_tracing_count() for each in kept if isinstance(each, KerasStepper))
    return traces + sum(number_of_traces(clone) for clone in kept if isinstance(clone, Network))
