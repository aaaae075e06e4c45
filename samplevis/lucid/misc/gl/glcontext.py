"""The OpenGL context of a machine without a screen, which is gone and not needed."""

from __future__ import annotations

from samplevis.lucid.core.facts import dropped_error


def create_opengl_context(surface_size: tuple[int, int] = (640, 480)) -> None:
    """Dropped: `glrenderer.MeshRenderer` needs none.

    Args:
      surface_size: (width, height) in pixels.

    Raises:
      ImportError: always; it says what to use instead.
    """
    raise dropped_error("misc.gl.glcontext")
