"""Where the channels are in a TensorFlow graph: in its images, and in what each of its nodes computes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from samplevis.network.sources.axes import Layout
from samplevis.network.sources.base import Shape
from samplevis.network.sources.interpreter import Graph, Output

# Operations that leave axes where they are.
PASSING = {"Identity", "StopGradient", "Cast", "EnsureShape", "CheckNumerics", "Snapshot", "Pad", "PadV2", "MirrorPad"}
PASSING |= {"Mul", "Add", "AddV2", "Sub", "RealDiv", "Div", "DivNoNan", "Maximum", "Minimum", "Pow", "SpaceToBatchND"}
PASSING |= {"Relu", "Relu6", "LeakyRelu", "Elu", "Selu", "Sigmoid", "Tanh", "Softplus", "Softsign", "Neg", "Square"}
PASSING |= {"Sqrt", "Rsqrt", "Exp", "Log", "Log1p", "Abs", "ClipByValue", "BiasAdd", "PlaceholderWithDefault"}
# Operations on images that know one format.
LAST = {"ResizeBilinear", "ResizeNearestNeighbor", "ResizeBicubic", "ResizeArea", "CropAndResize"}
# Operations that pool all positions, if they leave one axis.
REDUCTIONS = {"Mean", "Max", "Sum"}
# Operations that read vectors along the last axis.
PRODUCTS = {"MatMul", "BatchMatMul", "BatchMatMulV2", "BatchMatMulV3"}


def find_layout(graph: Graph, start: Output, shape: Sequence[int | None]) -> Layout:
    """How a graph takes its images, from the first nodes that read them; see `axes.find_layout`.

    Args:
      graph: the graph.
      start: the input that is the images.
      shape: of it, without the batch.
    """
    rank = len(shape) + 1
    origins: dict[Output, tuple[int | None, ...]] = {start: tuple(range(rank))}
    for name in graph.reached(start):
        node = graph.nodes[name]
        read = next((one for one in graph.inputs[name] if one in origins), None)
        if read is None:
            continue
        origin = origins[read]
        axis = _read_axis(graph, node, len(origin))
        if axis is not None:
            found = origin[axis]
            if found is not None or rank == 3:
                return Layout(found)
            continue
        if node.op == "Reshape":
            if rank == 3 and _flattens(graph, name, shape):
                return Layout(None)
            continue
        moved = _moved(graph, node, read, len(origin))
        if moved is not None:
            origins[name, 0] = tuple(None if one is None else origin[one] for one in moved)
    return Layout(rank - 1, sure=False)


def channel_axes(graph: Graph, start: Output, layout: Layout, found: Mapping[Output, Shape]) -> dict[Output, int]:
    """The axis of the channels of every tensor that was found, the batch counted; see `axes.channel_axes`.

    Args:
      graph: the graph.
      start: the input that is the images.
      layout: how those are laid out.
      found: the tensors, and their shapes without the batch.
    """
    axes: dict[Output, int] = {}
    if layout.axis is not None:
        axes[start] = layout.axis
    for name in graph.reached(start):
        node = graph.nodes[name]
        read = next((one for one in graph.inputs[name] if one in axes), None)
        for tensor, shape in ((one, shape) for one, shape in found.items() if one[0] == name):
            rank = len(shape) + 1
            axis = _axis(node, rank)
            if axis is None and read is not None and node.op not in PRODUCTS:
                before = len(found[read]) + 1 if read in found else rank
                moved = _moved(graph, node, read, before)
                moved = tuple(range(rank)) if moved is None and before == rank and node.op != "Reshape" else moved
                axis = moved.index(axes[read]) if moved is not None and axes[read] in moved else None
            axes[tensor] = rank - 1 if axis is None else axis
    return axes


def is_channels_first(node: Any) -> bool:
    """Whether a node has a data format with the channels first."""
    return node.attr["data_format"].s.startswith(b"NC") if "data_format" in node.attr else False


def _axis(node: Any, rank: int) -> int | None:
    """The axis on which a node says that its channels are."""
    if node.op in LAST:
        return rank - 1
    if "data_format" not in node.attr:
        return None
    return 1 if is_channels_first(node) else rank - 1


def _read_axis(graph: Graph, node: Any, rank: int) -> int | None:
    """The axis on which a node that reads images expects their channels."""
    if node.op in PRODUCTS:
        return rank - 1
    if node.op in REDUCTIONS and rank > 3:
        gone = graph.constant(graph.inputs[node.name][1])
        left = set(range(1, rank)) - {int(axis) % rank for axis in np.ravel(() if gone is None else gone)}
        return left.pop() if len(left) == 1 else None
    return None if node.op == "BiasAdd" else _axis(node, rank)


def _moved(graph: Graph, node: Any, read: Output, rank: int) -> tuple[int | None, ...] | None:
    """For each axis of what a node computes, the axis of its input that it was; None if it makes other axes."""
    before: list[int | None] = list(range(rank))
    if node.op == "Transpose":
        order = graph.constant(graph.inputs[node.name][1])
        return None if order is None else tuple(int(one) for one in order)
    if node.op == "ExpandDims":
        axis = graph.constant(graph.inputs[node.name][1])
        if axis is None:
            return None
        before.insert(int(np.ravel(axis)[0]) % (rank + 1), None)
        return tuple(before)
    if node.op == "Squeeze":
        gone = {axis % rank for axis in node.attr["squeeze_dims"].list.i}
        return tuple(axis for axis in before if axis not in gone) if gone else None
    return tuple(before) if node.op in PASSING else None


def _flattens(graph: Graph, name: str, shape: Sequence[int | None]) -> bool:
    """Whether a Reshape makes vectors of images [batch, height, width], or gives them an axis of one channel."""
    wanted = graph.inputs[name][1]
    fixed = graph.constant(wanted)
    sizes: list[int | None]
    if fixed is not None:
        sizes = [int(size) for size in fixed]
    elif graph.nodes[wanted[0]].op == "Pack":
        values = [graph.constant(one) for one in graph.inputs[wanted[0]]]
        sizes = [None if value is None else int(value) for value in values]
    else:
        return False
    if len(sizes) == 2:
        return None not in shape and sizes[1] in (-1, int(np.prod(shape)))
    return len(sizes) == 4 and (sizes[3] == 1 or sizes[1] == 1)
