"""What preprocessing a model expects, inferred from its own layers, its name and its statistics."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
import tensorflow as tf

from samplevis.network import batch_statistics
from samplevis.network.preprocessing import MODES, Mode, Preprocessing
from samplevis.network.reaching import Reaching, any_shape, reaching, weighted_layers
from samplevis.network.sources import Source, is_torch
from samplevis.network.sources.functional import FunctionalSource

# Layers and operations that rescale images in front of a model.
RESCALING = ("Rescaling", "Normalization", "TrueDivide", "Divide", "Multiply", "Subtract", "Add")
# Ranges to try with what a model itself does to its images.
RANGES = (MODES["bytes"], MODES["unit"], MODES["signed"])
# Differences between white and black that a network can expect: about one to eight, or the range of bytes.
SPANS = ((0.5, 8.0), (200.0, 300.0))
# Where a mean was subtracted from bytes, black lies below this.
BELOW_BLACK = -20.0
# An alternative to what is assumed is better if its divergence at the first batch normalization is smaller by so many nats per
# channel, and by this factor. Up to so many, a preprocessing fits at all: images that differ from the training set cost some
# tenths.
WORSE, TIMES, NEAR = 0.5, 3.0, 2.0
#: How models of `keras.applications` want their images, by what their names begin with.
KERAS_FAMILIES: Mapping[str, Mode] = {
    "ConvNeXt": "bytes",
    "DenseNet": "torch",
    "EfficientNet": "bytes",
    "InceptionResNetV2": "signed",
    "InceptionV3": "signed",
    "MobileNet": "signed",
    "MobileNetV3": "bytes",
    "NASNet": "signed",
    "ResNet50": "caffe",
    "ResNet101": "caffe",
    "ResNet152": "caffe",
    "ResNet50V2": "signed",
    "ResNet101V2": "signed",
    "ResNet152V2": "signed",
    "VGG16": "caffe",
    "VGG19": "caffe",
    "Xception": "signed",
}


@dataclasses.dataclass(frozen=True)
class Inferred:
    """A preprocessing that was inferred; printing it says so in one line.

    Attributes:
      preprocessing: what is done to images before the model sees them.
      evidence: what it was inferred from.
      reason: the same in words.

    Example:
      >>> import keras
      >>> import samplevis
      >>> model = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Rescaling(1 / 255), keras.layers.Conv2D(2, 3)])
      >>> network = samplevis.Network(model)
      >>> network.inferred.evidence, network.value_range
      ('layers', (0.0, 255.0))
    """

    preprocessing: Preprocessing
    evidence: Literal["layers", "name", "statistics", "nothing"]
    reason: str

    def __str__(self) -> str:
        return f"{self.preprocessing.arguments}: {self.reason}"


def infer(source: Source, name: str, bgr: bool = False) -> Inferred:
    """Infers the preprocessing that a model expects.

    What the model itself does to images in front of its first weights decides. Else the name of the model, or of the one nested
    at its beginning, decides if it is a name of `keras.applications`, and the statistics of the first batch normalization do not
    deny it. Else these statistics decide. Else [0, 1] is assumed.

    Args:
      source: the model.
      name: its name, besides `source.name`.
      bgr: whether the model is declared to expect blue first; then only its layers are asked. Defaults to False.

    Returns:
      What it expects, and why.
    """
    seen = at_weights(source)
    found = None if seen is None else _from_weights(source, seen)
    if found is not None:
        found = dataclasses.replace(found, preprocessing=dataclasses.replace(found.preprocessing, bgr=bgr))
    if found is not None and (bgr or found.evidence == "layers"):
        return found
    if bgr:
        return Inferred(dataclasses.replace(MODES["unit"], bgr=True), "nothing", "nothing in the model tells its range")
    if found is None:
        found = _from_name(source, name, rescales=None if seen is None else False)
    return _from_statistics(source, found)


def at_weights(source: Source) -> Reaching | None:
    """Black, grey and white of the usual ranges where they reach a model's first weights, or None."""
    return reaching(source, [mode.value_range for mode in RANGES])


def rescaling_layers(model: batch_statistics.HasLayers) -> list[str]:
    """The layers that change the scale of the images, before the first one with weights, trainable or not."""
    first = next(weighted_layers(model), None)
    before = itertools.takewhile(lambda layer: layer != first, model.operations)
    return [layer for layer in before if type(model.operations[layer]).__name__ in RESCALING]


def mode_by_name(name: str, rescales: bool | None = None) -> Mode | None:
    """The preprocessing of `keras.applications` for a model whose name begins like one of theirs, or None.

    Args:
      name: the model's name.
      rescales: whether the model begins with layers that rescale the images. Defaults to None, which is as Keras builds it.

    Example:
      >>> from samplevis.network.inference import mode_by_name
      >>> mode_by_name("vgg16")
      'caffe'
    """
    plain = _plain(name)
    family = max((key for key in KERAS_FAMILIES if plain.startswith(_plain(key))), key=len, default=None)
    # torchvision's networks of these names are normalised by a layer.
    if family is None or "torchvision" in plain:
        return None
    mode = KERAS_FAMILIES[family]
    if mode == "bytes" and rescales is False:
        # With `include_preprocessing=False`, Keras omits the first layers and expects their output.
        return "torch" if family == "ConvNeXt" else "signed"
    return "unit" if mode == "torch" and rescales else mode


def _from_weights(source: Source, seen: Reaching) -> Inferred | None:
    """What the images that reach the first weights tell; None if they reach them as they are."""
    ends = {mode: seen.ends(mode.value_range) for mode in RANGES}
    if all(_is_same(mode.value_range, found) for mode, found in ends.items()):
        return None
    for mode, found in ends.items():
        if found is not None and _is_usual(*found):
            return Inferred(mode, "layers", rescaling_words(source, seen, found))
    found = ends[MODES["unit"]]
    if found is None:
        reason = f"what reaches the first weights, in {seen.layer!r}, is not linear in the pixels"
        return Inferred(MODES["unit"], "nothing", reason)
    black, white = found
    span = np.abs(white - black).max()
    words = rescaling_words(source, seen, found)
    return Inferred(MODES["unit"], "nothing", f"{words}, after which [0, 1] spans {span:.3g}")


def rescaling_words(source: Source, seen: Reaching, ends: tuple[np.ndarray, np.ndarray]) -> str:
    """What rescales the images: the layers that do, or what black and white become."""
    layers = rescaling_layers(source) if isinstance(source, FunctionalSource) else []
    if layers:
        return f"the model begins with {', '.join(f'{source.kinds[layer]} {layer!r}' for layer in layers)}"
    black, white = (float(np.mean(values)) for values in ends)
    return f"black and white reach the first weights, in {seen.layer!r}, as {black:.3g} and {white:.3g}"


def _is_same(value_range: tuple[float, float], ends: tuple[np.ndarray, np.ndarray] | None) -> bool:
    """Whether black and white of a range have stayed as they were."""
    span = value_range[1] - value_range[0]
    return ends is not None and all(
        np.allclose(values, value, atol=1e-3 * span) for values, value in zip(ends, value_range, strict=True)
    )


def _is_usual(black: np.ndarray, white: np.ndarray) -> bool:
    """Whether the values of black and white images, by channel, can be what the first weights expect."""
    span, lowest = float(np.abs(white - black).max()), float(np.minimum(black, white).mean())
    small, bytes_ = SPANS
    return (small[0] <= span <= small[1] and lowest <= 0.02 * span) or (
        bytes_[0] <= span <= bytes_[1] and lowest < BELOW_BLACK
    )


def _from_name(source: Source, name: str, rescales: bool | None) -> Inferred | None:
    # PyTorch's models of the same names expect other images.
    if source.image_shape[-1] != 3 or is_torch(source.model):
        return None
    names = [name, source.name]
    if isinstance(source, FunctionalSource):
        names += next(weighted_layers(source), "").split("/")[:-1]
    for candidate in names:
        mode = mode_by_name(candidate, rescales)
        if mode is not None:
            return Inferred(MODES[mode], "name", f"{candidate!r} is a name of keras.applications")
    return None


def _from_statistics(source: Source, named: Inferred | None) -> Inferred:
    """What the first batch normalization says of the name's preprocessing, or of [0, 1]."""
    assumed = named or Inferred(MODES["unit"], "nothing", "nothing in the model tells what it expects")
    layer = batch_statistics.first_normalization(source)
    if layer is None or batch_statistics.is_untrained(source.operations[layer]):
        return assumed
    channels = source.image_shape[-1]
    images = _noise((4, *any_shape(source)))
    modes: Sequence[Preprocessing] = [mode for mode in MODES.values() if channels == 3 or mode.mean is None]
    run, norm = source.cut((layer,)), source.operations[layer]

    def figure(mode: Preprocessing) -> float:
        matrix = mode.matrix(channels)
        (outputs,) = run(tf.constant(images @ matrix[:-1] + matrix[-1], tf.float32))
        return batch_statistics.divergence(norm, np.asarray(outputs))

    current, figures = figure(assumed.preprocessing), [figure(mode) for mode in modes]
    least = min(figures)
    if not np.isfinite(current) or least >= NEAR:
        return assumed
    alike = [mode for mode, value in zip(modes, figures, strict=True) if not _is_worse(value, least)]
    if not _is_worse(current, least) and (named or len(alike) == 1):
        return named or Inferred(assumed.preprocessing, "statistics", f"it fits the statistics of {layer!r}")
    best = assumed.preprocessing if not _is_worse(current, least) else modes[int(np.argmin(figures))]
    if len(alike) == 1:
        return Inferred(best, "statistics", f"it fits the statistics of {layer!r} best")
    words = " and ".join(mode.name for mode in alike)
    return Inferred(best, "nothing", f"the statistics of {layer!r} fit {words} alike")


def _is_worse(figure: float, least: float) -> bool:
    return figure - least > WORSE and figure > TIMES * least


def _noise(shape: tuple[int, ...]) -> np.ndarray:
    """Images [batch, *size, channels] in [0, 1] with the spectrum, contrast and grey of photographs."""
    axes = tuple(range(1, len(shape) - 1))
    white = np.random.default_rng(0).normal(size=shape)
    white = 0.95 * white[..., :1] + 0.3 * white
    frequencies = [np.fft.fftfreq(shape[axis]) for axis in axes]
    radius = np.sqrt(sum(grid**2 for grid in np.meshgrid(*frequencies, indexing="ij")))
    radius[(0,) * len(axes)] = np.inf
    amplitude = 1 / np.maximum(radius, 1 / max(shape[1:-1])) ** (len(axes) / 2)
    colored = np.fft.ifftn(np.fft.fftn(white, axes=axes) * amplitude[..., None], axes=axes).real
    return np.clip(0.45 + 0.22 * colored / colored.std(), 0, 1).astype(np.float32)


def _plain(name: str) -> str:
    return name.lower().replace("_", "").replace("-", "")
