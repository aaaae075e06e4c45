"""Meshes as dictionaries of arrays, and camera matrices. Source: lucid/misc/gl/meshutil.py.

A mesh is {"position": [V, 3], "uv": [V, 2], "face": [F, 3]}.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

import numpy as np

from samplevis.recipes import Mesh, look_at
from samplevis.recipes import load_obj as read_obj
from samplevis.recipes import normalize_mesh as normalized
from samplevis.recipes import perspective as projection

MeshArrays = dict[str, np.ndarray]


def as_mesh(mesh: Mapping[str, np.ndarray]) -> Mesh:
    """A `samplevis.recipes.Mesh` of a mesh's arrays; further columns are ignored."""
    return Mesh(np.asarray(mesh["position"])[:, :3], np.asarray(mesh["uv"])[:, :2], mesh["face"])


def _arrays(mesh: Mesh) -> MeshArrays:
    # Copies: programs for Lucid change these arrays.
    return {"position": mesh.positions.copy(), "uv": mesh.uv.copy(), "face": mesh.faces.copy()}


def load_obj(fn: str | os.PathLike) -> MeshArrays:
    """Reads a Wavefront .obj file.

    Args:
      fn: its path.

    Returns:
      The mesh. Normals are left out.
    """
    return _arrays(read_obj(fn))


def normalize_mesh(mesh: Mapping[str, np.ndarray]) -> MeshArrays:
    """The mesh, moved and scaled into the cube from -1 to 1.

    Args:
      mesh: the mesh.

    Returns:
      The mesh with other positions.
    """
    return {**mesh, "position": normalized(as_mesh(mesh)).positions.copy()}


def normalize(v: np.ndarray, axis: int = -1, eps: float = 1e-10) -> np.ndarray:
    """Vectors of length one.

    Args:
      v: the vectors.
      axis: along which. Defaults to the last.
      eps: the least square of a length that is divided by. Defaults to 1e-10.

    Returns:
      Array of the shape of `v`.

    Example:
      >>> normalize(np.array([0.0, 2.0])).tolist()
      [0.0, 1.0]
    """
    return v / np.sqrt(np.maximum(eps, (v * v).sum(axis, keepdims=True)))


def lookat(eye: Sequence[float], target: Sequence[float] = (0, 0, 0), up: Sequence[float] = (0, 1, 0)) -> np.ndarray:
    """The modelview matrix of a camera.

    Args:
      eye: its position.
      target: what it looks at. Defaults to the origin.
      up: what is up in the image. Defaults to y.

    Returns:
      float32 [4, 4].

    Example:
      >>> lookat((0, 0, 5))[2].tolist()
      [0.0, 0.0, 1.0, -5.0]
    """
    return look_at(eye, target, up).astype(np.float32)


def perspective(fovy: float, aspect: float, z_near: float, z_far: float) -> np.ndarray:
    """The projection matrix of a camera.

    Args:
      fovy: vertical field of view in degrees.
      aspect: width / height.
      z_near, z_far: distances of the near and the far plane.

    Returns:
      float32 [4, 4].

    Example:
      >>> perspective(90, 1, 1, 3).round(3).tolist()[0]
      [1.0, 0.0, 0.0, 0.0]
    """
    return projection(fovy, aspect, z_near, z_far).astype(np.float32)


def sample_view(min_dist: float, max_dist: float | None = None) -> np.ndarray:
    """The modelview matrix of a camera in a random direction that looks at the origin; of `numpy.random`.

    Args:
      min_dist, max_dist: its distance is uniform between these. `max_dist` defaults to `min_dist`.

    Returns:
      float32 [4, 4].
    """
    distance = np.random.uniform(min_dist, min_dist if max_dist is None else max_dist)
    return lookat(normalize(np.random.normal(size=3)) * distance)


def homotrans(M: np.ndarray, p: np.ndarray) -> np.ndarray:  # noqa: N803 - Lucid's name.
    """Points moved by a matrix of homogeneous coordinates.

    Args:
      M: [4, 4].
      p: points [..., 3], or [..., 4] with a last coordinate 1.

    Returns:
      Points [..., 3].

    Example:
      >>> homotrans(np.diag([2.0, 2, 2, 1]), np.ones([1, 3])).tolist()
      [[2.0, 2.0, 2.0]]
    """
    p = np.asarray(p)
    if p.shape[-1] == M.shape[1] - 1:
        p = np.append(p, np.ones_like(p[..., :1]), -1)
    p = np.dot(p, M.T)
    return p[..., :-1] / p[..., -1:]
