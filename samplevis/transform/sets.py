"""The transforms that are used unless others are given: Lucid's for optimising, milder ones for sampling."""

from __future__ import annotations

from typing import Any

from samplevis.transform.geometry import affine, jitter, pad, random_rotate, random_scale
from samplevis.transform.resize import random_resize

_SCALES = [1 + 0.02 * step for step in range(-5, 6)]
_ANGLES = [*range(-10, 11), 0, 0, 0, 0, 0]

# Lucid's optvis/transform.py, with pi in full, bilinear rotation, and a canvas that `random_scale` leaves
# alone: an image of 128 pixels reaches the network at 128 + 24 - 8 - 4 = 140 (in Lucid 125 to 154).
standard_transforms = (
    pad(12, "constant", 0.5),
    jitter(8),
    random_scale(_SCALES),
    random_rotate(_ANGLES, edges="zero"),
    jitter(4),
)

# The same to the pixel: the resize's grid, nearest-neighbour rotation, and 3.14 for pi. Two differences remain. The canvas
# keeps its size when the image is resized, so that shapes stay static: 140 pixels reach the network, where Lucid's images of
# 128 have 125 to 154. And every image of a batch has its own draw.
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

# What sampling averages over: from trials with images of 96 and 128 pixels.
robust_transforms = (affine(shift=8, scale=0.1, rotate=8),)

# By name and number of dimensions. Signals do not turn; volumes, of fewer pixels on a side, move by fewer.
NAMED = {
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


def as_named(transforms: Any, dimensions: int) -> Any:
    """The set that a name stands for.

    Args:
      transforms: "standard" (Lucid's, for optimising), "robust" (what sampling averages over), or anything else, which is
        returned as it is.
      dimensions: 1 for signals, 2 for images, 3 for volumes.

    Returns:
      A tuple of transforms.

    Raises:
      ValueError: for a name that is neither.
    """
    if not isinstance(transforms, str):
        return transforms
    if transforms not in NAMED:
        names = " or ".join(map(repr, NAMED))
        raise ValueError(f"transforms: expected transforms, None, or the name {names}. Received: {transforms!r}")
    return NAMED[transforms][dimensions]
