"""Graph programs: networks as a part of a `tf.compat.v1.Graph`."""

from __future__ import annotations

import contextlib
import contextvars
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import tensorflow as tf

from samplevis.lucid.core.networks import network_of
from samplevis.lucid.core.objective import Accessor
from samplevis.lucid.misc.gradient_override import gradient_override_map
from samplevis.lucid.misc.redirected_relu_grad import redirected_relu6_grad, redirected_relu_grad
from samplevis.network import Network
from samplevis.network.sources import GraphSource

T = TypeVar("T")

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


def _imported(network: Network, images: tf.Tensor, scope: str, input_map: Mapping[str, tf.Tensor]) -> Accessor:
    """The network's tensors in the default graph, by the names of layers."""
    graph = tf.compat.v1.get_default_graph()
    if graph.unique_name(scope, mark_as_used=False) != scope:
        raise ValueError(f"scope: {scope!r} is taken in this graph. Give every network one of its own.")
    if isinstance(network.model, tf.compat.v1.GraphDef):
        return _imported_graph(network, images, scope, input_map)
    if input_map:
        raise ValueError("input_map: only for models that come from a graph. Received one of Keras.")
    network = network if isinstance(network.source, GraphSource) else as_graph(network)
    names = tuple(network.source.names)
    with tf.name_scope(scope):
        values = network.cut(names)(images)

    def T(name: str) -> tf.Tensor:  # noqa: N802
        network.check_layer(name)
        return values[name] if name in values else values[network._names.find(name)]

    return T


def as_graph(network: Network) -> Network:
    """A network as a frozen graph with layers of the same names, which a `tf.Graph` can take; made once."""
    if "frozen" not in network.compiled:
        names = tuple(network.source.names)

        def layers(images: tf.Tensor) -> dict[str, tf.Tensor]:
            return network.cut(names)(images)

        frozen = Network(
            layers, image_shape=network.image_shape, name=network.name, aliases={}, labels=lambda: network.labels
        )
        network.compiled["frozen"] = frozen
    return network.compiled["frozen"]


def _imported_graph(
    network: Network, images: tf.Tensor, scope: str, input_map: Mapping[str, tf.Tensor]
) -> Accessor:
    graph = tf.compat.v1.get_default_graph()
    forgotten = tf.compat.v1.placeholder_with_default(images, [images.shape[0], None, None, images.shape[-1]])
    seen = network.preprocess(forgotten)
    definition = network.model
    placeholder = next(node.name for node in definition.node if node.op == "Placeholder")
    tf.compat.v1.import_graph_def(definition, {f"{placeholder}:0": seen, **input_map}, name=scope)
    for operation in graph.get_operations():
        if operation.name.startswith(f"{scope}/") and operation.type in ("Concat", "ConcatV2"):
            _add_before_rectifiers(operation)

    def T(name: str) -> tf.Tensor:  # noqa: N802
        with contextlib.suppress(KeyError):
            return graph.get_tensor_by_name(f"{scope}/{name.removesuffix(':0')}:0")
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
    # A final slash gives the name as it is, whatever scope is open.
    with tf.name_scope(f"{name}/"):
        joined = tf.concat(before, -1, name="concat")
    with tf.name_scope(None):
        tf.identity(joined, name=name)


def _has(graph: Any, name: str) -> bool:
    try:
        graph.get_operation_by_name(name)
    except KeyError:
        return False
    return True


def outside(function: Callable[[], T]) -> T:
    """Calls a function in eager mode, also from inside the block of a graph.

    Raises:
      RuntimeError: if TensorFlow's eager mode is off for the whole program.
    """
    if tf.executing_eagerly():
        return function()
    # A thread begins without a graph. `tf.init_scope` would stop gradient tapes.
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(contextvars.copy_context().run, lambda: _eagerly(function)).result()


def _eagerly(function: Callable[[], T]) -> T:
    if not tf.executing_eagerly():
        raise RuntimeError(
            "render_vis needs TensorFlow's eager mode, also in a program of TensorFlow 1. Leave out tf.disable_eager_execution() "
            "and tf.disable_v2_behavior(): `import tensorflow.compat.v1 as tf` is enough."
        )
    return function()
