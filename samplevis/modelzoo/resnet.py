"""ResNet-18 and ResNet-34 as in torchvision."""

from __future__ import annotations

import os

import keras

from samplevis.modelzoo.imagenet import CLASSES, normalize
from samplevis.modelzoo.torch_layers import Weights, batch_norm, convolution, max_pool, relu, torch_network
from samplevis.network import Network

#: Blocks in each of the four groups.
BLOCKS = {"ResNet18": (2, 2, 2, 2), "ResNet34": (3, 4, 6, 3)}


def ResNet18(weights: Weights = "imagenet", *, labels: str | os.PathLike | None = None) -> Network:  # noqa: N802
    """ResNet-18 (He et al., 2015, arXiv:1512.03385) as in torchvision, for images of any size.

    Layers have torchvision's names for the nodes of its graph: `conv1`, `bn1`, `relu`, `maxpool`, `layer1.0.conv1` ...
    A block ends in its sum `layer4.1.add`, which is rectified in `layer4.1.relu_1`; `fc` gives the classes before softmax.

    Args:
      weights: "imagenet" (the default) fetches torchvision's file once into Keras's cache and checks it; a path reads a state
        dict, `.pth`, `.npz` or `.safetensors`, without PyTorch; None means random weights.
      labels: path of a text file with 1,000 lines, a class on each. Defaults to Keras's list, fetched when a label is first used.

    Returns:
      A Network for RGB images [batch, height, width, 3] in [0, 1].

    Raises:
      OSError: if a file is missing or cannot be fetched.
      ImportError: if the file needs the extra `safetensors`.
      ValueError: if the file is not for this network.

    Example:
      >>> modelzoo.ResNet18(weights=None).layer_shape("layer4.1.add", (224, 224))
      (7, 7, 512)
    """
    return torch_network("ResNet18", lambda: architecture("ResNet18"), weights, labels)


def ResNet34(weights: Weights = "imagenet", *, labels: str | os.PathLike | None = None) -> Network:  # noqa: N802
    """ResNet-34 (He et al., 2015, arXiv:1512.03385) as in torchvision, for images of any size; see `ResNet18`.

    Args:
      weights: as in `ResNet18`.
      labels: as in `ResNet18`.

    Returns:
      A Network for RGB images [batch, height, width, 3] in [0, 1].

    Raises:
      OSError, ImportError, ValueError: as in `ResNet18`.

    Example:
      >>> modelzoo.ResNet34(weights=None).layer_shape("layer3.5.add", (224, 224))
      (14, 14, 256)
    """
    return torch_network("ResNet34", lambda: architecture("ResNet34"), weights, labels)


def architecture(name: str) -> keras.Model:
    """A ResNet without weights: images [batch, height, width, 3] in [0, 1] to logits [batch, 1000]; `name` is a key of `BLOCKS`."""
    image = keras.Input((None, None, 3), name="image")
    x = normalize(image)
    x = relu(batch_norm(convolution(x, 64, 7, "conv1", strides=2, padding=3, bias=False), "bn1"), "relu")
    x = max_pool(x, 3, 2, "maxpool", padding=1)
    for group, depth in enumerate(BLOCKS[name]):
        for block in range(depth):
            x = _basic_block(x, 64 * 2**group, 2 if group and not block else 1, f"layer{group + 1}.{block}")
    x = keras.layers.GlobalAveragePooling2D(name="avgpool")(x)
    return keras.Model(image, keras.layers.Dense(CLASSES, name="fc")(x), name=name)


def _basic_block(x: keras.KerasTensor, filters: int, strides: int, name: str) -> keras.KerasTensor:
    shortcut = x
    x = convolution(x, filters, 3, f"{name}.conv1", strides=strides, padding=1, bias=False)
    x = relu(batch_norm(x, f"{name}.bn1"), f"{name}.relu")
    x = batch_norm(convolution(x, filters, 3, f"{name}.conv2", padding=1, bias=False), f"{name}.bn2")
    if strides > 1:
        shortcut = convolution(shortcut, filters, 1, f"{name}.downsample.0", strides=strides, bias=False)
        shortcut = batch_norm(shortcut, f"{name}.downsample.1")
    return relu(keras.layers.Add(name=f"{name}.add")([x, shortcut]), f"{name}.relu_1")
