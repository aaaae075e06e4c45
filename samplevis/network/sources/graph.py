"""A frozen TensorFlow graph whose nodes are layers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from samplevis.network.sources.axes import Layout, chosen_layout
from samplevis.network.sources.base import (
    IMAGES,
    PRE,
    Ending,
    ReplaceActivation,
    ReplaceLayer,
    Shape,
    output_name,
    show,
    to_first,
    to_last,
    to_last_shape,
)
from samplevis.network.sources.endings import graph_endings
from samplevis.network.sources.functions import FUNCTIONS, Replacement
from samplevis.network.sources.graph_axes import channel_axes, find_layout, is_channels_first
from samplevis.network.sources.interpreter import Functions, Graph, Output, as_output
from samplevis.network.sources.kernels import first_kernel
from samplevis.network.sources.operation import compute

# Operations that only move or name values, or return their shape.
PLUMBING = {
    "Identity",
    "IdentityN",
    "StopGradient",
    "PreventGradient",
    "Shape",
    "Cast",
    "Pack",
    "StridedSlice",
    "Snapshot",
}
PLUMBING |= {"PlaceholderWithDefault", "CheckNumerics", "EnsureShape"}
# A batch size that no other dimension is likely to have, to recognise the batch dimension.
TRACED_BATCH = 9973
# Operations that are activation functions -> their kind.
ACTIVATIONS = {
    **{"Relu": "relu", "Relu6": "relu6", "LeakyRelu": "leakyrelu", "Elu": "elu", "Selu": "selu"},
    **{"Sigmoid": "sigmoid", "Tanh": "tanh", "Softplus": "softplus", "Softsign": "softsign", "Softmax": "softmax"},
    "LogSoftmax": "logsoftmax",
}


class GraphSource:
    """A frozen graph as a `Source`: a snapshot, which later training does not reach.

    A layer has the name of its node, or `node/output_1` for the second output of a node that has several. A scope whose values
    leave it through one node is a layer, too, under the scope's name (`conv1` for `conv1/Relu`). Of a scope without inner scopes
    only that name is among `layers`; its nodes can still be asked for by name.

    Args:
      graph_def: a GraphDef without variables.
      input: the node, or tensor, that stands for the images. Defaults to the only placeholder not in `fixed_inputs`.
      fixed_inputs: values of the other placeholders by name; one without the batch dimension is used for every image.
      image_shape: (height, width, channels), or that of signals or volumes. Defaults to what the placeholder declares, else
        (None, None, 3).
      name: its name. Defaults to "graph".
      outputs: names for some tensors, {name: tensor}.
      model: the value of `Source.model`. Defaults to the GraphDef.

    Raises:
      ValueError: if it is unclear which input is the image, or that is no image of floats, or no layer can be computed from it.
    """

    variables = ()

    def __init__(
        self,
        graph_def: Any,
        *,
        input: str | None = None,
        fixed_inputs: Mapping[str, Any] | None = None,
        image_shape: Shape | None = None,
        name: str = "graph",
        outputs: Mapping[str, str] | None = None,
        model: Any = None,
    ):
        self.model, self.name = graph_def if model is None else model, name
        self._graph = Graph([*graph_def.node, *_concatenations(graph_def)])
        self._functions: Functions = {}
        self._fixed_inputs = {
            as_output(one): _constant(self._graph, one, value) for one, value in (fixed_inputs or {}).items()
        }
        self._input = self._find_input(input)
        node = self._graph.nodes[self._input[0]]
        self._dtype = tf.as_dtype(node.attr["dtype"].type) if node.attr["dtype"].type else tf.float32
        reached = self._graph.reached(self._input)
        self._layout, self.image_shape = self._read_images(node, image_shape)
        found = self._trace(reached)
        self._axes = channel_axes(self._graph, self._input, self._layout, found)
        self._tensors = self._named(reached, found, outputs or {})
        self.names: Mapping[str, Shape] = MappingProxyType(
            {one: to_last_shape(found[tensor], self._axes[tensor]) for one, tensor in self._tensors.items()}
        )
        self.layers: Mapping[str, Shape] = MappingProxyType({one: self.names[one] for one in self._listed()})
        self.kinds = {one: self._graph.nodes[self._tensors[one][0]].op for one in self.layers}
        if not self.layers:
            reason = next(iter(self.missing.values()), "nothing in it depends on the images")
            raise ValueError(f"model: {self.name!r} has no layer that can be computed from images: {reason}")

    @property
    def parameters(self) -> int:
        """The total size of the graph's constants, single numbers left out."""
        sizes = [
            np.prod([size.size for size in node.attr["value"].tensor.tensor_shape.dim], dtype=int)
            for node in self._graph.nodes.values()
            if node.op == "Const" and tf.as_dtype(node.attr["dtype"].type).is_floating
        ]
        return int(sum(size for size in sizes if size > 1))

    @property
    def output_shapes(self) -> list[Shape]:
        reached = self._graph.reached(self._input)
        layers = [one for one in reached if self._graph.nodes[one].op not in PLUMBING]
        layers = [one for one in layers if not one.endswith(PRE)]
        read = {self._origin(tensor)[0] for one in layers for tensor in self._graph.inputs[one]}
        return [self.names[one] for one in layers if one not in read and one in self.names]

    @property
    def operations(self) -> dict[str, Any]:
        """By name of its node: an activation function, or, for max pooling, a Keras layer with the same settings."""
        found = {}
        for name, (node, number) in self._tensors.items():
            if name == node and not number and (operation := self._operation(node)) is not None:
                found[name] = operation
        return found

    def cut(self, names: tuple[str, ...]) -> Callable[[tf.Tensor], list[tf.Tensor]]:
        return lambda images: self._run(names, self._fed(images))

    def substitute(self, layer: str, names: tuple[str, ...]) -> Callable[[tf.Tensor, tf.Tensor], list[tf.Tensor]]:
        def run(images: tf.Tensor, values: tf.Tensor) -> list[tf.Tensor]:
            tensor = self._tensors[layer]
            return self._run(names, self._fed(images) | {tensor: to_first(values, self._axes[tensor])})

        return run

    def replaced(self, activation: ReplaceActivation, layer: ReplaceLayer) -> GraphSource:
        new = object.__new__(GraphSource)
        vars(new).update(vars(self))
        new._functions = dict(self._functions)
        for name, operation in self.operations.items():
            if isinstance(operation, keras.layers.Layer):
                function = layer(name, operation)
            else:
                function = activation(name, operation.__name__, operation)
            if function is not None:
                new._functions[name] = function
        return new

    def endings(self) -> dict[str, Ending]:
        return graph_endings(self._graph, self._tensors, self.names)

    def hidden_bytes(self, names: tuple[str, ...], size: tuple[int, ...]) -> int:
        return 0

    def hidden_half(self, names: tuple[str, ...], size: tuple[int, ...]) -> tuple[str, str] | None:
        return None

    def before_weights(self, images: tf.Tensor) -> tuple[str, tf.Tensor] | None:
        """Return (first node with weights, what reaches it of some images); None if there is none."""
        found = first_kernel(self._graph, self._input, self.image_shape[-1])
        if found is None:
            return None
        (values,) = self._graph.run([found[1]], self._fed(images), self._functions)
        return found[0], values

    def _run(self, names: Iterable[str], fed: Mapping[Output, tf.Tensor]) -> list[tf.Tensor]:
        tensors = [self._tensors[name] for name in names]
        values = self._graph.run(tensors, fed, self._functions)
        return [to_last(value, self._axes[tensor]) for tensor, value in zip(tensors, values, strict=True)]

    def _fed(self, images: tf.Tensor) -> dict[Output, tf.Tensor]:
        """Every placeholder's value; one without a batch is repeated for each image."""
        fed = {self._input: tf.cast(self._layout.to_model(images), self._dtype)}
        for one, value in self._fixed_inputs.items():
            without_batch = _rank(self._graph.nodes[one[0]]) == value.shape.rank + 1
            fed[one] = tf.repeat(value[None], tf.shape(images)[0], axis=0) if without_batch else value
        return fed

    def _operation(self, node: str) -> Any:
        definition = self._graph.nodes[node]
        kind = ACTIVATIONS.get(definition.op)
        if kind in FUNCTIONS:
            return self._functions.get(node) or Replacement(lambda x: compute(definition, [x])[0], kind)
        read = self._graph.inputs[node][0] if self._graph.inputs[node] else None
        if node in self._functions or is_channels_first(definition) or self._axes.get(read) == 1:
            return None
        if definition.op == "MaxPool":
            size, strides = ([int(n) for n in definition.attr[one].list.i] for one in ("ksize", "strides"))
            padding = definition.attr["padding"].s.decode()
            if (size[0], size[3], padding) in ((1, 1, "SAME"), (1, 1, "VALID")):
                return keras.layers.MaxPooling2D(size[1:3], strides[1:3], padding.lower())
        if definition.op == "Max" and len(self.names[node]) in (1, 3):
            axes = self._graph.constant(self._graph.inputs[node][1])
            if axes is not None and np.ravel(axes).tolist() == [1, 2]:
                return keras.layers.GlobalMaxPooling2D(keepdims=definition.attr["keep_dims"].b)
        return None

    def _find_input(self, wanted: str | None) -> Output:
        nodes = self._graph.nodes
        if wanted is not None:
            if as_output(wanted)[0] not in nodes:
                raise ValueError(
                    f"input: {self.name!r} has no node {wanted!r}. Its placeholders: {_placeholders(nodes)}"
                )
            return as_output(wanted)
        free = [one for one, node in nodes.items() if node.op == "Placeholder" and (one, 0) not in self._fixed_inputs]
        used = {one for inputs in self._graph.inputs.values() for one, _ in inputs}
        free = [one for one in free if one in used]
        images = [one for one in free if nodes[one].attr["shape"].shape.unknown_rank or _rank(nodes[one]) in (0, 4)]
        images = images or [one for one in free if _rank(nodes[one]) in (3, 5)]
        if len(images) != 1:
            raise ValueError(
                f"model: {self.name!r} has {len(images)} placeholders that may be the images: {_placeholders(nodes)}. Say which "
                "node it is, input='name', and what others are, fixed_inputs={'name': value}."
            )
        return images[0], 0

    def _read_images(self, node: Any, image_shape: Shape | None) -> tuple[Layout, Shape]:
        """How the graph takes its images, and their shape."""
        if not self._dtype.is_floating:
            raise ValueError(
                f"model: {self.name!r} takes {self._dtype.name} images, which have no gradient; expected floats. Give the node "
                "after the cast to floats: input='name'."
            )
        declared = [size.size if size.size > 0 else None for size in node.attr["shape"].shape.dim][1:]
        if not declared:
            shape = image_shape or (None, None, 3)
            return find_layout(self._graph, self._input, shape), shape
        found = find_layout(self._graph, self._input, declared)
        layout, shape = chosen_layout(self.name, declared, found, image_shape)
        if shape[-1] is None:
            raise ValueError(
                f"model: {self.name!r} takes {show((None, *declared))}; expected {IMAGES}. Say what they are: "
                "image_shape=(height, width, channels)."
            )
        return layout, shape

    def _trace(self, reached: list[str]) -> dict[Output, Shape]:
        """The shape, without the batch, of every float output that has a batch; sets `missing` to why others have none."""
        found: dict[Output, Shape] = {}
        spec = tf.TensorSpec([TRACED_BATCH, *self.image_shape], tf.float32)

        def run(images: tf.Tensor) -> None:
            fed = self._fed(images)
            needed = self._graph.ancestors(((one, 0) for one in reached), fed)
            values, missing = self._graph.run_all(needed, fed, {})
            self.missing = {one: missing[one] for one in reached if one in missing}
            for tensor, value in values.items():
                shape = value.shape
                if tensor[0] in reached and value.dtype.is_floating and shape.rank and shape[0] in (TRACED_BATCH, None):
                    found[tensor] = tuple(shape[1:])

        tf.function(run, autograph=False).get_concrete_function(spec)
        self._graph.check_numbers()
        return found

    def _named(
        self, reached: list[str], found: Mapping[Output, Shape], outputs: Mapping[str, str]
    ) -> dict[str, Output]:
        """Every name of a layer -> its tensor, in the order of computation."""
        nodes, inputs = self._graph.nodes, self._graph.inputs
        tensors: dict[str, Output] = {}
        self._synonyms: dict[str, str] = {}
        scopes = self._scopes(reached, found)
        numbers: dict[str, list[int]] = {}
        for name, number in found:
            numbers.setdefault(name, []).append(number)
        for name in reached:
            if nodes[name].op in PLUMBING or name.endswith(PRE):
                continue
            for number in numbers.get(name, ()):
                tensors[output_name(name, number)] = (name, number)
            tensors |= {scope: (name, 0) for scope, node in scopes.items() if node == name and (name, 0) in found}
        for name, tensor in outputs.items():
            tensor = self._origin(as_output(tensor))
            if tensor in found:
                tensors.setdefault(name, tensor)
        tensors |= {scope: (node, 0) for scope, node in self._synonyms.items() if scope not in tensors}
        for name, (node, number) in list(tensors.items()):
            before = inputs[node][0] if nodes[node].op in ACTIVATIONS else (node + PRE, 0)
            if not number and before in found:
                tensors.setdefault(name + PRE, before)
        return tensors

    def _scopes(self, reached: list[str], found: Mapping[Output, Shape]) -> dict[str, str]:
        """The scopes whose values leave them through one node, and that node."""
        nodes, inside, leaving = self._graph.nodes, {}, {}
        layers = [
            one for one in reached if (one, 0) in found and nodes[one].op not in PLUMBING and not one.endswith(PRE)
        ]
        readers: dict[str, set[str]] = {one: set() for one in layers}
        for one in reached:
            for tensor in self._graph.inputs[one]:
                origin = self._origin(tensor)[0]
                if origin in readers and nodes[one].op not in PLUMBING and not one.endswith(PRE):
                    readers[origin].add(one)
        for one in layers:
            parts = one.split("/")
            for depth in range(1, len(parts)):
                scope = "/".join(parts[:depth])
                inside.setdefault(scope, set()).add(one)
                if not readers[one] or any(not reader.startswith(scope + "/") for reader in readers[one]):
                    leaving.setdefault(scope, []).append(one)
        found_scopes = {scope: ends[0] for scope, ends in leaving.items() if len(ends) == 1 and scope not in nodes}
        # Of scopes with the same contents, the outermost names the layer; the others are found, and not listed.
        first: dict[frozenset[str], str] = {}
        for scope in sorted(found_scopes):
            outermost = first.setdefault(frozenset(inside[scope]), scope)
            if outermost != scope:
                self._synonyms[scope] = found_scopes[scope]
        # A layer comes before the block that ends in it.
        return {scope: found_scopes[scope] for scope in sorted(first.values(), key=lambda one: -one.count("/"))}

    def _listed(self) -> list[str]:
        """The names to list: without values before an activation, and without what is inside the innermost scopes."""
        tensors = {name: tensor for name, tensor in self._tensors.items() if name not in self._synonyms}
        scopes = {name for name, (node, _) in tensors.items() if node.startswith(name + "/")}
        inner = tuple(f"{one}/" for one in scopes if not any(other.startswith(f"{one}/") for other in scopes))
        return [name for name in tensors if not name.endswith(PRE) and not name.startswith(inner or ("//",))]

    def _origin(self, tensor: Output) -> Output:
        """The tensor that an identity passes on."""
        while self._graph.nodes[tensor[0]].op == "Identity":
            tensor = self._graph.inputs[tensor[0]][0]
        return tensor


def _concatenations(graph_def: Any) -> list[Any]:
    """For every concatenation of rectified values, a node NAME/pre that concatenates the values before the rectifiers."""
    nodes = {node.name: node for node in graph_def.node}

    def before(name: str) -> str | None:
        node = nodes[as_output(name)[0]]
        while node.op == "Identity":
            node = nodes[as_output(node.input[0])[0]]
        return node.input[0] if node.op in ACTIVATIONS else None

    new = []
    for node in graph_def.node:
        if node.op not in ("Concat", "ConcatV2") or node.name + PRE in nodes:
            continue
        axis = 0 if node.op == "Concat" else len(node.input) - 1
        data = [one for one in node.input if one[0] != "^"]
        inputs = [one if place == axis else before(one) for place, one in enumerate(data)]
        if None not in inputs:
            copy = type(node)()
            copy.CopyFrom(node)
            copy.name = node.name + PRE
            copy.input[:] = inputs
            new.append(copy)
    return new


def _constant(graph: Graph, name: str, value: Any) -> tf.Tensor:
    node = graph.nodes.get(as_output(name)[0])
    if node is None:
        raise ValueError(f"fixed_inputs: there is no node {name!r}. Placeholders: {_placeholders(graph.nodes)}")
    dtype = node.attr["dtype"].type
    return tf.constant(value, tf.as_dtype(dtype) if dtype else None)


def _placeholders(nodes: Mapping[str, Any]) -> str:
    return ", ".join(name for name, node in nodes.items() if node.op == "Placeholder") or "none"


def _rank(node: Any) -> int:
    return len(node.attr["shape"].shape.dim)
