"""Textures: pictures seen through texture coordinates."""

from __future__ import annotations

import dataclasses

import numpy as np
import tensorflow as tf

from samplevis.param.base import Constant, Derived, Parameterization, check_base
from samplevis.runtime.checks import check_array, check_between


def sample_bilinear(texture: tf.Tensor | np.ndarray, uv: tf.Tensor | np.ndarray) -> tf.Tensor:
    """Looks up textures as OpenGL does with GL_LINEAR and GL_REPEAT.

    Texel (i, j) of h x w has its centre at u = (j + 0.5) / w, v = 1 - (i + 0.5) / h; v points up. Outside [0, 1] the
    texture repeats. The map is linear in the texture, and its gradient is the exact adjoint; `uv` gets no gradient.

    Source: lucid/optvis/param/images.py, `bilinearly_sampled_image`.

    Args:
      texture: float tensor of shape [N, h, w, C].
      uv: texture coordinates (u, v) of every pixel, float, [H, W, 2], or [N, H, W, 2] if each texture has its own.

    Returns:
      Tensor of shape [N, H, W, C].

    Raises:
      ValueError: if a shape does not fit.

    Example:
      >>> centre = np.full((1, 1, 2), 0.5)
      >>> samplevis.param.sample_bilinear(tf.reshape(tf.range(4.0), (1, 2, 2, 1)), centre).numpy().item()
      1.5
    """
    if not tf.is_tensor(texture):
        texture = tf.convert_to_tensor(check_array("texture", texture, None))
    uv = tf.stop_gradient(tf.convert_to_tensor(uv, texture.dtype))
    if texture.shape.rank != 4:
        raise ValueError(f"texture: expected shape [N, h, w, C]. Received: {texture.shape}")
    batch, height, width, channels = texture.shape
    if uv.shape.rank not in (3, 4) or uv.shape[-1] != 2 or (uv.shape.rank == 4 and uv.shape[0] != batch):
        raise ValueError(f"uv: expected shape [H, W, 2] or [{batch}, H, W, 2]. Received: {uv.shape}")
    row, column = (1 - uv[..., 1]) * height - 0.5, uv[..., 0] * width - 0.5
    top, left = tf.floor(row), tf.floor(column)
    down, right = (row - top)[..., None], (column - left)[..., None]
    flat = tf.reshape(texture, (batch, height * width, channels))

    def texel(i: int, j: int) -> tf.Tensor:
        places = (tf.cast(top, tf.int32) + i) % height * width + (tf.cast(left, tf.int32) + j) % width
        return tf.gather(flat, places, axis=1, batch_dims=uv.shape.rank - 3)

    upper = texel(0, 0) * (1 - right) + texel(0, 1) * right
    lower = texel(1, 0) * (1 - right) + texel(1, 1) * right
    return upper * (1 - down) + lower * down


@dataclasses.dataclass(frozen=True)
class Textured(Derived):
    """A view of the image of another parameterization. See `textured`."""

    base: Parameterization
    uv: Constant
    mask: Constant
    background: float

    @property
    def image_shape(self) -> tuple[int, int, int]:
        return *self.uv.values.shape[:2], self.base.image_shape[2]

    def image(self, z: tf.Tensor) -> tf.Tensor:
        mask = self.mask.values[..., None]
        return mask * sample_bilinear(self.base.image(z), self.uv.values) + (1 - mask) * self.background

    def latent(self, images: tf.Tensor) -> tf.Tensor:
        raise ValueError(
            "param: a view does not show the whole texture. Take the latent of the texture, param.base.latent"
        )


def textured(
    base: Parameterization, uv: np.ndarray, *, mask: np.ndarray | None = None, background: float = 0.5
) -> Textured:
    """One view of an object whose texture is the image of another parameterization.

    Args:
      base: the parameterization of the texture, which repeats outside [0, 1].
      uv: texture coordinates (u, v) of every pixel of the view, finite, [H, W, 2]. v points up.
      mask: how much of each pixel the object covers, [H, W], values in [0, 1]. Defaults to 1.
      background: value of pixels that it does not cover, 0 to 1. Defaults to 0.5.

    Returns:
      A `Textured` with the latents of the texture, and images [N, H, W, C].

    Raises:
      TypeError: if `base` is not a parameterization.
      ValueError: if the base makes no pictures, a shape does not fit, or a value is out of range.

    Example:
      >>> u, v = np.meshgrid(np.linspace(0, 2, 64), np.linspace(0, 2, 64))
      >>> tiles = samplevis.param.textured(samplevis.param.fourier(48), np.stack([u, v], -1))
      >>> tiles.image_shape
      (64, 64, 3)
    """
    check_base(base)
    if len(base.image_shape) != 3:
        raise ValueError(f"base: expected images [height, width, channels]. Received: {base.image_shape}")
    uv = check_array("uv", uv)
    if uv.ndim != 3 or uv.shape[2] != 2 or not np.isfinite(uv).all():
        raise ValueError(f"uv: expected finite coordinates of shape [H, W, 2]. Received: shape {uv.shape}")
    mask = np.ones(uv.shape[:2]) if mask is None else check_array("mask", mask)
    if mask.shape != uv.shape[:2] or not np.all((mask >= 0) & (mask <= 1)):
        raise ValueError(f"mask: expected values from 0 to 1, shape {uv.shape[:2]}. Received: shape {mask.shape}")
    check_between("background", background, 0, 1)
    return Textured(base, Constant(uv), Constant(mask), float(background))
