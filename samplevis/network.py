"""A Keras model with its preprocessing, cut at the layers that are asked for."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from samplevis.checks import did_you_mean
from samplevis.recent import Recent

Activations = dict[str, tf.Tensor]
Shape = tuple[int | None, ...]

#: Names that an objective may ask for and that are not layers.
RESERVED = ("input", "labels", "members", "step")
# Compiled functions that a network keeps.
COMPILED = 32


class Network:
    """A Keras model, the images it expects, and its layers by name.

    Images are [batch, height, width, channels], float32 in [0, 1], RGB where there are three channels. Before they
    enter the model they become `low + x * (high - low)`, are reversed to BGR if asked, and lose `mean`. The model
    always runs with `training=False`, and its activations come back as float32 whatever the model computes in.

    A layer inside a nested model is named `outer/inner`. A layer that the model uses more than once stands for its
    last use. `"input"` always means the images and `"labels"` the labels: a Keras layer with a name of `RESERVED` is hidden.

    A raw Keras model gets `value_range=(0, 1)`. A model that rescales its own input (as `keras.applications.EfficientNet`
    does) usually expects (0, 255): nothing is guessed here, so say so.

    `exact_gradient` says whether the gradient is that of the values: True but for networks from `samplevis.overrides`.

    Args:
      model: a functional, or built Sequential, Keras 3 model with one image input [batch, height, width, channels].
      value_range: (low, high), what a black and a white pixel become before `mean` is taken off. Defaults to (0, 1).
      bgr: True if the model expects blue first. Defaults to False.
      mean: a number, or one for each channel in the model's own channel order, taken off after scaling. Defaults to none.
      labels: the classes' names in order, or a function without arguments that returns them, called when first needed.
        A name may list synonyms between commas. Defaults to none.
      name: what to call it in messages. Defaults to the model's own name.

    Raises:
      TypeError: if `model` is no Keras model, or one that is defined by subclassing.
      ValueError: if it is not built, has several inputs, an input that is not a channels-last image of floats, or a
        weight that is not finite; or if another argument does not fit it.

    Example:
      >>> network = Network(keras.applications.MobileNetV2(weights=None), value_range=(-1, 1))
      >>> network.layers["block_6_expand"]
      (28, 28, 192)
    """

    def __init__(
        self,
        model: keras.Model,
        *,
        value_range: tuple[float, float] = (0.0, 1.0),
        bgr: bool = False,
        mean: float | Sequence[float] | None = None,
        labels: Sequence[str] | Callable[[], Sequence[str]] | None = None,
        name: str | None = None,
    ):
        self._model = _functional(model)
        self.name: str = name or model.name
        self.exact_gradient = True
        self.image_shape: Shape = _image_shape(self._model)
        self.value_range = _check_range(value_range)
        self.bgr = bool(bgr)
        if self.bgr and self.image_shape[-1] != 3:
            raise ValueError(f"bgr: only for images of 3 channels. {self.name!r} takes {self.image_shape[-1]}.")
        self.mean = _check_mean(mean, self.image_shape[-1])
        self._labels = labels if callable(labels) else _check_labels(labels)
        _check_weights(model)
        self._nodes = _nodes(self._model)
        self.layers: Mapping[str, Shape] = MappingProxyType(
            {path: tuple(node.outputs[0].shape[1:]) for path, node in self._nodes.items()}
        )
        # Kept on the instance, so that the cache dies with the network.
        self._cut = functools.lru_cache(maxsize=64)(self._make_cut)
        self._substitute = functools.lru_cache(maxsize=64)(self._make_substitute)
        self._shape = functools.lru_cache(maxsize=256)(self._infer_shape)
        #: Compiled functions by what decides them: the last ones, for as long as the network lives.
        self.compiled: dict[Any, Any] = Recent(COMPILED)

    @property
    def model(self) -> keras.Model:
        """The Keras model, as one functional model."""
        return self._model

    @property
    def operations(self) -> dict[str, Any]:
        """The Keras layer, or operation such as an addition, behind each name of `layers`."""
        return {path: node.operation for path, node in self._nodes.items()}

    @property
    def labels(self) -> tuple[str, ...] | None:
        """The classes' names in order, or None. Loaded at first use, which may raise OSError."""
        if callable(self._labels):
            self._labels = _check_labels(self._labels())
        return self._labels

    def preprocess(self, images: tf.Tensor) -> tf.Tensor:
        """Turns images in [0, 1] into what the model expects.

        Args:
          images: float tensor [batch, height, width, channels].

        Returns:
          float32 tensor of the same shape.

        Raises:
          ValueError: if the channel count is not the network's.
        """
        images = tf.convert_to_tensor(images, tf.float32)
        if images.shape.rank != 4 or images.shape[-1] != self.image_shape[-1]:
            raise ValueError(
                f"images: {self.name!r} takes [batch, height, width, {self.image_shape[-1]}]. "
                f"Received shape: {_show(images.shape)}"
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
          A differentiable function from images [batch, height, width, channels] in [0, 1] to a dictionary of float32
          activations [batch, ...] by layer name. The same names give the same function.

        Raises:
          ValueError: if a name is unknown.
        """
        if isinstance(layer_names, str):
            raise TypeError(f"layer_names: expected a sequence of names. Received the string {layer_names!r}")
        for layer in layer_names:
            self.check_layer(layer)
        return self._cut(tuple(layer_names))

    def substitute(self, layer: str, layer_names: Sequence[str]) -> Callable[[tf.Tensor, tf.Tensor], Activations]:
        """The network with the activations of one layer replaced by given ones.

        What lies after the layer sees the given activations; paths that go around the layer still see the images.

        Args:
          layer: the layer to replace: a name from `layers`, not inside a nested model, or `"input"`.
          layer_names: names from `layers`.

        Returns:
          A function of images [batch, height, width, channels] in [0, 1] and activations of `layer` [batch, ...], to a
          dictionary of float32 activations [batch, ...] by layer name, differentiable in both. The same names give the
          same function.

        Raises:
          ValueError: if a name is unknown, or `layer` is inside a nested model.
        """
        if isinstance(layer_names, str):
            raise TypeError(f"layer_names: expected a sequence of names. Received the string {layer_names!r}")
        for name in layer_names if layer == "input" else (layer, *layer_names):
            self.check_layer(name)
        if "/" in layer:
            raise ValueError(
                f"layer: {layer!r} is inside a nested model, where nothing can be replaced. Expected one of the outermost "
                "layers; or flatten the model: inner = model.get_layer(name); keras.Model(inner.inputs, inner.outputs)."
            )
        return self._substitute(layer, tuple(layer_names))

    def activations(self, images: Any, layer_names: str | Sequence[str]) -> Activations:
        """Runs images through the network.

        Args:
          images: array [batch, height, width, channels], finite, in [0, 1].
          layer_names: a name, or several, from `layers`.

        Returns:
          A dictionary of float32 tensors [batch, ...] by layer name.

        Raises:
          ValueError: if a name is unknown, or the images have the wrong shape or range or a value that is not finite.
        """
        layer_names = (layer_names,) if isinstance(layer_names, str) else tuple(layer_names)
        run = self.cut(layer_names)
        images = np.asarray(images)
        self._check_images(images)
        return run(tf.constant(images, tf.float32))

    def check_layer(self, layer: str) -> None:
        """Raises ValueError with the nearest names unless `layer` is a layer of this network."""
        if layer in self.layers:
            return
        hint = did_you_mean(layer, self.layers, most=3)
        known = [f"{name} {_show(shape)}" for name, shape in self.layers.items()]
        shown = ", ".join(known[-24:])
        more = f" (the last 24 of {len(known)}; all of them: network.layer_table())" if len(known) > 24 else ""
        raise ValueError(f"layer: {self.name!r} has no layer {layer!r}.{hint} Its layers: {shown}{more}")

    def layer_shape(self, layer: str, image_size: tuple[int, int] | None = None) -> Shape:
        """The shape of a layer's activations, without the batch.

        Args:
          layer: a name from `layers`, or `"input"`.
          image_size: (height, width) in pixels. Defaults to what the model declares, where unknown sizes are None.

        Returns:
          The shape, a None for each size that is not known.

        Raises:
          ValueError: if the name is unknown, or the network cannot take images of that size.
        """
        size = None if image_size is None else self.check_size(image_size)
        if layer == "input":
            return (size or self.image_shape[:2]) + self.image_shape[-1:]
        self.check_layer(layer)
        return self.layers[layer] if size in (None, self.image_shape[:2]) else self._shape(layer, size)

    def check_size(self, image_size: tuple[int, int]) -> tuple[int, int]:
        """Returns (height, width) as integers; raises ValueError unless the network takes images of that size."""
        height, width = (int(side) for side in image_size)
        declared = self.image_shape[:2]
        if min(height, width) < 1 or any(
            want not in (None, got) for want, got in zip(declared, (height, width), strict=True)
        ):
            raise ValueError(
                f"image size: {self.name!r} takes images of {_show(declared)} (height, width; None is any). "
                f"Received: ({height}, {width})"
            )
        return height, width

    def class_index(self, label: str) -> int:
        """The number of a class by its name.

        Args:
          label: a class's whole label, its first name, or any of its synonyms; case does not matter.

        Returns:
          Its index, from 0.

        Raises:
          ValueError: if there are no labels, none is called that, or several are.
        """
        if self.labels is None:
            raise ValueError(
                f"label: {self.name!r} has no labels, so {label!r} means nothing. Give the class's number."
            )
        return find_label(self.labels, label)

    def layer_table(self) -> str:
        """Every layer on a line: its name, the shape of its activations without the batch, and its kind."""
        rows = [(path, _show(self.layers[path]), type(node.operation).__name__) for path, node in self._nodes.items()]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)] if rows else []
        return "\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)

    def __repr__(self) -> str:
        low, high = self.value_range
        extra = ", BGR" if self.bgr else ""
        mean = "" if self.mean is None else f", mean {[round(float(v), 3) for v in self.mean]}"
        return (
            f"<Network {self.name}: images {_show(self.image_shape)}, range ({low:g}, {high:g}){extra}{mean}, "
            f"{len(self.layers)} layers>"
        )

    def _make_cut(self, layer_names: tuple[str, ...]) -> Callable[[tf.Tensor], Activations]:
        outputs = [_output(self._model, self._nodes, name) for name in layer_names]
        part = keras.Model(self._model.inputs, outputs) if outputs else None

        def run(images: tf.Tensor) -> Activations:
            prepared = self.preprocess(images)
            values = tf.nest.flatten(part(prepared, training=False)) if part else []
            return {name: tf.cast(value, tf.float32) for name, value in zip(layer_names, values, strict=True)}

        return run

    def _make_substitute(
        self, layer: str, layer_names: tuple[str, ...]
    ) -> Callable[[tf.Tensor, tf.Tensor], Activations]:
        if layer == "input":
            return lambda images, values: self.cut(layer_names)(values)
        others = tuple(name for name in layer_names if name != layer)
        # Keras puts an input in the place of any tensor that a model is said to begin with.
        inputs = [*self._model.inputs, self._nodes[layer].outputs[0]]
        part = keras.Model(inputs, [_output(self._model, self._nodes, name) for name in others]) if others else None

        def run(images: tf.Tensor, values: tf.Tensor) -> Activations:
            values = tf.cast(values, tf.float32)
            found = tf.nest.flatten(part([self.preprocess(images), values], training=False)) if part else []
            known = dict(zip(others, found, strict=True)) | {layer: values}
            return {name: tf.cast(known[name], tf.float32) for name in layer_names}

        return run

    def _infer_shape(self, layer: str, size: tuple[int, int]) -> Shape:
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
        if images.ndim != 4 or images.shape[-1] != self.image_shape[-1] or 0 in images.shape:
            raise ValueError(
                f"images: {self.name!r} takes [batch, height, width, {self.image_shape[-1]}]. "
                f"Received shape: {images.shape}" + (" (add a batch axis: images[None])" if images.ndim == 3 else "")
            )
        self.check_size(images.shape[1:3])
        if not np.issubdtype(images.dtype, np.floating):
            raise ValueError(f"images: expected floats in [0, 1] (divide bytes by 255). Received: {images.dtype}")
        if not np.isfinite(images).all():
            raise ValueError("images: expected finite values. Received NaN or infinity.")
        if images.min() < 0 or images.max() > 1:
            raise ValueError(f"images: expected values in [0, 1]. Received: [{images.min():g}, {images.max():g}]")


def as_network(model: Network | keras.Model) -> Network:
    """A Network from what a caller gave.

    Args:
      model: a Network, which is returned as it is, or a Keras model, which is taken to expect RGB images in [0, 1].

    Returns:
      A Network.

    Raises:
      TypeError: if it is neither.
    """
    if isinstance(model, Network):
        return model
    if isinstance(model, keras.Model):
        return Network(model)
    raise TypeError(
        "model: expected a samplevis.Network (see samplevis.modelzoo) or a functional or Sequential Keras 3 model; "
        "wrap a model that expects other images than [0, 1] RGB: Network(model, value_range=(-1, 1)). "
        f"Received: {type(model).__module__}.{type(model).__qualname__}"
    )


def find_label(labels: Sequence[str], label: str) -> int:
    """The index of a class by its whole label, its first name or any synonym, in that order; case does not matter.

    Args:
      labels: the classes' names in order, synonyms between commas.
      label: the name to find.

    Returns:
      The index, from 0.

    Raises:
      ValueError: if no class, or more than one, is called that.
    """
    wanted = _plain(label)
    names = [[_plain(name) for name in whole.split(",")] for whole in labels]
    tiers = (
        [i for i, whole in enumerate(labels) if _plain(whole) == wanted],
        [i for i, synonyms in enumerate(names) if synonyms[0] == wanted],
        [i for i, synonyms in enumerate(names) if wanted in synonyms],
    )
    found = next((tier for tier in tiers if tier), [])
    if len(found) == 1:
        return found[0]
    if found:
        choices = ", ".join(f"{i} ({labels[i]})" for i in found)
        raise ValueError(f"label: {label!r} names several classes: {choices}. Give the number.")
    hint = did_you_mean(wanted, {name for synonyms in names for name in synonyms}, most=3, cutoff=0.5)
    raise ValueError(f"label: none of the {len(labels)} classes is called {label!r}.{hint}")


def _plain(label: str) -> str:
    return " ".join(label.replace("_", " ").split()).casefold()


def _show(shape: Sequence[int | None]) -> str:
    return f"({', '.join(map(str, shape))}{',' if len(shape) == 1 else ''})"


def _functional(model: Any) -> keras.Model:
    if keras.config.backend() != "tensorflow":
        raise ValueError(f"Keras runs on {keras.config.backend()!r}: set KERAS_BACKEND=tensorflow before importing it.")
    if not isinstance(model, keras.Model):
        raise TypeError(
            f"model: expected a Keras 3 model. Received: {type(model).__module__}.{type(model).__qualname__}"
        )
    if isinstance(model, keras.Sequential):
        if not model.built or not model.inputs:
            raise ValueError(
                f"model: the Sequential {model.name!r} is not built: begin it with keras.Input((height, width, channels)) "
                "or call model.build((None, height, width, channels))."
            )
        return keras.Model(model.inputs, model.outputs, name=model.name)
    if not hasattr(model, "_nodes_by_depth"):
        raise TypeError(
            f"model: {model.name!r} is defined by subclassing, so its layers have no graph to cut. Expected a functional "
            "model: keras.Model(inputs, outputs), or a Sequential one."
        )
    return model


def _image_shape(model: keras.Model) -> Shape:
    if len(model.inputs) != 1:
        names = ", ".join(tensor.name for tensor in model.inputs)
        raise ValueError(
            f"model: {model.name!r} has {len(model.inputs)} inputs ({names}); expected one, the image. "
            "Fix the others: keras.Model(image, model([image, constant]))."
        )
    (tensor,) = model.inputs
    if len(tensor.shape) != 4 or tensor.shape[-1] is None:
        raise ValueError(
            f"model: {model.name!r} takes {_show(tensor.shape)}; expected images [batch, height, width, channels]."
        )
    if not tf.as_dtype(tensor.dtype).is_floating:
        raise ValueError(f"model: {model.name!r} takes {tensor.dtype} images, which have no gradient; expected floats.")
    first = [layer.name for layer in model.layers if getattr(layer, "data_format", None) == "channels_first"]
    if first:
        raise ValueError(f"model: {model.name!r} is channels-first ({first[0]!r}); expected channels last.")
    return tuple(tensor.shape[1:])


def _nodes(model: keras.Model, prefix: str = "") -> dict[str, Any]:
    """Every layer's last use, by path, from the input on. Keras has no public way to list one model's own uses."""
    found: dict[str, Any] = {}
    for depth in sorted(model._nodes_by_depth, reverse=True):
        for node in model._nodes_by_depth[depth]:
            operation = node.operation
            if node.is_input:
                continue
            path = prefix + operation.name
            if isinstance(operation, keras.Model) and (inner := _inner(operation)) is not None:
                found |= _nodes(inner, f"{path}/")
            if len(node.outputs) == 1:
                found.pop(path, None)
                found[path] = node
    return found


def _inner(model: keras.Model) -> keras.Model | None:
    """A nested model as a functional one, or None if its inside cannot be reached."""
    try:
        inner = _functional(model)
    except (TypeError, ValueError):
        return None
    return inner if len(inner.inputs) == 1 else None


def _output(model: keras.Model, nodes: Mapping[str, Any], path: str) -> Any:
    """The symbolic output of a layer, in the graph of the outermost model."""
    outer, _, rest = path.partition("/")
    if not rest:
        return nodes[path].outputs[0]
    node = nodes[outer]
    inner = _functional(node.operation)
    # The part of the nested model that ends at the layer is applied where the outer model applies the whole.
    part = keras.Model(inner.inputs, _output(inner, _nodes(inner), rest))
    return part(node.input_tensors[0])


def _check_weights(model: keras.Model) -> None:
    for variable in model.variables:
        if tf.as_dtype(variable.dtype).is_floating:
            values = tf.convert_to_tensor(variable)
            if not bool(tf.reduce_all(tf.math.is_finite(values))):
                raise ValueError(f"model: the variable {variable.path!r} has values that are not finite.")


def _check_range(value_range: tuple[float, float]) -> tuple[float, float]:
    try:
        low, high = (float(value) for value in value_range)
    except (TypeError, ValueError):
        low = high = np.nan
    if not (np.isfinite([low, high]).all() and low < high):
        raise ValueError(f"value_range: expected (low, high), finite, low < high. Received: {value_range!r}")
    return low, high


def _check_mean(mean: float | Sequence[float] | None, channels: int) -> np.ndarray | None:
    if mean is None:
        return None
    values = np.asarray(mean, np.float32)
    if values.shape not in ((), (channels,)) or not np.isfinite(values).all():
        raise ValueError(f"mean: expected a number or {channels} of them, finite. Received: {mean!r}")
    return np.broadcast_to(values, (channels,))


def _check_labels(labels: Sequence[str] | None) -> tuple[str, ...] | None:
    if labels is None:
        return None
    if isinstance(labels, str) or not all(isinstance(label, str) for label in labels):
        raise ValueError("labels: expected a sequence of strings, one for each class.")
    return tuple(labels)
