"""Compositing of transparent images over random backgrounds."""

from __future__ import annotations

import dataclasses

import tensorflow as tf

from samplevis import param
from samplevis.runtime.checks import check_number
from samplevis.transform.base import Params, Shape, Transform

# Standard deviation of a pixel of Lucid's noise before the sigmoid, at `sd` 1: 1.04 for images of 64 pixels, 1.14 for 128,
# 1.21 for 224. Lucid's noise has a 1/f spectrum with real and imaginary parts N(0, sd^2); the image is divided by 4.
LUCID_CONTRAST = 1.14


@dataclasses.dataclass(frozen=True)
class CollapseAlpha(Transform):
    """See `collapse_alpha_random`."""

    sd: float

    def sample_params(self, seed: tf.Tensor, batch: int, image_shape: Shape) -> Params:
        self.output_shape(image_shape)
        backgrounds = param.fourier(image_shape[:-1], channels=3, contrast=LUCID_CONTRAST * self.sd)
        return {"background": backgrounds.image(backgrounds.prior(seed, batch))}

    def apply(self, params: Params, images: tf.Tensor) -> tf.Tensor:
        self.output_shape(images.shape[1:])
        alpha = images[..., 3:]
        return alpha * images[..., :3] + (1 - alpha) * tf.cast(params["background"], images.dtype)

    def output_shape(self, image_shape: Shape) -> Shape:
        *size, channels = image_shape
        if channels != 4:
            raise ValueError(
                f"collapse_alpha_random: expected images of 4 channels, the last alpha. Received: {channels}"
            )
        return *size, 3


def collapse_alpha_random(sd: float = 0.5) -> Transform:
    """Composites images with an alpha channel over random backgrounds: alpha * colour + (1 - alpha) * background.

    An optimised image becomes opaque where the objective needs its colours against every background. Put this first, before
    transforms that move the image. Source: lucid/optvis/transform.py.

    Args:
      sd: strength of the background, > 0: a coloured 1/f noise whose pixels have a standard deviation of 1.14 sd before the
        sigmoid. Defaults to 0.5, as in Lucid.

    Returns:
      Transform from [H, W, 4] to [H, W, 3]. Its parameters: {"background": [batch, H, W, 3]} in [0, 1].

    Raises:
      ValueError, TypeError: if `sd` is out of range, or the images do not have 4 channels.

    Example:
      >>> from samplevis import transform
      >>> transform.collapse_alpha_random().output_shape((64, 64, 4))
      (64, 64, 3)
    """
    check_number("sd", sd, 0, above=True)
    return CollapseAlpha(float(sd))
