"""sweep(): an image for each of many units: all channels of a layer, all neurons of a channel, or a list of objectives."""

from __future__ import annotations

import dataclasses
import functools
import os
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from samplevis.activation import Activation, make_activation, sized_param
from samplevis.activation.batch_size import images_per_batch
from samplevis.analysis.preprocessing_notice import notify_inferred
from samplevis.analysis.units_notice import notify_random, notify_unsaturated
from samplevis.export.bands import bands_of
from samplevis.network import Network, as_network, fingerprint
from samplevis.objectives import Objective, as_objective, channel, each, neuron
from samplevis.objectives.identity import identity
from samplevis.optimizers import Method, as_method
from samplevis.optimizers.ascent import LUCID_REDIRECT_STEPS, AscentOptions, first_latents, unmoved
from samplevis.optimizers.keras_stepper import optimizer_settings
from samplevis.param import Parameterization
from samplevis.results.sweep_result import Sweep
from samplevis.results.sweep_store import UnitFile, unit_files
from samplevis.runs.optimization import NO_GRADIENT_ADVICE
from samplevis.runs.pixel_transforms import as_begun
from samplevis.runs.smooth_ascent import SMOOTH, ascend_smoothly, check_smooth, smooth_activation
from samplevis.runtime import seeds
from samplevis.runtime.callbacks import Callback, as_callbacks
from samplevis.runtime.checkpoint import Checkpoint
from samplevis.runtime.checks import check_number, check_whole
from samplevis.runtime.progress import Progress, noticing
from samplevis.transform.base import TransformLike

# On a CPU, larger batches are no faster, take longer to compile, and delay the files in the folder.
MAX_BATCH_SIZE = 16
DEFAULT_MEMORY = 2.0**30
# Silent units that a warning names.
MAX_NAMED = 40


def sweep(
    model: Network | keras.Model,
    objectives: str | Sequence[Objective | str | Callable],
    *,
    param: Parameterization | None = None,
    transforms: TransformLike = "robust",
    steps: int = 256,
    optimizer: keras.optimizers.Optimizer | None = None,
    im_size: int | tuple[int, ...] | None = None,
    smooth: float | None = SMOOTH,
    init: np.ndarray | None = None,
    redirect_steps: int = LUCID_REDIRECT_STEPS,
    batch_size: int | None = None,
    memory: float = DEFAULT_MEMORY,
    folder: str | os.PathLike | None = None,
    seed: int = 0,
    progress: bool = True,
    callbacks: Sequence[Callback] = (),
) -> Sweep:
    """Optimises one image for each of many units.

    The units are optimised in batches, with one compiled step for each kind of objective. All units have the same `seed`, and
    with it the same first image and the same transforms. Image i is that of
    `optimize(model, objectives[i], seed=seed, redirect_steps=16)`, up to rounding and for any batch size, so that the images
    differ because the units differ.

    Ctrl-C stops the sweep early and returns the images so far; those of the last batch have fewer steps. An image whose
    activation or gradient is not finite stays where it is, and the others go on.

    Args:
      model: a `Network`, or a model that it takes.
      objectives: a layer such as "fire9", for the mean of each of its channels; a channel such as "fire9:10", for each of its
        neurons at the size of `param`; or a list of at least one objective, string or function, as in `optimize`.
      param, transforms, steps, im_size, smooth: as in `optimize`.
      optimizer: any Keras optimizer, as in `optimize`. Defaults to that of `optimize`.
      redirect_steps: as in `optimize`. Defaults to 16, as in Lucid, since among many units some are silent at first.
      init: image [H, W, C] in [0, 1] from which all units start. Defaults to faint noise.
      batch_size: maximum number of images at a time, >= 1. Defaults to as many as fit in `memory`, at most 16, beyond which a CPU
        is no faster; an accelerator may be.
      memory: bytes that a batch may take in addition to the model's weights, > 0. What an image takes is estimated from above,
        as the size of all arrays of its gradient. Defaults to 2**30, a gigabyte.
      folder: where to store each unit as soon as its batch is done: NUMBER-NAME.npz (`image`, `latent`, `score`) and, for
        images, NUMBER-NAME.png. Files are written atomically. The same call resumes an interrupted sweep. Each .npz file holds
        what identifies its sweep and its unit, and a checksum: a file that is missing, damaged or of another unit or sweep is
        made again. Defaults to none.
      seed: int from 0 to 2**31 - 1. Defaults to 0.
      progress: whether to show a progress bar, with the remaining time. Defaults to True.
      callbacks: list of `samplevis.Callback`, notified of the steps, as stage "sweep". Defaults to none.

    Returns:
      A `Sweep`.

    Raises:
      ValueError, TypeError: if an argument is out of range, before any work; or if the folder holds another sweep (the message
        has the arguments that differ).
      FloatingPointError: if the activation is not finite for any image of a batch.
      OSError: if the folder cannot be written, or is in use by another process.

    Example:
      >>> import samplevis
      >>> from samplevis import modelzoo, param
      >>> result = samplevis.sweep(modelzoo.Shapes(), "logits", param=param.fourier(32), steps=8, progress=False)
      >>> result[4].shape
      (32, 32, 3)
    """
    with noticing("sweep"):
        network = as_network(model)
        param = sized_param(network, im_size, transforms) if param is None else param
        _check_numbers(steps, redirect_steps, batch_size, memory)
        _check_optimizer(optimizer)
        check_smooth(smooth)
        root, bands = seeds.root(seed), bands_of(network.image_shape[-1])
        notified = as_callbacks(progress, callbacks)
        transforms = as_begun(transforms, param, folder)
        units = _activations(network, objectives, param, transforms)
        start = first_latents(param, 1, None if init is None else np.asarray(init)[None], root)
        names = [str(unit.objective) for unit in units]
        options = AscentOptions(
            int(steps), optimizer, redirect_steps=int(redirect_steps), skip_nonfinite=True, shared_transforms=True
        )
        stored: Sequence[UnitFile | None] = [None] * len(units)
        run_id = None if folder is None else _run_id(units, options, init, seed) | {"smooth": smooth}
        results: dict[int, _Result] = {}
        notify_inferred(network, progress)
        notify_unsaturated(network, (name for unit in units for name in unit.objective.unsaturated), progress)
        notify_random(network, (name for unit in units for name in unit.layers))
        with Checkpoint(folder, run_id=run_id, argument="folder") as checkpoint:
            if folder is not None:
                stored = unit_files(folder, names, _run_with_start(run_id, checkpoint, units, start), bands)
                results = _stored(stored)
            remaining = [n for n in range(len(units)) if n not in results]
            batches = _batches(units, remaining, batch_size, memory)
            with Progress("sweep", options.steps * len(batches), "step", notified if batches else ()) as bar:
                for batch in batches:
                    try:
                        found = _optimised([units[n] for n in batch], smooth, start, options, root, bar)
                    except KeyboardInterrupt:
                        if bar.insisted or not results:
                            raise
                        break
                    # A batch may be padded at its end with copies of its last unit.
                    for n, result in zip(dict.fromkeys(batch), found, strict=False):
                        results[n] = _store(result, stored[n])
                    if bar.interrupted:
                        break
    _warn_silent(results, names)
    return dataclasses.replace(_collected(results, names), bands=bands)


class _Result(NamedTuple):
    """The result of a unit: its image, or its file. The latent is dropped once it is stored."""

    image: np.ndarray | UnitFile
    latent: np.ndarray | None
    score: float
    complete: bool = True
    unmoved: bool = False
    unresponsive: bool = False


def _check_numbers(steps: int, redirect_steps: int, batch_size: int | None, memory: float) -> None:
    check_whole("steps", steps, 1)
    check_whole("redirect_steps", redirect_steps, 0)
    if batch_size is not None:
        check_whole("batch_size", batch_size, 1)
    check_number("memory", memory, 0, above=True)


def _check_optimizer(optimizer: keras.optimizers.Optimizer | None) -> None:
    if isinstance(as_method(optimizer), Method):
        raise ValueError(
            f"optimizer: a sweep takes Keras optimizers, and samplevis.optimize all. Received: {optimizer!r}"
        )
    optimizer_settings(optimizer)


def _stored(files: Sequence[UnitFile]) -> dict[int, _Result]:
    """The results that an earlier call stored, by the number of the unit."""
    scores = {n: file.stored_score() for n, file in enumerate(files)}
    return {n: _Result(files[n], None, score) for n, score in scores.items() if score is not None}


def _optimised(
    units: Sequence[Activation],
    smooth: float | None,
    start: tf.Tensor,
    options: AscentOptions,
    seed: tf.Tensor,
    bar: Progress,
) -> list[_Result]:
    """Optimises a batch of units from the same start."""
    together = _together(units)
    starts, first = tf.repeat(start, len(units), axis=0), smooth_activation(together, smooth, options)
    found, silent = ascend_smoothly(together, first, starts, options, seed, bar)
    complete, scores = len(found.history) == options.steps, found.history[-1]
    at_start = unmoved(found.latents, start) & np.isfinite(scores)
    silent = silent & ~at_start
    return [
        _Result(found.images[n], found.latents[n], float(scores[n]), complete, bool(at_start[n]), bool(silent[n]))
        for n in range(len(units))
    ]


def _store(result: _Result, file: UnitFile | None) -> _Result:
    """Stores the result of a unit, if there is a folder and the unit had all its steps; its latent is needed no more."""
    if file is None or not result.complete:
        return result._replace(latent=None)
    file.save(result.image, result.latent, result.score)
    return result._replace(image=file, latent=None)


def _warn_silent(results: Mapping[int, _Result], names: Sequence[str]) -> None:
    """Warns of the units whose images show nothing of them."""
    resting = dict.fromkeys(names[n] for n, result in sorted(results.items()) if result.unmoved)
    silent = dict.fromkeys(names[n] for n, result in sorted(results.items()) if result.unresponsive)
    for units, words in (
        (resting, "had no gradient in any step, and their images have not changed"),
        (silent, "did not respond in any step, and their images show nothing of them"),
    ):
        if units:
            named = ", ".join(list(units)[:MAX_NAMED])
            more = f" and {len(units) - MAX_NAMED} more" if len(units) > MAX_NAMED else ""
            text = f"objectives: {len(units)} of {len(names)} {words}: {named}{more}. {NO_GRADIENT_ADVICE}"
            warnings.warn(text, stacklevel=3)


def _collected(results: Mapping[int, _Result], names: Sequence[str]) -> Sweep:
    """The results in the order of the objectives."""
    indices = sorted(results)
    return Sweep(
        tuple(names[n] for n in indices),
        np.array(indices),
        np.array([results[n].score for n in indices], np.float32),
        len(results) == len(names) and all(result.complete for result in results.values()),
        tuple(results[n].image for n in indices),
    )


def _activations(
    network: Network,
    objectives: str | Sequence[Objective | str | Callable],
    param: Parameterization,
    transforms: TransformLike,
) -> list[Activation]:
    """The activation of each unit; raises ValueError if one cannot be optimised in a batch of different units."""
    make = functools.partial(make_activation, network, param=param, transforms=transforms)
    if isinstance(objectives, str):
        objectives = _units_of(network, objectives, make)
    if not isinstance(objectives, Sequence) or not objectives:
        raise ValueError(
            "objectives: expected a layer, a channel 'layer:channel', or a list of at least one objective. "
            f"Received: {objectives!r}"
        )
    units = [make(unit) for unit in objectives]
    for unit in units:
        unit.check_independent("a sweep")
    return units


def _units_of(network: Network, name: str, make: Callable[[Objective], Activation]) -> list[Objective]:
    """The channels of a layer, or the neurons of "layer:channel"."""
    if ":" not in name:
        return [channel(name, n) for n in range(network.layer_shape(name)[-1])]
    activation = make(as_objective(name, network))
    kind, layer, *_ = (*activation.objective.structure, None)
    if kind != "channel":
        raise ValueError(
            f"objectives: expected one channel 'layer:channel'. For {name!r} itself, give a list: [{name!r}]"
        )
    size = activation.transform.output_shape(activation.param.image_shape)[:-1]
    *positions, _ = network.layer_shape(layer, size)
    if not positions:
        raise ValueError(f"objectives: {layer!r} has no positions. For {name!r} itself, give a list: [{name!r}]")
    return [neuron(layer, *activation.objective.parameters, *position) for position in np.ndindex(*positions)]


def _kind(unit: Activation) -> tuple:
    """The kind of a unit; units of the same kind share a compiled step."""
    return unit.objective.structure, tuple(np.shape(number) for number in unit.objective.parameters)


def _batches(
    units: Sequence[Activation], indices: Sequence[int], batch_size: int | None, memory: float
) -> list[list[int]]:
    """Batches of units of the same kind. The last one is padded with its last unit, so that all share a compiled step."""
    kinds: dict[tuple, list[int]] = {}
    for n in indices:
        kinds.setdefault(_kind(units[n]), []).append(n)
    batches = []
    for kind in kinds.values():
        size = min(batch_size or images_per_batch(units[kind[0]], len(kind), memory, MAX_BATCH_SIZE), len(kind))
        unpadded = [kind[first : first + size] for first in range(0, len(kind), size)]
        batches += [batch + batch[-1:] * (size - len(batch)) for batch in unpadded]
    return batches


def _together(units: Sequence[Activation]) -> Activation:
    """The activation of a batch, which scores image n by objective n."""
    first = units[0]
    objective = dataclasses.replace(each(unit.objective for unit in units), layers=first.objective.layers)
    return dataclasses.replace(first, objective=objective)


def _run_id(units: Sequence[Activation], options: AscentOptions, init: np.ndarray | None, seed: int) -> dict[str, Any]:
    """Identifies a stored sweep."""
    texts = {f"objectives[{n}]": identity(unit.objective) for n, unit in enumerate(units)}
    settings = {
        "param": repr(units[0].param),
        "transforms": fingerprint.text(units[0].transform),
        "steps": options.steps,
        "optimizer": fingerprint.text(optimizer_settings(options.optimizer)),
        "init": None if init is None else fingerprint.array(init),
        "redirect_steps": options.redirect_steps,
        "seed": int(seed),
    }
    return {"model": fingerprint.weights(units[0].network)} | texts | settings


def _run_with_start(
    run_id: dict[str, Any], checkpoint: Checkpoint, units: Sequence[Activation], start: tf.Tensor
) -> dict[str, Any]:
    """Adds what the units answer at the start to what identifies a sweep.

    That shows what no name does: a function that was rewritten, a decoder with other weights.
    """
    kinds = {_kind(unit): unit for unit in units}
    scores = [float(unit.paired(start, unit.sample_transforms(seeds.root(0), 1))[0, 0]) for unit in kinds.values()]
    stored = checkpoint.check("activation at the start", np.array(scores, np.float32), of_one_kind=False)
    checkpoint.flush()
    return run_id | {"activation at the start": stored.tolist()}
