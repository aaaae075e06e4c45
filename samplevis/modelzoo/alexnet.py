"""AlexNet as in torchvision."""

from __future__ import annotations

import os

import keras

from samplevis.modelzoo.imagenet import normalize
from samplevis.modelzoo.torch_layers import Weights, classifier, convolution, max_pool, relu, torch_network
from samplevis.network import Network


def AlexNet(weights: Weights = "imagenet", *, labels: str | os.PathLike | None = None) -> Network:  # noqa: N802
    """AlexNet as in torchvision (Krizhevsky, 2014, arXiv:1404.5997), for images of at least 63 pixels a side.

    Layers have torchvision's names: `features.0` ... `features.12`, `avgpool`, `classifier.1` ... `classifier.6`, the classes
    before softmax. `features.1`, 4, 7, 9 and 11 are rectified.

    Args:
      weights: as in `ResNet18`.
      labels: as in `ResNet18`.

    Returns:
      A Network for RGB images [batch, height, width, 3] in [0, 1].

    Raises:
      OSError, ImportError, ValueError: as in `ResNet18`.

    Example:
      >>> modelzoo.AlexNet(weights=None).layer_shape("features.11", (224, 224))
      (13, 13, 256)
    """
    return torch_network("AlexNet", architecture, weights, labels)


def architecture() -> keras.Model:
    """AlexNet without weights: images [batch, height, width, 3] in [0, 1] to logits [batch, 1000]."""
    image = keras.Input((None, None, 3), name="image")
    x = normalize(image)
    x = relu(convolution(x, 64, 11, "features.0", strides=4, padding=2), "features.1")
    x = max_pool(x, 3, 2, "features.2")
    x = relu(convolution(x, 192, 5, "features.3", padding=2), "features.4")
    x = max_pool(x, 3, 2, "features.5")
    for number, filters in ((6, 384), (8, 256), (10, 256)):
        x = relu(convolution(x, filters, 3, f"features.{number}", padding=1), f"features.{number + 1}")
    x = max_pool(x, 3, 2, "features.12")
    return keras.Model(image, classifier(x, 6, (1, 4, 6)), name="AlexNet")
