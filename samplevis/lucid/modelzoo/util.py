"""Frozen graphs as files. Source: lucid/modelzoo/util.py."""

from __future__ import annotations

import json
import warnings
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import tensorflow as tf

from samplevis.lucid.misc.io import load, save
from samplevis.lucid.misc.io.saving import ClarityJSONEncoder
from samplevis.modelzoo.files import LUCID_NODE

metadata_node_name = LUCID_NODE


def load_graphdef(model_url: str, reset_device: bool = True) -> Any:
    """Loads a frozen graph.

    Args:
      model_url: path of a `.pb`.
      reset_device: whether to leave the choice of devices to TensorFlow. Defaults to True.

    Returns:
      A GraphDef.
    """
    graph_def = load(model_url)
    for node in graph_def.node if reset_device else ():
        node.device = ""
    return graph_def


def load_text_labels(labels_path: str) -> list[str]:
    """Loads the lines of a text file."""
    return load(labels_path, split=True)


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
      RuntimeError: outside a session, or if the graph is empty.
    """
    session = tf.compat.v1.get_default_session()
    if session is None:
        raise RuntimeError("save: it freezes the graph of a session; call it inside `with tf.Session()`.")
    graph_def = tf.compat.v1.get_default_graph().as_graph_def()
    if not graph_def.node:
        raise RuntimeError("save: the default graph is empty. Is the model in another graph?")
    constant = tf.compat.v1.graph_util.convert_variables_to_constants(session, graph_def, list(output_node_names))
    frozen = tf.compat.v1.graph_util.extract_sub_graph(constant, [*output_node_names])
    for node in frozen.node:
        node.device = ""
    return frozen


def infuse_metadata(graph_def: Any, info: Mapping[str, Any]) -> None:
    """Writes what a graph expects into it.

    Args:
      graph_def: the graph, which is changed.
      info: what JSON can hold.
    """
    with tf.Graph().as_default() as graph:
        tf.constant(json.dumps(info, cls=ClarityJSONEncoder), name=metadata_node_name)
    graph_def.node.extend(graph.as_graph_def().node)


def extract_metadata(graph_def: Any) -> dict[str, Any] | None:
    """What `infuse_metadata` wrote into a graph; None if there is nothing."""
    found = [node for node in graph_def.node if node.name == metadata_node_name]
    if not found:
        return None
    return json.loads(tf.make_ndarray(found[0].attr["value"].tensor).item())


def inside(folder: str, name: str, field: str) -> str:
    """The path of a file in a folder; ValueError if its name leads out of it."""
    path = (Path(folder) / name).resolve()
    if not path.is_relative_to(Path(folder).resolve()):
        raise ValueError(f"{field}: expected a file in the folder of the manifest. Received: {name!r}")
    return str(path)


def save_frozen(
    save_url: str,
    input_name: str,
    output_names: Sequence[str],
    image_shape: Sequence[int | None],
    image_value_range: Sequence[float],
) -> None:
    """Freezes the default session's graph into a file: `Model.save`.

    Args:
      save_url: path of a `.pb`.
      input_name: node that is the images.
      output_names: nodes of the outputs.
      image_shape: [height, width, channels].
      image_value_range: what black and white pixels become.

    Raises:
      ValueError: for names of tensors, which have a colon, in place of names of nodes.
    """
    if tensors := [name for name in (input_name, *output_names) if ":" in name]:
        raise ValueError(f"input_name, output_names: expected nodes, not tensors. Received: {', '.join(tensors)}")
    graph_def = frozen_default_graph_def([input_name], output_names)
    infuse_metadata(
        graph_def,
        {"input_name": input_name, "image_shape": list(image_shape), "image_value_range": list(image_value_range)},
    )
    save(graph_def, save_url)


class GraphDefHelper:
    """The nodes of a GraphDef by what they are.

    Args:
      graph_def: the graph.

    Attributes:
      by_op: kind of operation -> nodes.
      by_name: name -> node.
      by_input: name of an input -> the nodes that read it.
    """

    def __init__(self, graph_def: Any):
        self.graph_def = graph_def
        self.by_name = {node.name: node for node in graph_def.node}
        self.by_op: dict[str, list[Any]] = defaultdict(list)
        self.by_input: dict[str, list[Any]] = defaultdict(list)
        for node in graph_def.node:
            self.by_op[node.op].append(node)
            for name in node.input:
                self.by_input[name].append(node)

    def neighborhood(self, node: Any, degree: int = 4) -> list[Any]:
        """The nodes at most `degree` edges away."""
        found = edge = {node.name}
        for _ in range(degree):
            near = {one.name for name in edge for one in self.by_input[name]}
            near |= {one.lstrip("^").partition(":")[0] for name in edge for one in self.by_name[name].input}
            edge = near - found
            found = found | near
        return [self.by_name[name] for name in found]


def suggest_save_args(graph_def: Any = None) -> dict[str, Any]:
    """Prints a call of `Model.save` for a graph.

    Args:
      graph_def: the graph. Defaults to the default graph.

    Returns:
      What could be inferred, by name of the argument; None for the rest, with a warning.
    """
    graph_def = tf.compat.v1.get_default_graph().as_graph_def() if graph_def is None else graph_def
    helper = GraphDefHelper(graph_def)
    found: dict[str, Any] = dict.fromkeys(("input_name", "image_shape", "output_names", "image_value_range"))
    node = _suggest_input(helper, found)
    if node is not None:
        sizes = [size.size for size in node.attr["shape"].shape.dim][-3:]
        found["image_shape"] = sizes if len(sizes) == 3 and -1 not in sizes else None
        if found["image_shape"] is None:
            warnings.warn("image_shape: the size of the input is free.", stacklevel=2)
    found["output_names"] = [one.name for one in helper.by_op["Softmax"]] or None
    if found["output_names"] is None:
        warnings.warn("output_names: the graph has no softmax.", stacklevel=2)
    examples = {
        "input_name": "'input'",
        "image_shape": "[224, 224, 3]",
        "output_names": "['logits']",
        "image_value_range": "(-1, 1), (0, 1), (0, 255) or (-117, 138)",
    }
    print("# A wrong image_value_range fails silently: check it.\nModel.save(\n    save_url=...,")
    for name, value in found.items():
        print(f"    {name}=...,  # such as {examples[name]}" if value is None else f"    {name}={value!r},")
    print(")")
    return found


def _suggest_input(helper: GraphDefHelper, found: dict[str, Any]) -> Any:
    """The node that may be the images, whose name is entered; bytes are images only behind a division by 255."""
    inputs = helper.by_op["Placeholder"]
    if len(inputs) != 1:
        warnings.warn(f"input_name: the graph has {len(inputs)} placeholders.", stacklevel=3)
        return None
    kind = tf.as_dtype(inputs[0].attr["dtype"].type)
    if kind.is_floating:
        found["input_name"] = inputs[0].name
        return inputs[0]
    print(f"# The placeholder is {str(inputs[0].attr['dtype']).strip()}, which has no gradient.")
    near = helper.neighborhood(inputs[0], degree=5)
    divisions = [node for node in near if node.op in ("RealDiv", "Div")]
    values = [tf.make_ndarray(node.attr["value"].tensor) for node in near if node.op == "Const"]
    if len(divisions) == 1 and any((value == 255).any() for value in values if value.dtype.kind in "iuf"):
        found |= {"input_name": divisions[0].name, "image_value_range": (0, 1)}
        return divisions[0]
    warnings.warn("input_name: the graph has no single division by 255.", stacklevel=3)
    return None
