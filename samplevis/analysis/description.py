"""What a model is, what it expects of its images, and whether what was declared looks right."""

from __future__ import annotations

import dataclasses
import functools
import os
from collections.abc import Iterable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from samplevis import param
from samplevis.activation import default_param
from samplevis.analysis import image_stream, preprocessing_checks
from samplevis.analysis.preprocessing_checks import CANNOT_TELL, WRONG, Evidence
from samplevis.modelzoo.registry import MODELS
from samplevis.network import Network, as_network, preprocessing
from samplevis.network.preprocessing import Preprocessing
from samplevis.network.sources.functions import kinds
from samplevis.runtime import seeds
from samplevis.runtime.checks import check_whole

# Deviation of the latent of the noise: that of pixels then is a photograph's, about 0.2.
CONTRAST = 1.0
BATCH = 8
# From black to white in what a network works on: some units, or what bytes span.
SPANS = ((0.5, 8.0), (200.0, 300.0))


@dataclasses.dataclass(frozen=True)
class Description:
    """What `describe` returns; printing it shows everything.

    Attributes:
      name: the network's name.
      parameters: number of weights.
      image_shape: of the input, (height, width, channels); None is any.
      output: name of the last layer.
      output_shape: its shape, without the batch.
      layers: a line for each layer, see `Network.layer_table`.
      declared: the preprocessing that was declared, in words.
      found: what the model and its name say on preprocessing.
      judged_on: the images behind `evidence` and `dead`, in words.
      evidence: what speaks for or against what was declared.
      dead: layer -> (channels that are 0 on all of these images, int array; number of channels), only where there are some.
      warnings: what looks wrong, in words; empty if nothing does.
    """

    name: str
    parameters: int
    image_shape: tuple[int | None, ...]
    output: str
    output_shape: tuple[int | None, ...]
    layers: str
    declared: str
    found: tuple[str, ...]
    judged_on: str
    evidence: tuple[Evidence, ...]
    dead: dict[str, tuple[np.ndarray, int]]
    warnings: tuple[str, ...]

    def __str__(self) -> str:
        count = len(self.layers.splitlines())
        lines = [
            f"{self.name}: {self.parameters:,} parameters, {count} layers",
            f"  input   {_show(self.image_shape)}, float, [0, 1] before preprocessing",
            f"  output  {self.output} {_show(self.output_shape)}",
            "",
            "layers (name, shape, kind)",
            *(f"  {line}" for line in self.layers.splitlines()),
            "",
            "preprocessing",
            f"  declared: {self.declared}",
            *(f"  {line}" for line in self.found or ("nothing on it is found in the model or its name",)),
            "",
            f"judged on {self.judged_on}",
            *(f"  {found}" for found in self.evidence),
            *(f"  {line}" for line in self._dead_lines()),
            "",
            *(f"! {warning}" for warning in self.warnings or ()),
        ]
        return "\n".join(lines if self.warnings else [*lines, "No warnings."])

    def _dead_lines(self) -> list[str]:
        if not self.dead:
            return ["dead channels: none."]
        each = (f"{len(channels)} of {count} in {layer}" for layer, (channels, count) in self.dead.items())
        return [f"dead channels (0 on all of these images): {', '.join(each)}."]


def describe(
    model: Network | keras.Model,
    images: np.ndarray | Iterable | str | os.PathLike | None = None,
    *,
    image_size: tuple[int, int] | None = None,
    count: int = 16,
    seed: int = 0,
) -> Description:
    """Says what a model is and what it expects, and warns if the declared preprocessing looks wrong.

    What was declared is compared with the model's own rescaling layers, with what `keras.applications` does under the model's
    name, and with what the network makes of images under the field's usual ways, see
    `analysis.preprocessing_checks`. Where nothing can be told, that is said; no warning is no proof.

    Args:
      model: a `Network` or a Keras model.
      images: pictures of the kind that the network was trained on, as in `collect`; the first `count` are used. Defaults to
        noise with the spectrum and the colours of photographs.
      image_size: (height, width) of the images of noise and of a folder's pictures. Defaults to what the network declares, or
        96 where it leaves that open (1024 for signals, 32 for volumes).
      count: number of images, >= 2. Defaults to 16.
      seed: int from 0 to 2**31 - 1, of the noise.

    Returns:
      A `Description`; print it.

    Raises:
      TypeError: if `model` is no network.
      ValueError: for other images or arguments that are out of range.
      OSError: if a folder or a picture cannot be read.

    Example:
      >>> print(samplevis.describe(samplevis.Network(model, value_range=(-1, 1))))
    """
    network = as_network(model)
    check_whole("count", count, 2)
    size = network.check_size(network.usual_size if image_size is None else image_size)
    if images is None:
        noise = default_param(network, size, functools.partial(param.fourier, contrast=CONTRAST))
        pixels = noise.image(noise.prior(seeds.root(seed), count)).numpy()
        judged_on = (
            f"{count} images of noise with the spectrum and colours of photographs, {' x '.join(map(str, size))} pixels"
        )
    else:
        pixels = _first(network, images, size if isinstance(images, (str, os.PathLike)) else None, count)
        judged_on = f"{len(pixels)} given images, {' x '.join(map(str, pixels.shape[1:-1]))} pixels"
    found, issues = _look(network)
    judged = preprocessing_checks.gather(network, pixels)
    surer = "" if images is not None else " This is judged on noise; images such as it was trained on tell more."
    issues += [
        f"The preprocessing looks wrong by the check of {doubt.check}. {doubt.text} Try {doubt.better.arguments}.{surer}"
        for doubt in judged
        if doubt.verdict == WRONG
    ]
    if all(verdict.verdict == CANNOT_TELL for verdict in judged):
        found.append("whether it is right cannot be told from this network")
    last = list(network.layers)[-1]
    return Description(
        name=network.name,
        parameters=network.source.parameters,
        image_shape=network.image_shape,
        output=last,
        output_shape=network.layers[last],
        layers=network.layer_table(),
        declared=_in_words(network),
        found=tuple(found),
        judged_on=judged_on,
        evidence=tuple(judged),
        dead=dead_channels(network, pixels),
        warnings=tuple(issues),
    )


def dead_channels(model: Network | keras.Model, images: np.ndarray) -> dict[str, tuple[np.ndarray, int]]:
    """Channels of rectified layers that are 0 everywhere on all of some images.

    Args:
      model: a `Network` or a Keras model.
      images: float array [n, H, W, C] in [0, 1].

    Returns:
      Layer -> (channels, number of channels), only where there are some.
    """
    network = as_network(model)
    layers = tuple(
        name for name, operation in network.operations.items() if not kinds(operation).isdisjoint(("relu", "relu6"))
    )
    if not layers:
        return {}
    run = network.cut(layers)

    @tf.function(autograph=False)
    def strongest(batch: tf.Tensor) -> list[tf.Tensor]:
        # Only a number for each channel is kept: the activations of all layers at once would be many.
        return [tf.reduce_max(tf.abs(value), list(range(value.shape.rank - 1))) for value in run(batch).values()]

    images = np.asarray(images, np.float32)
    each = [strongest(tf.constant(images[i : i + BATCH])) for i in range(0, len(images), BATCH)]
    most = [np.max(values, 0) for values in zip(*each, strict=True)]
    return {
        layer: (np.flatnonzero(values == 0), len(values))
        for layer, values in zip(layers, most, strict=True)
        if not values.all()
    }


def _look(network: Network) -> tuple[list[str], list[str]]:
    """What the model's first layers and its name say, and what speaks against what was declared."""
    found, issues = [], []
    own = preprocessing.declared(network)
    span = float(np.abs(own[:-1]).max())
    rescaling = _rescaling(network)
    if rescaling:
        inner = span * _gain(network, rescaling[-1], own)
        names = ", ".join(f"{network.source.kinds[layer]} {layer!r}" for layer in rescaling)
        found.append(f"the model begins with {names}: what is declared then spans {inner:.3g}")
        if not any(low <= inner <= high for low, high in SPANS):
            doubt = f"After {rescaling[-1]!r} the images span {inner:.3g}, which is {_much(inner)} for a network."
            fitting = [
                way
                for way in preprocessing.candidates(network.image_shape[-1])
                if not way.bgr
                and SPANS[0][0] <= inner * (way.value_range[1] - way.value_range[0]) / span <= SPANS[0][1]
                and way.mean is None
            ]
            issues.append(doubt + (f" Try {fitting[-1].arguments}." if fitting else ""))
    known = _known(network.name, bool(rescaling)) if network.image_shape[-1] == 3 else None
    if known is not None:
        found.append(f"keras.applications prepares images for {network.name!r} as {known.name}: {known.arguments}")
        if not preprocessing.same(own, known.matrix(3)):
            issues.append(f"The name says {known.name}, and something else is declared. Try {known.arguments}.")
    return found, issues + _order_of_means(network)


def _known(name: str, rescales: bool) -> Preprocessing | None:
    """How `keras.applications` prepares images for a model whose name begins like one of its own, or None."""
    plain = _plain(name)
    family = max((key for key in MODELS if plain.startswith(_plain(key))), key=len, default=None)
    images = MODELS[family].images if family else ""
    if images == "bytes" and not rescales:
        # Keras leaves the layers in front out if it is asked to, and expects what they would give.
        images = "torch" if family.startswith("ConvNeXt") else "signed"
    if images == "torch" and rescales:
        images = "unit"
    return preprocessing.MODES.get(images)


def _plain(name: str) -> str:
    return name.lower().replace("_", "").replace("-", "")


def _order_of_means(network: Network) -> list[str]:
    """A mean of ImageNet in the other order than the channels'."""
    if network.mean is None or network.image_shape[-1] != 3:
        return []
    mean = np.asarray(network.mean) / network.mean[1]
    expected = np.array(preprocessing.CAFFE_MEAN) / preprocessing.CAFFE_MEAN[1]
    expected = expected[::-1] if network.bgr else expected
    if not np.allclose(mean, expected[::-1], atol=0.03):
        return []
    return [
        "The mean is ImageNet's, but for the other order of channels: give it in the model's own order, "
        f"{'blue' if network.bgr else 'red'} first, or {'leave bgr out' if network.bgr else 'say bgr=True'}."
    ]


def _rescaling(network: Network) -> list[str]:
    """Layers before the first one with trained weights that change the scale of their input."""
    found = []
    for layer, operation in network.operations.items():
        kind = type(operation).__name__
        if kind in ("Rescaling", "Normalization", "TrueDivide", "Divide", "Multiply", "Subtract", "Add"):
            found.append(layer)
        elif getattr(operation, "trainable_weights", None):
            break
    return found


def _gain(network: Network, layer: str, own: np.ndarray) -> float:
    """How much a difference of the model's input grows up to a layer."""
    shape = (*network.usual_size, network.image_shape[-1])
    images = tf.stack([tf.fill(shape, value) for value in (0.0, 1.0)])
    dark, light = np.asarray(network.cut((layer,))(images)[layer], np.float64)
    return float(np.abs(light - dark).max() / np.abs(own[:-1]).max())


def _first(network: Network, images: Any, size: tuple[int, int] | None, count: int) -> np.ndarray:
    batches = image_stream.batches(image_stream.stream(network, images, size), count)
    pixels, _ = next(batches, (None, None))
    if pixels is None or len(pixels) < 2:
        raise ValueError("images: expected at least two of one size. Received: fewer")
    # Checks their shape and their range.
    network.activations(pixels[:1], next(iter(network.layers)))
    return pixels


def _in_words(network: Network) -> str:
    low, high = network.value_range
    mean = "" if network.mean is None else f", less {', '.join(f'{value:.4g}' for value in network.mean)}"
    return f"black is {low:g}, white is {high:g}{mean}{', blue first (BGR)' if network.bgr else ''}"


def _much(span: float) -> str:
    return "too little" if span < SPANS[0][0] else "too much" if span > SPANS[1][1] else "unusual"


def _show(shape: tuple[int | None, ...]) -> str:
    return " x ".join("any" if side is None else str(side) for side in shape)
