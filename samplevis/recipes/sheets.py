"""Contact sheets: the channels of a layer in one figure."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np

from samplevis import export, objectives
from samplevis.export.grid_mixin import ColumnsGridMixin
from samplevis.network import Network, as_network
from samplevis.objectives import Objective
from samplevis.recipes.settings import check_settings
from samplevis.runs.sweeping import sweep
from samplevis.runtime.checks import keywords


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Sheet(ColumnsGridMixin):
    """The result of `channel_sheet`: one optimised image per channel, or two.

    Attributes:
      layer: the layer's name.
      images: float32 [n, H, W, C] in [0, 1]. With both signs, the image of the maximum comes before that of the minimum.
      channels: int [n], the channel of each image.
      signs: int [n], +1 where the unit was maximised and -1 where it was minimised.
      activation: float32 [n], of the unit in the last step, under that step's transforms.

    Example:
      >>> sheet = recipes.channel_sheet(model, "fire5", [7, 20], negative=True)
      >>> sheet.labels
      ['+7', '-7', '+20', '-20']
    """

    layer: str
    images: np.ndarray
    channels: np.ndarray
    signs: np.ndarray
    activation: np.ndarray

    @property
    def labels(self) -> list[str]:
        """Label of each image: the channel, with its sign if there are both."""
        both = (self.signs < 0).any()
        marks = ["" if not both else "+" if sign > 0 else "-" for sign in self.signs]
        return [f"{mark}{channel}" for mark, channel in zip(marks, self.channels, strict=True)]

    def __len__(self) -> int:
        return len(self.images)

    def __repr__(self) -> str:
        return f"<Sheet of {self.layer}: {len(self)} images of {len(set(self.channels.tolist()))} channels>"

    def grid(self, columns: int | None = None, scale: int = 1) -> np.ndarray:
        """The images with their labels.

        Args:
          columns: images per row, >= 1. Defaults to about as many as there are rows, an even number if there are both signs.
          scale: whole-number enlargement, >= 1. Defaults to 1.

        Returns:
          uint8 [height, width, 3].
        """
        if columns is None:
            columns = int(np.ceil(np.sqrt(len(self))))
            columns += columns % 2 if (self.signs < 0).any() else 0
        return export.grid(self.images, columns, scale=scale, labels=self.labels, title=self.layer)


def channel_sheet(
    model: Network | keras.Model,
    layer: str,
    channels: Sequence[int] | None = None,
    *,
    negative: bool = False,
    **settings: Any,
) -> Sheet:
    """Optimises one image for each channel of a layer, averaged over all positions.

    This is a `samplevis.sweep` with labels: all images have the same seed, and Ctrl-C ends the run and keeps the images so far.

    Args:
      model: a `Network` or a Keras model.
      layer: a layer's name.
      channels: their numbers, at least one. Defaults to all of the layer.
      negative: whether to minimise each channel, too. A rectified layer has nothing below 0: use the values
        before the rectifier, such as "fire5_pre_relu". Defaults to False.
      **settings: other arguments of `samplevis.sweep`: `param`, `transforms`, `steps`, `batch_size`, `folder`, `seed` ...

    Returns:
      A `Sheet`.

    Raises:
      ValueError, TypeError: if an argument is out of range, before any work.

    Example:
      >>> sheet = recipes.channel_sheet(model, "fire5", range(16), param=param.fourier(64), steps=128)
      >>> sheet.save_grid("fire5.png")

    Source: lucid/recipes/feature_visualization.py, lucid's notebook feature-visualization/negative_neurons.
    """
    return _sheet(model, layer, channels, objectives.channel, (), negative, settings)


def neuron_sheet(
    model: Network | keras.Model,
    layer: str,
    channels: Sequence[int] | None = None,
    x: int | None = None,
    y: int | None = None,
    *,
    negative: bool = False,
    **settings: Any,
) -> Sheet:
    """Optimises one image for one neuron of each channel of a layer.

    Args:
      model, layer, channels, negative, **settings: as in `channel_sheet`.
      x: row of the neurons. Defaults to the middle, H // 2.
      y: column of the neurons. Defaults to the middle, W // 2.

    Returns:
      A `Sheet`.

    Raises:
      ValueError, TypeError: if an argument is out of range, before any work.

    Example:
      >>> recipes.neuron_sheet(model, "fire5", range(16), x=3, y=3).save_grid("neurons.png")
    """
    return _sheet(model, layer, channels, objectives.neuron, (x, y), negative, settings)


def _sheet(
    model: Network | keras.Model,
    layer: str,
    channels: Sequence[int] | None,
    unit: Callable[..., Objective],
    position: tuple[int | None, ...],
    negative: bool,
    settings: dict[str, Any],
) -> Sheet:
    check_settings(settings, "channels", "negative", passed_on=keywords(sweep))
    network = as_network(model)
    # Checks the layer too.
    count = network.layer_shape(layer)[-1]
    numbers = np.asarray(range(count) if channels is None else channels)
    if numbers.ndim != 1 or not len(numbers):
        raise ValueError(f"channels: expected a sequence of at least one number. Received: {channels!r}")
    signs = np.tile([1, -1] if negative else [1], len(numbers))
    numbers = np.repeat(numbers, len(signs) // len(numbers))
    units = [float(sign) * unit(layer, n, *position) for n, sign in zip(numbers, signs, strict=True)]
    found = sweep(network, units, **settings)
    numbers, signs = numbers[found.indices], signs[found.indices]
    return Sheet(layer, found.images, numbers, signs, found.scores * signs)
