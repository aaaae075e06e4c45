"""One image for each of many units: every channel of a layer, every neuron of a map, or any list of objectives."""

from __future__ import annotations

import dataclasses
import functools
import os
import warnings
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from samplevis import export
from samplevis.activation import Activation, default_param, make_activation
from samplevis.activation.batch_size import images_per_batch
from samplevis.export.grid_mixin import ColumnsGridMixin
from samplevis.network import Network, as_network, fingerprint
from samplevis.objectives import Objective, as_objective, channel, each, neuron
from samplevis.optimizers import Method, as_method
from samplevis.optimizers.ascent import ascend, first_latents, unmoved
from samplevis.optimizers.keras_stepper import settings_of
from samplevis.param import Parameterization
from samplevis.runs import sweep_store
from samplevis.runs.optimization import LUCID_REDIRECT_STEPS, SILENT
from samplevis.runtime import seeds
from samplevis.runtime.callbacks import Callback, as_callbacks
from samplevis.runtime.checkpoint import Checkpoint
from samplevis.runtime.checks import check_number, check_whole
from samplevis.runtime.progress import Progress
from samplevis.transform import Transform

# On processors larger batches are no faster, take longer to compile, and keep a reader of the folder waiting.
MAX_BATCH_SIZE = 16
DEFAULT_MEMORY = 2.0**30


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Sweep(ColumnsGridMixin, Sequence):
    """What `sweep` returns: a sequence of float32 images [H, W, C] in [0, 1], which are read from the folder if there is one.

    Attributes:
      objectives: what each image is of, as it is printed.
      places: int [n], the place of each image's objective among those that were asked for; all of them, unless interrupted.
      scores: float32 [n], of each objective in the last step, under that step's transforms; nan where it was not finite.
      complete: whether every image is there and had all its steps.
    """

    objectives: tuple[str, ...]
    places: np.ndarray
    scores: np.ndarray
    complete: bool
    _images: tuple[np.ndarray | str, ...]

    @property
    def images(self) -> np.ndarray:
        """All images, float32 [n, H, W, C]."""
        return np.stack(list(self))

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, n: Any) -> Any:
        if isinstance(n, slice):
            return [self[i] for i in range(len(self))[n]]
        image = self._images[n]
        return sweep_store.image(image) if isinstance(image, str) else image

    def __repr__(self) -> str:
        return f"<Sweep of {len(self)} images{'' if self.complete else ', interrupted'}>"

    def grid(self, columns: int | None = None, scale: int = 1) -> np.ndarray:
        """The images with the names of their objectives, uint8 [height, width, 3]; arguments as in `export.grid`."""
        return export.grid(self.images, columns, scale=scale, labels=list(self.objectives))


def sweep(
    model: Network | keras.Model,
    objectives: str | Sequence[Objective | str | Callable],
    *,
    param: Parameterization | None = None,
    transforms: Transform | Sequence[Transform] | str | None = "standard",
    steps: int = 256,
    optimizer: keras.optimizers.Optimizer | None = None,
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

    The units are optimised in batches through one compiled step for each kind of objective: their numbers go in as tensors.
    Every unit gets the same `seed`, and with it the same first image and the same transforms. So image i is that of
    `optimize(model, objectives[i], seed=seed, redirect_steps=16)`, up to rounding, whatever the size of the batches, and images
    of two units differ by the units alone.

    Ctrl-C ends the sweep after the step under way and keeps the images so far, those of the last batch with fewer steps. An image
    whose activation or gradient is not finite stays where it was, and the others go on.

    Args:
      model: a `Network`, or a model that it takes.
      objectives: a layer such as "fire9", for the mean of each of its channels; a channel "fire9:10", for each neuron of its map
        at the size of `param`; or a list of objectives, strings and functions as in `optimize`, at least one.
      param, transforms, steps: as in `optimize`.
      optimizer: any Keras optimizer, as in `optimize`.
      redirect_steps: as in `optimize`. Defaults to 16, as in Lucid: of many units some are silent at first.
      init: image [H, W, C] in [0, 1] that all start from. Defaults to faint noise.
      batch_size: most images at a time, >= 1. Defaults to what `memory` holds, at most 16: more are no faster on a processor. An
        accelerator may want more.
      memory: bytes that a batch may take, > 0, beside the model's weights; what an image takes is estimated from above, from
        the sizes of all arrays that its gradient makes. Defaults to 2**30, a gigabyte.
      folder: where to keep each unit as soon as its batch is done: NUMBER-NAME.npz (`image`, `latent`, `score`) and, if it is a
        picture, NUMBER-NAME.png, written whole or not at all. The same call goes on where a sweep was ended, and makes again what
        was removed. Defaults to none.
      seed: int from 0 to 2**31 - 1.
      progress: whether to show a progress bar, with the time that is left.
      callbacks: what else hears of the steps, of stage "sweep", see `samplevis.Callback`. Defaults to none.

    Returns:
      A `Sweep`.

    Raises:
      ValueError, TypeError: if an argument is out of range, before any work; or if the folder holds another sweep, with the
        arguments that differ.
      FloatingPointError: if the activation of no image of a batch is finite.
      OSError: if the folder cannot be written, or is in use by another process.

    Example:
      >>> found = samplevis.sweep(model, "fire9", param=param.fourier(64), steps=128, folder="fire9")
      >>> found[10].shape
      (64, 64, 3)
    """
    network = as_network(model)
    param = param or default_param(network)
    for name, value, lowest in (("steps", steps, 1), ("redirect_steps", redirect_steps, 0)):
        check_whole(name, value, lowest)
    if batch_size is not None:
        check_whole("batch_size", batch_size, 1)
    check_number("memory", memory, 0, above=True)
    if isinstance(as_method(optimizer), Method):
        raise ValueError(
            f"optimizer: a sweep takes Keras optimizers, and samplevis.optimize all. Received: {optimizer!r}"
        )
    updates = settings_of(optimizer)
    root = seeds.root(seed)
    watching = as_callbacks(progress, callbacks)
    units = _activations(network, objectives, param, transforms)
    start = first_latents(param, 1, None if init is None else np.asarray(init)[None], root)

    made_by = {
        "param": repr(param),
        "transforms": fingerprint.text(units[0].transform),
        "steps": int(steps),
        "optimizer": fingerprint.text(updates),
        "init": None if init is None else fingerprint.array(init),
        "redirect_steps": int(redirect_steps),
        "seed": int(seed),
    }
    names = [str(unit.objective) for unit in units]
    paths = None if folder is None else sweep_store.paths(folder, names)
    done: dict[int, _Unit] = {}
    still: dict[str, None] = {}
    with Checkpoint(folder, about=None if paths is None else _about(units) | made_by, argument="folder") as kept:
        if paths is not None:
            _check_start(kept, units, start)
            done = {
                n: _Unit(path, score) for n, path in enumerate(paths) if (score := sweep_store.score(path)) is not None
            }
        batches = _batches(units, [n for n in range(len(units)) if n not in done], batch_size, memory)
        with Progress("sweep", int(steps) * len(batches), "step", watching if batches else ()) as bar:
            for batch in batches:
                found = ascend(
                    _together([units[n] for n in batch]),
                    tf.repeat(start, len(batch), axis=0),
                    int(steps),
                    optimizer,
                    seed=root,
                    skip_nonfinite=True,
                    redirect_steps=int(redirect_steps),
                    bar=bar,
                    shared_transforms=True,
                )
                whole = len(found.history) == steps
                rests = unmoved(found.latents, start) & np.isfinite(found.history[-1])
                still |= {names[n]: None for n, at_rest in zip(batch, rests, strict=True) if at_rest}
                results = zip(found.images, found.latents, found.history[-1], strict=True)
                # What a batch is filled up with comes last, and is dropped.
                for n, (image, latent, score) in zip(dict.fromkeys(batch), results, strict=False):
                    done[n] = _Unit(image, float(score), whole)
                    if whole and paths is not None:
                        sweep_store.save(paths[n], names[n], image, latent, score)
                        done[n] = _Unit(paths[n], float(score))
                if bar.interrupted:
                    break
    if still:
        warnings.warn(
            f"objectives: {len(still)} had no gradient in any step, and their images stayed as they began: {', '.join(still)}. "
            f"{SILENT}",
            stacklevel=2,
        )
    places = sorted(done)
    return Sweep(
        tuple(names[n] for n in places),
        np.array(places),
        np.array([done[n].score for n in places], np.float32),
        len(done) == len(units) and all(unit.whole for unit in done.values()),
        tuple(done[n].image for n in places),
    )


class _Unit(NamedTuple):
    """An image, or the file that it is in; and whether it had all its steps."""

    image: np.ndarray | str
    score: float
    whole: bool = True


def _activations(
    network: Network,
    objectives: str | Sequence[Objective | str | Callable],
    param: Parameterization,
    transforms: Transform | Sequence[Transform] | str | None,
) -> list[Activation]:
    """The activation of each unit, checked."""
    make = functools.partial(make_activation, network, param=param, transforms=transforms)
    if isinstance(objectives, str):
        objectives = _inside(network, objectives, make)
    if not isinstance(objectives, Sequence) or not objectives:
        raise ValueError(
            "objectives: expected a layer, a channel 'layer:channel', or a list of at least one objective. "
            f"Received: {objectives!r}"
        )
    units = [make(unit) for unit in objectives]
    for unit in units:
        unit.check_independent("a sweep")
    return units


def _inside(network: Network, name: str, make: Callable[[Objective], Activation]) -> list[Objective]:
    """The channels of a layer, or the neurons of the map of "layer:channel"."""
    if ":" not in name:
        return [channel(name, n) for n in range(network.layer_shape(name)[-1])]
    whole = make(as_objective(name))
    layer = whole.objective.layers[0]
    if whole.objective.structure != ("channel", layer):
        raise ValueError(
            f"objectives: expected one channel 'layer:channel'. For {name!r} itself, give a list: [{name!r}]"
        )
    size = whole.transform.output_shape(whole.param.image_shape)[:-1]
    *positions, _ = network.layer_shape(layer, size)
    if not positions:
        raise ValueError(f"objectives: {layer!r} has no positions. For {name!r} itself, give a list: [{name!r}]")
    return [neuron(layer, *whole.objective.parameters, *where) for where in np.ndindex(*positions)]


def _kind(unit: Activation) -> tuple:
    """Units of one kind share a compiled step."""
    return unit.objective.structure, tuple(np.shape(number) for number in unit.objective.parameters)


def _batches(
    units: Sequence[Activation], places: Sequence[int], batch_size: int | None, memory: float
) -> list[list[int]]:
    """Batches of units of a kind. The last of a kind is filled up with its last unit: one shape is one compiled step."""
    kinds: dict[tuple, list[int]] = {}
    for n in places:
        kinds.setdefault(_kind(units[n]), []).append(n)
    batches = []
    for kind in kinds.values():
        size = min(batch_size or images_per_batch(units[kind[0]], len(kind), memory, MAX_BATCH_SIZE), len(kind))
        parts = [kind[first : first + size] for first in range(0, len(kind), size)]
        batches += [part + part[-1:] * (size - len(part)) for part in parts]
    return batches


def _together(units: Sequence[Activation]) -> Activation:
    """One activation of a batch: image n is scored by objective n."""
    first = units[0]
    objective = dataclasses.replace(each(unit.objective for unit in units), layers=first.objective.layers)
    return dataclasses.replace(first, objective=objective)


def _about(units: Sequence[Activation]) -> dict[str, str]:
    """What tells the model and the objectives from others."""
    texts = {f"objectives[{n}]": _text(unit.objective) for n, unit in enumerate(units)}
    return {"model": fingerprint.weights(units[0].network)} | texts


def _text(objective: Objective) -> str:
    """How an objective is printed, and its arrays, which are not."""
    arrays = [np.ravel(number) for number in objective.parameters if np.ndim(number)]
    return fingerprint.text(objective) + (f" {fingerprint.array(np.concatenate(arrays))[:8]}" if arrays else "")


def _check_start(kept: Checkpoint, units: Sequence[Activation], start: tf.Tensor) -> None:
    """Notices what no name tells: a function that was rewritten, a decoder of other weights."""
    kinds = {_kind(unit): unit for unit in units}
    scores = [float(unit.paired(start, unit.sample_transforms(seeds.root(0), 1))[0, 0]) for unit in kinds.values()]
    kept.check("activation at the start", np.array(scores, np.float32))
    kept.flush()
