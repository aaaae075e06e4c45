"""Lucid's renderer of meshes, over `samplevis.recipes.rasterize`: no graphics card. Source: lucid/misc/gl/glrenderer.py."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from samplevis.lucid.misc.gl.meshutil import as_mesh
from samplevis.recipes import perspective, rasterize


class MeshRenderer:
    """Renders the texture coordinates that a camera sees.

    Args:
      size: (width, height) in pixels.

    Attributes:
      fovy: vertical field of view in degrees, 10.
      z_near, z_far: what is nearer or farther is not seen; 0.01 and 100.

    Example:
      >>> from samplevis.lucid.misc.gl import meshutil
      >>> corners = np.array([[-1.0, -1, 0], [1, -1, 0], [0, 1, 0]])
      >>> triangle = {"position": corners, "uv": np.array([[0, 0], [1, 0], [0.5, 1]]), "face": np.array([[0, 1, 2]])}
      >>> MeshRenderer((32, 16)).render_mesh(modelview=meshutil.lookat((0, 0, 12)), **triangle).shape
      (16, 32, 4)
    """

    fovy, z_near, z_far = 10.0, 0.01, 100.0

    def __init__(self, size: tuple[int, int]):
        self.size = tuple(size)

    def render_mesh(
        self,
        position: np.ndarray,
        uv: np.ndarray,
        face: np.ndarray,
        clear_color: Sequence[float] = (0, 0, 0, 0),
        modelview: np.ndarray | None = None,
    ) -> np.ndarray:
        """Renders a mesh.

        Args:
          position: corners [V, 3].
          uv: their texture coordinates [V, 2].
          face: triangles [F, 3], rows of `position`.
          clear_color: the four channels where there is no mesh. Defaults to zeros.
          modelview: [4, 4], of the camera. Defaults to the identity.

        Returns:
          float32 [height, width, 4]: u, v, 0 and 1 where there is mesh. The first row is the top.
        """
        width, height = self.size
        camera = perspective(self.fovy, width / height, self.z_near, self.z_far)
        modelview = np.eye(4) if modelview is None else np.asarray(modelview, np.float64)
        seen, covered = rasterize(
            as_mesh({"position": position, "uv": uv, "face": face}), camera @ modelview, (height, width)
        )
        frame = np.tile(np.float32(clear_color), (height, width, 1))
        frame[covered] = np.concatenate([seen, np.zeros_like(seen[..., :1]), covered[..., None]], -1)[covered]
        return frame
