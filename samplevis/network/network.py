"""A model with its preprocessing, cut at the layers that are asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from samplevis.network.cuts import Activations, Cut, Cuts, PreparedCuts, Substitution
from samplevis.network.endings import Endings
from samplevis.network.images import DEFAULT_SIDES, ImageInput
from samplevis.network.inference import Inferred, infer
from samplevis.network.labels import check_labels, find_class
from samplevis.network.layer_names import LayerNames
from samplevis.network.sources import Shape, Source, as_source
from samplevis.network.sources.functional import FunctionalSource
from samplevis.network.structure import Watched
from samplevis.runtime.checks import brief, check_flag
from samplevis.runtime.deprecation import renamed_keywords, renamed_property
from samplevis.runtime.lru import LRUDict
from samplevis.runtime.plain_text import printable

# Compiled functions, and structures of objectives and the layers that they read, that a network holds on to.
MAX_COMPILED, MAX_STRUCTURES = 32, 256


class Network:
    """A model, the images that it expects, and its layers by name.

    Images are [batch, height, width, channels], float32 in [0, 1], RGB if they have three channels; for models that take them,
    signals [batch, length, channels] or volumes [batch, depth, height, width, channels]. Before the model sees them they become
    `low + x * (high - low)`, are reversed to BGR if asked, `mean` is subtracted, and the difference is divided by `std`. The model
    always runs with `training=False`. Activations are float32 and channels-last: those with the channels first are turned.

    Call a network on images and the names of layers to get activations, differentiably, and inside a `tf.function`, too.

    A layer inside a nested model is named `outer/inner`. The name of a layer that is called several times means its first call;
    `layer#2` and `outer#2/inner` are in the second, in the order of the model's code. The name of a layer that returns several
    tensors means the first; `layer/output_1` is the next. `source.missing` says what cannot be computed, and why. `"input"` always
    means the images and `"labels"` the labels: a Keras layer with a name in `RESERVED` is hidden.

    `layer/pre` means the values of a layer before its activation function, as of `Conv2D(..., activation="relu")`, of a ReLU, or
    of a concatenation of rectified layers. Sample those of a rectified unit: a silent ReLU has no gradient. `layer_table` says
    which layers have them; Lucid's spelling, `layer_pre_relu`, works too. Objectives score the units of an output that ends in a
    softmax or sigmoid there, see `endings`; `layer/post` means the output itself, where a sure unit is flat.

    Without a declared preprocessing, `inferred` says which one the network uses, and why; what is declared is used as it is.

    Args:
      model: a model that takes images, signals or volumes: a Keras 3 or tf_keras model; a `keras.layers.TFSMLayer`, or
        what `tf.saved_model.load` returned; a frozen GraphDef; a function of images, written in TensorFlow; a `torch.nn.Module`
        of images, channels first. All but Keras 3's functional and Sequential models and PyTorch's modules are traced: later
        training does not reach the network.
      value_range: (low, high), what black and white pixels become before `mean` is subtracted. Defaults to what the model's own
        layers, its name or its statistics imply, see `samplevis.network.inference`; else, or with a `mean`, to (0, 1).
      bgr: True if the model expects blue first. Defaults to False.
      mean: a number, or one for each channel in the model's channel order, subtracted after scaling. Defaults to none.
      std: a number, or one for each channel in the model's channel order, that the difference from `mean` is divided by. Defaults
        to none.
      labels: the classes' names in order, as many as an output has channels; or a function that returns them, called when first
        needed. A name may list synonyms, separated by commas. Defaults to none.
      name: the network's name in messages. Defaults to the model's.
      aliases: other names for layers, {alias: layer}; they work wherever a layer's name does. Defaults to none.
      fixed_inputs: for a model of several inputs, the values of all inputs but the image: {name: array without the batch}. For a
        function, or a subclassed model that takes no dictionary, arguments by name. Defaults to none.
      image_shape: (height, width, channels), (length, channels) or (depth, height, width, channels), None for a free size, if
        the model does not declare it, or implies another. Defaults to what it was built with, channels where its first layers
        read them, one channel if it begins by flattening; for functions and graphs to (None, None, 3); for a `torch.nn.Module` to
        what is found by trying.
      input: the node of a graph that stands for the images. Defaults to its only placeholder that `fixed_inputs` leaves.

    Raises:
      TypeError: if `model` is of no known kind.
      ValueError: if it is not built, an input is missing, it takes no images of floats, a weight is not finite, or
        another argument does not fit it, such as labels of another number than the outputs.

    Example:
      >>> network = samplevis.Network(keras.applications.MobileNetV2(weights=None), value_range=(-1, 1))
      >>> network.layers["block_6_expand"]
      (28, 28, 192)
      >>> network(np.zeros((1, 224, 224, 3), np.float32), ["Conv1", "predictions"])["predictions"].shape
      TensorShape([1, 1000])
    """

    @renamed_keywords(given="fixed_inputs")
    def __init__(
        self,
        model: Any,
        *,
        value_range: tuple[float, float] | None = None,
        bgr: bool = False,
        mean: float | Sequence[float] | None = None,
        std: float | Sequence[float] | None = None,
        labels: Sequence[str] | Callable[[], Sequence[str]] | None = None,
        name: str | None = None,
        aliases: Mapping[str, str] | None = None,
        fixed_inputs: Mapping[str, Any] | None = None,
        image_shape: Shape | None = None,
        input: str | None = None,
    ):
        if name is not None and not isinstance(name, str):
            raise TypeError(f"name: expected a text. Received: {brief(name)}")
        if fixed_inputs is not None and not isinstance(fixed_inputs, Mapping):
            raise TypeError(f"fixed_inputs: expected a dictionary {{input: values}}. Received: {brief(fixed_inputs)}")
        self.source: Source = as_source(model, fixed_inputs, image_shape, input)
        self.name: str = printable(name or self.source.name)
        #: Whether the gradient is that of the values: False only for networks from `samplevis.overrides`.
        self.exact_gradient = True
        #: Whether other values for the same images are meant: of functions that are scored, see `optimizers.as_network_of`.
        self.meant_random = False
        #: How the preprocessing was inferred; None if it was declared.
        self.inferred: Inferred | None = None
        #: What to declare in place of an assumed preprocessing, once a run has looked for it.
        self.doubt: str | None = None
        if value_range is None and mean is None and std is None:
            check_flag("bgr", bgr)
            self.inferred = infer(self.source, self.name, bool(bgr))
            value_range, bgr, mean = self.inferred.preprocessing.options.values()
        value_range = (0.0, 1.0) if value_range is None else value_range
        self._images = ImageInput.checked(self.name, self.source.image_shape, value_range, bgr, mean, std)
        self._labels = labels if callable(labels) else check_labels(labels, self.source.output_shapes)
        self._connect(aliases or {})
        #: The compiled functions last used, by what determines them.
        self.compiled: dict[Any, Any] = LRUDict(MAX_COMPILED)
        #: The layers that objectives read, by structure and shapes, so that a sweep looks once.
        self.layers_read: dict[Any, tuple[str, ...]] = LRUDict(MAX_STRUCTURES)

    def _connect(self, aliases: Mapping[str, str]) -> None:
        """Makes the functions of the layers."""
        self._names = LayerNames(self.source, self.name, aliases)
        self._cuts = Cuts(self.source, self._names, self._images)
        self.endings = Endings(self.source, self._names, self._images, self._cuts)
        self.prepared = PreparedCuts(self.source, self._names, self._images)
        self._watched = Watched(self.source.model if isinstance(self.source, FunctionalSource) else None)

    def refresh(self) -> None:
        """Reads a Keras model again if a layer was changed, such as its activation; every call that takes a model does."""
        if self._watched.has_changed():
            self.source = self.source.reread()
            self._connect(self.aliases)
            self.compiled.clear()
            self.layers_read.clear()

    def __call__(self, images: Any, layers: str | Sequence[str]) -> Activations:
        """Computes the activations of some layers, eagerly or inside a `tf.function`.

        Args:
          images: array or tensor [batch, *size, channels], finite, in [0, 1]. Of symbolic tensors only the shape is checked.
          layers: a name, or several, from `layers`.

        Returns:
          float32 tensors [batch, ...] by layer name, for one name too.

        Raises:
          ValueError: if a name is unknown, or the images have a wrong shape, a value outside [0, 1] or one that is not finite.

        Example:
          >>> with tf.GradientTape() as tape:
          ...     tape.watch(images)
          ...     score = tf.reduce_mean(model(images, "conv2")["conv2"][..., 1])
          >>> tape.gradient(score, images).shape
          TensorShape([2, 16, 16, 3])
        """
        run = self.cut((layers,) if isinstance(layers, str) else layers)
        return run(self._images.check(images))

    def activations(self, images: Any, layer_names: str | Sequence[str]) -> Activations:
        """The same as calling the network; see `__call__`."""
        return self(images, layer_names)

    def with_model(self, source: Any, name: str) -> Network:
        """The same preprocessing, labels and aliases with another model that has the same layers.

        Args:
          source: a model, as for `Network`.
          name: the new network's name in messages.

        Returns:
          A `Network`.
        """
        declared = {"value_range": self.value_range, "bgr": self.bgr, "mean": self.mean, "std": self.std}
        network = Network(source, **declared, labels=lambda: self.labels, name=name, aliases=self.aliases)
        network.inferred = self.inferred
        network.endings = self.endings
        return network

    on = renamed_property("on", "with_model")

    def load_graphdef(self) -> None:
        """Does nothing: programs written for Lucid call this first."""

    @property
    def image_shape(self) -> Shape:
        """(*size, channels) of the images, None for a size that is free."""
        return self._images.shape

    @property
    def value_range(self) -> tuple[float, float]:
        """What black and white pixels become before `mean` is subtracted."""
        return self._images.value_range

    @property
    def bgr(self) -> bool:
        """Whether the model expects blue first."""
        return self._images.bgr

    @property
    def mean(self) -> np.ndarray | None:
        """float32 [channels], subtracted after scaling, or None."""
        return self._images.mean

    @property
    def std(self) -> np.ndarray | None:
        """float32 [channels], what the difference from `mean` is divided by, or None."""
        return self._images.std

    @property
    def aliases(self) -> Mapping[str, str]:
        """Other names for layers, {alias: layer}."""
        return self._names.aliases

    @property
    def dimensions(self) -> int:
        """1 if it takes signals, 2 for images, 3 for volumes."""
        return self._images.dimensions

    @property
    def usual_size(self) -> tuple[int, ...]:
        """A size of images to try the network with: the one it takes, and `DEFAULT_SIDES` where it takes any."""
        return tuple(side or DEFAULT_SIDES[self.dimensions] for side in self.image_shape[:-1])

    @property
    def model(self) -> Any:
        """The model; a Keras model as one functional model."""
        return self.source.model

    @property
    def layers(self) -> Mapping[str, Shape]:
        """The shape of every layer's activations without the batch, by name, in the order of computation."""
        return self.source.layers

    @property
    def operations(self) -> Mapping[str, Any]:
        """The Keras layer, or operation such as an addition, behind each name in `layers`."""
        return self.source.operations

    @property
    def labels(self) -> tuple[str, ...] | None:
        """The classes' names in order, or None. Loaded at first use: OSError or ValueError if that fails."""
        if callable(self._labels):
            self._labels = check_labels(self._labels(), self.source.output_shapes, fewer=True)
        return self._labels

    def preprocess(self, images: tf.Tensor) -> tf.Tensor:
        """Turns images in [0, 1] into what the model expects.

        Args:
          images: float tensor [batch, *size, channels]; the result has its shape.

        Returns:
          A float32 tensor.

        Raises:
          ValueError: if the number of channels differs from the network's.
        """
        return self._images.preprocess(images)

    def cut(self, layer_names: Sequence[str]) -> Cut:
        """The network as far as the deepest of some layers.

        Args:
          layer_names: names from `layers`.

        Returns:
          A differentiable function from images [batch, *size, channels] in [0, 1], which are not checked, to a dictionary of
          float32 activations [batch, ...] by layer name. The same names give the same function.

        Raises:
          ValueError: if a name is unknown.

        Example:
          >>> model.cut(["conv2"])(images)["conv2"].shape
          TensorShape([2, 8, 8, 5])
        """
        return self._cuts.cut(self._names.check_all(layer_names))

    def substitute(self, layer: str, layer_names: Sequence[str]) -> Substitution:
        """The network with other activations in the place of one layer's.

        What follows the layer sees the new activations; paths around the layer still see the images.

        Args:
          layer: the layer, or call of a layer, to replace: a name from `layers`, or `"input"`.
          layer_names: names from `layers`.

        Returns:
          A function of images [batch, *size, channels] in [0, 1] and activations of `layer` [batch, ...], to a dictionary
          of float32 activations [batch, ...] by layer name, differentiable in both. The same names give the same function.

        Raises:
          ValueError: if a name is unknown, or `layer` stands for values before an activation function of a Keras model.

        Example:
          >>> silent = tf.zeros_like(model(images, "conv1")["conv1"])
          >>> model.substitute("conv1", ["logits"])(images, silent)["logits"].shape
          TensorShape([2, 3])
        """
        layer_names = self._names.check_all(layer_names)
        if not isinstance(layer, str) or layer != "input":
            self.check_layer(layer)
        return self._cuts.substitute(layer, layer_names)

    def check_layer(self, layer: str) -> None:
        """Checks the name of a layer.

        Args:
          layer: a name from `layers`, or an alias.

        Raises:
          ValueError: if there is no such layer; the message lists the nearest names.
          TypeError: if it is not a name.
        """
        self._names.check(layer)

    def layer_shape(self, layer: str, image_size: tuple[int, ...] | None = None) -> Shape:
        """The shape of a layer's activations, without the batch.

        Args:
          layer: a name from `layers`, or `"input"`.
          image_size: (height, width) in pixels, (length,) or (depth, height, width). Defaults to what the model declares.

        Returns:
          The shape, a None for each size that is not known.

        Raises:
          ValueError: if the name is unknown, or the network cannot take images of that size.

        Example:
          >>> model.layer_shape("conv2", (32, 48))
          (16, 24, 5)
        """
        size = None if image_size is None else self.check_size(image_size)
        if layer == "input":
            return (size or self.image_shape[:-1]) + self.image_shape[-1:]
        self.check_layer(layer)
        declared = size in (None, self.image_shape[:-1])
        return self.source.names[self._names.find(layer)] if declared else self._cuts.layer_shape(layer, size)

    def check_size(self, image_size: tuple[int, ...]) -> tuple[int, ...]:
        """The size of images, pixels of each side, as integers; ValueError unless the network takes images of it."""
        return self._images.check_size(image_size)

    def takes(self, image_size: Sequence[int]) -> bool:
        """Whether images of a size fit the model's input.

        Args:
          image_size: pixels of each side, (height, width) or of another number of sides.
        """
        return self._images.takes(image_size)

    def class_index(self, label: str) -> int:
        """The number of a class by its name.

        Args:
          label: a class's whole label, its first name, or any of its synonyms; case does not matter.

        Returns:
          Its index, from 0.

        Raises:
          ValueError: if there are no labels, none matches, or several do.

        Example:
          >>> model.class_index("b")
          1
        """
        return find_class(self.labels, label, self.name)

    def layer_table(self) -> str:
        """Lists every layer on a line.

        Returns:
          Lines of its name, shape without the batch, kind, "/pre" if it has values before an activation function, and aliases.

        Example:
          >>> print(model.layer_table())
          conv1     (None, None, 4)  Conv2D                  /pre
          conv2     (None, None, 5)  Conv2D                  /pre
          features  (5,)             GlobalAveragePooling2D
          logits    (3,)             Dense
        """
        return printable(self._names.table(), lines=True)

    def __repr__(self) -> str:
        return f"<Network {self.name}: {self._images.text()}, {len(self.layers)} layers>"
