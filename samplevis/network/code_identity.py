"""The code of a user's function and what it closes over, as a digest: two lambdas print alike and compute different things."""

from __future__ import annotations

import functools
import hashlib
import inspect
import sysconfig
import types
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from samplevis.network import fingerprint
from samplevis.network.network import Network

# Code below these folders is identified by its name: it does not change with the user's program.
LIBRARIES = (
    *(Path(sysconfig.get_path(name)) for name in ("purelib", "platlib", "stdlib")),
    Path(__file__).parents[1],
)


def digest(function: Callable) -> str:
    """Return a digest of a function's code, its defaults, and the values that it reads from closures and globals.

    Functions that it calls are followed, except into installed libraries. Comments and line numbers do not count. Two versions of
    Python can give the same source different digests.

    Args:
      function: a function, a lambda, a partial, a method, or an object with `__call__`.

    Returns:
      16 hexadecimal digits.

    Example:
      >>> import tensorflow as tf
      >>> def unit(n):
      ...     return lambda T: T("logits")[:, n]
      >>> digest(unit(1)) == digest(unit(1)), digest(unit(1)) == digest(unit(2))
      (True, False)
    """
    found = hashlib.sha256()
    for part in _parts(function, set()):
        found.update(part.encode() + b"\n")
    return found.hexdigest()[:16]


def _parts(value: Any, seen: set[int]) -> Iterator[str]:
    """Lines that identify a value; what was met before is not followed again."""
    if id(value) in seen:
        yield "as before"
        return
    if not isinstance(value, (int, float, complex, str, bytes, type(None))):
        seen.add(id(value))
    yield type(value).__qualname__
    if isinstance(value, types.FunctionType):
        yield from _function(value, seen)
    elif isinstance(value, types.CodeType):
        yield from _code(value, seen)
    elif isinstance(value, types.MethodType):
        yield from _all((value.__func__, value.__self__), seen)
    elif isinstance(value, functools.partial):
        yield from _all((value.func, value.args, value.keywords), seen)
    elif isinstance(value, Network):
        yield fingerprint.weights(value)
    elif isinstance(value, keras.Layer):
        yield from _all([weight.value for weight in value.weights], seen)
    elif isinstance(value, (np.ndarray, np.generic, tf.Tensor, tf.Variable)):
        yield _array(np.asarray(value))
    elif isinstance(value, Mapping):
        yield from _all([part for item in value.items() for part in item], seen)
    elif isinstance(value, (set, frozenset)):
        yield from sorted(map(fingerprint.text, value))
    elif isinstance(value, (list, tuple)):
        yield from _all(value, seen)
    elif isinstance(value, (types.ModuleType, types.BuiltinFunctionType)):
        yield value.__name__
    elif isinstance(value, type):
        yield from _class(value, seen)
    elif _is_followed(type(value)):
        yield from _all((type(value), getattr(value, "__dict__", {})), seen)
    else:
        yield fingerprint.text(value)


def _all(values: Any, seen: set[int]) -> Iterator[str]:
    for value in values:
        yield from _parts(value, seen)


def _function(function: types.FunctionType, seen: set[int]) -> Iterator[str]:
    """A function: its code, defaults and what it reads around it; what a library function closes over can be the user's."""
    cells = [cell.cell_contents for cell in function.__closure__ or () if _is_filled(cell)]
    if not _is_followed(function):
        yield f"{function.__module__}.{function.__qualname__}"
        yield from _all(cells, seen)
        return
    read = [function.__globals__[name] for name in _names(function.__code__) if name in function.__globals__]
    yield from _all((function.__code__, function.__defaults__, function.__kwdefaults__, cells, read), seen)


def _code(code: types.CodeType, seen: set[int]) -> Iterator[str]:
    yield code.co_code.hex()
    yield from (*code.co_names, *code.co_varnames, *code.co_freevars)
    yield from _all(code.co_consts, seen)


def _class(made: type, seen: set[int]) -> Iterator[str]:
    yield f"{made.__module__}.{made.__qualname__}"
    if _is_followed(made):
        methods = [value for value in vars(made).values() if isinstance(value, (types.FunctionType, property))]
        yield from _all([m.fget if isinstance(m, property) else m for m in methods], seen)


def _names(code: types.CodeType) -> list[str]:
    """Names of globals that code may read, in the functions inside of it, too."""
    inner = [const for const in code.co_consts if isinstance(const, types.CodeType)]
    return [*code.co_names, *(name for each in inner for name in _names(each))]


def _is_filled(cell: types.CellType) -> bool:
    try:
        return cell.cell_contents is not cell
    except ValueError:
        return False


def _is_followed(value: Any) -> bool:
    """Whether code is the user's; what has no file is, too, as in a notebook."""
    try:
        path = Path(inspect.getfile(value))
    except (TypeError, OSError):
        return getattr(value, "__module__", None) == "__main__"
    return not any(path.is_relative_to(folder) for folder in LIBRARIES)


def _array(values: np.ndarray) -> str:
    content = hashlib.sha256(np.ascontiguousarray(values).tobytes()).hexdigest()
    return f"{values.dtype} {values.shape} {content}"
