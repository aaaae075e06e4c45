"""Compiled gradient ascent on the activation: Lucid's renderer."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from samplevis import memory, seeds
from samplevis import param as parameterizations
from samplevis.activation import FREE, Activation, default_param, make_activation
from samplevis.callbacks import Callback, as_callbacks
from samplevis.checkpoint import Checkpoint, Stage, flat, refilled
from samplevis.checks import brief, check_array, check_whole, check_wholes
from samplevis.network import Network, as_network
from samplevis.objectives import Objective
from samplevis.optimizers import Method, Stepper, as_method, as_network_of
from samplevis.overrides import redirect_relu
from samplevis.overrides.rebuild import kept
from samplevis.param import Parameterization
from samplevis.progress import Progress
from samplevis.transform import Transform

# Compiled steps between two looks of Python at the run.
STEPS_PER_CALL = 16
# Steps for which Lucid redirects gradient through dead rectifiers (lucid/misc/redirected_relu_grad.py).
LUCID_REDIRECT_STEPS = 16
SILENT = (
    f"A unit that is silent behind a ReLU starts with redirect_steps={LUCID_REDIRECT_STEPS}, or as 'layer/pre:channel'"
)


@dataclasses.dataclass(frozen=True, eq=False)
class Optimized:
    """What `optimize` returns.

    Attributes:
      images: float32 [batch, *image_shape] in [0, 1], after the last step.
      latents: float32 [batch, *latent_shape].
      history: float32 [steps, batch], the activation before each step's update; in searches by populations, that of the best
        candidate so far. Fewer steps than asked for if the optimiser was done.
      snapshots: number of updates -> images [batch, *image_shape].
    """

    images: np.ndarray
    latents: np.ndarray
    history: np.ndarray
    snapshots: dict[int, np.ndarray]


def optimize(
    model: Network | keras.Model | Callable,
    obj: Objective | str | Callable | None = None,
    *,
    param: Parameterization | None = None,
    transforms: Transform | Sequence[Transform] | str | None = "standard",
    steps: int = 256,
    optimizer: keras.optimizers.Optimizer | Method | str | None = None,
    batch: int = 1,
    init: np.ndarray | None = None,
    thresholds: Sequence[int] = (),
    redirect_steps: int = 0,
    seed: int = 0,
    progress: bool = True,
    callbacks: Sequence[Callback] = (),
) -> Optimized:
    """Finds images that an objective likes most, by gradient ascent or another optimiser.

    The whole update is compiled and loops inside TensorFlow; a step is compiled once for a network, a kind of objective and
    a shape, so that a sweep over channels compiles once. Ctrl-C ends the run early and keeps what there is.

    Args:
      model: a `Network`, or a model that it takes; or, for the optimisers "cma" and "genetic" and without `obj`, any function from
        images [N, H, W, C] to scores [N], NumPy arrays both, which takes the place of model and objective.
      obj: an objective, a string such as "fire9:10", or a function of the layer accessor `T`; maximised. Of a function, the same
        object each time: one that is written anew is compiled anew.
      param: parameterization. Defaults to `param.fourier` of the size and channels that the network takes; of 128 pixels where it
        takes any, 1024 for signals and 32 for volumes.
      transforms: distortions drawn anew for every image and step. Defaults to "standard", Lucid's set; None for none.
      steps: number of updates, >= 1. Defaults to 256.
      optimizer: any Keras optimizer; a copy is used, so that one object serves many calls. Or "lbfgs", "cma" or "genetic", or
        settings of these from `samplevis.optimizers`. Defaults to Adam(0.05).
      batch: number of images, >= 1, each from its own start. Defaults to 1.
      init: images [batch, *image_shape] in [0, 1] to start from. Defaults to faint noise.
      thresholds: numbers of updates after which to keep a snapshot, from 1 to `steps`. Defaults to none.
      redirect_steps: number of first steps that go through `overrides.redirect_relu`, which starts units that are silent
        behind a ReLU; the optimizer goes on as it is afterwards. >= 0. Defaults to 0; Lucid's choice is 16.
      seed: int from 0 to 2**31 - 1.
      progress: whether to show a progress bar.
      callbacks: what else hears of the steps, see `samplevis.Callback`. Defaults to none.

    Returns:
      An `Optimized`.

    Raises:
      ValueError, TypeError: if an argument is out of range, before any work.
      FloatingPointError: if the activation or its gradient stops being finite; the step is named.
      MemoryError: if memory is full; it says which of batch and size to lower, and to what.

    Example:
      >>> result = samplevis.optimize(model, "fire9:10", steps=128, batch=4)
      >>> result.images.shape
      (4, 128, 128, 3)
    """
    check_whole("steps", steps, 1)
    check_whole("batch", batch, 1)
    thresholds = check_wholes("thresholds", thresholds, 1)
    if max(thresholds, default=0) > steps:
        raise ValueError(f"thresholds: expected numbers of updates up to steps, {steps}. Received: {max(thresholds)}")
    check_whole("redirect_steps", redirect_steps, 0)
    network, obj = _subject(model, obj, parameterizations.fourier(FREE[2]) if param is None else param, optimizer)
    param = default_param(network) if param is None else param
    activation = make_activation(network, obj, param, transforms)
    activation.objective.check_batch(batch)
    settings_of(as_method(optimizer))
    watching = as_callbacks(progress, callbacks)
    root, sizes = seeds.root(seed), {"batch": batch} | memory.sides(network, param.image_shape)
    with memory.told(sizes):
        z = first_latents(param, batch, init, root)
        found = ascend(activation, z, steps, optimizer, thresholds, root, watching, redirect_steps=redirect_steps)
    still = np.flatnonzero(unmoved(found.latents, z))
    if len(still):
        warnings.warn(
            f"obj: {activation.objective} had no gradient in any step for image {', '.join(map(str, still))} of {batch}, which "
            f"stayed as it began. {SILENT}",
            stacklevel=2,
        )
    return found


def ascend(
    activation: Activation,
    z: tf.Tensor,
    steps: int,
    optimizer: keras.optimizers.Optimizer | Method | str | None = None,
    thresholds: Sequence[int] = (),
    seed: tf.Tensor | None = None,
    progress: bool | Sequence[Callback] = False,
    tolerant: bool = False,
    redirect_steps: int = 0,
    stage: Stage | None = None,
    bar: Progress | None = None,
    alike: bool = False,
) -> Optimized:
    """The loop of `optimize`, on an activation and first latents [batch, *latent_shape] that are known to fit.

    With `tolerant`, an image whose activation or gradient is not finite stays where it is and the others go on, unless there
    are no others. At a `stage` of a checkpoint, a Keras optimizer goes on from what is kept there. Steps count on a `bar` of the
    caller's, if there is one. With `alike`, a step draws its transforms once, as for one image, and all images take them.
    """
    seed = seeds.root(0) if seed is None else seed
    optimizer = as_method(optimizer)
    if isinstance(optimizer, Method):
        if redirect_steps:
            raise ValueError(f"redirect_steps: only for Keras optimizers. Received: {redirect_steps} with {optimizer}")
        activation.check_independent(f"the optimizer {optimizer}")
    first = kept(activation.network, "redirect_relu", redirect_relu) if redirect_steps else activation.network
    stepper = _compiled_stepper(dataclasses.replace(activation, network=first), z.shape[0], optimizer, alike)
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
                stepper = _compiled_stepper(activation, z.shape[0], optimizer, alike).resume(stepper)
            scores = stepper.run(parameters, seed, tf.constant(done), tf.constant(stop - done)).numpy()
            z = tf.identity(stepper.latents)
            finite = np.isfinite(scores).all(0) & np.isfinite(z.numpy().reshape(len(z), -1)).all(1)
            if not (finite.any() if tolerant else finite.all()):
                raise FloatingPointError(
                    f"obj: the activation or its gradient is not finite between steps {done} and {stop}: {scores[-1]}"
                )
            history.append(scores)
            bar.update(stop - done, activation=float(scores[-1].mean()))
            done = stop
            if done in thresholds:
                snapshots[done] = activation.param.image(z).numpy()
            stage.keep(state)
            if bar.interrupted or stepper.finished:
                break
    stage.close(state, bar.interrupted)
    images = activation.param.image(z).numpy()
    if stepper.finished:
        snapshots |= {threshold: images for threshold in thresholds if threshold > done}
    return Optimized(images, z.numpy(), np.concatenate(history), snapshots)


def render_vis(
    model: Network | keras.Model,
    objective_f: Objective | str | Callable,
    param_f: Callable[[], Parameterization] | Parameterization | None = None,
    optimizer: keras.optimizers.Optimizer | Method | str | None = None,
    transforms: Transform | Sequence[Transform] | str | None = "standard",
    thresholds: Sequence[int] = (512,),
    verbose: bool = True,
    relu_gradient_override: bool = True,
    seed: int = 0,
) -> list[np.ndarray]:
    """Lucid's `render_vis` (lucid/optvis/render.py), over `optimize`.

    A threshold is a number of updates: 512 means 512, where Lucid made one more.

    Args:
      model: a `Network` or a Keras model.
      objective_f: what `optimize` takes as `obj`.
      param_f: a parameterization, or a function without arguments that makes one. Defaults to that of `optimize`.
      optimizer: what `optimize` takes. Defaults to Adam(0.05).
      transforms: any list or tuple of transforms; [] or None for none. Defaults to Lucid's standard set.
      thresholds: numbers of updates after which to keep the images.
      verbose: whether to show a progress bar.
      relu_gradient_override: whether gradient is redirected through dead rectifiers in the first 16 steps. Defaults to
        True. Only for Keras optimizers.
      seed: int from 0 to 2**31 - 1.

    Returns:
      A list with an array [1, H, W, C] in [0, 1] for each threshold that was reached.
    """
    thresholds = check_wholes("thresholds", thresholds, 1)
    if not thresholds:
        raise ValueError("thresholds: expected at least one number of updates. Received: none")
    redirects = relu_gradient_override and not isinstance(as_method(optimizer), Method)
    result = optimize(
        model,
        objective_f,
        param=param_f() if callable(param_f) else param_f,
        transforms=transforms,
        steps=max(thresholds),
        optimizer=optimizer,
        thresholds=thresholds,
        redirect_steps=LUCID_REDIRECT_STEPS if redirects else 0,
        seed=seed,
        progress=verbose,
    )
    return [result.snapshots[t] for t in sorted(thresholds) if t in result.snapshots]


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


def _subject(
    model: Any, obj: Any, param: Parameterization, optimizer: Any
) -> tuple[Network, Objective | str | Callable]:
    """The network and the objective that model and objective stand for."""
    if obj is not None:
        return as_network(model), obj
    if isinstance(model, (Network, keras.Model)) or not callable(model):
        raise TypeError("obj: expected an objective, a string 'layer:channel' or a function of T. Received: None")
    optimizer = as_method(optimizer)
    if not isinstance(optimizer, Method) or optimizer.needs_gradient:
        raise ValueError(
            "optimizer: a function as model has no gradient; expected 'cma' or 'genetic', or settings of these. "
            f"Received: {optimizer!r}"
        )
    return as_network_of(model, param.image_shape), _scores


def _scores(T: Callable[[str], tf.Tensor]) -> tf.Tensor:  # noqa: N803 - Lucid's name for the accessor.
    return T("scores")


def _copy(optimizer: keras.optimizers.Optimizer | None) -> keras.optimizers.Optimizer:
    """A fresh optimizer with the same settings: Keras ties an optimizer to the first variables that it sees."""
    given = keras.optimizers.Adam(0.05) if optimizer is None else optimizer
    fresh = type(given).from_config(given.get_config())
    # Keras adds gradients up over devices, also over one, by an operation that keeps every graph it is traced in for good.
    fresh._all_reduce_sum_gradients = lambda gradients_and_variables: gradients_and_variables
    return fresh


def settings_of(optimizer: keras.optimizers.Optimizer | None) -> tuple:
    """What decides the updates of an optimizer. Made without a copy: every Keras optimizer that was ever made takes memory."""
    if optimizer is None or isinstance(optimizer, Method):
        return ()
    if not isinstance(optimizer, keras.optimizers.Optimizer):
        raise TypeError(
            "optimizer: expected a keras.optimizers.Optimizer, 'lbfgs', 'cma', 'genetic', or settings from "
            f"samplevis.optimizers. Received: {brief(optimizer)}"
        )
    # Keras numbers the names of optimizers; they change nothing.
    settings = {name: value for name, value in optimizer.get_config().items() if name != "name"}
    return type(optimizer), json.dumps(settings, sort_keys=True, default=str)


class _Stepper(Stepper):
    """The compiled loop of a Keras optimizer with its variables: latents and the optimizer's state."""

    def __init__(self, activation: Activation, batch: int, optimizer: keras.optimizers.Optimizer, alike: bool):
        self.z = keras.Variable(np.zeros((batch, *activation.param.latent_shape), np.float32))
        optimizer.build([self.z])
        self._state = [(variable, tf.identity(variable.value)) for variable in optimizer.variables]

        @tf.function(autograph=False, reduce_retracing=True)
        def run(parameters: list[tf.Tensor], seed: tf.Tensor, first: tf.Tensor, count: tf.Tensor) -> tf.Tensor:
            """Runs `count` steps from step `first`; returns the scores before each update, [count, batch]."""

            def step(i: tf.Tensor, scores: tf.TensorArray) -> tuple[tf.Tensor, tf.TensorArray]:
                draws = activation.draw(seeds.fold(seed, "optimize", first + i), 1 if alike else batch)
                if alike:
                    draws = tf.nest.map_structure(lambda draw: tf.repeat(draw, batch, axis=0), draws)
                with tf.GradientTape() as tape:
                    score = activation.paired(self.z.value, draws, parameters, first + i)[:, 0]
                gradient = tape.gradient(score, self.z.value)
                if gradient is None:
                    raise ValueError("obj: it has no gradient. Use optimizer='cma' or 'genetic'.")
                finite = tf.reduce_all(tf.math.is_finite(gradient), list(range(1, gradient.shape.rank)), keepdims=True)
                # Keras minimises. Images without a gradient rest: they must not spoil the optimizer's averages.
                optimizer.apply([tf.where(finite, -gradient, 0.0)], [self.z])
                return i + 1, scores.write(i, score)

            scores = tf.TensorArray(tf.float32, count, element_shape=[batch])
            return tf.while_loop(lambda i, _: i < count, step, (tf.constant(0), scores), parallel_iterations=1)[
                1
            ].stack()

        self._compiled = run

    @property
    def latents(self) -> tf.Tensor:
        return self.z.value

    @property
    def variables(self) -> list[np.ndarray]:
        """Copies of the latents and of the optimizer's state: with them, another stepper goes on from here."""
        return [np.array(variable.numpy()) for variable in (self.z, *(variable for variable, _ in self._state))]

    @variables.setter
    def variables(self, values: Sequence[np.ndarray]) -> None:
        for variable, value in zip((self.z, *(variable for variable, _ in self._state)), values, strict=True):
            variable.assign(value)

    def run(self, parameters: Sequence[tf.Tensor], seed: tf.Tensor, first: tf.Tensor, count: tf.Tensor) -> tf.Tensor:
        return self._compiled(parameters, seed, first, count)

    def reset(self, z: tf.Tensor) -> None:
        """Starts again from latents `z`, with a fresh optimizer."""
        self.z.assign(z)
        for variable, value in self._state:
            variable.assign(value)

    def resume(self, other: _Stepper) -> _Stepper:
        """Goes on from another stepper's latents and optimizer."""
        self.z.assign(other.z)
        for (variable, _), (theirs, _) in zip(self._state, other._state, strict=True):
            variable.assign(theirs)
        return self


def _compiled_stepper(
    activation: Activation, batch: int, optimizer: keras.optimizers.Optimizer | Method | None, alike: bool = False
) -> _Stepper | Stepper:
    """The compiled loop, kept with the network for the next objective of the same kind."""
    compiled = activation.network.compiled
    method = isinstance(optimizer, Method)
    key = ("optimize", activation.key, batch, optimizer if method else settings_of(optimizer), alike)
    if key not in compiled:
        compiled[key] = (
            optimizer.stepper(activation, batch) if method else _Stepper(activation, batch, _copy(optimizer), alike)
        )
    return compiled[key]


def number_of_traces(network: Network) -> int:
    """How often the optimiser's loops of a network and its clones have been traced: 1 after a sweep over channels."""
    kept = list(network.compiled.values())
    traces = sum(each._compiled.experimental_get_tracing_count() for each in kept if isinstance(each, _Stepper))
    return traces + sum(number_of_traces(clone) for clone in kept if isinstance(clone, Network))
