"""Ways to visualize a unit, each with its cost in gradients: the rows of benchmarks/leaderboard.py and benchmarks/fooling.py."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

import samplevis
from samplevis import Network, objectives, param, recipes, transform
from samplevis.activation.features import feature_layer
from samplevis.analysis.prior_checks import prior_images
from samplevis.runtime import seeds

# Gradients of an image that optimisers get. Lucid's weight of diversity is 100 for the mean of a channel; this is for logits.
BUDGET, DIVERSITY = 256, 3.0
# What the samplers get: smaller than the defaults of `render`. Their gradients are counted, and are more than the optimisers'.
ANNEAL_STEPS, NUM_TRANSFORMS, MEAN_TRANSITIONS = 150, 4, 12
OCTAVES = (0.6, 0.8, 1.0)


class Case(NamedTuple):
    """What is visualized.

    Attributes:
      network: that has the unit.
      unit: such as "logits:star".
      size: side of the images in pixels.
      count: of the images.
      examples: real pictures of that size, the most active first, [M, size, size, 3].
      seed: of everything that is random.
    """

    network: Network
    unit: str
    size: int
    count: int
    examples: np.ndarray
    seed: int


class Made(NamedTuple):
    """Pictures, as `evaluate` takes them, and gradients of the network per picture."""

    images: Any
    gradients: float


def from_prior(case: Case) -> Made:
    """The floor: noise of the default prior."""
    return Made(prior_images(param.fourier(case.size), case.count, seeds.root(case.seed)), 0)


def optimised(case: Case) -> Made:
    """Lucid's way."""
    return _optimised(case, case.unit)


def diverse(case: Case) -> Made:
    """Lucid's way, less the similarity of the images."""
    unit = objectives.as_objective(case.unit) - DIVERSITY * objectives.diversity(feature_layer(case.network))
    return _optimised(case, unit)


def maco(case: Case) -> Made:
    """Magnitude-constrained optimisation, under its own transforms."""
    prior = param.maco(param.fourier(case.size, contrast=1.0))
    crops = [transform.shift(case.size // 2), transform.random_scale([1, 1.5, 2, 3]), transform.noise(0.1)]
    return _optimised(case, case.unit, param=prior, transforms=crops)


def deep_dream(case: Case) -> Made:
    """Octaves from faint noise."""
    sizes = [round(share * case.size) for share in OCTAVES]
    steps = BUDGET // len(sizes)
    images = [
        recipes.deep_dream(
            case.network, case.unit, octaves=sizes, steps=steps, seed=case.seed * case.count + i, progress=False
        ).image
        for i in range(case.count)
    ]
    return Made(np.stack(images), steps * len(sizes))


def accentuated(case: Case) -> Made:
    """Variants of a real picture of average activation."""
    photo = case.examples[len(case.examples) // 2]
    found = recipes.accentuate(case.network, case.unit, photo, **_sampling(case))
    return Made(found.samples, found.samples.gradients)


def sampled(prior: Callable[[int], param.Parameterization]) -> Callable[[Case], Made]:
    """Draws of a prior, one of each chain."""

    def make(case: Case) -> Made:
        samples = _render(case, prior(case.size))
        return Made(samples, samples.gradients)

    return make


def chain_means(case: Case) -> Made:
    """Means of chains under the default prior, over more transitions than the one that a draw needs."""
    samples = _render(case, param.fourier(case.size), MEAN_TRANSITIONS)
    return Made(samples.chain_means, samples.gradients)


def best_examples(case: Case) -> Made:
    """The ceiling: real pictures, every second one of the best, which leaves the others to be compared with."""
    return Made(case.examples[: 2 * case.count : 2], 0)


ROWS: dict[str, Callable[[Case], Made]] = {
    "draws of the prior": from_prior,
    "optimised": optimised,
    "optimised, diversity": diverse,
    "deep dream": deep_dream,
    "MACO": maco,
    "accentuation": accentuated,
    "samples, fourier": sampled(param.fourier),
    "samples, pyramid": sampled(param.pyramid),
    "chain means, fourier": chain_means,
    "best dataset examples": best_examples,
}


def _optimised(case: Case, unit: Any, **settings: Any) -> Made:
    settings = {"param": param.fourier(case.size)} | settings
    found = samplevis.optimize(
        case.network, unit, batch=case.count, steps=BUDGET, seed=case.seed, progress=False, **settings
    )
    return Made(found.images, BUDGET)


def _sampling(case: Case, transitions: int = 1) -> dict[str, Any]:
    options = dict(num_chains=case.count, num_results=transitions, num_transforms=NUM_TRANSFORMS)
    return dict(hmc_opts=options, anneal_steps=ANNEAL_STEPS, seed=case.seed, progress=False)


def _render(case: Case, prior: param.Parameterization, transitions: int = 1) -> samplevis.Samples:
    return samplevis.render(case.network, case.unit, param=prior, **_sampling(case, transitions))
