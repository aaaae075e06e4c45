"""A PyTorch module, run as far as needed, with the values of its submodules on the way."""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import threading
import weakref
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

Function = Callable[[torch.Tensor], torch.Tensor]
# What the root module is called as a layer, unless a submodule has the name.
OUTPUT = "output"
HALF = (torch.float16, torch.bfloat16)
# Hooks and training mode belong to a module, whatever number of networks hold it: one run at a time.
_LOCKS: weakref.WeakKeyDictionary[torch.nn.Module, threading.RLock] = weakref.WeakKeyDictionary()


@dataclasses.dataclass(frozen=True)
class Tap:
    """Where a tensor is read.

    Attributes:
      module: the module's dotted name; "" is the root.
      use: which call of the module, from 1.
      before: whether it is the module's first argument instead of what it returns.
      key: which tensor of a module that returns several: its number from 0, or its name; 0 of one that returns a single one.
    """

    module: str
    use: int
    before: bool = False
    key: int | str = 0


class _Reached(BaseException):
    """Every tap has been read, so that the rest of the module need not run."""


def tensors(output: Any) -> dict[int | str, torch.Tensor]:
    """The tensors in what a module returns, by `Tap.key`; a single one, alone or in a tuple or dictionary, is 0."""
    if isinstance(output, torch.Tensor):
        return {0: output}
    several = enumerate(output) if isinstance(output, tuple | list) else ()
    items = output.items() if isinstance(output, Mapping) else several
    found = {key: value for key, value in items if isinstance(value, torch.Tensor)}
    return {0: next(iter(found.values()))} if len(found) == 1 else found


def _with(output: Any, old: torch.Tensor, new: torch.Tensor) -> Any:
    """What a module returns, with one of its tensors replaced."""
    if isinstance(output, torch.Tensor):
        return new
    if isinstance(output, Mapping):
        changed = copy.copy(output)
        changed.update({key: new for key, value in output.items() if value is old})
        return changed
    items = [new if value is old else value for value in output]
    return type(output)(*items) if hasattr(output, "_fields") else type(output)(items)


def run(
    module: torch.nn.Module,
    images: torch.Tensor,
    taps: Collection[Tap],
    read: Callable[[torch.Tensor], torch.Tensor],
    replaced: Mapping[Tap, torch.Tensor] | None = None,
    functions: Mapping[str, Function] | None = None,
) -> dict[Tap, torch.Tensor]:
    """Runs a module in evaluation mode until all taps have been read.

    Args:
      module: the module. Afterwards it has its own hooks and training mode again.
      images: its argument.
      taps: where to read.
      read: what to make of each tensor: a copy, since a module may change it in place later.
      replaced: values to put in the place of some tensors, by tap. Defaults to none.
      functions: by the name of a submodule, what to apply to its first argument in its place. Defaults to none.

    Returns:
      What was read, by tap.

    Raises:
      RuntimeError: if the module ends before; and whatever the module raises.
    """
    left, found, replaced = set(taps), {}, dict(replaced or {})

    def visit(tap: Tap, value: torch.Tensor) -> torch.Tensor:
        value = replaced.get(tap, value)
        if tap in left:
            found[tap] = read(value)
            left.discard(tap)
            if not left:
                raise _Reached
        return value

    def before(name: str, use: int, arguments: tuple) -> tuple | None:
        tap = Tap(name, use, before=True)
        if tap not in left and tap not in replaced or not arguments:
            return None
        return visit(tap, arguments[0]), *arguments[1:]

    def after(name: str, use: int, output: Any) -> Any:
        changed = None
        for key, value in tensors(output).items():
            new = visit(Tap(name, use, key=key), value)
            if new is not value:
                changed = _with(changed if changed is not None else output, value, new)
        return changed

    names = {tap.module for tap in (*left, *replaced)}
    with (
        _hooked(module, names, before, after),
        _replacing(module, functions or {}),
        contextlib.suppress(_Reached),
    ):
        module(images)
    if left:
        raise RuntimeError(f"the module did not reach {', '.join(sorted({tap.module or OUTPUT for tap in left}))}")
    return found


def record(module: torch.nn.Module, images: torch.Tensor) -> tuple[dict[Tap, torch.Tensor], dict[Tap, Tap]]:
    """Runs a module in evaluation mode, and lists what each use of each submodule returned, in the order of computation.

    Returns:
      (tap -> tensor; tap -> the use of a submodule without submodules whose result this is, too).
    """
    seen: dict[Tap, torch.Tensor] = {}
    leaves: dict[int, Tap] = {}
    ends: dict[Tap, Tap] = {}
    simple = {name for name, each in module.named_modules() if next(each.children(), None) is None}

    def after(name: str, use: int, output: Any) -> None:
        for key, value in tensors(output).items():
            tap = Tap(name, use, key=key)
            seen[tap] = value
            if name in simple:
                leaves[id(value)] = tap
            elif id(value) in leaves:
                ends[tap] = leaves[id(value)]

    names = [name for name, _ in module.named_modules()]
    with _hooked(module, names, lambda *_: None, after):
        module(images)
    return seen, ends


class _Watching(TorchDispatchMode):
    """While it lasts, calls a function of every tensor that PyTorch computes."""

    def __init__(self, seen: Callable[[torch.Tensor], None]):
        super().__init__()
        self._seen = seen

    def __torch_dispatch__(self, function: Any, types: Any, args: tuple = (), kwargs: Any = None) -> Any:
        values = function(*args, **(kwargs or {}))
        for value in values if isinstance(values, tuple | list) else (values,):
            if isinstance(value, torch.Tensor):
                self._seen(value)
        return values


def first_half(module: torch.nn.Module, images: torch.Tensor, taps: Collection[Tap]) -> tuple[str, torch.dtype] | None:
    """Runs a module in evaluation mode until all taps have been read, and looks for values in half precision.

    Returns:
      (dotted name of the submodule that computes the first of them, their type), or None.
    """
    inside, found = [""], []

    def before(name: str, use: int, arguments: tuple) -> None:
        inside.append(name)

    def after(name: str, use: int, output: Any) -> None:
        inside.pop()

    def seen(value: torch.Tensor) -> None:
        if value.dtype in HALF and not found:
            found.append((inside[-1], value.dtype))

    names = [name for name, _ in module.named_modules()]
    with torch.inference_mode(False), _hooked(module, names, before, after), _Watching(seen):
        run(module, images, taps, torch.Tensor.detach)
    return found[0] if found else None


@contextlib.contextmanager
def _hooked(
    module: torch.nn.Module,
    names: Collection[str],
    before: Callable[[str, int, tuple], tuple | None],
    after: Callable[[str, int, Any], Any],
) -> Iterator[None]:
    """While it lasts, calls two functions around every use of some submodules in this thread, in evaluation mode."""
    uses, thread = dict.fromkeys(names, 0), threading.get_ident()

    def enter(name: str, arguments: tuple) -> tuple | None:
        if threading.get_ident() != thread:
            return None
        uses[name] += 1
        return before(name, uses[name], arguments)

    def leave(name: str, output: Any) -> Any:
        return after(name, uses[name], output) if threading.get_ident() == thread else None

    with _LOCKS.setdefault(module, threading.RLock()), _evaluating(module), contextlib.ExitStack() as hooks:
        for name in names:
            part = module.get_submodule(name)
            for handle in (
                part.register_forward_pre_hook(lambda _, arguments, name=name: enter(name, arguments)),
                part.register_forward_hook(lambda _, __, output, name=name: leave(name, output)),
            ):
                hooks.callback(handle.remove)
        yield


@contextlib.contextmanager
def _replacing(module: torch.nn.Module, functions: Mapping[str, Function]) -> Iterator[None]:
    """While it lasts, other functions stand in for some submodules in this thread, whoever holds and calls those."""
    thread, spared = threading.get_ident(), {}

    def spare(name: str, arguments: tuple) -> tuple | None:
        if threading.get_ident() != thread or not arguments:
            return None
        spared[name] = arguments[0]
        return arguments[0].clone(), *arguments[1:]

    def apply(name: str, arguments: tuple) -> torch.Tensor | None:
        if threading.get_ident() != thread or not arguments:
            return None
        if name not in spared:
            return functions[name](arguments[0])
        # What the module would have changed in place, others may read.
        value = spared.pop(name)
        return value.copy_(functions[name](value.clone()))

    with contextlib.ExitStack() as hooks:
        for name in functions:
            part = module.get_submodule(name)
            if getattr(part, "inplace", False):
                handle = part.register_forward_pre_hook(lambda _, arguments, name=name: spare(name, arguments))
                hooks.callback(handle.remove)
            # The user's own hooks see its value.
            handle = part.register_forward_hook(
                lambda _, arguments, __, name=name: apply(name, arguments), prepend=True
            )
            hooks.callback(handle.remove)
        yield


@contextlib.contextmanager
def _evaluating(module: torch.nn.Module) -> Iterator[None]:
    """Evaluation mode, and then each submodule's own mode again."""
    training = [part for part in module.modules() if part.training]
    for part in training:
        part.training = False
    try:
        yield
    finally:
        for part in training:
            part.training = True
