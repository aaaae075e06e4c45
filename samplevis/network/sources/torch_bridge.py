"""Functions of PyTorch tensors as functions of TensorFlow's, with their gradients, and the other way round.

On CPUs no array is copied on the way: TensorFlow and PyTorch see the same memory, eagerly by DLPack, in compiled code as the
array that `tf.numpy_function` passes. Compiled code runs such a function on the CPU: what is on a GPU is copied there and back.
"""

from __future__ import annotations

import itertools
import weakref
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
import torch
from tensorflow.python.eager.context import eager_mode

from samplevis.network.sources.base import Shape

TorchFunction = Callable[[list[torch.Tensor]], list[torch.Tensor]]
# TensorFlow takes an array at an address that is divisible by this as it is, and copies any other.
ALIGNMENT = 64


class Bridge:
    """A function of PyTorch tensors, for TensorFlow: eagerly, in a `tf.function`, and under a `tf.GradientTape`.

    A gradient costs one run forward and one back: what PyTorch keeps for the way back lives as long as a tensor of TensorFlow's
    that only the gradient reads. Values without a gradient keep nothing. There are no second derivatives.

    Args:
      function: takes and returns lists of float32 tensors. What it returns is memory that nothing else uses.
      shapes: the static shapes of what it returns, from those of what it takes.
    """

    def __init__(self, function: TorchFunction, shapes: Callable[..., Sequence[Shape]]):
        self._function, self._shapes = function, shapes
        self._numbers = itertools.count()
        self._waiting: dict[int, _Pass] = {}

    def __call__(self, *inputs: tf.Tensor) -> list[tf.Tensor]:
        """The function's values; float32 tensors in and out."""
        run = self._eager if tf.executing_eagerly() else self._traced
        return tf.nest.flatten(tf.custom_gradient(run)(*inputs))

    def _eager(self, *inputs: tf.Tensor) -> tuple[list[tf.Tensor], Callable]:
        forward = _Pass(self._function, list(map(to_torch, inputs)))
        values = list(map(to_tensorflow, forward.values))
        return values, lambda *upstream: list(map(to_tensorflow, forward.gradient(list(map(to_torch, upstream)))))

    def _traced(self, *inputs: tf.Tensor) -> tuple[list[tf.Tensor], Callable]:
        shapes, bridge = self._shapes(*(value.shape for value in inputs)), weakref.ref(self)
        *values, token = _op(bridge, "_forward", inputs, [tf.float32] * len(shapes) + [tf.int64])
        for value, shape in zip(values, shapes, strict=True):
            value.set_shape(shape)

        def gradient(*upstream: tf.Tensor) -> list[tf.Tensor]:
            slopes = _op(bridge, "_backward", [token, *inputs, *upstream], [tf.float32] * len(inputs))
            return [tf.ensure_shape(slope, value.shape) for slope, value in zip(slopes, inputs, strict=True)]

        return values, gradient

    def _forward(self, _: int, *arrays: np.ndarray) -> list[np.ndarray]:
        forward, number = _Pass(self._function, list(map(torch.from_numpy, arrays))), next(self._numbers)
        token = _aligned(number)
        self._waiting[number] = forward
        weakref.finalize(token, self._waiting.pop, number, None).atexit = False
        return [*(value.numpy() for value in forward.values), token]

    def _backward(self, num_inputs: int, token: np.ndarray, *arrays: np.ndarray) -> list[np.ndarray]:
        values = list(map(torch.from_numpy, arrays))
        # None for the second gradient of the same values, or if TensorFlow copied the token.
        forward = self._waiting.pop(int(token[0]), None) or _Pass(self._function, values[:num_inputs])
        return [slope.numpy() for slope in forward.gradient(values[num_inputs:])]


class _Pass:
    """A run forward, and what PyTorch keeps of it until it is run back.

    Args:
      function: as in `Bridge`.
      inputs: its argument.
    """

    def __init__(self, function: TorchFunction, inputs: list[torch.Tensor]):
        self._function, self._inputs = function, inputs
        self._leaves, self._outputs = self._run()
        #: What the function returned.
        self.values = [value.detach() for value in self._outputs]

    def gradient(self, upstream: list[torch.Tensor]) -> list[torch.Tensor]:
        """The gradient in each input, from that in each output."""
        leaves, outputs = (self._leaves, self._outputs) if self._outputs else self._run()
        self._leaves, self._outputs, self.values = [], [], []
        reached = [(value, slope) for value, slope in zip(outputs, upstream, strict=True) if value.requires_grad]
        if not reached:
            return list(map(torch.zeros_like, leaves))
        values, starts = zip(*reached, strict=True)
        slopes = torch.autograd.grad(values, leaves, starts, allow_unused=True)
        # Copies: a slope may be the upstream one itself, which TensorFlow still uses.
        return [
            _copy(torch.zeros_like(leaf) if slope is None else slope)
            for leaf, slope in zip(leaves, slopes, strict=True)
        ]

    def _run(self) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
        with torch.inference_mode(False), torch.enable_grad():
            leaves = [value.detach().requires_grad_() for value in self._inputs]
            return leaves, self._function(leaves)


class _InTorch(torch.autograd.Function):
    """A function of a tensor of TensorFlow's, for PyTorch."""

    @staticmethod
    def forward(context: Any, x: torch.Tensor, function: Callable[[tf.Tensor], tf.Tensor]) -> torch.Tensor:
        context.save_for_backward(x)
        context.function = function
        with eager_mode():
            return _copy(to_torch(function(to_tensorflow(_copy(x)))))

    @staticmethod
    def backward(context: Any, upstream: torch.Tensor) -> tuple[torch.Tensor, None]:
        (x,) = context.saved_tensors
        with eager_mode(), tf.GradientTape() as tape:
            value = to_tensorflow(_copy(x))
            tape.watch(value)
            y = context.function(value)
        with eager_mode():
            return _copy(to_torch(tape.gradient(y, value, to_tensorflow(_copy(upstream))))), None


def in_torch(function: Callable[[tf.Tensor], tf.Tensor]) -> Callable[[torch.Tensor], torch.Tensor]:
    """A function of a tensor of TensorFlow's, eager, as one of PyTorch's tensors, with TensorFlow's gradient."""
    return lambda x: _InTorch.apply(x, function)


def to_torch(value: tf.Tensor) -> torch.Tensor:
    """An eager tensor, in the memory that it has."""
    return torch.from_dlpack(tf.experimental.dlpack.to_dlpack(tf.convert_to_tensor(value)))


def to_tensorflow(value: torch.Tensor) -> tf.Tensor:
    """A contiguous tensor, in the memory that it has."""
    return tf.experimental.dlpack.from_dlpack(torch.utils.dlpack.to_dlpack(value.detach()))


def _op(
    bridge: weakref.ref[Bridge], method: str, inputs: Sequence[tf.Tensor], types: Sequence[tf.DType]
) -> list[tf.Tensor]:
    """A method of a bridge as an operation of the graph that is being traced.

    TensorFlow keeps the function, and the gradients of custom gradients, for ever: they must not keep the bridge.
    """

    def run(*arrays: np.ndarray) -> list[np.ndarray]:
        found = bridge()
        if found is None:
            raise RuntimeError("the network is gone: keep it as long as the code that was compiled from it")
        return getattr(found, method)(len(types), *arrays)

    return tf.numpy_function(run, inputs, types)


def _copy(value: torch.Tensor) -> torch.Tensor:
    return value.detach().clone(memory_format=torch.contiguous_format)


def _aligned(number: int) -> np.ndarray:
    """An int64 array [1] that TensorFlow refers to instead of copying it."""
    memory = np.empty(2 * ALIGNMENT, np.uint8)
    start = -memory.ctypes.data % ALIGNMENT
    token = memory[start : start + 8].view(np.int64)
    token[0] = number
    return token
