"""Images inside of pages."""

from __future__ import annotations

import base64
import io

import numpy as np
from PIL import Image


def png_url(pixels: np.ndarray) -> str:
    """An image as a data URL, for pages that need no other file.

    Args:
      pixels: uint8 [H, W, 3].

    Returns:
      "data:image/png;base64,...".
    """
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG")
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode('ascii')}"
