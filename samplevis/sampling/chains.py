"""Warm-up and sampling: an adjusted kernel under `tfp.mcmc.sample_chain`, on a fixed bank of transforms."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from samplevis.runtime import compiled, seeds
from samplevis.runtime.callbacks import Callback
from samplevis.runtime.checkpoint import Checkpoint, Stage, flat, refilled
from samplevis.runtime.draw_store import InMemory, OnDisk
from samplevis.runtime.progress import Progress
from samplevis.sampling.kernels import adaptation
from samplevis.sampling.kernels.base import Target
from samplevis.sampling.kernels.free_moves import Move
from samplevis.sampling.kernels.registry import KERNELS
from samplevis.sampling.kernels.stats import RENAMED_STATS, TransitionStats
from samplevis.sampling.options import HMCOptions
from samplevis.sampling.streaming import Moments, merged

# Largest step that warm-up may give a kernel with an exact rotation, in radians: close to a quarter turn, which forgets the state.
# Without a force any step is accepted, and the adaptation would never stop.
MAX_STEP_SIZE = 1.5
# Pull of dual averaging towards the first step size. TFP's 0.05 is meant for hundreds of transitions; in a dozen the step swings by
# factors, and the average of the swings is too small (on synthetic energy errors: acceptance 0.87 for a target of 0.75, now 0.83).
EXPLORATION_SHRINKAGE = 0.1


class ChainResult(NamedTuple):
    """What the sampler returns.

    Attributes:
      states: float32 [draw, chain, *latent_shape].
      warmup: trace of the warm-up.
      trace: trace of all transitions after warm-up.
      scalars: name -> float32 [transition, chain], of the states after warm-up.
      pictures: mean and deviation of what `Watched.picture` makes of all states after warm-up, each [chain, ...]; None without it.
    """

    states: np.ndarray
    warmup: TransitionStats
    trace: TransitionStats
    scalars: dict[str, np.ndarray]
    pictures: Moments | None


class Monitors(NamedTuple):
    """What is computed of states as they pass; each function may be None.

    Attributes:
      figure: state -> the figure to show beside the progress bar.
      scalars: state [chain, ...] -> name -> [chain], kept for every transition after warm-up.
      picture: state [chain, ...] -> array [chain, ...], of which mean and deviation are kept.
      told: whether callbacks get the pictures of the draws. Defaults to True.
    """

    figure: Callable[[tf.Tensor], float] | None = None
    scalars: Callable[[tf.Tensor], dict[str, tf.Tensor]] | None = None
    picture: Callable[[tf.Tensor], tf.Tensor] | None = None
    told: bool = True


def run_chains(
    target_fn: Callable[..., tf.Tensor],
    state: tf.Tensor,
    scale: np.ndarray | float,
    options: HMCOptions,
    seed: tf.Tensor,
    watched: Monitors | None = None,
    progress: bool | Sequence[Callback] = False,
    redraw: Callable[..., Target] | None = None,
    moves: Sequence[Move] = (),
    stages: Callable[[str], Stage] | None = None,
    numbers: Sequence[Any] = (),
    compile: compiled.Compile = compiled.uncached,
    draws: InMemory | OnDisk | None = None,
) -> ChainResult:
    """Adapts the step size, freezes it, and draws.

    Args:
      target_fn: (state [chain, ...], *numbers) -> tilt [chain]: the log density less that of N(0, I).
      state: first states, [chain, ...].
      scale: root of the inverse diagonal mass, broadcasts against one state.
      options: the sampler's options.
      seed: int32 tensor of shape [2].
      watched: what is computed of the states. Defaults to nothing.
      progress: whether to show progress bars, or callbacks.
      redraw: (seed, *numbers) -> a target on other transforms, for the kernels that draw them anew.
      moves: free moves of the states, one of which is offered after every trajectory. Defaults to none.
      stages: name -> where the loops "warm-up" and "sample" keep their states, and go on from. Defaults to nowhere. The
        kernel that a finished run left behind gives more draws to one that asks for more `num_results`.
      numbers: nests of tensors, for `target_fn` and `redraw`. Defaults to none.
      compile: of these functions, `watched` and `moves`, and others of their kind. Defaults to one that keeps nothing.
      draws: where the states go. Defaults to memory.

    Returns:
      `ChainResult`. After Ctrl-C, the draws so far; at least one.

    Raises:
      ValueError: if there are more draws already than `options.num_results`.
    """
    stages, draws = stages or Checkpoint().stage, draws or InMemory()
    preconditioner = tf.ones_like(state[0]) * scale
    spec = KERNELS[options.kernel]
    plain = spec.unit_mass
    # TFP's kernels have a unit mass: they move in coordinates that are divided by the scale.
    now = state / preconditioner if plain else state
    name, length = options.kernel, options.num_leapfrog_steps

    def of_state(function: Callable | None) -> Callable | None:
        return function and (lambda x, preconditioner: function(x * preconditioner if plain else x))

    *functions, told = watched or Monitors()
    watched = Monitors(*map(of_state, functions), told)
    shown = Monitors(watched.figure)
    outer = of_state(lambda x: x)
    # A leapfrog step becomes unstable by itself.
    largest = np.inf if plain else MAX_STEP_SIZE

    # Kernels are made where they are compiled. A step size and its adaptation go from step to step in their results.
    def kernel(step_size: Any, preconditioner: tf.Tensor, *numbers: Any) -> tfp.mcmc.TransitionKernel:
        def target(x: tf.Tensor) -> tf.Tensor:
            return target_fn(x, *numbers)

        def another(seed: tf.Tensor) -> Target:
            return redraw(seed, *numbers) if redraw else target

        return spec.make(target, another, step_size, length, preconditioner, moves)

    def adaptive(step_size: Any, *given: Any) -> tfp.mcmc.TransitionKernel:
        return tfp.mcmc.DualAveragingStepSizeAdaptation(
            kernel(step_size, *given),
            num_adaptation_steps=options.num_burnin_steps,
            target_accept_prob=options.target_accept_prob,
            shrinkage_target=step_size,
            exploration_shrinkage=EXPLORATION_SHRINKAGE,
            step_size_getter_fn=adaptation.step_size_of,
            step_size_setter_fn=lambda results, size: adaptation.with_step_size(results, tf.minimum(size, largest)),
            log_accept_prob_getter_fn=lambda results: adaptation.adaptation_log_accept(
                results, options.target_accept_prob
            ),
            # The worst chain decides: a mean would leave it stuck.
            reduce_fn=tfp.math.reduce_log_harmonic_mean_exp,
        )

    trace = functools.partial(spec.trace, length)

    def trace_inner(state: tf.Tensor, results: Any) -> TransitionStats:
        return trace(state, results.inner_results)

    def run(stage: str, kernel: Callable, trace_fn: Callable, watched: Monitors, calls: int, every: int, results: Any):
        place, given = stages(stage), (tf.constant(step_size, tf.float32), preconditioner, *numbers)
        kinds = bool(watched.scalars), bool(watched.picture)
        cache_key = stage, name, length, every, options.target_accept_prob, *kinds
        if results is None:
            # Compiled, too: run piece by piece, a gradient holds several times the memory.
            begin = compile(("begin", *cache_key), lambda state, *given: kernel(*given).bootstrap_results(state))
            results = begin(now, *given)
        advance = compile(cache_key, _chunk(kernel, trace_fn, watched, every))
        # Of the warm-up, only the last state is of use.
        kept = (draws, outer) if stage == "sample" else None
        return _run(
            advance, now, results, given, calls, every, seeds.fold(seed, stage), stage, progress, place, watched, kept
        )

    warmup, step_size, results = (
        TransitionStats(*(np.zeros((0, 0)) for _ in TransitionStats._fields)),
        options.step_size,
        None,
    )
    if options.num_burnin_steps and not spec.adapts_step_size:
        now, results, warmup, *_ = run("warm-up", kernel, trace, shown, options.num_burnin_steps, 1, None)
    elif options.num_burnin_steps:
        now, adapted, warmup, *_ = run("warm-up", adaptive, trace_inner, shown, options.num_burnin_steps, 1, None)
        step_size = min(float(adapted.new_step_size), largest)
    every = options.num_steps_between_results + 1
    _, _, steps, scalars, pictures = run("sample", kernel, trace, watched, options.num_results, every, results)
    return ChainResult(draws.states, warmup, steps, scalars, pictures)


def _chunk(kernel: Callable, trace_fn: Callable, watched: Monitors, transitions: int) -> Callable[..., tuple]:
    """A stretch of the chains, to be compiled.

    Args:
      kernel: (step size, ruler, *numbers) -> kernel.
      trace_fn: (state, results) -> what is traced.
      watched: what is computed of the states.
      transitions: how many.

    Returns:
      (state, results, seed, *given) -> (state, trace, results, moments of the pictures), where the kernel is made of `given`.
    """

    def advance(state: tf.Tensor, results: Any, seed: tf.Tensor, *given: Any) -> tuple:
        def traced(state: tf.Tensor, results: Any) -> tuple[TransitionStats, dict[str, tf.Tensor]]:
            return trace_fn(state, results), watched.scalars(state, preconditioner) if watched.scalars else {}

        _, preconditioner, *_ = given
        with warnings.catch_warnings():
            # TFP warns of approximate kernels; the summary says it in our words.
            warnings.filterwarnings("ignore", "supplied `TransitionKernel` is not calibrated")
            out = tfp.mcmc.sample_chain(
                transitions,
                state,
                results,
                kernel(*given),
                trace_fn=traced,
                return_final_kernel_results=True,
                seed=seed,
                parallel_iterations=1,
            )
        moments = ()
        if watched.picture:
            pictures = tf.map_fn(lambda state: watched.picture(state, preconditioner), out.all_states)
            moments = tf.nn.moments(pictures, axes=[0])
        return out.all_states[-1], out.trace, out.final_kernel_results, moments

    return advance


def _run(
    advance: Callable[..., tuple],
    state: tf.Tensor,
    results: Any,
    given: tuple,
    calls: int,
    transitions: int,
    seed: tf.Tensor,
    stage: str,
    progress: bool | Sequence[Callback],
    place: Stage,
    watched: Monitors,
    keeping: tuple[InMemory | OnDisk, Callable] | None,
) -> tuple[tf.Tensor, Any, TransitionStats, dict[str, np.ndarray], Moments | None]:
    """Calls a compiled stretch `calls` times, keeping the last state of each if asked to."""
    traces, pictures, done = None, None, 0
    draws, outer = keeping or (None, None)
    saved = place.saved
    if saved:
        done = int(saved["done"])
        if done > calls:
            raise ValueError(
                f"hmc_opts['num_results']: the checkpoint has {done} draws of each chain already. Received: {calls}"
            )
        state, results = tf.constant(saved["state"]), refilled("results", results, saved)
        steps = _saved_stats(saved)
        scalars = {name.removeprefix("scalar."): a for name, a in saved.items() if name.startswith("scalar.")}
        traces = _written(None, (steps, scalars), 0, calls * transitions)
        if draws is not None:
            draws.resume(saved)
        if watched.picture:
            pictures = Moments(done * transitions, saved["pictures.mean"], saved["pictures.squares"])

    def traced_so_far() -> tuple[TransitionStats, dict[str, np.ndarray]]:
        return tf.nest.map_structure(lambda whole: whole[: done * transitions], traces)

    def kept() -> dict:
        steps, scalars = traced_so_far()
        found = {f"scalar.{name}": values for name, values in scalars.items()}
        found |= {f"step.{name}": values for name, values in steps._asdict().items()}
        if pictures is not None:
            found |= {"pictures.mean": pictures.mean, "pictures.squares": pictures.squares}
        if draws is not None:
            found |= draws.state_dict()
        return found | flat("results", results) | {"state": state, "done": done}

    _, preconditioner, *_ = given
    with Progress(stage, calls * transitions, "step", progress, done * transitions) as bar:
        for call in range(done, calls):
            state, traced, results, moments = advance(state, results, seeds.fold(seed, call), *given)
            traced = step, _ = tf.nest.map_structure(lambda t: t.numpy(), traced)
            traces = _written(traces, traced, call * transitions, calls * transitions)
            if draws is not None:
                draws.append(outer(state, preconditioner).numpy())
            done = call + 1
            if moments:
                mean, variance = (np.float64(part) for part in moments)
                pictures = merged(pictures, Moments(transitions, mean, variance * transitions))
            figures = {"activation": watched.figure(state, preconditioner)} if watched.figure and bar.watched else {}
            bar.update(transitions, **figures, acceptance=float(step.acceptance_rate.mean()))
            if watched.picture and watched.told:
                bar.draw(call, lambda: watched.picture(state, preconditioner).numpy())  # noqa: B023 - called at once.
            place.keep(kept)
            if bar.interrupted:
                break
    place.close(kept, bar.interrupted)
    return state, results, *traced_so_far(), pictures


def _saved_stats(saved: Mapping[str, np.ndarray]) -> TransitionStats:
    """The statistics in the state of a loop; samplevis 0.1 had other names for some."""
    old = {new: f"step.{old}" for old, new in RENAMED_STATS.items()}
    names = ((f"step.{name}", old.get(name)) for name in TransitionStats._fields)
    return TransitionStats(*(saved[new] if new in saved else saved[old] for new, old in names))


def _written(traces: Any, part: Any, first: int, transitions: int) -> Any:
    """A nest of arrays [transition, ...], with a part written from `first` on; made with room for all if there is none yet."""
    if traces is None:
        traces = tf.nest.map_structure(lambda a: np.zeros((transitions, *a.shape[1:]), a.dtype), part)
    for whole, values in zip(tf.nest.flatten(traces), tf.nest.flatten(part), strict=True):
        whole[first : first + len(values)] = values
    return traces
