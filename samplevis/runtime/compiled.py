"""Code that is compiled once: what shapes it is in its name, and all that is a number goes in as a tensor."""

from __future__ import annotations

from collections.abc import Callable, Hashable, MutableMapping

import tensorflow as tf

# (name, function) -> the function compiled, or what was compiled under that name before.
Compile = Callable[[Hashable, Callable], Callable]


def uncached(name: Hashable, function: Callable) -> Callable:
    """Compiles a function, whatever its name."""
    compiled = tf.function(function, autograph=False)
    # TensorFlow counts traces by lines of code, and warns where many functions come from one. These have their names.
    compiled._omit_frequent_tracing_warning = True
    return compiled


def cached(compiled: MutableMapping, *kind: Hashable) -> Compile:
    """Compiles functions of one kind once.

    Args:
      compiled: where they are kept, such as `Network.compiled`.
      *kind: what their graphs depend on beside their names and the shapes of their arguments.

    Returns:
      A `Compile`.
    """

    def compile(name: Hashable, function: Callable) -> Callable:
        key = (name, *kind)
        if key not in compiled:
            compiled[key] = uncached(name, function)
        return compiled[key]

    return compile
