"""A small z-buffer renderer: which place of the texture does each pixel show?"""

from __future__ import annotations

import numpy as np

from samplevis.recipes.mesh import Mesh

# Twice a triangle's area in square pixels; a thinner one shows nothing.
THINNEST = 1e-9


def rasterize(mesh: Mesh, camera: np.ndarray, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Texture coordinates of what each pixel's centre sees, correct in perspective.

    Triangles are seen from both sides. One that reaches behind the near plane is left out whole: put the camera outside.

    Args:
      mesh: the mesh.
      camera: matrix [4, 4] from world to clip space, `perspective(...) @ look_at(...)`.
      size: (height, width) in pixels.

    Returns:
      uv: float32 [H, W, 2], 0 where there is no mesh.
      coverage: bool [H, W], where there is.
    """
    height, width = size
    clip = np.concatenate([mesh.positions, np.ones((len(mesh.positions), 1))], 1) @ camera.T
    # Behind the near plane these mean nothing; such triangles are dropped.
    with np.errstate(divide="ignore", invalid="ignore"):
        inverse_w = 1 / clip[:, 3]
        x = (clip[:, 0] * inverse_w + 1) * width / 2
        y = (1 - clip[:, 1] * inverse_w) * height / 2
        depth = clip[:, 2] * inverse_w
    before_near = (clip[:, 3] > 0) & (clip[:, 2] >= -clip[:, 3])
    # What is linear on the screen: 1/w, and u/w, v/w.
    over_w = np.concatenate([inverse_w[:, None], mesh.uv * inverse_w[:, None]], 1)

    uv = np.zeros((height, width, 2), np.float32)
    nearest = np.full((height, width), 1.0)  # the far plane
    coverage = np.zeros((height, width), bool)
    for face in mesh.faces[before_near[mesh.faces].all(1)]:
        columns = _pixels(x[face], width)
        rows = _pixels(y[face], height)
        weights = _barycentric(x[face], y[face], columns, rows)
        if weights is None or not weights.size:
            continue
        where = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
        own_depth = weights @ depth[face]
        shown = (weights >= 0).all(-1) & (own_depth < nearest[where])
        values = (weights @ over_w[face])[shown]
        nearest[where][shown] = own_depth[shown]
        uv[where][shown] = values[:, 1:] / values[:, :1]
        coverage[where] |= shown
    return uv, coverage


def _pixels(edge: np.ndarray, count: int) -> np.ndarray:
    """Pixels whose centre lies in the span of a triangle's corners."""
    first, last = np.ceil(edge.min() - 0.5), np.floor(edge.max() - 0.5)
    return np.arange(max(int(first), 0), min(int(last), count - 1) + 1)


def _barycentric(x: np.ndarray, y: np.ndarray, columns: np.ndarray, rows: np.ndarray) -> np.ndarray | None:
    """Weights of a triangle's three corners at pixel centres, [rows, columns, 3]; all >= 0 inside. None if it is a line."""
    twice = (x[1] - x[0]) * (y[2] - y[0]) - (x[2] - x[0]) * (y[1] - y[0])
    if abs(twice) < THINNEST:
        return None
    px, py = columns[None] + 0.5, rows[:, None] + 0.5
    # The weight of a corner is the signed area that the point spans with the other two.
    areas = [(x[j] - px) * (y[k] - py) - (x[k] - px) * (y[j] - py) for j, k in ((1, 2), (2, 0), (0, 1))]
    return np.stack(areas, -1) / twice
