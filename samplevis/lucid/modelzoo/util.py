"""Frozen graphs as files. Source: lucid/modelzoo/util.py."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import tensorflow as tf

from samplevis.modelzoo.files import LUCID_NODE


def load_graphdef(model_url: str, reset_device: bool = True) -> Any:
    """Loads a frozen graph.

    Args:
      model_url: path of a `.pb`.
      reset_device: whether to leave the choice of devices to TensorFlow. Defaults to True.

    Returns:
      A GraphDef.
    """
    graph_def = tf.compat.v1.GraphDef.FromString(Path(model_url).read_bytes())
    for node in graph_def.node if reset_device else ():
        node.device = ""
    return graph_def


load_text_labels = lambda labels_path: Path(labels_path).read_text(encoding="utf-8").splitlines()  # noqa: E731


def forget_xy(t: tf.Tensor) -> tf.Tensor:
    """A tensor of a graph whose height and width are only known when it is computed.

    Args:
      t: images [batch, height, width, channels].

    Returns:
      The same images.

    Example:
      >>> with tf.Graph().as_default():
      ...     forget_xy(tf.zeros([1, 8, 8, 3])).shape
      TensorShape([1, None, None, 3])
    """
    batch, _, _, channels = t.shape
    return tf.compat.v1.placeholder_with_default(t, [batch, None, None, channels])


def frozen_default_graph_def(input_node_names: Sequence[str], output_node_names: Sequence[str]) -> Any:
    """The default graph with the default session's values of variables, from some nodes to others.

    Args:
      input_node_names, output_node_names: the nodes.

    Returns:
      A GraphDef.

    Raises:
      RuntimeError: outside a session.
    """
    session = tf.compat.v1.get_default_session()
    if session is None:
        raise RuntimeError("save: it freezes the graph of a session; call it inside `with tf.Session()`.")
    graph_def = session.graph.as_graph_def()
    constant = tf.compat.v1.graph_util.convert_variables_to_constants(session, graph_def, list(output_node_names))
    return tf.compat.v1.graph_util.extract_sub_graph(constant, [*output_node_names])


def infuse_metadata(graph_def: Any, info: Mapping[str, Any]) -> None:
    """Writes what a graph expects into it.

    Args:
      graph_def: the graph, which is changed.
      info: what JSON can hold.
    """
    with tf.Graph().as_default() as graph:
        tf.constant(json.dumps(info), name=LUCID_NODE)
    graph_def.node.extend(graph.as_graph_def().node)


def save_frozen(url: str, input_name: str, output_names: Sequence[str], metadata: Mapping[str, Any]) -> None:
    """Freezes the default graph into a file, with what it expects; the arguments are those of `Model.save`."""
    graph_def = frozen_default_graph_def([input_name], output_names)
    infuse_metadata(
        graph_def, {key: list(value) if isinstance(value, tuple) else value for key, value in metadata.items()}
    )
    Path(url).write_bytes(graph_def.SerializeToString())


def suggest_save_args(graph_def: Any = None) -> dict[str, Any]:
    """What `Model.suggest_save_args` prints and returns."""
    if graph_def is None:
        graph_def = tf.compat.v1.get_default_graph().as_graph_def()
    found: dict[str, Any] = dict.fromkeys(("input_name", "image_shape", "output_names", "image_value_range"))
    inputs = [node for node in graph_def.node if node.op == "Placeholder"]
    if len(inputs) == 1 and tf.as_dtype(inputs[0].attr["dtype"].type).is_floating:
        found["input_name"] = inputs[0].name
        shape = [size.size for size in inputs[0].attr["shape"].shape.dim][-3:]
        found["image_shape"] = shape if len(shape) == 3 and -1 not in shape else None
    found["output_names"] = [node.name for node in graph_def.node if node.op == "Softmax"] or None
    examples = {
        **{"input_name": "'input'", "image_shape": "[224, 224, 3]", "output_names": "['logits']"},
        "image_value_range": "(-1, 1), (0, 1), (0, 255) or (-117, 138)",
    }
    lines = (
        f"    {name}={value!r}," if value is not None else f"    {name}=...,  # such as {examples[name]}"
        for name, value in found.items()
    )
    print(
        "\n".join(
            ["# A wrong image_value_range fails silently: check it.", "Model.save(", "    save_url=...,", *lines, ")"]
        )
    )
    return found
