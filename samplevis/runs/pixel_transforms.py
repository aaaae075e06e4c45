"""Sweeps of version 0.1.0, whose default transforms did not scale with the image, resume with those that they began with."""

from __future__ import annotations

import os

from samplevis.param import Parameterization
from samplevis.runtime.checkpoint import stored_run_id
from samplevis.transform import as_named
from samplevis.transform.base import TransformLike


def as_begun(transforms: TransformLike, param: Parameterization, folder: str | os.PathLike | None) -> TransformLike:
    """A named set of transforms, in the form that the run in a folder began with.

    Args:
      transforms: a named set, or anything else, which is returned unchanged.
      param: the parameterization of the run.
      folder: of the run's checkpoint; None for none.

    Returns:
      The set in pixels, as it is for large images, if the folder holds a run with it; else `transforms`.

    Example:
      >>> as_begun("robust", param.fourier(64), None)
      'robust'
    """
    if not isinstance(transforms, str) or folder is None:
        return transforms
    *sides, _ = param.image_shape
    in_pixels = as_named(transforms, len(sides))
    if in_pixels == as_named(transforms, len(sides), min(sides)):
        return transforms
    begun = str(stored_run_id(folder).get("transforms", ""))
    return in_pixels if all(repr(each) in begun for each in in_pixels) else transforms
