"""Pictures that recipes start from: checks, resizing, and their activations."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from samplevis.network import Network
from samplevis.runtime.checks import check_array


def check_picture(name: str, picture: Any, channels: int) -> np.ndarray:
    """Checks one picture.

    Args:
      name: the argument's name, for messages.
      picture: array [H, W, C].
      channels: the C that is expected.

    Returns:
      float32 array [H, W, C] with values in [0, 1].

    Raises:
      ValueError: for another shape, whole numbers, or values that are not finite or outside [0, 1].
    """
    picture = check_array(name, picture, None)
    if picture.ndim != 3 or picture.shape[-1] != channels or 0 in picture.shape:
        raise ValueError(f"{name}: expected [height, width, {channels}]. Received shape: {picture.shape}")
    if not np.issubdtype(picture.dtype, np.floating):
        raise ValueError(f"{name}: expected floats in [0, 1] (divide bytes by 255). Received: {picture.dtype}")
    # Written so that nan fails.
    if not (picture.min() >= 0 and picture.max() <= 1):
        raise ValueError(f"{name}: expected finite values in [0, 1]. Received: {picture.min():g} to {picture.max():g}")
    return picture.astype(np.float32)


def activations_by_position(network: Network, layer: str, image: np.ndarray) -> np.ndarray:
    """The activations [rows, columns, channels] of a layer for one image [H, W, C].

    Raises:
      ValueError: for an unknown layer, one without rows and columns, or an image that the network does not take.
    """
    network.check_layer(layer)
    activations = network.activations(np.asarray(image)[None], layer)[layer][0].numpy()
    if activations.ndim != 3:
        raise ValueError(f"layer: expected one with rows and columns. Received {layer!r}: shape {activations.shape}")
    return activations


def resize(picture: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resizes [H, W, C] to (height, width): bilinear, with antialiasing."""
    if picture.shape[:2] == tuple(size):
        return picture
    return tf.image.resize(picture, size, antialias=True).numpy()
