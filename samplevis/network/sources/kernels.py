"""The operations of a graph that have weights, and what of the images reaches the first of them."""

from __future__ import annotations

import math

from samplevis.network.sources.interpreter import Graph, Output

# Operations that mix channels or positions by numbers that were learned.
KERNELS = frozenset(
    (
        *("Conv2D", "Conv3D", "DepthwiseConv2dNative", "Conv2DBackpropInput"),
        *("Conv3DBackpropInputV2", "MatMul", "BatchMatMul", "BatchMatMulV2", "BatchMatMulV3"),
        *("Einsum", "Dilation2D"),
    )
)
# Operations whose values depend on the shape of images only.
SHAPES = frozenset(("Shape", "ShapeN", "Size", "Rank"))


def first_kernel(graph: Graph, images: Output, channels: int) -> tuple[str, Output] | None:
    """Find the first operation with weights that the images reach.

    A matrix of at most channels x channels numbers, such as the one that makes RGB grey, is not a
    weight: it belongs to the preprocessing.

    Args:
      graph: the graph.
      images: the tensor that stands for the images.
      channels: number of channels of the images.

    Returns:
      (name of its node, the tensor that it reads), or None if there is none.
    """
    reached = {images[0]}
    for name in graph.reached(images):
        node, inputs = graph.nodes[name], graph.inputs[name]
        if node.op in SHAPES:
            continue
        read = [one for one in inputs if one == images or one[0] in reached - {images[0]}]
        if not read:
            continue
        if node.op in KERNELS and _has_weights(graph, inputs, channels):
            return name, read[-1]
        reached.add(name)
    return None


def _has_weights(graph: Graph, inputs: list[Output], channels: int) -> bool:
    """True if an operation reads more constants than a map between colours has."""
    constants = (graph.constant(one) for one in inputs)
    sizes = [math.prod(value.shape) for value in constants if value is not None]
    return max(sizes, default=0) > channels**2
