"""sample(): from first latents to draws of a density."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from samplevis.activation import Activation
from samplevis.activation.memory import sampler_sizes
from samplevis.runtime import memory, seeds
from samplevis.runtime.callbacks import Callback
from samplevis.runtime.checkpoint import Checkpoint
from samplevis.runtime.draw_store import InMemory, OnDisk
from samplevis.sampling.annealing import Annealed, anneal
from samplevis.sampling.chains import Monitors, run_chains
from samplevis.sampling.density import Conditioned, Density, LogActivation, Tilted, check_density
from samplevis.sampling.kernels.free_moves import named_moves
from samplevis.sampling.kernels.registry import APPROXIMATE
from samplevis.sampling.kernels.split_hmc import Target
from samplevis.sampling.level_scale import (
    NUM_FRESH_TRANSFORMS,
    LevelScale,
    finite_mean,
    fresh_transforms,
    mean_activation,
    of_draws,
)
from samplevis.sampling.mass import PAIRS, learn_scale
from samplevis.sampling.options import HMCOptions
from samplevis.sampling.scalars import scalar_fn

# Most nats between the ends of the scale: float32 resolves steps of one nat up to here, and Metropolis needs better.
MAX_NATS = 1e7
# Most that the level on the bank may exceed the level on other transforms before the calibration stops following.
MAX_OPTIMISM = 1.3


class SampleResult(NamedTuple):
    """What `sample` returns.

    Attributes:
      latents: float32 [chain, draw, *latent_shape].
      activation: on the bank, [chain, draw].
      fresh_activation: on transforms that no chain has seen, [chain, draw].
      strength: force on the activation, in nats per unit, [chain, draw].
      density: what was sampled, after calibration.
      reached: bool [chain], whether annealing reached the level.
      stats: name -> array [chain, transition], after warm-up; "step_size" and "gradients" [transition].
      scalars: name -> array [chain, transition], after warm-up, see `scalar_fn`.
      mean_images: mean image of each chain over all transitions after warm-up, [chain, H, W, C].
      sd_images: standard deviation of every pixel over them, [chain, H, W, C].
      gradients: gradients of one chain, a transform counting once.
      seconds: stage -> wall time.
      anneal_images: of the chains while they were annealed, uint8 [chain, frame, H, W, C].
    """

    latents: np.ndarray
    activation: np.ndarray
    fresh_activation: np.ndarray
    strength: np.ndarray
    density: Density
    reached: np.ndarray
    stats: dict[str, np.ndarray]
    scalars: dict[str, np.ndarray]
    mean_images: np.ndarray
    sd_images: np.ndarray
    gradients: int
    seconds: dict[str, float]
    anneal_images: np.ndarray


def sample(
    activation: Activation,
    latents: tf.Tensor,
    scale: LevelScale,
    options: HMCOptions,
    *,
    density: str | Density = "conditioned",
    level: float = 0.7,
    beta: float | None = None,
    from_prior: bool = False,
    anneal_steps: int = 600,
    seed: tf.Tensor,
    progress: bool | Sequence[Callback] = False,
    checkpoint: Checkpoint | None = None,
    draws: InMemory | OnDisk | None = None,
) -> SampleResult:
    """Anneals, warms up and draws.

    Chains overfit their bank. Half of the warm-up measures by how much, on transforms that are used for nothing else, and
    the level asked for on the bank rises by as much; the other half adapts to that density, which is then frozen.

    Args:
      activation: what is explored.
      latents: first latents, [chain, *latent_shape].
      scale: the ends of the activation's scale.
      options: the sampler's options.
      density: "conditioned", "tilted" or "activation"; or a density that is taken as it is, without calibration.
      level: activation asked for, from 0 (`scale.prior`) to 1 (`scale.optimum`).
      beta: strength in nats per unit of activation. Defaults to what the level needs.
      from_prior: whether the latents are prior draws, so that the strength has to rise from zero.
      anneal_steps: Langevin steps. Defaults to 600.
      seed: int32 tensor of shape [2].
      progress: whether to show progress bars, or callbacks.
      checkpoint: where the run keeps what it has done, and goes on from. Defaults to nowhere.
      draws: where the draws go. Defaults to memory.

    Returns:
      A `SampleResult`.

    Raises:
      ValueError: if the images of a batch depend on each other, if the gradient is not that of the activation, or if `beta` is
        stronger than float32 can carry; or if the run asks for more than this machine could ever hold.
      OSError: if `draws` go to a disk without room for them.
      MemoryError: if memory is full; it says which of chains, bank and size to lower, and to what.
    """
    activation.check_sampled()
    nats = (beta or 0.0) * (scale.optimum - scale.prior)
    if nats > MAX_NATS:
        raise ValueError(
            f"beta: expected at most {MAX_NATS / (scale.optimum - scale.prior):.3g} for this unit, where float32 still resolves a "
            f"nat. Received: {beta!r}, which puts {nats:.3g} nats between the prior and the optimum"
        )
    param, chains = activation.param, latents.shape[0]
    checkpoint, draws = checkpoint or Checkpoint(), draws or InMemory()
    check_room(activation, chains, options, draws)
    with memory.explain_oom(sampler_sizes(activation, chains, options.num_transforms)):
        checkpoint.start_timer("anneal")
        state, target, gradients = param.rotate(latents), LogActivation(), 0
        reached, anneal_images = np.ones(chains, bool), np.zeros((chains, 0, *param.image_shape), np.uint8)
        if check_density(density) != "activation":
            ends, stage = (scale.prior, scale.optimum), checkpoint.stage("anneal")
            arrived = anneal(activation, state, *ends, level, anneal_steps, from_prior, seed, progress, stage)
            state, reached, gradients, anneal_images = arrived.state, arrived.reached, arrived.gradients, arrived.images
            target = density if isinstance(density, Density) else _density(density, arrived, beta)
        checkpoint.start_timer("sample")

        # One fixed density: the bank is drawn once and stays for warm-up and sampling.
        bank = activation.sample_transforms(seeds.fold(seed, "bank"), options.num_transforms)

        on_bank = mean_activation(activation, bank)
        on_fresh = mean_activation(activation, fresh_transforms(activation, seed))
        tilt, parameters = _tilt(activation, type(target)), activation.parameters
        compile = activation.compiler(type(target), options.moves, options.num_transforms)

        def redraw(seed: tf.Tensor, bank: Any, *numbers: Any) -> Target:
            other = activation.sample_transforms(seed, options.num_transforms)
            return lambda state: tilt(state, other, *numbers)

        preconditioner = 1.0
        if options.adapt_mass:
            numbers = bank, parameters, target.numbers
            preconditioner = checkpoint.get_or_compute(
                "mass", lambda: {"scale": learn_scale(tilt, state, param.bands(), seed, numbers, compile)}
            )["scale"]

        def watch(state: tf.Tensor) -> float:
            return finite_mean(on_bank(param.rotate(state)))

        moves = named_moves(param, options.moves)
        watched = Monitors(
            watch, scalar_fn(param.latent_shape, param.bands()), lambda state: param.image(param.rotate(state))
        )
        calibration_runs = []
        half = options.num_burnin_steps // 2
        if density == "conditioned" and half:
            short = dataclasses.replace(options, num_burnin_steps=half, num_results=1, num_steps_between_results=0)
            first = run_chains(
                tilt,
                state,
                preconditioner,
                short,
                seeds.fold(seed, "rehearsal"),
                watched._replace(told=False),
                progress,
                redraw,
                moves,
                lambda name: checkpoint.stage(f"rehearsal/{name}"),
                (bank, parameters, target.numbers),
                compile,
            )
            calibration_runs = [first]
            state = tf.constant(first.states[-1])
            other = mean_activation(
                activation, activation.sample_transforms(seeds.fold(seed, "calibration"), NUM_FRESH_TRANSFORMS)
            )
            latents = param.rotate(state)
            # Kernels that draw their transforms anew have no bank to overfit, but may rest beside their target.
            anew = options.kernel in APPROXIMATE
            found = checkpoint.get_or_compute(
                "calibration",
                lambda: {
                    "met": target.target if anew else finite_mean(on_bank(latents)),
                    "other": finite_mean(other(latents)),
                },
            )
            least = 1 / MAX_OPTIMISM if anew else 1.0
            target = _calibrated(target, scale.prior, float(found["met"]), float(found["other"]), least)
            options = dataclasses.replace(
                options, num_burnin_steps=options.num_burnin_steps - half, step_size=float(first.trace.step_size[-1])
            )
        numbers = bank, parameters, target.numbers
        result = run_chains(
            tilt,
            state,
            preconditioner,
            options,
            seed,
            watched,
            progress,
            redraw,
            moves,
            checkpoint.stage,
            numbers,
            compile,
            draws,
        )
        seconds = checkpoint.seconds

        states = result.states
        latents = draws.gather("latents", len(states), (param.rotate(tf.constant(x)).numpy() for x in states))
        values, fresh = of_draws(on_bank, latents), of_draws(on_fresh, latents)
        steps = sum(
            int(part.gradients.sum())
            for chains in (*calibration_runs, result)
            for part in (chains.warmup, chains.trace)
        )
        members = options.num_transforms if tf.nest.flatten(bank) else 1
        return SampleResult(
            latents=latents,
            activation=values,
            fresh_activation=fresh,
            strength=target.strength(tf.constant(values)).numpy(),
            density=target,
            reached=reached,
            stats={name: array.T if array.ndim == 2 else array for name, array in result.trace._asdict().items()},
            scalars={name: array.T for name, array in result.scalars.items()},
            mean_images=result.pictures.mean.astype(np.float32),
            sd_images=result.pictures.deviation.astype(np.float32),
            gradients=gradients + members * (steps + PAIRS + 1),
            seconds=seconds,
            anneal_images=anneal_images,
        )


def check_room(activation: Activation, chains: int, options: HMCOptions, draws: InMemory | OnDisk) -> None:
    """Refuses a run that can never fit: its draws where they go to, or its transforms or an image of each chain in memory.

    Args:
      activation: what is explored.
      chains: number of chains.
      options: the sampler's options.
      draws: where the draws go.

    Raises:
      ValueError: if memory cannot hold it; it says how much of what it can.
      OSError: if the disk has no room for the draws.
    """
    param = activation.param
    draws.check_room(chains, options.num_results, param.latent_shape, param.image_shape)
    # A bank is computed in parts where all of its images have no room. An empty draw is no bank.
    one = sum(math.prod(leaf.shape) for leaf in tf.nest.flatten(activation.sample_transforms(seeds.root(0), 1)))
    memory.check_fits({"num_transforms": options.num_transforms}, one, "the transforms")
    memory.check_fits({"num_chains": chains}, math.prod(param.image_shape), "an image of each chain")


def _tilt(activation: Activation, density: type[Density]) -> Callable[..., tf.Tensor]:
    """The log density of states, less the prior's, as a function of the state and of all numbers that it depends on."""

    def tilt(
        state: tf.Tensor, bank: Any, parameters: list[tf.Tensor], density_params: dict[str, tf.Tensor]
    ) -> tf.Tensor:
        return density(**density_params).tilt(activation.mean(activation.param.rotate(state), bank, parameters))

    return tilt


def _calibrated(density: Conditioned, prior: float, met: float, other: float, least: float) -> Conditioned:
    """The density whose target is as far off what is asked for as what the chains meet is off other transforms."""
    optimism = (met - prior) / (other - prior) if other > prior else 1.0
    return dataclasses.replace(
        density, target=prior + (density.target - prior) * float(np.clip(optimism, least, MAX_OPTIMISM))
    )


def _density(name: str, arrived: Annealed, beta: float | None) -> Density:
    """The density at the level, with a strength of the user's if one is given."""
    if name == "tilted":
        # At the level, the conditioned chains felt 1 / MARGIN of the declared strength.
        return Tilted(arrived.strength if beta is None else beta)
    if beta is None:
        return arrived.density
    return Conditioned(arrived.density.target, arrived.density.width, beta)
