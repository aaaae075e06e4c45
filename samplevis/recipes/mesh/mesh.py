"""Meshes: triangles with texture coordinates, from files or made."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from samplevis.runtime import files
from samplevis.runtime.checks import brief, check_whole


@dataclasses.dataclass(frozen=True, eq=False)
class Mesh:
    """Triangles in space, whose corners have texture coordinates.

    Attributes:
      positions: float32 [V, 3].
      uv: float32 [V, 2], texture coordinates; (0, 0) is the texture's lower left corner, (1, 1) its upper right one.
      faces: int32 [F, 3], the corners of each triangle as rows of `positions` and `uv`.

    Raises:
      ValueError: if the shapes do not fit each other, or a number is not finite.

    Example:
      >>> corners = [[0, 0], [1, 0], [0, 1]]
      >>> triangle = recipes.Mesh([[x, y, 0] for x, y in corners], corners, [[0, 1, 2]])
    """

    positions: np.ndarray
    uv: np.ndarray
    faces: np.ndarray

    def __post_init__(self) -> None:
        for name, kind, columns in (("positions", np.float32, 3), ("uv", np.float32, 2), ("faces", np.int32, 3)):
            # A copy: views of a mesh are cached, and must not outlive a change of the caller's array.
            values = np.array(getattr(self, name), kind)
            if values.ndim != 2 or values.shape[1] != columns or not np.isfinite(values).all():
                raise ValueError(f"{name}: expected finite numbers of shape [n, {columns}]. Received: {values.shape}")
            values.setflags(write=False)
            object.__setattr__(self, name, values)
        count = len(self.positions)
        if len(self.uv) != count:
            raise ValueError(f"uv: expected one pair for each of {count} positions. Received: {len(self.uv)}")
        if not len(self.faces) or self.faces.min() < 0 or self.faces.max() >= count:
            raise ValueError(f"faces: expected at least one, of rows from 0 to {count - 1} of positions")


def load_obj(path: str | os.PathLike) -> Mesh:
    """Reads positions, texture coordinates and faces of a Wavefront .obj file.

    Polygons become fans of triangles. Other lines (normals, groups, materials) are ignored.

    Args:
      path: the file.

    Returns:
      A `Mesh`. Corners that share position and texture coordinates are one vertex.

    Raises:
      ValueError: for a line that cannot be read (it is named), a face without texture coordinates, or no faces.
      OSError: if the file cannot be read.

    Example:
      >>> mesh = recipes.load_obj("bunny.obj")
    """
    path = files.check_path(path)
    positions: list[tuple[float, ...]] = []
    uv: list[tuple[float, ...]] = []
    corners: dict[tuple[int, int], int] = {}
    faces: list[tuple[int, int, int]] = []
    with open(path, encoding="utf-8", errors="replace") as lines:
        for number, line in enumerate(lines, 1):
            kind, *words = line.split("#")[0].split() or [""]
            try:
                if kind == "v":
                    positions.append(_numbers(words, 3))
                elif kind == "vt":
                    uv.append(_numbers(words, 2))
                elif kind == "f":
                    polygon = [_corner(word, len(positions), len(uv)) for word in words]
                    if len(polygon) < 3:
                        raise ValueError(f"expected at least 3 corners, received {len(polygon)}")
                    rows = [corners.setdefault(corner, len(corners)) for corner in polygon]
                    faces += [(rows[0], b, c) for b, c in zip(rows[1:], rows[2:], strict=False)]
            except ValueError as error:
                raise ValueError(f"{path!r}, line {number}: {error}: {line.strip()!r}") from error
    if not faces:
        raise ValueError(f"path: {path!r}: expected a mesh with faces (lines that begin with 'f'). Received none")
    return Mesh(
        np.array([positions[position] for position, _ in corners]), np.array([uv[t] for _, t in corners]), faces
    )


def check_mesh(mesh: Any) -> None:
    """Raises TypeError unless it is a `Mesh`."""
    if not isinstance(mesh, Mesh):
        raise TypeError(f"mesh: expected a mesh, such as recipes.load_obj returns. Received: {brief(mesh)}")


def normalize_mesh(mesh: Mesh) -> Mesh:
    """Moves and scales a mesh into the cube from -1 to 1: centred, its longest side 2, its proportions kept.

    Args:
      mesh: the mesh.

    Returns:
      A `Mesh` of the same faces and texture coordinates.

    Raises:
      ValueError: if all its positions are one point.

    Example:
      >>> recipes.normalize_mesh(mesh).positions.max()
      1.0
    """
    check_mesh(mesh)
    low, high = mesh.positions.min(0), mesh.positions.max(0)
    half = (high - low).max() / 2
    if not half > 0:
        raise ValueError("mesh: expected positions that differ. Received: all the same")
    return dataclasses.replace(mesh, positions=(mesh.positions - (low + high) / 2) / half)


def sphere(rows: int = 16, columns: int = 32) -> Mesh:
    """A sphere of radius 1 with a world map's texture coordinates: u goes round the y axis, v from pole to pole.

    Args:
      rows: bands from pole to pole, >= 2. Defaults to 16.
      columns: segments round the equator, >= 3. Defaults to 32.

    Returns:
      A `Mesh` of 2 * (rows - 1) * columns triangles.

    Raises:
      ValueError, TypeError: if an argument is out of range.

    Example:
      >>> len(recipes.sphere().faces)
      960
    """
    check_whole("rows", rows, 2)
    check_whole("columns", columns, 3)
    v, u = (
        grid.ravel() for grid in np.meshgrid(np.linspace(0, 1, rows + 1), np.linspace(0, 1, columns + 1), indexing="ij")
    )
    latitude, longitude = np.pi * (v - 0.5), 2 * np.pi * u
    around = np.cos(latitude)
    positions = np.stack([around * np.sin(longitude), np.sin(latitude), around * np.cos(longitude)], 1)
    corner = np.arange(rows)[:, None] * (columns + 1) + np.arange(columns)
    above = corner + columns + 1
    # A square touches a pole with one side, which leaves one triangle of it.
    lower = np.stack([corner, corner + 1, above], -1)[1:]
    upper = np.stack([corner + 1, above + 1, above], -1)[:-1]
    return Mesh(positions, np.stack([u, v], 1), np.concatenate([lower.reshape(-1, 3), upper.reshape(-1, 3)]))


def _numbers(words: Sequence[str], count: int) -> tuple[float, ...]:
    if len(words) < count:
        raise ValueError(f"expected {count} numbers, received {len(words)}")
    return tuple(float(word) for word in words[:count])


def _corner(word: str, positions: int, uv: int) -> tuple[int, int]:
    """The rows of 'position/uv' or 'position/uv/normal'; numbers count from 1, or from -1 backwards."""
    parts = word.split("/")
    if len(parts) < 2 or not parts[1]:
        raise ValueError(f"the corner {word!r} has no texture coordinates; export the mesh with UVs (position/uv)")
    return _row("position", parts[0], positions), _row("texture coordinate", parts[1], uv)


def _row(name: str, word: str, count: int) -> int:
    index = int(word)
    row = index - 1 if index > 0 else count + index
    if index == 0 or not 0 <= row < count:
        raise ValueError(f"expected the {name} as a number from 1 to {count} or -1 to -{count}, received {index}")
    return row
