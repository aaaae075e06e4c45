"""A small z-buffer renderer: the texture coordinates that each pixel shows."""

from __future__ import annotations

import numpy as np

from samplevis.recipes.mesh.mesh import Mesh, check_mesh
from samplevis.runtime.checks import check_array, check_wholes

# Twice a triangle's area in square pixels; thinner triangles are not shown.
MIN_AREA = 1e-9


def rasterize(mesh: Mesh, camera: np.ndarray, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Computes the texture coordinates that each pixel shows, correct in perspective.

    Triangles are visible from both sides. A triangle that reaches behind the near plane is left out: place the camera outside.

    Args:
      mesh: the mesh.
      camera: matrix [4, 4] from world to clip space, `perspective(...) @ look_at(...)`.
      size: (height, width) in pixels.

    Returns:
      uv: float32 [H, W, 2], 0 where there is no mesh.
      coverage: bool [H, W], True where there is.

    Raises:
      ValueError, TypeError: if an argument is out of range.

    Example:
      >>> camera = recipes.perspective(40) @ recipes.look_at((0, 1, 4))
      >>> uv, coverage = recipes.rasterize(recipes.sphere(), camera, (64, 64))
    """
    check_mesh(mesh)
    size = check_wholes("size", size, 1)
    if len(size) != 2:
        raise ValueError(f"size: expected (height, width). Received: {size}")
    height, width = size
    camera = check_array("camera", camera, np.float64)
    if camera.shape != (4, 4):
        raise ValueError(f"camera: expected a matrix [4, 4]. Received shape: {camera.shape}")
    clip = np.concatenate([mesh.positions, np.ones((len(mesh.positions), 1))], 1) @ camera.T
    # Meaningless behind the camera; such triangles are dropped.
    with np.errstate(divide="ignore", invalid="ignore"):
        inverse_w = 1 / clip[:, 3]
        x = (clip[:, 0] * inverse_w + 1) * width / 2
        y = (1 - clip[:, 1] * inverse_w) * height / 2
        depth = clip[:, 2] * inverse_w
    before = (clip[:, 3] > 0) & (depth >= -1)
    faces = mesh.faces[before[mesh.faces].all(1)]

    face, row, column = _candidates(y[faces], x[faces], size)
    weights = _barycentric(x[faces[face]], y[faces[face]], column + 0.5, row + 0.5)
    fragment_depth = (weights * depth[faces[face]]).sum(1)
    inside = (weights >= 0).all(1) & (fragment_depth < 1)
    # The nearest is written last and overwrites the others.
    seen = np.flatnonzero(inside)
    seen = seen[np.argsort(-fragment_depth[seen], kind="stable")]
    # 1/w, u/w and v/w are linear on the screen; u and v are not.
    share = weights[seen] * inverse_w[faces[face[seen]]]
    share /= share.sum(1, keepdims=True)

    uv, coverage = np.zeros((height, width, 2), np.float32), np.zeros((height, width), bool)
    uv[row[seen], column[seen]] = (share[..., None] * mesh.uv[faces[face[seen]]]).sum(1)
    coverage[row[seen], column[seen]] = True
    return uv, coverage


def _candidates(y: np.ndarray, x: np.ndarray, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Every pixel whose centre lies in the box round a triangle: the triangle's number, row and column."""
    top, bottom = _span(y, size[0])
    left, right = _span(x, size[1])
    high, wide = np.maximum(bottom - top, 0), np.maximum(right - left, 0)
    area = high * wide
    face = np.repeat(np.arange(len(area)), area)
    number = np.arange(len(face)) - np.repeat(np.cumsum(area) - area, area)  # within its box
    return face, top[face] + number // wide[face], left[face] + number % wide[face]


def _span(corners: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """The first pixel, and the one after the last, whose centre lies between the least and the greatest corner."""
    first, last = np.ceil(corners.min(1) - 0.5), np.floor(corners.max(1) - 0.5)
    return np.clip(first, 0, count).astype(int), np.clip(last + 1, 0, count).astype(int)


def _barycentric(x: np.ndarray, y: np.ndarray, at_x: np.ndarray, at_y: np.ndarray) -> np.ndarray:
    """Weights [n, 3] of the corners [n, 3] of triangles at points [n]; all >= 0 inside, all -1 if it is a line."""
    at_x, at_y = at_x[:, None], at_y[:, None]
    next_x, next_y, last_x, last_y = (np.roll(corner, turn, 1) for turn in (-1, -2) for corner in (x, y))
    # The weight of a corner is the signed area that the point spans with the other two.
    areas = (next_x - at_x) * (last_y - at_y) - (last_x - at_x) * (next_y - at_y)
    whole = areas.sum(1, keepdims=True)
    return np.divide(areas, whole, out=np.full_like(areas, -1.0), where=np.abs(whole) >= MIN_AREA)
