"""A cache of compiled functions. What changes a graph is in the cache key; numbers are arguments, as tensors."""

from __future__ import annotations

from collections.abc import Callable, Hashable, MutableMapping

import tensorflow as tf

# (name, function) -> the function compiled, or what was compiled under that name before.
Compile = Callable[[Hashable, Callable], Callable]


def uncached(name: Hashable, function: Callable) -> Callable:
    """Compiles a function without a cache."""
    compiled = tf.function(function, autograph=False)
    # TensorFlow counts traces by the line of code, and warns if many functions are compiled in this one.
    compiled._omit_frequent_tracing_warning = True
    return compiled


def cached(compiled: MutableMapping, *kind: Hashable) -> Compile:
    """Makes a compiler with a cache.

    Args:
      compiled: the cache, such as `Network.compiled`.
      *kind: what the graphs depend on, in addition to the function's name and the shapes of its arguments.

    Returns:
      A `Compile`.

    Example:
      >>> import tensorflow as tf
      >>> from samplevis.runtime import compiled
      >>> compile = compiled.cached({}, "float32")
      >>> compile("square", tf.square) is compile("square", tf.square)
      True
    """

    def compile(name: Hashable, function: Callable) -> Callable:
        key = (name, *kind)
        if key not in compiled:
            compiled[key] = uncached(name, function)
        return compiled[key]

    return compile
