"""Lucid's models by name: those of `samplevis.modelzoo` that are the same networks, and errors for the others.

Every class has what Lucid declares of it, `layers` too (core/models.json). A network from Keras answers to Lucid's names of its
layers, and its last layer is a softmax, with the background as class 0 where TF-slim has one.
"""

from __future__ import annotations

import functools
import re
from typing import Any, NamedTuple

import keras

from samplevis import modelzoo
from samplevis.lucid.core.eager import outside
from samplevis.lucid.core.facts import MODELS
from samplevis.lucid.core.models import NetworkModel
from samplevis.lucid.modelzoo.vision_base import Layer, Model, _layers_from_list_of_dicts
from samplevis.network import Network
from samplevis.network.preprocessing import MODES
from samplevis.runtime.checks import did_you_mean


class Match(NamedTuple):
    """The network of `samplevis.modelzoo` that stands for one of Lucid's.

    Attributes:
      zoo: its name there.
      layers: pattern of the names of the layers that Lucid lists, in order of computation. Empty if names are the same.
      stem: how many activations at the start are among them, which Keras numbers anew in each process.
    """

    zoo: str
    layers: str = ""
    stem: int = 0


_VGG = r"block\d_conv\d|fc\d"
_RESNET = r"conv1_relu|conv\d_block\d+_out"
_RESNET_V2 = r"conv\d_block1_preact_relu|conv\d_block\d+_out|post_relu"
_NASNET = r"stem_conv1|(reduction|normal)_concat_\w+"
MATCHES: dict[str, Match] = {
    "InceptionV1": Match("InceptionV1"),
    "InceptionV1_slim": Match("InceptionV1_slim"),
    "VGG16_caffe": Match("VGG16", _VGG),
    "VGG19_caffe": Match("VGG19", _VGG),
    "InceptionV3_slim": Match("InceptionV3", r"mixed\d+", 5),
    "InceptionResnetV2_slim": Match(
        "InceptionResNetV2", r"mixed_\w+|custom_scale_layer(_\d+)?|block\d+_\d+_ac|conv_7b_ac", 5
    ),
    "ResnetV1_50_slim": Match("ResNet50", _RESNET),
    "ResnetV1_101_slim": Match("ResNet101", _RESNET),
    "ResnetV1_152_slim": Match("ResNet152", _RESNET),
    "ResnetV2_50_slim": Match("ResNet50V2", _RESNET_V2),
    "ResnetV2_101_slim": Match("ResNet101V2", _RESNET_V2),
    "ResnetV2_152_slim": Match("ResNet152V2", _RESNET_V2),
    "MobilenetV1_slim": Match("MobileNet", r"conv1_relu|conv_pw_\d+_relu"),
    "MobilenetV2_10_slim": Match("MobileNetV2", r"block_\d+_add"),
    "NasnetMobile_slim": Match("NASNetMobile", _NASNET),
    "NasnetLarge_slim": Match("NASNetLarge", _NASNET),
}
# Name of the layer of probabilities that is added to networks from Keras.
PROBABILITIES = "probabilities"


class _Matched(Model):
    """A model of Keras's that stands for one of Lucid's."""

    lucid_name: str

    def _of_zoo(self, make: Any) -> Network:
        match = MATCHES[self.lucid_name]
        network = super()._of_zoo(make)
        return with_lucids_names(network, match, MODELS[self.lucid_name]["layers"]) if match.layers else network


def with_lucids_names(network: Network, match: Match, layers: list[list[Any]]) -> Network:
    """A network from Keras that ends in probabilities and answers to Lucid's names of its layers.

    Args:
      network: the network; its last layer gives classes before softmax.
      match: what it stands for.
      layers: Lucid's layers, [name, depth, *tags], the last one being the probabilities.

    Returns:
      A `Network`.
    """
    logits = network.model.output
    values = keras.layers.Softmax(name="softmax")(logits)
    labels = network._labels
    if layers[-1][1] == logits.shape[-1] + 1:
        column = keras.layers.Reshape((-1, 1), name="classes")(values)
        padded = keras.layers.ZeroPadding1D((1, 0), name="background")(column)
        values = keras.layers.Reshape((-1,), name=PROBABILITIES)(padded)
        labels = lambda: None if network.labels is None else ("dummy", *network.labels)  # noqa: E731
    else:
        values = keras.layers.Activation("linear", name=PROBABILITIES)(values)
    stem = [name for name in network.layers if re.fullmatch(r"activation(_\d+)?", name)][: match.stem]
    rest = [name for name in network.layers if re.fullmatch(match.layers, name)]
    names = [*stem, *rest, PROBABILITIES]
    return Network(
        keras.Model(network.model.input, values, name=network.model.name),
        value_range=network.value_range,
        bgr=network.bgr,
        mean=network.mean,
        std=network.std,
        labels=labels,
        name=network.name,
        aliases={layer[0]: name for layer, name in zip(layers, names, strict=True)},
    )


def _model_class(name: str) -> type[Model]:
    """A class with what Lucid declares of a model; what images become is declared by the network here."""
    facts = {key: value for key, value in MODELS[name].items() if key not in ("module", "base", "layers")}
    facts |= {"__module__": __name__, "image_value_range": tuple(facts["image_value_range"])}
    match = MATCHES.get(name)
    base: type[Model] = globals().get(MODELS[name].get("base"), Model)
    if match is None:
        doc = f"Its only copy was in Lucid's bucket. With the file: `{name}(PATH)`."
        if name == "AlexNet":
            doc += " `samplevis.modelzoo.AlexNet` is torchvision's, which has other layers."
        made = type(name, (base,), {**facts, "zoo": None, "__doc__": doc})
    else:
        doc = f"`samplevis.modelzoo.{match.zoo}`, with Lucid's names of its layers."
        facts |= {"zoo": match.zoo, "lucid_name": name, "__doc__": doc}
        made = type(name, (_Matched,), facts | _range_of(match.zoo))
    listed = ({"name": layer, "depth": depth, "tags": tags} for layer, depth, *tags in MODELS[name]["layers"])
    made.layers = _layers_from_list_of_dicts(made, list(listed))
    return made


def _range_of(zoo: str) -> dict[str, Any]:
    """What images become in a network from Keras: ResNet's weights there are not TF-slim's."""
    images = modelzoo.MODELS[zoo].images
    if images != "caffe":
        return {}
    mode = MODES[images]
    low, high = mode.value_range
    mean = mode.mean or (0.0,)
    return {"image_value_range": ([low - m for m in mean], [high - m for m in mean]), "is_BGR": mode.bgr}


for _name in sorted(MODELS, key=lambda name: "base" in MODELS[name]):
    globals()[_name] = _model_class(_name)
__all__ = ["Layer", "Model", *MODELS]


def __dir__() -> list[str]:
    return [*__all__, *(name for name in globals() if name.startswith("__"))]


def __getattr__(name: str) -> type[Model]:
    """The other models of `samplevis.modelzoo`, such as EfficientNetLite0, as classes of Lucid's."""
    if name.startswith("_") or name not in modelzoo.NAMES:
        raise AttributeError(f"there is no model {name!r}.{did_you_mean(name, MODELS)} Lucid's: {', '.join(MODELS)}")
    return _of_zoo(name)


@functools.cache
def _of_zoo(name: str) -> type[Model]:
    """A class for a model of `samplevis.modelzoo` that Lucid does not have."""

    class OfZoo(NetworkModel):
        def __init__(self, weights: Any = None):
            make = getattr(modelzoo, name)
            super().__init__(outside(lambda: make() if weights is None else make(weights)))
            self._weights, self.model_name = weights, name

        def __reduce__(self) -> tuple[Any, ...]:
            return type(self), (self._weights,)

    doc = f"`samplevis.modelzoo.{name}`; layers have the names that it gives them."
    return type(name, (OfZoo,), {"__module__": __name__, "__doc__": doc})
