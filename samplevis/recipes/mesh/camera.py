"""Camera matrices: from the world to the camera, and from the camera to clip space."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from samplevis.runtime.checks import check_array, check_number


def look_at(eye: Sequence[float], target: Sequence[float] = (0, 0, 0), up: Sequence[float] = (0, 1, 0)) -> np.ndarray:
    """The matrix from world to camera: the camera sits at the origin, looks along -z, and y is up.

    Args:
      eye: position of the camera, (x, y, z).
      target: the point that it looks at. Defaults to the origin.
      up: the direction that is up in the image. Defaults to y.

    Returns:
      float64 [4, 4], for columns (x, y, z, 1).

    Raises:
      ValueError: if the camera is at the target, or looks along `up`.

    Example:
      >>> camera = recipes.perspective(40) @ recipes.look_at((0, 1, 4))
    """
    named = (("eye", eye), ("target", target), ("up", up))
    eye, target, up = (_point(name, point) for name, point in named)
    back = eye - target
    right = np.cross(up, back)
    # Relative, so that the distance of the camera does not matter.
    if not np.linalg.norm(right) > 1e-9 * np.linalg.norm(up) * np.linalg.norm(back):
        raise ValueError(f"eye: expected a camera away from its target and not straight above it. Received: {eye}")
    back, right = back / np.linalg.norm(back), right / np.linalg.norm(right)
    matrix = np.eye(4)
    matrix[:3, :3] = right, np.cross(back, right), back
    matrix[:3, 3] = -matrix[:3, :3] @ eye
    return matrix


def _point(name: str, point: Any) -> np.ndarray:
    point = check_array(name, point, np.float64)
    if point.shape != (3,) or not np.isfinite(point).all():
        raise ValueError(f"{name}: expected three finite numbers (x, y, z). Received: {point.tolist()}")
    return point


def perspective(field_of_view: float, aspect: float = 1.0, near: float = 0.01, far: float = 100.0) -> np.ndarray:
    """The matrix from camera to clip space, as in OpenGL: what is seen has -w <= x, y, z <= w.

    Args:
      field_of_view: vertical, in degrees, between 0 and 180.
      aspect: width / height of the image, > 0. Defaults to 1.
      near: distance of the near plane, > 0. Defaults to 0.01.
      far: distance of the far plane, > near. Defaults to 100.

    Returns:
      float64 [4, 4], for columns (x, y, z, 1).

    Raises:
      ValueError, TypeError: if an argument is out of range.

    Example:
      >>> camera = recipes.perspective(40, aspect=16 / 9) @ recipes.look_at((0, 1, 4))
    """
    for name, value, least in (("field_of_view", field_of_view, 0), ("aspect", aspect, 0), ("near", near, 0)):
        check_number(name, value, least, above=True)
    check_number("far", far, near, above=True)
    if field_of_view >= 180:
        raise ValueError(f"field_of_view: expected degrees between 0 and 180. Received: {field_of_view!r}")
    scale = 1 / np.tan(np.radians(field_of_view) / 2)
    matrix = np.diag([scale / aspect, scale, (far + near) / (near - far), 0.0])
    matrix[2, 3] = 2 * far * near / (near - far)
    matrix[3, 2] = -1
    return matrix
