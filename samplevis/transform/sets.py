"""Default sets of transforms: Lucid's for optimising, milder ones for sampling."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal, get_args

from samplevis.transform.base import SetName, Transform, TransformLike
from samplevis.transform.geometry import affine, jitter, random_rotate, random_scale
from samplevis.transform.padding import pad
from samplevis.transform.resize import random_resize

_SCALES = [1 + 0.02 * step for step in range(-5, 6)]
_ANGLES = [*range(-10, 11), 0, 0, 0, 0, 0]

# Shorter sides from which distances are in pixels, as in Lucid, by the number of dimensions; below, they scale with the side.
FULL_SIDES = {1: 96, 2: 96, 3: 32}


def _standard(dimensions: Literal[1, 2, 3], side: float = math.inf) -> tuple[Transform, ...]:
    """Lucid's default transforms (optvis/transform.py) for images of this shorter side.

    They differ from Lucid's in an exact pi, bilinear rotation, and a `random_scale` that keeps the size: an image of 128 pixels
    reaches the network with 128 + 24 - 8 - 4 = 140 pixels (125 to 154 in Lucid).
    """
    part = min(1.0, side / FULL_SIDES[dimensions])
    border, first, last = (round(part * pixels) for pixels in ((4, 3, 1) if dimensions == 3 else (12, 8, 4)))
    rotation = () if dimensions == 1 else (random_rotate(_ANGLES, edges="zero"),)
    return pad(border, "constant", 0.5), jitter(first), random_scale(_SCALES), *rotation, jitter(last)


def robust(dimensions: Literal[1, 2, 3], side: float = math.inf, amplitude: float = 1) -> tuple[Transform, ...]:
    """Transforms for sampling, chosen in trials with images of 96 and 128 pixels.

    Args:
      dimensions: 1 for signals, which are not rotated, 2 for images, 3 for volumes, which move less.
      side: the shorter side of the images, in pixels, > 0: shifts scale with small ones. Defaults to a large one.
      amplitude: fraction of the shifts, zooms and rotations, > 0. Defaults to 1.

    Returns:
      A tuple of transforms.
    """
    shift = (2 if dimensions == 3 else 8) * min(1, side / FULL_SIDES[dimensions])
    rotate = 0 if dimensions == 1 else 8
    return (affine(amplitude * shift, amplitude * 0.1, amplitude * rotate),)


standard_transforms = _standard(2)
robust_transforms = robust(2)

# Lucid's to the pixel: TensorFlow 1's resize grid, nearest-neighbour rotation, and 3.14 for pi. Two differences remain. A resize
# keeps the size, so that shapes are static: 140 pixels reach the network, where Lucid's images of 128 have 125 to 154. And
# every image of a batch has its own parameters.
lucid_transforms = (
    pad(12, "constant", 0.5),
    jitter(8),
    random_resize(_SCALES),
    random_rotate(
        [3.14 * angle / 180 for angle in _ANGLES],
        units="radians",
        edges="zero",
        interpolation="nearest",
    ),
    jitter(4),
)

NAMED_SETS: dict[SetName, Callable[..., tuple[Transform, ...]]] = {"standard": _standard, "robust": robust}


def as_named(transforms: TransformLike, dimensions: Literal[1, 2, 3], side: float = math.inf) -> TransformLike:
    """Looks up a default set of transforms by name.

    Args:
      transforms: "standard" (Lucid's, for optimising), "robust" (for sampling), or anything else, which is returned unchanged.
      dimensions: 1 for signals, 2 for images, 3 for volumes.
      side: the shorter side of the images, in pixels, > 0: distances scale with small ones. Defaults to a large one.

    Returns:
      A tuple of transforms for a name.

    Raises:
      ValueError: for any other name.

    Example:
      >>> from samplevis import transform
      >>> transform.as_named("robust", 2)
      (Affine(shift=8, scale=0.1, rotate=8, edges='reflect'),)
      >>> transform.as_named("robust", 2, side=24)
      (Affine(shift=2.0, scale=0.1, rotate=8, edges='reflect'),)
    """
    if not isinstance(transforms, str):
        return transforms
    if transforms not in NAMED_SETS:
        names = " or ".join(map(repr, get_args(SetName)))
        raise ValueError(f"transforms: expected transforms, None, or the name {names}. Received: {transforms!r}")
    return NAMED_SETS[transforms](dimensions, side)
