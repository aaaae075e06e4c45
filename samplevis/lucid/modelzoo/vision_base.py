"""Lucid's model classes, over `samplevis.Network`. Source: lucid/modelzoo/vision_base.py."""

from __future__ import annotations

import hashlib
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
from samplevis.lucid.core.layers import Layer, LayersOfNetwork, _layers_from_list_of_dicts
from samplevis.lucid.misc.io import load, reading
from samplevis.lucid.modelzoo import util
from samplevis.lucid.modelzoo.get_activations import get_activations
from samplevis.modelzoo.files import load_file
from samplevis.network import Network
from samplevis.network.preprocessing import CAFFE_MEAN

log = logging.getLogger(__name__)

IMAGENET_MEAN = np.array(CAFFE_MEAN)
IMAGENET_MEAN_BGR = np.flip(IMAGENET_MEAN, 0)


class Model:
    """A model. Subclasses say where its graph is, or which model of `samplevis.modelzoo` it is.

    Args:
      weights: a file of weights, or whatever else the zoo's function takes. Defaults to those that it fetches.

    Attributes:
      model_path: a frozen graph, `.pb`, of the user's own.
      labels_path: a text file, a class on each line.
      input_name: node of the graph that is the images. Defaults to its placeholder.
      image_shape: [height, width, channels].
      image_value_range: what black and white pixels become; numbers, or one for each channel in the network's order.
      is_BGR: whether the graph expects blue first.
      layers: the layers; a subclass may list its own.
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
    layers: Any = LayersOfNetwork()
    zoo: str | None = None

    _weights: Any = None
    # The graph, once it was used, and the digest of what it was then: programs edit it.
    _frozen: Any = None
    _unedited: str | None = None

    def __init__(self, weights: Any = None):
        self._weights = weights

    @property
    def network(self) -> Network:
        """The network, loaded when it is first used, and again when what the model declares has changed."""
        key = repr((self.image_value_range, self.is_BGR, self.input_name))
        networks = vars(self).setdefault("_networks", {})
        if key not in networks:
            networks[key] = outside(self._load)
        return networks[key]

    def _load(self) -> Network:
        if self.zoo is not None:
            return self._of_zoo(getattr(modelzoo, self.zoo))
        return load_file(self._path(), **self._declared())

    def _of_zoo(self, make: Any) -> Network:
        """The network that the zoo makes; subclasses add layers or names."""
        return make() if self._weights is None else make(self._weights)

    def _path(self) -> Path:
        path = self._weights or self.model_path
        if path is None or str(path).startswith("gs://"):
            raise OSError(
                f"model_path: {type(self).__name__} has its graph at {path}, which is no longer there. If you have the "
                f"file, give its path: {type(self).__name__}(PATH)."
            )
        return reading.local_file(path)

    def _declared(self) -> dict[str, Any]:
        """Arguments of `Network`. Lucid's ranges may have a value for each channel."""
        low, high = self.image_value_range
        declared: dict[str, Any] = {"value_range": (low, high)}
        if np.ndim(low) or np.ndim(high):
            scale = np.subtract(high, low)
            declared = {"value_range": (0.0, 1.0), "mean": -np.divide(low, scale), "std": 1 / scale}
            if np.ptp(scale) < 1e-6 * np.max(scale):
                declared = {"value_range": (0.0, float(np.mean(scale))), "mean": -np.asarray(low)}
        size = (None, None, self.image_shape[-1] or 3)
        declared |= {"bgr": bool(self.is_BGR), "image_shape": size, "name": self.name}
        return declared | ({"input": self.input_name} if self.input_name else {})

    @property
    def labels(self) -> list[str]:
        """The classes' names, in order."""
        if self.labels_path is not None and not self.labels_path.startswith("gs://"):
            return load(self.labels_path, split=True)
        labels = self.network.labels
        if labels is None:
            raise RuntimeError(f"labels: {self.name} has none. Set labels_path to a text file, a class on each line.")
        return list(labels)

    @property
    def synset_ids(self) -> list[str]:
        """WordNet's names of the classes."""
        if self.synsets_path is None or self.synsets_path.startswith("gs://"):
            raise RuntimeError("synset_ids: set synsets_path to a text file, a synset on each line.")
        return load(self.synsets_path, split=True)

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
        """The frozen graph. It may be changed in place, as by `scratch.parameter_editor`."""
        return self._graph.graph_def

    @graph_def.setter
    def graph_def(self, graph_def: Any) -> None:
        self._frozen, self._unedited = graphs.Frozen(graph_def), None

    @property
    def _graph(self) -> graphs.Frozen:
        if self._frozen is None:
            self._frozen = self._freeze()
            self._unedited = _digest(self._frozen.graph_def)
        return self._frozen

    def _freeze(self) -> graphs.Frozen:
        if self.zoo is None:
            return graphs.Frozen(util.load_graphdef(str(self._path())))
        return graphs.frozen(self.network, self.input_name, [layer.name for layer in self.layers])

    def load_graphdef(self) -> None:
        """Does nothing, as in Lucid: the graph is loaded when it is first used."""

    def post_import(self, scope: str) -> None:
        """Called after `import_graph`; for subclasses."""

    def create_input(
        self, t_input: tf.Tensor | None = None, forget_xy_shape: bool = True
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """An input for the network.

        Args:
          t_input: images in [0, 1], or one of them. Defaults to a placeholder of a graph.
          forget_xy_shape: whether height and width are only known when they are computed. Defaults to True.

        Returns:
          (the images, what the network sees).
        """
        if t_input is None:
            t_input = tf.compat.v1.placeholder(tf.float32, self.image_shape)
        images = tf.convert_to_tensor(t_input, tf.float32)
        images = images[None] if images.shape.rank == 3 else images
        if forget_xy_shape:
            images = util.forget_xy(images)
        if images.shape[-1] is None:
            images = tf.ensure_shape(images, [*images.shape[:-1], self.network.image_shape[-1]])
        images = tf.reverse(images, [-1]) if self.is_BGR else images
        low, high = (np.asarray(edge, np.float32) for edge in self.image_value_range)
        return t_input, low + images * (high - low)

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
          forget_xy_shape: as in `create_input`.
          input_map: tensors in the place of some in the network. Defaults to none.

        Returns:
          T, the accessor of its layers.
        """
        graphs.check_graph("import_graph")
        graphs.check_scope(scope)
        _, seen = self.create_input(t_input, forget_xy_shape)
        T = graphs.add(self._graph, self.input_name, seen, scope, input_map or {})  # noqa: N806
        self.post_import(scope)
        return T

    def imports_itself(self) -> bool:
        """Whether a subclass, or what was set on this object, changes the graph, how it is imported or what it sees."""
        methods = (getattr(self, name) for name in ("create_input", "import_graph", "post_import"))
        if any(method.__module__ != __name__ for method in methods):
            return True
        if self._frozen is not None and _digest(self._frozen.graph_def) != self._unedited:
            return True
        if self.zoo is not None:
            return outside(self._prepares_unlike_its_network)
        # Programs give such a graph images as it wants them; a network here takes channels last.
        return len(self.image_shape) != 3 or any(
            node.attr["data_format"].s.startswith(b"NC") for node in self._graph.graph_def.node
        )

    def _prepares_unlike_its_network(self) -> bool:
        network = self.network
        colours = tf.constant(np.random.RandomState(0).uniform(size=(1, 1, 1, network.image_shape[-1])), tf.float32)
        _, seen = self.create_input(colours, forget_xy_shape=False)
        expected = network.preprocess(colours)
        return not np.allclose(seen, expected, rtol=1e-4, atol=1e-4)

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
        self,
        layer: str | Layer,
        examples: Any,
        batch_size: int = 64,
        dtype: Any = None,
        ind_shape: Sequence[int] | None = None,
        center_only: bool = False,
    ) -> np.ndarray:
        """Activations of some images; see `modelzoo.get_activations`."""
        return get_activations(self, layer, examples, batch_size, dtype, ind_shape, center_only)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Model) and self._identity() == other._identity()

    def __hash__(self) -> int:
        return hash(self._identity())

    def __str__(self) -> str:
        return self.name

    def __getstate__(self) -> dict[str, Any]:
        return {key: value for key, value in vars(self).items() if key not in ("_networks", "_frozen")}

    def to_json(self) -> str:
        """Its name."""
        return self.name

    def _identity(self) -> Any:
        """What two equal models share: the file, as in Lucid; of a model without a file, the object itself."""
        path = self._weights or self.model_path
        return str(path) if path is not None else (self.zoo or id(self))

    @staticmethod
    def load(url: str) -> Model:
        """Loads what `Model.save` wrote: a `.pb`, or a `.json` manifest.

        Args:
          url: a path, or an address that begins with https://.

        Returns:
          A `Model`.
        """
        url = str(url)
        return Model.load_from_manifest(url) if url.endswith(".json") else Model.load_from_graphdef(url)

    @staticmethod
    def load_from_graphdef(graphdef_url: str) -> Model:
        """Loads what `Model.save` wrote.

        Raises:
          ValueError: if the graph does not say what it expects.
        """
        metadata = util.extract_metadata(util.load_graphdef(graphdef_url))
        if metadata is None:
            raise ValueError(
                f"graphdef_url: {graphdef_url} does not say what it expects, as Model.save would have written. Say it: "
                "Model.load_from_metadata(graphdef_url, {'input_name': ..., 'image_shape': ..., 'image_value_range': ...})"
            )
        return Model.load_from_metadata(graphdef_url, metadata)

    @staticmethod
    def load_from_manifest(manifest_url: str) -> Model:
        """Loads a graph from what a `.json` file says about it.

        Raises:
          ValueError: if it is not a manifest of a frozen graph.
        """
        manifest = load(manifest_url)
        if not isinstance(manifest, Mapping):
            raise ValueError(f"manifest_url: {manifest_url} is not a manifest. Expected a JSON object.")
        if manifest.get("type", "frozen") != "frozen":
            raise NotImplementedError(f"manifest_url: expected type 'frozen'. Received: {manifest['type']!r}")
        return FrozenGraphModel(str(Path(manifest_url).parent), manifest)

    @staticmethod
    def load_from_metadata(model_url: str, metadata: Mapping[str, Any]) -> Model:
        """A frozen graph and what it expects.

        Args:
          model_url: path of a `.pb`.
          metadata: "input_name", "image_shape" and "image_value_range".

        Returns:
          A `Model`.
        """
        wanted = ("input_name", "image_shape", "image_value_range")
        return type("DynamicModel", (Model,), {"model_path": model_url, **{name: metadata[name] for name in wanted}})()

    save = staticmethod(util.save_frozen)
    suggest_save_args = staticmethod(util.suggest_save_args)


class SerializedModel(Model):
    """Old name of models from a manifest."""

    @classmethod
    def from_directory(cls, model_path: str, manifest_path: str | None = None) -> Model:
        """Loads a folder with a manifest.json."""
        warnings.warn("SerializedModel is Lucid's old name. Use Model.load.", DeprecationWarning, stacklevel=2)
        return Model.load(manifest_path or str(Path(model_path) / "manifest.json"))


class FrozenGraphModel(SerializedModel):
    """A frozen graph that a manifest describes.

    Args:
      model_directory: the folder of the manifest.
      manifest: "model_path", "image_value_range", "input_name" and "image_shape", and other attributes of a `Model`.

    Attributes:
      layer_names: names of the layers, if the manifest has them.

    Raises:
      ValueError: if something is missing, or the graph is not in the folder.
    """

    _mandatory_properties = ("model_path", "image_value_range", "input_name", "image_shape")

    def __init__(self, model_directory: str, manifest: Mapping[str, Any]):
        super().__init__()
        if missing := [name for name in self._mandatory_properties if name not in manifest]:
            raise ValueError(
                f"manifest: {', '.join(missing)} missing. Expected {', '.join(self._mandatory_properties)}."
            )
        self.manifest = manifest
        for name, value in manifest.items():
            if name != "layers":
                setattr(self, name, value)
        self.model_path = util.inside(model_directory, manifest["model_path"], "model_path")
        labels = manifest.get("labels_path")
        if labels is not None and "://" not in labels:
            self.labels_path = util.inside(model_directory, labels, "labels_path")
        listed = list(manifest.get("layers") or ())
        self.layer_names = [each if isinstance(each, str) else each["name"] for each in listed]
        if listed and isinstance(listed[0], Mapping):
            self.layers = _layers_from_list_of_dicts(self, listed)


def _digest(graph_def: Any) -> str:
    return hashlib.sha1(graph_def.SerializeToString(deterministic=True), usedforsecurity=False).hexdigest()
