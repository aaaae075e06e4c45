"""Synthetic pictures that a network is probed with. Source: lucid/misc/stimuli.py."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

Energy = Callable[[np.ndarray, np.ndarray], np.ndarray]
Color = Sequence[float]
# Points on a circle that decide whether a pixel is on the boundary.
DIRECTIONS = 16


def sample_binary_image(
    size: int,
    alias_factor: int = 10,
    color_a: Color = (1, 1, 1),
    color_b: Color = (0, 0, 0),
    boundary_line: bool = False,
    boundary_width: float = 1,
    blur_beyond_radius: float | None = None,
    fade_beyond_radius: float | None = None,
    fade_over_distance: float = 10,
    fade_color: Color = (0.5, 0.5, 0.5),
) -> Callable[[Energy], np.ndarray]:
    """Draws a region that an implicit function describes, without jagged edges; also a decorator.

    Args:
      size: pixels of both sides.
      alias_factor: random samples of each pixel. Defaults to 10.
      color_a: colour of the outside. Defaults to white.
      color_b: colour of the inside, or of the boundary. Defaults to black.
      boundary_line: whether to draw the boundary in place of the inside. Defaults to False.
      boundary_width: half the width of the boundary in pixels. Defaults to 1.
      blur_beyond_radius: distance from the centre in pixels beyond which the picture is blurred. Defaults to none.
      fade_beyond_radius: distance beyond which it fades. Defaults to none.
      fade_over_distance: pixels until it has faded. Defaults to 10.
      fade_color: what it fades to. Defaults to grey.

    Returns:
      A function from an implicit function of (x, y), negative inside, to a picture [size, size, 3] in [0, 1]. x and y are arrays
      that broadcast, in pixels from the centre; y points down.

    Example:
      >>> circle = sample_binary_image(32)(lambda x, y: x**2 + y**2 - 100)
      >>> circle.shape, circle[16, 16].tolist()
      ((32, 32, 3), [0.0, 0.0, 0.0])
    """
    outside, inside, faded = (np.reshape(color, (1, 1, 3)) for color in (color_a, color_b, fade_color))
    place = np.arange(size) - size // 2
    x, y = place[None, :], place[:, None]
    offsets = [tuple(np.random.uniform(-0.5, 0.5, size=2)) for _ in range(alias_factor)]
    angles = 2 * np.pi * np.arange(DIRECTIONS) / DIRECTIONS
    circle = boundary_width * np.stack([np.cos(angles), np.sin(angles)], 1)
    radius = np.sqrt(x**2 + y**2)
    spread = 1 + (0 if blur_beyond_radius is None else np.maximum(0, radius - blur_beyond_radius))
    fade: Any = 0
    if fade_beyond_radius is not None:
        fade = np.clip((radius - fade_beyond_radius) / fade_over_distance, 0, 1)[..., None]

    def draw(energy: Energy) -> np.ndarray:
        def is_outside(right: float, down: float) -> np.ndarray:
            return (energy(x + spread * right, y + spread * down) >= 0).astype(np.float32)

        def is_off_boundary(right: float, down: float) -> np.ndarray:
            around = np.mean([is_outside(right + dx, down + dy) for dx, dy in circle], axis=0)
            return (np.abs(around - 0.5) * 2 >= 0.99).astype(np.float32)

        sample = is_off_boundary if boundary_line else is_outside
        share = np.mean([sample(*offset) for offset in offsets], axis=0)[..., None]
        picture = share * outside + (1 - share) * inside
        return (1 - fade) * picture + fade * faded

    return draw


def rmin(X: np.ndarray, Y: np.ndarray, r: float) -> np.ndarray:  # noqa: N803 - Lucid's names.
    """The minimum of two arrays, rounded where they differ by at most r: a quarter of a circle of radius r in the corner.

    Args:
      X, Y: arrays.
      r: the radius, >= 0.

    Returns:
      Array.

    Example:
      >>> float(rmin(np.array(3.0), np.array(5.0), 0.0))
      3.0
    """
    angle = np.arcsin(np.clip((X - Y) / max(r, 1e-6) / np.sqrt(2), -1, 1))
    rounded = Y + r * np.sin(np.pi / 4 + angle) - r
    return np.where(np.abs(X - Y) <= r, rounded, np.minimum(X, Y))


def rounded_corner(orientation: float, r: float, angular_width: float = 90, size: int = 224, **kwds: Any) -> np.ndarray:
    """Draws a corner with a rounded tip.

    Args:
      orientation: where it points, in degrees.
      r: radius of the tip in pixels.
      angular_width: angle of the corner in degrees. Defaults to 90.
      size: pixels of both sides. Defaults to 224.
      **kwds: other arguments of `sample_binary_image`.

    Returns:
      [size, size, 3] in [0, 1].

    Example:
      >>> rounded_corner(0, 10, size=48).shape
      (48, 48, 3)
    """
    middle, half = np.radians(orientation) + np.pi / 2, np.radians(angular_width) / 2
    first, second = middle - half, middle + half + np.pi
    shift = r * (1 - 1 / np.sqrt(2))

    def energy(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        sides = [np.cos(angle) * x + np.sin(angle) * y + shift for angle in (first, second)]
        return 10 * rmin(sides[0], sides[1], r)

    return sample_binary_image(size, **kwds)(energy)
