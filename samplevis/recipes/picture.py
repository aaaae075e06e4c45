"""Pictures that recipes start from: checks, resizing, and their activations."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from samplevis.network import Network
from samplevis.network.sources.base import show
from samplevis.runtime.checks import check_array, check_whole


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


def check_seen(network: Network, name: str, picture: Any) -> np.ndarray:
    """Checks one picture that a network is going to see.

    Args:
      network: the network.
      name: the argument's name, for messages.
      picture: array [H, W, C].

    Returns:
      float32 array [H, W, C] with values in [0, 1].

    Raises:
      ValueError: as `check_picture`; also for a size that the network does not take.
    """
    picture = check_picture(name, picture, _channels(network))
    if not network.takes(picture.shape[:2]):
        raise ValueError(
            f"{name}: {network.name!r} takes pictures of {_sides(network)} pixels. "
            f"Received: {picture.shape[0]} x {picture.shape[1]}; resize it, such as with export.load_image(path, size)"
        )
    return picture


def check_pictures(network: Network) -> None:
    """Raises ValueError unless a network takes pictures: recipes do not make signals or volumes."""
    _channels(network)


def picture_size(
    network: Network, name: str, size: int | tuple[int, int] | None, default: int, least: int = 4
) -> tuple[int, int]:
    """The sides of the pictures that a recipe makes for a network.

    Args:
      network: the network.
      name: the argument's name, for messages.
      size: what the caller asked for; None for the network's own size.
      default: pixels of a side that is free in the network.
      least: smallest side. Defaults to 4.

    Returns:
      (height, width).

    Raises:
      ValueError: for another kind of size, or one that the network does not take.
    """
    check_pictures(network)
    if size is None:
        height, width = (side or default for side in network.image_shape[:2])
        return height, width
    sides = (size, size) if np.ndim(size) == 0 else tuple(size)
    if len(sides) != 2:
        raise ValueError(f"{name}: expected one whole number or (height, width). Received: {size!r}")
    for side in sides:
        check_whole(name, side, least)
    if not network.takes(sides):
        raise ValueError(
            f"{name}: {network.name!r} takes pictures of {_sides(network)} pixels, the default. Received: {size!r}"
        )
    return int(sides[0]), int(sides[1])


def _channels(network: Network) -> int:
    if network.dimensions != 2:
        raise ValueError(
            f"model: expected a network that takes pictures [height, width, channels]. {network.name!r} takes "
            f"{show(network.image_shape)}; optimize and render make signals and volumes"
        )
    return network.image_shape[-1]


def _sides(network: Network) -> str:
    return " x ".join("any" if side is None else str(side) for side in network.image_shape[:2])


def activations_by_position(network: Network, layer: str, image: np.ndarray) -> np.ndarray:
    """The activations [rows, columns, channels] of a layer for one image [H, W, C].

    Raises:
      ValueError: for an unknown layer, one without rows and columns, or an image that the network does not take.
    """
    network.check_layer(layer)
    image = check_seen(network, "image", image)
    activations = network.activations(image[None], layer)[layer][0].numpy()
    if activations.ndim != 3:
        raise ValueError(f"layer: expected one with rows and columns. Received {layer!r}: shape {activations.shape}")
    return activations


def resize(picture: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resizes [H, W, C] to (height, width): bilinear, with antialiasing."""
    if picture.shape[:2] == tuple(size):
        return picture
    return tf.image.resize(picture, size, antialias=True).numpy()
