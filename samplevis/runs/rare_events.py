"""surprisal(): how rare a high activation is among images of the prior."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from samplevis.activation import Activation, default_param, make_activation
from samplevis.activation.memory import image_sizes
from samplevis.network import Network, as_network
from samplevis.objectives import Objective
from samplevis.optimizers.ascent import AscentOptions, ascend
from samplevis.overrides.smooth import DEFAULT_SOFTNESS, smoothed
from samplevis.param import Parameterization
from samplevis.runtime import memory, seeds
from samplevis.runtime.callbacks import as_callbacks
from samplevis.runtime.checks import check_between, check_number, check_whole
from samplevis.runtime.context import RunContext
from samplevis.runtime.deprecation import renamed_property
from samplevis.sampling.annealing import anneal
from samplevis.sampling.density import Conditioned
from samplevis.sampling.level_scale import measure_scale
from samplevis.sampling.mass import learn_preconditioner
from samplevis.sampling.smc import log_mean_exp, sequential_monte_carlo
from samplevis.transform import Transform

# Images that are optimised, and chains that are annealed, to find the scale of the activation and the strength at the level.
SCOUTS = 4
SCOUT_STEPS = 200
# How often the strength may double before a target counts as out of reach.
MAX_DOUBLINGS = 6


class Surprisal(NamedTuple):
    """What `surprisal` returns; printing it says how far it can be trusted.

    Attributes:
      nats: -log P(A >= target) under the prior, A on a fixed bank of transforms; the mean over the repeats.
      repeats: the same of each population by itself, [repeat]. Their spread is the honest error bar.
      target: the activation asked for.
      log_z: log normaliser of the soft density that the populations end in, [repeat].
      ancestors: how many first states have descendants at the end, [repeat]; one means that the population has seen one basin only.
      population: states of each repeat.
      temperature_steps: temperature steps of each repeat's path, [repeat].
      latents: the populations at the end, [repeat, population, *latent_shape].
      images: the same as images, [repeat, population, H, W, C].
      activation: on the bank, [repeat, population].
    """

    nats: float
    repeats: np.ndarray
    target: float
    log_z: np.ndarray
    ancestors: np.ndarray
    population: int
    temperature_steps: np.ndarray
    latents: np.ndarray
    images: np.ndarray
    activation: np.ndarray

    rungs = renamed_property("rungs", "temperature_steps")

    def __str__(self) -> str:
        repeats = ", ".join(f"{nats:.1f}" for nats in self.repeats)
        ancestors = ", ".join(map(str, self.ancestors))
        return (
            f"surprisal {self.nats:.1f} nats: one prior image in e^{self.nats:.0f} has an activation of {self.target:.4g} or more "
            f"(repeats: {repeats}; {self.population} states each, of which {ancestors} first ones have descendants)"
        )


def surprisal(
    model: Network | keras.Model,
    obj: Objective | str | Callable,
    *,
    im_size: int | tuple[int, ...] | None = None,
    param: Parameterization | None = None,
    transforms: Transform | Sequence[Transform] | str | None = "robust",
    level: float = 0.7,
    density: Conditioned | None = None,
    smooth: float | None = DEFAULT_SOFTNESS,
    population: int = 64,
    repeats: int = 2,
    num_transforms: int = 8,
    num_leapfrog_steps: int = 4,
    seed: int = 0,
    progress: bool = True,
) -> Surprisal:
    """Estimates -log P(A >= level) under the image prior, in nats.

    Populations climb from prior noise to the level by multilevel splitting (`sequential_monte_carlo`); weights make up for
    what the last step lacks to the hard event. The estimate of P is unbiased up to the adaptation of temperatures and step
    sizes, but of large surprisals single populations miss paths, and then err to the high side: compare the repeats.

    Args:
      model: a `Network` or a Keras model that takes images in [0, 1].
      obj: an objective, a string "layer:channel", or a function of the layer accessor `T`.
      im_size: pixels, one int or one for each side. Defaults to the network's, or as in `render`. Ignored if `param` is given.
      param: the prior, as a map from white latents to images. Defaults to `param.fourier(im_size)` of the network's channels.
      transforms: distortions that the activation is averaged over. Defaults to "robust", as in `render`; None for none.
      level: from 0 (mean under the prior) to 1 (best optimised image). Defaults to 0.7.
      density: the conditioned density whose `target` is asked about, such as that of samples. Defaults to one at `level`.
      smooth: softness of the network's kinks, as in `render`; None takes the network as it is. Defaults to 0.3.
      population: states of each population, >= 2. Defaults to 64.
      repeats: independent populations, >= 1. Defaults to 2.
      num_transforms: members of the bank, >= 1. Defaults to 8.
      num_leapfrog_steps: mean gradients of a transition, two of which are made at each temperature step, >= 1. Defaults to 4.
      seed: int from 0 to 2**31 - 1.
      progress: whether to show progress bars.

    Returns:
      `Surprisal`.

    Raises:
      ValueError, TypeError: if an argument is out of range, before any work.
      RuntimeError: if a population does not reach the target.
      MemoryError: if memory is full; it says which of population, bank and size to lower, and to what.

    Example:
      >>> print(samplevis.surprisal(modelzoo.Shapes(), "logits:4", im_size=64, level=0.5))
    """
    check_whole("population", population, 2)
    check_whole("repeats", repeats, 1)
    check_whole("num_transforms", num_transforms, 1)
    check_whole("num_leapfrog_steps", num_leapfrog_steps, 1)
    check_between("level", level, 0.0, 1.0)
    if density is not None and not isinstance(density, Conditioned):
        raise TypeError(
            f"density: expected a conditioned density, such as the target_density of samples. Received: {density!r}"
        )
    if smooth is not None:
        check_number("smooth", smooth, 0, above=True)
    root, network = seeds.root(seed), as_network(model)
    network = network if smooth is None else smoothed(network, smooth)
    param = default_param(network, im_size) if param is None else param
    activation = make_activation(network, obj, param, transforms)
    activation.check_sampled()
    sizes = {"population": population, "num_transforms": num_transforms}
    with memory.explain_oom(sizes | image_sizes(network, param.image_shape)):
        density, states = _scout(activation, level, density, root, progress)
        bank = activation.sample_transforms(seeds.fold(root, "bank"), num_transforms)

        def on_bank(state: tf.Tensor) -> tf.Tensor:
            return activation.mean(param.rotate(state), bank)

        preconditioner = learn_preconditioner(lambda state: density.tilt(on_bank(state)), states, param.bands(), root)

        def repeat(seed: tf.Tensor) -> RareEvent:
            start, steps = param.rotate(param.prior(seed, population)), num_leapfrog_steps
            return rare_event(on_bank, density, start, steps, seed, preconditioner=preconditioner, progress=progress)

        events = [repeat(seeds.fold(root, "population", i)) for i in range(repeats)]
    return _collected(events, float(density.target), param)


def _collected(events: Sequence[RareEvent], target: float, param: Parameterization) -> Surprisal:
    """What the populations found."""
    nats = np.array([-event.log_probability for event in events])
    latents = np.stack([param.rotate(tf.constant(event.state)).numpy() for event in events])
    return Surprisal(
        nats=float(nats.mean()),
        repeats=nats,
        target=target,
        log_z=np.array([event.log_z for event in events]),
        ancestors=np.array([event.ancestors for event in events]),
        population=latents.shape[1],
        temperature_steps=np.array([event.temperature_steps for event in events]),
        latents=latents,
        images=np.stack([param.image(tf.constant(z)).numpy() for z in latents]),
        activation=np.stack([event.activation for event in events]),
    )


class RareEvent(NamedTuple):
    """What `rare_event` returns.

    Attributes:
      log_probability: log P(A >= target) under N(0, I).
      log_z: log normaliser of the soft density that the population ended in.
      state: the population, [chain, ...].
      activation: at its states, [chain].
      ancestors: how many first states have descendants at the end.
      temperature_steps: temperature steps of the path.
    """

    log_probability: float
    log_z: float
    state: np.ndarray
    activation: np.ndarray
    ancestors: int
    temperature_steps: int


def rare_event(
    activation_fn: Callable[[tf.Tensor], tf.Tensor],
    density: Conditioned,
    state: tf.Tensor,
    num_leapfrog_steps: int,
    seed: tf.Tensor,
    *,
    preconditioner: Any = 1.0,
    progress: bool = False,
) -> RareEvent:
    """Estimates log P(A >= density.target) under N(0, I) with one population.

    The strength rises from zero to `density.beta`, and doubles from there until half of the population has reached the target.
    P = Z E[1(A >= target) exp(-tilt)], where the expectation is under the density at the end of the path and Z its normaliser.

    Args:
      activation_fn: state [chain, ...] -> activation [chain].
      density: the soft form of the event.
      state: draws of the prior, [chain, ...].
      num_leapfrog_steps, seed, preconditioner, progress: as in `sequential_monte_carlo`.

    Returns:
      `RareEvent`.

    Raises:
      RuntimeError: if the population does not reach `density.target`.
    """
    strengths = [0.0] + [density.beta * 2**i for i in range(MAX_DOUBLINGS + 1)]
    log_z, ancestor_indices, temperature_steps = 0.0, np.arange(state.shape[0]), 0
    for stage, (low, high) in enumerate(itertools.pairwise(strengths), start=1):

        def path(activation: tf.Tensor, temperature: Any, low: float = low, high: float = high) -> tf.Tensor:
            return dataclasses.replace(density, beta=low + (high - low) * temperature).tilt(activation)

        end = sequential_monte_carlo(
            activation_fn,
            path,
            state,
            num_leapfrog_steps,
            seeds.fold(seed, "strength", stage),
            preconditioner=preconditioner,
            progress=progress,
        )
        state, log_z = tf.constant(end.state), log_z + end.log_z
        temperature_steps += len(end.schedule) - 1
        ancestor_indices = ancestor_indices[end.ancestor_indices]
        values = activation_fn(state).numpy()
        there = values >= density.target
        if there.mean() >= 0.5:
            tilts = np.float64(path(tf.constant(values), 1.0))
            log_probability = log_z + log_mean_exp(np.where(there, -tilts, -np.inf))
            return RareEvent(log_probability, log_z, end.state, values, len(set(ancestor_indices)), temperature_steps)
    raise RuntimeError(
        f"density: only {there.sum()} of {len(values)} states reach the target {density.target:g} (highest: {values.max():g}), "
        f"even under {2**MAX_DOUBLINGS} times the strength. Lower the level, or give more leapfrog steps"
    )


def _scout(
    activation: Activation, level: float, density: Conditioned | None, seed: tf.Tensor, progress: bool
) -> tuple[Conditioned, tf.Tensor]:
    """The density at the level, and states that sit there."""
    start = activation.param.start(seeds.fold(seed, "optimize"), SCOUTS)
    optimized = ascend(activation, start, AscentOptions(SCOUT_STEPS, skip_nonfinite=True), seed, progress)
    scale = measure_scale(activation, optimized.latents, seed)
    if density is not None:
        level = (float(density.target) - scale.prior) / (scale.optimum - scale.prior)
    state = activation.param.rotate(tf.constant(optimized.latents))
    context = RunContext(seed, as_callbacks(progress))
    annealed = anneal(activation, state, scale, level, SCOUT_STEPS, False, context)
    return density or annealed.density, annealed.state
