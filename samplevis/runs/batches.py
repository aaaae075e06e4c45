"""The chains of a render: all are optimised, then sampled a batch at a time. The first batch tunes for the others."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from samplevis.activation import Activation
from samplevis.optimizers.ascent import AscentOptions, ascend
from samplevis.overrides.smooth import DEFAULT_SOFTNESS
from samplevis.results.optimized import Optimized
from samplevis.results.sample_checks import SHARED
from samplevis.runs.example_level import measure_level
from samplevis.runs.faithfulness import MAX_HALVINGS, MIN_FAITHFUL, faithfulness
from samplevis.runs.options import AUTO, EXAMPLES
from samplevis.runs.render_plan import RenderPlan
from samplevis.runs.tolerance import tolerated
from samplevis.runtime import seeds
from samplevis.runtime.context import RunContext
from samplevis.runtime.draw_store import DrawStore
from samplevis.runtime.progress import Progress
from samplevis.sampling.level_scale import (
    Gauge,
    LevelScale,
    best_activation,
    fresh_transforms,
    mean_activation,
    measure_scale,
    of_draws,
)
from samplevis.sampling.sampler import SampleResult, sample
from samplevis.sampling.tuning import Tuning

# Share of the optimiser's steps that take images of the smoothed network to the network as it is.
EXACT_SHARE = 0.25
# Transforms on which the network as it is is measured, where a smoothed copy is sampled.
NUM_EXACT_TRANSFORMS = 32


class Batch(NamedTuple):
    """What a batch of chains gives.

    Attributes:
      optimized: optimised images of the network as it is, [chain, *image].
      result: of the sampler.
      images: the draws, [chain, draw, *image].
      network_levels: levels of the draws on the network as it is, [chain, draw].
    """

    optimized: np.ndarray
    result: SampleResult
    images: np.ndarray
    network_levels: np.ndarray


class Scales(NamedTuple):
    """The scale of the activation.

    Attributes:
      sampled: its ends, on the network that is sampled.
      exact: on the network as it is; None if that gives no scale.
      level: the level asked for, on the network as it is.
    """

    sampled: LevelScale
    exact: LevelScale | None
    level: float

    def gauge(self, plan: RenderPlan) -> Gauge | None:
        """Where the level asked for is measured; None if that is what is sampled, or no network else has a scale."""
        return Gauge(plan.exact_activation, self.exact) if plan.smooths and self.exact is not None else None


class Optimum(NamedTuple):
    """The optimised images of a batch, and the plan under whose transforms they were optimised.

    Attributes:
      plan: of the run.
      latents: in the parameterization that is sampled, [chain, *latent_shape].
      scale: with the activation of the best image of the first batch.
      exact: the images, optimised a little further for the network as it is; None until they are.
      exact_scale: the scale there, with the activation of the best of these; None if none of them excites the unit there.
    """

    plan: RenderPlan
    latents: np.ndarray
    scale: LevelScale
    exact: Optimized | None = None
    exact_scale: LevelScale | None = None

    @property
    def activation(self) -> Activation:
        """What is sampled."""
        return self.plan.activation


class Rendered(NamedTuple):
    """What `run_batches` returns.

    Attributes:
      plan: of the run, with the transforms that were used.
      batch: what the batches gave, as one.
      scales: the scale of the activation.
      retained: share of the activation that the unit retains under the transforms, and under weaker ones, if it was measured.
    """

    plan: RenderPlan
    batch: Batch
    scales: Scales
    retained: tuple[float, ...]


def run_batches(plan: RenderPlan, context: RunContext) -> Rendered:
    """Runs all chains.

    Args:
      plan: of the run.
      context: of the run.

    Returns:
      `Rendered`. After Ctrl-C, the batches so far, or the draws so far of the first.
    """
    sizes = plan.batch_sizes
    if len(sizes) == 1:
        optima, retained = _optima(plan, [context])
        scales = _scales(optima, context)
        batch = _run_batch(optima[0], slice(0, sizes[0]), scales, None, context)
        return Rendered(optima[0].plan, batch, scales, retained)
    batches: list[Batch] = []
    first = dataclasses.replace(context, draw_store=context.draw_store.of_batch(0))
    contexts = [first, *(context.batch(number) for number in range(1, len(sizes)))]
    with Progress("chains", sum(sizes), "chain", context.callbacks) as bar:
        optima, retained = _optima(plan, contexts)
        scales = _scales(optima, context)
        for number, size in enumerate(sizes):
            chains = slice(sum(sizes[:number]), sum(sizes[: number + 1]))
            tuning = batches[0].result.tuning if batches else None
            try:
                batch = _run_batch(optima[number], chains, scales, tuning, contexts[number])
            except KeyboardInterrupt:
                if bar.insisted or not batches:
                    raise
                break
            if batches and batch.images.shape[1] != batches[0].images.shape[1]:
                break  # It was stopped among its draws.
            batches.append(batch)
            bar.update(size)
            if bar.interrupted:
                break
    return Rendered(optima[0].plan, _joined(batches, context.draw_store), scales, retained)


def _optima(plan: RenderPlan, contexts: Sequence[RunContext]) -> tuple[list[Optimum], tuple[float, ...]]:
    """The optimised images of all batches, and the share of its activation that the unit retains.

    The first batch says under which transforms, and on which copy of the network, the others are optimised.
    """
    first, retained = _first_optimum(plan, plan.batch_sizes[0], contexts[0])
    optima = [first]
    for size, context in zip(plan.batch_sizes[1:], contexts[1:], strict=True):
        optima.append(_taken_further(_optimum(first.plan, size, first.scale, context), context))
    return optima, retained


def _run_batch(optimum: Optimum, chains: slice, scales: Scales, tuning: Tuning | None, context: RunContext) -> Batch:
    """Samples from optimised images, and collects a batch of chains."""
    plan, exact = optimum.plan, optimum.exact
    result = sample(
        plan.activation,
        _starts(plan, chains, optimum.latents, context),
        scales.sampled,
        plan.hmc,
        density=plan.options.density,
        level=scales.level,
        beta=plan.options.beta,
        from_prior=plan.init == "prior",
        anneal_steps=int(plan.options.anneal_steps),
        tuning=tuning,
        gauge=scales.gauge(plan),
        context=context,
    )
    draws = result.latents.swapaxes(0, 1)
    images = context.draw_store.gather("images", len(draws), (plan.param.image(tf.constant(z)).numpy() for z in draws))
    return Batch(exact.images, result, images, _network_levels(plan, scales, result))


def _first_optimum(plan: RenderPlan, count: int, context: RunContext) -> tuple[Optimum, tuple[float, ...]]:
    """The optimised images of the first batch.

    Transforms are weaker where the unit does not tolerate the default ones, and kinks less rounded where the smoothed copy does
    not stand for the network.
    """

    def attempt(amplitude: float) -> Optimum:
        part = context if amplitude == 1 else dataclasses.replace(context, scope=f"amplitude {amplitude:g}/")
        return _optimum(plan if amplitude == 1 else plan.weakened(amplitude), count, None, part)

    optimum, retained = tolerated(attempt, context) if plan.by_default else (attempt(1.0), ())
    return _faithful(_taken_further(optimum, context), context), retained


def _faithful(optimum: Optimum, context: RunContext) -> Optimum:
    """Halve the softness, where it is the run's own choice, until what excites the smoothed copy excites the network."""
    plan = optimum.plan
    if not (plan.smooths and plan.options.smooth == AUTO):
        return optimum
    optimum = optimum._replace(plan=plan.with_softness(DEFAULT_SOFTNESS))
    for halvings in range(MAX_HALVINGS):
        found = context.checkpoint.get_or_compute(
            f"faithfulness {halvings}", lambda optimum=optimum: {"level": _faithfulness(optimum, context)}
        )
        # Nothing is known of values that are not finite.
        if not float(found["level"]) < MIN_FAITHFUL:
            break
        softness = DEFAULT_SOFTNESS / 2 ** (halvings + 1)
        part = dataclasses.replace(context, scope=f"softness {softness:g}/")
        sharper = _optimum(plan.with_softness(softness), len(optimum.latents), None, part)
        optimum = _taken_further(sharper, part)
    return optimum


def _faithfulness(optimum: Optimum, context: RunContext) -> float:
    """The level on the network of the copy's best image; -inf where none of the copy's images excites the unit there."""
    if optimum.exact_scale is None:
        return -np.inf
    return faithfulness(optimum.plan.exact_activation, optimum.exact_scale, optimum.latents, context.seed)


def _optimum(plan: RenderPlan, count: int, scale: LevelScale | None, context: RunContext) -> Optimum:
    """An optimised image for each chain, and the scale that they give if there is none yet."""
    context.checkpoint.start_timer("optimise")
    if context.checkpoint.folder is not None and scale is None:
        # Notices what no name tells: a function that was rewritten, a decoder of other weights.
        noise = plan.param.prior(seeds.fold(context.seed, "prior mean", 0), count)
        values = mean_activation(plan.activation, fresh_transforms(plan.activation, context.seed))(noise)
        context.checkpoint.check(f"{context.scope}activation of noise", values.numpy())
    start = plan.renderer.param.start(seeds.fold(context.seed, "optimize"), count)
    steps = AscentOptions(int(plan.options.optimize_steps), skip_nonfinite=True)
    optimized = ascend(plan.renderer, start, steps, context.seed, context.callbacks, stage=context.stage("optimise"))
    latents = plan.param.latent(tf.constant(optimized.images)).numpy() if plan.is_2018 else optimized.latents
    if scale is None:
        found = context.checkpoint.get_or_compute(
            f"{context.scope}scale", lambda: measure_scale(plan.activation, latents, context.seed)._asdict()
        )
        scale = LevelScale(**{name: float(end) for name, end in found.items()})
    return Optimum(plan, latents, scale)


def _taken_further(optimum: Optimum, context: RunContext) -> Optimum:
    """The same with images of the network as it is: those of the smoothed network, optimised a little further."""
    plan, latents = optimum.plan, optimum.latents
    if not plan.smooths:
        images = plan.param.image(tf.constant(latents)).numpy()
        exact = Optimized(images, latents, np.zeros((0, len(latents)), np.float32), {})
        return optimum._replace(exact=exact, exact_scale=optimum.scale)
    steps = AscentOptions(int(np.ceil(EXACT_SHARE * plan.options.optimize_steps)), skip_nonfinite=True)
    stage, seed = context.stage("optimise exact"), seeds.fold(context.seed, "optimise exact")
    exact = ascend(plan.exact_activation, tf.constant(latents), steps, seed, context.callbacks, stage=stage)
    return optimum._replace(exact=exact, exact_scale=_exact_scale(plan, exact.latents))


def _scales(optima: Sequence[Optimum], context: RunContext) -> Scales:
    """The scale on the network as it is, beside that on what is sampled, and the level asked for.

    Level 1 is the best of the images of all batches.
    """
    plan = optima[0].plan
    best = [best_activation(plan.activation, each.latents, context.seed) for each in optima[1:]]
    sampled = optima[0].scale
    sampled = sampled._replace(optimum=max([sampled.optimum, *best]))
    itself = sampled
    if plan.smooths:
        itself = _best_of([each.exact_scale for each in optima])
    level = plan.options.level
    if level == EXAMPLES:
        measured = Gauge(plan.activation, sampled) if itself is None else Gauge(plan.exact_activation, itself)
        level = measure_level(measured, plan.example, context.seed)
    return Scales(sampled, itself, float(level))


def _best_of(scales: Sequence[LevelScale | None]) -> LevelScale | None:
    """The scale with the best optimum; None if no image excites the unit."""
    known = [scale for scale in scales if scale is not None]
    return max(known, key=lambda scale: scale.optimum) if known else None


def _exact_scale(plan: RenderPlan, latents: np.ndarray) -> LevelScale | None:
    """The scale of a batch on the network as it is; None for a unit that no image of the batch excites there."""
    try:
        # On the same transforms for all batches, whose seeds differ.
        return measure_scale(plan.exact_activation, latents, plan.seed, NUM_EXACT_TRANSFORMS)
    except ValueError:
        return None


def _starts(plan: RenderPlan, chains: slice, optimized: np.ndarray, context: RunContext) -> tf.Tensor:
    """First latents of the chains, [chain, *latent_shape]."""
    if plan.init == "prior":
        return plan.param.prior(seeds.fold(context.seed, "start"), chains.stop - chains.start)
    return tf.convert_to_tensor(optimized if plan.starts is None else plan.starts[chains])


def _network_levels(plan: RenderPlan, scales: Scales, result: SampleResult) -> np.ndarray:
    """Levels of the draws on the network as it is, [chain, draw]; nan if there is no scale."""
    values, scale = result.fresh_activation, scales.exact
    if scale is None:
        return np.full(values.shape, np.nan, np.float32)
    if plan.smooths:
        fresh = fresh_transforms(plan.exact_activation, result.tuning.seed, NUM_EXACT_TRANSFORMS)
        values = of_draws(mean_activation(plan.exact_activation, fresh), result.latents)
    return scale.levels(values)


def _joined(batches: Sequence[Batch], store: DrawStore) -> Batch:
    """Several batches as one, chain after chain. Gradients, and what a transition's chains share, are a mean and the largest."""
    results = [batch.result for batch in batches]
    chains = [len(result.reached) for result in results]
    joined = results[0]._asdict()
    joined["latents"] = store.join("latents", [result.latents for result in results])
    for name in ("activation", "fresh_activation", "strength", "reached", "chain_means", "sd_images"):
        joined[name] = np.concatenate([getattr(result, name) for result in results])
    joined["anneal_images"] = np.concatenate(_equally_long([result.anneal_images for result in results]))
    joined["stats"] = {
        name: (np.max if name in SHARED else np.concatenate)([result.stats[name] for result in results], axis=0)
        for name in results[0].stats
    }
    for group in ("scalars", "kernel_checks"):
        parts = [getattr(result, group) for result in results]
        joined[group] = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    forces = [result.forces for result in results]
    joined["forces"] = np.concatenate(forces) if all(force is not None for force in forces) else None
    joined["gradients"] = round(np.average([result.gradients for result in results], weights=chains))
    joined["seconds"] = results[-1].seconds
    return Batch(
        np.concatenate([batch.optimized for batch in batches]),
        SampleResult(**joined),
        store.join("images", [batch.images for batch in batches]),
        np.concatenate([batch.network_levels for batch in batches]),
    )


def _equally_long(arrays: list[np.ndarray]) -> list[np.ndarray]:
    """Frames of annealing that took longer in some batches: the last frame of the shorter ones stands still."""
    longest = max(array.shape[1] for array in arrays)
    return [np.concatenate([a, np.repeat(a[:, -1:], longest - a.shape[1], axis=1)], axis=1) for a in arrays]
