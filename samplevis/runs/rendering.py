"""render(): the one call, from a model and an objective to samples."""

from __future__ import annotations

import dataclasses
import functools
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from samplevis import param as parameterizations
from samplevis.activation import Activation, default_param, make_activation
from samplevis.activation.batch_size import transforms_per_chunk
from samplevis.activation.devices import check_devices
from samplevis.activation.memory import sampler_sizes
from samplevis.network import Network, as_network, fingerprint
from samplevis.objectives import Objective
from samplevis.optimizers.ascent import AscentOptions, ascend, first_latents
from samplevis.overrides.smooth import DEFAULT_SOFTNESS, smoothed
from samplevis.param import Parameterization
from samplevis.results.samples import Samples
from samplevis.runtime import seeds
from samplevis.runtime.callbacks import Callback, as_callbacks
from samplevis.runtime.checkpoint import Checkpoint
from samplevis.runtime.checks import brief, check_between, check_choice, check_number, check_whole
from samplevis.runtime.draw_store import STORAGES, InMemory, OnDisk
from samplevis.runtime.memory import explain_oom
from samplevis.sampling.density import Density, check_density
from samplevis.sampling.kernels.free_moves import named_moves
from samplevis.sampling.level_scale import LevelScale, fresh_transforms, mean_activation, measure_scale, of_draws
from samplevis.sampling.options import HMCOptions, hmc_options
from samplevis.sampling.sampler import check_room, sample
from samplevis.transform import Transform

INITS = ("optimize", "prior")
DEFAULT_MEMORY = 2.0**32


def render(
    model: Network | keras.Model,
    obj: Objective | str | Callable,
    hmc_opts: Mapping[str, Any] | HMCOptions | None = None,
    *,
    im_size: int | tuple[int, ...] | None = None,
    param: Parameterization | None = None,
    transforms: Transform | Sequence[Transform] | None | str = "robust",
    density: str | Density = "conditioned",
    level: float = 0.7,
    beta: float | None = None,
    init: str | np.ndarray = "optimize",
    smooth: float | None = DEFAULT_SOFTNESS,
    optimize_steps: int = 256,
    anneal_steps: int = 600,
    seed: int = 0,
    progress: bool = True,
    callbacks: Sequence[Callback] = (),
    checkpoint: str | os.PathLike | None = None,
    checkpoint_interval: float = 60.0,
    keep: str = "memory",
    devices: Sequence[str] | None = None,
    memory: float = DEFAULT_MEMORY,
) -> Samples:
    """Samples images in which a unit of a network is highly active.

    Optimises one image for each chain, anneals the chains to the level, warms an HMC kernel up, freezes it, and draws.
    Each step is public: `optimize`, `samplevis.sampling.sample`, the kernels.

    Args:
      model: a `Network` (from `modelzoo`, or your own with its preprocessing) or a Keras model that takes images in [0, 1].
      obj: an objective, a string "layer:channel", or a function of the layer accessor `T`. Not one that couples the images of
        a batch, such as `diversity`. Weights that change with the step are at their end in what is sampled.
      hmc_opts: options of the sampler, see `HMCOptions`: `num_results`, `step_size`, `num_leapfrog_steps`,
        `num_burnin_steps`, `num_steps_between_results`, `num_chains`, `kernel`, `target_accept_prob`, `num_transforms`,
        `adapt_mass`, `moves`.
      im_size: pixels, one int for all sides or one for each. Defaults to the network's own size; for one that takes any to 128, to
        1024 for signals and 32 for volumes. Ignored if `param` is given.
      param: the map from latents to images. Defaults to `param.fourier(im_size)` of the network's channels; for the density
        "activation" to `param.uniform(im_size)`.
      transforms: distortions that the activation is averaged over. Defaults to "robust", `affine(8, 0.1, 8)` (without rotation
        for signals, with smaller shifts for volumes); None for none,
        which is also the default for the density "activation".
      density: "conditioned" (the prior, given that the activation reaches the level), "tilted" (exp(beta * activation)) or
        "activation" (the density of 2018, a negative control); or the `target_density` of other samples, which is taken as it is.
      level: activation asked for, from 0 (mean under the prior) to 1 (best optimised image). Defaults to 0.7.
      beta: strength in nats per unit of activation. Defaults to what the level needs.
      init: "optimize" (chains start at optimised images), "prior" (at prior noise), or images [chain, *image_shape] in [0, 1], such
        as those of an `optimize` that is asked for diversity.
      smooth: softness of the kinks of ReLU and max pooling, > 0: the density is that of `overrides.smooth(model, smooth)`, on
        which trajectories are several times as long and pictures clearer; `network_levels` and the summary tell the level
        on `model` itself. Defaults to 0.3; None samples `model` as it is. The density "activation" is never smoothed.
      optimize_steps: updates of the optimiser, >= 1. Defaults to 256.
      anneal_steps: Langevin steps, >= 1. Defaults to 600.
      seed: int from 0 to 2**31 - 1. The same seed gives the same bytes on the same machine.
      progress: whether to show progress bars.
      callbacks: what else hears of stages, steps and draws: your own `samplevis.Callback`, `JSONLines`, `TensorBoard`. Defaults to
        none.
      checkpoint: folder in which the run keeps what it has done. The same call goes on from there, and returns the bytes of a run
        that was never ended; a call for more `num_results` adds to the draws, and so does `Samples.extend`. Ctrl-C and SIGTERM
        end the run after the step: with the draws so far, or a KeyboardInterrupt if there are none yet. Defaults to none.
      checkpoint_interval: seconds between two saves, >= 0; there is one at the end of each stage, too. Defaults to 60.
      keep: where the draws go: "memory" or "disk", to files in the folder of `checkpoint`, which it needs. With "disk" a run of
        any number of draws takes the memory of one, and `images` and `latents` of the samples are maps of files that
        can only be read. Defaults to "memory".
      devices: names of devices that share the chains, such as ["GPU:0", "GPU:1"]. Each chain is then computed by itself, so
        that the draws are the same bytes on one device and on many of its kind. Defaults to one batch of all chains, where
        TensorFlow computes it.
      memory: bytes that a gradient of all chains on the bank may take, > 0, beside the model's weights; what an image takes is
        estimated from above. A bank that takes more is computed some transforms at a time. Defaults to 4 GiB.

    Returns:
      `Samples`.

    Raises:
      ValueError, TypeError: if an argument is out of range, or asks for more than this machine could ever hold, before any work;
        or if `checkpoint` is damaged or another run's.
      OSError: if `checkpoint` cannot be written, is in use by another process, or has no room for the draws.
      MemoryError: if memory is full; it says which of chains, bank and size to lower, and to what.

    Example:
      >>> samples = samplevis.render(modelzoo.Shapes(), "logits:4", dict(num_results=10), im_size=64)
      >>> samples.save_gif("star.gif")
    """
    # All arguments as they came, for `Samples.extend`: before there are other names here.
    given = dict(locals())
    options = hmc_options(hmc_opts)
    density_name = check_density(density)
    if init is None or (isinstance(init, str) and init not in INITS):
        raise ValueError(f"init: expected 'optimize', 'prior' or images. Received: {init!r}")
    check_between("level", level, 0.0, 1.0)
    if beta is not None:
        check_between("beta", beta, 0.0, 1e30)
    check_whole("optimize_steps", optimize_steps, 1)
    check_whole("anneal_steps", anneal_steps, 1)
    root = seeds.root(seed)
    old = density_name == "activation"
    network = as_network(model)
    if param is None:
        param = default_param(network, im_size, parameterizations.uniform if old else parameterizations.fourier)
    if old and isinstance(transforms, str) and transforms == "robust":
        transforms = None
    if smooth is not None:
        check_number("smooth", smooth, 0, above=True)
    devices = check_devices(devices)
    own = activation = make_activation(network, obj, param, transforms)
    named_moves(param, options.moves)
    activation.check_sampled()
    starts = None if isinstance(init, str) else first_latents(param, options.num_chains, init, root)
    init = init if isinstance(init, str) else "images"
    if smooth is not None and not old:
        activation = make_activation(smoothed(network, smooth), obj, param, transforms)

    if checkpoint is not None and not isinstance(checkpoint, (str, os.PathLike)):
        raise TypeError(f"checkpoint: expected a folder. Received: {brief(checkpoint)}")
    check_number("checkpoint_interval", checkpoint_interval, 0)
    check_choice("keep", keep, STORAGES)
    if keep == "disk" and checkpoint is None:
        raise ValueError("keep: 'disk' needs checkpoint, the folder that the draws go to. Received: checkpoint=None")
    check_number("memory", memory, 0, above=True)
    watching = as_callbacks(progress, callbacks)
    most = transforms_per_chunk(activation, options.num_chains, options.num_transforms, memory)
    how = functools.partial(dataclasses.replace, devices=devices, chunk_size=most)
    own, activation = how(own), how(activation)

    # In 2018, too, the first images came from a renderer with a Fourier parameterization and random transforms.
    *size, channels = param.image_shape
    renderer = activation
    if old:
        natural = parameterizations.fourier(tuple(size), channels=channels)
        renderer = how(make_activation(network, obj, natural, "robust"))

    made_by = _record(options, activation, level, smooth, optimize_steps, anneal_steps)
    about = None
    if checkpoint is not None:
        about = made_by | {
            "model": fingerprint.weights(network),
            "obj": fingerprint.text(activation.objective),
            "density": fingerprint.text(density),
            "beta": beta,
            "init": init if starts is None else fingerprint.array(starts),
            "seed": int(seed),
            "keep": keep,
            # Where a chain is computed changes nothing; that it is computed by itself changes last bits.
            "chain by chain": bool(activation.devices),
            "transforms at a time": activation.chunk_size,
        }
        # More draws are no other run.
        del about["num_results"]
    draws = OnDisk(checkpoint) if keep == "disk" else InMemory()
    # Before there is a checkpoint of such a run.
    check_room(activation, options.num_chains, options, draws)
    sizes = sampler_sizes(activation, options.num_chains, options.num_transforms)
    with explain_oom(sizes), Checkpoint(checkpoint, checkpoint_interval, about) as kept:
        kept.start_timer("optimise")
        if about:
            # Notices what no name tells: a function that was rewritten, a decoder of other weights.
            noise = param.prior(seeds.fold(root, "prior mean", 0), options.num_chains)
            values = mean_activation(activation, fresh_transforms(activation, root))(noise)
            kept.check("activation of noise", values.numpy())
        start = renderer.param.start(seeds.fold(root, "optimize"), options.num_chains)
        stage = kept.stage("optimise")
        steps = AscentOptions(int(optimize_steps), skip_nonfinite=True)
        optimized = ascend(renderer, start, steps, root, watching, stage)
        latents = param.latent(tf.constant(optimized.images)).numpy() if old else optimized.latents
        ends = kept.get_or_compute("scale", lambda: measure_scale(activation, latents, root)._asdict())
        scale = LevelScale(*(float(ends[name]) for name in LevelScale._fields))
        if init == "optimize":
            starts = latents
        elif init == "prior":
            starts = param.prior(seeds.fold(root, "start"), options.num_chains)
        run = sample(
            activation,
            tf.convert_to_tensor(starts),
            scale,
            options,
            density=density,
            level=level,
            beta=beta,
            from_prior=init == "prior",
            anneal_steps=int(anneal_steps),
            seed=root,
            progress=watching,
            checkpoint=kept,
            draws=draws,
        )
        count = run.latents.shape[1]
        images = draws.gather(
            "images", count, (param.image(tf.constant(z)).numpy() for z in run.latents.swapaxes(0, 1))
        )
    levels = (run.fresh_activation - scale.prior) / (scale.optimum - scale.prior)
    samples = Samples(
        images=images,
        latents=run.latents,
        activation=run.activation,
        fresh_activation=run.fresh_activation,
        network_levels=levels if activation.network is own.network else own_levels(own, run.latents, latents, root),
        strength=run.strength,
        optimized=optimized.images,
        prior_activation=scale.prior,
        optimum_activation=scale.optimum,
        level=None if old or beta is not None else float(level),
        beta=float(getattr(run.density, "beta", 1.0)),
        seed=int(seed),
        objective=str(activation.objective),
        model=activation.network.name,
        density=density_name,
        density_params={name: float(value) for name, value in vars(run.density).items()},
        init=init,
        kernel=options.kernel,
        options=made_by,
        stats=run.stats,
        scalars=run.scalars,
        mean_images=run.mean_images,
        sd_images=run.sd_images,
        gradients=run.gradients,
        seconds=run.seconds,
        reached=run.reached,
        anneal_images=run.anneal_images,
    )
    if checkpoint is not None:
        given |= {"model": network, "hmc_opts": options, "checkpoint": os.path.abspath(checkpoint)}
        object.__setattr__(samples, "_again", functools.partial(_again, given))
    return samples


def _again(given: dict[str, Any], num_results: int) -> Samples:
    """The call with arguments as they were given, for another number of draws."""
    options = dataclasses.replace(given["hmc_opts"], num_results=num_results)
    return render(**given | {"hmc_opts": options})


def own_levels(own: Activation, draws: np.ndarray, optimized: np.ndarray, seed: tf.Tensor) -> np.ndarray:
    """Levels of draws [chain, draw, ...] on the network itself; 1 is the best of the optimised latents, nan if that is none.

    Returns:
      float32 [chain, draw].
    """
    fresh = mean_activation(own, fresh_transforms(own, seed))
    try:
        scale = measure_scale(own, optimized, seed)
    except ValueError:
        return np.full(draws.shape[:2], np.nan, np.float32)
    return (of_draws(fresh, draws) - scale.prior) / (scale.optimum - scale.prior)


def _record(
    options: HMCOptions,
    activation: Activation,
    level: float,
    smooth: float | None,
    optimize_steps: int,
    anneal_steps: int,
) -> dict:
    """What made the samples, in plain types."""
    return vars(options) | {
        "level": float(level),
        "smooth": None if smooth is None else float(smooth),
        "param": repr(activation.param),
        "transforms": repr(activation.transform),
        "optimize_steps": int(optimize_steps),
        "anneal_steps": int(anneal_steps),
    }
