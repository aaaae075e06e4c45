"""Random distortions of images, signals and volumes: parameters drawn from a seed, and a deterministic, differentiable apply.

Every image gets its own parameters. They are nests of tensors with the batch as leading dimension, so that a bank
drawn once can be sliced, stored, or tiled over chains with `tf.nest.map_structure`. Shapes are static, and
the gradient with respect to the images is the exact adjoint of the map, as a Metropolis correction needs; but for
`normalize_gradient`, which samplers refuse.

    distortion = transform.affine(shift=8, scale=0.1, rotate=8)
    bank = distortion.sample_params(seed, 8, (96, 96, 3))
    distorted = distortion.apply(bank, images)              # images [8, 96, 96, 3]
"""

from samplevis.transform.alpha import collapse_alpha_random
from samplevis.transform.base import Transform, as_transform, compose
from samplevis.transform.filters import blur, gain, noise
from samplevis.transform.geometry import affine, crop_or_pad_to, jitter, mirror, pad, random_rotate, random_scale, shift
from samplevis.transform.gradient import normalize_gradient
from samplevis.transform.resize import random_resize
from samplevis.transform.sets import as_named, lucid_transforms, robust_transforms, standard_transforms

__all__ = [
    "Transform",
    "affine",
    "as_named",
    "as_transform",
    "blur",
    "collapse_alpha_random",
    "compose",
    "crop_or_pad_to",
    "gain",
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
