"""Semantic dictionaries: the strongest channels at a position of a layer, each with its feature visualisation."""

from __future__ import annotations

import dataclasses
import os

import keras
import numpy as np
from PIL import Image, ImageDraw, ImageOps

from samplevis.export.bands import false_colors
from samplevis.export.data_url import png_url
from samplevis.export.grid import grid
from samplevis.export.pixels import to_uint8
from samplevis.network import Network, as_network
from samplevis.recipes.directions import IconRenderer
from samplevis.recipes.picture import activations_by_position, picture_size
from samplevis.runtime import files
from samplevis.runtime.checks import check_whole
from samplevis.runtime.plain_text import as_html
from samplevis.transform.base import TransformLike

MARK = (255, 0, 0)
# Pixels of a side of an icon, if the network takes any.
DEFAULT_SIZE = 96


@dataclasses.dataclass(frozen=True, eq=False)
class SemanticDictionary:
    """The result of `semantic_dictionary`.

    Attributes:
      image: float32 [H, W, C] in [0, 1], the image.
      layer: the layer.
      position: (row, column) in the layer.
      positions: (rows, columns) of the layer.
      channels: int [n], the strongest channels, strongest first.
      activations: float32 [n], the activations of these channels at the position.
      icons: float32 [n, height, width, C] in [0, 1], the icons of these channels.

    Example:
      >>> found = recipes.semantic_dictionary(model, "fire9", photograph, n_channels=3)
      >>> export.save_png(found.picture(), "position.png")
    """

    image: np.ndarray
    layer: str
    position: tuple[int, int]
    positions: tuple[int, int]
    channels: np.ndarray
    activations: np.ndarray
    icons: np.ndarray

    @property
    def title(self) -> str:
        """Layer and position, in one line."""
        return f"{self.layer}, row {self.position[0]}, column {self.position[1]}"

    @property
    def labels(self) -> list[str]:
        """Number and activation of each channel."""
        pairs = zip(self.channels, self.activations, strict=True)
        return [f"{channel}: {activation:.4g}" for channel, activation in pairs]

    def marked_image(self) -> np.ndarray:
        """Marks the position with a frame in the image.

        Returns:
          uint8 [H, W, 3].
        """
        canvas = Image.fromarray(to_uint8(false_colors(self.image)))
        (row, column), (rows, columns) = self.position, self.positions
        step_x, step_y = canvas.width / columns, canvas.height / rows
        box = column * step_x, row * step_y, (column + 1) * step_x - 1, (row + 1) * step_y - 1
        # Thick enough to stay visible when the image is shrunk.
        thickness = max(round(min(canvas.size) / 60), 1)
        ImageDraw.Draw(canvas).rectangle([round(edge) for edge in box], outline=MARK, width=thickness)
        return np.asarray(canvas)

    def picture(self, scale: int = 1) -> np.ndarray:
        """Lays the image and the icons side by side, with labels.

        Args:
          scale: whole-number enlargement, >= 1. Defaults to 1.

        Returns:
          uint8 [height, width, 3].
        """
        icons = to_uint8(false_colors(self.icons))
        first = ImageOps.pad(Image.fromarray(self.marked_image()), icons.shape[2:0:-1], color="white")
        row = np.concatenate([np.asarray(first)[None], icons])[None]
        return grid(row, column_labels=["image", *self.labels], title=self.title, scale=scale)

    def save_html(self, path: str | os.PathLike) -> None:
        """Writes a self-contained HTML page with a bar for each activation atomically.

        Args:
          path: file to write, .html.

        Raises:
          ValueError: if the path ends in something else.
          OSError: if the file cannot be written.

        Example:
          >>> found.save_html("position.html")
        """
        files.check_suffix(path, (".html", ".htm"))
        largest = max(float(np.abs(self.activations).max()), 1e-12)
        rows = "\n".join(
            f'<tr><td><img src="{png_url(icon)}" alt="channel {channel}"></td><td>channel {channel}</td>'
            f'<td><meter max="{largest:.6g}" value="{max(float(activation), 0):.6g}"></meter> {activation:.4g}</td></tr>'
            for icon, channel, activation in zip(
                to_uint8(false_colors(self.icons)), self.channels, self.activations, strict=True
            )
        )
        title = as_html(self.title)
        page = (
            f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title>\n'
            "<style>body{font-family:sans-serif}td{padding:4px 12px 4px 0}meter{width:12em}</style></head>\n"
            f'<body><h1>{title}</h1>\n<p><img src="{png_url(self.marked_image())}" alt="image"></p>\n'
            f"<table>\n{rows}\n</table></body></html>\n"
        )
        with files.atomic_path(path) as temporary, open(temporary, "w", encoding="utf-8") as file:
            file.write(page)


def semantic_dictionary(
    model: Network | keras.Model,
    layer: str,
    image: np.ndarray,
    position: tuple[int, int] | None = None,
    *,
    n_channels: int = 6,
    size: int | tuple[int, int] | None = None,
    transforms: TransformLike = "standard",
    steps: int = 128,
    batch_size: int = 32,
    seed: int = 0,
    progress: bool = True,
) -> SemanticDictionary:
    """Visualises the strongest channels at one position of a layer.

    Args:
      model: a `Network` or a Keras model.
      layer: a name from `Network.layers`, with rows and columns.
      image: array [H, W, C] in [0, 1].
      position: (row, column) in the layer, from 0. Defaults to the one with the largest norm.
      n_channels: number of channels to show, >= 1. Defaults to 6.
      size: pixels of each icon, one int for a square or (height, width), each side >= 4. Defaults to the network's own size, and
        to 96 where it takes any.
      transforms: distortions, new ones in every step. Defaults to "standard", Lucid's set; None for none.
      steps: number of updates, >= 1. Defaults to 128.
      batch_size: icons to optimise at a time, >= 1. Defaults to 32.
      seed: int from 0 to 2**31 - 1.
      progress: whether to show a progress bar.

    Returns:
      A `SemanticDictionary`.

    Raises:
      ValueError: for an unknown layer or one without positions, a position or number of channels that it does not have, or
        an image that the network does not take.

    Source: the SemanticDictionary notebook of Lucid's Building Blocks.

    Example:
      >>> semantic_dictionary(model, "fire9", photo, (6, 4)).save_html("position.html")
    """
    network = as_network(model)
    check_whole("n_channels", n_channels, 1)
    sides = picture_size(network, "size", size, DEFAULT_SIZE)
    activations = activations_by_position(network, layer, image)
    rows, columns, channels = activations.shape
    if n_channels > channels:
        raise ValueError(f"n_channels: {layer!r} has {channels} channels. Received: {n_channels!r}")
    if position is None:
        position = np.unravel_index(np.linalg.norm(activations, axis=-1).argmax(), (rows, columns))
    row, column = (int(index) for index in position)
    if not (0 <= row < rows and 0 <= column < columns):
        raise ValueError(
            f"position: expected (row, column) below ({rows}, {columns}), from 0. Received: {tuple(position)!r}"
        )
    here = activations[row, column]
    strongest = np.argsort(-here, kind="stable")[:n_channels]
    renderer = IconRenderer(network, layer, sides, transforms, steps, batch_size, seed, progress)
    icons = renderer.render(np.eye(channels, dtype=np.float32)[strongest])
    shown = np.asarray(image, np.float32)
    return SemanticDictionary(shown, layer, (row, column), (rows, columns), strongest, here[strongest], icons)
