"""VGG-16 and VGG-19 as in torchvision."""

from __future__ import annotations

import os

import keras

from samplevis.modelzoo.imagenet import normalize
from samplevis.modelzoo.torch_layers import Weights, classifier, convolution, max_pool, relu, torch_network
from samplevis.network import Network

#: Channels of VGG's convolutions between its max poolings.
CHANNELS = {
    "VGG16_torchvision": ((64, 64), (128, 128), (256,) * 3, (512,) * 3, (512,) * 3),
    "VGG19_torchvision": ((64, 64), (128, 128), (256,) * 4, (512,) * 4, (512,) * 4),
}


def VGG16_torchvision(weights: Weights = "imagenet", *, labels: str | os.PathLike | None = None) -> Network:  # noqa: N802
    """VGG-16 (Simonyan & Zisserman, 2014, arXiv:1409.1556) as in torchvision, for images of at least 32 pixels a side.

    Layers have torchvision's names: `features.0` ... `features.30`, `avgpool`, `classifier.0` ... `classifier.6`, the classes
    before softmax. `VGG16` is the original of Caffe, as in Keras.

    Args:
      weights: as in `ResNet18`.
      labels: as in `ResNet18`.

    Returns:
      A Network for RGB images [batch, height, width, 3] in [0, 1].

    Raises:
      OSError, ImportError, ValueError: as in `ResNet18`.

    Example:
      >>> modelzoo.VGG16_torchvision(weights=None).layer_shape("features.29", (224, 224))
      (14, 14, 512)
    """
    return torch_network("VGG16_torchvision", lambda: architecture("VGG16_torchvision"), weights, labels)


def VGG19_torchvision(weights: Weights = "imagenet", *, labels: str | os.PathLike | None = None) -> Network:  # noqa: N802
    """VGG-19 (Simonyan & Zisserman, 2014, arXiv:1409.1556) as in torchvision; see `VGG16_torchvision`.

    Args:
      weights: as in `ResNet18`.
      labels: as in `ResNet18`.

    Returns:
      A Network for RGB images [batch, height, width, 3] in [0, 1].

    Raises:
      OSError, ImportError, ValueError: as in `ResNet18`.

    Example:
      >>> modelzoo.VGG19_torchvision(weights=None).layer_shape("features.35", (224, 224))
      (14, 14, 512)
    """
    return torch_network("VGG19_torchvision", lambda: architecture("VGG19_torchvision"), weights, labels)


def architecture(name: str) -> keras.Model:
    """A VGG without weights: images [batch, height, width, 3] in [0, 1] to logits [batch, 1000]; `name` is a key of `CHANNELS`."""
    image = keras.Input((None, None, 3), name="image")
    x = normalize(image)
    number = 0
    for group in CHANNELS[name]:
        for filters in group:
            x = relu(convolution(x, filters, 3, f"features.{number}", padding=1), f"features.{number + 1}")
            number += 2
        x = max_pool(x, 2, 2, f"features.{number}")
        number += 1
    return keras.Model(image, classifier(x, 7, (0, 3, 6)), name=name)
