"""render(): the one call, from a model and an objective to samples."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import keras
import numpy as np

from samplevis.activation import sized_param
from samplevis.activation.features import deep_features
from samplevis.analysis.preprocessing_notice import notify_inferred, preprocessing_words
from samplevis.analysis.units_notice import notify_unsaturated
from samplevis.network import Network, as_network, fingerprint
from samplevis.objectives import Objective
from samplevis.param import Parameterization
from samplevis.results.samples import Samples
from samplevis.runs.batches import Rendered, run_batches
from samplevis.runs.example_level import ExamplesLike
from samplevis.runs.network_answers import network_answers
from samplevis.runs.options import RenderOptions, RunOptions
from samplevis.runs.render_plan import RenderPlan, Transforms, plan_render, preset_of
from samplevis.runs.sample_paths import path_of_samples
from samplevis.runtime import seeds
from samplevis.runtime.callbacks import STAGES, Callback, ProgressBar, as_callbacks
from samplevis.runtime.checkpoint import Checkpoint
from samplevis.runtime.checks import brief, check_known, keywords
from samplevis.runtime.context import RunContext
from samplevis.runtime.deprecation import renamed_keywords
from samplevis.runtime.memory import explain_oom
from samplevis.runtime.progress import noticing
from samplevis.sampling.balance import shared_forces
from samplevis.sampling.density import Density, check_density
from samplevis.sampling.options import HMCOptions, hmc_names, hmc_options
from samplevis.sampling.sampler import SampleResult, check_room

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
    level: float | Literal["examples"] = RenderOptions.level,
    examples: ExamplesLike = None,
    examples_quantile: float = RenderOptions.examples_quantile,
    beta: float | None = None,
    init: Literal["optimize", "prior"] | np.ndarray = "optimize",
    smooth: float | Literal["auto"] | None = RenderOptions.smooth,
    optimize_steps: int | None = RenderOptions.optimize_steps,
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
      transforms: distortions over which the activation is averaged; None for none. Defaults to "robust", `affine(8, 0.1, 8)`
        (without rotation for signals, with smaller shifts for volumes); for the density "activation" to none.
      density: target density: "conditioned" (the prior, given that the activation reaches the level), "tilted" (the prior times
        exp(beta * activation)) or "activation" (the density of 2018, a negative control); or a `Density`, such as
        `target_density` of other samples, which is sampled as it is. Defaults to "conditioned".
      level: activation asked for on `model` itself, from 0 (mean under the prior) to 1 (best optimised image); or "examples": the
        activation that real pictures reach, see `examples`. Defaults to 0.7, which can be far beyond every photograph.
      examples: pictures for the level "examples": a folder, an array [n, H, W, C] in [0, 1], or what `samplevis.collect` returned
        for the unit. With any level, the summary says where the samples stand among them, and, of 64 or more, whether the network
        processes samples as it does those that excite the unit. Defaults to none.
      examples_quantile: the quantile of their activations that is the level, in (0, 1]. Defaults to 1, the best picture's.
      beta: strength in nats per unit of activation, >= 0. Defaults to what the level needs.
      init: where the chains start: "optimize" (at optimised images), "prior" (at prior noise), or images [chain, *image_shape] in
        [0, 1], such as those of an `optimize` with a diversity term. Defaults to "optimize".
      smooth: softness of the kinks of ReLU and max pooling, > 0: the density is that of `overrides.smooth(model, smooth)`, on
        which trajectories are several times as long and images clearer. Its target is moved until the level on `model` itself
        is the one asked for. "auto" begins with 0.3 and halves it, four times at most, until the copy's best picture is one of
        `model` too; `options["smooth"]` of the samples says where it came to. None samples `model` as it is. Defaults to "auto";
        the density "activation" and the kernel "rejection" never smooth.
      optimize_steps: updates of the optimiser, >= 1. Defaults to 128, for images of fewer than 48 x 48 pixels to 512.
      anneal_steps: Langevin steps, >= 1. Defaults to 450.
      seed: int from 0 to 2**31 - 1. The same seed gives the same bytes on the same machine. Defaults to 0.
      progress: whether to show progress bars. Defaults to True.
      callbacks: `samplevis.Callback`s, notified of stages, steps and draws. Defaults to none.
      run_opts: where the run is computed and saved, names and values of `samplevis.runs.options.RunOptions`: `checkpoint`,
        `checkpoint_interval`, `storage`, `devices` and `memory`. Defaults to its defaults.
      **flat: options of the sampler and of the run as keywords, such as `num_chains=2` or `checkpoint="run"`; they override
        `hmc_opts` and `run_opts`.

    Returns:
      `Samples`. After Ctrl-C, those of the draws so far; the verdict says that the run was interrupted.

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
    hmc, run = hmc_options(hmc_opts, flat), run_options(run_opts, flat)
    options = RenderOptions(level, examples_quantile, density, beta, init, smooth, optimize_steps, anneal_steps, seed)
    with noticing("render"):
        network = as_network(model)
        if param is None:
            preset = preset_of(density)
            robust = isinstance(transforms, str) and transforms == "robust"
            by_name = preset.transforms if robust else transforms
            param = sized_param(network, im_size, by_name, preset.make_param)
        plan = plan_render(network, obj, hmc, options, run, param, transforms).with_examples(examples)
        notify_inferred(network, progress)
        notify_unsaturated(network, plan.exact_activation.objective.unsaturated, progress)
        return carry_out(plan, as_callbacks([ProgressBar(STAGES)] if progress is True else progress, callbacks))


def carry_out(plan: RenderPlan, callbacks: Sequence[Callback] = ()) -> Samples:
    """Does what is planned: the batches of chains, and their samples.

    Args:
      plan: of the run.
      callbacks: notified of stages, steps and draws. Defaults to none.

    Returns:
      `Samples`.

    Raises:
      ValueError, OSError, MemoryError: as in `render`.
    """
    activation, run, draw_store = plan.activation, plan.run, plan.draw_store()
    # Before there is a checkpoint of a run that can never fit.
    check_room(activation, plan.hmc.num_chains, plan.hmc, draw_store)
    saved = run.checkpoint is not None
    checkpoint = Checkpoint(run.checkpoint, run.checkpoint_interval, plan.run_id() if saved else None, renamed=RENAMED)
    with explain_oom(plan.memory_sizes()), checkpoint:
        rendered = run_batches(plan, RunContext(plan.seed, tuple(callbacks), checkpoint, draw_store))
    samples = _collected(rendered)
    if not saved:
        return samples
    # Found again from wherever the process is by then.
    absolute = dataclasses.replace(plan, run=dataclasses.replace(run, checkpoint=os.path.abspath(run.checkpoint)))
    return dataclasses.replace(samples, rerun=lambda n: carry_out(absolute.with_num_results(n), callbacks))


def run_options(run_opts: Mapping[str, Any] | RunOptions | None, flat: Mapping[str, Any]) -> RunOptions:
    """The options of a run, from a dictionary and keywords, which override it.

    Args:
      run_opts: names and values of `RunOptions`; None for the defaults.
      flat: the same names as keywords of a call, and options of the sampler, which `hmc_options` takes.

    Returns:
      The options.

    Raises:
      TypeError: for a name that is none of these, with the nearest spelling; or if `run_opts` is no dictionary.
      ValueError: if a value is out of range.
    """
    if not isinstance(run_opts, (Mapping, RunOptions, type(None))):
        raise TypeError(f"run_opts: expected a dict. Received: {brief(run_opts)}")
    of_run = {name: value for name, value in flat.items() if name not in hmc_names()}
    merged = (vars(run_opts) if isinstance(run_opts, RunOptions) else dict(run_opts or {})) | of_run
    check_known(merged, render_keywords())
    return RunOptions(**merged)


def render_keywords() -> tuple[str, ...]:
    """All keywords of `render`, options of the run and of the sampler among them."""
    return (*keywords(render), *(field.name for field in dataclasses.fields(RunOptions)), *hmc_names())


def _collected(rendered: Rendered) -> Samples:
    """The samples of a run."""
    plan, batch, scales, retained = rendered
    options, result, scale = plan.options, batch.result, scales.sampled
    features = _features(plan.exact_activation.network, batch.images)
    others = ("density", "tuning", "forces")
    of_result = {name: getattr(result, name) for name in SampleResult._fields if name not in others}
    if result.forces is not None:
        of_result["kernel_checks"] = result.kernel_checks | shared_forces(result.forces, plan.param.bands())
    return Samples(
        **of_result,
        images=batch.images,
        network_levels=batch.network_levels,
        features=features,
        optimized=batch.optimized,
        prior_activation=scale.prior,
        optimum_activation=scale.optimum,
        level=scales.level if plan.asks_for_level else None,
        beta=float(getattr(result.density, "beta", 1.0)),
        seed=int(options.seed),
        objective=str(plan.activation.objective),
        model=plan.activation.network.name,
        density=check_density(result.density),
        density_params={name: float(value) for name, value in vars(result.density).items()},
        init=plan.init,
        kernel=plan.hmc.kernel,
        options=plan.config()
        | _findings(plan, batch.images)
        | _interruption(plan, batch.images)
        | network_answers(plan, batch.images, batch.optimized)
        | ({"retained": list(retained)} if retained else {}),
    )


def _interruption(plan: RenderPlan, images: np.ndarray) -> dict[str, Any]:
    """Where Ctrl-C stopped the run, in words; nothing if the run is whole."""
    (chains, draws), asked = images.shape[:2], (plan.hmc.num_chains, plan.hmc.num_results)
    if (chains, draws) == asked:
        return {}
    return {"interrupted": f"Interrupted after {draws} of {asked[1]} draws of {chains} of {asked[0]} chains."}


def _features(network: Network, images: np.ndarray) -> np.ndarray | None:
    """Deep features of draws [chain, draw, *image]; none of images with opacity, which the network takes on a background only."""
    chains, draws, *image = images.shape
    if image[-1] != network.image_shape[-1]:
        return None
    return deep_features(network, images.reshape(-1, *image)).reshape(chains, draws, -1)


def _findings(plan: RenderPlan, images: np.ndarray) -> dict[str, Any]:
    """How images were passed to the model, what is known of the prior, and where the draws stand among the user's pictures."""
    verdict = getattr(plan.param, "verdict", "")
    of_prior = {"prior": verdict} if verdict else {}
    found = {"preprocessing": preprocessing_words(plan.exact_activation.network)} | of_prior | _standing(plan, images)
    if not plan.smooths:
        return found
    # Asked after the draws: the user's program may have trained the network on while the copy was sampled.
    copy, itself = (fingerprint.weights(each.network) for each in (plan.activation, plan.exact_activation))
    return found | {"same_weights": copy == itself}


def _standing(plan: RenderPlan, images: np.ndarray) -> dict[str, Any]:
    """Where the draws stand among the user's pictures, on the network as it is and without transforms."""
    if plan.example is None:
        return {}
    examples, exact = plan.example.examples, plan.exact_activation
    percentiles = [examples.percentile(examples.score(np.asarray(chain))) for chain in images]
    rng = np.random.default_rng(seeds.fold(plan.seed, "path").numpy().astype(np.uint32))
    paths = path_of_samples(exact.network, exact.objective, images, examples, rng)
    return {"num_examples": len(examples), "examples_percentile": float(np.median(percentiles))} | paths
