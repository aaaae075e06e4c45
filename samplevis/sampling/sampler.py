"""sample(): from first latents to draws of a density."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from samplevis.activation import Activation
from samplevis.activation.memory import sampler_sizes
from samplevis.runtime import memory, seeds
from samplevis.runtime.callbacks import Callback, as_callbacks
from samplevis.runtime.checks import check_between, check_whole
from samplevis.runtime.context import RunContext
from samplevis.runtime.deprecation import renamed_property
from samplevis.runtime.draw_store import DrawStore
from samplevis.sampling.annealing import Annealed, anneal
from samplevis.sampling.balance import still_share
from samplevis.sampling.chains import ChainResult
from samplevis.sampling.density import Conditioned, Density, LogActivation, Tilted, check_density
from samplevis.sampling.independent import default_density, run_independent
from samplevis.sampling.level_scale import (
    Gauge,
    LevelScale,
    fresh_transforms,
    mean_activation,
    of_draws,
)
from samplevis.sampling.mass import NUM_PAIRS
from samplevis.sampling.options import HMCOptions, hmc_options
from samplevis.sampling.tuning import Aim, Tuning, bank_of, run_frozen, run_tuned

# Most nats between the ends of the scale: float32 resolves steps of one nat up to here, and Metropolis needs better.
MAX_NATS = 1e7


class SampleResult(NamedTuple):
    """What `sample` returns.

    Attributes:
      latents: float32 [chain, draw, *latent_shape].
      activation: on the bank, [chain, draw].
      fresh_activation: on transforms that no chain has seen, [chain, draw].
      strength: force on the activation, in nats per unit, [chain, draw].
      density: what was sampled, after calibration.
      reached: bool [chain], whether annealing reached the level.
      stats: name -> array [chain, transition], after warm-up; "step_size" and "num_gradient_evals" [transition].
      scalars: name -> array [chain, transition], after warm-up, see `scalar_fn`.
      chain_means: mean image of each chain over all transitions after warm-up, [chain, H, W, C].
      sd_images: standard deviation of every pixel over them, [chain, H, W, C].
      gradients: gradients of one chain, a transform counting once.
      seconds: stage -> wall time.
      anneal_images: of the chains while they were annealed, uint8 [chain, frame, H, W, C].
      tuning: what further batches of chains start from.
      kernel_checks: name -> float64 [chain]: "still", the share of the coordinates that are equal in all draws, and
        "gradient_error", of the kernel's last gradient, where a kernel was run that has one.
      forces: mean gradient of the log density over the draws of each chain, [chain, *latent_shape]; None for independent draws.
    """

    latents: np.ndarray
    activation: np.ndarray
    fresh_activation: np.ndarray
    strength: np.ndarray
    density: Density
    reached: np.ndarray
    stats: dict[str, np.ndarray]
    scalars: dict[str, np.ndarray]
    chain_means: np.ndarray
    sd_images: np.ndarray
    gradients: int
    seconds: dict[str, float]
    anneal_images: np.ndarray
    tuning: Tuning
    kernel_checks: dict[str, np.ndarray]
    forces: np.ndarray | None

    mean_images = renamed_property("mean_images", "chain_means")


def sample(
    activation: Activation,
    latents: tf.Tensor,
    scale: LevelScale,
    options: Mapping[str, Any] | HMCOptions | None = None,
    *,
    density: str | Density = "conditioned",
    level: float = 0.7,
    beta: float | None = None,
    from_prior: bool = False,
    anneal_steps: int = 450,
    tuning: Tuning | None = None,
    gauge: Gauge | None = None,
    seed: int = 0,
    progress: bool | Sequence[Callback] = False,
    context: RunContext | None = None,
) -> SampleResult:
    """Anneals, warms up and draws.

    Chains overfit their bank, and a smoothed copy of a network is another network. Half of the warm-up measures the level on
    the gauge, on transforms that are used for nothing else, and the density's target moves by as much as it is off; the other
    half adapts to that density, which is then frozen.

    Args:
      activation: what is explored.
      latents: first latents, [chain, *latent_shape].
      scale: the ends of the activation's scale, see `measure_scale`.
      options: names and values of `HMCOptions`. The chains are those of the latents, in one batch. Defaults to the options' own
        defaults.
      density: "conditioned", "tilted" or "activation"; or a density that is taken as it is, without calibration. Defaults to
        "conditioned".
      level: activation asked for, from 0 (`scale.prior`) to 1 (`scale.optimum`). Defaults to 0.7.
      beta: strength in nats per unit of activation. Defaults to what the level needs.
      from_prior: whether the latents are from the prior, so that the strength has to rise from zero. Defaults to False.
      anneal_steps: Langevin steps, >= 1. Defaults to 450.
      tuning: that of an earlier batch, whose density is sampled with the kernel as it was frozen there; `density` and `beta` are
        ignored. Defaults to none: these chains tune density, mass and step size.
      gauge: where the level asked for is measured: the unit on the network as it is, if `activation` is on a smoothed copy.
        Defaults to `activation` and `scale`.
      seed: int from 0 to 2**31 - 1. Defaults to 0.
      progress: whether to show progress bars, or callbacks. Defaults to False.
      context: seed, callbacks, checkpoint and store of a larger run, in place of `seed` and `progress`. Defaults to none.

    Returns:
      A `SampleResult`.

    Raises:
      ValueError: if an argument is out of range, if the images of a batch depend on each other, if the gradient is not that of the
        activation, or if `beta` is stronger than float32 can carry; or if the run asks for more than this machine could ever hold.
      OSError: if the draws go to a disk without room for them.
      MemoryError: if memory is full; it says which of chains, bank and size to lower, and to what.

    Example:
      >>> activation = make_activation(model, "fire9:10", param.fourier(96), "robust")
      >>> latents = samplevis.optimize(model, "fire9:10", param=param.fourier(96), batch=4).latents
      >>> result = sample(activation, latents, measure_scale(activation, latents), dict(num_results=20))
      >>> result.latents.shape[:2]
      (4, 20)
    """
    activation.check_sampled()
    check_between("level", level, 0.0, 1.0)
    check_whole("anneal_steps", anneal_steps, 1)
    _check_strength(beta, scale)
    options, latents = hmc_options(options), _check_latents(latents, activation)
    by_itself = context is None
    context = context or RunContext(seeds.as_seed(seed), as_callbacks(progress))
    chains = latents.shape[0]
    check_room(activation, chains, options, context.draw_store)
    # Inside a larger run, that says which of its arguments to lower.
    sizes = sampler_sizes(activation, chains, options.num_transforms)
    with memory.explain_oom(sizes) if by_itself else contextlib.nullcontext():
        if options.is_independent:
            target = default_density(density, scale, level, beta)
            start = Tuning(context.seed, target, 1.0, math.nan)
            aim = Aim(level, gauge or Gauge(activation, scale)) if density == "conditioned" else None
            return _independent(activation, start, scale, chains, options, aim, context)
        context.checkpoint.start_timer("anneal")
        state = activation.param.rotate(latents)
        if check_density(density) == "activation":
            annealed = _not_annealed(activation, state)
        else:
            place = _place(density, tuning, scale)
            # The place of a density that is there is known on what is sampled; a level asked for is one of the gauge.
            goes_to, where = (level, gauge) if place is None else (place, None)
            annealed = anneal(activation, state, scale, goes_to, anneal_steps, from_prior, context, where)
        context.checkpoint.start_timer("sample")
        of_mass = 0
        if tuning is None:
            of_mass = NUM_PAIRS + 1 if options.adapt_mass else 0
            target = density if isinstance(density, Density) else _density(density, annealed, beta)
            start = Tuning(context.seed, target, 1.0, options.step_size, annealed.aim)
            calibrates = density == "conditioned" and options.num_burnin_steps >= 2
            aim = Aim(level, gauge or Gauge(activation, scale)) if calibrates else None
            runs, tuning = run_tuned(activation, start, scale, annealed.state, options, aim, context)
        else:
            runs = [run_frozen(activation, tuning, annealed.state, options, context)]
        return _collected(activation, tuning, options, annealed, runs, of_mass, context)


def _independent(
    activation: Activation,
    tuning: Tuning,
    scale: LevelScale,
    chains: int,
    options: HMCOptions,
    aim: Aim | None,
    context: RunContext,
) -> SampleResult:
    """Independent draws: the latents only say how many chains there are."""
    context.checkpoint.start_timer("sample")
    run = run_independent(activation, tuning, scale, chains, options, aim, context)
    tuning = tuning._replace(density=run.density)
    start = _not_annealed(activation, tf.constant(run.result.states[0]))
    found = _collected(activation, tuning, options, start, [run.result], 0, context)
    return found._replace(stats=found.stats | run.families)


def _check_latents(latents: Any, activation: Activation) -> tf.Tensor:
    """Latents [chain, *latent_shape] as a tensor; raises ValueError for others."""
    shape, latents = activation.param.latent_shape, tf.convert_to_tensor(latents, tf.float32)
    if latents.shape[1:] != shape or not latents.shape[0]:
        expected = ", ".join(map(str, shape))
        raise ValueError(f"latents: expected shape [chain, {expected}]. Received: {latents.shape}")
    return latents


def _check_strength(beta: float | None, scale: LevelScale) -> None:
    """Raises ValueError if a strength of the user's is more than float32 can carry."""
    nats = (beta or 0.0) * (scale.optimum - scale.prior)
    if nats > MAX_NATS:
        raise ValueError(
            f"beta: expected at most {MAX_NATS / (scale.optimum - scale.prior):.3g} for this unit, where float32 still resolves a "
            f"nat. Received: {beta!r}, which puts {nats:.3g} nats between the prior and the optimum"
        )


def check_room(activation: Activation, chains: int, options: HMCOptions, draw_store: DrawStore) -> None:
    """Refuses a run that can never fit: its draws where they go to, or its transforms or an image of each chain in memory.

    Args:
      activation: what is explored.
      chains: number of chains.
      options: the sampler's options.
      draw_store: where the draws go.

    Raises:
      ValueError: if memory cannot hold it; it says how much of what it can.
      OSError: if the disk has no room for the draws.
    """
    param = activation.param
    draw_store.check_room(chains, options.num_results, param.latent_shape, param.image_shape)
    # A bank whose images have no room is computed in chunks. Without parameters there is no bank.
    one = sum(math.prod(leaf.shape) for leaf in tf.nest.flatten(activation.sample_transforms(seeds.root(0), 1)))
    memory.check_fits({"num_transforms": options.num_transforms}, one, "the transforms", "hmc_opts")
    memory.check_fits({"num_chains": chains}, math.prod(param.image_shape), "an image of each chain", "hmc_opts")


def _place(density: str | Density, tuning: Tuning | None, scale: LevelScale) -> float | None:
    """The level of a density that is given, or that an earlier batch has found; None if there is none yet."""
    if tuning is not None:
        return tuning.level
    return float(scale.levels(density.target)) if isinstance(density, Conditioned) else None


def _not_annealed(activation: Activation, state: tf.Tensor) -> Annealed:
    """States that begin where they are: the density of 2018 has no level to come to."""
    chains, images = state.shape[0], np.zeros((state.shape[0], 0, *activation.param.image_shape), np.uint8)
    return Annealed(state, LogActivation(), math.nan, math.nan, np.ones(chains, bool), np.zeros(chains), 0, images)


def _density(name: str, annealed: Annealed, beta: float | None) -> Density:
    """The density at the level, with a strength of the user's if there is one."""
    if name == "activation":
        return LogActivation()
    if name == "tilted":
        # At the level, the conditioned chains felt 1 / MARGIN of the declared strength.
        return Tilted(annealed.strength if beta is None else beta)
    if beta is None:
        return annealed.density
    return Conditioned(annealed.density.target, annealed.density.width, beta)


def _collected(
    activation: Activation,
    tuning: Tuning,
    options: HMCOptions,
    annealed: Annealed,
    runs: Sequence[ChainResult],
    of_mass: int,
    context: RunContext,
) -> SampleResult:
    """The draws of the last of the runs, and their figures; learning the mass took `of_mass` gradients."""
    result, rotate, seconds = runs[-1], activation.param.rotate, context.checkpoint.seconds
    latents = context.draw_store.gather(
        "latents", len(result.states), (rotate(tf.constant(state)).numpy() for state in result.states)
    )
    bank = bank_of(activation, tuning, options)
    on_bank, on_fresh = (
        mean_activation(activation, each) for each in (bank, fresh_transforms(activation, tuning.seed))
    )
    values = of_draws(on_bank, latents)
    steps = sum(int(stats.num_gradient_evals.sum()) for run in runs for stats in (run.warmup, run.stats))
    num_transforms = tf.nest.flatten(bank)[0].shape[0] if tf.nest.flatten(bank) else 1
    return SampleResult(
        latents=latents,
        activation=values,
        fresh_activation=of_draws(on_fresh, latents),
        strength=tuning.density.strength(tf.constant(values)).numpy(),
        density=tuning.density,
        reached=annealed.reached,
        stats={name: array.T if array.ndim == 2 else array for name, array in result.stats._asdict().items()},
        scalars={name: array.T for name, array in result.scalars.items()},
        chain_means=result.moments.mean.astype(np.float32),
        sd_images=result.moments.deviation.astype(np.float32),
        gradients=annealed.gradients + num_transforms * (steps + of_mass),
        seconds=seconds,
        anneal_images=annealed.images,
        tuning=tuning,
        kernel_checks={} if options.is_independent else _kernel_checks(result),
        forces=result.forces,
    )


def _kernel_checks(result: ChainResult) -> dict[str, np.ndarray]:
    """What shows a broken kernel, chain by chain."""
    errors = {} if result.gradient_errors is None else {"gradient_error": result.gradient_errors}
    return {"still": still_share(result.states)} | errors
