"""Images between every two of some objectives. Source: lucid/recipes/image_interpolation_params.py."""

from __future__ import annotations

import tensorflow as tf

from samplevis.lucid.optvis.param import lowres_tensor


def multi_interpolation_basis(
    n_objectives: int = 6, n_interp_steps: int = 5, width: int = 128, channels: int = 3
) -> tf.Tensor:
    """Images from each objective to each other one, which share most of their variables.

    Args:
      n_objectives: N, number of objectives. Defaults to 6.
      n_interp_steps: M, number of images from one to the next. Defaults to 5.
      width: pixels of both sides, a multiple of 8. Defaults to 128.
      channels: defaults to 3; Lucid's fails for others.

    Returns:
      t [N, N, M, width, width, channels] with t[a, b] = t[b, a, ::-1], as Lucid documents it; its own breaks this for most pairs.

    Example:
      >>> multi_interpolation_basis(2, 3, 16).shape
      TensorShape([2, 2, 3, 16, 16, 3])
    """
    steps, size = n_interp_steps, (width, width, channels)

    def small(shape: tuple[int, ...], count: tuple[int, ...], factors: tuple[int, ...]) -> tf.Tensor:
        parts = (lowres_tensor((*shape, *size), (*count, width // k, width // k, channels)) for k in factors)
        return tf.add_n(list(parts))

    common = small((), (), (1, 2, 4, 8))
    ends = [small((steps,), (2,), (1, 2, 4, 8)) for _ in range(n_objectives)]
    between = {
        (a, b): small((steps,), (steps,), (1, 2)) for a in range(n_objectives) for b in range(a + 1, n_objectives)
    }

    def row(a: int, b: int) -> tf.Tensor:
        images = ends[a] + ends[b][::-1] + common
        if a == b:
            return images
        own = between[min(a, b), max(a, b)]
        return images + (own if a < b else own[::-1])

    return tf.stack([tf.stack([row(a, b) for b in range(n_objectives)]) for a in range(n_objectives)])
