"""Deep dream: gradient ascent on the pixels of a picture, octave by octave."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from samplevis import objectives, param, transform
from samplevis.activation import Activation, make_activation
from samplevis.network import Network, as_network
from samplevis.objectives import Objective
from samplevis.recipes.laplacian import normalize_bands
from samplevis.recipes.picture import check_picture, check_pictures, picture_size, resize
from samplevis.recipes.tiles import tiled_gradient
from samplevis.runtime import seeds
from samplevis.runtime.checks import check_number, check_whole
from samplevis.runtime.progress import Progress

# Without a picture, a dream starts from grey with white noise of this standard deviation.
NOISE = 0.05
# Largest side of a tile, in pixels, if the network takes images of any size.
DEFAULT_TILE = 512
# Bands of the gradient, if the smallest octave has as many.
DEFAULT_LEVELS = 3
# Sides of the octaves without a picture, if the network takes any size.
DEFAULT_OCTAVES = (299, 340, 380)

# As in the DeepDream notebook: octaves of a picture, and the factor between them.
OCTAVES, SCALE = 4, 1.4
# The smallest octave.
MIN_SIDE = 4

Size = int | tuple[int, int]
Schedule = float | tuple[float, float] | Sequence[tuple[float, float]]


@dataclasses.dataclass(frozen=True, eq=False)
class Dream:
    """The result of `deep_dream`.

    Attributes:
      image: float32 [H, W, C] in [0, 1], in the size of the last octave.
      octaves: the image at the end of every octave, the last one the same as `image`.
      history: float32 [octaves * steps], the score (mean over tiles) before each update; shorter after Ctrl-C.

    Example:
      >>> dream = recipes.deep_dream(model, "fire6", photograph)
      >>> export.save_png(dream.image, "dream.png")
    """

    image: np.ndarray
    octaves: tuple[np.ndarray, ...]
    history: np.ndarray


def deep_dream(
    model: Network | keras.Model,
    obj: Objective | str | Callable,
    image: np.ndarray | None = None,
    *,
    octaves: Sequence[Size] | None = None,
    steps: int = 10,
    learning_rate: Schedule = 0.01,
    blur_sigma: Schedule = 0.0,
    laplacian_levels: int | None = None,
    tile: Size | None = None,
    seed: int = 0,
    progress: bool = True,
) -> Dream:
    """Paints what a network sees into a picture.

    The picture is optimised at the size of each octave, from small to large. What has changed is carried over to the next
    octave, where the finer detail of the picture comes back. A step moves the pixels along the gradient, scaled to a root
    mean square of 1, then blurs and clips to [0, 1].

    The network sees one tile at a time, so that memory is bounded by the size of the tile and not of the picture. A step is
    compiled once for each shape of tile. Ctrl-C ends the run and keeps the picture so far, resized to the last octave.

    Args:
      model: a `Network` or a Keras model.
      obj: an objective; a layer's name, which means `objectives.deepdream(layer)`; a string "layer:channel"; or a function of
        the layer accessor `T`. It is maximised on each tile separately: a neuron in the middle is that of each tile.
      image: picture [H, W, C] in [0, 1] to start from. Defaults to faint noise of the first octave's size.
      octaves: sizes in pixels, in order, each one int for a square or (height, width), each side >= 4, and at least the network's
        own size if that is fixed. Defaults to `octave_sizes` of the picture; without one to 299, 340 and 380, or in these
        proportions from the network's own size.
      steps: number of updates in each octave, >= 1. Defaults to 10.
      learning_rate: root mean square change of a pixel in an update, > 0: a number; (first, last), which goes linearly from one
        to the other within each octave; or such a pair for each octave. Defaults to 0.01.
      blur_sigma: standard deviation in pixels of the Gaussian blur after each update, >= 0, given like `learning_rate`.
        Defaults to 0, none. A blur cut off at 3 pixels, as in some scripts, spreads less than its sigma says: sigma 2.4
        makes 0.80, 0.8 makes 0.69, 0.4 makes 0.28.
      laplacian_levels: number of fine bands of the gradient that are normalised separately, beside the coarse rest, >= 0.
        Defaults to 3, or to as many as the smallest octave has.
      tile: largest tile, one int or (height, width), each side >= 4. Defaults to the network's own size, and to 512 where it takes
        any.
      seed: int from 0 to 2**31 - 1.
      progress: whether to show a progress bar.

    Returns:
      A `Dream`.

    Raises:
      ValueError, TypeError: if an argument is out of range, before any work.
      FloatingPointError: if the score or its gradient stops being finite; the step is named.

    Source: the DeepDream notebook (Mordvintsev, Olah and Tyka 2015) for tiles, octaves and bands.

    Example:
      >>> photograph = imageio.imread("photograph.jpg") / 255.0
      >>> dream = recipes.deep_dream(model, "fire6", photograph, octaves=recipes.octave_sizes(256))
      >>> export.save_png(dream.image, "dream.png")

      One channel, from noise, with three octaves that grow finer and finer:

      >>> recipes.deep_dream(model, "fire8:10", octaves=(299, 340, 380), steps=100, learning_rate=[(0.04, 0.03), (0.03, 0.02),
      ...     (0.02, 0.01)], blur_sigma=[(0.80, 0.69), (0.78, 0.28), (0.75, 0.09)], laplacian_levels=0)

      A large picture in little memory:

      >>> recipes.deep_dream(model, "fire6", photograph, octaves=recipes.octave_sizes(2048, 6), tile=256)
    """
    network = as_network(model)
    check_pictures(network)
    if image is not None:
        image = check_picture("image", image, network.image_shape[-1])
    tile = picture_size(network, "tile", tile, DEFAULT_TILE)
    sizes = _sizes(octaves, image, network)
    check_whole("steps", steps, 1)
    rates = _schedule("learning_rate", learning_rate, len(sizes), steps, positive=True)
    sigmas = _schedule("blur_sigma", blur_sigma, len(sizes), steps)
    laplacian_levels = _levels(laplacian_levels, min(map(min, sizes)))
    for size, strongest in zip(sizes, sigmas.max(1), strict=True):
        if strongest:
            transform.blur(float(strongest)).output_shape(size)
    root = seeds.root(seed)
    activations = [_activation(network, obj, tile, size) for size in sizes]
    if image is None:
        image = _noise((*sizes[0], network.image_shape[-1]), root)

    before = picture = resize(image, sizes[0])
    history, ends = [], []
    with Progress("dream", len(sizes) * steps, "step", callbacks=progress) as bar:
        for octave, (size, activation) in enumerate(zip(sizes, activations, strict=True)):
            plain = resize(image, size)
            picture = np.clip(plain + resize(picture - before, size), 0, 1)
            before = plain
            gradient, tile_size = _compiled_gradient(activation), activation.param.image_shape[:2]
            rolls = tf.random.stateless_uniform([steps, 2], seeds.fold(root, "roll", octave), 0, 2**30, tf.int32)
            for step in range(0 if bar.interrupted else steps):
                # Seams move and, within a layer's stride, so does its grid.
                roll = tuple(int(way) for way in rolls[step].numpy() % tile_size)
                score, slope = tiled_gradient(gradient, picture, tile_size, roll)
                if not (np.isfinite(score) and np.isfinite(slope).all()):
                    raise FloatingPointError(
                        f"obj: the score or its gradient is not finite in octave {octave}, step {step}: {score:g}"
                    )
                picture = picture + rates[octave, step] * normalize_bands(slope, laplacian_levels)
                picture = np.clip(_blurred(picture, sigmas[octave, step]), 0, 1)
                history.append(score)
                bar.update(1, octave=octave + 1, score=score)
                if bar.interrupted:
                    break
            ends.append(picture)
    return Dream(picture, tuple(ends), np.array(history, np.float32))


def octave_sizes(size: Size, count: int = OCTAVES, scale: float = SCALE) -> tuple[tuple[int, int], ...]:
    """Makes sizes that grow by a factor up to a last one.

    Args:
      size: (height, width) of the last octave, or one int for a square.
      count: number of octaves, >= 1. Defaults to 4.
      scale: factor between octaves, > 1. Defaults to 1.4, as in the DeepDream notebook.

    Returns:
      `count` pairs (height, width), the smallest first.

    Raises:
      ValueError, TypeError: if an argument is out of range, or the first octave would be less than 4 pixels.

    Example:
      >>> octave_sizes((300, 400), 3, 1.5)
      ((133, 178), (200, 267), (300, 400))
    """
    check_whole("count", count, 1)
    check_number("scale", scale, 1, above=True)
    height, width = _size("size", size)
    sizes = tuple((round(height / scale**k), round(width / scale**k)) for k in reversed(range(count)))
    if min(sizes[0]) < MIN_SIDE:
        raise ValueError(
            f"count: {count} octaves of scale {scale:g} from {(height, width)} begin with {sizes[0]}; expected at least 4 pixels"
        )
    return sizes


def _sizes(octaves: Sequence[Size] | None, image: np.ndarray | None, network: Network) -> list[tuple[int, int]]:
    """The sizes of the octaves, each at least that of the network if it is fixed: a tile must fit in."""
    least = tuple(side or MIN_SIDE for side in network.image_shape[:2])
    if octaves is None:
        return _default_sizes(image, network, least)
    if isinstance(octaves, (int, str)) or not len(octaves):
        raise ValueError(f"octaves: expected sizes, see recipes.octave_sizes. Received: {octaves!r}")
    sizes = [_size(f"octaves[{k}]", size) for k, size in enumerate(octaves)]
    for k, size in enumerate(sizes):
        if not _holds(size, least):
            raise ValueError(
                f"octaves[{k}]: expected at least {least[0]} x {least[1]}, the pixels that {network.name!r} takes. "
                f"Received: {size[0]} x {size[1]}"
            )
    return sizes


def _default_sizes(image: np.ndarray | None, network: Network, least: tuple[int, int]) -> list[tuple[int, int]]:
    if image is None:
        sides = [side or DEFAULT_OCTAVES[0] for side in network.image_shape[:2]]
        return [tuple(round(side * octave / DEFAULT_OCTAVES[0]) for side in sides) for octave in DEFAULT_OCTAVES]
    size = image.shape[:2]
    if not _holds(size, least):
        raise ValueError(
            f"image: expected at least {least[0]} x {least[1]} pixels, the tiles that {network.name!r} takes. "
            f"Received: {size[0]} x {size[1]}; enlarge it, such as with export.load_image(path, size)"
        )
    smaller = [tuple(round(side / SCALE**k) for side in size) for k in reversed(range(OCTAVES))]
    return [octave for octave in smaller if _holds(octave, least)]


def _holds(size: tuple[int, int], least: tuple[int, int]) -> bool:
    return size[0] >= least[0] and size[1] >= least[1]


def _size(name: str, size: Any) -> tuple[int, int]:
    pair = (size, size) if np.ndim(size) == 0 else tuple(size)
    if len(pair) != 2:
        raise ValueError(f"{name}: expected one whole number or (height, width). Received: {size!r}")
    for side in pair:
        check_whole(name, side, MIN_SIDE)
    return int(pair[0]), int(pair[1])


def _schedule(name: str, value: Schedule, octaves: int, steps: int, positive: bool = False) -> np.ndarray:
    """The number for each octave and step, [octaves, steps]: first + (last - first) * step / steps."""
    if np.ndim(value) == 0:
        value = (value, value)
    pairs = list(value) if any(np.ndim(part) for part in value) else [tuple(value)] * octaves
    if len(pairs) != octaves or any(np.shape(pair) != (2,) for pair in pairs):
        raise ValueError(
            f"{name}: expected a number, (first, last), or such a pair for each of {octaves} octaves. Received: {value!r}"
        )
    for number in (number for pair in pairs for number in pair):
        check_number(name, number, 0, above=positive)
    first, last = np.array(pairs, np.float32).T[..., None]
    return first + (last - first) * np.arange(steps, dtype=np.float32) / np.float32(steps)


def _levels(levels: int | None, smallest: int) -> int:
    """The fine bands of the gradient, at most as many as octaves of `smallest` pixels have."""
    most = int(np.log2(smallest))
    if levels is None:
        return min(DEFAULT_LEVELS, most)
    check_whole("laplacian_levels", levels, 0)
    if levels > most:
        raise ValueError(
            f"laplacian_levels: expected at most {most} for octaves of {smallest} pixels. Received: {levels}"
        )
    return levels


def _activation(network: Network, obj: Any, tile: tuple[int, int], size: tuple[int, int]) -> Activation:
    """The objective on tiles of an octave."""
    shape = min(tile[0], size[0]), min(tile[1], size[1])
    if isinstance(obj, str) and obj in network.layers:
        obj = objectives.deepdream(obj)
    return make_activation(network, obj, param.pixel(shape, channels=network.image_shape[-1]), None)


def _compiled_gradient(activation: Activation) -> Callable[[np.ndarray], tuple[float, np.ndarray]]:
    """Score and gradient of one tile; compiled code is cached with the network, for objectives of the same kind."""
    compiled, key = activation.network.compiled, ("deep_dream", activation.key)
    if key not in compiled:

        @tf.function(autograph=False)
        def run(tiles: tf.Tensor, parameters: list[tf.Tensor]) -> tuple[tf.Tensor, tf.Tensor]:
            with tf.GradientTape() as tape:
                tape.watch(tiles)
                score = activation.of_images(tiles, (), 1, parameters)
            return score, tape.gradient(score, tiles)

        compiled[key] = run
    activation.network.prepared.refresh()
    run = compiled[key]
    parameters = activation.parameters

    def gradient(tile: np.ndarray) -> tuple[float, np.ndarray]:
        score, slope = run(tf.constant(tile[None]), parameters)
        return float(score[0]), slope[0].numpy()

    return gradient


def _blurred(picture: np.ndarray, sigma: float) -> np.ndarray:
    return transform.blur(float(sigma)).apply((), tf.constant(picture[None]))[0].numpy() if sigma else picture


def _noise(shape: tuple[int, int, int], seed: tf.Tensor) -> np.ndarray:
    noise = tf.random.stateless_normal(shape, seeds.fold(seed, "noise"), 0.5, NOISE)
    return np.clip(noise.numpy(), 0, 1)
