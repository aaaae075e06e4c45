"""describe(): what a model is, and whether its declared preprocessing looks right."""

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
from samplevis.analysis.preprocessing_checks import CANNOT_TELL, WRONG, PreprocessingCheck
from samplevis.analysis.preprocessing_notice import doubt_of
from samplevis.network import Network, as_network, preprocessing
from samplevis.network.inference import SPANS, at_weights, mode_by_name, rescaling_words
from samplevis.network.layer_names import NOT_COMPUTED
from samplevis.network.sources.functions import kinds
from samplevis.runtime import seeds
from samplevis.runtime.checks import check_whole
from samplevis.runtime.deprecation import renamed_property
from samplevis.runtime.plain_text import printable

# Contrast of the noise that gives its pixels the standard deviation of a photograph's, about 0.2.
CONTRAST = 1.0
BATCH = 8


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
      declared: the preprocessing, in words; where it was inferred, and from what.
      found: what the model's layers and its name imply about preprocessing.
      judged_on: the images for `checks` and `dead`, in words.
      checks: results of the preprocessing checks.
      dead: layer -> (int array of channels that are 0 on all of these images, number of channels); only layers with some.
      warnings: what looks wrong, in words; empty if nothing does.

    Example:
      >>> import samplevis
      >>> from samplevis import modelzoo
      >>> description = samplevis.describe(modelzoo.Shapes())
      >>> description.output, description.warnings
      ('logits', ())
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
    checks: tuple[PreprocessingCheck, ...]
    dead: dict[str, tuple[np.ndarray, int]]
    warnings: tuple[str, ...]

    evidence = renamed_property("evidence", "checks")

    def __str__(self) -> str:
        count = sum(not line.startswith(NOT_COMPUTED) for line in self.layers.splitlines())
        lines = [
            f"{self.name}: {self.parameters:,} parameters, {count} layers",
            f"  input   {_show(self.image_shape)}, float, [0, 1] before preprocessing",
            f"  output  {self.output} {_show(self.output_shape)}",
            "",
            "layers (name, shape, kind)",
            *(f"  {line}" for line in self.layers.splitlines()),
            "",
            "preprocessing",
            f"  {self.declared}",
            *(f"  {line}" for line in self.found or ("the model and its name imply nothing about it",)),
            "",
            f"judged on {self.judged_on}",
            *(f"  {check}" for check in self.checks),
            *(f"  {line}" for line in self._dead_lines()),
            "",
            *(f"! {warning}" for warning in self.warnings or ()),
        ]
        return printable("\n".join(lines if self.warnings else [*lines, "No warnings."]), lines=True)

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
    """Describes a model and its inputs, and warns if the declared preprocessing looks wrong.

    The declared preprocessing is compared with the model's rescaling layers, with the preprocessing of the model of that name in
    `keras.applications`, and with the network's responses to images under the usual ways of preprocessing (see
    `analysis.preprocessing_checks`). If it cannot tell (an untrained network, say), it says so. No warning is no proof.

    Args:
      model: a `Network` or a Keras model.
      images: images like those of the training set, as in `collect`; the first `count` are used. Defaults to noise with the
        spectrum and colours of photographs.
      image_size: (height, width) of the noise, or of images from a folder. Defaults to the network's input size, and to 96
        (1024 for signals, 32 for volumes) where it takes any.
      count: number of images, >= 2. Defaults to 16.
      seed: seed of the noise, int from 0 to 2**31 - 1. Defaults to 0.

    Returns:
      A `Description`; print it.

    Raises:
      TypeError: if `model` is not a network.
      ValueError: if the images do not fit, or an argument is out of range.
      OSError: if a folder or an image cannot be read.

    Example:
      >>> import samplevis
      >>> from samplevis import modelzoo
      >>> print(samplevis.describe(modelzoo.Shapes()))
      Shapes: ... parameters, ... layers
      ...
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
    found, warnings = _inspect(network)
    checks = preprocessing_checks.run_checks(network, pixels)
    advice = "" if images is not None else " This is judged on noise; images like those of the training set tell more."
    warnings += [
        f"The preprocessing looks wrong by the check of {check.check}. {check.text} Try {check.better.arguments}.{advice}"
        for check in checks
        if check.verdict == WRONG
    ]
    if not warnings and (doubt := doubt_of(network)):
        warnings.append(doubt)
    if all(check.verdict == CANNOT_TELL for check in checks):
        found.append("whether it is right cannot be told from this network")
    last = list(network.layers)[-1]
    return Description(
        name=network.name,
        parameters=network.source.parameters,
        image_shape=network.image_shape,
        output=last,
        output_shape=network.layers[last],
        layers=network.layer_table(),
        declared=_declared(network),
        found=tuple(found),
        judged_on=judged_on,
        checks=tuple(checks),
        dead=dead_channels(network, pixels),
        warnings=tuple(warnings),
    )


def dead_channels(model: Network | keras.Model, images: np.ndarray) -> dict[str, tuple[np.ndarray, int]]:
    """Finds the channels of rectified layers that are 0 at every position of all images.

    Args:
      model: a `Network` or a Keras model.
      images: float array [n, H, W, C] in [0, 1].

    Returns:
      Layer -> (int array of dead channels, number of channels), only for layers with dead channels.

    Example:
      >>> import numpy as np
      >>> from samplevis import modelzoo
      >>> from samplevis.analysis.description import dead_channels
      >>> isinstance(dead_channels(modelzoo.Shapes(), np.full((2, 64, 64, 3), 0.5)), dict)
      True
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
        # One number per channel, since the activations of all layers would take much memory.
        return [tf.reduce_max(tf.abs(value), list(range(value.shape.rank - 1))) for value in run(batch).values()]

    images = np.asarray(images, np.float32)
    batches = [strongest(tf.constant(images[i : i + BATCH])) for i in range(0, len(images), BATCH)]
    maxima = [np.max(values, 0) for values in zip(*batches, strict=True)]
    return {
        layer: (np.flatnonzero(values == 0), len(values))
        for layer, values in zip(layers, maxima, strict=True)
        if not values.all()
    }


def _inspect(network: Network) -> tuple[list[str], list[str]]:
    """What the model's first layers and its name imply about preprocessing, and warnings if it was declared otherwise."""
    found, warnings = [], []
    declared = preprocessing.declared(network)
    span = float(np.abs(declared[:-1]).max())
    seen = at_weights(network.source)
    gain = None if seen is None else seen.gain
    rescales = gain is not None and not np.isclose(gain, 1, atol=1e-3)
    if rescales:
        inner = span * gain
        words = rescaling_words(network.source, seen, seen.ends((0, 1)))
        found.append(f"{words}: what is declared then spans {inner:.3g}")
        if not any(low <= inner <= high for low, high in SPANS):
            warning = (
                f"At the first weights, in {seen.layer!r}, the images span {inner:.3g}, which is "
                f"{_judge_span(inner)} for a network."
            )
            fitting = [
                candidate
                for candidate in preprocessing.candidates(network.image_shape[-1])
                if not candidate.bgr
                and SPANS[0][0] <= inner * (candidate.value_range[1] - candidate.value_range[0]) / span <= SPANS[0][1]
                and candidate.mean is None
            ]
            warnings.append(warning + (f" Try {fitting[-1].arguments}." if fitting else ""))
    mode = mode_by_name(network.name, rescales) if network.image_shape[-1] == 3 else None
    if mode is not None:
        known = preprocessing.MODES[mode]
        found.append(f"keras.applications prepares images for {network.name!r} as {known.name}: {known.arguments}")
        if not preprocessing.same(declared, known.matrix(3)):
            warnings.append(f"The name says {known.name}, and something else is declared. Try {known.arguments}.")
    return found, warnings + _check_mean_order(network)


def _check_mean_order(network: Network) -> list[str]:
    """A warning if the declared mean is ImageNet's with its channels in reverse order."""
    if network.mean is None or network.image_shape[-1] != 3:
        return []
    mean = np.asarray(network.mean) / network.mean[1]
    expected = np.array(preprocessing.CAFFE_MEAN) / preprocessing.CAFFE_MEAN[1]
    expected = expected[::-1] if network.bgr else expected
    if not np.allclose(mean, expected[::-1], atol=0.03):
        return []
    return [
        "The mean is ImageNet's, but for the other order of channels: give it in the model's order, "
        f"{'blue' if network.bgr else 'red'} first, or {'leave bgr out' if network.bgr else 'say bgr=True'}."
    ]


def _first(network: Network, images: Any, size: tuple[int, int] | None, count: int) -> np.ndarray:
    batches = image_stream.batches(image_stream.stream(network, images, size), count)
    pixels, _ = next(batches, (None, None))
    if pixels is None or len(pixels) < 2:
        raise ValueError("images: expected at least two of one size. Received: fewer")
    # Checks the images' shape and range.
    network.activations(pixels[:1], next(iter(network.layers)))
    return pixels


def _declared(network: Network) -> str:
    low, high = network.value_range
    mean = "" if network.mean is None else f", less {', '.join(f'{value:.4g}' for value in network.mean)}"
    words = f"black is {low:g}, white is {high:g}{mean}{', blue first (BGR)' if network.bgr else ''}"
    if network.inferred is None:
        return f"declared: {words}"
    return f"inferred: {words} ({network.inferred.reason})"


def _judge_span(span: float) -> str:
    return "too little" if span < SPANS[0][0] else "too much" if span > SPANS[1][1] else "unusual"


def _show(shape: tuple[int | None, ...]) -> str:
    return " x ".join("any" if side is None else str(side) for side in shape)
