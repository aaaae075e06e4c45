"""Eager mode inside the block of a graph."""

from __future__ import annotations

import contextvars
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import tensorflow as tf
from tensorflow.python.eager import context

T = TypeVar("T")


def outside(function: Callable[[], T]) -> T:
    """Calls a function in eager mode, also from inside the block of a graph, and after `tf.disable_eager_execution()`.

    Raises:
      RuntimeError: after `tf.disable_v2_behavior()`.
    """
    if tf.executing_eagerly():
        return function()
    # A thread begins without a graph. `tf.init_scope` would stop gradient tapes.
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(contextvars.copy_context().run, lambda: _eagerly(function)).result()


def _eagerly(function: Callable[[], T]) -> T:
    if not isinstance(tf.TensorShape([1])[0], int):
        raise RuntimeError(
            "render_vis needs TensorFlow 2's shapes, also in a program of TensorFlow 1. Leave out tf.disable_v2_behavior(): "
            "`import tensorflow.compat.v1 as tf` is enough; and tf.disable_eager_execution() for a session without a graph block."
        )
    with context.eager_mode():
        return function()
