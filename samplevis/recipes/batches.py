"""Many optimised images, a batch at a time: image i for objective i."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from samplevis import param as parameterizations
from samplevis.activation import make_activation
from samplevis.network import Network
from samplevis.objectives import Objective, each
from samplevis.runs.optimization import optimize
from samplevis.runtime.checks import check_known, check_whole, keywords
from samplevis.runtime.progress import Progress

# Arguments of `optimize` that a recipe of many images passes on.
PASSED_ON = keywords(optimize, "batch", "init", "thresholds")


class Batches(NamedTuple):
    """What `optimize_each` returns.

    Attributes:
      images: float32 [n, H, W, C] in [0, 1], of the first n objectives: fewer than all after Ctrl-C.
      scores: float32 [n], in the last step.
      complete: whether every image is there and had all its steps.
    """

    images: np.ndarray
    scores: np.ndarray
    complete: bool


def optimize_each(
    network: Network,
    objectives: Sequence[Objective],
    batch_size: int,
    *,
    also: Objective | None = None,
    start: np.ndarray | None = None,
    progress: bool = True,
    **settings: Any,
) -> Batches:
    """Optimises one image for each objective.

    Objectives of one kind share one compiled step. Only one batch is on the device at a time, and every batch starts alike,
    from `seed`. Ctrl-C ends the run after the step under way and keeps the images so far, those of the last batch with fewer
    steps.

    Args:
      network: the network.
      objectives: one for each image, at least one.
      batch_size: images at a time, >= 1.
      also: an objective that is added to all. Defaults to none.
      start: image [H, W, C] in [0, 1] that all start from. Defaults to faint noise, another for each image of a batch.
      progress, **settings: other arguments of `optimize`, but for `init` and `thresholds`.

    Returns:
      `Batches`.

    Raises:
      ValueError, TypeError: as in `optimize`, for any objective, before the first image.
    """
    check_whole("batch_size", batch_size, 1)
    count = len(objectives)
    batch = min(batch_size, count)
    # The last batch is filled up with the last objective: one shape, one compiled step.
    parts = [
        each(objectives[min(n, count - 1)] for n in range(first, first + batch)) for first in range(0, count, batch)
    ]
    if also is not None:
        parts = [part + also for part in parts]
    param = settings.get("param") or parameterizations.fourier(128)
    for part in parts:
        make_activation(network, part, param, settings.get("transforms", "standard"))
    if start is not None:
        settings = settings | {"init": np.repeat(start[None], batch, axis=0)}
    images, scores = [], []
    # One batch has the bar of its own steps.
    several = len(parts) > 1
    with Progress("optimise", count, "image", callbacks=progress and several) as bar:
        for part in parts:
            found = optimize(network, part, batch=batch, progress=progress and not several, **settings)
            kept = min(batch, count - len(scores) * batch)
            images.append(found.images[:kept])
            scores.append(found.history[-1, :kept])
            bar.update(kept)
            if bar.interrupted:
                break
    return Batches(np.concatenate(images), np.concatenate(scores), not bar.interrupted)


def check_settings(settings: Mapping[str, Any], *own: str, passed_on: Sequence[str] = PASSED_ON) -> None:
    """Raises TypeError with the nearest name unless every setting is one that is passed on.

    Args:
      settings: what a caller gave beside the recipe's own arguments.
      *own: names of these, which the caller may have meant.
      passed_on: names that are passed on. Defaults to those of `optimize`.
    """
    check_known(settings, (*own, *passed_on))
