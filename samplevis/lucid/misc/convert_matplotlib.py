"""Matplotlib's figures as arrays. Source: lucid/misc/convert_matplotlib.py."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from PIL import Image


def matplotlib_to_numpy(plt: Any) -> np.ndarray:
    """A figure as a picture.

    Args:
      plt: `matplotlib.pyplot`, for the current figure, or a figure.

    Returns:
      [height, width, 4] in [0, 1], with an opacity as Matplotlib writes it.
    """
    file = io.BytesIO()
    plt.savefig(file, format="png")
    return np.array(Image.open(file)) / 255.0
