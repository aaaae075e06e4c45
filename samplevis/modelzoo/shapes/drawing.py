"""Draws pictures of known concepts: a shape or texture in random colour, pose and size on a 1/f background."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from samplevis.modelzoo.shapes.labels import CONCEPTS

NOTHING = len(CONCEPTS)
TEXTURES = frozenset({"stripes", "checkerboard", "dots"})
SIZE = 64
# Ranges of the means and the contrast of a background; how far the colour of a figure is from it, and how many are tried; the
# share of the background's noise in a figure; ranges of the change of contrast and of the white noise that degrade the picture.
MEANS, CONTRASTS, FAR, NUM_TRIES, GRAIN = (0.15, 0.85), (0.01, 0.13), 0.45, 16, 0.3
DEGRADED_CONTRASTS, GRAINS = (0.5, 1.1), (0.0, 0.08)


def draw(count: int, seed: int, size: int = SIZE) -> tuple[np.ndarray, np.ndarray]:
    """Draws pictures of known concepts.

    Args:
      count: number of pictures, >= 1.
      seed: int >= 0; equal seeds give equal pictures.
      size: side in pixels, >= 16. Defaults to 64.

    Returns:
      (images float32 [count, size, size, 3] in [0, 1], concepts int [count]: an index into `CONCEPTS`, or, for about one in
      thirteen, `len(CONCEPTS)`: a background alone).

    Example:
      >>> pictures, concepts = modelzoo.shapes.draw(4, seed=0)
      >>> pictures.shape, concepts.shape
      ((4, 64, 64, 3), (4,))
    """
    rng = np.random.default_rng(seed)
    concepts = rng.integers(0, len(CONCEPTS) + 1, count)
    background = _background(rng, count, size)
    masks = _figures(rng, concepts, size)
    color = background.mean((1, 2), keepdims=True)
    # The same noise as in the background, from elsewhere and weaker: a shape is not perfectly flat.
    grain = GRAIN * (np.roll(background, size // 2, (1, 2)) - color)
    foreground = _contrasting(rng, color[:, 0, 0])[:, None, None] + grain
    images = background + masks[..., None] * (foreground - background)
    return np.clip(_degrade(rng, images), 0, 1).astype(np.float32), concepts


def figures(count: int, seed: int, size: int = SIZE, edge: float = 1.0) -> np.ndarray:
    """Draws the figures of pictures alone: the share of each pixel that a concept covers.

    Args:
      count: number of figures, >= 1; about one in thirteen is empty.
      seed: int >= 0; equal seeds give equal figures.
      size: side in pixels, >= 16. Defaults to 64.
      edge: pixels over which edges are soft, > 0. Defaults to 1.

    Returns:
      float32 [count, size, size] in [0, 1].

    Example:
      >>> figures(2, seed=0, size=32).shape
      (2, 32, 32)
    """
    rng = np.random.default_rng(seed)
    return _figures(rng, rng.integers(0, len(CONCEPTS) + 1, count), size, edge)


def mask(name: str, u: np.ndarray, v: np.ndarray, pixel: np.ndarray) -> np.ndarray:
    """The share of each pixel that a concept covers.

    Args:
      name: one of `CONCEPTS`.
      u: coordinates to the right, [n, H, W], where the shape has radius 1.
      v: coordinates upwards, [n, H, W].
      pixel: size of a pixel in these coordinates, broadcasts against `u`.

    Returns:
      float32 [n, H, W] in [0, 1], with edges that are soft over one pixel.
    """
    return np.clip(_INSIDE[name](u, v) / pixel + 0.5, 0, 1).astype(np.float32)


def _figures(rng: np.random.Generator, concepts: np.ndarray, size: int, edge: float = 1.0) -> np.ndarray:
    """Masks of concepts in random poses, [count, size, size]."""
    masks = np.zeros((len(concepts), size, size), np.float32)
    for index, name in enumerate(CONCEPTS):
        chosen = np.flatnonzero(concepts == index)
        if len(chosen):
            u, v, pixel = _pose(rng, name, len(chosen), size)
            masks[chosen] = mask(name, u, v, edge * pixel)
    return masks


def _star(u: np.ndarray, v: np.ndarray, points: int = 5, inner: float = 0.42) -> np.ndarray:
    sector = 2 * np.pi / points
    angle = np.abs((np.arctan2(u, v) + sector / 2) % sector - sector / 2)
    x, y = np.hypot(u, v) * np.cos(angle), np.hypot(u, v) * np.sin(angle)
    tip, notch = np.array([1.0, 0.0]), inner * np.array([np.cos(sector / 2), np.sin(sector / 2)])
    edge = notch - tip
    return -((x - tip[0]) * edge[1] - (y - tip[1]) * edge[0]) / np.hypot(*edge)


def _triangle(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    angles = np.deg2rad([-90, 30, 150])
    return 0.5 - np.max([np.cos(a) * u + np.sin(a) * v for a in angles], axis=0)


def _heart(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    x = np.abs(u)
    return 0.8 * (1 - np.hypot(1.05 * x, 1.2 * v + 0.2 - 0.75 * np.sqrt(x + 1e-6)))


def _spiral(u: np.ndarray, v: np.ndarray, turns: float = 2.2) -> np.ndarray:
    r = np.hypot(u, v)
    wave = np.cos(np.arctan2(v, u) - 2 * np.pi * turns * r)
    return np.minimum(1 - r, wave / (2 * np.pi * turns))


def _periodic(pattern: Callable) -> Callable:
    """A texture in a window of radius 1 with round corners."""
    return lambda u, v: np.minimum(1 - (u**6 + v**6) ** (1 / 6), pattern(u, v))


_INSIDE: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "circle": lambda u, v: 0.9 - np.hypot(u, v),
    "ring": lambda u, v: 0.18 - np.abs(np.hypot(u, v) - 0.8),
    "square": lambda u, v: 0.75 - np.maximum(np.abs(u), np.abs(v)),
    "triangle": _triangle,
    "star": _star,
    "cross": lambda u, v: np.maximum(
        np.minimum(0.26 - np.abs(u), 0.95 - np.abs(v)), np.minimum(0.26 - np.abs(v), 0.95 - np.abs(u))
    ),
    "heart": _heart,
    "crescent": lambda u, v: np.minimum(0.95 - np.hypot(u, v), np.hypot(u - 0.45, v) - 0.75),
    "spiral": _spiral,
    "stripes": _periodic(lambda u, v: np.cos(2 * np.pi * 2.5 * u) / (2 * np.pi * 2.5)),
    "checkerboard": _periodic(
        lambda u, v: np.sin(np.pi * 2.5 * (u + 0.2)) * np.sin(np.pi * 2.5 * (v + 0.2)) / (np.pi * 2.5)
    ),
    "dots": _periodic(lambda u, v: 0.13 - np.hypot(_fold(u, 0.45), _fold(v, 0.45))),
}


def _fold(x: np.ndarray, period: float) -> np.ndarray:
    return (x + period / 2) % period - period / 2


def _pose(rng: np.random.Generator, name: str, count: int, size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Coordinates [count, size, size] with random place, size, tilt and handedness, and the size of a pixel in them."""
    texture = name in TEXTURES
    # Radius and centre as fractions of the frame. A texture may fill it.
    radius = rng.uniform(0.4, 0.8, count) if texture else rng.uniform(0.22, 0.45, count)
    room = np.maximum(0.5 - 0.85 * radius, 0.03)
    center = 0.5 + rng.uniform(-1, 1, (2, count)) * room
    tilt = np.deg2rad(rng.uniform(-45, 45, count) if texture else rng.uniform(-25, 25, count))
    hand = rng.choice([-1.0, 1.0], count)
    shape = (count, 1, 1)
    grid = (np.arange(size) + 0.5) / size
    x = (grid[None, None, :] - center[0].reshape(shape)) / radius.reshape(shape)
    y = (center[1].reshape(shape) - grid[None, :, None]) / radius.reshape(shape)
    cos, sin = np.cos(tilt).reshape(shape), np.sin(tilt).reshape(shape)
    return (cos * x - sin * y) * hand.reshape(shape), sin * x + cos * y, 1 / (size * radius.reshape(shape))


def _background(rng: np.random.Generator, count: int, size: int) -> np.ndarray:
    """1/f noise of random colour and contrast around a random colour, [count, size, size, 3]."""
    waves = np.fft.rfft2(rng.standard_normal((count, 3, size, size), np.float32)) / frequencies(size)
    noise = np.fft.irfft2(waves, s=(size, size))
    noise = noise.transpose(0, 2, 3, 1).astype(np.float32)
    noise -= noise.mean((1, 2), keepdims=True)
    noise /= noise.std((1, 2), keepdims=True)
    grey = rng.uniform(0, 1, (count, 1, 1, 1)).astype(np.float32)
    noise = grey * noise[..., :1] + (1 - grey) * noise
    mean = rng.uniform(*MEANS, (count, 1, 1, 3)).astype(np.float32)
    return mean + rng.uniform(*CONTRASTS, (count, 1, 1, 1)).astype(np.float32) * noise


def frequencies(size: int) -> np.ndarray:
    """Frequencies of waves in cycles per pixel, [size, size // 2 + 1]; that of the mean is the lowest other one."""
    return np.maximum(np.hypot(np.fft.fftfreq(size)[:, None], np.fft.rfftfreq(size)), 1 / size)


def _contrasting(rng: np.random.Generator, colors: np.ndarray) -> np.ndarray:
    """Random colours [n, 3], each at least `FAR` away from one of `colors`."""
    tries = rng.uniform(0, 1, (NUM_TRIES, *colors.shape)).astype(np.float32)
    far = np.linalg.norm(tries - colors, axis=-1) >= FAR
    # The first that is far enough; the last one if none is.
    first = np.where(far.any(0), far.argmax(0), len(tries) - 1)
    return tries[first, np.arange(len(colors))]


def _degrade(rng: np.random.Generator, images: np.ndarray) -> np.ndarray:
    """Random contrast and white noise."""
    shape = (len(images), 1, 1, 1)
    mean = images.mean((1, 2, 3), keepdims=True)
    images = mean + rng.uniform(*DEGRADED_CONTRASTS, shape) * (images - mean)
    return images + rng.uniform(*GRAINS, shape) * rng.standard_normal(images.shape, np.float32)
