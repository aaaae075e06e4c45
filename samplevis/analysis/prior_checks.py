"""check_prior(): whether the draws of a prior are like pictures."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from samplevis.activation import make_activation
from samplevis.activation.features import deep_features
from samplevis.activation.image_scores import image_scores
from samplevis.analysis.prior_pictures import read_pictures
from samplevis.analysis.two_samples import classifier_accuracy, mmd_and_band, nearest_distances, ring_power
from samplevis.network import Network, as_network
from samplevis.param import Parameterization
from samplevis.param.base import check_base
from samplevis.results.shares import Judge, judged
from samplevis.runtime import seeds
from samplevis.runtime.checks import check_whole
from samplevis.runtime.progress import Progress
from samplevis.sampling.compositions import thumbnails

# Where a figure turns bad. Ratio of powers in a ring; difference of a channel's mean or deviation; accuracy of the classifier;
# difference of a label's shares; share of the draws that reach what a tenth of the pictures reach; distance to the nearest
# training picture over that of pictures that were not learned from.
MAX_POWER_RATIO, MAX_COLOR, MAX_ACCURACY, MAX_SHARE, MIN_REACH, MIN_DISTANCE = 1.25, 0.03, 0.65, 0.03, 0.05, 0.75
# What the best tenth of the pictures reaches, and standard errors that chance is given.
REACH_QUANTILE, ERRORS = 0.9, 3.0
BATCH_SIZE, MIN_COMPARED, MAX_TRAINING = 64, 64, 20_000


@dataclasses.dataclass(frozen=True)
class Finding:
    """One comparison of draws and pictures.

    Attributes:
      name: what was compared.
      value: of the draws.
      limit: beyond which the draws are not like the pictures.
      passed: whether they are.
      text: the comparison in words.
    """

    name: str
    value: float
    limit: float
    passed: bool
    text: str


@dataclasses.dataclass(frozen=True, eq=False)
class PriorCheck:
    """What `check_prior` found; printing it shows every comparison and the verdict.

    Attributes:
      findings: the comparisons.
      prior: the prior; one with a `verdict` (`param.flow`) carries it, and `render` repeats it.
      draws: float32 [N, *image_shape], the draws that were compared.

    Example:
      >>> check = samplevis.check_prior(prior, pictures, judge=modelzoo.ShapesJudge())
      >>> check.passed
      True
    """

    findings: tuple[Finding, ...]
    prior: Parameterization
    draws: np.ndarray

    @property
    def passed(self) -> bool:
        """Whether nothing speaks against the prior."""
        return all(finding.passed for finding in self.findings)

    @property
    def verdict(self) -> str:
        """Whether its draws are like the pictures, in words."""
        return _verdict(self.findings)

    def __getitem__(self, name: str) -> Finding:
        """The finding of that name."""
        return next(finding for finding in self.findings if finding.name == name)

    def __str__(self) -> str:
        width = max(len(finding.name) for finding in self.findings)
        lines = [f"{' ' if f.passed else '!'} {f.name:<{width}}  {f.text}" for f in self.findings]
        return "\n".join([*lines, self.verdict])


def check_prior(
    prior: Parameterization,
    pictures: Any,
    *,
    network: Network | keras.Model | None = None,
    judge: Judge | None = None,
    units: Sequence[Any] = (),
    training: np.ndarray | None = None,
    draws: int = 1000,
    seed: int = 0,
    progress: bool = False,
) -> PriorCheck:
    """Compares draws of a prior with pictures, and says in words whether they are alike.

    Spectrum; colours; maximum mean discrepancy in a network's features, beside that of two halves of the pictures; a classifier
    that tries to tell them apart; shares of a judge's labels; whether draws reach the activations that the best tenth of the
    pictures reaches; whether draws repeat training pictures. A prior that is not trained enough has the colours of the
    pictures and not their shapes: features, labels and reach find that.

    Args:
      prior: of pictures of a fixed size, such as `param.flow("prior.keras")`.
      pictures: a folder, an array [N, H, W, C] or a data set, as in `fit_prior`; not those that it was trained on. At least 64;
        twice as many as `draws` for the sharpest comparison.
      network: whose features are compared. Defaults to none: thumbnails of 8 x 8 cells are, which see composition and colour only.
      judge: who names what is in an image, as in `Samples.shares`. Defaults to none.
      units: objectives on `network` whose reach is asked for, such as "logits:star|stripes". Defaults to none.
      training: pictures that the prior was trained on, [N, H, W, C] in [0, 1]; the first 20,000 are searched. Defaults to none.
      draws: of the prior, >= 64. Defaults to 1000.
      seed: int from 0 to 2**31 - 1. Defaults to 0.
      progress: whether to show a progress bar. Defaults to False.

    Returns:
      A `PriorCheck`.

    Raises:
      ValueError, TypeError: if an argument is out of range, or there are too few pictures.

    Example:
      >>> pictures, _ = modelzoo.shapes.draw(200, seed=0, size=32)
      >>> check = samplevis.check_prior(samplevis.param.fourier(32), pictures, judge=modelzoo.ShapesJudge(), draws=100)
      >>> check["labels"].passed
      False
    """
    check_base(prior, "prior")
    check_whole("draws", draws, MIN_COMPARED)
    root = seeds.root(seed)
    network = None if network is None else as_network(network)
    if units and network is None:
        raise ValueError("units: expected with network, whose units they are")
    pictures = _pictures(pictures, prior.image_shape)
    images = prior_images(prior, draws, root, progress)
    findings = [*_of_pixels(images, pictures), *_of_features(network, images, pictures)]
    if judge is not None:
        findings.append(_labels(judged(judge, images), judged(judge, pictures)))
    for unit in units:
        findings.append(_reach(_activation(network, unit, prior), str(unit), images, pictures))
    if training is not None:
        findings.append(_memory(images, pictures, np.asarray(training, np.float32)[:MAX_TRAINING]))
    marked = dataclasses.replace(prior, verdict=_verdict(findings)) if hasattr(prior, "verdict") else prior
    return PriorCheck(tuple(findings), marked, images)


def prior_images(prior: Parameterization, count: int, seed: tf.Tensor, progress: bool = False) -> np.ndarray:
    """Images of draws of a prior.

    Args:
      prior: the prior.
      count: of images.
      seed: int32 tensor of shape [2].
      progress: whether to show a progress bar. Defaults to False.

    Returns:
      float32 [count, *image_shape].
    """
    image, found = tf.function(prior.image, autograph=False), []
    with Progress("sample", count, "draw", progress) as bar:
        for first in range(0, count, BATCH_SIZE):
            found.append(image(prior.prior(seeds.fold(seed, "check", first), BATCH_SIZE)).numpy())
            bar.update(min(BATCH_SIZE, count - first))
            if bar.interrupted:
                raise KeyboardInterrupt(f"stopped after {bar.done} of {count} draws")
    return np.concatenate(found)[:count]


def _verdict(findings: Sequence[Finding]) -> str:
    wrong = [finding.text for finding in findings if not finding.passed]
    if wrong:
        return f"The draws of this prior are not like the pictures: {'; '.join(wrong)}."
    return f"The draws of this prior are like the pictures, by all of {len(findings)} comparisons."


def _pictures(pictures: Any, shape: tuple[int, ...]) -> np.ndarray:
    """Pictures of the prior's size, float32."""
    *size, channels = shape
    if not (isinstance(pictures, np.ndarray) and pictures.dtype.kind == "f" and pictures.shape[1:] == shape):
        pixels = read_pictures(pictures, tuple(size), channels, MAX_TRAINING)
        top, left = ((side - part) // 2 for side, part in zip(pixels.shape[1:3], size, strict=True))
        pictures = np.float32(1 / 255) * pixels[:, top : top + size[0], left : left + size[1]]
    if len(pictures) < MIN_COMPARED:
        raise ValueError(f"pictures: expected at least {MIN_COMPARED} to compare with. Received: {len(pictures)}")
    return np.asarray(pictures, np.float32)


def _of_pixels(draws: np.ndarray, pictures: np.ndarray) -> Iterator[Finding]:
    """Spectrum and colours."""
    yield _spectrum(ring_power(draws), ring_power(pictures))
    gaps = []
    for of in (np.mean, np.std):
        values = [of(images, axis=(1, 2)) for images in (draws, pictures)]
        error = np.sqrt(sum(v.var(0) / len(v) for v in values))
        gap = np.abs(values[0].mean(0) - values[1].mean(0))
        gaps.append((float(gap.max()), float(ERRORS * error[gap.argmax()])))
    gap, chance = max(gaps)
    limit = max(MAX_COLOR, chance)
    yield Finding("colours", gap, limit, gap <= limit, f"means or contrasts of the colours differ by {gap:.3f}")


def _spectrum(draws: np.ndarray, pictures: np.ndarray) -> Finding:
    """The ring of frequencies whose power differs most beyond its limit, [N, ring] and [M, ring]."""
    means = [power.mean(0) for power in (draws, pictures)]
    gaps = np.abs(np.log(means[0] / means[1]))
    # The standard error of a logarithm is that of the mean over the mean.
    errors = np.sqrt(sum(p.var(0) / len(p) / m**2 for p, m in zip((draws, pictures), means, strict=True)))
    limits = np.maximum(np.log(MAX_POWER_RATIO), ERRORS * errors)
    worst = np.argmax(gaps / limits)
    ratio, limit = float(np.exp(gaps[worst])), float(np.exp(limits[worst]))
    return Finding(
        "spectrum", ratio, limit, ratio <= limit, f"the power of some frequencies differs by a factor of {ratio:.2f}"
    )


def _of_features(network: Network | None, draws: np.ndarray, pictures: np.ndarray) -> Iterator[Finding]:
    """Distance in features, and the classifier."""
    what = "thumbnails" if network is None else f"the features of {network.name}"
    ours, theirs = (_features(network, images) for images in (draws, pictures))
    found, band = mmd_and_band(ours, theirs)
    text = f"the squared MMD in {what} is {found:.2g}, that of two halves of the pictures at most {band:.2g}"
    yield Finding("features", found, band, found <= band, text)
    accuracy = classifier_accuracy(ours, theirs)
    chance = 0.5 + ERRORS * 0.5 / np.sqrt(2 * min(len(ours), len(theirs)))
    limit = max(MAX_ACCURACY, chance)
    text = f"a classifier tells draws from pictures in {accuracy:.0%} of the cases"
    yield Finding("classifier", accuracy, limit, accuracy <= limit, text)


def _features(network: Network | None, images: np.ndarray) -> np.ndarray:
    """Features of a network, or the cells of thumbnails: [N, H, W, C] -> [N, features]."""
    return thumbnails(images[None])[0].reshape(len(images), -1) if network is None else deep_features(network, images)


def _labels(draws: np.ndarray, pictures: np.ndarray) -> Finding:
    """The label whose shares differ most."""
    names = np.unique(np.concatenate([draws, pictures]))
    ours, theirs = (np.array([(labels == name).mean() for name in names]) for labels in (draws, pictures))
    gaps = np.abs(ours - theirs)
    worst = int(gaps.argmax())
    pooled = (ours[worst] + theirs[worst]) / 2
    chance = ERRORS * np.sqrt(pooled * (1 - pooled) * (1 / len(draws) + 1 / len(pictures)))
    limit = max(MAX_SHARE, float(chance))
    text = f"{ours[worst]:.1%} of the draws are called {str(names[worst])!r}, {theirs[worst]:.1%} of the pictures"
    return Finding("labels", float(gaps[worst]), limit, bool(gaps[worst] <= limit), text)


def _activation(network: Network, unit: Any, prior: Parameterization) -> Callable[[np.ndarray], np.ndarray]:
    """Images [N, ...] -> activation of a unit, [N]."""
    found = make_activation(network, unit, prior, None)
    return lambda images: image_scores(found, images)


def _reach(score: Callable[[np.ndarray], np.ndarray], unit: str, draws: np.ndarray, pictures: np.ndarray) -> Finding:
    """Whether the draws reach what the best tenth of the pictures reaches."""
    level = np.quantile(score(pictures), REACH_QUANTILE)
    share, expected = float(np.mean(score(draws) >= level)), 1 - REACH_QUANTILE
    chance = expected - ERRORS * np.sqrt(expected * (1 - expected) * (1 / len(draws) + 1 / len(pictures)))
    limit = min(MIN_REACH, max(float(chance), 0.0))
    text = f"{share:.1%} of the draws excite {unit} as much as the best tenth of the pictures"
    return Finding(f"reach of {unit}", share, limit, share >= limit, text)


def _memory(draws: np.ndarray, pictures: np.ndarray, training: np.ndarray) -> Finding:
    """Whether draws are nearer to training pictures than other pictures are."""
    ours, theirs = (float(np.median(nearest_distances(images, training))) for images in (draws, pictures[: len(draws)]))
    ratio = ours / max(theirs, 1e-9)
    text = f"the nearest training picture is {ratio:.2f} times as far from a draw as from a picture that was not learned from"
    return Finding("memory", ratio, MIN_DISTANCE, ratio >= MIN_DISTANCE, text)
