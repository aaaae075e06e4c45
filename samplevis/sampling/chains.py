"""Warm-up and sampling: an adjusted kernel under `tfp.mcmc.sample_chain`, on a fixed bank of transforms."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from samplevis import seeds
from samplevis.callbacks import Callback
from samplevis.checkpoint import Checkpoint, Stage, flat, refilled
from samplevis.progress import Progress
from samplevis.sampling import named
from samplevis.sampling.kernels import Target
from samplevis.sampling.moves import Move
from samplevis.sampling.named import Redraw, Step
from samplevis.sampling.options import HMCOptions
from samplevis.sampling.streaming import Moments, merged

# Largest step that warm-up may give a kernel with an exact rotation, in radians: close to a quarter turn, which forgets the state.
# Without a force any step is accepted, and the adaptation would never stop.
LARGEST_STEP = 1.5
# Pull of dual averaging towards the first step size. TFP's 0.05 is meant for hundreds of transitions; in a dozen the step swings by
# factors, and the average of the swings is too small (on synthetic energy errors: acceptance 0.87 for a target of 0.75, now 0.83).
EXPLORATION_SHRINKAGE = 0.1


class Chains(NamedTuple):
    """What the sampler returns.

    Attributes:
      states: float32 [draw, chain, *latent_shape].
      warmup: trace of the warm-up.
      trace: trace of all transitions after warm-up.
      scalars: name -> float32 [transition, chain], of the states after warm-up.
      pictures: mean and deviation of what `Watched.picture` makes of all states after warm-up, each [chain, ...]; None without it.
    """

    states: np.ndarray
    warmup: Step
    trace: Step
    scalars: dict[str, np.ndarray]
    pictures: Moments | None


class Watched(NamedTuple):
    """What is computed of states as they pass; each may be None.

    Attributes:
      figure: state -> the figure to show beside the progress bar.
      scalars: state [chain, ...] -> name -> [chain], kept for every transition after warm-up.
      picture: state [chain, ...] -> array [chain, ...], of which mean and deviation are kept.
    """

    figure: Callable[[tf.Tensor], float] | None = None
    scalars: Callable[[tf.Tensor], dict[str, tf.Tensor]] | None = None
    picture: Callable[[tf.Tensor], tf.Tensor] | None = None


def run_chains(
    target_fn: Target,
    state: tf.Tensor,
    scale: np.ndarray | float,
    options: HMCOptions,
    seed: tf.Tensor,
    watched: Watched | None = None,
    progress: bool | Sequence[Callback] = False,
    redraw: Redraw | None = None,
    moves: Sequence[Move] = (),
    stages: Callable[[str], Stage] | None = None,
) -> Chains:
    """Adapts the step size, freezes it, and draws.

    Args:
      target_fn: state [chain, ...] -> tilt [chain]: the log density less that of N(0, I).
      state: first states, [chain, ...].
      scale: root of the inverse diagonal mass, broadcasts against one state.
      options: the sampler's options.
      seed: int32 tensor of shape [2].
      watched: what is computed of the states. Defaults to nothing.
      progress: whether to show progress bars, or callbacks.
      redraw: targets on other transforms, for the kernels that draw them anew.
      moves: free moves of the states, one of which is offered after every trajectory. Defaults to none.
      stages: name -> where the loops "warm-up" and "sample" keep their states, and go on from. Defaults to nowhere. The
        kernel that a finished run left behind gives more draws to one that asks for more `num_results`.

    Returns:
      `Chains`. After Ctrl-C, the draws so far; at least one.

    Raises:
      ValueError: if there are more draws already than `options.num_results`.
    """
    stages = stages or Checkpoint().stage
    ruler = tf.ones_like(state[0]) * scale
    plain = options.kernel in named.PLAIN
    # TFP's kernels have a unit mass: they move in coordinates that are divided by the scale.
    now = state / ruler if plain else state
    name, length = options.kernel, options.num_leapfrog_steps

    def kernel(step_size: Any) -> tfp.mcmc.TransitionKernel:
        return named.make_kernel(name, length, target_fn, redraw or (lambda _: target_fn), step_size, ruler, moves)

    def of_state(function: Callable | None) -> Callable | None:
        return (lambda x: function(x * ruler)) if plain and function else function

    watched = Watched(*map(of_state, watched or Watched()))
    shown = Watched(watched.figure)

    def run(kernel: tfp.mcmc.TransitionKernel, trace_fn: Callable, stage: str, calls: int, every: int, *more: Any):
        place = stages(stage)
        return _run(kernel, now, calls, every, seeds.fold(seed, stage), trace_fn, stage, progress, place, *more)

    # A leapfrog step becomes unstable by itself.
    largest = np.inf if plain else LARGEST_STEP
    trace = functools.partial(named.trace, name, length)
    warmup, step_size, results = [], options.step_size, None
    if options.num_burnin_steps and name in named.FIXED_STEP:
        now, results, _, warmup, *_ = run(kernel(step_size), trace, "warm-up", options.num_burnin_steps, 1, shown)
    elif options.num_burnin_steps:
        adaptive = tfp.mcmc.DualAveragingStepSizeAdaptation(
            kernel(step_size),
            num_adaptation_steps=options.num_burnin_steps,
            target_accept_prob=options.target_accept_prob,
            shrinkage_target=step_size,
            exploration_shrinkage=EXPLORATION_SHRINKAGE,
            step_size_getter_fn=named.step_size_of,
            step_size_setter_fn=lambda results, size: named.with_step_size(results, tf.minimum(size, largest)),
            log_accept_prob_getter_fn=lambda results: tf.where(
                # Chains that can never move have no say in the step size.
                named.is_lost(results),
                np.float32(np.log(options.target_accept_prob)),
                named.log_accept(results),
            ),
            # The worst chain decides: a mean would leave it stuck.
            reduce_fn=tfp.math.reduce_log_harmonic_mean_exp,
        )
        now, adapted, _, warmup, *_ = run(
            adaptive, lambda x, results: trace(x, results.inner_results), "warm-up", options.num_burnin_steps, 1, shown
        )
        step_size = min(float(adapted.new_step_size), largest)
    every = options.num_steps_between_results + 1
    _, _, states, steps, scalars, pictures = run(
        kernel(step_size), trace, "sample", options.num_results, every, watched, results
    )
    states = np.stack(states)
    return Chains(
        states * ruler.numpy() if plain else states,
        _join(warmup),
        _join(steps),
        {name: np.concatenate([part[name] for part in scalars]) for name in scalars[0]},
        pictures,
    )


def _run(
    kernel: tfp.mcmc.TransitionKernel,
    state: tf.Tensor,
    calls: int,
    transitions: int,
    seed: tf.Tensor,
    trace_fn: Callable[[tf.Tensor, Any], Step],
    stage: str,
    progress: bool | Sequence[Callback],
    place: Stage,
    watched: Watched,
    results: Any = None,
) -> tuple[tf.Tensor, Any, list[np.ndarray], list[Step], list[dict[str, np.ndarray]], Moments | None]:
    """Calls `tfp.mcmc.sample_chain` `calls` times, keeping the last state of each."""
    scalar_fn = watched.scalars or (lambda _: {})

    @tf.function(autograph=False)
    def advance(state: tf.Tensor, results: Any, seed: tf.Tensor) -> tuple:
        with warnings.catch_warnings():
            # TFP warns of approximate kernels; the summary says it in our words.
            warnings.filterwarnings("ignore", "supplied `TransitionKernel` is not calibrated")
            out = tfp.mcmc.sample_chain(
                transitions,
                state,
                results,
                kernel,
                trace_fn=lambda state, results: (trace_fn(state, results), scalar_fn(state)),
                return_final_kernel_results=True,
                seed=seed,
                parallel_iterations=1,
            )
        moments = ()
        if watched.picture:
            moments = tf.nn.moments(tf.map_fn(watched.picture, out.all_states), axes=[0])
        return out.all_states[-1], out.trace, out.final_kernel_results, moments

    results = kernel.bootstrap_results(state) if results is None else results
    states, steps, scalars, pictures, done = [], [], [], None, 0
    saved = place.saved
    if saved:
        done = len(saved["states"])
        if done > calls:
            raise ValueError(
                f"hmc_opts['num_results']: the checkpoint has {done} draws of each chain already. Received: {calls}"
            )
        state, results, states = tf.constant(saved["state"]), refilled("results", results, saved), list(saved["states"])
        steps = [Step(*(saved[f"step.{name}"] for name in Step._fields))]
        scalars = [{name.removeprefix("scalar."): a for name, a in saved.items() if name.startswith("scalar.")}]
        if watched.picture:
            pictures = Moments(done * transitions, saved["pictures.mean"], saved["pictures.squares"])

    def kept() -> dict:
        found = {f"scalar.{name}": np.concatenate([part[name] for part in scalars]) for name in scalars[0]}
        found |= {f"step.{name}": values for name, values in _join(steps)._asdict().items()}
        if pictures is not None:
            found |= {"pictures.mean": pictures.mean, "pictures.squares": pictures.squares}
        return found | flat("results", results) | {"state": state, "states": np.stack(states)}

    with Progress(stage, calls * transitions, "step", progress, done * transitions) as bar:
        for call in range(done, calls):
            state, traced, results, moments = advance(state, results, seeds.fold(seed, call))
            step, found = tf.nest.map_structure(lambda t: t.numpy(), traced)
            states.append(state.numpy())
            steps.append(step)
            scalars.append(found)
            if moments:
                mean, variance = (np.float64(part) for part in moments)
                pictures = merged(pictures, Moments(transitions, mean, variance * transitions))
            figures = {"activation": watched.figure(state)} if watched.figure and bar.watched else {}
            bar.update(transitions, **figures, acceptance=float(step.accept.mean()))
            if watched.picture:
                bar.draw(call, lambda: watched.picture(state).numpy())  # noqa: B023 - called at once.
            place.keep(kept)
            if bar.interrupted:
                break
    place.close(kept, bar.interrupted)
    return state, results, states, steps, scalars, pictures


def _join(steps: list[Step]) -> Step:
    if not steps:
        return Step(*(np.zeros((0, 0)) for _ in Step._fields))
    return Step(*(np.concatenate(parts) for parts in zip(*steps, strict=True)))
