"""The loop of `optimize`: compiled steps, a few at a time, with progress, checkpoints and snapshots in between."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Hashable, MutableMapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from samplevis.activation import Activation
from samplevis.export.bands import bands_of
from samplevis.optimizers.base import Method, Stepper
from samplevis.optimizers.keras_stepper import KerasStepper, optimizer_settings
from samplevis.optimizers.registry import OptimizerLike, as_method
from samplevis.overrides.gradients import has_rectifiers, redirect_relu
from samplevis.overrides.rebuild import cached_clone
from samplevis.param import Parameterization
from samplevis.results.optimized import Optimized
from samplevis.runtime import seeds
from samplevis.runtime.callbacks import Callback
from samplevis.runtime.checkpoint import Checkpoint, Stage, flat, refilled
from samplevis.runtime.checks import check_array
from samplevis.runtime.progress import Progress

# Steps in one call of compiled code; callbacks, checkpoints and Ctrl-C come in between.
STEPS_PER_CALL = 16
# Steps for which Lucid redirects gradients through dead rectifiers (lucid/misc/redirected_relu_grad.py).
LUCID_REDIRECT_STEPS = 16


@dataclasses.dataclass(frozen=True)
class AscentOptions:
    """What to do in an ascent.

    Args:
      steps: number of updates, >= 1.
      optimizer: a Keras optimizer, a `Method`, or the name of one. Defaults to Adam(0.05) on gradients in units of their own.
      thresholds: numbers of updates after which to take a snapshot. Defaults to none.
      redirect_steps: number of first steps with gradients redirected through dead rectifiers; Keras optimizers only.
        None for `waking_steps(steps)` if an image has no gradient in the first 16, otherwise 0. Defaults to None.
      skip_nonfinite: whether an image whose activation or gradient is not finite stays where it is while the others go on.
        Defaults to False, an error. If no image is finite, it is an error in either case.
      shared_transforms: whether all images of a step get the same transform. Defaults to False, one per image.
      first_step: number of the first step, for seeds and scheduled weights, of an ascent that goes on from another. Defaults to 0.
    """

    steps: int
    optimizer: OptimizerLike = None
    thresholds: Sequence[int] = ()
    redirect_steps: int | None = None
    skip_nonfinite: bool = False
    shared_transforms: bool = False
    first_step: int = 0


def ascend(
    activation: Activation,
    z: tf.Tensor,
    options: AscentOptions,
    seed: tf.Tensor,
    callbacks: bool | Sequence[Callback] = (),
    stage: Stage | None = None,
    bar: Progress | None = None,
) -> Optimized:
    """Maximises an activation from given latents: the loop of `optimize`, after its checks.

    Args:
      activation: the function to maximise.
      z: first latents, [batch, *latent_shape].
      options: what to do.
      seed: int32 tensor of shape [2].
      callbacks: notified of the steps; True for a progress bar. Ignored if there is a `bar`. Defaults to none.
      stage: place in a checkpoint, from which a Keras optimizer resumes. Defaults to none.
      bar: progress of the caller, on which the steps count. Defaults to a stage "optimise" of its own.

    Returns:
      An `Optimized`.

    Raises:
      ValueError: if the optimizer does not fit the activation or the options.
      FloatingPointError: if the activation or its gradient is not finite, see `AscentOptions.skip_nonfinite`.
      KeyboardInterrupt: after Ctrl-C, unless there is a `bar`: then the images so far are returned.
    """
    stage = stage or Checkpoint().stage("optimise")
    with contextlib.closing(_Ascent(activation, z, options, seed, stage.saved)) as ascent:
        progress = Progress("optimise", options.steps, "step", callbacks, ascent.done) if bar is None else None
        with progress or contextlib.nullcontext(bar) as bar:
            for stop in ascent.stops():
                done = ascent.done
                try:
                    scores = ascent.advance(stop)
                except KeyboardInterrupt:
                    # What is compiled for later steps is not waited for.
                    if bar.insisted or not ascent.done:
                        raise
                    break
                bar.update(stop - done, activation=float(scores[-1].mean()))
                ascent.take_snapshot()
                stage.update(ascent.state_dict)
                if bar.interrupted or ascent.stepper.finished:
                    break
        # Where the steps count on the bar of a caller, that decides what becomes of a part of them.
        stage.close(ascent.state_dict, bar.interrupted and bar is progress)
        return ascent.result()


class _Ascent:
    """An ascent under way: its latents, history and snapshots after `done` steps.

    A saved state is that of a Keras optimizer, and resumes after the steps that were done.
    """

    def __init__(
        self,
        activation: Activation,
        z: tf.Tensor,
        options: AscentOptions,
        seed: tf.Tensor,
        saved: dict[str, np.ndarray] | None,
    ):
        self.activation, self.options, self.seed = activation, options, seed
        self.optimizer = check_optimizer(activation, options)
        self._borrowed: list[tuple[MutableMapping, Hashable, KerasStepper | Stepper]] = []
        self._steppers: dict[bool, KerasStepper | Stepper] = {}
        self.start, self.parameters = z, activation.parameters
        if not saved:
            self._begin(options.redirect_steps or 0)
            return
        self.done, self.redirect_steps = int(saved["done"]), int(saved.get("redirect_steps", 0))
        self.stepper = self._stepper(self.done < self.redirect_steps)
        self.stepper.variables = refilled("variables", self.stepper.variables, saved)
        self.z, self.history, self.snapshots = tf.identity(self.stepper.latents), [saved["history"]], {}

    def _begin(self, redirect_steps: int) -> None:
        """Begins at the start, with gradients redirected in so many first steps."""
        self.done, self.redirect_steps = 0, redirect_steps
        self.stepper = self._stepper(redirect_steps > 0)
        self.stepper.reset(self.start)
        self.z, self.history = self.start, [np.zeros((0, len(self.start)), np.float32)]
        self.snapshots: dict[int, np.ndarray] = {}

    def stops(self) -> list[int]:
        """Numbers of steps at which compiled code returns to Python, in order."""
        steps = self.options.steps
        stops = {
            *self.options.thresholds,
            *range(STEPS_PER_CALL, steps, STEPS_PER_CALL),
            self.redirect_steps or steps,
            steps,
        }
        return [stop for stop in sorted(stops) if self.done < stop <= steps]

    def advance(self, stop: int) -> np.ndarray:
        """Makes the steps up to `stop`; returns their scores, [steps, batch]."""
        if self.done and self.done == self.redirect_steps:
            self.stepper = self._stepper(False).resume(self.stepper)
        first, count = tf.constant(self.options.first_step + self.done), tf.constant(stop - self.done)
        scores = self.stepper.run(self.parameters, self.seed, first, count).numpy()
        self.z = tf.identity(self.stepper.latents)
        finite = np.isfinite(scores).all(0) & np.isfinite(self.z.numpy().reshape(len(self.z), -1)).all(1)
        if not (finite.any() if self.options.skip_nonfinite else finite.all()):
            raise FloatingPointError(
                f"obj: the activation or its gradient is not finite between steps {self.done} and {stop}: {scores[-1]}"
            )
        self.history.append(scores)
        self.done = stop
        return self._redirected(stop) if self._is_silent(finite) else scores

    def _is_silent(self, finite: np.ndarray) -> bool:
        """Whether the first steps are done and an image had no gradient in them, which can be redirected."""
        first = min(STEPS_PER_CALL, self.options.steps)
        undecided = self.options.redirect_steps is None and not self.redirect_steps and self.done == first
        if not undecided or isinstance(self.optimizer, Method):
            return False
        return bool((unmoved(self.z.numpy(), self.start) & finite).any()) and has_rectifiers(self.activation.network)

    def _redirected(self, stop: int) -> np.ndarray:
        """Begins again with redirected gradients, and makes the steps up to `stop`; returns the scores of the last of them."""
        self._begin(waking_steps(self.options.steps))
        for each in self.stops():
            if each <= stop:
                scores = self.advance(each)
                self.take_snapshot()
        return scores

    def take_snapshot(self) -> None:
        """Stores the images, if these steps are a threshold."""
        if self.done in self.options.thresholds:
            self.snapshots[self.done] = self.activation.param.image(self.z).numpy()

    def state_dict(self) -> dict[str, Any]:
        """The state to save in a checkpoint."""
        history = np.concatenate(self.history)
        numbers = {"done": self.done, "redirect_steps": self.redirect_steps, "history": history}
        return numbers | flat("variables", self.stepper.variables)

    def result(self) -> Optimized:
        """The images after the last step. An optimiser that has finished early has them for all later thresholds, too."""
        images, snapshots = self.activation.param.image(self.z).numpy(), self.snapshots
        if self.stepper.finished:
            snapshots |= {threshold: images for threshold in self.options.thresholds if threshold > self.done}
        history, activation = np.concatenate(self.history), self.activation
        network = activation.network
        bands = bands_of(network.image_shape[-1])
        return Optimized(images, self.z.numpy(), history, snapshots, str(activation.objective), network.name, bands)

    def close(self) -> None:
        """Returns the compiled loops to their caches."""
        for compiled, key, stepper in self._borrowed:
            compiled[key] = stepper

    def _stepper(self, redirected: bool) -> KerasStepper | Stepper:
        """The compiled loop, cached with the network for other objectives of the same kind.

        It holds the state of an ascent, so that it is out of the cache in the meantime: a callback may start another ascent.
        """
        if redirected not in self._steppers:
            network = self.activation.network
            network = cached_clone(network, "redirect_relu", redirect_relu) if redirected else network
            activation = dataclasses.replace(self.activation, network=network)
            self._steppers[redirected] = self._borrow(activation, len(self.start))
        return self._steppers[redirected]

    def _borrow(self, activation: Activation, batch: int) -> KerasStepper | Stepper:
        """The compiled loop of an activation, out of the cache."""
        optimizer, shared = self.optimizer, self.options.shared_transforms
        is_method = isinstance(optimizer, Method)
        settings = optimizer if is_method else optimizer_settings(optimizer)
        compiled, key = activation.network.compiled, ("optimize", activation.key, batch, settings, shared)
        activation.network.prepared.refresh()
        stepper = compiled.pop(key, None)
        if stepper is None:
            stepper = (
                optimizer.stepper(activation, batch)
                if is_method
                else KerasStepper(activation, batch, optimizer, shared)
            )
        self._borrowed.append((compiled, key, stepper))
        return stepper


def waking_steps(steps: int) -> int:
    """For how many of an ascent's steps gradients are redirected to wake what is silent: half, and at least Lucid's 16.

    Where a unit lives, redirected gradients are the true ones, but for branches that are dead. Of 40 chains of five channels of
    SqueezeNet's fire9, smoothed, at 64 pixels, 17 woke in 16 of 128 steps, 35 in 32, all in 64.
    """
    return max(LUCID_REDIRECT_STEPS, steps // 2)


def unmoved(latents: np.ndarray, start: tf.Tensor) -> np.ndarray:
    """Which latents have not changed at all.

    Args:
      latents: [batch, *latent_shape].
      start: the first latents, of the same shape, or [1, *latent_shape] if they were the same for all.

    Returns:
      bool [batch].
    """
    return (latents == start.numpy()).reshape(len(latents), -1).all(1)


def unresponsive(history: np.ndarray) -> np.ndarray:
    """Which images have a score that no step changed, as of a unit that never fires; none after a single step.

    Args:
      history: scores [steps, batch].

    Returns:
      bool [batch].
    """
    if len(history) < 2:
        return np.zeros(history.shape[1], bool)
    return (history == history[0]).all(0)


def first_latents(param: Parameterization, batch: int, init: np.ndarray | None, seed: tf.Tensor) -> tf.Tensor:
    """The latents from which an ascent starts.

    Args:
      param: the parameterization.
      batch: number of images.
      init: images [batch, *image_shape] in [0, 1]; None for faint random noise.
      seed: int32 tensor of shape [2].

    Returns:
      float32 tensor [batch, *latent_shape].

    Raises:
      ValueError: if `init` has another shape, or values outside [0, 1].
    """
    if init is None:
        return param.start(seeds.fold(seed, "optimize"), batch)
    images = check_array("init", init)
    if images.shape != (batch, *param.image_shape):
        raise ValueError(f"init: expected images of shape {(batch, *param.image_shape)}. Received: {images.shape}")
    if not (np.isfinite(images).all() and images.min() >= 0 and images.max() <= 1):
        raise ValueError(f"init: expected values in [0, 1]. Received: {images.min():g} to {images.max():g}")
    return param.latent(tf.constant(images))


def check_optimizer(activation: Activation, options: AscentOptions) -> Any:
    """The optimizer, looked up by name; raises ValueError if it cannot do what is asked."""
    optimizer = as_method(options.optimizer)
    if isinstance(optimizer, Method):
        if options.redirect_steps:
            raise ValueError(
                f"redirect_steps: only for Keras optimizers. Received: {options.redirect_steps} with {optimizer}"
            )
        activation.check_independent(f"the optimizer {optimizer}")
    return optimizer
