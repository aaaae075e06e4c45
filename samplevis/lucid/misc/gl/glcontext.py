"""The OpenGL context of a machine without a screen: `glrenderer.MeshRenderer` needs none."""

from __future__ import annotations


def create_opengl_context(surface_size: tuple[int, int] = (640, 480)) -> None:
    """Does nothing: `glrenderer.MeshRenderer` renders without OpenGL.

    Args:
      surface_size: no effect.
    """
