"""One task: the units of a part, from optimised pictures to a Parquet file."""

from __future__ import annotations

import dataclasses
import time
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from samplevis.activation import Activation, default_param
from samplevis.activation.chunked import bank_size, largest_divisor
from samplevis.activation.features import deep_features
from samplevis.activation.row_batches import in_batches, padded
from samplevis.atlas import rows
from samplevis.atlas.cost import EXACT, gradients_of_starts
from samplevis.atlas.draft import Draft, UnitProblem, draft_units
from samplevis.atlas.pictures import to_webp
from samplevis.atlas.plan import Task
from samplevis.atlas.store import Store
from samplevis.atlas.unit_rows import layer_activation, unit_seeds, weighted_sums, with_units
from samplevis.network import Network
from samplevis.objectives import channel, direction
from samplevis.optimizers.ascent import AscentOptions, ascend, first_latents, unmoved, waking_steps
from samplevis.overrides.smooth import smoothed
from samplevis.runs.rendering import render
from samplevis.runtime import seeds
from samplevis.runtime.progress import Progress
from samplevis.sampling.level_scale import NUM_PRIOR_LATENTS, LevelScale, fresh_transforms
from samplevis.sampling.options import HMCOptions

TRANSFORMS = "robust"
# Transformed images that are scored at a time, which bounds memory.
MAX_IMAGES = 64


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


def run_task(network: Network, task: Task, folder: str) -> Outcome:
    """Does a task and writes its file.

    Args:
      network: the network.
      task: what to do.
      folder: path or URL of the atlas.

    Returns:
      An `Outcome`.

    Raises:
      OSError: if the file cannot be written.
      ValueError: if the network takes no images of that size.
    """
    start = time.monotonic()
    records = make_records(network, task)
    num_bytes = Store(folder).write_table(task.path, rows.table(records))
    statuses = tuple(record["status"] for record in records)
    errors = tuple(f"{key}: {each['error']}" for key, each in zip(task.keys(), records, strict=True) if each["error"])
    gradients = sum(record["gradients"] for record in records)
    return Outcome(task.digest, statuses, errors, gradients, num_bytes, time.monotonic() - start)


def make_records(network: Network, task: Task) -> list[dict[str, Any]]:
    """The rows of a task's units, in the order of `rows.SCHEMA`."""
    lab = _Lab.of(network, task)
    records = [
        rows.empty(task.group, task.layer, unit, name) for unit, name in zip(task.units, task.names, strict=True)
    ]
    if "optimize" in task.settings.methods:
        found = _optimized(lab)
        for n, record in enumerate(records):
            record |= found[n]
        if "draft" in task.settings.methods:
            _add_drafts(lab, records)
    for n, record in enumerate(records):
        if task.units[n] in task.exact and record["status"] not in ("dead", "failed"):
            record |= _exact(network, task, n)
    return records


@dataclasses.dataclass(frozen=True, eq=False)
class _Lab:
    """What the steps of a task share.

    Attributes:
      network: the network.
      task: the task.
      exact: activation of the layer, on the network as it is.
      smooth: the same on the smoothed network.
      vectors: the units' directions, [unit, channels].
    """

    network: Network
    task: Task
    exact: Activation
    smooth: Activation
    vectors: np.ndarray

    @classmethod
    def of(cls, network: Network, task: Task) -> _Lab:
        settings = task.settings
        param = default_param(network, settings.size)
        exact = layer_activation(network, task.layer, param, TRANSFORMS)
        smooth = layer_activation(smoothed(network, settings.smooth), task.layer, param, TRANSFORMS)
        channels = network.layer_shape(task.layer)[-1]
        return cls(network, task, exact, smooth, task.directions(channels))

    @property
    def seed(self) -> tf.Tensor:
        return seeds.root(self.task.settings.seed)

    def scores(self, activation: Activation, latents: np.ndarray, vectors: np.ndarray) -> np.ndarray:
        """Activation of latents [n, ...] for directions [n, channels], on transforms that nothing else has seen, [n]."""
        batch = self.task.settings.batch_size
        chunks = _chunks(fresh_transforms(activation, self.seed), max(1, MAX_IMAGES // batch))

        def score(latents: np.ndarray, vectors: np.ndarray) -> np.ndarray:
            rows_of = with_units(activation, vectors)
            run = rows_of.compiler()("atlas mean", lambda z, bank, numbers: rows_of.mean(z, bank, numbers))
            z = tf.constant(latents)
            return np.mean([run(z, chunk, rows_of.parameters).numpy() for chunk in chunks], axis=0, dtype=np.float64)

        return in_batches(score, batch, latents, vectors)

    def plain_scores(self, latents: np.ndarray, vectors: np.ndarray) -> np.ndarray:
        """Activation of latents without transforms, as that of dataset examples, [n]."""
        param, layer = self.exact.param, self.task.layer

        def run(z: tf.Tensor) -> tf.Tensor:
            values = self.network.prepared.cut((layer,))(param.image(z))[layer]
            return tf.reduce_mean(tf.reshape(values, (values.shape[0], -1, values.shape[-1])), 1)

        compiled = self.exact.compiler()("atlas layer", run)
        means = in_batches(lambda z: compiled(tf.constant(z)).numpy(), self.task.settings.batch_size, latents)
        return weighted_sums(means, vectors)

    def prior_means(self, activation: Activation) -> np.ndarray:
        """Mean activation of each unit over noise from the prior, the same for all, [unit]."""
        latents = activation.param.prior(seeds.fold(self.seed, "prior mean", 0), NUM_PRIOR_LATENTS)
        fresh, layer = fresh_transforms(activation, self.seed), self.task.layer
        count = bank_size(fresh)

        def run(z: tf.Tensor, bank: Any) -> tf.Tensor:
            images = tf.repeat(activation.param.image(z), count, axis=0)
            tiled = tf.nest.map_structure(lambda t: tf.tile(t, [z.shape[0]] + [1] * (t.shape.rank - 1)), bank)
            values = activation.network.prepared.cut((layer,))(activation.transform.apply(tiled, images))[layer]
            return tf.reduce_mean(tf.reshape(values, (-1, values.shape[-1])), 0)

        compiled, batch = activation.compiler()("atlas prior", run), max(1, MAX_IMAGES // count)
        means = [compiled(latents[i : i + batch], fresh).numpy() for i in range(0, NUM_PRIOR_LATENTS, batch)]
        return weighted_sums(np.mean(means, axis=0, dtype=np.float64), self.vectors)


def _chunks(bank: Any, size: int) -> list[Any]:
    """A bank of transforms in equal parts of at most `size`; one without parameters as it is."""
    count = bank_size(bank)
    size = largest_divisor(count, size)
    return [
        tf.nest.map_structure(lambda leaf, first=first: leaf[first : first + size], bank)
        for first in range(0, count, size)
    ]


def _optimized(lab: _Lab) -> list[dict[str, Any]]:
    """The optimised picture of every unit, and the scale that it gives."""
    settings, count = lab.task.settings, len(lab.vectors)
    start = first_latents(lab.exact.param, 1, None, lab.seed)
    found = _ascended_from(lab, lab.exact, start, _ascent(settings.optimize_steps), lab.seed)
    images = lab.exact.param.image(tf.constant(found)).numpy()
    optima, priors = lab.scores(lab.exact, found, lab.vectors), lab.prior_means(lab.exact)
    plain, moved = lab.plain_scores(found, lab.vectors), ~unmoved(found, start)
    records = []
    for n in range(count):
        scale = LevelScale(float(priors[n]), float(optima[n]))
        status, error = _judged(scale, bool(moved[n]))
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


def _ascent(steps: int) -> AscentOptions:
    """Always redirected, so that a unit does not depend on whether another one of its batch is silent."""
    return AscentOptions(steps, redirect_steps=waking_steps(steps), skip_nonfinite=True, shared_transforms=True)


def _ascended_from(
    lab: _Lab, activation: Activation, start: tf.Tensor, options: AscentOptions, seed: tf.Tensor
) -> np.ndarray:
    """Latents that the optimiser reaches for every unit from the same start [1, *latent_shape], [unit, *latent_shape]."""
    size = min(lab.task.settings.batch_size, lab.task.settings.units_per_part)

    def ascended(vectors: np.ndarray) -> np.ndarray:
        return _ascended(with_units(activation, vectors), tf.repeat(start, size, axis=0), options, seed)

    return in_batches(ascended, size, lab.vectors)


def _ascended(batch: Activation, start: tf.Tensor, options: AscentOptions, seed: tf.Tensor) -> np.ndarray:
    """Latents after gradient ascent; nan for all of a batch that has not one finite activation."""
    try:
        # A bar that is not entered hears nothing of Ctrl-C, which waits for the end of the task.
        found = ascend(batch, start, options, seed, bar=Progress("optimise", options.steps, "step", False))
        finite = np.isfinite(found.history[-1])
        return np.where(finite.reshape(-1, *[1] * (found.latents.ndim - 1)), found.latents, np.nan)
    except FloatingPointError:
        return np.full(start.shape, np.nan, np.float32)


def _judged(scale: LevelScale, moved: bool) -> tuple[str, str]:
    """Status of an optimised unit, and what is wrong with it."""
    if not np.isfinite(np.array(scale)).all():
        return "failed", "the activation is not finite"
    if not moved:
        return "dead", "the unit has no gradient"
    if scale.optimum <= scale.prior:
        return "dead", "optimising does not raise the activation above that of noise"
    return "optimized", ""


def _judged_for_draft(scale: LevelScale) -> tuple[str, str]:
    """The same on the smoothed network: a unit that it does not excite is not dead, and has no draft."""
    status, error = _judged(scale, True)
    if status != "dead":
        return status, error
    return "below", "no draft: optimising does not raise the activation on the smoothed network; try a smaller smooth"


def _add_drafts(lab: _Lab, records: list[dict[str, Any]]) -> None:
    """Adds the samples of the units that can be sampled."""
    settings, size = lab.task.settings, lab.task.settings.units_per_batch
    starts, scales = _chain_starts(lab)
    for record, scale in zip(records, scales, strict=True):
        if record["status"] == "optimized":
            record["gradients"] += gradients_of_starts(settings)
            record["status"], record["error"] = _judged_for_draft(scale)
    alive = [n for n, record in enumerate(records) if record["status"] == "optimized"]
    all_seeds, keys = unit_seeds(settings.seed, lab.task.keys()), lab.task.keys()
    for first in range(0, len(alive), size):
        part = alive[first : first + size]
        places = padded(part, size)
        problems = [UnitProblem(keys[n], lab.vectors[n], scales[n], starts[n]) for n in places]
        drafts = draft_units(lab.smooth, problems, tf.gather(all_seeds, places), settings)
        for n, draft in zip(part, drafts, strict=False):
            records[n] |= _of_draft(lab, n, records[n], draft)
            records[n]["surprisal_slope"] = draft.strength * (scales[n].optimum - scales[n].prior)


def _chain_starts(lab: _Lab) -> tuple[np.ndarray, list[LevelScale]]:
    """Where the chains of every unit start, and the scale that this gives on the network that is sampled.

    As in `render`, a chain starts from a picture that is optimised for the smoothed network, and the best of them is level 1: what
    excites the network as it is may hardly excite the smoothed one.

    Returns:
      Latents [unit, chain, *latent_shape]; a scale for each unit.
    """
    settings, smooth = lab.task.settings, lab.smooth

    def ascended(chain: int) -> np.ndarray:
        # The units of a chain share their transforms; those of other chains are others.
        seed = seeds.fold(lab.seed, "chains", chain)
        first = first_latents(smooth.param, 1, None, seed)
        return _ascended_from(lab, smooth, first, _ascent(settings.start_steps), seed)

    starts = np.stack([ascended(chain) for chain in range(settings.num_chains)], axis=1)
    vectors = np.repeat(lab.vectors, settings.num_chains, axis=0)
    values = lab.scores(smooth, starts.reshape(-1, *starts.shape[2:]), vectors).reshape(-1, settings.num_chains)
    ends = zip(lab.prior_means(smooth), values.max(1), strict=True)
    return starts, [LevelScale(float(prior), float(best)) for prior, best in ends]


def _of_draft(lab: _Lab, n: int, record: dict[str, Any], draft: Draft) -> dict[str, Any]:
    """What a row says of a unit's draft samples."""
    settings, scale = lab.task.settings, LevelScale(record["prior"], record["optimum"])
    vectors = np.repeat(lab.vectors[n : n + 1], len(draft.latents), axis=0)
    levels = scale.levels(lab.scores(lab.exact, draft.latents, vectors))
    finite = np.isfinite(levels).all() and np.isfinite(draft.images).all()
    return {
        "status": "failed" if not finite else "reached" if draft.reached.all() else "below",
        "error": "" if finite else "a sample is not finite",
        "level": float(np.mean(levels)),
        "levels": levels.tolist(),
        "reached": float(draft.reached.mean()),
        "diversity": _diversity(lab.network, draft.images) if finite else np.nan,
        "samples": [to_webp(image, settings.quality) for image in draft.images],
        "means": [to_webp(image, settings.quality) for image in draft.chain_means],
        "sample_activations": lab.plain_scores(draft.latents, vectors).tolist(),
        "gradients": record["gradients"] + len(draft.latents) * draft.gradients,
    }


def _diversity(network: Network, images: np.ndarray) -> float:
    """Mean over pairs of samples of 1 - cosine of what the network sees in them; 0 for a single sample."""
    features = deep_features(network, images).astype(np.float64)
    features /= np.linalg.norm(features, axis=1, keepdims=True) + 1e-12
    pairs = np.triu_indices(len(features), 1)
    return float(np.mean(1 - (features @ features.T)[pairs])) if len(features) > 1 else 0.0


def _exact(network: Network, task: Task, n: int) -> dict[str, Any]:
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
