"""Warm-up and sampling: an adjusted kernel under `tfp.mcmc.sample_chain`, on a fixed bank of transforms."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from samplevis import seeds
from samplevis.progress import Progress
from samplevis.sampling import kernels
from samplevis.sampling.options import HMCOptions

Target = Callable[[tf.Tensor], tf.Tensor]
# Stands for the log acceptance of a proposal that is not finite: zero acceptance, but finite for the adaptation.
LOG_ZERO = -1e4
# TFP's kernels, which know nothing of the Gaussian part.
PLAIN = ("hmc", "nuts")
# Largest step that warm-up may take, in radians: close to a quarter turn, which forgets the state. Without a force any step is
# accepted, and the adaptation would never stop.
LARGEST_STEP = 1.5
# Rate of partial refreshment in `malt`, per radian: of the order of the prior's own frequency, which is 1.
FRICTION = 1.0
# Doublings of a NUTS trajectory: at most 63 gradients.
TREE_DEPTH = 6


class Step(NamedTuple):
    """What is traced at every transition: float arrays [transition, chain], but for the last two, [transition].

    Attributes:
      accept: acceptance probability of the proposal.
      is_accepted: bool.
      energy_error: energy gained along the trajectory, in nats; not finite where the proposal was not.
      energy: total energy at the start of the trajectory, in nats, float64.
      log_density: tilt plus the prior's -|z|^2 / 2, in nats, float64.
      step_size: radians.
      gradients: gradients of the longest chain.
    """

    accept: Any
    is_accepted: Any
    energy_error: Any
    energy: Any
    log_density: Any
    step_size: Any
    gradients: Any


class Chains(NamedTuple):
    """What the sampler returns.

    Attributes:
      states: float32 [draw, chain, *latent_shape].
      warmup: trace of the warm-up.
      trace: trace of all transitions after warm-up.
    """

    states: np.ndarray
    warmup: Step
    trace: Step


def run_chains(
    target_fn: Target,
    state: tf.Tensor,
    scale: np.ndarray | float,
    options: HMCOptions,
    seed: tf.Tensor,
    watch: Callable[[tf.Tensor], float] | None = None,
    progress: bool = False,
) -> Chains:
    """Adapts the step size, freezes it, and draws.

    Args:
      target_fn: state [chain, ...] -> tilt [chain]: the log density less that of N(0, I).
      state: first states, [chain, ...].
      scale: root of the inverse diagonal mass, broadcasts against one state.
      options: the sampler's options.
      seed: int32 tensor of shape [2].
      watch: state -> the figure to show beside the progress bar.
      progress: whether to show progress bars.

    Returns:
      `Chains`. After Ctrl-C, the draws so far; at least one.
    """
    ruler = tf.ones_like(state[0]) * scale
    plain = options.kernel in PLAIN
    # TFP's kernels have a unit mass: they move in coordinates that are divided by the scale.
    now = state / ruler if plain else state

    def kernel(step_size: Any) -> tfp.mcmc.TransitionKernel:
        return _kernel(options, target_fn, step_size, ruler)

    length = _LENGTHS.get(options.kernel, options.num_leapfrog_steps)
    trace = functools.partial(_TRACES.get(options.kernel, _trace_split), length)
    show = (lambda x: watch(x * ruler if plain else x)) if watch else None

    warmup, step_size = [], options.step_size
    if options.num_burnin_steps:
        adaptive = tfp.mcmc.DualAveragingStepSizeAdaptation(
            kernel(options.step_size),
            num_adaptation_steps=options.num_burnin_steps,
            target_accept_prob=options.target_accept_prob,
            shrinkage_target=options.step_size,
            step_size_getter_fn=_step_size,
            step_size_setter_fn=_with_step_size,
            log_accept_prob_getter_fn=lambda results: _log_accept(results.log_accept_ratio),
            # The worst chain decides: a mean would leave it stuck.
            reduce_fn=tfp.math.reduce_log_harmonic_mean_exp,
        )
        now, results, _, warmup = _run(
            adaptive,
            now,
            options.num_burnin_steps,
            1,
            seeds.fold(seed, "warm-up"),
            lambda state, results: trace(state, results.inner_results),
            "warm-up",
            show,
            progress,
        )
        step_size = min(float(results.new_step_size), LARGEST_STEP)
    now, _, states, steps = _run(
        kernel(step_size),
        now,
        options.num_results,
        options.num_steps_between_results + 1,
        seeds.fold(seed, "sample"),
        trace,
        "sample",
        show,
        progress,
    )
    states = np.stack(states)
    return Chains(states * ruler.numpy() if plain else states, _join(warmup), _join(steps))


def _kernel(options: HMCOptions, target_fn: Target, step_size: Any, scale: tf.Tensor) -> tfp.mcmc.TransitionKernel:
    """The kernel of a name."""
    length = options.num_leapfrog_steps
    if options.kernel == "split_hmc":
        return kernels.SplitHMC(target_fn, step_size, length, scale)
    if options.kernel == "malt":
        return kernels.SplitHMC(target_fn, step_size, length, scale, friction=FRICTION)
    if options.kernel == "pcn":
        # Without a force a step only turns the state towards noise: preconditioned Crank-Nicolson (Cotter et al. 2013).
        return kernels.SplitHMC(lambda x: tf.stop_gradient(target_fn(x)), step_size, 1, scale)

    def log_density(x: tf.Tensor) -> tf.Tensor:
        return target_fn(x * scale) - _half_square(x * scale, tf.float32)

    if options.kernel == "nuts":
        return tfp.mcmc.NoUTurnSampler(log_density, step_size, max_tree_depth=TREE_DEPTH)
    return tfp.mcmc.HamiltonianMonteCarlo(log_density, step_size, length, store_parameters_in_results=True)


def _run(
    kernel: tfp.mcmc.TransitionKernel,
    state: tf.Tensor,
    calls: int,
    transitions: int,
    seed: tf.Tensor,
    trace_fn: Callable[[tf.Tensor, Any], Step],
    stage: str,
    watch: Callable[[tf.Tensor], float] | None,
    progress: bool,
) -> tuple[tf.Tensor, Any, list[np.ndarray], list[Step]]:
    """Calls `tfp.mcmc.sample_chain` `calls` times, keeping the last state of each."""

    @tf.function(autograph=False)
    def advance(state: tf.Tensor, results: Any, seed: tf.Tensor) -> tuple[tf.Tensor, Step, Any]:
        out = tfp.mcmc.sample_chain(
            transitions,
            state,
            results,
            kernel,
            trace_fn=trace_fn,
            return_final_kernel_results=True,
            seed=seed,
            parallel_iterations=1,
        )
        return out.all_states[-1], out.trace, out.final_kernel_results

    results = kernel.bootstrap_results(state)
    states, steps = [], []
    with Progress(stage, calls * transitions, "step", show=progress) as bar:
        for call in range(calls):
            state, step, results = advance(state, results, seeds.fold(seed, call))
            states.append(state.numpy())
            steps.append(tf.nest.map_structure(lambda t: t.numpy(), step))
            figures = {"activation": watch(state)} if watch and progress else {}
            bar.update(transitions, **figures, acceptance=float(step.accept.numpy().mean()))
            if bar.interrupted:
                break
    return state, results, states, steps


def _trace_split(length: int, state: tf.Tensor, results: kernels.SplitResults) -> Step:
    return Step(
        tf.exp(_log_accept(results.log_accept_ratio)),
        results.is_accepted,
        -results.log_accept_ratio,
        results.energy,
        tf.cast(results.tilt, tf.float64) - _half_square(state, tf.float64),
        results.step_size,
        tf.constant(length),
    )


def _trace_hmc(length: int, state: tf.Tensor, results: Any) -> Step:
    proposed = results.proposed_results
    kinetic = _half_square(proposed.final_momentum[0], tf.float64)
    return Step(
        tf.exp(_log_accept(results.log_accept_ratio)),
        results.is_accepted,
        -results.log_accept_ratio,
        kinetic - tf.cast(proposed.target_log_prob, tf.float64),
        tf.cast(results.accepted_results.target_log_prob, tf.float64),
        _step_size(results),
        tf.constant(length),
    )


def _trace_nuts(length: int, state: tf.Tensor, results: Any) -> Step:
    # NUTS averages the acceptance over its tree; it has no single proposal to judge.
    return Step(
        tf.exp(_log_accept(results.log_accept_ratio)),
        results.is_accepted,
        -results.log_accept_ratio,
        -tf.cast(results.energy, tf.float64),
        tf.cast(results.target_log_prob, tf.float64),
        _step_size(results),
        tf.reduce_max(results.leapfrogs_taken),
    )


# How a kernel's results are traced, and gradients of a transition where they are not the trajectory's.
_TRACES = {"hmc": _trace_hmc, "nuts": _trace_nuts}
_LENGTHS = {"pcn": 1}


def _step_size(results: Any) -> Any:
    """The step size in the results of any kernel."""
    return results.step_size if hasattr(results, "step_size") else results.accepted_results.step_size


def _with_step_size(results: Any, step_size: Any) -> Any:
    step_size = tf.minimum(step_size, LARGEST_STEP)
    if hasattr(results, "step_size"):
        return results._replace(step_size=step_size)
    return results._replace(accepted_results=results.accepted_results._replace(step_size=step_size))


def _log_accept(log_ratio: tf.Tensor) -> tf.Tensor:
    return tf.where(tf.math.is_finite(log_ratio), tf.clip_by_value(log_ratio, LOG_ZERO, 0.0), LOG_ZERO)


def _half_square(x: tf.Tensor, dtype: tf.DType) -> tf.Tensor:
    """|x|^2 / 2 of each chain."""
    return tf.reduce_sum(tf.square(tf.cast(x, dtype)), list(range(1, x.shape.rank))) / 2


def _join(steps: list[Step]) -> Step:
    if not steps:
        return Step(*(np.zeros((0, 0)) for _ in Step._fields))
    return Step(*(np.concatenate(parts) for parts in zip(*steps, strict=True)))
