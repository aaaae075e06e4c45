"""Warm-up and sampling: a kernel under `tfp.mcmc.sample_chain`, on a fixed bank of transforms."""

from __future__ import annotations

import dataclasses
import os
import warnings
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from samplevis.runtime import compiled, seeds
from samplevis.runtime.checkpoint import flat, refilled, saved_arrays
from samplevis.runtime.context import RunContext
from samplevis.runtime.progress import Progress
from samplevis.sampling.kernels import adaptation
from samplevis.sampling.kernels.base import Target
from samplevis.sampling.kernels.free_moves import Move
from samplevis.sampling.kernels.registry import KERNELS, KernelSpec
from samplevis.sampling.kernels.stats import TransitionStats
from samplevis.sampling.options import HMCOptions
from samplevis.sampling.streaming import Moments
from samplevis.sampling.trace_record import TraceRecord

# Largest step that warm-up may give a kernel with an exact rotation, in radians: close to a quarter turn, which forgets the state.
# Without a force any step is accepted, and the adaptation would never stop.
MAX_STEP_SIZE = 1.5
# Pull of dual averaging towards the first step size. TFP's 0.05 is meant for hundreds of transitions; in a dozen the step swings by
# factors, and the average of the swings is too small (on synthetic energy errors: acceptance 0.87 for a target of 0.75, now 0.83).
EXPLORATION_SHRINKAGE = 0.1


class ChainResult(NamedTuple):
    """What the chains return.

    Attributes:
      states: float32 [draw, chain, *latent_shape].
      warmup: statistics of the warm-up.
      stats: statistics of all transitions after warm-up.
      scalars: name -> float32 [transition, chain], of the states after warm-up.
      moments: mean and deviation of what `Monitors.image` makes of all states after warm-up, each [chain, ...]; None without it.
      forces: mean of the gradient of the log density over the draws, [chain, *latent_shape]; None without `Monitors.virial`.
      gradient_errors: by how much the kernel's gradient differs from the density's at the last states, or changes while a chain
        stands still, relative to it, [chain]; None if it was not compared.
    """

    states: np.ndarray
    warmup: TransitionStats
    stats: TransitionStats
    scalars: dict[str, np.ndarray]
    moments: Moments | None
    forces: np.ndarray | None = None
    gradient_errors: np.ndarray | None = None


class Monitors(NamedTuple):
    """What is computed of states as they pass; each function may be None.

    Attributes:
      figure: state -> the figure beside the progress bar.
      scalars: state [chain, ...] -> name -> [chain], traced for every transition after warm-up.
      image: state [chain, ...] -> array [chain, ...], whose mean and deviation are accumulated.
      notify: whether callbacks get the images of the draws. Defaults to True.
      virial: virial of the coordinates, z_i dU / dz_i with U minus the log density, [chain, ...] -> name -> [chain]: more scalars.
    """

    figure: Callable[[tf.Tensor], float] | None = None
    scalars: Callable[[tf.Tensor], dict[str, tf.Tensor]] | None = None
    image: Callable[[tf.Tensor], tf.Tensor] | None = None
    notify: bool = True
    virial: Callable[[tf.Tensor], dict[str, tf.Tensor]] | None = None


@dataclasses.dataclass(frozen=True, eq=False)
class ChainProblem:
    """What chains sample, and how it is compiled.

    Attributes:
      target_fn: (state [chain, ...], *arguments) -> tilt [chain]: the log density less that of N(0, I).
      preconditioner: root of the inverse diagonal mass, broadcasts against one state. Defaults to 1.
      redraw: (seed, *arguments) -> a target on other transforms, for the kernels that draw them anew. Defaults to `target_fn`.
      moves: free moves of the states, one of which is offered after every trajectory. Defaults to none.
      arguments: nests of tensors, for `target_fn` and `redraw`. Defaults to none.
      monitors: what is computed of the states. Defaults to nothing.
      compile: compiles these functions and others of their kind. Defaults to one that caches nothing.

    Example:
      >>> ChainProblem(lambda state: -tf.reduce_sum((state - 2.0) ** 2, -1), preconditioner=0.6).moves
      ()
    """

    target_fn: Callable[..., tf.Tensor]
    preconditioner: np.ndarray | float = 1.0
    redraw: Callable[..., Target] | None = None
    moves: Sequence[Move] = ()
    arguments: Sequence[Any] = ()
    monitors: Monitors = Monitors()
    compile: compiled.Compile = compiled.uncached


def run_chains(
    problem: ChainProblem, state: tf.Tensor, options: HMCOptions, context: RunContext, frozen: bool = False
) -> ChainResult:
    """Adapts the step size, freezes it, and draws.

    The stages "warm-up" and "sample" save their states in the context's checkpoint, and resume from there: a run that asks for
    more `num_results` than it has gets more draws of the kernel as it was frozen.

    Args:
      problem: what is sampled.
      state: first states, [chain, ...].
      options: the sampler's options.
      context: seed, callbacks, checkpoint and store of the draws.
      frozen: whether the step size is frozen from the beginning, so that warm-up only forgets the start. Defaults to False.

    Returns:
      `ChainResult`. After Ctrl-C, the draws so far; at least one.

    Raises:
      ValueError: if there are more draws already than `options.num_results`.
      KeyboardInterrupt: after Ctrl-C before the first draw.

    Example:
      >>> problem = ChainProblem(lambda state: -tf.reduce_sum(state**2, -1))
      >>> run_chains(problem, tf.zeros([4, 2]), HMCOptions(num_results=20), RunContext(seeds.root(0))).states.shape
      (20, 4, 2)
    """
    kernels = _Kernels(problem, options)
    preconditioner = tf.ones_like(state[0]) * problem.preconditioner
    state = state / preconditioner if kernels.spec.unit_mass else state
    monitors = kernels.monitors
    warmup = TransitionStats(*(np.zeros((0, 0)) for _ in TransitionStats._fields))
    step_size, results = options.step_size, None
    num_transitions = options.num_steps_between_results + 1
    if options.num_burnin_steps:
        if frozen:
            # The compiled code of the draws, so that no second kernel is compiled.
            num_calls = -(-options.num_burnin_steps // num_transitions)
            loop = _Loop("warm-up", num_calls, num_transitions, monitors._replace(notify=False))
        else:
            adapts = kernels.spec.adapts_step_size
            loop = _Loop("warm-up", options.num_burnin_steps, 1, Monitors(monitors.figure), adapts)
        given = tf.constant(step_size, tf.float32), preconditioner, *problem.arguments
        state, results, record = loop.run(kernels, state, results, given, context)
        warmup = record.traced[0]
        if loop.adapts:
            step_size, results = min(float(results.new_step_size), kernels.max_step_size), None
    loop = _Loop("sample", options.num_results, num_transitions, monitors, stores_draws=True)
    given = tf.constant(step_size, tf.float32), preconditioner, *problem.arguments
    state, results, record = loop.run(kernels, state, results, given, context)
    # An approximate kernel's gradient is that of other transforms.
    compares = bool(monitors.virial) and kernels.spec.exact
    errors = None
    if compares:
        errors = np.fmax(loop.gradient_errors(kernels, state, results, given), record.gradient_errors)
    return ChainResult(context.draw_store.states, warmup, *record.traced, record.moments, record.mean_forces, errors)


def num_draws_in(folder: str | os.PathLike) -> int:
    """Draws of each chain in a checkpoint; a run that has not come so far has 0.

    Args:
      folder: that of the checkpoint.

    Returns:
      Their number.

    Raises:
      FileNotFoundError: if it holds no run.
      ValueError: if it is damaged.
    """
    return int(saved_arrays(folder).get("sample/done", 0))


@dataclasses.dataclass(frozen=True, eq=False)
class _Kernels:
    """Makes the kernels of a problem where they are compiled. Step sizes and what is adapted go from step to step in results."""

    problem: ChainProblem
    options: HMCOptions

    @property
    def spec(self) -> KernelSpec:
        return KERNELS[self.options.kernel]

    @property
    def max_step_size(self) -> float:
        # A leapfrog step becomes unstable by itself.
        return np.inf if self.spec.unit_mass else MAX_STEP_SIZE

    @property
    def monitors(self) -> Monitors:
        """The problem's monitors as functions of a state in the kernel's coordinates and the preconditioner."""
        *functions, notify, virial = self.problem.monitors
        return Monitors(*(self.of_state(function) if function else None for function in functions), notify, virial)

    def of_state(self, function: Callable[[tf.Tensor], Any]) -> Callable[[tf.Tensor, tf.Tensor], Any]:
        """A function of a state, as one of the kernel's coordinates and the preconditioner."""
        # A kernel of unit mass moves in coordinates that are divided by the preconditioner.
        return lambda x, preconditioner: function(x * preconditioner if self.spec.unit_mass else x)

    def frozen(self, step_size: Any, preconditioner: tf.Tensor, *arguments: Any) -> tfp.mcmc.TransitionKernel:
        """The kernel with a step size."""
        problem = self.problem

        def target(x: tf.Tensor) -> tf.Tensor:
            return problem.target_fn(x, *arguments)

        def redraw(seed: tf.Tensor) -> Target:
            return problem.redraw(seed, *arguments) if problem.redraw else target

        length, moves = self.options.num_leapfrog_steps, problem.moves
        return self.spec.make(target, redraw, step_size, length, preconditioner, moves)

    def adapting(self, step_size: Any, *given: Any) -> tfp.mcmc.TransitionKernel:
        """The kernel in its warm-up."""
        aim = self.options.target_accept_prob
        return tfp.mcmc.DualAveragingStepSizeAdaptation(
            self.frozen(step_size, *given),
            num_adaptation_steps=self.options.num_burnin_steps,
            target_accept_prob=aim,
            shrinkage_target=step_size,
            exploration_shrinkage=EXPLORATION_SHRINKAGE,
            step_size_getter_fn=adaptation.step_size_of,
            step_size_setter_fn=lambda results, size: adaptation.with_step_size(
                results, tf.minimum(size, self.max_step_size)
            ),
            log_accept_prob_getter_fn=lambda results: adaptation.adaptation_log_accept(results, aim),
            # The worst chain decides: a mean would leave it stuck.
            reduce_fn=tfp.math.reduce_log_harmonic_mean_exp,
        )

    def stats(self, state: tf.Tensor, results: Any, adapting: bool) -> TransitionStats:
        """What is traced of a transition."""
        inner = results.inner_results if adapting else results
        return self.spec.trace(self.options.num_leapfrog_steps, state, inner)

    def force(self, state: tf.Tensor, results: Any, preconditioner: tf.Tensor) -> tf.Tensor:
        """The gradient of the log density at a frozen kernel's state, in the coordinates of the problem."""
        gradient = self.spec.gradient(state, results)
        return gradient / preconditioner if self.spec.unit_mass else gradient

    def virial(self, state: tf.Tensor, results: Any) -> tf.Tensor:
        """z_i dU / dz_i of every coordinate of a frozen kernel's state; the coordinates' units cancel."""
        return -state * self.spec.gradient(state, results)


@dataclasses.dataclass(frozen=True, eq=False)
class _Loop:
    """A stage: calls of a compiled chunk of transitions, between which Python saves and reports.

    Attributes:
      stage: its name.
      num_calls: how many calls.
      num_transitions: transitions in a call.
      monitors: what is computed of the states.
      adapts: whether the step size adapts. Defaults to False.
      stores_draws: whether the last state of each call is a draw. Defaults to False.
    """

    stage: str
    num_calls: int
    num_transitions: int
    monitors: Monitors
    adapts: bool = False
    stores_draws: bool = False

    def run(
        self, kernels: _Kernels, state: tf.Tensor, results: Any, given: tuple, context: RunContext
    ) -> tuple[tf.Tensor, Any, TraceRecord]:
        """Runs the stage, or what of it an earlier process has left.

        Args:
          kernels: makes the kernel.
          state: first states, in the kernel's coordinates.
          results: the kernel's results there; None to begin.
          given: step size, preconditioner and the problem's arguments, tensors.
          context: of the run.

        Returns:
          (state, results, record) at the end.
        """
        make, key = kernels.adapting if self.adapts else kernels.frozen, self._cache_key(kernels.options)
        if results is None:
            results = self._begin(kernels, make)(state, *given)
            if self.adapts:
                # A number of this run: it must not be frozen into the compiled code.
                results = results._replace(num_adaptation_steps=tf.constant(self.num_calls * self.num_transitions))
        advance = kernels.problem.compile(key, self._chunk(kernels, make))
        record = TraceRecord(self.num_calls, self.num_transitions, context.draw_store if self.stores_draws else None)
        place, seed, preconditioner = context.stage(self.stage), seeds.fold(context.seed, self.stage), given[1]
        if saved := place.saved:
            record.resume(saved, bool(self.monitors.image))
            state, results = tf.constant(saved["state"]), refilled("results", results, saved)

        def state_dict() -> dict[str, Any]:
            return record.state_dict() | flat("results", results) | {"state": state}

        outer = kernels.of_state(lambda x: x)
        size, first = self.num_calls * self.num_transitions, record.done
        with Progress(self.stage, size, "step", context.callbacks, first * self.num_transitions) as bar:
            for call in range(first, self.num_calls):
                state, traced, results, moments, force = advance(state, results, seeds.fold(seed, call), *given)
                traced = tf.nest.map_structure(lambda t: t.numpy(), traced)
                record.add(traced, moments, outer(state, preconditioner).numpy() if self.stores_draws else None, force)
                self._report(bar, call, traced[0], state, preconditioner)
                place.update(state_dict)
                if bar.interrupted:
                    break
        place.close(state_dict, bar.interrupted, is_last=self.stores_draws)
        return state, results, record

    def gradient_errors(self, kernels: _Kernels, state: tf.Tensor, results: Any, given: tuple) -> np.ndarray:
        """By how much the gradient in the kernel's results differs from the density's at the state, relative to it, [chain]."""
        fresh = self._begin(kernels, kernels.frozen)(state, *given)
        kept, true = (_rows(kernels.spec.gradient(state, found)) for found in (results, fresh))
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.linalg.norm(kept - true, axis=1) / np.linalg.norm(true, axis=1)

    def _begin(self, kernels: _Kernels, make: Callable[..., tfp.mcmc.TransitionKernel]) -> Callable[..., Any]:
        """The function (state, *given) -> results there."""
        # Compiled, too: run piece by piece, a gradient holds several times the memory.
        key = self._cache_key(kernels.options)
        return kernels.problem.compile(("begin", *key), lambda state, *given: make(*given).bootstrap_results(state))

    def _cache_key(self, options: HMCOptions) -> tuple:
        """What the compiled code depends on, beside the problem's kind and the shapes of its tensors."""
        kinds = bool(self.monitors.scalars), bool(self.monitors.image), bool(self.monitors.virial)
        return (
            "adapting" if self.adapts else "frozen",
            options.kernel,
            options.num_leapfrog_steps,
            self.num_transitions,
            options.target_accept_prob,
            *kinds,
        )

    def _report(
        self, bar: Progress, call: int, stats: TransitionStats, state: tf.Tensor, preconditioner: tf.Tensor
    ) -> None:
        """Notifies callbacks of a call."""
        monitors = self.monitors
        figures = {"activation": monitors.figure(state, preconditioner)} if monitors.figure and bar.watched else {}
        bar.update(self.num_transitions, **figures, acceptance=float(stats.acceptance_rate.mean()))
        if monitors.image and monitors.notify:
            bar.draw(call, lambda: monitors.image(state, preconditioner).numpy())

    def _chunk(self, kernels: _Kernels, make: Callable[..., tfp.mcmc.TransitionKernel]) -> Callable[..., tuple]:
        """Some transitions, to be compiled: (state, results, seed, *given) -> (state, traced, results, moments of the images)."""
        monitors = self.monitors

        def advance(state: tf.Tensor, results: Any, seed: tf.Tensor, *given: Any) -> tuple:
            _, preconditioner, *_ = given

            def traced(state: tf.Tensor, results: Any) -> tuple[TransitionStats, dict[str, tf.Tensor]]:
                scalars = monitors.scalars(state, preconditioner) if monitors.scalars else {}
                scalars |= monitors.virial(kernels.virial(state, results)) if monitors.virial else {}
                return kernels.stats(state, results, self.adapts), scalars

            with warnings.catch_warnings():
                # TFP warns of approximate kernels; the summary says it in our words.
                warnings.filterwarnings("ignore", "supplied `TransitionKernel` is not calibrated")
                out = tfp.mcmc.sample_chain(
                    self.num_transitions,
                    state,
                    results,
                    make(*given),
                    trace_fn=traced,
                    return_final_kernel_results=True,
                    seed=seed,
                    parallel_iterations=1,
                )
            moments = ()
            if monitors.image:
                images = tf.map_fn(lambda state: monitors.image(state, preconditioner), out.all_states)
                moments = tf.nn.moments(images, axes=[0])
            state, results = out.all_states[-1], out.final_kernel_results
            force = kernels.force(state, results, preconditioner) if monitors.virial else ()
            return state, out.trace, results, moments, force

        return advance


def _rows(x: tf.Tensor) -> np.ndarray:
    """Values of each chain, float64 [chain, value]."""
    return np.asarray(x, np.float64).reshape(len(x), -1)
