"""sample(): from first latents to draws of a density."""

from __future__ import annotations

import time
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from samplevis import seeds
from samplevis.activation import Activation
from samplevis.sampling.anneal import Annealed, anneal
from samplevis.sampling.chains import run_chains
from samplevis.sampling.density import Conditioned, Density, LogActivation, Tilted
from samplevis.sampling.mass import PAIRS, learn_scale
from samplevis.sampling.options import HMCOptions
from samplevis.sampling.scale import Scale, fresh_transforms, mean_activation


class Run(NamedTuple):
    """What `sample` returns.

    Attributes:
      latents: float32 [chain, draw, *latent_shape].
      activation: on the bank, [chain, draw].
      fresh_activation: on transforms that no chain has seen, [chain, draw].
      strength: force on the activation, in nats per unit, [chain, draw].
      beta: the density's strength.
      reached: bool [chain], whether annealing reached the level.
      stats: name -> array [chain, transition], after warm-up; "step_size" [transition].
      gradients: gradients of one chain, a transform counting once.
      seconds: stage -> wall time.
    """

    latents: np.ndarray
    activation: np.ndarray
    fresh_activation: np.ndarray
    strength: np.ndarray
    beta: float
    reached: np.ndarray
    stats: dict[str, np.ndarray]
    gradients: int
    seconds: dict[str, float]


def sample(
    activation: Activation,
    latents: tf.Tensor,
    scale: Scale,
    options: HMCOptions,
    *,
    density: str = "conditioned",
    level: float = 0.7,
    beta: float | None = None,
    from_prior: bool = False,
    anneal_steps: int = 200,
    seed: tf.Tensor,
    progress: bool = False,
) -> Run:
    """Anneals, warms up and draws.

    Args:
      activation: what is explored.
      latents: first latents, [chain, *latent_shape].
      scale: the ends of the activation's scale.
      options: the sampler's options.
      density: "conditioned", "tilted" or "activation".
      level: activation asked for, from 0 (`scale.prior`) to 1 (`scale.optimum`).
      beta: strength in nats per unit of activation. Defaults to what the level needs.
      from_prior: whether the latents are prior draws, so that the strength has to rise from zero.
      anneal_steps: Langevin steps.
      seed: int32 tensor of shape [2].
      progress: whether to show progress bars.

    Returns:
      A `Run`.
    """
    param, chains = activation.param, latents.shape[0]
    clock, seconds = time.perf_counter(), {}
    state, target, gradients = param.rotate(latents), LogActivation(), 0
    reached = np.ones(chains, bool)
    if density != "activation":
        arrived = anneal(activation, state, scale.prior, scale.optimum, level, anneal_steps, from_prior, seed, progress)
        state, reached, gradients = arrived.state, arrived.reached, arrived.gradients
        target = _density(density, arrived, beta)
    seconds["anneal"], clock = time.perf_counter() - clock, time.perf_counter()

    # One fixed density: the bank is drawn once and stays for warm-up and sampling.
    bank = activation.draw(seeds.fold(seed, "bank"), options.num_transforms)

    def tilt(state: tf.Tensor) -> tf.Tensor:
        return target.tilt(tf.reduce_mean(activation.scores(param.rotate(state), bank), axis=1))

    on_bank = mean_activation(activation, bank)
    on_fresh = mean_activation(activation, fresh_transforms(activation, seed))
    ruler = learn_scale(tilt, state, param.bands(), seed) if options.adapt_mass else 1.0
    result = run_chains(
        tilt, state, ruler, options, seed, lambda x: float(on_bank(param.rotate(x)).numpy().mean()), progress
    )
    seconds["sample"] = time.perf_counter() - clock

    draws = [param.rotate(tf.constant(x)) for x in result.states]
    values = np.stack([on_bank(z).numpy() for z in draws], axis=1)
    transitions = len(result.warmup.step_size) + len(result.trace.step_size)
    members = len(tf.nest.flatten(bank)) and options.num_transforms or 1
    return Run(
        latents=np.stack([z.numpy() for z in draws], axis=1),
        activation=values,
        fresh_activation=np.stack([on_fresh(z).numpy() for z in draws], axis=1),
        strength=target.strength(tf.constant(values)).numpy(),
        beta=float(getattr(target, "beta", 1.0)),
        reached=reached,
        stats={name: array.T if array.ndim == 2 else array for name, array in result.trace._asdict().items()},
        gradients=gradients + members * (options.num_leapfrog_steps * transitions + PAIRS + 1),
        seconds=seconds,
    )


def _density(name: str, arrived: Annealed, beta: float | None) -> Density:
    """The density at the level, with a strength of the user's if one is given."""
    if name == "tilted":
        # At the level, the conditioned chains felt 1 / MARGIN of the declared strength.
        return Tilted(arrived.strength if beta is None else beta)
    if beta is None:
        return arrived.density
    return Conditioned(arrived.density.target, arrived.density.width, beta)
