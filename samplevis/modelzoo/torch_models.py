"""Networks as torchvision defines them, for their weights in .npz or .safetensors files."""

from __future__ import annotations

import os
from pathlib import Path

import keras

from samplevis.modelzoo.checkpoints import load_state_dict, read_state_dict
from samplevis.modelzoo.fetch import cache_folder
from samplevis.modelzoo.imagenet import CLASSES, imagenet_labels, normalize
from samplevis.network import Network

#: Blocks in each of a ResNet's four groups.
RESNET = {"ResNet18": (2, 2, 2, 2), "ResNet34": (3, 4, 6, 3)}
#: Channels of VGG's convolutions between its max poolings.
VGG = {
    "VGG16_torchvision": ((64, 64), (128, 128), (256,) * 3, (512,) * 3, (512,) * 3),
    "VGG19_torchvision": ((64, 64), (128, 128), (256,) * 4, (512,) * 4, (512,) * 4),
}
Weights = str | os.PathLike | None


def ResNet18(weights: Weights = "imagenet", *, labels: str | os.PathLike | None = None) -> Network:  # noqa: N802
    """ResNet-18 (He et al., 2015, arXiv:1512.03385) as in torchvision, for images of any size.

    Layers have torchvision's names for the nodes of its graph: `conv1`, `bn1`, `relu`, `maxpool`, `layer1.0.conv1` ...
    A block ends in its sum `layer4.1.add`, which is rectified in `layer4.1.relu_1`; `fc` gives the classes before softmax.

    Args:
      weights: path of an `.npz` or `.safetensors` file of torchvision's state dict; "imagenet" (the default) reads
        `resnet18.safetensors` in Keras's cache, which is not fetched: the error says how to make it; None draws random weights.
      labels: path of a text file with 1,000 lines, a class on each. Defaults to Keras's list, fetched when first used.

    Returns:
      A Network for RGB images [batch, height, width, 3] in [0, 1].

    Raises:
      OSError: if a file is missing.
      ImportError: if the file needs the extra `safetensors`.
      ValueError: if the file is not for this network.
    """
    return _network("ResNet18", weights, labels)


def ResNet34(weights: Weights = "imagenet", *, labels: str | os.PathLike | None = None) -> Network:  # noqa: N802
    """ResNet-34 (He et al., 2015, arXiv:1512.03385) as in torchvision, for images of any size; see `ResNet18`.

    Args:
      weights: as in `ResNet18`.
      labels: as in `ResNet18`.

    Returns:
      A Network for RGB images [batch, height, width, 3] in [0, 1].

    Raises:
      OSError, ImportError, ValueError: as in `ResNet18`.
    """
    return _network("ResNet34", weights, labels)


def AlexNet(weights: Weights = "imagenet", *, labels: str | os.PathLike | None = None) -> Network:  # noqa: N802
    """AlexNet as in torchvision (Krizhevsky, 2014, arXiv:1404.5997), for images of 63 pixels a side and more.

    Layers have torchvision's names: `features.0` ... `features.12`, `avgpool`, `classifier.1` ... `classifier.6`, the classes
    before softmax. `features.1`, 4, 7, 9 and 11 are rectified.

    Args:
      weights: as in `ResNet18`.
      labels: as in `ResNet18`.

    Returns:
      A Network for RGB images [batch, height, width, 3] in [0, 1].

    Raises:
      OSError, ImportError, ValueError: as in `ResNet18`.
    """
    return _network("AlexNet", weights, labels)


def VGG16_torchvision(weights: Weights = "imagenet", *, labels: str | os.PathLike | None = None) -> Network:  # noqa: N802
    """VGG-16 (Simonyan & Zisserman, 2014, arXiv:1409.1556) as in torchvision, for images of 32 pixels a side and more.

    Layers have torchvision's names: `features.0` ... `features.30`, `avgpool`, `classifier.0` ... `classifier.6`, the classes
    before softmax. `VGG16` is the first, of Caffe, as Keras has it.

    Args:
      weights: as in `ResNet18`.
      labels: as in `ResNet18`.

    Returns:
      A Network for RGB images [batch, height, width, 3] in [0, 1].

    Raises:
      OSError, ImportError, ValueError: as in `ResNet18`.
    """
    return _network("VGG16_torchvision", weights, labels)


def VGG19_torchvision(weights: Weights = "imagenet", *, labels: str | os.PathLike | None = None) -> Network:  # noqa: N802
    """VGG-19 (Simonyan & Zisserman, 2014, arXiv:1409.1556) as in torchvision; see `VGG16_torchvision`.

    Args:
      weights: as in `ResNet18`.
      labels: as in `ResNet18`.

    Returns:
      A Network for RGB images [batch, height, width, 3] in [0, 1].

    Raises:
      OSError, ImportError, ValueError: as in `ResNet18`.
    """
    return _network("VGG19_torchvision", weights, labels)


def architecture(name: str) -> keras.Model:
    """A network without weights, as a functional model of [batch, height, width, 3] in [0, 1] to logits [batch, 1000].

    Args:
      name: "AlexNet", or a key of `RESNET` or `VGG`.
    """
    return _alexnet() if name == "AlexNet" else _resnet(name) if name in RESNET else _vgg(name)


def _network(name: str, weights: Weights, labels: str | os.PathLike | None) -> Network:
    if weights == "imagenet":
        weights = _cached(name)
    arrays = None if weights is None else read_state_dict(weights)
    model = architecture(name)
    if arrays is not None:
        load_state_dict(model, arrays, weights)
    return Network(model, labels=imagenet_labels(labels, weights), name=name)


def _cached(name: str) -> Path:
    """The weights in Keras's cache: torchvision publishes pickles, which are never read here, so nothing is fetched."""
    file = name.partition("_")[0].lower()
    path = cache_folder() / f"{file}.safetensors"
    if path.is_file():
        return path
    raise FileNotFoundError(
        f"weights: there is no file {str(path)!r}. Make it where PyTorch is installed: "
        f"safetensors.torch.save_file(torchvision.models.{file}(weights='DEFAULT').state_dict(), {path.name!r}); "
        f"put it there, or give its path: {name}(weights=PATH)."
    )


def _resnet(name: str) -> keras.Model:
    image = keras.Input((None, None, 3), name="image")
    x = normalize(image)
    x = _relu(_norm(_convolution(x, 64, 7, "conv1", strides=2, padding=3, bias=False), "bn1"), "relu")
    x = _max_pool(x, 3, 2, "maxpool", padding=1)
    for group, depth in enumerate(RESNET[name]):
        for block in range(depth):
            x = _basic_block(x, 64 * 2**group, 2 if group and not block else 1, f"layer{group + 1}.{block}")
    x = keras.layers.GlobalAveragePooling2D(name="avgpool")(x)
    return keras.Model(image, keras.layers.Dense(CLASSES, name="fc")(x), name=name)


def _alexnet() -> keras.Model:
    image = keras.Input((None, None, 3), name="image")
    x = normalize(image)
    x = _relu(_convolution(x, 64, 11, "features.0", strides=4, padding=2), "features.1")
    x = _max_pool(x, 3, 2, "features.2")
    x = _relu(_convolution(x, 192, 5, "features.3", padding=2), "features.4")
    x = _max_pool(x, 3, 2, "features.5")
    for number, filters in ((6, 384), (8, 256), (10, 256)):
        x = _relu(_convolution(x, filters, 3, f"features.{number}", padding=1), f"features.{number + 1}")
    x = _max_pool(x, 3, 2, "features.12")
    return keras.Model(image, _classifier(x, 6, (1, 4, 6)), name="AlexNet")


def _vgg(name: str) -> keras.Model:
    image = keras.Input((None, None, 3), name="image")
    x = normalize(image)
    number = 0
    for group in VGG[name]:
        for filters in group:
            x = _relu(_convolution(x, filters, 3, f"features.{number}", padding=1), f"features.{number + 1}")
            number += 2
        x = _max_pool(x, 2, 2, f"features.{number}")
        number += 1
    return keras.Model(image, _classifier(x, 7, (0, 3, 6)), name=name)


def _convolution(
    x: keras.KerasTensor, filters: int, size: int, name: str, *, strides: int = 1, padding: int = 0, bias: bool = True
) -> keras.KerasTensor:
    # "same" pads another way at strides above 1: at the end first.
    same = strides == 1 and 2 * padding == size - 1
    if padding and not same:
        x = keras.layers.ZeroPadding2D(padding, name=f"{name}.pad")(x)
    kind = "same" if same else "valid"
    return keras.layers.Conv2D(filters, size, strides, kind, use_bias=bias, name=name)(x)


def _norm(x: keras.KerasTensor, name: str) -> keras.KerasTensor:
    return keras.layers.BatchNormalization(epsilon=1e-5, name=name)(x)


def _relu(x: keras.KerasTensor, name: str) -> keras.KerasTensor:
    return keras.layers.ReLU(name=name)(x)


def _max_pool(x: keras.KerasTensor, size: int, strides: int, name: str, padding: int = 0) -> keras.KerasTensor:
    if padding:
        # PyTorch pads with minus infinity, which is as good as 0 beside rectified values.
        x = keras.layers.ZeroPadding2D(padding, name=f"{name}.pad")(x)
    return keras.layers.MaxPooling2D(size, strides, name=name)(x)


def _basic_block(x: keras.KerasTensor, filters: int, strides: int, name: str) -> keras.KerasTensor:
    shortcut = x
    x = _convolution(x, filters, 3, f"{name}.conv1", strides=strides, padding=1, bias=False)
    x = _relu(_norm(x, f"{name}.bn1"), f"{name}.relu")
    x = _norm(_convolution(x, filters, 3, f"{name}.conv2", padding=1, bias=False), f"{name}.bn2")
    if strides > 1:
        shortcut = _convolution(shortcut, filters, 1, f"{name}.downsample.0", strides=strides, bias=False)
        shortcut = _norm(shortcut, f"{name}.downsample.1")
    return _relu(keras.layers.Add(name=f"{name}.add")([x, shortcut]), f"{name}.relu_1")


def _classifier(x: keras.KerasTensor, size: int, numbers: tuple[int, int, int]) -> keras.KerasTensor:
    """Pools to a grid of `size` a side and classifies; dropout stood here in training."""
    x = keras.layers.AdaptiveAveragePooling2D(size, name="avgpool")(x)
    # PyTorch flattens channel by channel.
    x = keras.layers.Flatten(name="flatten")(keras.layers.Permute((3, 1, 2), name="flatten.channels_first")(x))
    for number in numbers[:2]:
        x = _relu(keras.layers.Dense(4096, name=f"classifier.{number}")(x), f"classifier.{number + 1}")
    return keras.layers.Dense(CLASSES, name=f"classifier.{numbers[2]}")(x)
