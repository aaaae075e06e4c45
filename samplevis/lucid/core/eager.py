"""Eager mode inside the block of a graph."""

from __future__ import annotations

import contextvars
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import tensorflow as tf

T = TypeVar("T")


def outside(function: Callable[[], T]) -> T:
    """Calls a function in eager mode, also from inside the block of a graph.

    Raises:
      RuntimeError: if TensorFlow's eager mode is off for the whole program.
    """
    if tf.executing_eagerly():
        return function()
    # A thread begins without a graph. `tf.init_scope` would stop gradient tapes.
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(contextvars.copy_context().run, lambda: _eagerly(function)).result()


def _eagerly(function: Callable[[], T]) -> T:
    if not tf.executing_eagerly():
        raise RuntimeError(
            "render_vis needs TensorFlow's eager mode, also in a program of TensorFlow 1. Leave out tf.disable_eager_execution() "
            "and tf.disable_v2_behavior(): `import tensorflow.compat.v1 as tf` is enough."
        )
    return function()
