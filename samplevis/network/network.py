"""A model with its preprocessing, cut at the layers that are asked for."""

from __future__ import annotations

import difflib
import functools
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np
import tensorflow as tf

from samplevis.network.labels import check_labels, find_label
from samplevis.network.sources import PRE, Shape, Source, as_source
from samplevis.network.sources.base import show, sizes
from samplevis.runtime.checks import brief, check_array, check_flag, check_numbers, check_wholes, is_list
from samplevis.runtime.deprecation import renamed_keywords, renamed_property
from samplevis.runtime.lru import LRUDict

Activations = dict[str, tf.Tensor]

#: Names that an objective may ask for and that are not layers.
RESERVED = ("input", "labels", "members", "step")
# Compiled functions that a network keeps.
COMPILED = 32
# Structures of objectives whose layers a network remembers.
READ = 256
# How Lucid writes PRE.
LUCID_PRE = "_pre_relu"
# Sides of the images, by number of dimensions, that a network which takes any is looked at with.
DEFAULT_SIDES = {1: 1024, 2: 96, 3: 32}


class Network:
    """A model, the images it expects, and its layers by name.

    Images are [batch, height, width, channels], float32 in [0, 1], RGB where there are three channels; for models that take
    them, signals [batch, length, channels] or volumes [batch, depth, height, width, channels]. Before they
    enter the model they become `low + x * (high - low)`, are reversed to BGR if asked, and lose `mean`. The model
    always runs with `training=False`, and its activations come back as float32 whatever the model computes in, channels
    last whatever it computes with.

    A layer inside a nested model is named `outer/inner`. A layer that the model uses more than once stands for its
    last use. `"input"` always means the images and `"labels"` the labels: a Keras layer with a name of `RESERVED` is hidden.

    `layer/pre` are the values of a layer before its activation function, as for `Conv2D(..., activation="relu")`, a ReLU, or a
    concatenation of rectified layers. That is what to sample for a rectified unit: once it is silent, a ReLU has no gradient.
    `layer_table` says which layers have one; Lucid's spelling, `layer_pre_relu`, will do.

    A raw Keras model gets `value_range=(0, 1)`. A model that rescales its own input (as `keras.applications.EfficientNet`
    does) usually expects (0, 255): nothing is guessed here, so say so.

    `exact_gradient` says whether the gradient is that of the values: True but for networks from `samplevis.overrides`.

    Args:
      model: a model that takes images, signals or volumes: of Keras 3, or of tf_keras; a `keras.layers.TFSMLayer`, or
        what `tf.saved_model.load` returned; a frozen GraphDef; a function of images, written in TensorFlow. All but Keras 3's
        functional and Sequential models are traced: what they learn later does not reach the network.
      value_range: (low, high), what a black and a white pixel become before `mean` is taken off. Defaults to (0, 1).
      bgr: True if the model expects blue first. Defaults to False.
      mean: a number, or one for each channel in the model's own channel order, taken off after scaling. Defaults to none.
      labels: the classes' names in order, or a function without arguments that returns them, called when first needed.
        A name may list synonyms between commas. Defaults to none.
      name: what to call it in messages. Defaults to the model's own name.
      aliases: other names for layers, {alias: layer}; they are accepted wherever a layer's name is. Defaults to none.
      fixed_inputs: for a model of several inputs, arrays or tensors by the name of the input, without the batch: all inputs but the
        image that is explored. Of a function, or a subclassed model that takes no dictionary, arguments by name. Defaults to
        none.
      image_shape: (height, width, channels), (length, channels) or (depth, height, width, channels), None for a size that is free,
        for a model that does not say it. Defaults to what it was built with; for functions and graphs to (None, None, 3).
      input: the node of a graph that stands for the images. Defaults to its only placeholder that is not given.

    Raises:
      TypeError: if `model` is of no known kind.
      ValueError: if it is not built, an input is missing, the image is none of floats, or a weight is not finite; or if
        another argument does not fit it.

    Example:
      >>> network = Network(keras.applications.MobileNetV2(weights=None), value_range=(-1, 1))
      >>> network.layers["block_6_expand"]
      (28, 28, 192)
    """

    @renamed_keywords(given="fixed_inputs")
    def __init__(
        self,
        model: Any,
        *,
        value_range: tuple[float, float] = (0.0, 1.0),
        bgr: bool = False,
        mean: float | Sequence[float] | None = None,
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
        self.name: str = name or self.source.name
        self.exact_gradient = True
        self.image_shape: Shape = self.source.image_shape
        self.value_range = _check_range(value_range)
        check_flag("bgr", bgr)
        self.bgr = bool(bgr)
        if self.bgr and self.image_shape[-1] != 3:
            raise ValueError(f"bgr: only for images of 3 channels. {self.name!r} takes {self.image_shape[-1]}.")
        self.mean = _check_mean(mean, self.image_shape[-1])
        self._labels = labels if callable(labels) else check_labels(labels)
        self.aliases: Mapping[str, str] = self._check_aliases(aliases or {})
        # Kept on the instance, so that the cache dies with the network.
        self._cut = functools.lru_cache(maxsize=64)(self._make_cut)
        self._substitute = functools.lru_cache(maxsize=64)(self._make_substitute)
        self._shape = functools.lru_cache(maxsize=256)(self._infer_shape)
        #: Compiled functions by what decides them: the last ones, for as long as the network lives.
        self.compiled: dict[Any, Any] = LRUDict(COMPILED)
        #: The layers that objectives read, by structure and shapes, so that a sweep finds them once.
        self.read: dict[Any, tuple[str, ...]] = LRUDict(READ)

    def with_model(self, source: Any, name: str) -> Network:
        """A network of the same preprocessing, labels and aliases on another model with the same layers.

        Args:
          source: a model, as for `Network`.
          name: what to call it in messages.

        Returns:
          A `Network`.
        """
        return Network(
            source,
            value_range=self.value_range,
            bgr=self.bgr,
            mean=self.mean,
            labels=lambda: self.labels,
            name=name,
            aliases=self.aliases,
        )

    on = renamed_property("on", "with_model")

    def load_graphdef(self) -> None:
        """Does nothing: a network is loaded when it is made. Programs written for Lucid call this first."""

    @property
    def dimensions(self) -> int:
        """1 if it takes signals, 2 for images, 3 for volumes."""
        return len(self.image_shape) - 1

    @property
    def usual_size(self) -> tuple[int, ...]:
        """Sides of images to try the network with: its own, and `DEFAULT_SIDES` where it takes any."""
        return tuple(side or DEFAULT_SIDES[self.dimensions] for side in self.image_shape[:-1])

    @property
    def model(self) -> Any:
        """The model; one of Keras as one functional model."""
        return self.source.model

    @property
    def layers(self) -> Mapping[str, Shape]:
        """The shape of every layer's activations without the batch, by its name, in the order of computation."""
        return self.source.layers

    @property
    def operations(self) -> Mapping[str, Any]:
        """The Keras layer, or operation such as an addition, behind each name of `layers`."""
        return self.source.operations

    @property
    def labels(self) -> tuple[str, ...] | None:
        """The classes' names in order, or None. Loaded at first use, which may raise OSError."""
        if callable(self._labels):
            self._labels = check_labels(self._labels())
        return self._labels

    def preprocess(self, images: tf.Tensor) -> tf.Tensor:
        """Turns images in [0, 1] into what the model expects.

        Args:
          images: float tensor [batch, *size, channels].

        Returns:
          float32 tensor of the same shape.

        Raises:
          ValueError: if the channel count is not the network's.
        """
        images = tf.convert_to_tensor(images, tf.float32)
        if images.shape.rank != 1 + len(self.image_shape) or images.shape[-1] != self.image_shape[-1]:
            raise ValueError(
                f"images: {self.name!r} takes [batch, {sizes(self.dimensions)}, {self.image_shape[-1]}]. "
                f"Received shape: {show(images.shape)}"
            )
        low, high = self.value_range
        if (low, high) != (0.0, 1.0):
            images = low + images * (high - low)
        if self.bgr:
            images = tf.reverse(images, [-1])
        if self.mean is not None:
            images = images - self.mean
        return images

    def cut(self, layer_names: Sequence[str]) -> Callable[[tf.Tensor], Activations]:
        """The network as far as the deepest of some layers.

        Args:
          layer_names: names from `layers`.

        Returns:
          A differentiable function from images [batch, *size, channels] in [0, 1] to a dictionary of float32
          activations [batch, ...] by layer name. The same names give the same function.

        Raises:
          ValueError: if a name is unknown.
        """
        layer_names = self._check_layers(layer_names)
        return self._cut(layer_names)

    def substitute(self, layer: str, layer_names: Sequence[str]) -> Callable[[tf.Tensor, tf.Tensor], Activations]:
        """The network with the activations of one layer replaced by given ones.

        What lies after the layer sees the given activations; paths that go around the layer still see the images.

        Args:
          layer: the layer to replace: a name from `layers`, not inside a nested Keras model, or `"input"`.
          layer_names: names from `layers`.

        Returns:
          A function of images [batch, *size, channels] in [0, 1] and activations of `layer` [batch, ...], to a
          dictionary of float32 activations [batch, ...] by layer name, differentiable in both. The same names give the
          same function.

        Raises:
          ValueError: if a name is unknown, or `layer` is inside a nested model.
        """
        layer_names = self._check_layers(layer_names)
        if not isinstance(layer, str) or layer != "input":
            self.check_layer(layer)
        return self._substitute(layer, layer_names)

    def activations(self, images: Any, layer_names: str | Sequence[str]) -> Activations:
        """Runs images through the network.

        Args:
          images: array [batch, *size, channels], finite, in [0, 1].
          layer_names: a name, or several, from `layers`.

        Returns:
          A dictionary of float32 tensors [batch, ...] by layer name.

        Raises:
          ValueError: if a name is unknown, or the images have the wrong shape or range or a value that is not finite.
        """
        run = self.cut((layer_names,) if isinstance(layer_names, str) else layer_names)
        images = check_array("images", images, None)
        self._check_images(images)
        return run(tf.constant(images, tf.float32))

    def check_layer(self, layer: str) -> None:
        """Checks the name of a layer.

        Args:
          layer: a name from `layers`, or an alias.

        Raises:
          ValueError: if it is none; the nearest names come with it.
          TypeError: if it is no name.
        """
        if not isinstance(layer, str):
            raise TypeError(f"layer: expected a name. Received: {brief(layer)}")
        if self._find(layer) is not None:
            return
        names = self.source.names
        if layer in self.source.missing:
            raise ValueError(f"layer: {layer!r} of {self.name!r} cannot be computed: {self.source.missing[layer]}")
        base = layer.removesuffix(PRE).removesuffix(LUCID_PRE)
        if base != layer and self._find(base) is not None:
            raise ValueError(
                f"layer: {base!r} of {self.name!r} has no activation function of its own, so that {layer!r} is nothing."
            )
        alike = [name for name in names if name.rpartition("/")[2] == layer]
        if len(alike) > 1:
            raise ValueError(
                f"layer: {self.name!r} has {len(alike)} layers that end in {layer!r}: {self._listed(alike[:5])}"
                f"{', ...' if len(alike) > 5 else ''}. Give the whole name."
            )
        near = self._listed(alike or _nearest(layer, [*names, *self.aliases], 5))
        raise ValueError(
            f"layer: {self.name!r} has no layer {layer!r}. Did you mean {near}? All {len(self.layers)}: network.layer_table()"
        )

    def layer_shape(self, layer: str, image_size: tuple[int, ...] | None = None) -> Shape:
        """The shape of a layer's activations, without the batch.

        Args:
          layer: a name from `layers`, or `"input"`.
          image_size: (height, width) in pixels, (length,) or (depth, height, width). Defaults to what the model declares, where
            unknown sizes are None.

        Returns:
          The shape, a None for each size that is not known.

        Raises:
          ValueError: if the name is unknown, or the network cannot take images of that size.
        """
        size = None if image_size is None else self.check_size(image_size)
        if layer == "input":
            return (size or self.image_shape[:-1]) + self.image_shape[-1:]
        self.check_layer(layer)
        known = size in (None, self.image_shape[:-1])
        return self.source.names[self._find(layer)] if known else self._shape(layer, size)

    def check_size(self, image_size: tuple[int, ...]) -> tuple[int, ...]:
        """Checks the size of images.

        Args:
          image_size: pixels of each side, (height, width) or of another number of sides.

        Returns:
          The same as integers.

        Raises:
          ValueError: unless the network takes such images.
        """
        try:
            size = check_wholes("image_size", image_size, 1)
        except (TypeError, ValueError):
            size = None
        if size is None or not self.takes(size):
            raise ValueError(
                f"image_size: {self.name!r} takes images of {show(self.image_shape[:-1])} ({sizes(self.dimensions)}; None is "
                f"any). Received: {brief(image_size)}"
            )
        return size

    def takes(self, image_size: Sequence[int]) -> bool:
        """Whether images of that size, (height, width) or of another number of sides, fit the model's input.

        Args:
          image_size: pixels of each side.

        Returns:
          True if they fit.
        """
        declared = self.image_shape[:-1]
        return len(declared) == len(image_size) and all(
            want in (None, got) for want, got in zip(declared, image_size, strict=True)
        )

    def class_index(self, label: str) -> int:
        """The number of a class by its name.

        Args:
          label: a class's whole label, its first name, or any of its synonyms; case does not matter.

        Returns:
          Its index, from 0.

        Raises:
          ValueError: if there are no labels, none is called that, or several are.
        """
        if not isinstance(label, str):
            raise TypeError(f"label: expected the name of a class. Received: {brief(label)}")
        if self.labels is None:
            raise ValueError(
                f"label: {self.name!r} has no labels, so {label!r} means nothing. Give the class's number."
            )
        return find_label(self.labels, label)

    def layer_table(self) -> str:
        """Every layer on a line.

        Returns:
          Lines of its name, the shape of its activations without the batch, its kind, "/pre" if it has values before an
          activation function, and its aliases.
        """
        known = {layer: [] for layer in self.layers}
        for alias, layer in self.aliases.items():
            known.setdefault(layer.removesuffix(PRE), []).append(f"{alias} = {layer}")
        rows = [
            (
                layer,
                show(shape),
                self.source.kinds[layer],
                PRE if layer + PRE in self.source.names else "",
                ", ".join(known[layer]),
            )
            for layer, shape in self.layers.items()
        ]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)] if rows else []
        return "\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)

    def __repr__(self) -> str:
        low, high = self.value_range
        extra = ", BGR" if self.bgr else ""
        mean = "" if self.mean is None else f", mean {[round(float(v), 3) for v in self.mean]}"
        return (
            f"<Network {self.name}: images {show(self.image_shape)}, range ({low:g}, {high:g}){extra}{mean}, "
            f"{len(self.layers)} layers>"
        )

    def _check_layers(self, layer_names: Sequence[str]) -> tuple[str, ...]:
        if not is_list(layer_names):
            raise TypeError(f"layer_names: expected a sequence of names. Received: {brief(layer_names)}")
        layer_names = tuple(layer_names)
        for layer in layer_names:
            self.check_layer(layer)
        return layer_names

    def _find(self, layer: str) -> str | None:
        """The name in `source.names` that a layer's name, alias or spelling stands for."""
        names = self.source.names
        if layer in names or layer in self.aliases:
            return layer if layer in names else self.aliases[layer]
        if layer.endswith(":0"):
            # TensorFlow's name of the tensor.
            return self._find(layer.removesuffix(":0"))
        for ending in (PRE, LUCID_PRE):
            if layer.endswith(ending) and (base := self._find(layer.removesuffix(ending))):
                return base + PRE if base + PRE in names else None
        return None

    def _listed(self, names: Sequence[str]) -> str:
        return ", ".join(f"{name!r} {show(self.source.names[self._find(name)])}" for name in names)

    def _check_aliases(self, aliases: Mapping[str, str]) -> Mapping[str, str]:
        self.aliases = {}
        if not isinstance(aliases, Mapping):
            raise TypeError(f"aliases: expected a dictionary {{alias: layer}}. Received: {brief(aliases)}")
        for alias, layer in aliases.items():
            if alias in self.source.names or alias in RESERVED:
                raise ValueError(f"aliases: {alias!r} is the name of a layer already, or of what is no layer.")
            self.check_layer(layer)
        return MappingProxyType({alias: self._find(layer) for alias, layer in aliases.items()})

    def _make_cut(self, layer_names: tuple[str, ...]) -> Callable[[tf.Tensor], Activations]:
        part = self.source.cut(tuple(map(self._find, layer_names)))

        def run(images: tf.Tensor) -> Activations:
            return _named(layer_names, part(self.preprocess(images)))

        return run

    def _make_substitute(
        self, layer: str, layer_names: tuple[str, ...]
    ) -> Callable[[tf.Tensor, tf.Tensor], Activations]:
        if layer == "input":
            return lambda images, values: self.cut(layer_names)(values)
        part = self.source.substitute(self._find(layer), tuple(map(self._find, layer_names)))

        def run(images: tf.Tensor, values: tf.Tensor) -> Activations:
            values = tf.cast(values, tf.float32)
            return _named(layer_names, part(self.preprocess(images), values))

        return run

    def _infer_shape(self, layer: str, size: tuple[int, ...]) -> Shape:
        spec = tf.TensorSpec([1, *size, self.image_shape[-1]], tf.float32)
        run = self.cut((layer,))
        try:
            # A trace moves no numbers: only shapes flow.
            traced = tf.function(lambda images: run(images)[layer], autograph=False).get_concrete_function(spec)
        except (ValueError, tf.errors.InvalidArgumentError) as error:
            raise ValueError(
                f"image size: {self.name!r} cannot take images of {size} up to {layer!r}: {error}"
            ) from error
        return tuple(traced.output_shapes[1:])

    def _check_images(self, images: np.ndarray) -> None:
        rank = 1 + len(self.image_shape)
        if images.ndim != rank or images.shape[-1] != self.image_shape[-1] or 0 in images.shape:
            raise ValueError(
                f"images: {self.name!r} takes [batch, {sizes(self.dimensions)}, {self.image_shape[-1]}]. "
                f"Received shape: {images.shape}"
                + (" (add a batch axis: images[None])" if images.ndim == rank - 1 else "")
            )
        self.check_size(images.shape[1:-1])
        if not np.issubdtype(images.dtype, np.floating):
            raise ValueError(f"images: expected floats in [0, 1] (divide bytes by 255). Received: {images.dtype}")
        if not np.isfinite(images).all():
            raise ValueError("images: expected finite values. Received NaN or infinity.")
        if images.min() < 0 or images.max() > 1:
            raise ValueError(f"images: expected values in [0, 1]. Received: [{images.min():g}, {images.max():g}]")


def as_network(model: Any) -> Network:
    """A Network from what a caller gave.

    Args:
      model: a Network, which is returned as it is, or a model, which is taken to expect RGB images in [0, 1].

    Returns:
      A Network.

    Raises:
      TypeError: if it is neither.
    """
    return model if isinstance(model, Network) else Network(model)


def _named(names: Sequence[str], values: Sequence[tf.Tensor]) -> Activations:
    return {name: tf.cast(value, tf.float32) for name, value in zip(names, values, strict=True)}


def _nearest(name: str, names: Sequence[str], most: int) -> list[str]:
    """The names that are spelt most like one, or whose last part is."""

    def likeness(other: str) -> float:
        return max(difflib.SequenceMatcher(None, name, part).ratio() for part in {other, other.rpartition("/")[2]})

    return sorted(names, key=likeness, reverse=True)[:most]


def _check_range(value_range: tuple[float, float]) -> tuple[float, float]:
    try:
        low, high = check_numbers("value_range", value_range)
    except (TypeError, ValueError):
        low = high = np.nan
    if not low < high:
        raise ValueError(f"value_range: expected (low, high), finite, low < high. Received: {brief(value_range)}")
    return low, high


def _check_mean(mean: float | Sequence[float] | None, channels: int) -> np.ndarray | None:
    if mean is None:
        return None
    values = check_array("mean", mean)
    if values.shape not in ((), (channels,)) or not np.isfinite(values).all():
        raise ValueError(f"mean: expected a number or {channels} of them, finite. Received: {mean!r}")
    return np.broadcast_to(values, (channels,))
