"""One task: the units of a part, from optimised pictures to a Parquet file."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from samplevis.atlas import rows
from samplevis.atlas.cost import EXACT, cost_of, gradients_of_stages
from samplevis.atlas.draft_rows import add_drafts, judged
from samplevis.atlas.lab import Lab, ascended_from, redirected_ascent
from samplevis.atlas.meter import Meter
from samplevis.atlas.pictures import to_webp
from samplevis.atlas.plan import Task
from samplevis.atlas.store import Store
from samplevis.atlas.unit_rows import unit_seeds
from samplevis.network import Network
from samplevis.objectives import channel, direction
from samplevis.optimizers.ascent import first_latents, unmoved
from samplevis.runs.rendering import render
from samplevis.sampling.level_scale import LevelScale
from samplevis.sampling.options import HMCOptions


class Outcome(NamedTuple):
    """What a task tells of itself; its pictures are in its file.

    Attributes:
      digest: the task's.
      statuses: of the units.
      errors: "layer:unit: what went wrong", of units that failed.
      gradients: image gradients.
      num_bytes: of the file.
      seconds: wall time.
    """

    digest: str
    statuses: tuple[str, ...]
    errors: tuple[str, ...]
    gradients: int
    num_bytes: int
    seconds: float


def run_task(network: Network, task: Task, folder: str, progress: Callable[[float], None] | None = None) -> Outcome:
    """Does a task and writes its file.

    Args:
      network: the network.
      task: what to do.
      folder: path or URL of the atlas.
      progress: called with the share of the task that is done, from 0 to 1. Defaults to none.

    Returns:
      An `Outcome`.

    Raises:
      OSError: if the file cannot be written.
      ValueError: if the network takes no images of that size.
    """
    start = time.monotonic()
    records = make_records(network, task, progress)
    num_bytes = Store(folder).write_table(task.path, rows.table(records))
    statuses = tuple(record["status"] for record in records)
    errors = tuple(f"{key}: {each['error']}" for key, each in zip(task.keys(), records, strict=True) if each["error"])
    gradients = sum(record["gradients"] for record in records)
    return Outcome(task.digest, statuses, errors, gradients, num_bytes, time.monotonic() - start)


def make_records(network: Network, task: Task, progress: Callable[[float], None] | None = None) -> list[dict[str, Any]]:
    """The rows of a task's units, in the order of `rows.SCHEMA`."""
    lab = Lab.of(network, task, Meter(cost_of(task.settings, len(task.units), len(task.exact)).total, progress))
    records = [
        rows.empty(task.group, task.layer, unit, name) for unit, name in zip(task.units, task.names, strict=True)
    ]
    if "optimize" in task.settings.methods:
        found = _optimized(lab)
        for n, record in enumerate(records):
            record |= found[n]
        if "draft" in task.settings.methods:
            add_drafts(lab, records)
    for n, record in enumerate(records):
        if task.units[n] in task.exact and record["status"] not in ("dead", "failed"):
            record |= _exact(network, task, n, lab.meter)
    return records


def _optimized(lab: Lab) -> list[dict[str, Any]]:
    """The optimised picture of every unit, and the scale that it gives."""
    settings, count = lab.task.settings, len(lab.vectors)
    start = first_latents(lab.exact.param, 1, None, lab.seed)
    found = ascended_from(lab, lab.exact, start, redirected_ascent(settings.optimize_steps), lab.seed)
    images = lab.exact.param.image(tf.constant(found)).numpy()
    optima, priors = lab.scores(lab.exact, found, lab.vectors), lab.prior_means(lab.exact)
    plain, moved = lab.plain_scores(found, lab.vectors), ~unmoved(found, start)
    records = []
    for n in range(count):
        scale = LevelScale(float(priors[n]), float(optima[n]))
        status, error = judged(scale, bool(moved[n]))
        records.append(
            {
                "status": status,
                "error": error,
                "prior": scale.prior,
                "optimum": scale.optimum,
                "optimized": to_webp(images[n], settings.quality),
                "optimized_activation": float(plain[n]),
                "gradients": settings.optimize_steps,
            }
        )
    return records


def _exact(network: Network, task: Task, n: int, meter: Meter) -> dict[str, Any]:
    """Exact samples of a unit, as `render` draws them, and their verdict."""
    settings, unit = task.settings, task.units[n]
    objective = channel(task.layer, unit) if task.vectors is None else direction(task.layer, task.vectors[n])
    # Seeds of `render` are whole numbers: one for each unit.
    seed = int(abs(int(unit_seeds(settings.seed, [f"{task.group}:{unit}"])[0, 0])) % 2**31)
    try:
        samples = render(
            network,
            objective,
            EXACT,
            im_size=settings.size,
            level=settings.level,
            smooth=settings.smooth,
            optimize_steps=settings.optimize_steps,
            seed=seed,
            progress=False,
            callbacks=[meter.stages(gradients_of_stages(settings))],
        )
    except (ValueError, FloatingPointError) as error:
        return {"exact_verdict": "failed", "exact_summary": str(error)[: rows.MAX_TEXT]}
    if samples.images.shape[1] < HMCOptions(**EXACT).num_results:
        raise KeyboardInterrupt
    summary = samples.summary()
    return {
        "exact_verdict": summary.pictures.verdict,
        "exact_level": float(np.nanmean(samples.network_levels)),
        "exact_summary": "\n".join([summary.verdict, *summary.warnings])[: rows.MAX_TEXT],
        "exact_samples": [to_webp(image, settings.quality) for image in samples.images[:, -1]],
    }
