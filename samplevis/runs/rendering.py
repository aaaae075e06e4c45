"""render(): the one call, from a model and an objective to samples."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from samplevis.activation import Activation, default_param
from samplevis.activation.memory import sampler_sizes
from samplevis.network import Network, as_network
from samplevis.objectives import Objective
from samplevis.optimizers.ascent import AscentOptions, ascend
from samplevis.param import Parameterization
from samplevis.results.optimized import Optimized
from samplevis.results.samples import Samples
from samplevis.runs.options import RenderOptions, RunOptions
from samplevis.runs.render_plan import RenderPlan, Transforms, plan_render, preset_of
from samplevis.runs.tolerance import tolerated
from samplevis.runtime import seeds
from samplevis.runtime.callbacks import Callback, as_callbacks
from samplevis.runtime.checkpoint import Checkpoint
from samplevis.runtime.checks import brief, check_known, keywords
from samplevis.runtime.context import RunContext
from samplevis.runtime.deprecation import renamed_keywords
from samplevis.runtime.memory import explain_oom
from samplevis.sampling.density import Density, check_density
from samplevis.sampling.level_scale import LevelScale, fresh_transforms, mean_activation, measure_scale, of_draws
from samplevis.sampling.options import HMCOptions, hmc_options
from samplevis.sampling.sampler import SampleResult, check_room, sample

# Arguments of version 0.1.0, also in its checkpoints, and their names of today.
RENAMED = {"keep": "storage"}


@renamed_keywords(**RENAMED)
def render(
    model: Network | keras.Model,
    obj: Objective | str | Callable,
    hmc_opts: Mapping[str, Any] | HMCOptions | None = None,
    *,
    im_size: int | tuple[int, ...] | None = None,
    param: Parameterization | None = None,
    transforms: Transforms = "robust",
    density: Literal["conditioned", "tilted", "activation"] | Density = "conditioned",
    level: float = RenderOptions.level,
    beta: float | None = None,
    init: Literal["optimize", "prior"] | np.ndarray = "optimize",
    smooth: float | None = RenderOptions.smooth,
    optimize_steps: int = RenderOptions.optimize_steps,
    anneal_steps: int = RenderOptions.anneal_steps,
    seed: int = 0,
    progress: bool = True,
    callbacks: Sequence[Callback] = (),
    run_opts: Mapping[str, Any] | RunOptions | None = None,
    **flat: Any,
) -> Samples:
    """Samples images in which a unit of a network is highly active.

    Optimises one image for each chain, anneals the chains to the level, warms up an HMC kernel, freezes it, and draws.
    Each step is public: docs/howto/render_by_hand.md takes them one by one.

    Args:
      model: a `Network` (from `modelzoo`, or your own with its preprocessing) or a Keras model that takes images in [0, 1].
      obj: an objective, a string "layer:channel", or a function of the layer accessor `T`; not one that couples the images of
        a batch, such as `diversity`. Weights that change with the step are sampled at their final values.
      hmc_opts: options of the sampler, names and values of `samplevis.sampling.HMCOptions`. Defaults to its defaults.
      im_size: pixels, one int for all sides or one for each. Defaults to the network's own size; for a network that takes any, to
        128, to 1024 for signals and 32 for volumes. Ignored if `param` is given.
      param: the map from latents to images. Defaults to `param.fourier(im_size)` of the network's channels; for the density
        "activation" to `param.uniform(im_size)`.
      transforms: distortions over which the activation is averaged; None for none. Defaults to "robust": `affine(8, 0.1, 8)`,
        with shifts in proportion to sides below 96 pixels, without rotation for signals, with smaller shifts for volumes. Where a
        unit keeps less than 30 % of its activation under it, the set is halved until it keeps more; `options["retained"]` says
        how often. For the density "activation" none.
      density: target density: "conditioned" (the prior, given that the activation reaches the level), "tilted" (the prior times
        exp(beta * activation)) or "activation" (the density of 2018, a negative control); or a `Density`, such as
        `target_density` of other samples, which is sampled as it is. Defaults to "conditioned".
      level: activation asked for, from 0 (mean under the prior) to 1 (best optimised image). Defaults to 0.7.
      beta: strength in nats per unit of activation, >= 0. Defaults to what the level needs.
      init: where the chains start: "optimize" (at optimised images), "prior" (at prior noise), or images [chain, *image_shape] in
        [0, 1], such as those of an `optimize` with a diversity term. Defaults to "optimize".
      smooth: softness of the kinks of ReLU and max pooling, > 0: the density is that of `overrides.smooth(model, smooth)`, on
        which trajectories are several times as long and images clearer; `network_levels` and the summary report the level
        on `model` itself. None samples `model` as it is. Defaults to 0.3; the density "activation" is never smoothed.
      optimize_steps: updates of the optimiser, >= 1. Defaults to 256.
      anneal_steps: Langevin steps, >= 1. Defaults to 600.
      seed: int from 0 to 2**31 - 1. The same seed gives the same bytes on the same machine. Defaults to 0.
      progress: whether to show progress bars. Defaults to True.
      callbacks: `samplevis.Callback`s, notified of stages, steps and draws. Defaults to none.
      run_opts: where the run is computed and saved, names and values of `samplevis.runs.options.RunOptions`: `checkpoint`,
        `checkpoint_interval`, `storage`, `devices` and `memory`. Defaults to its defaults.
      **flat: the same names as keywords; they override `run_opts`.

    Returns:
      `Samples`. After Ctrl-C, those of the draws so far.

    Raises:
      ValueError, TypeError: if an argument is out of range, or asks for more than this machine could ever hold, before any work;
        or if `checkpoint` is damaged or another run's.
      OSError: if `checkpoint` cannot be written, is in use by another process, or has no room for the draws.
      MemoryError: if memory is full; it says which of chains, bank and size to lower, and to what.
      KeyboardInterrupt: after Ctrl-C before the first draw.

    Example:
      >>> samples = samplevis.render(modelzoo.Shapes(), "logits:4", dict(num_results=10), im_size=64)
      >>> samples.save_gif("star.gif")
    """
    hmc, run = hmc_options(hmc_opts), run_options(run_opts, flat)
    options = RenderOptions(level, density, beta, init, smooth, optimize_steps, anneal_steps, seed)
    network = as_network(model)
    if param is None:
        param = default_param(network, im_size, preset_of(density).make_param)
    plan = plan_render(network, obj, hmc, options, run, param, transforms)
    return carry_out(plan, as_callbacks(progress, callbacks))


def carry_out(plan: RenderPlan, callbacks: Sequence[Callback] = ()) -> Samples:
    """Does what is planned: optimise, scale, sample, collect.

    Args:
      plan: of the run.
      callbacks: notified of stages, steps and draws. Defaults to none.

    Returns:
      `Samples`.

    Raises:
      ValueError, OSError, MemoryError: as in `render`.
    """
    run, draw_store = plan.run, plan.draw_store()
    # Before there is a checkpoint of a run that can never fit.
    check_room(plan.activation, plan.hmc.num_chains, plan.hmc, draw_store)
    saved = run.checkpoint is not None
    checkpoint = Checkpoint(run.checkpoint, run.checkpoint_interval, plan.run_id() if saved else None, renamed=RENAMED)
    with explain_oom(sampler_sizes(plan.activation, plan.hmc.num_chains, plan.hmc.num_transforms)), checkpoint:
        context = RunContext(plan.seed, tuple(callbacks), checkpoint, draw_store)
        (used, optimized, latents, scale), shares = _tolerated(plan, context)
        result = sample(
            used.activation,
            _starts(used, latents),
            scale,
            plan.hmc,
            density=plan.options.density,
            level=plan.options.level,
            beta=plan.options.beta,
            from_prior=plan.init == "prior",
            anneal_steps=int(plan.options.anneal_steps),
            context=context,
        )
        images = _images(used, result, context)
    samples = _collected(used, optimized, latents, scale, result, images, shares)
    if not saved:
        return samples
    # Found again from wherever the process is by then.
    absolute = dataclasses.replace(plan, run=dataclasses.replace(run, checkpoint=os.path.abspath(run.checkpoint)))
    return dataclasses.replace(samples, rerun=lambda n: carry_out(absolute.with_num_results(n), callbacks))


def run_options(run_opts: Mapping[str, Any] | RunOptions | None, flat: Mapping[str, Any]) -> RunOptions:
    """The options of a run, from a dictionary and keywords, which override it.

    Args:
      run_opts: names and values of `RunOptions`; None for the defaults.
      flat: the same names as keywords of a call.

    Returns:
      The options.

    Raises:
      TypeError: for a name that is none of these, with the nearest spelling; or if `run_opts` is no dictionary.
      ValueError: if a value is out of range.
    """
    if not isinstance(run_opts, (Mapping, RunOptions, type(None))):
        raise TypeError(f"run_opts: expected a dict. Received: {brief(run_opts)}")
    merged = (vars(run_opts) if isinstance(run_opts, RunOptions) else dict(run_opts or {})) | dict(flat)
    check_known(merged, render_keywords())
    return RunOptions(**merged)


def render_keywords() -> tuple[str, ...]:
    """All keywords of `render`, those of `RunOptions` among them."""
    return (*keywords(render), *(field.name for field in dataclasses.fields(RunOptions)))


class _Optimum(NamedTuple):
    """Optimised images, and the plan under whose transforms they were."""

    plan: RenderPlan
    optimized: Optimized
    latents: np.ndarray
    scale: LevelScale

    @property
    def activation(self) -> Activation:
        return self.plan.activation


def _tolerated(plan: RenderPlan, context: RunContext) -> tuple[_Optimum, Sequence[float]]:
    """The optimised images, under weaker transforms where the unit does not tolerate the default ones, and what it retains."""

    def attempt(amplitude: float) -> _Optimum:
        part = context if amplitude == 1 else dataclasses.replace(context, scope=f"amplitude {amplitude:g}/")
        used = plan if amplitude == 1 else plan.weakened(amplitude)
        optimized, latents = _optimized(used, part)
        ends = {name: float(end) for name, end in _ends(used, latents, part).items()}
        return _Optimum(used, optimized, latents, LevelScale(**ends))

    return tolerated(attempt, context) if plan.by_default else (attempt(1), ())


def _optimized(plan: RenderPlan, context: RunContext) -> tuple[Optimized, np.ndarray]:
    """An optimised image for each chain, and its latents in the parameterization that is sampled."""
    context.checkpoint.start_timer("optimise")
    if context.checkpoint.folder is not None:
        # Notices what no name tells: a function that was rewritten, a decoder of other weights.
        noise = plan.param.prior(seeds.fold(context.seed, "prior mean", 0), plan.hmc.num_chains)
        values = mean_activation(plan.activation, fresh_transforms(plan.activation, context.seed))(noise)
        context.checkpoint.check(f"{context.scope}activation of noise", values.numpy())
    start = plan.renderer.param.start(seeds.fold(context.seed, "optimize"), plan.hmc.num_chains)
    steps = AscentOptions(int(plan.options.optimize_steps), skip_nonfinite=True)
    optimized = ascend(plan.renderer, start, steps, context.seed, context.callbacks, stage=context.stage("optimise"))
    if plan.is_2018:
        return optimized, plan.param.latent(tf.constant(optimized.images)).numpy()
    return optimized, optimized.latents


def _ends(plan: RenderPlan, latents: np.ndarray, context: RunContext) -> Mapping[str, Any]:
    """The ends of the scale, by the names of `LevelScale`."""
    return context.checkpoint.get_or_compute(
        f"{context.scope}scale", lambda: measure_scale(plan.activation, latents, context.seed)._asdict()
    )


def _starts(plan: RenderPlan, optimized: np.ndarray) -> tf.Tensor:
    """First latents of the chains, [chain, *latent_shape]."""
    if plan.init == "prior":
        return plan.param.prior(seeds.fold(plan.seed, "start"), plan.hmc.num_chains)
    return tf.convert_to_tensor(optimized if plan.starts is None else plan.starts)


def _images(plan: RenderPlan, result: SampleResult, context: RunContext) -> np.ndarray:
    """The draws as images, [chain, draw, *image_shape]."""
    latents = result.latents.swapaxes(0, 1)
    return context.draw_store.gather(
        "images", len(latents), (plan.param.image(tf.constant(z)).numpy() for z in latents)
    )


def _collected(
    plan: RenderPlan,
    optimized: Optimized,
    latents: np.ndarray,
    scale: LevelScale,
    result: SampleResult,
    images: np.ndarray,
    retained: Sequence[float],
) -> Samples:
    """The samples of a run."""
    options, activation = plan.options, plan.activation
    levels = (result.fresh_activation - scale.prior) / (scale.optimum - scale.prior)
    if activation.network is not plan.exact_activation.network:
        levels = network_levels(plan.exact_activation, result.latents, latents, plan.seed)
    of_result = {name: getattr(result, name) for name in SampleResult._fields if name != "density"}
    return Samples(
        **of_result,
        images=images,
        network_levels=levels,
        optimized=optimized.images,
        prior_activation=scale.prior,
        optimum_activation=scale.optimum,
        level=None if plan.is_2018 or options.beta is not None else float(options.level),
        beta=float(getattr(result.density, "beta", 1.0)),
        seed=int(options.seed),
        objective=str(activation.objective),
        model=activation.network.name,
        density=check_density(result.density),
        density_params={name: float(value) for name, value in vars(result.density).items()},
        init=plan.init,
        kernel=plan.hmc.kernel,
        options=plan.config() | ({"retained": list(retained)} if retained else {}),
    )


def network_levels(
    exact_activation: Activation, draws: np.ndarray, optimized: np.ndarray, seed: tf.Tensor
) -> np.ndarray:
    """Levels of draws on the network itself; 1 is the best of the optimised latents, nan if that is none.

    Args:
      exact_activation: the activation on the network itself.
      draws: latents [chain, draw, *latent_shape].
      optimized: latents [N, *latent_shape].
      seed: int32 tensor of shape [2].

    Returns:
      float32 [chain, draw].
    """
    fresh = mean_activation(exact_activation, fresh_transforms(exact_activation, seed))
    try:
        scale = measure_scale(exact_activation, optimized, seed)
    except ValueError:
        return np.full(draws.shape[:2], np.nan, np.float32)
    return (of_draws(fresh, draws) - scale.prior) / (scale.optimum - scale.prior)
