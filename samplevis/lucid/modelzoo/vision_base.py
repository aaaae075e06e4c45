"""Lucid's model classes, over `samplevis.Network`. Source: lucid/modelzoo/vision_base.py."""

from __future__ import annotations

import functools
import logging
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from samplevis import modelzoo
from samplevis.lucid.core import graphs
from samplevis.lucid.core.eager import outside
from samplevis.lucid.core.facts import dropped_error
from samplevis.lucid.modelzoo import util
from samplevis.lucid.modelzoo.get_activations import get_activations
from samplevis.modelzoo.files import load_file
from samplevis.network import Network

log = logging.getLogger(__name__)

IMAGENET_MEAN = np.array([123.68, 116.779, 103.939])
IMAGENET_MEAN_BGR = np.flip(IMAGENET_MEAN, 0)


class Layer:
    """A layer of a model.

    Args:
      model_class: the model's class.
      name: its name, for T.
      depth: number of channels.
      tags: "conv" or "dense".

    Attributes:
      width, height, shape: None, as in Lucid.
    """

    width = height = shape = None

    def __init__(self, model_class: type, name: str, depth: int, tags: Sequence[str]):
        self.model_class, self.name, self.depth, self.tags = model_class, name, depth, set(tags)

    def __getitem__(self, name: str) -> Any:
        if name == "type":
            return next(iter(self.tags))
        if name not in ("name", "depth", "size", "tags"):
            raise AttributeError(f"a layer has no {name!r}")
        return getattr(self, name)

    @property
    def size(self) -> int:
        """`depth`, in old programs."""
        return self.depth

    @property
    def activations(self) -> np.ndarray:
        """Activations of ImageNet's pictures; their files are gone."""
        raise dropped_error("modelzoo.aligned_activations")

    def __repr__(self) -> str:
        return f"Layer (belonging to {self.model_class.__name__}) <{self.name}: {self.depth}> ([{self.tags}])"

    def to_json(self) -> str:
        """Its name."""
        return self.name


def _layers_from_list_of_dicts(model_class: type, list_of_dicts: Sequence[Mapping[str, Any]]) -> tuple[Layer, ...]:
    return tuple(
        Layer(model_class, each["name"], each.get("depth", each.get("size")), each.get("tags", [each.get("type")]))
        for each in list_of_dicts
    )


class Model:
    """A model. Subclasses say where its graph is, or which model of `samplevis.modelzoo` it is.

    Args:
      weights: a file of weights, or whatever else the zoo's function takes. Defaults to those that it fetches.

    Attributes:
      model_path: a frozen graph, `.pb`, of the user's own.
      labels_path: a text file, a class on each line.
      input_name: node of the graph that is the images. Defaults to its placeholder.
      image_value_range: what black and white pixels become.
      is_BGR: whether the graph expects blue first.
      zoo: a name in `samplevis.modelzoo`, instead of `model_path`.

    Example:
      >>> class Own(Model):
      ...     model_path, input_name, image_value_range = "graph.pb", "input", (0, 1)
    """

    model_path: str | None = None
    labels_path: str | None = None
    synsets_path: str | None = None
    image_value_range: Any = (-1, 1)
    image_shape: Sequence[int | None] = (None, None, 3)
    input_name: str | None = None
    dataset: str | None = None
    model_name: str | None = None
    is_BGR = False
    zoo: str | None = None
    settings: Mapping[str, Any] = {}

    def __init__(self, weights: Any = None):
        self._weights = weights

    @functools.cached_property
    def network(self) -> Network:
        """The network, loaded when it is first used."""
        return outside(self._load)

    def _load(self) -> Network:
        if self.zoo is not None:
            make = getattr(modelzoo, self.zoo)
            return make(**self.settings) if self._weights is None else make(self._weights, **self.settings)
        path = self._weights or self.model_path
        if path is None or "://" in str(path):
            raise OSError(
                f"model_path: {type(self).__name__} has its graph at {path}, which is no longer there. If you have the file, give "
                f"its path: {type(self).__name__}(PATH)."
            )
        size = (None, None, self.image_shape[-1])
        low, high = self.image_value_range
        mean = None
        if np.ndim(low):
            # Lucid subtracts ImageNet's mean by a range for each channel, in the network's order.
            mean, (low, high) = -np.asarray(low), (0.0, float(np.mean(np.subtract(high, low))))
        return load_file(
            Path(path),
            value_range=(low, high),
            mean=mean,
            bgr=self.is_BGR,
            image_shape=size,
            name=self.name,
            **({"input": self.input_name} if self.input_name else {}),
        )

    @functools.cached_property
    def layers(self) -> tuple[Layer, ...]:
        """Convolutions, concatenations and dense layers, in order of computation."""
        found = ((name, shape) for name, shape in self.network.layers.items() if len(shape) in (1, 3) and shape[-1])
        return tuple(
            Layer(type(self), name, shape[-1], ["conv" if len(shape) == 3 else "dense"]) for name, shape in found
        )

    @functools.cached_property
    def labels(self) -> list[str]:
        """The classes' names, in order."""
        if self.labels_path is not None and "://" not in self.labels_path:
            return Path(self.labels_path).read_text(encoding="utf-8").splitlines()
        labels = self.network.labels
        if labels is None:
            raise RuntimeError(f"labels: {self.name} has none. Set labels_path to a text file, a class on each line.")
        return list(labels)

    @property
    def synset_ids(self) -> list[str]:
        """WordNet's names of the classes."""
        if self.synsets_path is None or "://" in self.synsets_path:
            raise RuntimeError("synset_ids: set synsets_path to a text file, a synset on each line.")
        return Path(self.synsets_path).read_text(encoding="utf-8").splitlines()

    @property
    def synsets(self) -> list[Any]:
        """The synsets themselves; Lucid takes them from nltk."""
        raise dropped_error("modelzoo.wordnet")

    @property
    def name(self) -> str:
        """Its name."""
        return self.model_name or type(self).__name__

    @property
    def graph_def(self) -> Any:
        """The frozen graph."""
        network = self.network
        if isinstance(network.model, tf.compat.v1.GraphDef):
            return network.model
        raise RuntimeError(f"graph_def: {self.name} is a model of Keras; see network.model.")

    def load_graphdef(self) -> None:
        """Does nothing, as in Lucid: the graph is loaded when it is first used."""

    def post_import(self, scope: str) -> None:
        """Called after `import_graph`; for subclasses."""

    def create_input(
        self, t_input: tf.Tensor | None = None, forget_xy_shape: bool = True
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """An input for the network, in a graph.

        Args:
          t_input: images in [0, 1]. Defaults to a placeholder.
          forget_xy_shape: no effect.

        Returns:
          (the images, what the network sees).
        """
        if t_input is None:
            t_input = tf.compat.v1.placeholder(tf.float32, self.image_shape)
        images = t_input[None] if t_input.shape.rank == 3 else t_input
        return t_input, self.network.preprocess(images)

    def import_graph(
        self,
        t_input: tf.Tensor | None = None,
        scope: str = "import",
        forget_xy_shape: bool = True,
        input_map: Mapping[str, tf.Tensor] | None = None,
    ) -> Any:
        """Adds the network to the default graph.

        Args:
          t_input: images in [0, 1]. Defaults to a placeholder.
          scope: its name there. Defaults to "import".
          forget_xy_shape: no effect.
          input_map: tensors in the place of some in the network. Defaults to none.

        Returns:
          T, the accessor of its layers.
        """
        graphs.check_graph("import_graph")
        if t_input is None:
            t_input = tf.compat.v1.placeholder(tf.float32, self.image_shape)
        T = graphs.import_network(self, t_input, t_input, scope, input_map)  # noqa: N806
        self.post_import(scope)
        return T

    def show_graph(self) -> None:
        """Prints the layers; Lucid shows a drawing that browsers no longer have."""
        print(self.network.layer_table())

    def get_layer(self, name: str) -> Layer:
        """A layer by its name, or by a part of it.

        Raises:
          KeyError: if there is none.
        """
        for layer in self.layers:
            if layer.name == name:
                return layer
        for layer in self.layers:
            if name.lower() in layer.name.lower():
                log.warning("Found %r by a part of its name; give the whole name.", layer.name)
                return layer
        raise KeyError(f"there is no layer {name!r}. There are: {[layer.name for layer in self.layers]}")

    def get_activations(
        self, layer: str | Layer, examples: np.ndarray, batch_size: int = 64, **kwargs: Any
    ) -> np.ndarray:
        """Activations of some images.

        Args:
          layer: the layer, or its name.
          examples: images [n, height, width, channels] in [0, 1].
          batch_size: images at a time. Defaults to 64.
          **kwargs: see `modelzoo.get_activations`.

        Returns:
          Array [n, ...].
        """
        return get_activations(self, layer, examples, batch_size, **kwargs)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Model) and self._identity() == other._identity()

    def __hash__(self) -> int:
        return hash(self._identity())

    def __str__(self) -> str:
        return self.name

    def __getstate__(self) -> dict[str, Any]:
        return {key: value for key, value in vars(self).items() if key not in ("network", "layers")}

    def to_json(self) -> str:
        """Its name."""
        return self.name

    def _identity(self) -> tuple[Any, ...]:
        return type(self), str(self._weights or self.model_path), self.zoo

    @staticmethod
    def load(url: str) -> Model:
        """Loads what `Model.save` wrote: a `.pb` or a `.json` manifest.

        Args:
          url: a path.

        Returns:
          A `Model`.
        """
        return NetworkModel(load_file(Path(url)))

    load_from_graphdef = load_from_manifest = load

    @staticmethod
    def load_from_metadata(model_url: str, metadata: Mapping[str, Any]) -> Model:
        """A frozen graph and what it expects.

        Args:
          model_url: path of a `.pb`.
          metadata: "input_name", "image_shape" and "image_value_range".

        Returns:
          A `Model`.
        """
        model = type("DynamicModel", (Model,), dict(metadata))()
        model.model_path = model_url
        return model

    @staticmethod
    def save(
        save_url: str,
        input_name: str,
        output_names: Sequence[str],
        image_shape: Sequence[int | None],
        image_value_range: Sequence[float],
    ) -> None:
        """Freezes the default session's graph into a file.

        Args:
          save_url: path of a `.pb`.
          input_name: node that is the images.
          output_names: nodes of the outputs.
          image_shape: [height, width, channels].
          image_value_range: what black and white pixels become.
        """
        metadata = {"input_name": input_name, "image_shape": image_shape, "image_value_range": image_value_range}
        util.save_frozen(save_url, input_name, output_names, metadata)

    @staticmethod
    def suggest_save_args(graph_def: Any = None) -> dict[str, Any]:
        """Prints a call of `save` for a graph.

        Args:
          graph_def: the graph. Defaults to the default graph.

        Returns:
          What could be inferred, by name of the argument.
        """
        return util.suggest_save_args(graph_def)


class NetworkModel(Model):
    """A `samplevis.Network` as a model of Lucid's.

    Args:
      network: the network.
    """

    def __init__(self, network: Network):
        super().__init__()
        self.__dict__["network"] = network
        self.model_name = network.name
        self.image_shape, self.image_value_range = list(network.image_shape), network.value_range


class SerializedModel(Model):
    """Old name of models from a manifest."""

    @classmethod
    def from_directory(cls, model_path: str, manifest_path: str | None = None) -> Model:
        """Loads a folder with a manifest.json."""
        warnings.warn("SerializedModel is Lucid's old name. Use Model.load.", DeprecationWarning, stacklevel=2)
        return Model.load(manifest_path or str(Path(model_path) / "manifest.json"))


FrozenGraphModel = SerializedModel
