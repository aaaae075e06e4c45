"""Random distortions of images: a draw of their parameters, and a deterministic, differentiable apply.

Every image gets its own draw. Draws are nests of tensors with the batch as leading dimension, so that a bank
drawn once can be sliced, stored, or tiled over chains with `tf.nest.map_structure`. Shapes are static, and
the gradient with respect to the images is the exact adjoint of the map, as a Metropolis correction needs.

    distortion = transform.affine(shift=8, scale=0.1, rotate=8)
    bank = distortion.draw(seed, 8, (96, 96, 3))
    distorted = distortion.apply(bank, images)              # images [8, 96, 96, 3]
"""

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

__all__ = [
    "Transform",
    "affine",
    "as_transform",
    "blur",
    "compose",
    "crop_or_pad_to",
    "identity",
    "jitter",
    "mirror",
    "noise",
    "pad",
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

# What sampling averages over: from trials with images of 96 and 128 pixels.
robust_transforms = (affine(shift=8, scale=0.1, rotate=8),)
