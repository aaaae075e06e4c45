"""Ways to visualize a unit, each with its cost in gradients: the rows of benchmarks/leaderboard.py and benchmarks/fooling.py."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np

import samplevis
from benchmarks.known_truth import PRIORS, narrow_edge
from samplevis import Network, objectives, param, recipes, transform
from samplevis.activation import make_activation
from samplevis.activation.features import feature_layer, place_layers
from samplevis.activation.image_scores import image_scores
from samplevis.analysis.evaluation.pictures import best_examples
from samplevis.analysis.prior_checks import prior_images
from samplevis.results.optimized import Optimized
from samplevis.runs.evaluation import optimized_scale
from samplevis.runtime import seeds
from samplevis.sampling.level_scale import LevelScale, fresh_transforms

# Gradients of an image that optimisers get. Lucid's weight of diversity is 100 for the mean of a channel; this is for logits.
BUDGET, DIVERSITY = 256, 3.0
# Where optimisers are stopped: the mean level of samples of the default prior over the three networks; and when they are looked at.
STOP_LEVEL, STOPS = 0.6, (4, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, BUDGET)
# What the samplers get: smaller than the defaults of `render`. Their gradients are counted, and are more than the optimisers'.
ANNEAL_STEPS, NUM_TRANSFORMS, MEAN_TRANSITIONS = 150, 4, 12
# Of the optimised picture that a chain starts from, which `Samples.gradients` leaves out: 128, and 32 on the network as it is.
START_GRADIENTS = 160
# The best real pictures, whose activation is asked for where the level is theirs.
EXAMPLES_SHARE = 0.1
OCTAVES = (0.6, 0.8, 1.0)
# VITAL's, as published for images of 224 pixels and 2,000 steps: layers, jitter and warm-up.
VITAL_LAYERS, VITAL_JITTER, VITAL_WARMUP = 5, 30 / 224, 100 / 2000


class Unavailable(Exception):
    """A way that there is not for a network, or not here; the message says why."""


class Case(NamedTuple):
    """What is visualized.

    Attributes:
      network: that has the unit.
      unit: such as "logits:star".
      size: side of the images in pixels.
      count: of the images.
      examples: real pictures of that size, the most active first, [M, size, size, 3].
      measured: prior with their spectrum and colours, the same for all units: they share compiled code.
      scale: activations that are level 0 and level 1.
      seed: of everything that is random.
    """

    network: Network
    unit: str
    size: int
    count: int
    examples: np.ndarray
    measured: param.Parameterization
    scale: LevelScale
    seed: int


def case_of(
    network: Network, unit: str, size: int, count: int, real: np.ndarray, measured: param.Parameterization
) -> Case:
    """A case with seed 0, what all ways need of it computed once.

    Args:
      network: that has the unit.
      unit: such as "logits:star".
      size: side of the images in pixels.
      count: of the images.
      real: real pictures of that size, [M, size, size, 3].
      measured: prior with their spectrum and colours.

    Returns:
      A `Case`.
    """
    seed, prior = 0, param.fourier(size)
    plain, robust = (make_activation(network, unit, prior, transforms) for transforms in (None, "robust"))
    examples = real[np.argsort(-image_scores(plain, real), kind="stable")]
    return Case(network, unit, size, count, examples, measured, optimized_scale(robust, seeds.root(seed)), seed)


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


def longer(case: Case) -> Made:
    """Lucid's way, with as many gradients as samples get."""
    return _optimised(case, case.unit, 2 * BUDGET)


def stopped(case: Case) -> Made:
    """Lucid's way, each picture as soon as it is as active as samples are."""
    prior = param.fourier(case.size)
    found = _optimised_result(case, case.unit, param=prior, thresholds=STOPS)
    activation = make_activation(case.network, case.unit, prior, "robust")
    bank = fresh_transforms(activation, seeds.fold(seeds.root(case.seed), "stop"))
    images = np.stack([found.snapshots[stop] for stop in STOPS])
    scores = np.stack([image_scores(activation, each, bank) for each in images])
    reached = case.scale.levels(scores) >= STOP_LEVEL
    # The last one reaches what there is to reach.
    reached[-1] = True
    first = reached.argmax(axis=0)
    return Made(images[first, np.arange(case.count)], float(np.take(STOPS, first).mean()))


def maco(case: Case) -> Made:
    """Magnitude-constrained optimisation: the mean spectrum of real pictures, and its authors' optimiser."""
    return _optimised(
        case,
        case.unit,
        param=param.maco(case.measured),
        transforms=_crops(case),
        optimizer=keras.optimizers.Nadam(1.0),
    )


def maco_without_pictures(case: Case) -> Made:
    """Magnitude-constrained optimisation under a 1/f spectrum, with the optimiser of the other rows."""
    return _optimised(
        case, case.unit, param=param.maco(param.fourier(case.size, contrast=1.0)), transforms=_crops(case)
    )


def _crops(case: Case) -> list[transform.Transform]:
    """MACO's transforms."""
    return [transform.shift(case.size // 2), transform.random_scale([1, 1.5, 2, 3]), transform.noise(0.1)]


def vital(case: Case) -> Made:
    """VITAL's matching of features, with its published settings, but for fewer steps: 2,000 there. It looks at real pictures."""
    # Every second one of the unit's best: `evaluate` compares with the others.
    best = case.examples[: best_examples(len(case.examples)) : 2]
    warmup = round(VITAL_WARMUP * BUDGET)
    rate = keras.optimizers.schedules.CosineDecay(0.0, BUDGET - warmup, warmup_target=1.0, warmup_steps=warmup)
    return _optimised(
        case,
        objectives.match_features(place_layers(case.network, VITAL_LAYERS), best),
        param=param.pixel(case.size),
        transforms=[transform.shift(round(VITAL_JITTER * case.size))],
        optimizer=keras.optimizers.Adam(rate, beta_1=0.5, beta_2=0.9),
    )


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
    return Made(found.samples, START_GRADIENTS + found.samples.gradients)


def sampled(prior: Callable[[Case], param.Parameterization]) -> Callable[[Case], Made]:
    """Draws under a prior, one of each chain."""

    def make(case: Case) -> Made:
        samples = _render(case, prior(case))
        return Made(samples, START_GRADIENTS + samples.gradients)

    return make


def drawings_flow(case: Case) -> param.Parameterization:
    """The prior that learned the drawings of the bundled networks."""
    if case.network.name not in ("Shapes", "FoolingShapes"):
        raise Unavailable("there is no learned prior of photographs")
    return PRIORS["flow"]()


def drawn_at_the_examples_level(prior: Callable[[Case], param.Parameterization]) -> Callable[[Case], Made]:
    """Independent draws of a prior that reach the activation of the best tenth of the real pictures, by rejection."""

    def make(case: Case) -> Made:
        asked = dict(param=prior(case), transforms=None, smooth=None)
        scores = image_scores(make_activation(case.network, case.unit, asked["param"], None), case.examples)
        density = narrow_edge(scores, float(np.quantile(scores, 1 - EXAMPLES_SHARE)))
        options = dict(kernel="rejection", num_chains=case.count, num_results=1, num_transforms=1)
        try:
            samples = samplevis.render(
                case.network, case.unit, options, density=density, seed=case.seed, progress=False, **asked
            )
        except RuntimeError as error:  # Too few draws of the prior are that active.
            raise Unavailable(f"real pictures excite the unit too much for this prior: {error}") from error
        return Made(samples, 0)

    return make


def chain_means(case: Case) -> Made:
    """Means of chains under the default prior, over more transitions than the one that a draw needs."""
    samples = _render(case, param.fourier(case.size), MEAN_TRANSITIONS)
    return Made(samples.chain_means, START_GRADIENTS + samples.gradients)


def dataset_examples(case: Case) -> Made:
    """The ceiling: real pictures, every second one of the best, which leaves the others to be compared with."""
    return Made(case.examples[: 2 * case.count : 2], 0)


ROWS: dict[str, Callable[[Case], Made]] = {
    "draws of the prior": from_prior,
    "optimised": optimised,
    "optimised, diversity": diverse,
    "optimised, 512 steps": longer,
    "optimised, stopped": stopped,
    "deep dream": deep_dream,
    "MACO": maco,
    "VITAL": vital,
    "accentuation": accentuated,
    "samples, fourier": sampled(lambda case: param.fourier(case.size)),
    "samples, pyramid": sampled(lambda case: param.pyramid(case.size)),
    "samples, measured": sampled(lambda case: case.measured),
    "samples, flow": sampled(drawings_flow),
    "samples, flow, level of drawings": drawn_at_the_examples_level(drawings_flow),
    "chain means, fourier": chain_means,
    "best dataset examples": dataset_examples,
}


# Other settings of a way, for benchmarks/fooling.py.
VARIANTS: dict[str, Callable[[Case], Made]] = {
    "MACO, 1/f spectrum": maco_without_pictures,
    "samples, fourier, level of drawings": drawn_at_the_examples_level(lambda case: param.fourier(case.size)),
}


def picture_file(folder: Path, *names: str) -> Path:
    """The file for pictures of that network, row and unit; names may have spaces and slashes."""
    return folder / f"{'-'.join(names)}.png".replace("/", "-").replace(" ", "-")


def first_pictures(file: Path) -> np.ndarray:
    """The first row, of three, of a file with eight or nine pictures."""
    found = samplevis.export.load_image(file)
    return found[: len(found) // 3]


def _optimised(case: Case, unit: Any, steps: int = BUDGET, **settings: Any) -> Made:
    return Made(_optimised_result(case, unit, steps, **settings).images, steps)


def _optimised_result(case: Case, unit: Any, steps: int = BUDGET, **settings: Any) -> Optimized:
    settings = {"param": param.fourier(case.size)} | settings
    return samplevis.optimize(
        case.network, unit, batch=case.count, steps=steps, seed=case.seed, progress=False, **settings
    )


def _sampling(case: Case, transitions: int = 1) -> dict[str, Any]:
    options = dict(num_chains=case.count, num_results=transitions, num_transforms=NUM_TRANSFORMS)
    return dict(hmc_opts=options, anneal_steps=ANNEAL_STEPS, seed=case.seed, progress=False)


def _render(case: Case, prior: param.Parameterization, transitions: int = 1) -> samplevis.Samples:
    return samplevis.render(case.network, case.unit, param=prior, **_sampling(case, transitions))
