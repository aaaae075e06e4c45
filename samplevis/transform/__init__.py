"""Random distortions of images, signals and volumes: parameters sampled from a seed, and a deterministic, differentiable apply.

Every image gets its own parameters. They are nests of tensors with the batch as leading dimension, so a bank of K transforms
can be sliced, stored, or tiled over chains with `tf.nest.map_structure`. With `strata=K` a bank is a Latin hypercube, whose means
are more exact than those of independent transforms. Shapes are static. The gradient with respect to the
images is exact, as a Metropolis correction needs; the one exception is `normalize_gradient`, which samplers refuse.

Example:
  >>> import tensorflow as tf
  >>> from samplevis import transform
  >>> distortion = transform.affine(shift=8, scale=0.1, rotate=8)
  >>> bank = distortion.sample_params(seed=[0, 1], batch=8, image_shape=(96, 96, 3), strata=8)
  >>> distortion.apply(bank, tf.zeros([8, 96, 96, 3])).shape
  TensorShape([8, 96, 96, 3])
"""

from samplevis.transform.alpha import collapse_alpha_random
from samplevis.transform.base import Transform, as_transform, compose
from samplevis.transform.filters import blur, gain, noise
from samplevis.transform.geometry import affine, jitter, mirror, random_rotate, random_scale, shift
from samplevis.transform.gradient import normalize_gradient
from samplevis.transform.padding import crop_or_pad_to, pad
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
