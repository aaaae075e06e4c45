"""One node of a TensorFlow graph, computed by its operation."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.python.framework import op_def_registry

# Operations that run a part of a graph, conditionally or repeatedly.
CONTROL_FLOW = {"Switch", "Merge", "Enter", "Exit", "NextIteration", "LoopCond", "If", "StatelessIf", "While"}
CONTROL_FLOW |= {"StatelessWhile", "Case", "StatelessCase", "For", "PartitionedCall", "StatefulPartitionedCall"}
# Operations that run programs or access files. No layer does; an untrusted graph might.
OUTSIDE = {
    "PyFunc",
    "EagerPyFunc",
    "PyFuncStateless",
    "ReadFile",
    "WriteFile",
    "MatchingFiles",
    "Save",
    "SaveV2",
    "SaveSlices",
}
OUTSIDE |= {"Restore", "RestoreV2", "RestoreSlice", "MergeV2Checkpoints"}


def _batch_normalization(
    node: Any, x: tf.Tensor, mean: tf.Tensor, variance: tf.Tensor, beta: tf.Tensor, gamma: tf.Tensor
) -> tf.Tensor:
    scale = gamma if node.attr["scale_after_normalization"].b else None
    return tf.nn.batch_normalization(x, mean, variance, beta, scale, node.attr["variance_epsilon"].f)


# Operations that on CPUs, or in their gradient, TensorFlow supports only channels-last.
CHANNELS_LAST = {"MaxPool", "MaxPool3D", "AvgPool3D", "Conv3D"}

# Operations in old files that TensorFlow no longer builds.
RETIRED = {"BatchNormWithGlobalNormalization": _batch_normalization}


def compute(node: Any, inputs: Sequence[tf.Tensor]) -> list[tf.Tensor]:
    """Computes a node, differentiably.

    Args:
      node: a NodeDef.
      inputs: its data inputs in order.

    Returns:
      Its outputs in order.

    Raises:
      ValueError: if it is control flow, reaches for files, or is an operation that this TensorFlow does not have.
    """
    if node.op in CONTROL_FLOW:
        raise ValueError(
            f"the node {node.name!r} is control flow ({node.op}) or a call that cannot be inlined, which cannot be followed. "
            "Unroll the loop, or cut the graph before it."
        )
    if node.op in OUTSIDE:
        raise ValueError(f"the node {node.name!r} is a {node.op}, which would reach out of the model.")
    if node.op == "Placeholder":
        raise ValueError(f"the placeholder {node.name!r} needs a value: fixed_inputs={{{node.name!r}: ...}}")
    if op_def_registry.get(node.op) is None or not hasattr(tf.raw_ops, node.op):
        raise ValueError(f"the node {node.name!r} is a {node.op}, an operation that this TensorFlow does not have.")
    if node.op in RETIRED:
        return [RETIRED[node.op](node, *inputs)]
    call, arguments, attributes = _signature(node.op)
    rest, keywords = list(inputs), {}
    for argument, name in arguments:
        count = _count(node, argument)
        keywords[name] = rest.pop(0) if count is None else [rest.pop(0) for _ in range(count)]
    for attribute, name in attributes:
        if attribute in node.attr:
            keywords[name] = _value(node.attr[attribute])
    if node.op in CHANNELS_LAST and node.attr["data_format"].s.startswith(b"NC"):
        return [_channels_last(call, keywords)]
    outputs = call(**keywords)
    return tf.nest.flatten(outputs)


def _channels_last(call: Callable, keywords: dict[str, Any]) -> tf.Tensor:
    """A channels-first operation, computed channels-last; its first argument is the images."""
    rank = len(keywords["strides"])
    last, first = [0, *range(2, rank), 1], [0, rank - 1, *range(1, rank - 1)]
    # Strides and the like have a number for each axis, explicit paddings have two.
    turned = {
        name: np.reshape(value, (rank, -1))[last].ravel().tolist() if isinstance(value, list) and value else value
        for name, value in keywords.items()
    }
    images = next(iter(keywords))
    turned |= {images: tf.transpose(keywords[images], last), "data_format": "NHWC" if rank == 4 else "NDHWC"}
    return tf.transpose(call(**turned), first)


@functools.cache
def _signature(name: str) -> tuple[Callable, list[tuple[Any, str]], list[tuple[str, str]]]:
    """An operation's function, and what it calls each input and each attribute that the inputs do not decide."""
    definition, call = op_def_registry.get(name), getattr(tf.raw_ops, name)
    decided = {
        value
        for argument in definition.input_arg
        for value in (argument.type_attr, argument.number_attr, argument.type_list_attr)
    }
    attributes = [attribute.name for attribute in definition.attr if attribute.name not in decided]
    parameters = [parameter for parameter in inspect.signature(call).parameters if parameter != "name"]
    # Python's names differ for a few (axis for reduction_indices); their order does not.
    fields = [*(argument.name for argument in definition.input_arg), *attributes]
    renamed = iter([parameter for parameter in parameters if parameter not in fields])
    called = {one: one if one in parameters else next(renamed) for one in fields}
    return (
        call,
        [(argument, called[argument.name]) for argument in definition.input_arg],
        [(attribute, called[attribute]) for attribute in attributes],
    )


def _count(node: Any, argument: Any) -> int | None:
    """How many tensors an input takes as a list; None for a single one."""
    if argument.number_attr:
        return node.attr[argument.number_attr].i
    if argument.type_list_attr:
        return len(node.attr[argument.type_list_attr].list.type)
    return None


def _value(attribute: Any) -> Any:
    """An AttrValue as Python's."""
    field = attribute.WhichOneof("value")
    if field == "type":
        return tf.as_dtype(attribute.type)
    if field == "shape":
        return tf.TensorShape(attribute.shape)
    if field == "list":
        values = attribute.list
        if values.type:
            return [tf.as_dtype(value) for value in values.type]
        if values.shape:
            return [tf.TensorShape(shape) for shape in values.shape]
        return list(values.i or values.f or values.s or values.b)
    return getattr(attribute, field)
