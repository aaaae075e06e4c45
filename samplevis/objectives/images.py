"""Objectives of the image itself, before transforms: how a picture should look, independent of the network."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from samplevis.objectives.base import Accessor, Context, Objective
from samplevis.objectives.reduce import mean, safe_sqrt, total
from samplevis.runtime.checks import check_array, check_number, check_whole


def input_diff(image: Any) -> Objective:
    """The root mean squared difference from an image; subtract it to stay near that image.

    Its gradient at the image itself is zero, not NaN, so that a run may start there.

    Args:
      image: array [H, W, C] in [0, 1], of the size of the images that are optimised.

    Returns:
      An objective. Source: lucid/optvis/objectives.py, which takes the mean over the whole batch.

    Raises:
      ValueError: when resolved, if the image is of another size or not finite.

    Example:
      >>> objectives.channel("conv2", 1) - 10 * objectives.input_diff(photo)
      (channel(conv2, 1) - (10 * input_diff([16, 16, 3])))
    """
    image = check_array("input_diff: image", image)

    def score(T: Accessor, parameters: Sequence[Any]) -> tf.Tensor:  # noqa: N803
        return safe_sqrt(mean(tf.square(T("input") - parameters[0])))

    def check(context: Context, parameters: tuple) -> tuple:
        # Written so that nan fails.
        if image.shape != context.input_shape or not (image.min() >= 0 and image.max() <= 1):
            raise ValueError(
                f"input_diff: image: expected values in [0, 1] of shape {context.input_shape}. Received: {image.shape}, "
                f"{image.min(initial=np.inf):g} to {image.max(initial=-np.inf):g}"
            )
        return parameters

    return Objective(score, "input_diff", (image,), f"input_diff({list(image.shape)})", resolver=check)


def blur_input_each_step() -> Objective:
    """Half the squared difference of the image from its blur; subtract it.

    The blur counts as a constant: one step of plain gradient ascent of size 1 on `-k * blur_input_each_step()`, on pixels,
    makes the image (1 - k) image + k blur. The blur is 3 x 3, 1 in the middle and 1/2 around, normalised over what lies in the
    image. The gradient is therefore not that of the value: under Metropolis it costs acceptance; `total_variation` does not.

    Returns:
      An objective. Source: lucid/optvis/objectives.py, which sums over the batch.

    Example:
      >>> objectives.channel("conv2", 1) - 0.1 * objectives.decay(300) * objectives.blur_input_each_step()
      (channel(conv2, 1) - ((0.1 * decay(300)) * blur_input_each_step()))
    """

    def score(T: Accessor, parameters: Sequence[Any]) -> tf.Tensor:  # noqa: N803
        return _unlike_blur(T("input"))

    return Objective(score, "blur_input_each_step", (), "blur_input_each_step()")


def blur_alpha_each_step() -> Objective:
    """`blur_input_each_step` for the alpha channel of RGBA images only; subtract it.

    Returns:
      An objective. Source: lucid/optvis/objectives.py, which sums over the batch.

    Raises:
      ValueError: when resolved, if images have no fourth channel.

    Example:
      >>> objectives.channel("conv2", 1) - 0.1 * objectives.blur_alpha_each_step()
      (channel(conv2, 1) - (0.1 * blur_alpha_each_step()))
    """

    def score(T: Accessor, parameters: Sequence[Any]) -> tf.Tensor:  # noqa: N803
        return _unlike_blur(T("input")[..., 3:4])

    def check(context: Context, parameters: tuple) -> tuple:
        if context.input_shape[-1] != 4:
            raise ValueError(
                f"blur_alpha_each_step: expected images of 4 channels, RGBA. Received: {context.input_shape[-1]} channels"
            )
        return parameters

    return Objective(score, "blur_alpha_each_step", (), "blur_alpha_each_step()", resolver=check)


def penalize_boundary_complexity(w: int = 20, mask: Any = None, constant: float = 0.5) -> Objective:
    """Minus the detail and colour of an image's border; add it to get a plain border.

    -sum of mask * ((blur - image)^2 + 0.8 (image - constant)^2). The blur is 5 x 5: 1 in the middle 3 x 3, 1/2 around.

    Args:
      w: width of the border in pixels, >= 1. Defaults to 20.
      mask: array [H, W] of weights instead of a border. Defaults to none.
      constant: the colour that the border should have, from 0 to 1. Defaults to 0.5, grey.

    Returns:
      An objective. Source: lucid/optvis/objectives.py, which sums over the batch, calls the colour C and also takes the shape of
      the images, which is known here.

    Raises:
      ValueError: if `w` is not a whole number >= 1; when resolved, if the mask is of another size.

    Example:
      >>> objectives.channel("conv2", 1) + 0.01 * objectives.penalize_boundary_complexity(w=4)
      (channel(conv2, 1) + (0.01 * penalize_boundary_complexity(w=4)))
    """
    check_whole("penalize_boundary_complexity: w", w, 1)
    check_number("penalize_boundary_complexity: constant", constant)
    weights = None if mask is None else check_array("penalize_boundary_complexity: mask", mask)

    def score(T: Accessor, parameters: Sequence[Any]) -> tf.Tensor:  # noqa: N803
        images, (weight, grey) = T("input"), (tf.cast(p, tf.float32) for p in parameters)
        detail = tf.square(_blur(images, 5) - images) + 0.8 * tf.square(images - grey)
        return -total(detail * weight[:, :, None])

    def check(context: Context, parameters: tuple) -> tuple:
        shape = context.input_shape[:2]
        if weights is None:
            border = np.ones(shape, np.float32)
            border[w:-w, w:-w] = 0
            return border, parameters[1]
        if weights.shape != shape or not np.isfinite(weights).all():
            raise ValueError(
                f"penalize_boundary_complexity: mask: expected finite weights of shape {shape}. Received: {weights.shape}"
            )
        return weights, parameters[1]

    shown = f"w={w}" if mask is None else "mask"
    return Objective(
        score,
        "penalize_boundary_complexity",
        (None, float(constant)),
        f"penalize_boundary_complexity({shown}{'' if constant == 0.5 else f', {constant:g}'})",
        resolver=check,
    )


def _unlike_blur(images: tf.Tensor) -> tf.Tensor:
    return 0.5 * total(tf.square(images - tf.stop_gradient(_blur(images, 3))))


def _blur(images: tf.Tensor, size: int) -> tf.Tensor:
    """Each channel by a box of 1 with a rim of 1/2, divided by what of it lies in the image (Lucid's `_tf_blur`)."""
    if len(images.shape) != 4:
        raise ValueError(f"obj: a blur of the image is for pictures [batch, H, W, C]. Received shape: {images.shape}")
    box = np.full((size, size), 0.5, np.float32)
    box[1:-1, 1:-1] = 1
    kernel = tf.constant(np.repeat(box[:, :, None, None], images.shape[-1], axis=2))

    def convolve(x: tf.Tensor) -> tf.Tensor:
        return tf.nn.depthwise_conv2d(x, kernel, [1, 1, 1, 1], "SAME")

    return convolve(images) / convolve(tf.ones_like(images[:1]))
