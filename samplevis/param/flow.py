"""Flow parameterization: a flow or diffusion model under a deterministic sampler, as the map from noise to images."""

from __future__ import annotations

import dataclasses
import os
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, get_args

import keras
import numpy as np
import tensorflow as tf

from samplevis.param import base
from samplevis.param.inverse import closest_latents
from samplevis.param.prior_file import read_prior
from samplevis.param.unroll import repeated, unrolled
from samplevis.runtime.checks import brief, check_array, check_choice, check_whole, is_list

Prediction = Literal["velocity", "noise", "image"]
Solver = Literal["heun", "euler"]
Schedule = Literal["linear", "cosine"]
# Where the cosine schedule begins: at 0 there is noise alone, of which no image can be told.
FIRST_TIME = 0.02
# Iterations and corrections of the inverse of one step, and the round-trip error that `latent` warns about, rms of a pixel.
NUM_FIXED_POINT, NUM_CORRECTIONS, MAX_ROUND_TRIP = 5, 3, 1e-2

# One row of a schedule: the time that the model is told, the factor of the image and that of the noise.
Row = tuple[float, float, float]


@dataclasses.dataclass(frozen=True)
class Flow(base.Parameterization):
    """The image is where a flow ends that starts in the latent. See `flow`.

    Attributes:
      model: (place [N, *shape], time) -> prediction.
      shape: of a latent.
      image_shape: (height, width, channels).
      rows: (time, image factor, noise factor), from noise to image.
      solver: "heun" or "euler".
      predicts: what the model returns.
      decode: from the end of the flow to pixels; None if that is the image.
      encode: from pixels to where the flow ends; None if `decode` is, or if it has no such inverse.
      fixed_inputs: (name, value) of further inputs of the model.
      value_range: darkest and brightest pixel.
      verdict: what `check_prior` said; "" if it was not asked. Copies that differ in it alone are equal.
    """

    model: Callable[..., tf.Tensor]
    shape: tuple[int, ...]
    image_shape: tuple[int, ...]
    rows: tuple[Row, ...]
    solver: Solver
    predicts: Prediction
    decode: Callable[[tf.Tensor], tf.Tensor] | None
    encode: Callable[[tf.Tensor], tf.Tensor] | None
    fixed_inputs: tuple[tuple[str, base.Constant], ...]
    value_range: tuple[float, float]
    verdict: str = dataclasses.field(default="", compare=False)

    @property
    def latent_shape(self) -> tuple[int, ...]:
        return self.shape

    def image(self, z: tf.Tensor) -> tf.Tensor:
        return tf.clip_by_value(self._pixels(self.end(tf.cast(z, tf.float32))), 0.0, 1.0)

    def end(self, z: tf.Tensor) -> tf.Tensor:
        """Where the flow ends: the numbers that `decode` takes, or pixels in `value_range`.

        The gradient recomputes a step at a time, so that memory does not grow with the steps.

        Args:
          z: float32 [N, *latent_shape].

        Returns:
          float32 [N, *latent_shape].
        """
        _, image, noise = self.rows[0]
        return unrolled(self._step, len(self.rows) - 1, float(np.hypot(image, noise)) * z)

    def latent(self, images: tf.Tensor) -> tf.Tensor:
        """Latents of images, by the reverse flow; where that misses, the closest by least squares. Warns if the round trip is off.

        Args:
          images: float tensor [N, *image_shape] in [0, 1].

        Returns:
          float32 tensor [N, *latent_shape].
        """
        latents, error = self.round_trip(images)
        if error.max(initial=0.0) > MAX_ROUND_TRIP:
            warnings.warn(
                f"param: {np.sum(error > MAX_ROUND_TRIP)} of {len(error)} images are not among those of the flow: its nearest "
                f"ones differ by up to {error.max():.3f} (rms of a pixel)",
                stacklevel=2,
            )
        return latents

    def round_trip(self, images: tf.Tensor) -> tuple[tf.Tensor, np.ndarray]:
        """As `latent`, with the error.

        Args:
          images: float tensor [N, *image_shape] in [0, 1].

        Returns:
          (latents [N, *latent_shape], the rms difference of each image and that of its latent, float32 [N]).

        Example:
          >>> latents, error = modelzoo.shapes.prior().figures.round_trip(masks)
          >>> bool(error.max() < 0.01)
          True
        """
        images = tf.cast(images, tf.float32)
        if self.decode is not None and self.encode is None:
            latents = closest_latents(lambda z: self._pixels(self.end(z)), images, self.shape)
            return latents, self._error(latents, images)
        latents = self.reverse(images)
        off = np.flatnonzero(~(self._error(latents, images) <= MAX_ROUND_TRIP))
        if len(off):
            start, wanted = tf.gather(latents, off), tf.gather(images, off)
            start = tf.where(tf.math.is_finite(start), start, 0.0)
            nearer = closest_latents(lambda z: self._pixels(self.end(z)), wanted, self.shape, start)
            latents = tf.tensor_scatter_nd_update(latents, off[:, None], nearer)
        return latents, self._error(latents, images)

    def reverse(self, images: tf.Tensor) -> tf.Tensor:
        """Where the reverse flow ends, which begins at images: `latent` without a correction where that misses.

        Args:
          images: float tensor [N, *image_shape] in [0, 1].

        Returns:
          float32 tensor [N, *latent_shape].
        """
        low, high = self.value_range
        y = low + (high - low) * images
        y = y if self.encode is None else tf.cast(self.encode(y), tf.float32)
        undo = tf.function(self._undo, autograph=False)
        for number in range(len(self.rows) - 2, -1, -1):
            y = undo(y, tf.constant(number))
        _, image, noise = self.rows[0]
        return y / float(np.hypot(image, noise))

    def _error(self, latents: tf.Tensor, images: tf.Tensor) -> np.ndarray:
        """The rms difference of each image and that of its latent, float32 [N]."""
        gap = np.square(self.image(latents).numpy() - images.numpy())
        return np.sqrt(gap.mean(tuple(range(1, gap.ndim))))

    def _pixels(self, x: tf.Tensor) -> tf.Tensor:
        """Pixels from 0 to 1, or a little outside."""
        low, high = self.value_range
        return (tf.cast(x if self.decode is None else self.decode(x), tf.float32) - low) / (high - low)

    def _undo(self, y: tf.Tensor, number: tf.Tensor) -> tf.Tensor:
        """Where the step from row `number` begins that ends in y: a reverse step, whose target moves by what it missed."""
        before, after, change = self._ends(number)

        def back(y: tf.Tensor) -> tf.Tensor:
            last = self._slope(y, after, change)

            def nearer(x: tf.Tensor) -> tf.Tensor:
                first = self._slope(x, before, change)
                return y - (first if self.solver == "euler" else (first + last) / 2)

            return repeated(nearer, NUM_FIXED_POINT, y - last)

        def corrected(target: tf.Tensor, x: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            target += y - self._step(x, number)
            return target, back(target)

        return repeated(corrected, NUM_CORRECTIONS, y, back(y))[1]

    def _step(self, x: tf.Tensor, number: tf.Tensor) -> tf.Tensor:
        """A step of the solver from row `number` to the next, [N, *shape] -> [N, *shape]."""
        before, after, change = self._ends(number)
        first = self._slope(x, before, change)
        if self.solver == "euler":
            return x + first
        second = self._slope(x + first, after, change)
        if self.predicts == "image":
            # At the end there is no noise, and an image does not tell what it was.
            second = tf.where(after[2] > 1e-6, second, first)
        return x + (first + second) / 2

    def _ends(self, number: tf.Tensor) -> tuple[list[tf.Tensor], list[tf.Tensor], list[tf.Tensor]]:
        """A row, the next, and the difference."""
        rows = tf.constant(self.rows, tf.float32)
        before, after = rows[number], rows[number + 1]
        return tuple(map(tf.unstack, (before, after, after - before)))

    def _slope(self, x: tf.Tensor, row: list[tf.Tensor], change: list[tf.Tensor]) -> tf.Tensor:
        """The change of a place over a step, by what the model sees in it."""
        image, noise = self._parts(x, *row)
        return change[1] * image + change[2] * noise

    def _parts(self, x: tf.Tensor, time: tf.Tensor, image: tf.Tensor, noise: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """The image and the noise that the model sees in a place."""
        found = tf.cast(self._predict(x, time), tf.float32)
        if self.predicts == "velocity":
            return (x + noise * found) / (image + noise), (x - image * found) / (image + noise)
        if self.predicts == "noise":
            return (x - noise * found) / tf.maximum(image, 1e-6), found
        return found, (x - image * found) / tf.maximum(noise, 1e-6)

    def _predict(self, x: tf.Tensor, time: tf.Tensor) -> tf.Tensor:
        count = tf.shape(x)[0]
        fixed = {name: tf.repeat(value.values[None], count, axis=0) for name, value in self.fixed_inputs}
        if not isinstance(self.model, keras.Model):
            return self.model(x, tf.fill([count], time), **fixed)
        names = [tensor.name for tensor in self.model.inputs]
        shape = [count] + [1] * (len(self.model.inputs[1].shape) - 1)
        inputs = {names[0]: x, names[1]: tf.fill(shape, time)} | fixed
        return self.model([inputs[name] for name in names], training=False)

    def __repr__(self) -> str:
        name = getattr(self.model, "name", getattr(self.model, "__name__", type(self.model).__name__))
        return (
            f"Flow({name!r}, {self.shape}, steps={len(self.rows) - 1}, solver={self.solver!r}, predicts={self.predicts!r}, "
            f"value_range={self.value_range})"
        )


def flow(
    model: keras.Model | Callable[..., tf.Tensor] | str | os.PathLike,
    shape: Sequence[int] | None = None,
    steps: int = 16,
    *,
    solver: Solver = "heun",
    predicts: Prediction = "velocity",
    schedule: Schedule | Sequence[Row] | np.ndarray = "linear",
    decode: Callable[[tf.Tensor], tf.Tensor] | None = None,
    encode: Callable[[tf.Tensor], tf.Tensor] | None = None,
    fixed_inputs: Mapping[str, Any] | None = None,
    value_range: tuple[float, float] | None = None,
) -> Flow:
    """Uses a flow or a diffusion model as the prior over images: its deterministic sampler maps the latent, N(0, I), to an image.

    A path x = a image + s noise leads from noise to image. At each row (time, a, s) of the schedule the model says which image and
    which noise it sees in x. A step adds the changes of a and s times these: with "euler" those at its beginning, which is
    DDIM, and for "linear" Euler's method; with "heun" the mean of both ends, at twice the cost.

    Sources: Lipman et al. 2023, "Flow Matching for Generative Modeling", arXiv:2210.02747; Song, Meng and Ermon 2021, "Denoising
    Diffusion Implicit Models", arXiv:2010.02502.

    Args:
      model: a Keras model whose first input is x [N, *shape] and whose second is the time [N] or [N, 1]; a function
        (x, time [N], **fixed_inputs) of TensorFlow tensors; or the path of a file that `samplevis.fit_prior` wrote.
      shape: of one latent. Defaults to that of the model's first input.
      steps: of the solver, >= 1. Ignored if `schedule` has rows. Defaults to 16; with 8, large structures that have 600 times the
        variance of the noise come out 20 % too faint.
      solver: "heun" or "euler". Defaults to "heun".
      predicts: what the model returns: "velocity" (image - noise), "noise" or "image". Defaults to "velocity".
      schedule: "linear" (a = time, s = 1 - time; the steps are shortest at both ends), "cosine" (a = sin, s = cos of
        pi time / 2), or rows (time, a, s) from noise to image, steps + 1 of them; the last s may be 0. Defaults to "linear".
      decode: from the end of the flow to pixels, such as the decoder of an autoencoder, [N, *shape] -> [N, H, W, C].
        Defaults to none: the end is the image.
      encode: the way back, such as the encoder, with which `latent` begins. Defaults to none: with `decode`, latents are found by
        optimisation alone.
      fixed_inputs: further inputs of the model by name, each for one image, such as the embedding of a text. Defaults to none.
      value_range: what pixels 0 and 1 are in the model's numbers. Defaults to those of the file, or to (-1, 1).

    Returns:
      A `Flow`. Its latents are white, so that every kernel samples the flow's own distribution given an activation.

    Raises:
      TypeError: if `model` is none of these.
      ValueError: if shapes or numbers do not fit; or if the file is none that `fit_prior` wrote.
      OSError: if it cannot be read.

    Example:
      >>> x, time = keras.Input((8, 8, 3)), keras.Input((1,))
      >>> velocity = keras.layers.Conv2D(3, 3, padding="same")(x) + keras.layers.Reshape((1, 1, 1))(time)
      >>> p = samplevis.param.flow(keras.Model([x, time], velocity), steps=4)
      >>> p.image(p.prior(seeds.root(0), 2)).shape
      TensorShape([2, 8, 8, 3])
    """
    verdict, stored = "", None
    if isinstance(model, (str, os.PathLike)):
        model, settings = read_prior(model)
        verdict, stored = str(settings.get("verdict", "")), settings["value_range"]
    if not callable(model):
        raise TypeError(f"model: expected a Keras model, a function or a file. Received: {brief(model)}")
    low, high = map(float, value_range or stored or (-1.0, 1.0))
    if not low < high:
        raise ValueError(f"value_range: expected (darkest, brightest). Received: {value_range!r}")
    check_choice("predicts", predicts, get_args(Prediction))
    check_choice("solver", solver, get_args(Solver))
    fixed = {name: check_array(f"fixed_inputs[{name!r}]", value) for name, value in (fixed_inputs or {}).items()}
    if encode is not None and decode is None:
        raise ValueError("encode: expected with decode, whose way back it is")
    shape = _latent_shape(model, shape)
    _check_inputs(model, fixed)
    return Flow(
        model=model,
        shape=shape,
        image_shape=shape if decode is None else _output_shape(decode, shape),
        rows=_rows(schedule, steps),
        solver=solver,
        predicts=predicts,
        decode=decode,
        encode=encode,
        fixed_inputs=tuple((name, base.Constant(value)) for name, value in fixed.items()),
        value_range=(low, high),
        verdict=verdict,
    )


def _latent_shape(model: Callable[..., tf.Tensor], shape: Sequence[int] | None) -> tuple[int, ...]:
    if shape is None:
        found = model.inputs[0].shape[1:] if isinstance(model, keras.Model) else (None,)
        if None in found:
            raise ValueError("shape: expected the shape of one latent, such as (32, 32, 3): the model does not tell it")
        return tuple(found)
    if not is_list(shape) or not len(shape):
        raise ValueError(f"shape: expected whole numbers, such as (32, 32, 3). Received: {brief(shape)}")
    for side in shape:
        check_whole("shape", side, 1)
    return tuple(map(int, shape))


def _check_inputs(model: Callable[..., tf.Tensor], fixed: Mapping[str, np.ndarray]) -> None:
    """Raises ValueError unless a Keras model has the inputs that it will get."""
    if not isinstance(model, keras.Model):
        return
    names = [tensor.name for tensor in model.inputs]
    if len(names) < 2 or set(names[2:]) != set(fixed):
        raise ValueError(
            f"model: expected an image, a time and fixed_inputs, {', '.join(fixed) or 'none'}. Received the inputs: "
            f"{', '.join(names)}"
        )


def _output_shape(decode: Callable[[tf.Tensor], tf.Tensor], shape: tuple[int, ...]) -> tuple[int, ...]:
    """The shape of an image, found without computing one."""
    found = tf.function(decode, autograph=False).get_concrete_function(tf.TensorSpec((1, *shape))).output_shapes
    if not isinstance(found, tf.TensorShape) or found.rank not in (3, 4, 5) or None in found[1:]:
        raise ValueError(f"decode: expected images [N, height, width, channels] of a fixed size. Received: {found}")
    return tuple(found[1:])


def _rows(schedule: Schedule | Sequence[Row] | np.ndarray, steps: int) -> tuple[Row, ...]:
    """The rows of a schedule, checked."""
    check_whole("steps", steps, 1)
    if isinstance(schedule, str):
        check_choice("schedule", schedule, get_args(Schedule))
        if schedule == "linear":
            # Large structures are decided at the beginning and grain at the end, in little time: steps are short there.
            times = np.sin(np.linspace(0, 1, steps + 1) * np.pi / 2) ** 2
            return tuple((t, t, 1 - t) for t in times.tolist())
        angles = np.linspace(FIRST_TIME, 1, steps + 1) * np.pi / 2
        ends = np.where(np.arange(steps + 1) == steps, 0.0, np.cos(angles))
        return tuple(zip((angles * 2 / np.pi).tolist(), np.sin(angles).tolist(), ends.tolist(), strict=True))
    rows = check_array("schedule", schedule, np.float64)
    if rows.ndim != 2 or rows.shape[1] != 3 or len(rows) < 2 or not np.isfinite(rows).all():
        raise ValueError(
            f"schedule: expected 'linear', 'cosine' or at least two rows (time, image factor, noise factor). Received: {schedule!r}"
        )
    ratio = rows[:, 1] / np.maximum(rows[:, 2], 1e-12)
    if np.any(rows[:, 1:] < 0) or np.any(rows[:, 1:].sum(1) <= 0) or np.any(np.diff(ratio) <= 0):
        raise ValueError("schedule: expected factors >= 0 that lead from noise to image: image / noise must rise")
    return tuple(map(tuple, rows.tolist()))
