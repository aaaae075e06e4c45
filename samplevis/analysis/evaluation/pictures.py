"""The pictures to evaluate, from any tool: arrays, samples, or a folder; and the pictures that stand beside them as a control."""

from __future__ import annotations

import os
from itertools import islice
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from samplevis.analysis import image_stream
from samplevis.network import Network
from samplevis.results.optimized import Optimized
from samplevis.results.samples import Samples

# The share of real pictures that are a unit's best, and the fewest of these.
BEST_SHARE, MIN_BEST = 0.05, 8


class Pictures(NamedTuple):
    """Pictures of one size.

    Attributes:
      images: float32 [N, *image_shape] in [0, 1].
      groups: int [N]; pictures of one group, such as the draws of a chain, are not independent.
    """

    images: np.ndarray
    groups: np.ndarray


def read_evaluated(network: Network, images: Any, image_size: tuple[int, int] | None = None) -> Pictures:
    """Reads the pictures that are evaluated.

    Args:
      network: the network.
      images: `Samples`, `Optimized`, an array [N, H, W, C] in [0, 1], or what `collect` takes, such as a folder.
      image_size: (height, width) of files. Defaults to the network's own, or that of the files.

    Returns:
      `Pictures`.

    Raises:
      ValueError, TypeError: if there are fewer than two, or they do not fit the network.
      OSError: if a folder or a file cannot be read.
    """
    if isinstance(images, Samples):
        found = np.reshape(images.images, (-1, *images.images.shape[2:]))
        chains = np.arange(images.images.shape[0])[:, None]
        groups = images.stats.get("ancestor", np.broadcast_to(chains, images.images.shape[:2]))
        return _checked(network, "images", Pictures(np.asarray(found, np.float32), np.reshape(groups, -1)))
    images = images.images if isinstance(images, Optimized) else images
    found = _read(network, "images", images, image_size, None)
    return _checked(network, "images", Pictures(found, np.arange(len(found))))


def read_examples(network: Network, examples: Any, image_size: tuple[int, ...], most: int) -> np.ndarray:
    """Reads real pictures, and brings them to the size of those that are evaluated.

    Args:
      network: the network.
      examples: as `collect` takes them.
      image_size: of the result, one number for each side.
      most: how many to read.

    Returns:
      float32 [M, *image_size, channels] in [0, 1].

    Raises:
      ValueError, TypeError: if they do not fit the network.
      OSError: if a folder or a file cannot be read.
    """
    first = examples[0] if isinstance(examples, (list, tuple)) and examples else examples
    are_files = isinstance(first, (str, os.PathLike))
    found = _read(network, "examples", examples, image_size if are_files else None, most)
    return _checked(network, "examples", Pictures(resized(found, image_size), np.arange(len(found)))).images


def best_examples(count: int) -> int:
    """How many of so many real pictures are a unit's best: the best twentieth, an even number, at least 8."""
    return max(2 * (int(BEST_SHARE * count) // 2), MIN_BEST)


def without_copies(examples: np.ndarray, images: np.ndarray) -> np.ndarray:
    """The examples that are neither among the pictures nor come twice: nothing is compared with itself.

    Args:
      examples: [M, *image_shape].
      images: the pictures, [N, *image_shape].

    Returns:
      The others, in their order.
    """
    numbers = {image.tobytes(): number for number, image in reversed(list(enumerate(examples)))}
    shown = {image.tobytes() for image in images}
    return examples[sorted(number for image, number in numbers.items() if image not in shown)]


def resized(images: np.ndarray, image_size: tuple[int, ...]) -> np.ndarray:
    """Images [N, H, W, C] of another size, without aliasing; others than pictures must have the size."""
    if images.shape[1:-1] == tuple(image_size):
        return images
    if images.ndim != 4:
        raise ValueError(f"examples: expected size {tuple(image_size)}. Received: {images.shape[1:-1]}")
    return np.clip(tf.image.resize(images, image_size, antialias=True).numpy(), 0, 1)


def random_phases(images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Images with the phases of white noise: their colours and spectra without their shapes.

    Args:
      images: [N, *size, C] in [0, 1].
      rng: draws the noise, the same for all channels of an image, which keeps its hues.

    Returns:
      float32 of the same shape, cut off at 0 and 1.

    Example:
      >>> random_phases(np.full((1, 8, 8, 3), 0.5), np.random.default_rng(0)).round(3).max()
      0.5
    """
    axes = tuple(range(1, images.ndim - 1))
    noise = np.fft.fftn(rng.standard_normal((*images.shape[:-1], 1)), axes=axes)
    # The mean colour stays.
    noise[(slice(None), *[0] * len(axes))] = 1
    spectrum = np.fft.fftn(images, axes=axes) * np.exp(1j * np.angle(noise))
    return np.clip(np.fft.ifftn(spectrum, axes=axes).real, 0, 1).astype(np.float32)


def _read(network: Network, name: str, images: Any, size: tuple[int, ...] | None, most: int | None) -> np.ndarray:
    if isinstance(images, (str, os.PathLike)) and not os.path.isdir(images):
        raise NotADirectoryError(f"{name}: expected a folder. Received: {os.fspath(images)!r}")
    found = [image for image, _ in islice(image_stream.stream(network, images, size), most)]
    if len(shapes := {np.shape(image) for image in found}) > 1:
        raise ValueError(f"{name}: expected images of one size; give image_size for files. Received: {sorted(shapes)}")
    if len(found) < 2:
        raise ValueError(f"{name}: expected at least 2. Received: {len(found)}")
    return np.stack(found).astype(np.float32)


def _checked(network: Network, name: str, pictures: Pictures) -> Pictures:
    images = pictures.images
    if len(images) < 2:
        raise ValueError(f"{name}: expected at least 2. Received: {len(images)}")
    if not np.isfinite(images).all() or images.min() < 0 or images.max() > 1:
        raise ValueError(f"{name}: expected finite values from 0 to 1. Received: {images.min():g} to {images.max():g}")
    # Checks the shape, and computes nothing.
    network.activations(images[:1], ())
    return pictures
