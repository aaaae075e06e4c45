"""evaluate(): how good visualizations of a unit are, whoever made them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from samplevis.activation import Activation, default_param, make_activation
from samplevis.activation.features import channel_means, embedding_layer, place_layers
from samplevis.activation.image_scores import image_scores
from samplevis.activation.untransformed import untransformed
from samplevis.analysis.evaluation.diversity import diversity
from samplevis.analysis.evaluation.forced_choice import Queries, forced_choice
from samplevis.analysis.evaluation.level import level
from samplevis.analysis.evaluation.path_similarity import LayerFeatures, path_features, path_similarity
from samplevis.analysis.evaluation.perceptual_distance import perceptual_distance, perceptual_distances
from samplevis.analysis.evaluation.pictures import (
    Pictures,
    best_examples,
    random_phases,
    read_evaluated,
    read_examples,
    without_copies,
)
from samplevis.analysis.evaluation.plausibility import plausibility
from samplevis.analysis.evaluation.result import Evaluation, Metric
from samplevis.analysis.evaluation.transfer import transfer
from samplevis.network import Network, as_network
from samplevis.objectives import Objective
from samplevis.optimizers.ascent import AscentOptions, ascend, first_latents
from samplevis.results.checks import OFF_PATH
from samplevis.results.shares import Judge, judged
from samplevis.runs.judging import check_judge, expected_labels, fitting, unit_label
from samplevis.runtime import seeds
from samplevis.runtime.callbacks import Callback
from samplevis.runtime.checks import check_between
from samplevis.runtime.progress import Progress
from samplevis.sampling.level_scale import LevelScale, fresh_transforms, measure_scale

# Real pictures: the least, and the most that are read.
MIN_EXAMPLES, MAX_EXAMPLES = 64, 2000
# Those that do not excite the unit, for trials and as others.
MAX_WEAK = 200
# The judge's layers in which distances are measured, as many as LPIPS has, and pictures of which all pairs are compared.
DISTANCE_LAYERS, MAX_COMPARED = 5, 32
# Images and updates that find the upper end of the level's scale, as many as for `render`.
SCALE_IMAGES, SCALE_STEPS = 4, 128
NEEDS_JUDGE = "it needs judge, a network"


def evaluate(
    images: Any,
    model: Network | keras.Model,
    unit: Objective | str | Callable,
    *,
    examples: Any,
    judge: Judge | None = None,
    label: str | None = None,
    scale: LevelScale | None = None,
    image_size: tuple[int, int] | None = None,
    coverage: float = 0.9,
    seed: int = 0,
    progress: bool = True,
    callbacks: Sequence[Callback] = (),
) -> Evaluation:
    """Measures how good visualizations of a unit are: their level, transfer, plausibility, use to an observer, paths and diversity.

    Each figure has an interval, the value of a control that must do worse, and that of the unit's best dataset examples. Draws of
    one chain count as one independent picture. No figure stands for all: pictures that fool a network have a high level.

    Args:
      images: the pictures: `Samples`, what `optimize` returned, an array [N, H, W, C] in [0, 1], or a folder of pictures that any
        tool wrote. At least 2.
      model: the network that has the unit.
      unit: an objective, a string such as "fire9:10", or a function of the layer accessor `T`.
      examples: real pictures, at least 64, of which the first 2,000 are used: a folder, an array or a data set, as in `collect`.
        They are brought to the size of `images`; copies, and those that are among `images`, are left out. More of them make
        figures sharper.
      judge: another network, whose features and labels judge; or a function of images [N, H, W, C] that returns N labels, which can
        only name. Defaults to none, which leaves out what needs it.
      label: what the judge should see; several names are separated by "|". Defaults to the unit's label.
      scale: activations that are level 0 and level 1. Defaults to those of noise and of four images optimised in 128 steps.
      image_size: (height, width) to which files are center-cropped and resized. Defaults to the network's own size, or that of
        the files.
      coverage: of the intervals, in (0, 1). Defaults to 0.9.
      seed: int from 0 to 2**31 - 1. Defaults to 0.
      progress: whether to show a progress bar. Defaults to True.
      callbacks: list of `samplevis.Callback`, notified of the stages. Defaults to none.

    Returns:
      An `Evaluation`; print it.

    Raises:
      ValueError, TypeError: if an argument does not fit, before any work.
      OSError: if a folder or a file cannot be read.

    Example:
      >>> drawings, _ = modelzoo.shapes.draw(200, seed=0)
      >>> found = samplevis.optimize(modelzoo.Shapes(), "logits:star", batch=4, param=param.fourier(64), steps=32)
      >>> print(samplevis.evaluate(found, modelzoo.Shapes(), "logits:star", examples=drawings, judge=modelzoo.ShapesJudge()))
    """
    check_between("coverage", coverage, 1e-6, 1 - 1e-6)
    network, root = as_network(model), seeds.root(seed)
    judge = as_network(judge) if isinstance(judge, keras.Model) else judge
    pictures = read_evaluated(network, images, image_size)
    size = pictures.images.shape[1:-1]
    check_judge(judge, pictures.images.shape[1:])
    activation = make_activation(network, unit, default_param(network, size), "robust")
    activation.check_independent("evaluate")
    expected = expected_labels(label or unit_label(network, unit), judge)
    real = read_real(network, examples, pictures.images)
    setting = _Setting(activation, pictures, real, judge, expected, scale, coverage, root)
    metrics: dict[str, Metric] = {}
    skipped = dict(setting.skipped)
    measures = [(name, measure) for name, measure in _MEASURES.items() if name not in skipped]
    with Progress("evaluate", len(measures), "measure", callbacks or progress) as bar:
        for name, measure in measures:
            if bar.interrupted:
                skipped[name] = "interrupted"
                continue
            try:
                metrics[name] = measure(setting)
            except KeyboardInterrupt:
                if bar.insisted or not metrics:
                    raise
                skipped[name] = "interrupted"
                continue
            bar.update(1, **{name: metrics[name].value})
    count, independent = len(pictures.images), len(np.unique(pictures.groups))
    title = (
        f"{activation.objective} on {network.name}: {count} pictures, {independent} independent; {len(real)} examples"
    )
    return Evaluation(title, metrics, skipped, tuple(_warnings(metrics)), coverage)


def read_real(network: Network, examples: Any, images: np.ndarray) -> np.ndarray:
    """The real pictures that can be compared with: enough, of the size of the pictures, no copies, and none of the pictures.

    Args:
      network: the network.
      examples: as in `evaluate`.
      images: the pictures, [N, *image_shape].

    Returns:
      float32 [M, *image_shape] in [0, 1].

    Raises:
      ValueError, TypeError, OSError: as `evaluate`.
    """
    found = read_examples(network, examples, images.shape[1:-1], MAX_EXAMPLES)
    real = without_copies(found, images)
    if len(real) < MIN_EXAMPLES:
        copies = f", {len(found) - len(real)} of them copies or among images" * (len(real) < len(found))
        raise ValueError(f"examples: expected at least {MIN_EXAMPLES} real pictures. Received: {len(found)}{copies}")
    return real


def optimized_scale(activation: Activation, seed: tf.Tensor) -> LevelScale:
    """The ends of a unit's level: noise of the prior, and the best of a few optimised images.

    Args:
      activation: the unit, under the transforms that it is judged with.
      seed: int32 [2].

    Returns:
      A `LevelScale`, for `evaluate(scale=)`.
    """
    start = first_latents(activation.param, SCALE_IMAGES, None, seed)
    found = ascend(activation, start, AscentOptions(SCALE_STEPS, skip_nonfinite=True), seed)
    return measure_scale(activation, found.latents, seed)


@dataclasses.dataclass(frozen=True, eq=False)
class _Setting:
    """What the measures look at; what several need is computed once."""

    activation: Activation
    pictures: Pictures
    real: np.ndarray
    judge: Judge | None
    labels: frozenset[str]
    given_scale: LevelScale | None
    coverage: float
    seed: tf.Tensor

    @property
    def skipped(self) -> Iterator[tuple[str, str]]:
        """Measures that cannot be made, and why."""
        if not isinstance(self.judge, Network):
            yield from (
                (name, NEEDS_JUDGE) for name in ("plausibility", "forced_choice", "diversity", "perceptual_distance")
            )
        if self.judge is None:
            yield "transfer", NEEDS_JUDGE
        elif not self.labels:
            yield "transfer", "the unit or the judge has no labels; give label, what the judge should see"

    def rng(self, name: str) -> np.random.Generator:
        """Random numbers of a measure, which do not depend on the others."""
        return np.random.default_rng(seeds.fold(self.seed, name).numpy().astype(np.uint32))

    @cached_property
    def plain(self) -> Activation:
        """The unit without transforms."""
        return untransformed(self.activation)

    @cached_property
    def order(self) -> np.ndarray:
        """Numbers of the real pictures, the one that excites the unit most first."""
        return np.argsort(-self.real_scores, kind="stable")

    @cached_property
    def real_scores(self) -> np.ndarray:
        """Activations of the real pictures, without transforms."""
        return image_scores(self.plain, self.real)

    @property
    def num_best(self) -> int:
        """Real pictures that are the unit's best."""
        return best_examples(len(self.real))

    @property
    def own(self) -> np.ndarray:
        """Every second one of the unit's best: what they are compared with."""
        return self.order[1 : self.num_best : 2]

    @property
    def best(self) -> np.ndarray:
        """The others of the unit's best: what the pictures could be."""
        return self.order[0 : self.num_best : 2]

    @cached_property
    def weak(self) -> np.ndarray:
        """Real pictures of the lower half, drawn at random."""
        return self.rng("weak").permutation(self.order[len(self.order) // 2 :])[:MAX_WEAK]

    @cached_property
    def scrambled(self) -> np.ndarray:
        """The pictures with random phases."""
        return random_phases(self.pictures.images, self.rng("phases"))

    @cached_property
    def features(self) -> np.ndarray:
        """What the judge sees in the pictures."""
        return self.seen(self.pictures.images)

    @cached_property
    def real_features(self) -> np.ndarray:
        """What it sees in the real ones."""
        return self.seen(self.real)

    @cached_property
    def strong(self) -> np.ndarray:
        """Whether each picture excites the unit as much as the last of its best examples does."""
        return image_scores(self.plain, self.pictures.images) >= self.real_scores[self.order[self.num_best - 1]]

    def copies(self, count: int) -> np.ndarray:
        """The first picture under random transforms."""
        repeated = tf.repeat(tf.constant(self.pictures.images[:1]), count, axis=0)
        return np.clip(self.activation.transform(repeated, seeds.fold(self.seed, "copies")).numpy(), 0, 1)

    def seen(self, images: np.ndarray) -> np.ndarray:
        """The judge's features, which nothing optimised."""
        layer = embedding_layer(self.judge)
        return channel_means(self.judge, fitting(self.judge, images), (layer,))[layer]

    def scale(self) -> LevelScale:
        """The ends of the level's scale."""
        if self.given_scale is not None:
            return self.given_scale
        return optimized_scale(self.activation, self.seed)


def _level(setting: _Setting) -> Metric:
    bank = fresh_transforms(setting.activation, setting.seed)
    pictures, groups = setting.pictures
    sets = (pictures, setting.scrambled, setting.real[setting.best])
    scores, control, best = (image_scores(setting.activation, images, bank) for images in sets)
    return level(scores, groups, control, best, setting.scale(), setting.coverage, setting.rng("level"))


def _transfer(setting: _Setting) -> Metric:
    sets = (setting.pictures.images, setting.scrambled, setting.real[setting.best])
    named = (np.isin(judged(setting.judge, fitting(setting.judge, images)), list(setting.labels)) for images in sets)
    found, control, best = named
    label = " or ".join(sorted(setting.labels))
    return transfer(found, setting.pictures.groups, control, best, label, setting.coverage)


def _plausibility(setting: _Setting) -> Metric:
    rng, real = setting.rng("plausibility"), setting.real_features
    count = max(len(setting.pictures.images), len(setting.best))
    control = setting.seen(random_phases(setting.real[rng.permutation(len(real))[:count]], rng))
    groups = setting.pictures.groups
    return plausibility(setting.features, groups, real, control, setting.best, setting.coverage, rng)


def _forced_choice(setting: _Setting) -> Metric:
    queries = Queries(setting.own, setting.weak, setting.best)
    rng = setting.rng("forced choice")
    return forced_choice(
        setting.features, setting.pictures.groups, setting.real_features, queries, setting.coverage, rng
    )


def _path(setting: _Setting) -> Metric:
    real, pictures = (setting.real[which] for which in (setting.own, setting.best, setting.weak)), setting.pictures
    images = LayerFeatures(pictures.images, *real, setting.scrambled)
    features = path_features(setting.activation.network, setting.activation.objective, images)
    return path_similarity(features, pictures.groups, setting.coverage, setting.rng("path"))


def _diversity(setting: _Setting) -> Metric:
    # As many of each, since the figure grows with their number.
    count = max(int(setting.strong.sum()), 1)
    groups, real = setting.pictures.groups, setting.real_features
    copies, best = setting.seen(setting.copies(count)), real[setting.order[: min(count, setting.num_best)]]
    return diversity(setting.features, groups, setting.strong, real, copies, best, setting.coverage)


def _perceptual_distance(setting: _Setting) -> Metric:
    images, groups = setting.pictures
    chosen = np.sort(setting.rng("distance").permutation(len(images))[:MAX_COMPARED])
    count = len(chosen)
    sets = (images[chosen], setting.copies(count), setting.real[setting.order[: min(count, setting.num_best)]])
    found, copies, best = (_distances(setting.judge, each) for each in sets)
    return perceptual_distance(found, groups[chosen], setting.strong[chosen], copies, best, setting.coverage)


def _distances(judge: Network, images: np.ndarray) -> np.ndarray:
    """Distances of all pairs of images to the judge."""
    found = judge.activations(fitting(judge, images), place_layers(judge, DISTANCE_LAYERS))
    return perceptual_distances(values.numpy() for values in found.values())


_MEASURES: dict[str, Callable[[_Setting], Metric]] = {
    "level": _level,
    "transfer": _transfer,
    "plausibility": _plausibility,
    "forced_choice": _forced_choice,
    "path_similarity": _path,
    "diversity": _diversity,
    "perceptual_distance": _perceptual_distance,
}


def _warnings(metrics: dict[str, Metric]) -> Iterator[str]:
    """What speaks against the pictures."""
    path, choice = metrics.get("path_similarity"), metrics.get("forced_choice")
    if path is not None and path.high < OFF_PATH:
        yield (
            f"Path similarity says that the pictures are off the network's usual paths ({path.value:.2f}; 1 is the unit's real "
            f"pictures, 0 others): {path.text}. What they show may not be what excites the unit in real pictures."
        )
    if choice is not None and not choice.low > 0.5:
        yield f"The pictures do not tell which real pictures excite the unit: {choice.text}."
