"""What the warm-up of a batch of chains tunes: mass, target and step size. Further batches start from it."""

from __future__ import annotations

import dataclasses
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from samplevis.activation import Activation
from samplevis.runtime import seeds
from samplevis.runtime.callbacks import OneStage
from samplevis.runtime.context import RunContext
from samplevis.sampling.chains import ChainProblem, ChainResult, Monitors, run_chains
from samplevis.sampling.density import Conditioned, Density
from samplevis.sampling.kernels.base import Target
from samplevis.sampling.kernels.free_moves import named_moves
from samplevis.sampling.level_scale import Gauge, LevelScale, finite_mean, finite_median, mean_activation
from samplevis.sampling.mass import learn_preconditioner
from samplevis.sampling.options import HMCOptions
from samplevis.sampling.scalars import scalar_fn, virial_fn

# Largest ratio of the level asked for to the level reached that the calibration makes up for.
MAX_OPTIMISM = 1.3
NUM_CALIBRATION_TRANSFORMS = 32
# Share of the warm-up that chains need where nothing is left to tune: annealing left them near their density.
FROZEN_SHARE = 0.375


class Tuning(NamedTuple):
    """What a batch of chains found, from which further batches start.

    Attributes:
      seed: of the bank and of the fresh transforms, int32 [2].
      density: the target density, after calibration.
      preconditioner: root of the inverse diagonal mass, broadcasts against one state.
      step_size: radians.
      level: on the network that is sampled, of the density's target: where further batches are annealed to. None if these chains
        were not annealed to a level.

    Example:
      >>> result = sample(activation, latents[:4], scale)
      >>> more = sample(activation, latents[4:], scale, tuning=result.tuning, seed=1)
      >>> more.density is result.density
      True
    """

    seed: tf.Tensor
    density: Density
    preconditioner: np.ndarray | float
    step_size: float
    level: float | None = None


class Aim(NamedTuple):
    """What the calibration comes to.

    Attributes:
      level: asked for.
      gauge: where it is measured.
    """

    level: float
    gauge: Gauge


def bank_of(activation: Activation, tuning: Tuning, options: HMCOptions) -> Any:
    """The bank that all chains of a tuning see: one fixed density.

    Args:
      activation: what is explored.
      tuning: of the chains.
      options: the sampler's options.

    Returns:
      Parameters of `options.num_transforms` transforms.
    """
    return activation.sample_bank(seeds.fold(tuning.seed, "bank"), options.num_transforms)


def run_tuned(
    activation: Activation,
    tuning: Tuning,
    scale: LevelScale,
    state: tf.Tensor,
    options: HMCOptions,
    aim: Aim | None,
    context: RunContext,
) -> tuple[list[ChainResult], Tuning]:
    """Warms a batch of chains up, tunes, and draws.

    Args:
      activation: what is explored.
      tuning: where the tuning begins.
      scale: the ends of the activation's scale.
      state: first states in the coordinates of `param.rotate`, [chain, *latent_shape].
      options: the sampler's options.
      aim: the level asked for, and where it is measured: half of the warm-up measures it on other transforms, to move the
        density's target. None leaves the density as it is.
      context: of the run.

    Returns:
      (runs of the chains, the last of which has the draws; the tuning).
    """
    runs = []
    if options.adapt_mass:
        learned = _preconditioner(activation, _problem(activation, tuning, options), state, context)
        tuning = tuning._replace(preconditioner=learned)
    if aim is not None:
        runs = [_calibration_run(_problem(activation, tuning, options), state, options, context)]
        state = tf.constant(runs[0].states[-1])
        density = _calibrated(tuning.density, scale.prior, aim.level, _level_on_other(activation, state, aim, context))
        tuning = tuning._replace(density=density, level=float(scale.levels(density.target)))
        options = _after_calibration(options, runs[0])
    runs.append(run_chains(_problem(activation, tuning, options), state, options, context))
    return runs, tuning._replace(step_size=float(runs[-1].stats.step_size[-1]))


def run_frozen(
    activation: Activation, tuning: Tuning, state: tf.Tensor, options: HMCOptions, context: RunContext
) -> ChainResult:
    """Draws with the kernel and from the density of an earlier batch.

    Args:
      activation: what is explored.
      tuning: that of the earlier batch.
      state: first states in the coordinates of `param.rotate`, [chain, *latent_shape].
      options: the sampler's options.
      context: of this batch.

    Returns:
      `ChainResult`.
    """
    warmup = int(np.ceil(FROZEN_SHARE * options.num_burnin_steps))
    options = dataclasses.replace(options, num_burnin_steps=warmup, step_size=tuning.step_size)
    return run_chains(_problem(activation, tuning, options), state, options, context, frozen=True)


def _problem(activation: Activation, tuning: Tuning, options: HMCOptions) -> ChainProblem:
    """What the chains sample: the density of the activation on the bank, in the coordinates of `param.rotate`."""
    param, density, bank = activation.param, type(tuning.density), bank_of(activation, tuning, options)
    on_bank = mean_activation(activation, bank)

    def tilt(state: tf.Tensor, bank: Any, parameters: list[tf.Tensor], density_params: dict) -> tf.Tensor:
        return density(**density_params).tilt(activation.mean(param.rotate(state), bank, parameters))

    def redraw(seed: tf.Tensor, bank: Any, *arguments: Any) -> Target:
        other = activation.sample_bank(seed, options.num_transforms)
        return lambda state: tilt(state, other, *arguments)

    return ChainProblem(
        tilt,
        preconditioner=tuning.preconditioner,
        redraw=redraw,
        moves=named_moves(param, options.moves),
        arguments=(bank, activation.parameters, tuning.density.numbers),
        monitors=Monitors(
            lambda state: finite_mean(on_bank(param.rotate(state))),
            scalar_fn(param.latent_shape, param.bands()),
            lambda state: param.image(param.rotate(state)),
            virial=virial_fn(param.latent_shape, param.bands()),
        ),
        compile=activation.compiler(density, options.moves, options.num_transforms),
    )


def _preconditioner(activation: Activation, problem: ChainProblem, state: tf.Tensor, context: RunContext) -> np.ndarray:
    """The learned preconditioner, from the checkpoint if it is there."""

    def learn() -> dict[str, np.ndarray]:
        bands = activation.param.bands()
        learned = learn_preconditioner(
            problem.target_fn, state, bands, context.seed, problem.arguments, problem.compile
        )
        return {"scale": learned}

    return context.checkpoint.get_or_compute("mass", learn)["scale"]


def _calibration_run(problem: ChainProblem, state: tf.Tensor, options: HMCOptions, context: RunContext) -> ChainResult:
    """The first half of the warm-up, on the density before its calibration. Its draw is not shown."""
    short = dataclasses.replace(
        options, num_burnin_steps=options.num_burnin_steps // 2, num_results=1, num_steps_between_results=0
    )
    quiet = dataclasses.replace(problem, monitors=problem.monitors._replace(notify=False))
    # The seeds, and the checkpoints of earlier versions, have this part under the name of "rehearsal".
    part = context.part("rehearsal")
    callbacks = tuple(OneStage(callback, "warm-up", "calibrate") for callback in part.callbacks)
    return run_chains(quiet, state, short, dataclasses.replace(part, callbacks=callbacks))


def _after_calibration(options: HMCOptions, calibration_run: ChainResult) -> HMCOptions:
    """Options of the rest: the other half of the warm-up, from the step size that the first half came to."""
    return dataclasses.replace(
        options,
        num_burnin_steps=options.num_burnin_steps - options.num_burnin_steps // 2,
        step_size=float(calibration_run.stats.step_size[-1]),
    )


def _level_on_other(activation: Activation, state: tf.Tensor, aim: Aim, context: RunContext) -> float:
    """Median level of the chains on the gauge, on transforms that are used for nothing else."""
    other = activation.sample_bank(seeds.fold(context.seed, "calibration"), NUM_CALIBRATION_TRANSFORMS)

    def measure() -> dict[str, float]:
        return {"level": finite_median(aim.gauge.level_on(other)(activation.param.rotate(state)))}

    return float(context.checkpoint.get_or_compute("calibration", measure)["level"])


def _calibrated(density: Conditioned, prior: float, asked: float, reached: float) -> Conditioned:
    """The density whose target is moved in the ratio of the level asked for to the level reached."""
    ratio = asked / reached if reached > 0 else 1.0
    factor = float(np.clip(ratio, 1 / MAX_OPTIMISM, MAX_OPTIMISM))
    return dataclasses.replace(density, target=prior + (density.target - prior) * factor)
