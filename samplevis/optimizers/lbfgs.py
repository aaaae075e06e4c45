"""L-BFGS: a quasi-Newton method, for smooth activations."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from samplevis.activation import Activation
from samplevis.optimizers.base import Method, Stepper, check_bank, mean_score
from samplevis.optimizers.gradient_unit import root_mean_square
from samplevis.runtime.checks import check_whole


@dataclasses.dataclass(frozen=True)
class LBFGS(Method):
    """L-BFGS with Hager and Zhang's line search (`tfp.optimizer.lbfgs_minimize`), separately for each image of the batch.

    It stops early when all images have converged or a line search fails. Kinks make line searches fail, so a network from
    `overrides.smooth` gets further. A step is a line search, with several gradients. The score of each image is divided by the
    root mean square of its first gradient, so that the objective's unit does not matter.

    Args:
      bank: number of transforms, sampled once, to average over, >= 1. Defaults to 8; 1 is enough if nothing is random.
      memory: number of past steps in the curvature estimate, >= 1. Defaults to 10.
      line_search: maximum number of evaluations of a line search, >= 1. Defaults to 20.

    Raises:
      ValueError, TypeError: if an argument is out of range.

    Example:
      >>> from samplevis import optimizers
      >>> optimizers.LBFGS(memory=20)
      LBFGS(bank=8, memory=20, line_search=20)
    """

    bank: int = 8
    memory: int = 10
    line_search: int = 20

    needs_gradient = True

    def __post_init__(self) -> None:
        check_bank(self.bank)
        check_whole("memory", self.memory, 1)
        check_whole("line_search", self.line_search, 1)

    def stepper(self, activation: Activation, batch: int) -> Stepper:
        """As `Method.stepper`."""
        activation.check_gradient("L-BFGS")
        return _LBFGSStepper(activation, batch, self)


class _LBFGSStepper(Stepper):
    def __init__(self, activation: Activation, batch: int, settings: LBFGS):
        # Imported here since it takes about as long to load as this package, and no other optimiser needs it.
        import tensorflow_probability as tfp

        shape = (batch, *activation.param.latent_shape)

        # Only the loss is compiled: compiling TFP's line search takes longer than running it eagerly.
        @tf.function(autograph=False)
        def loss(
            flat: tf.Tensor, parameters: list[tf.Tensor], seed: tf.Tensor, unit: tf.Tensor
        ) -> tuple[tf.Tensor, tf.Tensor]:
            return tfp.math.value_and_gradient(
                lambda x: -mean_score(activation, tf.reshape(x, shape), parameters, seed, settings.bank) / unit, flat
            )

        def advance(
            parameters: list[tf.Tensor], seed: tf.Tensor, start: tf.Tensor | None, state: Any, iterations: Any
        ) -> Any:
            return tfp.optimizer.lbfgs_minimize(
                lambda flat: loss(flat, parameters, seed, self._unit),
                start,
                state,
                num_correction_pairs=settings.memory,
                max_iterations=iterations,
                max_line_search_iterations=settings.line_search,
            )

        self._loss, self._advance = loss, advance

    def reset(self, z: tf.Tensor) -> None:
        self.latents, self._state, self.finished = tf.identity(z), None, False

    def run(self, parameters: Sequence[tf.Tensor], seed: tf.Tensor, first: tf.Tensor, count: tf.Tensor) -> tf.Tensor:
        state = self._state
        if state is None:
            start = tf.reshape(self.latents, (len(self.latents), -1))
            self._unit = self._measured_unit(start, parameters, seed)
            # No iterations, only the initial value and gradient.
            state = self._advance(parameters, seed, start, None, 0)
        scores = []
        for _ in range(int(count)):
            scores.append(-state.objective_value * self._unit)
            state = self._advance(parameters, seed, None, state, state.num_iterations + 1)
        self._state, self.latents = state, tf.reshape(state.position, self.latents.shape)
        self.finished = bool(tf.reduce_all(state.converged | state.failed))
        return tf.stack(scores)

    def _measured_unit(self, start: tf.Tensor, parameters: Sequence[tf.Tensor], seed: tf.Tensor) -> tf.Tensor:
        """The unit of each image's score, [batch], in which its first gradient has a root mean square of 1.

        TFP's first trial step is one gradient long, and its tolerance for the gradient is absolute.
        """
        gradient = self._loss(start, parameters, seed, tf.ones(len(start)))[1]
        unit = root_mean_square(gradient)[:, 0]
        return tf.where(tf.math.is_finite(unit) & (unit > 0), unit, 1.0)
