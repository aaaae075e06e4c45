"""Kernels between layers: which channels of one layer another one reads, and with what weights."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from samplevis.network.network import Network
from samplevis.network.prepared.affine import is_affine, scale_and_shift
from samplevis.network.prepared.folding import CONVOLUTIONS, TRANSPOSED
from samplevis.network.prepared.passes import TRAINING_ONLY
from samplevis.network.sources import FunctionalSource
from samplevis.network.sources.functional import Unactivated
from samplevis.network.sources.functions import FUNCTIONS, OTHERS, kind
from samplevis.network.sources.plan import Plan, Step, Value

_KERAS = keras.layers
# Functions of one number, which do not mix channels.
ELEMENTWISE = (FUNCTIONS | OTHERS | {"activation", "linear"}) - {"softmax"}
# Layers that move or pool positions and leave channels apart, by the beginning of their names.
POOLING = ("MaxPooling", "AveragePooling", "GlobalMaxPooling", "GlobalAveragePooling")
POSITIONAL = (*POOLING, "ZeroPadding", "Cropping", "UpSampling")


class Connection(NamedTuple):
    """A kernel between two layers.

    Attributes:
      source: the layer that is read.
      target: the layer that reads it.
      first: number of the target's channel to which the kernel's first output belongs.
      kernel: weights, float32 [positions, channels of the source, outputs], with the factors of batch normalization in them.
    """

    source: str
    target: str
    first: int
    kernel: np.ndarray


def connections(network: Network, layers: Sequence[str]) -> Iterator[Connection]:
    """Finds the layers that read others through one convolution or dense layer.

    Before and after it there may be what leaves channels apart: activation functions, batch normalization, pooling, padding, sums
    and concatenations. Layers with two convolutions between them are not connected, nor are those with a third of the layers
    between them. Known for functional and Sequential Keras models with channels last; for others there are none.

    Args:
      network: the network.
      layers: names of layers.

    Yields:
      The connections, kernel by kernel; several where a layer concatenates or adds what several kernels compute.

    Example:
      >>> from samplevis import modelzoo
      >>> [(found.source, found.kernel.shape) for found in connections(modelzoo.Shapes(), ["conv4", "conv5", "logits"])]
      [('conv4', (9, 96, 96)), ('conv5', (1, 96, 18))]
    """
    source = network.source
    names = [name for name in layers if network.aliases.get(name, name) in source.names]
    if not isinstance(source, FunctionalSource) or not names:
        return
    plan = source.plan(tuple(network.aliases.get(name, name) for name in names))
    if any(getattr(step.operation, "data_format", None) == "channels_first" for step in plan.steps):
        return
    graph = _Graph.of(plan, names)
    for name, value in zip(names, plan.outputs, strict=True):
        if graph.names[value] == name:
            yield from graph.into(name, value, value, _Columns(0, np.ones(value.shape[-1], np.float32)))


class _Columns(NamedTuple):
    """Channels of a target in sequence: the first, and a factor for each."""

    first: int
    factors: np.ndarray

    def part(self, first: int, count: int) -> _Columns:
        return _Columns(self.first + first, self.factors[first : first + count])


@dataclasses.dataclass(frozen=True, eq=False)
class _Graph:
    """The steps by what they compute, and the layers that were asked for by their values."""

    steps: Mapping[Value, Step]
    names: Mapping[Value, str]

    @classmethod
    def of(cls, plan: Plan, names: Sequence[str]) -> _Graph:
        steps = {value: step for step in plan.steps for value in step.outputs}
        # Of several names of a value the first counts.
        return cls(steps, dict(reversed(list(zip(plan.outputs, names, strict=True)))))

    def into(self, target: str, start: Value, value: Value, columns: _Columns) -> Iterator[Connection]:
        """The connections of a target, some channels of which are computed from those of a value one by one."""
        step = self.steps.get(value)
        if step is None or (value is not start and value in self.names):
            return
        layer = _plain(step.operation)
        if (kernel := _kernel(layer)) is not None:
            for source, weights in self.readers(step.inputs[0], kernel * columns.factors):
                yield Connection(source, target, columns.first, weights)
            return
        for before, first in _apart(step, layer, value):
            count = before.shape[-1]
            part = columns.part(first, count)
            yield from self.into(target, start, before, part._replace(factors=part.factors * _factors(layer, count)))

    def readers(self, value: Value, kernel: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
        """(layer, its part of a kernel [positions, channels, outputs]) of the layers from which a value is computed."""
        if value in self.names:
            yield self.names[value], kernel
            return
        step = self.steps.get(value)
        if step is None:
            return
        layer = _plain(step.operation)
        if type(layer) is _KERAS.Flatten:
            # Positions come first: a weight for each of them and each channel.
            (before,) = step.inputs
            if before.shape[-1]:
                yield from self.readers(before, kernel.reshape(-1, before.shape[-1], kernel.shape[-1]))
            return
        for before, first in _apart(step, layer, value):
            count = before.shape[-1]
            part = kernel[:, first : first + count] * _factors(layer, count)[:, None]
            yield from self.readers(before, part)


def _plain(operation: Any) -> Any:
    """The layer that is called without its activation function, or the operation itself."""
    return operation._twin if isinstance(operation, Unactivated) else operation


def _kernel(layer: Any) -> np.ndarray | None:
    """The kernel of a convolution or dense layer, [positions, channels, outputs]; None for anything else."""
    if type(layer) not in (*CONVOLUTIONS, *TRANSPOSED, _KERAS.Dense) or getattr(layer, "groups", 1) != 1:
        return None
    kernel = tf.convert_to_tensor(layer.kernel).numpy()
    kernel = kernel.reshape(-1, *kernel.shape[-2:])
    return kernel.swapaxes(1, 2) if type(layer) in TRANSPOSED else kernel


def _apart(step: Step, layer: Any, value: Value) -> Iterator[tuple[Value, int]]:
    """(input, first of the output's channels that it becomes) of a step that leaves channels apart; nothing for others."""
    inputs, rank = step.inputs, len(value.shape)
    if kind(layer) in ("concatenate", "concatenateunactivated"):
        if layer.axis % rank == rank - 1:
            first = 0
            for before in inputs:
                yield before, first
                first += before.shape[-1]
    elif kind(layer) == "add" or _leaves_apart(layer, inputs, value):
        # Numbers for all channels alike are inputs of a sum in some models, and are nobody's layer.
        yield from ((before, 0) for before in inputs if before.shape[-1] == value.shape[-1])


def _leaves_apart(layer: Any, inputs: Sequence[Value], value: Value) -> bool:
    """Whether a layer of one input computes each of its channels from one, in the same order."""
    if len(inputs) != 1 or inputs[0].shape[-1] != value.shape[-1]:
        return False
    same = type(layer) in TRAINING_ONLY or kind(layer) in ELEMENTWISE or type(layer).__name__.startswith(POSITIONAL)
    rank = len(value.shape)
    # A new shape with as many channels as before divides or joins positions.
    return same or type(layer) is _KERAS.Reshape or is_affine(layer, rank, rank - 1)


def _factors(layer: Any, count: int) -> np.ndarray:
    """What an affine layer multiplies channels with; ones for any other."""
    if is_affine(layer, 2, 1) or isinstance(layer, _KERAS.BatchNormalization):
        return scale_and_shift([layer], count)[0].astype(np.float32)
    return np.ones(count, np.float32)
