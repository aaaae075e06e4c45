"""Random distortions of images: a draw of their parameters, and a deterministic, differentiable apply.

Every image gets its own draw. Draws are nests of tensors with the batch as leading dimension, so that a bank
drawn once can be sliced, stored, or tiled over chains with `tf.nest.map_structure`. Shapes are static, and
the gradient with respect to the images is the exact adjoint of the map, as a Metropolis correction needs; but for
`normalize_gradient`, which samplers refuse.

    distortion = transform.affine(shift=8, scale=0.1, rotate=8)
    bank = distortion.draw(seed, 8, (96, 96, 3))
    distorted = distortion.apply(bank, images)              # images [8, 96, 96, 3]
"""

from samplevis.transform.alpha import collapse_alpha_random
from samplevis.transform.base import Transform, as_transform, compose
from samplevis.transform.filters import blur, noise
from samplevis.transform.geometry import (
    affine,
    crop_or_pad_to,
    jitter,
    mirror,
    pad,
    random_rotate,
    random_scale,
    shift,
)
from samplevis.transform.gradient import normalize_gradient
from samplevis.transform.resize import random_resize

__all__ = [
    "Transform",
    "affine",
    "as_transform",
    "blur",
    "collapse_alpha_random",
    "compose",
    "crop_or_pad_to",
    "identity",
    "jitter",
    "lucid_transforms",
    "mirror",
    "noise",
    "normalize_gradient",
    "pad",
    "random_resize",
    "random_rotate",
    "random_scale",
    "robust_transforms",
    "shift",
    "standard_transforms",
]

identity = compose([])

# Lucid's optvis/transform.py, with pi in full, bilinear rotation, and a canvas that `random_scale` leaves
# alone: an image of 128 pixels reaches the network at 128 + 24 - 8 - 4 = 140 (in Lucid 125 to 154).
standard_transforms = (
    pad(12, "constant", 0.5),
    jitter(8),
    random_scale([1 + 0.02 * step for step in range(-5, 6)]),
    random_rotate([*range(-10, 11), 0, 0, 0, 0, 0], edges="zero"),
    jitter(4),
)

# The same to the pixel: the resize's grid, nearest-neighbour rotation, and 3.14 for pi. Two differences remain. The canvas
# keeps its size when the image is resized, so that shapes stay static: 140 pixels reach the network, where Lucid's images of
# 128 have 125 to 154. And every image of a batch has its own draw.
lucid_transforms = (
    pad(12, "constant", 0.5),
    jitter(8),
    random_resize([1 + 0.02 * step for step in range(-5, 6)]),
    random_rotate(
        [3.14 * angle / 180 for angle in (*range(-10, 11), 0, 0, 0, 0, 0)],
        units="radians",
        edges="zero",
        interpolation="nearest",
    ),
    jitter(4),
)

# What sampling averages over: from trials with images of 96 and 128 pixels.
robust_transforms = (affine(shift=8, scale=0.1, rotate=8),)
