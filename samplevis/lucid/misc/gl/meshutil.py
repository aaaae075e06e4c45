"""Meshes as dictionaries of arrays, and camera matrices. Source: lucid/misc/gl/meshutil.py.

A mesh is {"position": [V, 3], "uv": [V, 2], "face": [F * 3]}; faces may also be [F, 3].
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import IO

import numpy as np

from samplevis.recipes import Mesh, look_at
from samplevis.recipes import normalize_mesh as normalized

MeshArrays = dict[str, np.ndarray]


def as_mesh(mesh: Mapping[str, np.ndarray]) -> Mesh:
    """A `samplevis.recipes.Mesh` of a mesh's arrays; further columns are ignored."""
    position = np.asarray(mesh["position"])[:, :3]
    uv = np.asarray(mesh.get("uv", np.zeros((len(position), 2))))[:, :2]
    return Mesh(position, uv, np.reshape(mesh["face"], (-1, 3)))


def load_obj(fn: str | os.PathLike | IO) -> MeshArrays:
    """Reads a Wavefront .obj file.

    Args:
      fn: its path, or the open file.

    Returns:
      {"position": float32 [V, 3], "uv": float32 [V, 2], "normal": float32 [V, 3], "face": int32 [F * 3]}, without what the file
      does not have. Faces of more corners become triangles.
    """
    lines = Path(fn).read_text(encoding="utf-8").splitlines() if isinstance(fn, (str, os.PathLike)) else fn
    read: dict[str, list[list[float]]] = {"v": [[]], "vt": [[]], "vn": [[]]}
    corners: dict[tuple[int, ...], int] = {}
    faces: list[int] = []
    for kind, *words in (line.split() for line in lines if line.strip()):
        if kind in read:
            read[kind].append([float(word) for word in words])
        elif kind == "f":
            tuples = [_corner(word, read.values()) for word in words]
            numbers = [corners.setdefault(corner, len(corners)) for corner in tuples]
            for second, third in zip(numbers[1:-1], numbers[2:], strict=True):
                faces += [numbers[0], second, third]
    mesh: MeshArrays = {"face": np.int32(faces)}
    for place, (name, kind) in enumerate((("position", "v"), ("uv", "vt"), ("normal", "vn"))):
        chosen = [corner[place] for corner in corners]
        if any(chosen):
            width = max(map(len, read[kind]))
            rows = [row + [0.0] * (width - len(row)) for row in read[kind]]
            mesh[name] = np.float32(rows)[chosen]
    return mesh


def _corner(word: str, read: Iterable[list[list[float]]]) -> tuple[int, ...]:
    """(position, uv, normal) of "1/2/3", 0 for none; negative numbers count from the last one so far."""
    parts = [int(part) if part else 0 for part in word.split("/")]
    parts += [0] * (3 - len(parts))
    return tuple(part % len(rows) if part < 0 else part for part, rows in zip(parts, read, strict=True))


def normalize_mesh(mesh: Mapping[str, np.ndarray]) -> MeshArrays:
    """The mesh, moved and scaled into the cube from -1 to 1.

    Args:
      mesh: the mesh.

    Returns:
      The mesh with other positions.
    """
    return {**mesh, "position": normalized(as_mesh(mesh)).positions.copy()}


def anorm(x: np.ndarray, axis: int | None = None, keepdims: bool = False) -> np.ndarray:
    """Lengths of vectors along an axis, or of all values as one vector.

    Example:
      >>> float(anorm(np.array([3.0, 4.0])))
      5.0
    """
    return np.sqrt((x * x).sum(axis=axis, keepdims=keepdims))


def normalize(v: np.ndarray, axis: int | None = None, eps: float = 1e-10) -> np.ndarray:
    """Vectors of length one.

    Args:
      v: the vectors.
      axis: along which. Defaults to all values as one vector.
      eps: the least length that is divided by. Defaults to 1e-10.

    Returns:
      Array of the shape of `v`.

    Example:
      >>> normalize(np.array([0.0, 2.0])).tolist()
      [0.0, 1.0]
    """
    return v / np.maximum(anorm(v, axis, keepdims=True), eps)


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


def frustum(left: float, right: float, bottom: float, top: float, znear: float, zfar: float) -> np.ndarray:
    """The projection matrix of OpenGL's glFrustum, for points as rows.

    Args:
      left, right, bottom, top: the edges of the near plane.
      znear, zfar: distances of the near and the far plane.

    Returns:
      float32 [4, 4]: points [..., 4] times it are what OpenGL clips.
    """
    width, height, depth = right - left, top - bottom, zfar - znear
    return np.float32(
        [
            [2 * znear / width, 0, 0, 0],
            [0, 2 * znear / height, 0, 0],
            [(right + left) / width, (top + bottom) / height, -(zfar + znear) / depth, -1],
            [0, 0, -2 * zfar * znear / depth, 0],
        ]
    )


def perspective(fovy: float, aspect: float, znear: float, zfar: float) -> np.ndarray:
    """The projection matrix of a camera, for points as rows.

    Args:
      fovy: vertical field of view in degrees.
      aspect: width / height.
      znear, zfar: distances of the near and the far plane.

    Returns:
      float32 [4, 4].

    Example:
      >>> perspective(90, 1, 1, 3).round(3).tolist()[0]
      [1.0, 0.0, 0.0, 0.0]
    """
    height = np.tan(np.radians(fovy) / 2) * znear
    return frustum(-height * aspect, height * aspect, -height, height, znear, zfar)


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
