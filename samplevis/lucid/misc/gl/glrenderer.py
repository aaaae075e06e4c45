"""Lucid's renderer of meshes, over `samplevis.recipes.rasterize`: no graphics card. Source: lucid/misc/gl/glrenderer.py."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from samplevis.lucid.misc.gl.meshutil import as_mesh, perspective
from samplevis.recipes import rasterize


class MeshRenderer:
    """Renders the texture coordinates that a camera sees.

    Args:
      size: (width, height) in pixels.

    Attributes:
      fovy: vertical field of view in degrees, 10.
      aspect: width / height.
      znear, zfar: what is nearer or farther is not seen; 0.01 and 100.

    Example:
      >>> from samplevis.lucid.misc.gl import meshutil
      >>> corners = np.array([[-1.0, -1, 0], [1, -1, 0], [0, 1, 0]])
      >>> triangle = {"position": corners, "uv": np.array([[0, 0], [1, 0], [0.5, 1]]), "face": np.array([[0, 1, 2]])}
      >>> MeshRenderer((32, 16)).render_mesh(modelview=meshutil.lookat((0, 0, 12)), **triangle).shape
      (16, 32, 4)
    """

    fovy, znear, zfar = 10.0, 0.01, 100.0

    def __init__(self, size: tuple[int, int]):
        self.size = tuple(size)
        self.aspect = size[0] / size[1]

    def proj_matrix(self) -> np.ndarray:
        """`meshutil.perspective` of the attributes."""
        return perspective(self.fovy, self.aspect, self.znear, self.zfar)

    def render_mesh(
        self,
        position: np.ndarray,
        uv: np.ndarray,
        face: np.ndarray | None = None,
        clear_color: Sequence[float] = (0, 0, 0, 0),
        modelview: np.ndarray | None = None,
    ) -> np.ndarray:
        """Renders a mesh.

        Args:
          position: corners [V, 3].
          uv: their texture coordinates [V, 2], or other values, of at most four columns.
          face: triangles, rows of `position`, [F, 3] or [F * 3]. Defaults to every three corners.
          clear_color: the four channels where there is no mesh. Defaults to zeros.
          modelview: [4, 4], of the camera. Defaults to the identity.

        Returns:
          float32 [height, width, 4]: u, v, 0 and 1 where there is mesh, or the other values. The first row is the top.
        """
        width, height = self.size
        modelview = np.eye(4) if modelview is None else np.asarray(modelview, np.float64)
        camera = self.proj_matrix().T.astype(np.float64) @ modelview
        uv, face = np.asarray(uv), np.arange(len(position)) if face is None else face
        frame = np.tile(np.float32(clear_color), (height, width, 1))
        values = np.tile(np.float32([0, 0, 0, 1]), (height, width, 1))
        for first in range(0, uv.shape[1], 2):
            # Two values at a time, the last one twice if their number is odd.
            columns = [first, min(first + 1, uv.shape[1] - 1)]
            mesh = as_mesh({"position": position, "uv": uv[:, columns], "face": face})
            seen, covered = rasterize(mesh, camera, (height, width))
            values[..., columns] = seen
        frame[covered] = values[covered]
        return frame


def __getattr__(name: str) -> type:
    """Lucid's objects of OpenGL, which are gone."""
    if name in ("FBO", "GLObject", "Shader", "Texture"):
        raise AttributeError(f"{name}: there is no OpenGL. Instead: MeshRenderer, and samplevis.recipes.rasterize")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
