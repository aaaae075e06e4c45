"""The prior of the drawings of the bundled networks: a learned flow draws the figure, known laws the rest."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import tensorflow as tf

from samplevis.modelzoo.shapes.drawing import (
    CONTRASTS,
    DEGRADED_CONTRASTS,
    FAR,
    GRAIN,
    GRAINS,
    MEANS,
    NUM_TRIES,
    SIZE,
    frequencies,
)
from samplevis.modelzoo.shapes.network import FOLDER, load_weights, read_report
from samplevis.param import base
from samplevis.param.flow import Flow, Solver, flow
from samplevis.param.unet import unet
from samplevis.runtime.checks import check_whole

# Side of the masks that the flow draws, and pixels over which their edges are soft: so they say where an edge is between pixels.
FIGURE_SIZE, EDGE = 32, 2.0
# First and last log(image / noise) of the steps of the flow, evenly spaced in between. Which figure it will be is decided early.
# Of 16 steps, the labels of 5.5 % of the draws differ from those of 72 steps, 6.4 % with (-4, 3) or (-5, 2), 9 % with (-3, 2).
LOG_RATIOS = (-4.0, 2.0)
# The parts of a latent and their shapes.
PARTS: dict[str, tuple[int, ...]] = {
    "figure": (FIGURE_SIZE, FIGURE_SIZE, 1),
    "background": (3, SIZE, SIZE),
    "grain": (SIZE, SIZE, 3),
    "tries": (NUM_TRIES, 3),
    "mean": (3,),
    "grey": (1,),
    "contrast": (1,),
    "degraded_contrast": (1,),
    "grain_size": (1,),
}
# How the two colours of a drawing are told apart: side of a blur in pixels, iterations, and the least distance, of that of `draw`.
BLUR, NUM_LLOYD, APART = 3, 10, 0.8


@dataclasses.dataclass(frozen=True)
class DrawingPrior(base.Parameterization):
    """Drawings like those of `modelzoo.shapes.draw`. See `prior`.

    Attributes:
      figures: draws masks of figures, of `FIGURE_SIZE` pixels, from white noise.
      verdict: what `check_prior` said; "" if it was not asked. Copies that differ in it alone are equal.
    """

    figures: Flow
    verdict: str = dataclasses.field(default="", compare=False)

    @property
    def image_shape(self) -> tuple[int, int, int]:
        return SIZE, SIZE, 3

    @property
    def latent_shape(self) -> tuple[int, ...]:
        return (sum(_sizes()),)

    def image(self, z: tf.Tensor) -> tf.Tensor:
        return tf.clip_by_value(self._pixels(tf.cast(z, tf.float32)), 0.0, 1.0)

    def latent(self, images: tf.Tensor) -> tf.Tensor:
        """Latents of images: a mask that tells two colours apart, through the reverse flow; the grain takes what that leaves."""
        images = tf.cast(images, tf.float32)
        # The blur leaves less of the grain, and makes edges as soft as those of the flow's masks.
        background, figure, share = _two_colors(tf.nn.avg_pool2d(images, BLUR, 1, "SAME"))
        noise = (1 - share) * (images - background[:, None, None])
        soft = tf.nn.avg_pool2d(share, SIZE // FIGURE_SIZE, SIZE // FIGURE_SIZE, "SAME")
        parts = {name: tf.zeros((images.shape[0], *shape)) for name, shape in PARTS.items()}
        parts["figure"] = self.figures.reverse(soft)
        parts["background"] = _whitened(noise)
        parts["contrast"] = _normal(tf.math.reduce_std(noise, (1, 2, 3))[:, None], CONTRASTS)
        parts["grey"] = _normal(tf.zeros_like(parts["grey"]), (0.0, 1.0))
        parts["degraded_contrast"] = _normal(tf.ones_like(parts["degraded_contrast"]), DEGRADED_CONTRASTS)
        parts["mean"] = _normal(background, MEANS)
        parts["tries"] += _normal(figure, (0.0, 1.0))[:, None]
        left = images - self._pixels(_joined(parts))
        parts["grain_size"] = _normal(tf.math.reduce_std(left, (1, 2, 3))[:, None], GRAINS)
        parts["grain"] = left / _uniform(parts["grain_size"], GRAINS)
        return _joined(parts)

    def masks(self, z: tf.Tensor) -> tf.Tensor:
        """The share of each pixel that the figure covers: latents [N, *latent_shape] -> [N, 64, 64, 1] in [0, 1]."""
        low, high = self.figures.value_range
        soft = (self.figures.end(_parts(z)["figure"]) - low) / (high - low)
        larger = tf.image.resize(soft, (SIZE, SIZE), "lanczos3")
        return tf.clip_by_value(0.5 + EDGE * SIZE / FIGURE_SIZE * (larger - 0.5), 0.0, 1.0)

    def bands(self) -> np.ndarray:
        """One label for each part of the latent."""
        return np.repeat(np.arange(len(PARTS), dtype=np.int32), _sizes())

    def _pixels(self, z: tf.Tensor) -> tf.Tensor:
        """As `drawing.draw`, from white noise instead of a random generator; pixels may be a little outside of [0, 1]."""
        parts = _parts(z)
        background = _background(parts)
        color = tf.reduce_mean(background, (1, 2), keepdims=True)
        grain = GRAIN * (tf.roll(background, [SIZE // 2] * 2, [1, 2]) - color)
        foreground = _contrasting(parts["tries"], color[:, 0, 0])[:, None, None] + grain
        images = background + self.masks(z) * (foreground - background)
        mean = tf.reduce_mean(images, (1, 2, 3), keepdims=True)
        images = mean + _uniform(parts["degraded_contrast"], DEGRADED_CONTRASTS) * (images - mean)
        return images + _uniform(parts["grain_size"], GRAINS) * parts["grain"]


def prior(steps: int = 32, solver: Solver = "heun", weights: str | Path = FOLDER / "prior.npz") -> DrawingPrior:
    """The prior of the drawings: images like those of `draw`, from white noise.

    A drawing is a figure on a background. Backgrounds, colours, contrast and grain of `draw` are known functions of white noise;
    figures are not. So a flow, learned from masks of figures of 32 x 32 pixels, turns white noise into a mask, which is enlarged
    and made as sharp as the drawings are. The rest is computed as in `draw`.

    benchmarks/train_shapes_prior.py trains the U-Net by `samplevis.fit_prior`; the report beside its weights has the number of
    masks and steps, the held-out loss and what `check_prior` said. The weights have 16 bits.

    Args:
      steps: of the flow, >= 1. Defaults to 32; 12 take a third of the time, and draw spirals too often (11 % instead of 8 %).
      solver: "heun" or "euler". Defaults to "heun".
      weights: a file that the script wrote. Defaults to the bundled ones.

    Returns:
      A parameterization for `param=`, of images [64, 64, 3].

    Raises:
      OSError: if the file is missing.
      ValueError: if it is not such a file or was altered, or an argument is out of range.

    Example:
      >>> prior = modelzoo.shapes.prior(steps=2)
      >>> prior.image(prior.prior(seeds.root(0), 4)).shape
      TensorShape([4, 64, 64, 3])
    """
    if not Path(weights).is_file():
        raise FileNotFoundError(
            f"weights: there is no file {str(weights)!r}; python -m benchmarks.train_shapes_prior trains it"
        )
    report = read_report(Path(weights))
    model = unet((FIGURE_SIZE, FIGURE_SIZE), 1, report["widths"])
    load_weights(model, Path(weights))
    figures = flow(model, schedule=_schedule(steps), solver=solver, value_range=tuple(report["value_range"]))
    return DrawingPrior(figures, report.get("verdict", ""))


def _schedule(steps: int) -> np.ndarray:
    """Rows of `param.flow`, from noise alone to image alone, and evenly spaced in the log of their ratio in between."""
    check_whole("steps", steps, 1)
    times = np.concatenate([[0.0], 1 / (1 + np.exp(-np.linspace(*LOG_RATIOS, steps - 1))), [1.0]])
    return np.stack([times, times, 1 - times], axis=1)


def _sizes() -> list[int]:
    return [int(np.prod(shape)) for shape in PARTS.values()]


def _parts(z: tf.Tensor) -> dict[str, tf.Tensor]:
    """The parts of latents [N, *latent_shape], by name: [N, *shape]."""
    found = zip(PARTS.items(), tf.split(z, _sizes(), axis=1), strict=True)
    return {name: tf.reshape(part, (-1, *shape)) for (name, shape), part in found}


def _joined(parts: dict[str, tf.Tensor]) -> tf.Tensor:
    """The inverse of `_parts`."""
    return tf.concat([tf.reshape(part, (part.shape[0], -1)) for part in parts.values()], 1)


def _two_colors(images: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """The two colours that an image is made of, by two means, and the share of the second in each pixel.

    Args:
      images: [N, H, W, 3].

    Returns:
      (the colour of more of the border [N, 3], the other one [N, 3], share [N, H, W, 1] in [0, 1], 0 where the colours are alike).
    """
    pixels = tf.reshape(images, (images.shape[0], -1, 3))
    border = np.ones(images.shape[1:3], bool)
    border[1:-1, 1:-1] = False
    first = tf.reduce_mean(tf.boolean_mask(pixels, border.ravel(), axis=1), 1)
    farthest = tf.argmax(tf.norm(pixels - first[:, None], axis=-1), 1)
    second = tf.gather(pixels, farthest, axis=1, batch_dims=1)
    for _ in range(NUM_LLOYD):
        nearer = tf.cast(_along(pixels, first, second) > 0.5, tf.float32)[..., None]
        first, second = _mean(pixels, 1 - nearer, first), _mean(pixels, nearer, second)
    share = tf.clip_by_value(_along(pixels, first, second), 0.0, 1.0)
    apart = tf.norm(second - first, axis=-1) > APART * DEGRADED_CONTRASTS[0] * FAR
    share = tf.where(apart[:, None], share, 0.0)
    return first, second, tf.reshape(share, (*images.shape[:3], 1))


def _mean(pixels: tf.Tensor, part: tf.Tensor, empty: tf.Tensor) -> tf.Tensor:
    """The mean of a part of the pixels, [N, P, 3] and [N, P, 1] -> [N, 3]; `empty` where the part is."""
    count = tf.reduce_sum(part, 1)
    return tf.where(count > 0, tf.reduce_sum(pixels * part, 1) / tf.maximum(count, 1.0), empty)


def _along(pixels: tf.Tensor, first: tf.Tensor, second: tf.Tensor) -> tf.Tensor:
    """Where pixels [N, P, 3] lie on the line from a colour to another, 0 to 1 between them: [N, P]."""
    way = second - first
    return tf.einsum("npc,nc->np", pixels - first[:, None], way) / (tf.reduce_sum(way**2, -1)[:, None] + 1e-6)


def _whitened(noise: tf.Tensor) -> tf.Tensor:
    """The white noise of which `_background` makes noise [N, SIZE, SIZE, 3]: [N, 3, SIZE, SIZE]."""
    spectrum = tf.signal.rfft2d(tf.transpose(noise, (0, 3, 1, 2))) * tf.cast(frequencies(SIZE), tf.complex64)
    white = tf.signal.irfft2d(spectrum, (SIZE, SIZE))
    return white / (tf.math.reduce_std(white, (2, 3), keepdims=True) + 1e-6)


def _normal(values: tf.Tensor, ends: tuple[float, float]) -> tf.Tensor:
    """The inverse of `_uniform`, of values a little inside of the ends."""
    low, high = ends
    return tf.math.ndtri(tf.clip_by_value((values - low) / (high - low), 0.01, 0.99))


def _uniform(z: tf.Tensor, ends: tuple[float, float]) -> tf.Tensor:
    """White noise [N, C] as uniform numbers, [N, 1, 1, C]."""
    low, high = ends
    return (low + (high - low) * _rank(z))[:, None, None]


def _rank(z: tf.Tensor) -> tf.Tensor:
    """White noise as uniform numbers from 0 to 1: the normal distribution function."""
    return 0.5 * tf.math.erfc(-z * np.float32(np.sqrt(0.5)))


def _background(parts: dict[str, tf.Tensor]) -> tf.Tensor:
    """As `drawing._background`, [N, SIZE, SIZE, 3]."""
    spectrum = tf.signal.rfft2d(parts["background"]) / tf.cast(frequencies(SIZE), tf.complex64)
    noise = tf.transpose(tf.signal.irfft2d(spectrum, (SIZE, SIZE)), (0, 2, 3, 1))
    noise -= tf.reduce_mean(noise, (1, 2), keepdims=True)
    noise /= tf.math.reduce_std(noise, (1, 2), keepdims=True) + 1e-6
    grey = _uniform(parts["grey"], (0.0, 1.0))
    noise = grey * noise[..., :1] + (1 - grey) * noise
    return _uniform(parts["mean"], MEANS) + _uniform(parts["contrast"], CONTRASTS) * noise


def _contrasting(tries: tf.Tensor, colors: tf.Tensor) -> tf.Tensor:
    """As `drawing._contrasting`: [N, tries, 3] and [N, 3] -> [N, 3]. It jumps where another try becomes the first that is far."""
    tries = _rank(tries)
    far = tf.norm(tries - colors[:, None], axis=-1) >= FAR
    none = tf.logical_not(tf.reduce_any(far, 1))
    first = tf.where(none, tries.shape[1] - 1, tf.argmax(tf.cast(far, tf.int32), 1, tf.int32))
    return tf.gather(tries, first, axis=1, batch_dims=1)
