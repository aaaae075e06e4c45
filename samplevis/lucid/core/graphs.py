"""Graph programs: networks as a part of a `tf.compat.v1.Graph`."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Any, NamedTuple

import tensorflow as tf
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

from samplevis.lucid.core.eager import outside
from samplevis.lucid.core.networks import network_of
from samplevis.lucid.core.objective import Accessor
from samplevis.lucid.misc.gradient_override import gradient_override_map
from samplevis.lucid.misc.redirected_relu_grad import redirected_relu6_grad, redirected_relu_grad
from samplevis.network import Network

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


def import_network(
    model: Any, t_image: tf.Tensor, raw: tf.Tensor, scope: str, input_map: Mapping[str, tf.Tensor] | None = None
) -> Accessor:
    """Adds a network to the default graph; outside a graph, computes its activations.

    Args:
      model: a model of Lucid's zoo, a `Network`, or a model that `Network` takes.
      t_image: what the network sees, [batch, height, width, channels] or one image, in [0, 1].
      raw: T("input").
      scope: its name in the graph.
      input_map: tensors in the place of some of the network's; for models from a graph.

    Returns:
      T.
    """
    network = network_of(model)
    images = tf.convert_to_tensor(t_image, tf.float32)
    images = images[None] if images.shape.rank == 3 else images
    special = {"input": lambda: raw, "labels": lambda: list(network.labels or ())}
    if tf.executing_eagerly():
        return lambda name: special[name]() if name in special else network.cut((name,))(images)[name]
    known = _imported(network, images, scope, input_map or {})
    return lambda name: special[name]() if name in special else known(name)


class Frozen(NamedTuple):
    """A network as a graph.

    Attributes:
      graph_def: the graph; its placeholder takes images [batch, height, width, channels].
      tensors: the tensors of layers whose names are not those of nodes.
    """

    graph_def: Any
    tensors: Mapping[str, str] = {}

    @property
    def placeholder(self) -> str:
        return next(f"{node.name}:0" for node in self.graph_def.node if node.op == "Placeholder")


def frozen(network: Network) -> Frozen:
    """A network as a graph, made once.

    Args:
      network: the network.

    Returns:
      A `Frozen`. The graph of a network that is one sees what `network.preprocess` returns; another sees images.
    """
    if isinstance(network.model, tf.compat.v1.GraphDef):
        return Frozen(network.model)
    if "frozen" not in network.compiled:
        network.compiled["frozen"] = outside(lambda: _freeze(network))
    return network.compiled["frozen"]


def _freeze(network: Network) -> Frozen:
    names = tuple(network.source.names)
    spec = tf.TensorSpec([None, *network.image_shape], tf.float32)

    def layers(images: tf.Tensor) -> list[tf.Tensor]:
        values = network.cut(names)(images)
        return [tf.identity(values[name]) for name in names]

    concrete = tf.function(layers, autograph=False).get_concrete_function(spec)
    constant = convert_variables_to_constants_v2(concrete, lower_control_flow=False)
    # Identities are only names: what follows a layer hangs on the tensor before.
    origins = (tensor.op.inputs[0] if tensor.op.type == "Identity" else tensor for tensor in constant.outputs)
    origins = (tensor.op.inputs[0] if tensor.op.type == "Identity" else tensor for tensor in origins)
    tensors = {name: tensor.name for name, tensor in zip(names, origins, strict=True)}
    graph_def = constant.graph.as_graph_def()
    for node in graph_def.node:
        # A custom gradient, as of tf.nn.silu, belongs to the graph in which it was made; without it, the true one is used.
        node.attr.pop("_gradient_op_type", None)
    return Frozen(graph_def, tensors)


def _imported(network: Network, images: tf.Tensor, scope: str, input_map: Mapping[str, tf.Tensor]) -> Accessor:
    """The network's tensors in the default graph, by the names of layers."""
    graph, part = tf.compat.v1.get_default_graph(), frozen(network)
    if graph.unique_name(scope, mark_as_used=False) != scope:
        raise ValueError(f"scope: {scope!r} is taken in this graph. Give every network one of its own.")
    if None in network.image_shape:
        # Transforms change the size.
        images = tf.compat.v1.placeholder_with_default(images, [images.shape[0], None, None, images.shape[-1]])
    seen = images if part.tensors else network.preprocess(images)
    tf.compat.v1.import_graph_def(part.graph_def, {part.placeholder: seen, **input_map}, name=scope)
    for operation in graph.get_operations():
        if operation.name.startswith(f"{scope}/") and operation.type in ("Concat", "ConcatV2"):
            _add_before_rectifiers(operation)

    def T(name: str) -> tf.Tensor:  # noqa: N802
        tensor = part.tensors.get(name, f"{name.removesuffix(':0')}:0")
        with contextlib.suppress(KeyError):
            return graph.get_tensor_by_name(f"{scope}/{tensor}")
        network.check_layer(name)
        raise ValueError(f"layer: {name!r} is no node of the graph. Give the whole name of one.")

    return T


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
