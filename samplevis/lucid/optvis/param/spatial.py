"""Images from variables: pixels, Fourier coefficients, pyramids. Source: lucid/optvis/param/spatial.py."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from samplevis.lucid.core import variables
from samplevis.lucid.optvis.param.lowres import lowres_tensor
from samplevis.param.spectrum import frequency

# The least standard deviation that Lucid's `sd or 0.01` leaves.
DEFAULT_SD = 0.01


def pixel_image(shape: Sequence[int], sd: float | None = None, init_val: np.ndarray | None = None) -> tf.Tensor:
    """Pixels that are variables.

    Args:
      shape: [batch, height, width, channels].
      sd: standard deviation of the first values, > 0. Defaults to 0.01.
      init_val: first values of that shape instead. Lucid's fails on an array.

    Returns:
      Tensor of that shape, before `to_valid_rgb`.

    Example:
      >>> pixel_image([1, 8, 8, 3]).shape
      TensorShape([1, 8, 8, 3])
    """
    if sd is not None and init_val is not None:
        warnings.warn("pixel_image: sd has no effect beside init_val.", stacklevel=2)
    if init_val is None:
        init_val = variables.normal(tuple(shape), sd or DEFAULT_SD)
    return tf.convert_to_tensor(variables.variable(np.asarray(init_val, np.float32)))


def rfft2d_freqs(h: int, w: int) -> np.ndarray:
    """Radial frequencies of a half spectrum, in cycles per pixel.

    Args:
      h, w: size of the image in pixels.

    Returns:
      float64 [h, w // 2 + 1]; for an odd w, [h, w // 2 + 2].

    Example:
      >>> rfft2d_freqs(4, 5).shape
      (4, 4)
    """
    return frequency((h, w), half=False)[:, : w // 2 + 1 + w % 2]


def spectrum_scale(h: int, w: int, decay_power: float) -> np.ndarray:
    """What Lucid multiplies a spectrum by: 1 / f^decay_power, the lowest f being 1 / max(w, h), times sqrt(w h)."""
    return (np.maximum(rfft2d_freqs(h, w), 1 / max(w, h)) ** -float(decay_power) * np.sqrt(w * h)).astype(np.float32)


def image_of_spectrum(spectrum: tf.Tensor, shape: Sequence[int], decay_power: float) -> tf.Tensor:
    """The image of real and imaginary parts [2, batch, channels, h, half], scaled as in Lucid."""
    batch, h, w, channels = shape
    scaled = spectrum * spectrum_scale(h, w, decay_power)
    # A spectrum of an odd width has a column too many, which Lucid cuts off after the transform.
    image = tf.signal.irfft2d(tf.complex(scaled[0], scaled[1]))[..., :w]
    return tf.transpose(image, (0, 2, 3, 1)) / 4.0


def fft_image(shape: Sequence[int], sd: float | None = None, decay_power: float = 1) -> tf.Tensor:
    """Fourier coefficients that are variables, scaled to the 1/f spectrum of photographs.

    Args:
      shape: [batch, height, width, channels].
      sd: standard deviation of the first values, > 0. Defaults to 0.01.
      decay_power: slope of the spectrum. Defaults to 1.

    Returns:
      Tensor of that shape, before `to_valid_rgb`.

    Example:
      >>> fft_image([1, 8, 9, 3]).shape
      TensorShape([1, 8, 9, 3])
    """
    batch, h, w, channels = shape
    size = 2, batch, channels, *rfft2d_freqs(h, w).shape
    spectrum = variables.variable(variables.normal(size, sd or DEFAULT_SD))
    return image_of_spectrum(spectrum, shape, decay_power)


def laplacian_pyramid_image(shape: Sequence[int], n_levels: int = 4, sd: float | None = None) -> tf.Tensor:
    """A sum of images of 1, 1/2, 1/4 ... of the size, resized.

    Args:
      shape: [batch, height, width, channels]; Lucid's fails on a list.
      n_levels: number of images. Defaults to 4.
      sd: standard deviation of the first values, > 0. Defaults to 0.01.

    Returns:
      Tensor of that shape, before `to_valid_rgb`.

    Example:
      >>> laplacian_pyramid_image([1, 16, 16, 3]).shape
      TensorShape([1, 16, 16, 3])
    """
    *batch, h, w, channels = shape
    levels = (lowres_tensor(shape, (*batch, h // 2**n, w // 2**n, channels), sd=sd) for n in range(n_levels))
    return tf.add_n(list(levels))


def bilinearly_sampled_image(texture: tf.Tensor, uv: tf.Tensor) -> tf.Tensor:
    """Samples a texture as OpenGL does with GL_REPEAT and GL_LINEAR.

    Args:
      texture: [h, w, channels].
      uv: [height, width, 2], coordinates of each pixel, from 0 to 1; v points up.

    Returns:
      [height, width, channels].

    Example:
      >>> bilinearly_sampled_image(tf.ones([4, 4, 3]), tf.zeros([2, 2, 2])).shape
      TensorShape([2, 2, 3])
    """
    texture = tf.convert_to_tensor(texture)
    h, w = tf.unstack(tf.shape(texture)[:2])
    size = tf.cast(tf.stack([w, h]), tf.float32)
    place = tf.stack([uv[..., 0], 1.0 - uv[..., 1]], -1) * size - 0.5
    cell = tf.floor(place)
    fraction, cell = place - cell, tf.cast(cell, tf.int32)

    def texel(right: int, down: int) -> tf.Tensor:
        return tf.gather_nd(texture, tf.stack([(cell[..., 1] + down) % h, (cell[..., 0] + right) % w], -1))

    x, y = fraction[..., :1], fraction[..., 1:]
    upper = (1 - x) * texel(0, 0) + x * texel(1, 0)
    lower = (1 - x) * texel(0, 1) + x * texel(1, 1)
    return (1 - y) * upper + y * lower


# Names before Lucid 0.3.
naive, laplacian_pyramid, sample_bilinear = pixel_image, laplacian_pyramid_image, bilinearly_sampled_image
