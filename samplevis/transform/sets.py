"""Default sets of transforms: Lucid's for optimising, milder ones for sampling."""

from __future__ import annotations

from typing import get_args

from samplevis.transform.base import SetName, Transform, TransformLike
from samplevis.transform.geometry import affine, jitter, random_rotate, random_scale
from samplevis.transform.padding import pad
from samplevis.transform.resize import random_resize

_SCALES = [1 + 0.02 * step for step in range(-5, 6)]
_ANGLES = [*range(-10, 11), 0, 0, 0, 0, 0]

# Lucid's optvis/transform.py, except for an exact pi, bilinear rotation, and a `random_scale` that keeps the size: an image
# of 128 pixels reaches the network with 128 + 24 - 8 - 4 = 140 pixels (125 to 154 in Lucid).
standard_transforms = (
    pad(12, "constant", 0.5),
    jitter(8),
    random_scale(_SCALES),
    random_rotate(_ANGLES, edges="zero"),
    jitter(4),
)

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

# For sampling; chosen in trials with images of 96 and 128 pixels.
robust_transforms = (affine(shift=8, scale=0.1, rotate=8),)

# By name and number of dimensions. Signals cannot be rotated; volumes have fewer pixels per side and move less.
NAMED_SETS: dict[SetName, dict[int, tuple[Transform, ...]]] = {
    "standard": {
        1: (pad(12, "constant", 0.5), jitter(8), random_scale(_SCALES), jitter(4)),
        2: standard_transforms,
        3: (
            pad(4, "constant", 0.5),
            jitter(3),
            random_scale(_SCALES),
            random_rotate(_ANGLES, edges="zero"),
            jitter(1),
        ),
    },
    "robust": {
        1: (affine(shift=8, scale=0.1, rotate=0),),
        2: robust_transforms,
        3: (affine(shift=2, scale=0.1, rotate=8),),
    },
}


def as_named(transforms: TransformLike, dimensions: int) -> TransformLike:
    """Looks up a default set of transforms by name.

    Args:
      transforms: "standard" (Lucid's, for optimising), "robust" (for sampling), or anything else, which is returned unchanged.
      dimensions: 1 for signals, 2 for images, 3 for volumes.

    Returns:
      A tuple of transforms for a name.

    Raises:
      ValueError: for any other name.

    Example:
      >>> from samplevis import transform
      >>> transform.as_named("robust", 2)
      (Affine(shift=8, scale=0.1, rotate=8, edges='reflect'),)
    """
    if not isinstance(transforms, str):
        return transforms
    if transforms not in NAMED_SETS:
        names = " or ".join(map(repr, get_args(SetName)))
        raise ValueError(f"transforms: expected transforms, None, or the name {names}. Received: {transforms!r}")
    return NAMED_SETS[transforms][dimensions]
