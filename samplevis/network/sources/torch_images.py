"""The shape of the images that a PyTorch module takes, where nobody says it."""

from __future__ import annotations

from collections.abc import Callable

import torch

from samplevis.network.sources.base import Shape, show

# Sides of images, by number of dimensions, to try: a module that takes both of the first takes any.
FREE_SIDES = {1: (1024, 2048), 2: (96, 160), 3: (32, 64)}
FIXED_SIDES = {
    1: (16000, 4096, 2048, 1024, 512, 256, 128),
    2: (224, 32, 28, 64, 96, 128, 256, 299, 384, 448, 512, 336, 240, 260, 300, 48, 16, 8),
    3: (16, 32, 64, 128),
}
_CONVOLUTIONS = {torch.nn.Conv1d: 1, torch.nn.Conv2d: 2, torch.nn.Conv3d: 3}


def find_image_shape(module: torch.nn.Module, name: str, fails: Callable[[tuple[int, ...]], str | None]) -> Shape:
    """The shape of the images, channels last: channels from the first convolution, sizes by trying.

    Args:
      module: the module.
      name: its name, for messages.
      fails: what is wrong with images of a shape; None if the module takes them.

    Returns:
      (*size, channels), with None for each size if it takes any.

    Raises:
      ValueError: if it has no convolution, or takes none of the usual sizes.
    """
    first = next((part for part in module.modules() if type(part) in _CONVOLUTIONS), None)
    if first is None:
        raise ValueError(
            f"model: {name!r} does not say what images it takes, since it has no convolution. Say it: image_shape=(height, width, "
            "channels)."
        )
    dimensions, channels = _CONVOLUTIONS[type(first)], first.in_channels
    if not any(fails((side,) * dimensions + (channels,)) for side in FREE_SIDES[dimensions]):
        return (None,) * dimensions + (channels,)
    for side in FIXED_SIDES[dimensions]:
        shape = (side,) * dimensions + (channels,)
        reason = fails(shape)
        if reason is None:
            return shape
    raise ValueError(
        f"model: {name!r} takes images of none of the usual sizes; of {show(shape)}: {reason}. Say what images it takes: "
        "image_shape=(height, width, channels)."
    )
