"""Steps repeated in a loop of the graph, with a gradient whose memory does not grow with them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf


def repeated(update: Callable[..., Any], count: int, *values: tf.Tensor) -> Any:
    """Values after `count` updates, which are traced once."""

    def body(number: tf.Tensor, *values: tf.Tensor) -> tuple[tf.Tensor, ...]:
        after = update(*values)
        return (number + 1, *(after if len(values) > 1 else (after,)))

    found = tf.while_loop(lambda number, *_: number < count, body, (tf.constant(0), *values))[1:]
    return found if len(found) > 1 else found[0]


def unrolled(step: Callable[[tf.Tensor, tf.Tensor], tf.Tensor], count: int, x: tf.Tensor) -> tf.Tensor:
    """`count` steps, whose gradient stores where each begins and computes it again."""

    @tf.custom_gradient
    def run(x: tf.Tensor):
        places = tf.TensorArray(tf.float32, count, element_shape=x.shape)

        def forward(number: tf.Tensor, x: tf.Tensor, places: tf.TensorArray):
            return number + 1, step(x, number), places.write(number, x)

        _, end, places = tf.while_loop(
            lambda number, *_: number < count, forward, (tf.constant(0), x, places), parallel_iterations=1
        )
        stored = places.stack()

        def gradient(upstream: tf.Tensor, variables: Sequence[tf.Variable] | None = None):
            def backward(number: tf.Tensor, upstream: tf.Tensor):
                with tf.GradientTape(watch_accessed_variables=False) as tape:
                    place = stored[number]
                    tape.watch(place)
                    after = step(place, number)
                return number - 1, tape.gradient(after, place, upstream)

            _, found = tf.while_loop(
                lambda number, _: number >= 0, backward, (tf.constant(count - 1), upstream), parallel_iterations=1
            )
            return found if variables is None else (found, [None] * len(variables))

        return end, gradient

    return run(x)
