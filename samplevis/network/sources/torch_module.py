"""PyTorch modules, which compute as they are, live: hooks read their submodules, and TensorFlow gets their gradients."""

from __future__ import annotations

import copy
import dataclasses
import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np
import tensorflow as tf
import torch

from samplevis.network.sources.base import (
    PRE,
    Ending,
    Function,
    ReplaceActivation,
    ReplaceLayer,
    Shape,
    call_name,
    output_name,
    show,
)
from samplevis.network.sources.endings import module_endings
from samplevis.network.sources.functions import FUNCTIONS, OTHERS, kind
from samplevis.network.sources.torch_bridge import Bridge, in_torch
from samplevis.network.sources.torch_hooks import OUTPUT, Tap, first_half, record, run
from samplevis.network.sources.torch_images import FREE_SIDES, find_image_shape

_NORMALIZATIONS = (torch.nn.BatchNorm1d, torch.nn.BatchNorm2d, torch.nn.BatchNorm3d)


class TorchSource:
    """A `torch.nn.Module` as a `Source`.

    Layers have the dotted names of the submodules; a layer is what the submodule's first call returns, `layer#2` what the second
    does, `layer/output_1` or `layer/output_name` one of several tensors that it returns, and "output" what the module itself
    returns. Tensors of the rank of the images are turned from channels-first to channels-last.

    Args:
      module: a module that takes one batch of images, channels first. It is used as it is, and stays as it is.
      image_shape: (height, width, channels), or that of signals or volumes; None for a free size. Defaults to what is found by
        trying, see `find_image_shape`.

    Raises:
      ValueError: if the module takes no such images, or a weight is not finite.
    """

    def __init__(self, module: torch.nn.Module, image_shape: Shape | None = None):
        self.model, self.name = module, type(module).__name__
        if isinstance(module, torch.jit.ScriptModule) or hasattr(module, "_orig_mod"):
            raise ValueError(
                f"model: {self.name!r} is compiled, and hides its layers. Give the module that torch.jit or torch.compile was "
                "given."
            )
        _check_weights(self.name, module)
        #: What stands in for some submodules, by name.
        self._functions: dict[str, Function] = {}
        self.image_shape = image_shape or find_image_shape(module, self.name, self._fails)
        self._sides = tuple(side or FREE_SIDES[len(self.image_shape) - 1][0] for side in self.image_shape[:-1])
        self._read()

    @property
    def variables(self) -> list[_Values]:
        """Parameters and buffers."""
        return list(map(_Values, (*self.model.parameters(), *self.model.buffers())))

    @property
    def parameters(self) -> int:
        """The number of trained numbers."""
        return sum(value.numel() for value in self.model.parameters())

    def cut(self, names: tuple[str, ...]) -> Callable[[tf.Tensor], list[tf.Tensor]]:
        taps = [self._taps[name] for name in names]
        bridge = Bridge(lambda inputs: self._run(inputs[0], taps), lambda shape: self._shapes(names, shape))
        return lambda images: bridge(images) if names else []

    def substitute(self, layer: str, names: tuple[str, ...]) -> Callable[[tf.Tensor, tf.Tensor], list[tf.Tensor]]:
        taps, place = [self._taps[name] for name in names], self._taps[layer]

        def function(inputs: list[torch.Tensor]) -> list[torch.Tensor]:
            images, values = inputs
            return self._run(images, taps, {place: self._first(values)})

        return Bridge(function, lambda shape, _: self._shapes(names, shape))

    def replaced(self, activation: ReplaceActivation, layer: ReplaceLayer) -> TorchSource:
        """The same module, with other functions in the place of some submodules while it runs; poolings are left."""
        new = copy.copy(self)
        new.operations, new._functions = dict(self.operations), dict(self._functions)
        for name, part in self._activations.items():
            own = self._functions.get(name) or _in_tensorflow(part)
            function = activation(name, kind(self._functions.get(name, part)), own)
            if function is not None:
                new._functions[name] = function
                new.operations.update(dict.fromkeys(self._calls(name, self.operations), function))
        return new

    def endings(self) -> dict[str, Ending]:
        outputs = [name for name, tap in self._taps.items() if not tap.module and not tap.before]
        return module_endings(self._taps, outputs, dict(self.model.named_modules()))

    def hidden_bytes(self, names: tuple[str, ...], size: tuple[int, ...]) -> int:
        """Bytes that the value and the gradient of some layers take for an image, outside TensorFlow's graph."""
        own = {value.data_ptr() for value in (*self.model.parameters(), *self.model.buffers())}
        saved: dict[int, int] = {}

        def keep(value: torch.Tensor) -> torch.Tensor:
            storage = value.untyped_storage()
            if value.data_ptr() not in own:
                saved[storage.data_ptr()] = storage.nbytes()
            return value

        images = torch.zeros((1, *size, self.image_shape[-1]), requires_grad=True)
        with torch.enable_grad(), torch.autograd.graph.saved_tensors_hooks(keep, lambda value: value):
            values = self._run(images, [self._taps[name] for name in names])
        # As much again for the gradients.
        return 2 * (sum(saved.values()) + sum(value.nbytes for value in values))

    def hidden_half(self, names: tuple[str, ...], size: tuple[int, ...]) -> tuple[str, str] | None:
        """The first submodule that computes in half precision, up to some layers, and its precision."""
        images = self._first(torch.zeros((1, *size, self.image_shape[-1])))
        found = first_half(self.model, images, [self._taps[name] for name in names])
        return found and (found[0] or OUTPUT, str(found[1]).removeprefix("torch."))

    def _read(self) -> None:
        """Finds the layers: what every call of a submodule returned, for two sizes of batches, and of images if they are free."""
        others = tuple(side or FREE_SIDES[len(self.image_shape) - 1][1] for side in self.image_shape[:-1])
        self._sizes = functools.lru_cache(maxsize=32)(self._infer)
        seen, ends = self._record(2, self._sides)
        again, _ = self._record(3, others)
        parts, self._taps, shapes = dict(self.model.named_modules()), {}, {}
        for tap in seen:
            name = output_name(call_name(tap.module or OUTPUT, tap.use), tap.key)
            shape = _free(seen[tap], again.get(tap))
            if shape is None or (not tap.module and OUTPUT in parts):
                continue
            self._taps[name], shapes[name] = tap, shape
            leaf = ends.get(tap, tap)
            if kind(parts[leaf.module]) in FUNCTIONS | OTHERS and not leaf.key:
                self._taps[name + PRE], shapes[name + PRE] = dataclasses.replace(leaf, before=True), shape
        if not shapes:
            raise ValueError(f"model: {self.name!r} returns no tensor of floats with a row for each image.")
        self.names: Mapping[str, Shape] = MappingProxyType(shapes)
        self.layers = MappingProxyType({name: shape for name, shape in shapes.items() if not name.endswith(PRE)})
        modules = {name: parts[self._taps[name].module] for name in self.layers}
        self.kinds = {name: type(part).__name__ for name, part in modules.items()}
        self.operations = {name: _operation(part) for name, part in modules.items()}
        called = {tap.module for tap in seen}
        self.missing = {
            name: "it returns no tensor of floats with a row for each image"
            if name in called
            else "it is not called in evaluation mode"
            for name in parts
            if name and not any(tap.module == name for tap in self._taps.values())
        }

    def _calls(self, module: str, names: Iterable[str]) -> list[str]:
        """The names, of some, of the calls of a submodule."""
        return [name for name in names if self._taps[name].module == module]

    @property
    def _activations(self) -> dict[str, torch.nn.Module]:
        """The submodules that are activation functions without parameters."""
        return {
            name: part
            for name, part in self.model.named_modules()
            if name and kind(part) in FUNCTIONS and next(part.parameters(), None) is None
        }

    @property
    def output_shapes(self) -> list[Shape]:
        # Any module's values may be among those that the outermost one returns.
        return list(self.layers.values())

    def _run(
        self, images: torch.Tensor, taps: Sequence[Tap], replaced: Mapping[Tap, torch.Tensor] | None = None
    ) -> list[torch.Tensor]:
        """Images and values, channels last, in float32 and where the images are; all of them copies."""

        def read(value: torch.Tensor) -> torch.Tensor:
            value = value.movedim(1, -1) if value.ndim > len(self.image_shape) else value
            copied = value.to(images, copy=True)
            return copied.contiguous()

        functions = {name: in_torch(function) for name, function in self._functions.items()}
        found = run(self.model, self._first(images), taps, read, replaced, functions)
        return [found[tap] for tap in taps]

    def _first(self, values: torch.Tensor) -> torch.Tensor:
        """A copy of images or values with channels first, for the module."""
        values = values.movedim(-1, 1) if values.ndim > len(self.image_shape) else values
        like = next((one for one in self.model.parameters() if one.is_floating_point()), values)
        return values.to(like, copy=True).contiguous()

    def _record(self, batch: int, sides: tuple[int, ...]) -> tuple[dict[Tap, Shape | None], dict[Tap, Tap]]:
        """The shape of what each call of each submodule returns, channels last; None for what is no layer."""
        images = torch.full((batch, *sides, self.image_shape[-1]), 0.5, requires_grad=True)
        try:
            with torch.inference_mode(False), torch.enable_grad():
                seen, ends = record(self.model, self._first(images))
        except Exception as error:  # A caller's code may raise anything.
            raise ValueError(f"model: {self.name!r} cannot take images of {show(sides)}: {error}") from error
        rank = images.ndim

        def shape(value: torch.Tensor) -> Shape | None:
            if not value.is_floating_point() or value.ndim < 2 or len(value) != batch:
                return None
            return tuple((value.movedim(1, -1) if value.ndim >= rank else value).shape[1:])

        return {tap: shape(value) for tap, value in seen.items()}, ends

    def _shapes(self, names: tuple[str, ...], images: tf.TensorShape) -> list[Shape]:
        """Static shapes of some layers for images of one."""
        sides = tuple(images[1:-1])
        if None in sides:
            return [(images[0], *self.names[name]) for name in names]
        found = self._sizes(sides)
        return [(images[0], *found[dataclasses.replace(self._taps[name], before=False)]) for name in names]

    def _infer(self, sides: tuple[int, ...]) -> dict[Tap, Shape | None]:
        return self._record(1, sides)[0]

    def _fails(self, shape: Shape) -> str | None:
        """Why the module cannot take images of a shape, or None."""
        self.image_shape = shape
        try:
            self._record(1, shape[:-1])
        except ValueError as error:
            return str(error.__cause__)
        return None


@dataclasses.dataclass(frozen=True)
class _Values:
    """A parameter or buffer, as `Source.variables` has them."""

    tensor: torch.Tensor

    def numpy(self) -> np.ndarray:
        """A copy of its values; of floats that NumPy does not know as float32."""
        value = self.tensor.detach().cpu()
        return (value.float() if value.dtype == torch.bfloat16 else value).numpy().copy()


class BatchNormalization:
    """A batch normalization with the attributes of Keras's."""

    def __init__(self, module: torch.nn.Module):
        self._module = module

    @property
    def moving_mean(self) -> np.ndarray:
        """float32 [channels]."""
        return self._module.running_mean.detach().cpu().float().numpy()

    @property
    def moving_variance(self) -> np.ndarray:
        """float32 [channels]."""
        return self._module.running_var.detach().cpu().float().numpy()

    @property
    def gamma(self) -> np.ndarray | None:
        """float32 [channels], or None."""
        return None if self._module.weight is None else self._module.weight.detach().cpu().float().numpy()

    @property
    def beta(self) -> np.ndarray | None:
        """float32 [channels], or None."""
        return None if self._module.bias is None else self._module.bias.detach().cpu().float().numpy()


def _operation(part: torch.nn.Module) -> Any:
    statistics = isinstance(part, _NORMALIZATIONS) and part.running_mean is not None
    return BatchNormalization(part) if statistics else part


def _in_tensorflow(part: torch.nn.Module) -> Callable[[tf.Tensor], tf.Tensor]:
    """An activation function as one of TensorFlow's tensors."""
    # Without the hooks, which belong to its calls in the module.
    bridge = Bridge(lambda inputs: [part.forward(inputs[0].clone()).clone()], lambda shape: [tuple(shape)])
    return lambda x: bridge(x)[0]


def _free(shape: Shape | None, other: Shape | None) -> Shape | None:
    """A shape with None where that for other images differs; None if one of them is no layer's, or the ranks differ."""
    if shape is None or other is None or len(shape) != len(other):
        return None
    return tuple(a if a == b else None for a, b in zip(shape, other, strict=True))


def _check_weights(name: str, module: torch.nn.Module) -> None:
    for weight, value in (*module.named_parameters(), *module.named_buffers()):
        if value.is_floating_point() and bool(torch.isnan(value).any()):
            raise ValueError(f"model: {name!r} has values that are not finite in {weight!r}.")
