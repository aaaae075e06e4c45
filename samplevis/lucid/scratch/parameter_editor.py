"""Weights of a frozen graph, changed in place. Source: lucid/scratch/parameter_editor.py."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf


class ParameterEditor:
    """The constants of a graph by name, to be read and changed; the model then uses the changed ones.

    Args:
      graph_def: the graph, such as `model.graph_def`.

    Attributes:
      nodes: the nodes that have a value, by name.

    Example:
      >>> graph_def = tf.compat.v1.GraphDef()
      >>> with tf.Graph().as_default() as graph:
      ...     _ = tf.constant([[1.0, 2.0]], name="w")
      >>> graph_def.CopyFrom(graph.as_graph_def())
      >>> param = ParameterEditor(graph_def)
      >>> param["w", :, 1] *= -1
      >>> param["w"].tolist()
      [[1.0, -2.0]]
    """

    def __init__(self, graph_def: Any):
        self.nodes = {node.name: node for node in graph_def.node if "value" in node.attr}
        if "lucid_is_edited" not in self.nodes:
            with tf.Graph().as_default() as graph:
                tf.constant(True, name="lucid_is_edited")
            graph_def.node.extend(graph.as_graph_def().node)

    def __getitem__(self, key: Any) -> np.ndarray:
        name, place = _split(key)
        return tf.make_ndarray(self.nodes[name].attr["value"].tensor)[place].copy()

    def __setitem__(self, key: Any, new_value: Any) -> None:
        name, place = _split(key)
        tensor = self.nodes[name].attr["value"].tensor
        array = tf.make_ndarray(tensor).copy()
        if place == () and np.shape(new_value) != array.shape:
            raise ValueError(f"{name}: expected shape {array.shape}. Received: {np.shape(new_value)}")
        array[place] = new_value
        tensor.CopyFrom(tf.make_tensor_proto(array))


def _split(key: Any) -> tuple[str, tuple[Any, ...]]:
    """("w", :, 0) as the name and the place."""
    return (key[0], key[1:]) if isinstance(key, tuple) else (key, ())
