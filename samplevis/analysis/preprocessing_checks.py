"""Checks of a declared preprocessing: the network's responses are compared with those under the usual alternatives.

No check knows the right answer; each says when it cannot tell.

- `normalization`: the first batch normalization has stored the mean and variance of its input in training.
- `scale`: without one, biases and class scores detect images that are far too faint or far too strong.
- `colors`: ImageNet classes of orange or blue things detect the order of the channels, and often the range.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Literal, TypeAlias, TypeVar

import numpy as np
import tensorflow as tf

from samplevis.analysis import imagenet_colors
from samplevis.network import Network, batch_statistics, preprocessing
from samplevis.network.batch_statistics import first_normalization, is_untrained
from samplevis.network.inference import NEAR, TIMES, WORSE
from samplevis.network.preprocessing import Preprocessing
from samplevis.network.sources.functions import kinds

Figure = TypeVar("Figure")

Verdict: TypeAlias = Literal["fits", "looks wrong", "cannot tell"]
FITS, WRONG, CANNOT_TELL = "fits", "looks wrong", "cannot tell"
# Share of a layer's growth that comes from its input: nearly none if biases outweigh the images, nearly all otherwise.
FAINT, STRONG = 0.25, 0.75
GAIN = 1.01
# Nats by which the best class leads on noise: a few if images have the right strength, hundreds if they are far too strong.
SURE, CALM = 30.0, 10.0
# Welch's t between the responses of orange and of blue classes to a tint. By chance, |t| > 5 occurs once in 100,000.
COLORFUL = 5.0
# An alternative is better if its contrast of these classes is larger by this t, class by class, and the declared one's contrast
# is less than this share of it. Measured in SqueezeNet, with its first layer adapted to each preprocessing in turn: the right one
# has a share of at least 0.86, and one without the mean at most 0.5.
APART, SHARE = 3.0, 2 / 3
TINT = 0.15
MIN_CLASSES = 10


@dataclasses.dataclass(frozen=True)
class PreprocessingCheck:
    """The result of one check.

    Attributes:
      check: "normalization", "scale" or "colors".
      verdict: "fits", "looks wrong" or "cannot tell".
      text: what was compared, with the figures.
      figures: name of a preprocessing -> its figure, "declared" first; `text` says what the figure is.
      better: a preprocessing that fits much better, if the verdict is "looks wrong".
    """

    check: Literal["normalization", "scale", "colors"]
    verdict: Verdict
    text: str
    figures: dict[str, float] = dataclasses.field(default_factory=dict)
    better: Preprocessing | None = None

    def __str__(self) -> str:
        return f"{self.check}: {self.verdict}. {self.text}"


def run_checks(network: Network, images: np.ndarray) -> list[PreprocessingCheck]:
    """Runs all checks of a network's declared preprocessing.

    Args:
      network: the network, with the preprocessing to check.
      images: float array [n, H, W, channels] in [0, 1] of a size that the network takes.

    Returns:
      The result of each check.

    Example:
      >>> import numpy as np
      >>> from samplevis import modelzoo
      >>> from samplevis.analysis.preprocessing_checks import run_checks
      >>> images = np.random.default_rng(0).uniform(size=(8, 64, 64, 3))
      >>> [check.check for check in run_checks(modelzoo.Shapes(), images)]
      ['normalization', 'scale', 'colors']
    """
    checks = (normalization, scale, colors)
    return [check(network, tf.constant(images, tf.float32)) for check in checks]


def normalization(network: Network, images: tf.Tensor) -> PreprocessingCheck:
    """Compares the input of the first batch normalization with its stored statistics of the training set.

    The figure is their divergence, see `network.batch_statistics`.

    Args:
      network, images: as in `run_checks`.

    Returns:
      The result. It is about the range only, since the order of the channels changes these moments too little.
    """
    layer = first_normalization(network)
    if layer is None:
        return PreprocessingCheck("normalization", CANNOT_TELL, "There is no batch normalization.")
    norm = network.operations[layer]
    if is_untrained(norm):
        return PreprocessingCheck(
            "normalization", CANNOT_TELL, f"{layer!r} has its initial statistics: the network is not trained."
        )
    run, declared = _compiled(network, (layer,), lambda found: found[layer]), preprocessing.declared(network)

    def divergence(matrix: np.ndarray) -> float:
        outputs = np.asarray(run(images, *preprocessing.in_terms_of(declared, matrix)))
        return batch_statistics.divergence(norm, outputs)

    figures, candidates = _figures(network, divergence, one_order=True)
    if np.isnan(figures["declared"]):
        return PreprocessingCheck("normalization", CANNOT_TELL, f"{layer!r} has the same output for all images.")
    best = min(figures, key=figures.get)
    current, least = figures["declared"], figures[best]
    text = f"The input of {layer!r} is {current:.2g} nats per channel from its statistics of the training set"
    if current - least > WORSE and current > TIMES * least and least < NEAR:
        text += f"; under {best} it is {least:.2g}."
        return PreprocessingCheck("normalization", WRONG, text, figures, candidates[best])
    other = _runner_up(figures, min)
    text += f"; under the best alternative, {other}, it is {figures[other]:.2g}."
    return PreprocessingCheck(
        "normalization", FITS if current < NEAR and current - least <= WORSE else CANNOT_TELL, text, figures
    )


def scale(network: Network, images: tf.Tensor) -> PreprocessingCheck:
    """Checks the strength of images by biases and class scores.

    If the model's input grows by 1 %, the output of a layer of rectifiers grows by 1 % without biases, and by less with them.
    The figure is the ratio of the two growths, the median over layers. If images are far too faint, it is near 0. If they are
    far too strong, it is 1, and one class leads by hundreds of nats even on noise. Trained networks are in between, where this
    check cannot distinguish ranges of similar size.

    Args:
      network, images: as in `run_checks`.

    Returns:
      The result.
    """
    layers, reason = _biased_layers(network)
    if reason:
        return PreprocessingCheck("scale", CANNOT_TELL, reason)

    @tf.function(autograph=False)
    def shares(before: tuple[tf.Tensor, tf.Tensor], after: tuple[tf.Tensor, tf.Tensor]) -> tf.Tensor:
        a, b = (network.cut(layers)(tf.linalg.matmul(images, turn) + shift) for turn, shift in (before, after))
        return tf.stack([tf.reduce_sum((b[name] - a[name]) * a[name]) / tf.reduce_sum(a[name] ** 2) for name in layers])

    declared = preprocessing.declared(network)

    def growth(matrix: np.ndarray) -> float:
        growths = shares(*(preprocessing.in_terms_of(declared, matrix, gain) for gain in (1.0, GAIN)))
        return float(np.median(np.abs(growths / (GAIN - 1))))

    figures, candidates = _figures(network, growth, one_order=True)
    current = figures["declared"]
    strength = {
        name: np.abs(candidate.matrix(network.image_shape[-1])[:-1]).max() for name, candidate in candidates.items()
    }
    declared_strength = np.abs(declared[:-1]).max()
    text = f"{min(current, 1.0):.0%} of the response comes from the images, the rest from biases"
    # Saturated sigmoids have small shares, too, but those decrease as the input grows.
    stronger = [name for name in candidates if strength[name] > 2 * declared_strength and figures[name] > STRONG]
    if current < FAINT and stronger:
        best = min(stronger, key=strength.get)
        fitting = " or ".join(sorted(stronger, key=strength.get))
        text += f": they are far too faint. Under {fitting} it is {min(figures[best], 1.0):.0%}."
        return PreprocessingCheck("scale", WRONG, text, figures, candidates[best])
    if _score_layer(network) is None:
        return PreprocessingCheck(
            "scale",
            CANNOT_TELL,
            f"{text}; there are no class scores by which to detect images that are too strong.",
            figures,
        )
    scores = _scores(network)

    def lead(matrix: np.ndarray) -> float:
        top = np.sort(scores(images, *preprocessing.in_terms_of(declared, matrix)), axis=-1)[:, -2:]
        return float(np.median(top[:, 1] - top[:, 0]))

    leads, _ = _figures(network, lead, one_order=True)
    text += f", and the best class leads by {leads['declared']:.2g} nats"
    weaker = [
        name
        for name in candidates
        if strength[name] < declared_strength / 2 and leads[name] < CALM and figures[name] >= FAINT
    ]
    if leads["declared"] > SURE and weaker:
        fitting = " or ".join(sorted(weaker, key=strength.get, reverse=True))
        best = max(weaker, key=strength.get)
        text += f": the images are far too strong. Under {fitting} it leads by {leads[best]:.2g}."
        return PreprocessingCheck("scale", WRONG, text, leads, candidates[best])
    # The declared strength is confirmed only if biases would outweigh weaker images.
    weakest = min((figures[name] for name in candidates if strength[name] < declared_strength), default=np.inf)
    telling = current >= STRONG and weakest < FAINT and leads["declared"] <= SURE
    return PreprocessingCheck("scale", FITS if telling else CANNOT_TELL, f"{text}.", figures)


def colors(network: Network, images: tf.Tensor) -> PreprocessingCheck:
    """Checks whether orange and blue tints raise the scores of ImageNet classes of orange and blue things.

    The figure is Welch's t between the two groups of classes, of the logits on orange images minus those on blue images. Swapped
    channels reverse its sign; for a network that does not know these classes, |t| is about 1. Since classes differ more than
    preprocessings do, two preprocessings are compared class by class, on the same images, with logits divided by their standard
    deviation over all classes.

    Args:
      network, images: as in `run_checks`.

    Returns:
      The result.
    """
    if network.image_shape[-1] != 3:
        return PreprocessingCheck("colors", CANNOT_TELL, f"Images have {network.image_shape[-1]} channels, not 3.")
    orange, blue = imagenet_classes(network)
    if min(len(orange), len(blue)) < MIN_CLASSES:
        return PreprocessingCheck("colors", CANNOT_TELL, "Its classes are not those of ImageNet, by its labels.")
    tint = tf.constant([TINT, 0.0, -TINT])
    warm, cold = (tf.clip_by_value(images + sign * tint, 0.0, 1.0) for sign in (1.0, -1.0))
    scores, declared = _scores(network), preprocessing.declared(network)

    def gain(matrix: np.ndarray) -> np.ndarray:
        change = preprocessing.in_terms_of(declared, matrix)
        differences = (scores(warm, *change) - scores(cold, *change)).mean(0)
        return differences / max(differences.std(), np.finfo(np.float32).tiny)

    gains, candidates = _figures(network, gain)
    figures = {name: welch(values[orange], values[blue]) for name, values in gains.items()}
    contrasts = {name: values[orange].mean() - values[blue].mean() for name, values in gains.items()}
    best = max(contrasts, key=contrasts.get)
    current, best_t = figures["declared"], figures[best]
    more = gains[best] - gains["declared"]
    apart = welch(more[orange], more[blue])
    text = f"Orange things gain by an orange tint, and blue ones by a blue one, with t = {current:.1f}"
    if best_t > COLORFUL and apart > APART and contrasts["declared"] < SHARE * contrasts[best]:
        text += f"; under {best}, with t = {best_t:.1f}. Class by class that is more, with t = {apart:.1f}."
        return PreprocessingCheck("colors", WRONG, text, figures, candidates[best])
    if current > COLORFUL:
        other = _runner_up(figures, max)
        return PreprocessingCheck(
            "colors", FITS, f"{text}; under the best alternative, {other}, with {figures[other]:.1f}.", figures
        )
    return PreprocessingCheck("colors", CANNOT_TELL, f"{text}, and at most {best_t:.1f}, under {best}.", figures)


def imagenet_classes(network: Network) -> tuple[list[int], list[int]]:
    """Indices of the orange and of the blue ImageNet classes of a network; empty if its classes are others."""
    layer = _score_layer(network)
    if layer is None:
        return [], []
    # Labels that are not loaded yet might be downloaded, which a description should not do.
    labels = None if callable(network._labels) else network.labels
    return imagenet_colors.orange_and_blue(network.layers[layer][-1], labels)


def _figures(
    network: Network, figure: Callable[[np.ndarray], Figure], one_order: bool = False
) -> tuple[dict[str, Figure], dict[str, Preprocessing]]:
    """A figure for the declared preprocessing and its alternatives, and the alternatives.

    With `one_order`, the alternatives have the declared order of the channels.
    """
    declared = preprocessing.declared(network)
    channels = network.image_shape[-1]
    candidates = {
        candidate.name: candidate
        for candidate in preprocessing.candidates(channels)
        if not preprocessing.same(declared, candidate.matrix(channels))
        and not (one_order and candidate.bgr != preprocessing.is_bgr(declared))
    }
    values = {"declared": figure(declared)} | {
        name: figure(candidate.matrix(channels)) for name, candidate in candidates.items()
    }
    return values, candidates


def _runner_up(figures: dict[str, float], best: Callable) -> str:
    others = {name: value for name, value in figures.items() if name != "declared"}
    return best(others, key=others.get)


def _biased_layers(network: Network) -> tuple[tuple[str, ...], str]:
    """Layers with weights and a bias, or the reason why the biases are not informative."""
    names = {type(operation).__name__ for operation in network.operations.values()}
    norms = sorted(name for name in names if "Normalization" in name and name != "Normalization")
    if norms:
        return (), f"The network rescales its own activations ({', '.join(norms)})."
    layers = tuple(
        layer
        for layer, operation in network.operations.items()
        if getattr(operation, "kernel", None) is not None
        and getattr(operation, "bias", None) is not None
        and not _is_softmax(network, layer)
    )
    if not any(np.any(network.operations[layer].bias) for layer in layers):
        return (), "It has no biases, or is not trained."
    return layers, ""


def _score_layer(network: Network) -> str | None:
    """The last layer, if its shape is that of scores of at least two classes."""
    layer = list(network.layers)[-1]
    *positions, classes = network.layers[layer]
    return layer if all(side == 1 for side in positions) and (classes or 0) > 1 else None


def _compiled(network: Network, layers: tuple[str, ...], read: Callable[[dict], tf.Tensor]) -> Callable[..., tf.Tensor]:
    """Compiles (images, turn, shift) -> `read` of the activations of images @ turn + shift."""
    run = network.cut(layers)
    return tf.function(lambda images, turn, shift: read(run(tf.linalg.matmul(images, turn) + shift)), autograph=False)


def welch(a: np.ndarray, b: np.ndarray) -> float:
    """Welch's t: the difference between the means of `a` and `b` in standard errors; 0 if neither varies."""
    error = np.sqrt(a.var(ddof=1) / len(a) + b.var(ddof=1) / len(b))
    return float((a.mean() - b.mean()) / error) if error > 0 else 0.0


def _scores(network: Network) -> Callable[..., np.ndarray]:
    """Compiles (images, turn, shift) -> logits, or log probabilities, [n, classes]."""
    layer = _score_layer(network)
    softmax = _is_softmax(network, layer)
    run = _compiled(network, (layer,), lambda found: found[layer])

    def scores(images: tf.Tensor, turn: tf.Tensor, shift: tf.Tensor) -> np.ndarray:
        values = np.asarray(run(images, turn, shift), np.float64).reshape(len(images), -1)
        return np.log(np.maximum(values, np.finfo(np.float32).tiny)) if softmax else values

    return scores


def _is_softmax(network: Network, layer: str) -> bool:
    # Most nodes of a graph do not belong to a layer and have only a kind.
    return "softmax" in {network.source.kinds[layer].lower(), *kinds(network.operations.get(layer))}
