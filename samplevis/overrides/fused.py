"""Functions of each element, computed in one pass over memory.

TensorFlow makes a pass for each operation, and on a CPU a pass over the activations of a batch costs as much as their convolution.
XLA compiles a function into a single loop, once for each number of elements (about 50 ms).
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import TypeVar

import tensorflow as tf

# Elements of an image from which a loop pays for its compilation; of an image, so that all batches take the same way.
MIN_ELEMENTS = 2**14

Result = TypeVar("Result", tf.Tensor, tuple[tf.Tensor, ...])


def elementwise(
    function: Callable[..., Result], arrays: Sequence[tf.Tensor], numbers: Sequence[float | None] = ()
) -> Result:
    """Applies a function to each element of arrays of one shape, differentiably.

    Args:
      function: (arrays, then numbers) -> an array of the same shape, or several; defined once, at the top of a module.
      arrays: tensors [batch, ...] of one shape and type.
      numbers: parameters; None stays None.

    Returns:
      What the function returns. Small arrays, and arrays of unknown size, take the function as it is.

    Example:
      >>> elementwise(tf.add, [tf.constant([1.0]), tf.constant([2.0])]).numpy()
      array([3.], dtype=float32)
    """
    x = arrays[0]
    size = x.shape[1:].num_elements() if x.shape.rank else None
    if size is None or size < MIN_ELEMENTS:
        return function(*arrays, *numbers)
    scalars = [None if number is None else tf.constant(number, x.dtype) for number in numbers]
    # Flat, so that one trace serves all shapes.
    found = _compiled(function)(*(tf.reshape(array, [-1]) for array in arrays), *scalars)
    shape = x.shape if x.shape.is_fully_defined() else tf.shape(x)
    return tf.nest.map_structure(lambda flat: tf.ensure_shape(tf.reshape(flat, shape), x.shape), found)


@functools.cache
def _compiled(function: Callable) -> Callable:
    return tf.function(function, jit_compile=True, autograph=False, reduce_retracing=True)
