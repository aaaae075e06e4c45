"""Images to optimise, in one call. Source: lucid/optvis/param/images.py."""

from __future__ import annotations

import tensorflow as tf

from samplevis.lucid.optvis.param.color import to_valid_rgb
from samplevis.lucid.optvis.param.spatial import fft_image, pixel_image


def image(
    w: int,
    h: int | None = None,
    batch: int | None = None,
    sd: float | None = None,
    decorrelate: bool = True,
    fft: bool = True,
    alpha: bool = False,
    channels: int | None = None,
) -> tf.Tensor:
    """Images of variables, in [0, 1].

    Args:
      w: width in pixels.
      h: height in pixels. Defaults to the width.
      batch: number of images. Defaults to 1.
      sd: standard deviation of the first values, > 0. Defaults to 0.01.
      decorrelate: whether the channels are independent components of colour. Defaults to True.
      fft: whether the variables are Fourier coefficients, or pixels. Defaults to True.
      alpha: whether there is a fourth channel, the opacity. Defaults to False.
      channels: number of channels, which are no colours then: `decorrelate` and `alpha` have no effect. Defaults to 3 colours.

    Returns:
      Tensor [batch, h, w, channels] in [0, 1].

    Example:
      >>> image(16, 9, batch=2, alpha=True).shape
      TensorShape([2, 9, 16, 4])
    """
    shape = [batch or 1, h or w, w, channels or (4 if alpha else 3)]
    t = (fft_image if fft else pixel_image)(shape, sd=sd)
    if channels:
        return tf.sigmoid(t)
    rgb = to_valid_rgb(t[..., :3], decorrelate=decorrelate, sigmoid=True)
    return tf.concat([rgb, tf.sigmoid(t[..., 3:])], -1) if alpha else rgb


def grayscale_image_rgb(*args: object, **kwargs: object) -> tf.Tensor:
    """Grey images of three equal channels; the arguments of `image`, but for `channels`.

    Example:
      >>> grayscale_image_rgb(16).shape
      TensorShape([1, 16, 16, 3])
    """
    return tf.repeat(image(*args, **{**kwargs, "channels": 1}), 3, -1)
