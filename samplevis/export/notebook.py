"""Images in notebooks, with the same pixels as in files."""

from __future__ import annotations

import io
import sys
from collections.abc import Sequence

import numpy as np
from PIL import Image

from samplevis.export.grid import grid
from samplevis.export.pixels import UNIT, check_finite, collapse_channels, enlarge, on_checkerboard, to_uint8


def show(
    images: np.ndarray | Sequence[np.ndarray],
    labels: Sequence[str] | None = None,
    domain: tuple[float, float] = UNIT,
    columns: int | None = None,
    scale: int = 1,
) -> Image.Image | None:
    """Shows images in a notebook, as PNG; elsewhere returns them as a Pillow image.

    Contrast is not stretched: the pixels are those that `save_image` writes.

    Args:
      images: [H, W], [H, W, C] or [N, H, W, C] in the domain, or uint8, or a list of images of one shape. C is 1 (grey), 3, or
        4 (colour and opacity; transparent parts show a checkerboard). Other numbers of channels become colours by
        `collapse_channels`, whatever the domain.
      labels: one per image, above it. Defaults to none.
      domain: the values (low, high) that become black and white. Defaults to (0, 1).
      columns: images per row, >= 1. Defaults to their number, at most 8.
      scale: whole-number enlargement by repeating pixels, >= 1. Defaults to 1.

    Returns:
      None in a notebook, which has displayed it; a Pillow image elsewhere.

    Raises:
      ValueError: for other shapes, values that are not finite or outside the domain, or a wrong number of labels.

    Example:
      >>> show(result.images, labels=["a", "b", "c", "d"])
    """
    pixels = _pixels(images, domain)
    if pixels.ndim == 3 and labels is None:
        paper = on_checkerboard(enlarge(pixels, scale))
    else:
        pixels = pixels if pixels.ndim == 4 else pixels[None]
        paper = grid(pixels, min(len(pixels), 8) if columns is None else columns, scale=scale, labels=labels)
    picture = Image.fromarray(paper)
    if not _in_notebook():
        return picture
    from IPython import display

    buffer = io.BytesIO()
    picture.save(buffer, format="PNG")
    display.display(display.Image(data=buffer.getvalue(), format="png"))
    return None


def _pixels(images: np.ndarray | Sequence[np.ndarray], domain: tuple[float, float]) -> np.ndarray:
    """uint8 [H, W, 3 or 4] or [N, H, W, 3 or 4]."""
    if isinstance(images, (list, tuple)):
        images = [np.asarray(image) for image in images]
        shapes = {image.shape for image in images}
        if len(shapes) != 1:
            raise ValueError(f"images: expected images of one shape. Received: {sorted(shapes)}")
        images = np.stack([image[..., None] if image.ndim == 2 else image for image in images])
    images = np.asarray(images)
    if images.ndim == 2:
        images = images[..., None]
    if images.ndim not in (3, 4) or not images.size:
        raise ValueError(f"images: expected shape [H, W], [H, W, C] or [N, H, W, C]. Received: {images.shape}")
    if images.shape[-1] not in (1, 3, 4):
        check_finite(images)
        images, domain = collapse_channels(images), UNIT
    return to_uint8(images, (1, 3, 4), domain)


def _in_notebook() -> bool:
    """Whether this runs in a kernel that displays images. Notebooks import IPython before this package."""
    if "IPython" not in sys.modules:
        return False
    from IPython import get_ipython

    return hasattr(get_ipython(), "kernel")
