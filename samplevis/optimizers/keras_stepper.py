"""Gradient ascent with any Keras optimizer, compiled in one loop with its update."""

from __future__ import annotations

import json
from collections.abc import Sequence

import keras
import numpy as np
import tensorflow as tf

from samplevis.activation import Activation
from samplevis.network import Network
from samplevis.optimizers.base import Method, Stepper
from samplevis.optimizers.gradient_unit import RELATIVE_EPSILON, GradientUnit
from samplevis.runtime import seeds
from samplevis.runtime.checks import brief


class KerasStepper(Stepper):
    """The compiled loop of a Keras optimizer, with its variables: the latents and the optimizer's state.

    Args:
      activation: the function to maximise.
      batch: number of images.
      optimizer: its settings. None for the default, Adam(0.05) on gradients in units of their own (`GradientUnit`).
      shared_transforms: whether all images of a step get the same transform.
    """

    def __init__(
        self, activation: Activation, batch: int, optimizer: keras.optimizers.Optimizer | None, shared_transforms: bool
    ):
        self.z = keras.Variable(np.zeros((batch, *activation.param.latent_shape), np.float32))
        unit = GradientUnit(batch, len(self.z.shape)) if optimizer is None else None
        optimizer = fresh_copy(optimizer)
        optimizer.build([self.z])
        state = _state_of(optimizer, self.z) + ([unit.variable] if unit else [])
        self._initial_state = [(variable, tf.identity(variable.value)) for variable in state]

        @tf.function(autograph=False, reduce_retracing=True)
        def run(parameters: list[tf.Tensor], seed: tf.Tensor, first: tf.Tensor, count: tf.Tensor) -> tf.Tensor:
            """Runs `count` steps from step `first`; returns the scores before each update, [count, batch]."""

            def step(i: tf.Tensor, scores: tf.TensorArray) -> tuple[tf.Tensor, tf.TensorArray]:
                params = activation.sample_transforms(
                    seeds.fold(seed, "optimize", first + i), 1 if shared_transforms else batch
                )
                if shared_transforms:
                    params = tf.nest.map_structure(lambda leaf: tf.repeat(leaf, batch, axis=0), params)
                with tf.GradientTape() as tape:
                    score = activation.paired(self.z.value, params, parameters, first + i)[:, 0]
                gradient = tape.gradient(score, self.z.value)
                if gradient is None:
                    raise ValueError("obj: it has no gradient. Use optimizer='cma' or 'genetic'.")
                finite = tf.reduce_all(tf.math.is_finite(gradient), list(range(1, gradient.shape.rank)), keepdims=True)
                # Gradients that are not finite are zeroed, to keep them out of the optimizer's averages.
                gradient = tf.where(finite, gradient, 0.0)
                # Keras minimises.
                optimizer.apply([-(unit.divide(gradient) if unit else gradient)], [self.z])
                return i + 1, scores.write(i, score)

            scores = tf.TensorArray(tf.float32, count, element_shape=[batch])
            start = tf.constant(0), scores
            _, scores = tf.while_loop(lambda i, _: i < count, step, start, parallel_iterations=1)
            return scores.stack()

        # TensorFlow counts traces by the line of code, and warns if many units are compiled in this one.
        run._omit_frequent_tracing_warning = True
        self._compiled = run

    @property
    def latents(self) -> tf.Tensor:
        return self.z.value

    @property
    def variables(self) -> list[np.ndarray]:
        """Copies of the latents and of the optimizer's state, from which another stepper can resume."""
        return [np.array(variable.numpy()) for variable in self._variables]

    @variables.setter
    def variables(self, values: Sequence[np.ndarray]) -> None:
        for variable, value in zip(self._variables, values, strict=True):
            variable.assign(value)

    @property
    def _variables(self) -> list[keras.Variable]:
        return [self.z, *(variable for variable, _ in self._initial_state)]

    def run(self, parameters: Sequence[tf.Tensor], seed: tf.Tensor, first: tf.Tensor, count: tf.Tensor) -> tf.Tensor:
        return self._compiled(parameters, seed, first, count)

    def reset(self, z: tf.Tensor) -> None:
        """Restarts from latents `z`, with the optimizer's initial state."""
        self.z.assign(z)
        for variable, value in self._initial_state:
            variable.assign(value)

    def resume(self, other: KerasStepper) -> KerasStepper:
        """Takes over the latents and the optimizer's state of another stepper."""
        for variable, other_variable in zip(self._variables, other._variables, strict=True):
            variable.assign(other_variable)
        return self


def fresh_copy(optimizer: keras.optimizers.Optimizer | None) -> keras.optimizers.Optimizer:
    """A new optimizer with the same settings (the default, for None): Keras binds an optimizer to the first variables it sees."""
    optimizer = keras.optimizers.Adam(0.05, epsilon=RELATIVE_EPSILON) if optimizer is None else optimizer
    fresh = type(optimizer).from_config(optimizer.get_config())
    # Keras sums gradients over devices, even over one, with an operation that holds every graph in which it is traced.
    fresh._all_reduce_sum_gradients = lambda gradients_and_variables: gradients_and_variables
    return fresh


def _state_of(optimizer: keras.optimizers.Optimizer, z: keras.Variable) -> list[keras.Variable]:
    """All variables of an optimizer that is built for `z`: those that it lists, then those that it only holds."""
    # Nadam does not list the product of its momenta.
    held = [each for each in tf.nest.flatten(list(vars(optimizer).values())) if isinstance(each, keras.Variable)]
    found = {id(variable): variable for variable in (*optimizer.variables, *held)}
    return [variable for key, variable in found.items() if key != id(z)]


def optimizer_settings(optimizer: keras.optimizers.Optimizer | Method | None) -> tuple:
    """The settings of a Keras optimizer as a cache key; empty for None and for a `Method`.

    They are read without a copy of the optimizer, since Keras never frees the memory of one.

    Raises:
      TypeError: if it is anything else.
    """
    if optimizer is None or isinstance(optimizer, Method):
        return ()
    if not isinstance(optimizer, keras.optimizers.Optimizer):
        raise TypeError(
            "optimizer: expected a keras.optimizers.Optimizer, 'lbfgs', 'cma', 'genetic', or settings from "
            f"samplevis.optimizers. Received: {brief(optimizer)}"
        )
    # Keras numbers the names of optimizers, which have no effect.
    settings = {name: value for name, value in optimizer.get_config().items() if name != "name"}
    return type(optimizer), json.dumps(settings, sort_keys=True, default=str)


def number_of_traces(network: Network) -> int:
    """How often the loops of Keras optimizers were traced for a network and its clones: once in a sweep over channels."""
    cached = list(network.compiled.values())
    traces = sum(each._compiled.experimental_get_tracing_count() for each in cached if isinstance(each, KerasStepper))
    return traces + sum(number_of_traces(clone) for clone in cached if isinstance(clone, Network))
