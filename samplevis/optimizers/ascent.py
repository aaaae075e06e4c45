"""The loop of an optimiser: compiled steps between two looks of Python at the run."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Sequence

import keras
import numpy as np
import tensorflow as tf

from samplevis.activation import Activation
from samplevis.optimizers.base import Method, Stepper, as_method
from samplevis.optimizers.keras_stepper import KerasStepper, copied, settings_of
from samplevis.overrides import redirect_relu
from samplevis.overrides.rebuild import cached_clone
from samplevis.param import Parameterization
from samplevis.results.optimized import Optimized
from samplevis.runtime import seeds
from samplevis.runtime.callbacks import Callback
from samplevis.runtime.checkpoint import Checkpoint, Stage, flat, refilled
from samplevis.runtime.checks import check_array
from samplevis.runtime.progress import Progress

# Compiled steps between two looks of Python at the run.
STEPS_PER_CALL = 16


def ascend(
    activation: Activation,
    z: tf.Tensor,
    steps: int,
    optimizer: keras.optimizers.Optimizer | Method | str | None = None,
    thresholds: Sequence[int] = (),
    seed: tf.Tensor | None = None,
    progress: bool | Sequence[Callback] = False,
    skip_nonfinite: bool = False,
    redirect_steps: int = 0,
    stage: Stage | None = None,
    bar: Progress | None = None,
    shared_transforms: bool = False,
) -> Optimized:
    """The loop of `optimize`, on an activation and first latents [batch, *latent_shape] that are known to fit.

    With `skip_nonfinite`, an image whose activation or gradient is not finite stays where it is and the others go on, unless there
    are no others. At a `stage` of a checkpoint, a Keras optimizer goes on from what is kept there. Steps count on a `bar` of the
    caller's, if there is one. With `shared_transforms`, a step draws its transforms once, and all
    images take them.
    """
    seed = seeds.root(0) if seed is None else seed
    optimizer = as_method(optimizer)
    if isinstance(optimizer, Method):
        if redirect_steps:
            raise ValueError(f"redirect_steps: only for Keras optimizers. Received: {redirect_steps} with {optimizer}")
        activation.check_independent(f"the optimizer {optimizer}")
    first = cached_clone(activation.network, "redirect_relu", redirect_relu) if redirect_steps else activation.network
    stepper = _compiled_stepper(
        dataclasses.replace(activation, network=first), z.shape[0], optimizer, shared_transforms
    )
    stepper.reset(z)
    parameters = activation.parameters
    stops = sorted({*thresholds, *range(STEPS_PER_CALL, steps, STEPS_PER_CALL), redirect_steps or steps, steps})
    history, snapshots, done = [np.zeros((0, z.shape[0]), np.float32)], {}, 0
    stage = stage or Checkpoint().stage("optimise")
    saved = stage.saved
    if saved:
        stepper.variables = refilled("variables", stepper.variables, saved)
        z, history, done = tf.identity(stepper.latents), [saved["history"]], int(saved["done"])

    def state() -> dict:
        return {"done": done, "history": np.concatenate(history), **flat("variables", stepper.variables)}

    own_bar = Progress("optimise", steps, "step", progress, done) if bar is None else contextlib.nullcontext(bar)
    with own_bar as bar:
        for stop in [s for s in stops if done < s <= steps]:
            if done and done == redirect_steps:
                stepper = _compiled_stepper(activation, z.shape[0], optimizer, shared_transforms).resume(stepper)
            scores = stepper.run(parameters, seed, tf.constant(done), tf.constant(stop - done)).numpy()
            z = tf.identity(stepper.latents)
            finite = np.isfinite(scores).all(0) & np.isfinite(z.numpy().reshape(len(z), -1)).all(1)
            if not (finite.any() if skip_nonfinite else finite.all()):
                raise FloatingPointError(
                    f"obj: the activation or its gradient is not finite between steps {done} and {stop}: {scores[-1]}"
                )
            history.append(scores)
            bar.update(stop - done, activation=float(scores[-1].mean()))
            done = stop
            if done in thresholds:
                snapshots[done] = activation.param.image(z).numpy()
            stage.update(state)
            if bar.interrupted or stepper.finished:
                break
    stage.close(state, bar.interrupted)
    images = activation.param.image(z).numpy()
    if stepper.finished:
        snapshots |= {threshold: images for threshold in thresholds if threshold > done}
    return Optimized(images, z.numpy(), np.concatenate(history), snapshots)


def unmoved(latents: np.ndarray, start: tf.Tensor) -> np.ndarray:
    """Whether latents [batch, ...] are where they started, to the bit: bool [batch]. The start may be one for all, [1, ...]."""
    return (latents == start.numpy()).reshape(len(latents), -1).all(1)


def first_latents(param: Parameterization, batch: int, init: np.ndarray | None, seed: tf.Tensor) -> tf.Tensor:
    """First latents [batch, *latent_shape]: those of images [batch, *image_shape] in [0, 1], or else a faint prior draw."""
    if init is None:
        return param.start(seeds.fold(seed, "optimize"), batch)
    images = check_array("init", init)
    if images.shape != (batch, *param.image_shape):
        raise ValueError(f"init: expected images of shape {(batch, *param.image_shape)}. Received: {images.shape}")
    if not (np.isfinite(images).all() and images.min() >= 0 and images.max() <= 1):
        raise ValueError(f"init: expected values in [0, 1]. Received: {images.min():g} to {images.max():g}")
    return param.latent(tf.constant(images))


def _compiled_stepper(
    activation: Activation,
    batch: int,
    optimizer: keras.optimizers.Optimizer | Method | None,
    shared_transforms: bool = False,
) -> KerasStepper | Stepper:
    """The compiled loop, kept with the network for the next objective of the same kind."""
    compiled = activation.network.compiled
    method = isinstance(optimizer, Method)
    key = ("optimize", activation.key, batch, optimizer if method else settings_of(optimizer), shared_transforms)
    if key not in compiled:
        compiled[key] = (
            optimizer.stepper(activation, batch)
            if method
            else KerasStepper(activation, batch, copied(optimizer), shared_transforms)
        )
    return compiled[key]
