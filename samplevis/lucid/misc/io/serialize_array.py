"""Arrays as bytes of image files. Source: lucid/misc/io/serialize_array.py."""

from __future__ import annotations

import base64
import io

import numpy as np
from PIL import Image

from samplevis.lucid.misc.io.collapse_channels import collapse_channels

Domain = tuple[float, float]
JS_ARRAY_TYPES = {"int8", "int16", "int32", "uint8", "uint16", "uint32", "float32", "float64"}


def _normalize_array(array: np.ndarray, domain: Domain | None = (0, 1)) -> np.ndarray:
    """Pixels 0 to 255, rounded down as in Lucid; `domain` None stretches them from the least to the largest value."""
    array = np.squeeze(np.array(array))
    if array.ndim not in (2, 3) or not np.issubdtype(array.dtype, np.number):
        raise ValueError(f"array: expected an image [height, width, channels]. Received shape: {array.shape}")
    if not np.isfinite(array).all():
        raise ValueError(f"array: expected finite values. Received: {int((~np.isfinite(array)).sum())} that are not")
    if array.ndim == 3 and array.shape[-1] not in (1, 3, 4):
        array = collapse_channels(array)
    low, high = (array.min(), array.max()) if domain is None else domain
    if np.issubdtype(array.dtype, np.inexact):
        array = (array.clip(low, high) - low) * (255 / (high - low) if high > low else 1.0)
    return array.clip(0, 255).astype(np.uint8)


def _serialize_normalized_array(array: np.ndarray, fmt: str = "png", quality: int = 70) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(array).save(buffer, "jpeg" if fmt.lower() == "jpg" else fmt, quality=quality)
    return buffer.getvalue()


def serialize_array(array: np.ndarray, domain: Domain | None = (0, 1), fmt: str = "png", quality: int = 70) -> bytes:
    """The bytes of an image file.

    Args:
      array: [height, width, channels] or [height, width]; other numbers of channels than 1, 3 and 4 become hues.
      domain: values that become black and white; None for the least and the largest. Defaults to (0, 1).
      fmt: "png" (default), "jpeg" or "webp".
      quality: of formats that lose some, 0 to 100. Defaults to 70.

    Returns:
      The bytes.

    Example:
      >>> serialize_array(np.zeros([8, 8, 3]))[1:4]
      b'PNG'
    """
    return _serialize_normalized_array(_normalize_array(array, domain), fmt, quality)


def array_to_jsbuffer(array: np.ndarray) -> str:
    """JavaScript that evaluates to a typed array.

    Args:
      array: one-dimensional, of integers of at most 32 bits or of floats.

    Returns:
      The code.

    Raises:
      TypeError: for another array.
    """
    if array.ndim != 1 or array.dtype.name not in JS_ARRAY_TYPES:
        raise TypeError(
            f"array: expected one dimension of a type of JavaScript's. Received: {array.dtype} {array.shape}"
        )
    data = base64.b64encode(array.tobytes()).decode("ascii")
    kind = f"{array.dtype.name.capitalize()}Array".replace("Uint", "Uint")
    return f'new {kind}(Uint8Array.from(atob("{data}"), c => c.charCodeAt(0)).buffer)'
