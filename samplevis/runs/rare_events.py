"""surprisal(): how rare a high activation is among images of the prior."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf

from samplevis.activation import Activation, make_activation, sized_param
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
from samplevis.sampling.level_scale import Gauge, measure_scale
from samplevis.sampling.smc import log_mean_exp
from samplevis.sampling.tail import RareEvent, Schedule, Tail, log_probability_interval
from samplevis.transform import Transform

# Images that are optimised, and chains that are annealed, to find the scale of the activation and the strength at the level.
SCOUTS = 4
SCOUT_STEPS = 200
# Fewer effective states than these, and standard deviations of the repeats above this, in nats, are not to be trusted.
MIN_EFFECTIVE_STATES = 10
MAX_SPREAD = 2.0


class Surprisal(NamedTuple):
    """What `surprisal` returns; printing it says how far it can be trusted.

    Attributes:
      nats: -log P(A >= target) under the prior, A on a fixed bank of transforms; P is the mean over the repeats.
      interval: (low, high), a 90 % interval for the surprisal, in nats, from the spread of the repeats, see
        `sampling.tail.log_probability_interval`.
      repeats: the surprisal of each population by itself, [repeat].
      target: the activation asked for.
      log_z: log normaliser of the soft event that the populations end in, [repeat].
      ancestors: how many first states have descendants at the target, [repeat]; one means that the population has seen one
        composition only.
      effective_states: how many equally weighted states the last weights are worth, [repeat]; at most `population`.
      population: states of each repeat.
      temperature_steps: temperature steps of each repeat's path, [repeat].
      latents: the populations at the end, [repeat, population, *latent_shape].
      images: the same as images, [repeat, population, H, W, C].
      activation: on the bank, [repeat, population].
    """

    nats: float
    interval: tuple[float, float]
    repeats: np.ndarray
    target: float
    log_z: np.ndarray
    ancestors: np.ndarray
    effective_states: np.ndarray
    population: int
    temperature_steps: np.ndarray
    latents: np.ndarray
    images: np.ndarray
    activation: np.ndarray

    rungs = renamed_property("rungs", "temperature_steps")

    @property
    def warnings(self) -> list[str]:
        """Why the figures cannot be trusted, one sentence each; empty if nothing speaks against them."""
        return [sentence for sentence in _warnings(self) if sentence]

    def __str__(self) -> str:
        low, high = self.interval
        repeats = ", ".join(f"{nats:.1f}" for nats in self.repeats)
        effective = ", ".join(f"{states:.0f}" for states in self.effective_states)
        lines = [
            f"surprisal {self.nats:.1f} nats, 90 % interval {low:.1f} to {high:.1f}: one prior image in e^{self.nats:.0f} has an "
            f"activation of {self.target:.4g} or more",
            f"repeats: {repeats}; {self.population} states each; effective states of the last weights: {effective}; "
            f"first states with descendants: {', '.join(map(str, self.ancestors))}",
        ]
        if self.warnings:
            lines.append("Do not trust these figures. " + " ".join(self.warnings))
        return "\n".join(lines)


def _warnings(found: Surprisal) -> Iterator[str]:
    """The sentences of `Surprisal.warnings`; empty where a check passes."""

    def named(where: np.ndarray) -> str:
        numbers = [str(i + 1) for i in np.flatnonzero(where)]
        return f"repeat{'s' if len(numbers) > 1 else ''} {', '.join(numbers)}"

    if (missed := ~np.isfinite(found.repeats)).any():
        yield f"No state reached the target in {named(missed)}."
    if (few := (found.effective_states < MIN_EFFECTIVE_STATES) & ~missed).any():
        yield f"The last weights are worth fewer than {MIN_EFFECTIVE_STATES} states in {named(few)}: use a larger population."
    if (single := found.ancestors == 1).any():
        yield (
            f"All states descend from one prior image in {named(single)}, which has seen one composition only: the surprisal "
            "may be smaller. Use a larger population."
        )
    if len(found.repeats) == 1:
        yield "One repeat shows no spread: the interval has an upper end only."
    elif (spread := float(np.std(found.repeats[~missed], ddof=1)) if (~missed).sum() > 1 else 0.0) > MAX_SPREAD:
        yield f"The repeats scatter by {spread:.1f} nats: most populations miss paths, and the surprisal is rather smaller."


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
    repeats: int = 4,
    num_transforms: int = 8,
    num_leapfrog_steps: int = 4,
    seed: int = 0,
    progress: bool = True,
) -> Surprisal:
    """Estimates -log P(A >= level) under the image prior, in nats, with a 90 % interval.

    A pilot population climbs from prior noise to the level through soft events that sharpen (`sampling.tail.Tail`), and fixes the
    schedule. The repeats are independent populations that follow it, so that each one's estimate of P is unbiased; the result
    is the mean of P over them, and the interval comes from their spread. Where a population sees few of the compositions that
    reach the level, the estimates scatter, most of them to the high side; printing the result warns about that.

    Args:
      model: a `Network` or a Keras model that takes images in [0, 1].
      obj: an objective, a string "layer:channel", or a function of the layer accessor `T`.
      im_size: pixels, one int or one for each side. Defaults to the network's, or as in `render`. Ignored if `param` is given.
      param: the prior, as a map from white latents to images. Defaults to `param.fourier(im_size)` of the network's channels.
      transforms: distortions that the activation is averaged over. Defaults to "robust", as in `render`; None for none.
      level: from 0 (mean under the prior) to 1 (best optimised image), on the network as it is. Defaults to 0.7.
      density: the conditioned density whose `target` is asked about, such as that of samples. Defaults to one at `level`.
      smooth: softness of the network's kinks, as in `render`; None takes the network as it is. Defaults to 0.3.
      population: states of each population, >= 2. Defaults to 64.
      repeats: independent populations besides the pilot, >= 1; one of them shows no spread. Defaults to 4.
      num_transforms: members of the bank, >= 1. Defaults to 8.
      num_leapfrog_steps: mean gradients of a transition, two of which are made at each temperature step, >= 1. Defaults to 4.
      seed: int from 0 to 2**31 - 1.
      progress: whether to show progress bars.

    Returns:
      `Surprisal`.

    Raises:
      ValueError, TypeError: if an argument is out of range, before any work.
      RuntimeError: if the pilot does not reach the target.
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
    param = sized_param(network, im_size, transforms) if param is None else param
    exact = make_activation(network, obj, param, transforms)
    exact.check_sampled()
    activation = exact
    if smooth is not None:
        activation = make_activation(smoothed(network, smooth), obj, param, transforms)
    sizes = {"population": population, "num_transforms": num_transforms}
    with memory.explain_oom(sizes | image_sizes(network, param.image_shape)):
        if density is None:
            density = _scout(activation, exact, level, root, progress)
        bank = activation.sample_transforms(seeds.fold(root, "bank"), num_transforms)
        tail = Tail(
            lambda state: activation.mean(param.rotate(state), bank), density, num_leapfrog_steps, param.bands()
        )

        def climb(name: str, number: int, schedule: Schedule | None = None) -> RareEvent:
            seed = seeds.fold(root, name, number)
            return tail.climb(param.rotate(param.prior(seed, population)), seed, schedule, progress)

        schedule = climb("pilot", 0).schedule
        events = [climb("population", i, schedule) for i in range(repeats)]
    return _collected(events, float(density.target), param)


def _collected(events: Sequence[RareEvent], target: float, param: Parameterization) -> Surprisal:
    """What the populations found."""
    log_probabilities = np.array([event.log_probability for event in events])
    low, high = log_probability_interval(log_probabilities)
    latents = np.stack([param.rotate(tf.constant(event.state)).numpy() for event in events])
    return Surprisal(
        nats=-log_mean_exp(log_probabilities),
        interval=(-high, -low),
        repeats=-log_probabilities,
        target=target,
        log_z=np.array([event.log_z for event in events]),
        ancestors=np.array([event.ancestors for event in events]),
        effective_states=np.array([event.effective_states for event in events]),
        population=latents.shape[1],
        temperature_steps=np.array([event.temperature_steps for event in events]),
        latents=latents,
        images=np.stack([param.image(tf.constant(z)).numpy() for z in latents]),
        activation=np.stack([event.activation for event in events]),
    )


def rare_event(
    activation_fn: Callable[[tf.Tensor], tf.Tensor],
    density: Conditioned,
    state: tf.Tensor,
    num_leapfrog_steps: int,
    seed: tf.Tensor,
    *,
    progress: bool = False,
) -> RareEvent:
    """Estimates log P(A >= density.target) under N(0, I) with one population that adapts as it climbs, see `Tail`.

    Args:
      activation_fn: state [chain, ...] -> activation [chain].
      density: the soft form of the event.
      state: draws of the prior, [chain, ...].
      num_leapfrog_steps: mean gradients of a transition, >= 1.
      seed: int32 tensor of shape [2].
      progress: whether to show a progress bar. Defaults to False.

    Returns:
      `RareEvent`.

    Raises:
      RuntimeError: if the population does not reach `density.target`.
    """
    return Tail(activation_fn, density, num_leapfrog_steps).climb(state, seed, progress=progress)


def _scout(activation: Activation, exact: Activation, level: float, seed: tf.Tensor, progress: bool) -> Conditioned:
    """The density at the level, which is measured on the network as it is."""
    start = activation.param.start(seeds.fold(seed, "optimize"), SCOUTS)
    steps = AscentOptions(SCOUT_STEPS, skip_nonfinite=True)
    optimized = ascend(activation, start, steps, seed, progress)
    scale = measure_scale(activation, optimized.latents, seed)
    gauge = None
    if exact.network is not activation.network:
        best = ascend(exact, tf.constant(optimized.latents), steps, seeds.fold(seed, "optimise exact"), progress)
        gauge = Gauge(exact, measure_scale(exact, best.latents, seed))
    state = activation.param.rotate(tf.constant(optimized.latents))
    context = RunContext(seed, as_callbacks(progress))
    return anneal(activation, state, scale, level, SCOUT_STEPS, False, context, gauge).density
