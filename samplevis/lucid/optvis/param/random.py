"""Random images that are made anew at each evaluation. Source: lucid/optvis/param/random.py."""

from __future__ import annotations

from collections.abc import Sequence

import tensorflow as tf

from samplevis.lucid.core import randomness
from samplevis.lucid.optvis.param.color import to_valid_rgb
from samplevis.lucid.optvis.param.spatial import DEFAULT_SD, image_of_spectrum, rfft2d_freqs


def image_sample(
    shape: Sequence[int], decorrelate: bool = True, sd: float | None = None, decay_power: float = 1
) -> tf.Tensor:
    """Random images with the spectrum and the colours of photographs, new ones at each evaluation.

    Args:
      shape: [batch, height, width, 3].
      decorrelate: whether to correlate the colours. Defaults to True.
      sd: strength of the noise, >= 0. Defaults to 0.01.
      decay_power: slope of the spectrum. Defaults to 1.

    Returns:
      Tensor of that shape in [0, 1].

    Example:
      >>> image_sample([2, 8, 8, 3], sd=0.2).shape
      TensorShape([2, 8, 8, 3])
    """
    return to_valid_rgb(rand_fft_image(shape, sd=sd, decay_power=decay_power), decorrelate=decorrelate)


def rand_fft_image(shape: Sequence[int], sd: float | None = None, decay_power: float = 1) -> tf.Tensor:
    """`image_sample` before colours.

    Args:
      shape: [batch, height, width, channels].
      sd: strength of the noise, >= 0. Defaults to 0.01.
      decay_power: slope of the spectrum. Defaults to 1.

    Returns:
      Tensor of that shape.

    Example:
      >>> rand_fft_image([2, 8, 8, 1]).shape
      TensorShape([2, 8, 8, 1])
    """
    batch, h, w, channels = shape
    noise = randomness.normal([2, batch, channels, *rfft2d_freqs(h, w).shape])
    return image_of_spectrum((DEFAULT_SD if sd is None else sd) * noise, shape, decay_power)
