"""Lucid's models by name: those of `samplevis.modelzoo` that are the same networks, and errors for the others.

Networks from Keras and torchvision have the layers' names of these; `model.layers` lists them.
"""

from __future__ import annotations

from typing import Any

from samplevis import modelzoo
from samplevis.lucid.modelzoo.vision_base import Layer, Model, NetworkModel, SerializedModel, _layers_from_list_of_dicts

__all__ = ["Layer", "Model", "NetworkModel", "SerializedModel"]


class InceptionV1(Model):
    """GoogLeNet, Lucid's own: `samplevis.modelzoo.InceptionV1`."""

    zoo = "InceptionV1"
    image_shape = [224, 224, 3]
    image_value_range = (-117, 138)
    input_name = "input:0"
    dataset = "ImageNet"


# Lucid's list: every layer that it offers, with its number of channels.
_CONV = {
    **{"conv2d0": 64, "conv2d1": 64, "conv2d2": 192, "mixed3a": 256, "mixed3b": 480, "mixed4a": 508, "mixed4b": 512},
    **{"mixed4c": 512, "mixed4d": 528, "mixed4e": 832, "mixed5a": 832, "mixed5b": 1024},
}
_HEADS = {
    **{"head0_bottleneck": "conv 128", "nn0": "dense 1024", "softmax0": "dense 1008"},
    **{"head1_bottleneck": "conv 128", "nn1": "dense 1024", "softmax1": "dense 1008", "softmax2": "dense 1008"},
}
InceptionV1.layers = _layers_from_list_of_dicts(
    InceptionV1,
    [
        *({"name": name, "depth": depth, "tags": ["conv"]} for name, depth in _CONV.items()),
        *({"name": name, "depth": int(kind.split()[1]), "tags": [kind.split()[0]]} for name, kind in _HEADS.items()),
    ],
)

# Lucid's name -> the same architecture in `samplevis.modelzoo`.
SAME = {
    "AlexNet": "AlexNet",
    "VGG16_caffe": "VGG16",
    "VGG19_caffe": "VGG19",
    "InceptionV1_slim": "InceptionV1_slim",
    "InceptionV3_slim": "InceptionV3",
    "InceptionResnetV2_slim": "InceptionResNetV2",
    "ResnetV1_50_slim": "ResNet50",
    "ResnetV1_101_slim": "ResNet101",
    "ResnetV1_152_slim": "ResNet152",
    "ResnetV2_50_slim": "ResNet50V2",
    "ResnetV2_101_slim": "ResNet101V2",
    "ResnetV2_152_slim": "ResNet152V2",
    "MobilenetV1_slim": "MobileNet",
    "MobilenetV2_10_slim": "MobileNetV2",
    "NasnetMobile_slim": "NASNetMobile",
    "NasnetLarge_slim": "NASNetLarge",
}
# Lucid's name -> the side of its images, for those whose only copy was in Lucid's bucket.
GONE = {
    **{"InceptionV1_adv_finetuned": 224, "CaffeNet_caffe": 227, "InceptionV1_caffe": 224, "Clip_ResNet50_4x": 288},
    **{"InceptionV1_caffe_Places205": 224, "InceptionV1_caffe_Places365": 224, "AlexNet_caffe_Places365": 227},
    **{"InceptionV2_slim": 224, "InceptionV4_slim": 299, "MobilenetV1_050_slim": 224, "MobilenetV1_025_slim": 224},
    **{"MobilenetV2_14_slim": 224, "PnasnetMobile_slim": 224, "PnasnetLarge_slim": 331},
}
_MEAN = (123.68, 116.779, 103.939)
_BGR_RANGE = (tuple(-mean for mean in _MEAN[::-1]), tuple(255 - mean for mean in _MEAN[::-1]))


def _subclass(name: str, **attributes: Any) -> type[Model]:
    """A model class; its attributes that the network knows are read from it."""
    return type(name, (Model,), {"__module__": __name__, **attributes})


class _OfTheZoo(Model):
    """A model of `samplevis.modelzoo`, whose attributes are those of the network."""

    @property
    def image_shape(self) -> list[int | None]:
        return list(self.network.image_shape)

    @property
    def image_value_range(self) -> tuple[Any, Any]:
        low, high = self.network.value_range
        mean = self.network.mean
        return (low, high) if mean is None else (low - mean, high - mean)


def _of_zoo(name: str, zoo: str) -> type[Model]:
    doc = f"`samplevis.modelzoo.{zoo}`; layers have the names that it gives them."
    return type(name, (_OfTheZoo,), {"__module__": __name__, "__doc__": doc, "zoo": zoo})


def _gone(name: str, side: int) -> type[Model]:
    caffe = {"image_value_range": _BGR_RANGE, "is_BGR": True} if "caffe" in name else {}
    clip = {"image_value_range": (0, 255)} if name.startswith("Clip") else {}
    doc = f"Its only copy was in Lucid's bucket. With the file: `{name}(PATH)`."
    own = {"model_path": f"gs://modelzoo/vision/{name}.pb", "image_shape": [side, side, 3], "__doc__": doc}
    return _subclass(name, **own, **caffe, **clip)


for _name, _zoo in SAME.items():
    globals()[_name] = _of_zoo(_name, _zoo)
for _name, _side in GONE.items():
    globals()[_name] = _gone(_name, _side)
__all__ += ["InceptionV1", *SAME, *GONE]


def __getattr__(name: str) -> type[Model]:
    """The other models of `samplevis.modelzoo`, such as EfficientNetLite0, as classes of Lucid's."""
    if name.startswith("_") or name not in modelzoo.NAMES:
        raise AttributeError(f"there is no model {name!r}. Lucid's: {', '.join(__all__[4:])}")
    return _of_zoo(name, name)
