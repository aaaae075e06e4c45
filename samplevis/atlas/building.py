"""build(): makes an atlas, or goes on with one."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from samplevis.activation import default_param
from samplevis.analysis.preprocessing_notice import notify_inferred
from samplevis.analysis.units_notice import notify_unsaturated
from samplevis.atlas.cost import Cost
from samplevis.atlas.draft import measure_rate
from samplevis.atlas.engine import EngineOptions
from samplevis.atlas.examples import make_examples
from samplevis.atlas.lab import TRANSFORMS
from samplevis.atlas.model_spec import ModelSpec, make_spec
from samplevis.atlas.plan import AtlasPlan, Task, plan_atlas
from samplevis.atlas.reading import Atlas
from samplevis.atlas.settings import AtlasSettings
from samplevis.atlas.store import PARTS, Store
from samplevis.atlas.tasks import Outcome, run_task
from samplevis.atlas.unit_rows import layer_activation
from samplevis.atlas.weights import store_weights
from samplevis.network import Network, as_network
from samplevis.overrides.smooth import smoothed
from samplevis.runtime.callbacks import Callback, as_callbacks
from samplevis.runtime.progress import Progress, noticing

if TYPE_CHECKING:
    import keras

# Tasks that fail in a row before a run gives up: the cause is then not a unit.
MAX_FAILURES = 3
# Failures that a warning names.
MAX_NAMED = 5


class Built(NamedTuple):
    """What came of a call.

    Attributes:
      atlas: what is in the folder.
      missing: units of the plan that are not.
      interrupted: whether Ctrl-C stopped it.
    """

    atlas: Atlas
    missing: int
    interrupted: bool


def build(
    model: Network | keras.Model | ModelSpec | str,
    folder: str | os.PathLike,
    layers: Sequence[str] | None = None,
    *,
    directions: Mapping[str, tuple[str, np.ndarray]] | None = None,
    images: np.ndarray | Iterable | str | os.PathLike | None = None,
    settings: Mapping[str, Any] | AtlasSettings | None = None,
    workers: int = 0,
    scheduler: str | None = None,
    insecure: bool = False,
    progress: bool = True,
    callbacks: Sequence[Callback] = (),
) -> Atlas:
    """Makes pictures, samples and dataset examples of all units of a network, and stores them in a folder.

    The same call resumes after an end of any kind: what is finished is not done again, and the files are bit-identical to those of
    an uninterrupted run. Every file holds a checksum and what identifies the atlas and the file: one that is damaged, or belongs
    elsewhere, counts as missing and is made again.

    Ctrl-C abandons the tasks under way and keeps what is finished. A unit that fails is named in its row
    and does not stop the others; three tasks that fail in a row do.

    Args:
      model: a `Network` or a Keras model; with `workers` or `scheduler` a name, a path or a `ModelSpec`, which they load.
      folder: where the atlas is, or will be: a path, or a URL that fsspec takes.
      layers, directions, settings: as in `plan_atlas`.
      images: a dataset for examples, as in `samplevis.collect`. Defaults to none.
      workers: number of processes on this machine, which Dask runs; 0 computes in this process. Defaults to 0.
      scheduler: address of a Dask cluster, "tls://host:port". Defaults to none.
      insecure: whether an address that is not TLS is allowed: whoever reaches such a scheduler runs code on its workers. Defaults
        to False.
      progress: whether to show a progress bar. Defaults to True.
      callbacks: `samplevis.Callback`s, notified of images as stage "examples" and of units as "atlas"; parts of units under way
        count, so that `done` has decimals. Defaults to none.

    Returns:
      The `Atlas` so far. Publish it with `samplevis.atlas.publish`.

    Raises:
      ValueError, TypeError: if an argument is out of range, before any work; if the folder holds another atlas (the message has
        what differs); or if an address is not TLS.
      ImportError: if pyarrow, fsspec or Dask is missing.
      OSError: if the folder cannot be written.
      ConnectionError: if the scheduler is gone.

    Example:
      >>> from samplevis import atlas, modelzoo
      >>> settings = dict(size=32, methods=["optimize"], optimize_steps=8)
      >>> found = atlas.build(modelzoo.Shapes(), "memory://shapes", ["logits"], settings=settings, progress=False)
      >>> len(found)
      18
    """
    spec = make_spec(model)
    engine = EngineOptions(workers, scheduler, insecure)
    engine.check(spec, folder)
    with noticing("atlas"):
        network = spec.load() if spec is not None else as_network(model)
        plan = plan_atlas(network, layers, directions=directions, settings=settings)
        notify_inferred(network, progress)
        notify_unsaturated(network, plan.unsaturated, progress)
        return carry_out(plan, folder, images, spec, engine, as_callbacks(progress, callbacks)).atlas


def carry_out(
    plan: AtlasPlan,
    folder: str | os.PathLike,
    images: np.ndarray | Iterable | str | os.PathLike | None,
    spec: ModelSpec | None,
    engine: EngineOptions,
    callbacks: Sequence[Callback],
) -> Built:
    """Does what is planned, but for what the folder has.

    Args:
      plan: of the atlas.
      folder, images: as in `build`.
      spec: the model, for other processes; None for a model that only this process has.
      engine: where the tasks run, checked.
      callbacks: as in `build`.

    Returns:
      `Built`.

    Raises:
      ValueError, ImportError, OSError, ConnectionError: as `build`.
    """
    store = Store(folder)
    store.claim(plan.identity)
    store.note_layers(plan.layer_notes)
    store_weights(plan.network, plan.model, store)
    interrupted = False
    if images is not None and "examples" in plan.settings.methods:
        with Progress("examples", _length(images), "image", callbacks) as bar:
            make_examples(plan, images, store, _stopping(bar))
            interrupted = bar.interrupted
    interrupted = interrupted or _run(plan, spec, engine, store, callbacks)
    finished = set(store.sound(PARTS))
    missing = sum(len(task.units) for task in plan.tasks() if task.path not in finished)
    return Built(Atlas(store), missing, interrupted)


def measured_cost(plan: AtlasPlan) -> Cost:
    """The cost of a plan, with the rate of gradients that this machine was measured to compute on the middle layer.

    Args:
      plan: of the atlas.

    Returns:
      A `Cost`.
    """
    settings, layer = plan.settings, plan.layers[len(plan.layers) // 2]
    network, param = smoothed(plan.network, settings.smooth), default_param(plan.network, settings.size)
    activation = layer_activation(network, layer.layer, param, TRANSFORMS)
    units = [layer.units[n % layer.count] for n in range(settings.units_per_batch)]
    channels = plan.network.layer_shape(layer.layer)[-1]
    vectors = layer.vectors[units] if layer.vectors is not None else np.eye(channels, dtype=np.float32)[units]
    return dataclasses.replace(plan.cost, rate=measure_rate(activation, vectors, settings))


def _run(
    plan: AtlasPlan, spec: ModelSpec | None, engine: EngineOptions, store: Store, callbacks: Sequence[Callback]
) -> bool:
    """Does the tasks that are not finished; returns whether Ctrl-C stopped it."""
    finished = set(store.sound(PARTS))
    tasks = plan.tasks()
    remaining = [task for task in tasks if task.path not in finished]
    done = sum(len(task.units) for task in tasks if task.path in finished)
    errors: list[str] = []
    in_a_row, gradients = 0, 0
    try:
        with (
            Progress("atlas", plan.num_units, "unit", callbacks, done, keeps=False) as bar,
            contextlib.closing(_results(plan.network, spec, remaining, store, engine, bar)) as results,
        ):
            for task, result in _until_interrupted(results, bar):
                if isinstance(result, Exception):
                    in_a_row += 1
                    errors.append(f"{task.group[:60]}:{task.units[0]}-{task.units[-1]}: {result}")
                    if in_a_row == MAX_FAILURES:
                        raise result
                else:
                    in_a_row, gradients = 0, gradients + result.gradients
                    errors += result.errors
                    done += len(task.units)
                    bar.reach(done, failures=float(len(errors)), gradients=float(gradients))
                if bar.interrupted:
                    break
    finally:
        store.remove_partial()
    if errors:
        more = f", and {len(errors) - MAX_NAMED} more" if len(errors) > MAX_NAMED else ""
        warnings.warn(
            f"atlas: {len(errors)} failed: {'; '.join(each[:200] for each in errors[:MAX_NAMED])}{more}", stacklevel=4
        )
    return bar.interrupted


def _results(
    network: Network,
    spec: ModelSpec | None,
    tasks: Sequence[Task],
    store: Store,
    engine: EngineOptions,
    bar: Progress,
) -> Iterator[tuple[Task, Outcome | Exception]]:
    """Every task with what came of it, in any order; the bar shows how much of a task in this process is done."""
    if engine.is_distributed and tasks:
        from samplevis.atlas.distributed import run_distributed

        yield from run_distributed(spec, tasks, store.url if "://" in store.url else os.path.abspath(store.url), engine)
        return
    for task in tasks:
        try:
            yield task, run_task(network, task, store.url, _part_of(bar, len(task.units)))
        except Exception as error:
            yield task, error


def _part_of(bar: Progress, units: int) -> Callable[[float], None]:
    """A function that shows the share of a task that is done, in units."""
    before = bar.done

    def notify(share: float) -> None:
        bar.reach(round(before + share * units, 2))
        if bar.interrupted:
            raise KeyboardInterrupt("stopped in atlas")

    return notify


def _until_interrupted(results: Iterator, bar: Progress) -> Iterator:
    """The results up to Ctrl-C, which abandons the task under way; a second one ends the command."""
    try:
        yield from results
    except KeyboardInterrupt:
        if bar.insisted or not bar.interrupted:
            raise


def _length(images: Any) -> int:
    """Number of images, 0 if that is not known before."""
    if isinstance(images, (str, os.PathLike)):
        from samplevis.param.picture_files import picture_files

        return len(list(picture_files(images)))
    return len(images) if hasattr(images, "__len__") else 0


def _stopping(bar: Progress) -> Any:
    """Counts images; after Ctrl-C it interrupts the pass, which cannot be resumed in the middle."""

    def notify(count: int) -> None:
        bar.update(count)
        if bar.interrupted:
            raise KeyboardInterrupt

    return notify
