"""Graph programs: networks as a part of a `tf.compat.v1.Graph`."""

from __future__ import annotations

import contextlib
import difflib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

from samplevis.lucid.core.eager import outside
from samplevis.lucid.core.objective import Accessor
from samplevis.lucid.misc.gradient_override import gradient_override_map
from samplevis.lucid.misc.redirected_relu_grad import redirected_relu6_grad, redirected_relu_grad
from samplevis.network import Network
from samplevis.network.layer_names import LUCID_PRE
from samplevis.network.sources import PRE

TRANSLATION = """{name} builds a graph. Either put it into one:

    import tensorflow.compat.v1 as tf
    with tf.Graph().as_default(), tf.Session() as sess:
        T = render.make_vis_T(model, objective, param_f)
        tf.global_variables_initializer().run()
        for step in range(512):
            loss, _ = sess.run([T("loss"), T("vis_op")])
        images = T("input").eval()

or use what needs no graph:

    images = render.render_vis(model, objective, param_f, thresholds=[511])[0]"""


def check_graph(name: str) -> None:
    """Raises RuntimeError outside a graph; the message shows the program."""
    if tf.executing_eagerly():
        raise RuntimeError(TRANSLATION.format(name=name))


def redirected() -> contextlib.AbstractContextManager:
    """In this block, rectifiers that are added to the graph have Lucid's redirected gradient."""
    return gradient_override_map({"Relu": redirected_relu_grad, "Relu6": redirected_relu6_grad})


def check_scope(scope: str) -> None:
    """Raises ValueError if a scope is taken in the default graph."""
    graph = tf.compat.v1.get_default_graph()
    if graph.unique_name(scope, mark_as_used=False) != scope:
        raise ValueError(f"scope: {scope!r} is taken in this graph. Give every network one of its own.")


class Frozen(NamedTuple):
    """A network as a graph.

    Attributes:
      graph_def: the graph; its placeholder takes what the network sees.
      tensors: the tensors of layers whose names are not those of nodes.
    """

    graph_def: Any
    tensors: Mapping[str, str] = {}

    @property
    def placeholder(self) -> str:
        """The only tensor that has to be fed."""
        return next(f"{node.name}:0" for node in self.graph_def.node if node.op == "Placeholder")

    def tensor(self, name: str) -> str:
        """The tensor of a layer, or of a node."""
        name = name.removesuffix(":0")
        if name.endswith(LUCID_PRE):
            name = self.tensors.get(name.removesuffix(LUCID_PRE) + PRE, name)
        found = self.tensors.get(name, name)
        return found if ":" in found else f"{found}:0"


def frozen(network: Network, input_name: str | None = None, layer_names: Sequence[str] = ()) -> Frozen:
    """A network as a graph, made once.

    Args:
      network: the network.
      input_name: what the placeholder is called. Defaults to TensorFlow's name of it.
      layer_names: names, or aliases, of layers whose nodes are called so.

    Returns:
      A `Frozen`; a program may change its graph.
    """
    if isinstance(network.model, tf.compat.v1.GraphDef):
        return Frozen(_copy(network.model))
    if "frozen" not in network.compiled:
        network.compiled["frozen"] = outside(lambda: _freeze(network))
    first: Frozen = network.compiled["frozen"]
    part = Frozen(_copy(first.graph_def), first.tensors)
    names = {part.tensor(layer).removesuffix(":0"): layer for layer in reversed(layer_names) if layer in part.tensors}
    if input_name is not None:
        names[part.placeholder.removesuffix(":0")] = input_name.removesuffix(":0")
    taken = {node.name for node in part.graph_def.node}
    return _renamed(part, {node: name for node, name in names.items() if name not in taken})


def _freeze(network: Network) -> Frozen:
    names = tuple(network.source.names)
    spec = tf.TensorSpec([None, *network.image_shape], tf.float32)
    cut = network.source.cut(names)

    def layers(seen: tf.Tensor) -> list[tf.Tensor]:
        return [tf.identity(value) for value in cut(seen)]

    concrete = tf.function(layers, autograph=False).get_concrete_function(spec)
    constant = convert_variables_to_constants_v2(concrete, lower_control_flow=False)
    # Identities are only names: what follows a layer hangs on the tensor before.
    origins = (tensor.op.inputs[0] if tensor.op.type == "Identity" else tensor for tensor in constant.outputs)
    origins = (tensor.op.inputs[0] if tensor.op.type == "Identity" else tensor for tensor in origins)
    tensors = {name: tensor.name for name, tensor in zip(names, origins, strict=True)}
    for alias, layer in network.aliases.items():
        tensors[alias] = tensors[layer]
        if layer + PRE in tensors:
            tensors[alias + PRE] = tensors[layer + PRE]
    graph_def = constant.graph.as_graph_def()
    for node in graph_def.node:
        # A custom gradient, as of tf.nn.silu, belongs to the graph in which it was made; without it, the true one is used.
        node.attr.pop("_gradient_op_type", None)
    return Frozen(graph_def, tensors)


def _copy(graph_def: Any) -> Any:
    new = tf.compat.v1.GraphDef()
    new.CopyFrom(graph_def)
    return new


def _renamed(part: Frozen, names: Mapping[str, str]) -> Frozen:
    """The same graph with other names of some nodes."""

    def renamed(tensor: str) -> str:
        node, colon, number = tensor.removeprefix("^").partition(":")
        return "^" * tensor.startswith("^") + names.get(node, node) + colon + number

    for node in part.graph_def.node:
        node.name = names.get(node.name, node.name)
        inputs = [renamed(one) for one in node.input]
        del node.input[:]
        node.input.extend(inputs)
    return Frozen(part.graph_def, {name: renamed(tensor) for name, tensor in part.tensors.items()})


def add(
    part: Frozen, input_name: str | None, seen: tf.Tensor, scope: str, input_map: Mapping[str, tf.Tensor]
) -> Accessor:
    """Adds a network to the default graph.

    Args:
      part: the network.
      input_name: what stands for the images. Defaults to the placeholder.
      seen: what the network sees.
      scope: its name in the graph.
      input_map: tensors in the place of some in the network.

    Returns:
      A function from the names of layers, nodes or tensors to tensors.
    """
    graph = tf.compat.v1.get_default_graph()
    tf.compat.v1.import_graph_def(part.graph_def, {input_name or part.placeholder: seen, **input_map}, name=scope)
    for operation in graph.get_operations():
        if operation.name.startswith(f"{scope}/") and operation.type in ("Concat", "ConcatV2"):
            _add_before_rectifiers(operation)

    def T(name: str) -> tf.Tensor:  # noqa: N802
        try:
            return graph.get_tensor_by_name(f"{scope}/{part.tensor(name)}")
        except KeyError:
            known = [*part.tensors, *(node.name for node in part.graph_def.node)]
            near = ", ".join(map(repr, difflib.get_close_matches(name, known, n=5, cutoff=0.3)))
            raise ValueError(f"layer: {name!r} is not a node of the graph. Did you mean {near}?") from None

    return T


@contextlib.contextmanager
def running(model: Any, layer: str) -> Iterator[Callable[[np.ndarray], np.ndarray]]:
    """In this block, a function of images to the activations of a layer, for models that import themselves."""
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        images = tf.compat.v1.placeholder(tf.float32, [None, None, None, model.image_shape[-1]])
        activations = model.import_graph(images, scope="import")(layer)
        yield lambda batch: session.run(activations, {images: batch})


def _add_before_rectifiers(concat: tf.Operation) -> None:
    """Adds NAME_pre_relu beside a concatenation of rectified values, as Lucid does for its InceptionV1."""
    graph, name = concat.graph, f"{concat.name}_pre_relu"
    towers = [one for one in concat.inputs if one.dtype.is_floating]
    if _has(graph, name):
        return
    before = [one.op.inputs[0] if one.op.type in ("Relu", "Relu6") else one for one in towers]
    # The name is that of the whole path, whatever scope is open.
    with tf.compat.v1.name_scope(None):
        tf.concat(before, -1, name=name)


def _has(graph: Any, name: str) -> bool:
    try:
        graph.get_operation_by_name(name)
    except KeyError:
        return False
    return True
