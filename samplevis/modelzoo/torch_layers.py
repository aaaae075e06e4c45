"""What torchvision's networks share: layers with PyTorch's arithmetic, and weights from state dicts."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import keras

from samplevis.modelzoo.checkpoints import load_state_dict, read_state_dict
from samplevis.modelzoo.fetch import cache_folder, fetch, sha256
from samplevis.modelzoo.imagenet import CLASSES, imagenet_labels
from samplevis.network import Network

Weights = str | os.PathLike | None
URL = "https://download.pytorch.org/models"
#: torchvision's files of weights. Each name ends in the first digits of the file's SHA-256.
FILES = {
    "AlexNet": "alexnet-owt-7be5be79.pth",
    "ResNet18": "resnet18-f37072fd.pth",
    "ResNet34": "resnet34-b627a593.pth",
    "VGG16_torchvision": "vgg16-397923af.pth",
    "VGG19_torchvision": "vgg19-dcbb9e9d.pth",
}


def torch_network(
    name: str, architecture: Callable[[], keras.Model], weights: Weights, labels: str | os.PathLike | None
) -> Network:
    """A network of torchvision.

    Args:
      name: its name in the zoo.
      architecture: makes the model without weights, with PyTorch's names of layers.
      weights: path of a state dict, "imagenet" for torchvision's file, or None for random weights.
      labels: path of a text file of labels, or None for Keras's list, fetched when a label is first used.

    Returns:
      A `Network` for RGB images [batch, height, width, 3] in [0, 1].

    Raises:
      OSError, ImportError, ValueError: if the weights cannot be read or are for another network.
    """
    if weights == "imagenet":
        weights = fetch_weights(name)
    arrays = None if weights is None else read_state_dict(weights)
    model = architecture()
    if arrays is not None:
        load_state_dict(model, arrays, weights)
    return Network(model, value_range=(0, 1), labels=imagenet_labels(labels, weights), name=name)


def fetch_weights(name: str) -> Path:
    """Fetches torchvision's weights into Keras's cache, once, and checks them; a key of `FILES`.

    A `resnet18.safetensors` in the cache, which samplevis 0.1.0 asked for, is used instead.
    """
    converted = cache_folder() / f"{name.partition('_')[0].lower()}.safetensors"
    if converted.is_file():
        return converted
    file = FILES[name]
    path = fetch(file, f"{URL}/{file}", None, f"give its path: {name}(weights=PATH)", "weights")
    expected = path.stem.rpartition("-")[2]
    if not (found := sha256(path)).startswith(expected):
        raise OSError(
            f"weights: {str(path)!r} is not the published file. Expected SHA-256 {expected}... Received: {found}"
        )
    return path


def convolution(
    x: keras.KerasTensor, filters: int, size: int, name: str, *, strides: int = 1, padding: int = 0, bias: bool = True
) -> keras.KerasTensor:
    """A convolution that pads as PyTorch does."""
    # "same" pads another way at strides above 1: at the end first.
    same = strides == 1 and 2 * padding == size - 1
    if padding and not same:
        x = keras.layers.ZeroPadding2D(padding, name=f"{name}.pad")(x)
    kind = "same" if same else "valid"
    return keras.layers.Conv2D(filters, size, strides, kind, use_bias=bias, name=name)(x)


def batch_norm(x: keras.KerasTensor, name: str) -> keras.KerasTensor:
    """Batch normalisation with PyTorch's epsilon."""
    return keras.layers.BatchNormalization(epsilon=1e-5, name=name)(x)


def relu(x: keras.KerasTensor, name: str) -> keras.KerasTensor:
    """A ReLU."""
    return keras.layers.ReLU(name=name)(x)


def max_pool(x: keras.KerasTensor, size: int, strides: int, name: str, padding: int = 0) -> keras.KerasTensor:
    """Max pooling of rectified values."""
    if padding:
        # PyTorch pads with minus infinity, which is as good as 0 beside rectified values.
        x = keras.layers.ZeroPadding2D(padding, name=f"{name}.pad")(x)
    return keras.layers.MaxPooling2D(size, strides, name=name)(x)


def classifier(x: keras.KerasTensor, size: int, numbers: tuple[int, int, int]) -> keras.KerasTensor:
    """Pools to a grid of `size` a side and classifies; dropout stood here in training."""
    x = keras.layers.AdaptiveAveragePooling2D(size, name="avgpool")(x)
    # PyTorch flattens channel by channel.
    x = keras.layers.Flatten(name="flatten")(keras.layers.Permute((3, 1, 2), name="flatten.channels_first")(x))
    for number in numbers[:2]:
        x = relu(keras.layers.Dense(4096, name=f"classifier.{number}")(x), f"classifier.{number + 1}")
    return keras.layers.Dense(CLASSES, name=f"classifier.{numbers[2]}")(x)
