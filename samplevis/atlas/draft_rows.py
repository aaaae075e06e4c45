"""The drafts of a task's units, as rows: where their chains start, how they are compared and how they are judged."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from samplevis.activation import Activation
from samplevis.activation.features import deep_features
from samplevis.activation.row_batches import padded
from samplevis.atlas.cost import gradients_of_starts
from samplevis.atlas.draft import Draft, draft_units
from samplevis.atlas.draft_path import UnitProblem
from samplevis.atlas.lab import Lab, ascended_from, redirected_ascent
from samplevis.atlas.pictures import to_webp
from samplevis.atlas.unit_rows import unit_seeds
from samplevis.network import Network
from samplevis.optimizers.ascent import first_latents
from samplevis.results.level_checks import MAX_LEVEL_ERROR
from samplevis.runtime import seeds
from samplevis.sampling import annealing
from samplevis.sampling.level_scale import LevelScale


def judged(scale: LevelScale, moved: bool) -> tuple[str, str]:
    """Status of an optimised unit, and what is wrong with it."""
    if not np.isfinite(np.array(scale)).all():
        return "failed", "the activation is not finite"
    if not moved:
        return "dead", "the unit has no gradient"
    if scale.optimum <= scale.prior:
        return "dead", "optimising does not raise the activation above that of noise"
    return "optimized", ""


def judged_for_draft(scale: LevelScale) -> tuple[str, str]:
    """The same on the smoothed network: a unit that it does not excite is not dead, and has no draft."""
    status, error = judged(scale, True)
    if status != "dead":
        return status, error
    return "off", "no draft: optimising does not raise the activation on the smoothed network; try a smaller smooth"


def add_drafts(lab: Lab, records: list[dict[str, Any]]) -> None:
    """Adds the samples of the units that can be sampled."""
    settings, size = lab.task.settings, lab.task.settings.units_per_batch
    starts, scales = _chain_starts(lab)
    for record, scale in zip(records, scales, strict=True):
        if record["status"] == "optimized":
            record["gradients"] += gradients_of_starts(settings)
            record["status"], record["error"] = judged_for_draft(scale)
    alive = [n for n, record in enumerate(records) if record["status"] == "optimized"]
    all_seeds, keys = unit_seeds(settings.seed, lab.task.keys()), lab.task.keys()
    for first in range(0, len(alive), size):
        part = alive[first : first + size]
        places = padded(part, size)
        problems = [UnitProblem(keys[n], lab.vectors[n], scales[n], starts[n]) for n in places]
        compare = _comparison(lab, problems, [_scale_of(records[n]) for n in places])
        chains = settings.num_chains * len(part)
        drafts = draft_units(
            lab.smooth,
            problems,
            tf.gather(all_seeds, places),
            settings,
            compare,
            lambda gradients, chains=chains: lab.meter.add(chains * gradients),
        )
        for n, draft in zip(part, drafts, strict=False):
            records[n] |= _of_draft(lab, n, records[n], draft)
            records[n]["surprisal_slope"] = draft.strength * (scales[n].optimum - scales[n].prior)


def _chain_starts(lab: Lab) -> tuple[np.ndarray, list[LevelScale]]:
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
        return ascended_from(lab, smooth, first, redirected_ascent(settings.start_steps), seed)

    starts = np.stack([ascended(chain) for chain in range(settings.num_chains)], axis=1)
    vectors = np.repeat(lab.vectors, settings.num_chains, axis=0)
    values = lab.scores(smooth, starts.reshape(-1, *starts.shape[2:]), vectors).reshape(-1, settings.num_chains)
    ends = zip(lab.prior_means(smooth), values.max(1), strict=True)
    return starts, [LevelScale(float(prior), float(best)) for prior, best in ends]


def _comparison(
    lab: Lab, units: Sequence[UnitProblem], scales: Sequence[LevelScale]
) -> Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]] | None:
    """The levels of a batch on the network that is sampled and on the network as it is, see `draft_units`."""
    if lab.smooth.network is lab.exact.network:
        return None
    chains = lab.task.settings.num_chains
    vectors = np.repeat([unit.vector for unit in units], chains, axis=0)
    bank = lab.exact.sample_bank(seeds.fold(lab.seed, "compared"), annealing.NUM_COMPARED)

    def levels(activation: Activation, scales: Sequence[LevelScale], latents: np.ndarray) -> np.ndarray:
        values = lab.scores(activation, latents, vectors, bank).reshape(-1, chains)
        return np.stack([scale.levels(each) for scale, each in zip(scales, values, strict=True)])

    sampled = [unit.scale for unit in units]
    return lambda latents: (levels(lab.smooth, sampled, latents), levels(lab.exact, scales, latents))


def _scale_of(record: dict[str, Any]) -> LevelScale:
    """The scale of a unit on the network as it is."""
    return LevelScale(record["prior"], record["optimum"])


def _of_draft(lab: Lab, n: int, record: dict[str, Any], draft: Draft) -> dict[str, Any]:
    """What a row says of a unit's draft samples."""
    settings, scale = lab.task.settings, _scale_of(record)
    vectors = np.repeat(lab.vectors[n : n + 1], len(draft.latents), axis=0)
    levels = scale.levels(lab.scores(lab.exact, draft.latents, vectors))
    finite = np.isfinite(levels).all() and np.isfinite(draft.images).all()
    # As the summary of `render` judges chains: on the network as it is.
    reached = np.abs(levels - settings.level) <= MAX_LEVEL_ERROR
    return {
        "status": _status_of_draft(reached, finite),
        "error": "" if finite else "a sample is not finite",
        "level": float(np.mean(levels)),
        "levels": levels.tolist(),
        "reached": float(reached.mean()),
        "diversity": _diversity(lab.network, draft.images) if finite else np.nan,
        "samples": [to_webp(image, settings.quality) for image in draft.images],
        "means": [to_webp(image, settings.quality) for image in draft.chain_means],
        "sample_activations": lab.plain_scores(draft.latents, vectors).tolist(),
        "gradients": record["gradients"] + len(draft.latents) * draft.gradients,
    }


def _status_of_draft(reached: np.ndarray, finite: bool) -> str:
    """Status of a unit whose chains are at the level or not, bool [chain]."""
    if not finite:
        return "failed"
    return "reached" if reached.all() else "off"


def _diversity(network: Network, images: np.ndarray) -> float:
    """Mean over pairs of samples of 1 - cosine of what the network sees in them; 0 for a single sample."""
    features = deep_features(network, images).astype(np.float64)
    features /= np.linalg.norm(features, axis=1, keepdims=True) + 1e-12
    pairs = np.triu_indices(len(features), 1)
    return float(np.mean(1 - (features @ features.T)[pairs])) if len(features) > 1 else 0.0
