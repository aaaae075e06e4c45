"""optimize() and Lucid's render_vis(): images that maximise an objective."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import get_args

import keras
import numpy as np
import tensorflow as tf

from samplevis import param as parameterizations
from samplevis.activation import Activation, make_activation, sized_param
from samplevis.activation.activation import DEFAULT_SIDES
from samplevis.activation.memory import image_sizes
from samplevis.activation.precision import Precision, in_precision
from samplevis.analysis.preprocessing_notice import notify_inferred
from samplevis.analysis.units_notice import notify_random, notify_unsaturated
from samplevis.network import Network, as_network
from samplevis.objectives import Objective
from samplevis.optimizers import Method, as_method, as_network_of
from samplevis.optimizers.ascent import LUCID_REDIRECT_STEPS, AscentOptions, check_optimizer, first_latents, unmoved
from samplevis.optimizers.keras_stepper import optimizer_settings
from samplevis.optimizers.registry import OptimizerLike
from samplevis.param import Parameterization
from samplevis.results.optimized import Optimized
from samplevis.runs.smooth_ascent import SMOOTH, ascend_smoothly, check_smooth, smooth_activation
from samplevis.runtime import memory, seeds
from samplevis.runtime.callbacks import Callback, as_callbacks
from samplevis.runtime.checks import check_choice, check_whole, check_wholes
from samplevis.runtime.progress import Progress, noticing
from samplevis.transform.base import TransformLike

NO_GRADIENT_ADVICE = (
    f"A unit that is silent behind a ReLU may start with redirect_steps={LUCID_REDIRECT_STEPS}, or as "
    "'layer/pre:channel'"
)


def optimize(
    model: Network | keras.Model | Callable,
    obj: Objective | str | Callable | None = None,
    *,
    param: Parameterization | None = None,
    transforms: TransformLike = "robust",
    steps: int = 256,
    optimizer: OptimizerLike = None,
    im_size: int | tuple[int, ...] | None = None,
    smooth: float | None = SMOOTH,
    batch: int = 1,
    init: np.ndarray | None = None,
    thresholds: Sequence[int] = (),
    redirect_steps: int | None = None,
    precision: Precision = "float32",
    seed: int = 0,
    progress: bool = True,
    callbacks: Sequence[Callback] = (),
) -> Optimized:
    """Finds images that maximise an objective, by gradient ascent or another optimiser.

    The update is compiled and loops inside TensorFlow. A step is compiled once for a network, a kind of objective and a shape,
    so that a sweep over channels compiles once. Ctrl-C stops early and returns the images so far.

    Args:
      model: a `Network`, or a model that it takes. For the optimisers "cma" and "genetic", without `obj`: any function from
        images [N, H, W, C] to scores [N], both NumPy arrays.
      obj: the objective to maximise: an objective, a string such as "fire9:10", or a function of the layer accessor `T`. Pass
        the same function object each time, so that compiled steps are reused.
      param: parameterization. Defaults to `param.fourier(im_size)` of the network's channels.
      transforms: random distortions, with fresh parameters for every image and step. Defaults to "robust", as in `render`;
        "standard" is Lucid's set; None for none.
      steps: number of updates, >= 1. Defaults to 256.
      optimizer: any Keras optimizer (a copy is used, so that one object can serve many calls); "lbfgs", "cma" or "genetic", or
        settings of these from `samplevis.optimizers`. Defaults to Adam(0.05) on gradients in units of their own, so that the unit
        of the objective does not matter.
      im_size: pixels, one int for all sides or one for each. Defaults to the network's own size; for a network that takes any, to
        128, to 1024 for signals and 32 for volumes. Ignored if `param` is given.
      smooth: softness of the kinks of ReLU and max pooling, > 0, as in `render`: the first four fifths of the steps are on
        `overrides.smooth(model, smooth)`, the others on `model` itself. On networks with ReLU6, pictures are otherwise pale at the
        same activation. None for `model` alone; so are networks without kinks, those that cannot be smoothed, and optimisers
        other than Keras's. Defaults to 0.3.
      batch: number of images, >= 1, each with a different start. Defaults to 1.
      init: images [batch, *image_shape] in [0, 1] to start from. Defaults to faint noise.
      thresholds: numbers of updates after which to take a snapshot, from 1 to `steps`. Defaults to none.
      redirect_steps: number of first steps with `overrides.redirect_relu`, which starts units that are silent behind a ReLU,
        >= 0; the state of the optimizer carries over to later steps. Defaults to half of the steps, and at least Lucid's 16,
        if an image has no gradient in the first 16, which begin again; otherwise to 0.
      precision: what the network computes in: "float32", "bfloat16" (`overrides.bfloat16`), or "auto": bfloat16 if a trial of
        about a second shows a gain on this machine. A measured choice may differ from one process to the next, and the images with
        it; it is logged. Defaults to "float32".
      seed: int from 0 to 2**31 - 1. Defaults to 0.
      progress: whether to show a progress bar. Defaults to True.
      callbacks: list of `samplevis.Callback`, notified of the steps. Defaults to none.

    Returns:
      An `Optimized`. The first `smooth_steps` rows of its history are of the smoothed network, the others of the network itself.

    Raises:
      ValueError, TypeError: if an argument is out of range, before any work.
      FloatingPointError: if the activation or its gradient is not finite; the message has the steps.
      MemoryError: if memory is full; the message says which of batch and size to lower, and to what.

    Example:
      >>> import samplevis
      >>> from samplevis import modelzoo
      >>> result = samplevis.optimize(
      ...     modelzoo.Shapes(), "logits:4", im_size=32, steps=16, batch=4, progress=False
      ... )
      >>> result.images.shape
      (4, 32, 32, 3)
    """
    check_whole("steps", steps, 1)
    check_whole("batch", batch, 1)
    thresholds = check_wholes("thresholds", thresholds, 1)
    if max(thresholds, default=0) > steps:
        raise ValueError(f"thresholds: expected numbers of updates up to steps, {steps}. Received: {max(thresholds)}")
    if redirect_steps is not None:
        check_whole("redirect_steps", redirect_steps, 0)
    check_choice("precision", precision, get_args(Precision))
    check_smooth(smooth)
    optimizer = as_method(optimizer)
    with noticing("optimize"):
        network, obj = _network_and_objective(model, obj, param, im_size, optimizer)
        param = sized_param(network, im_size, transforms) if param is None else param
        activation = make_activation(network, obj, param, transforms)
        activation.objective.check_batch(batch)
        optimizer_settings(optimizer)
        options = AscentOptions(steps, optimizer, thresholds, redirect_steps)
        check_optimizer(activation, options)
        notified = as_callbacks(progress, callbacks)
        notify_inferred(network, progress)
        notify_unsaturated(network, activation.objective.unsaturated, progress)
        notify_random(network, activation.layers)
        root, sizes = seeds.root(seed), {"batch": batch} | image_sizes(network, param.image_shape)
        with memory.explain_oom(sizes):
            z = first_latents(param, batch, init, root)
            first = smooth_activation(activation, smooth, options)
            first = None if first is None else in_precision(first, precision, batch)
            activation = in_precision(activation, precision, batch)
            with Progress("optimise", options.steps, "step", notified) as bar:
                result, silent = ascend_smoothly(activation, first, z, options, root, bar)
    _warn_silent(result, silent, activation, z)
    return result


def render_vis(
    model: Network | keras.Model,
    objective_f: Objective | str | Callable,
    param_f: Callable[[], Parameterization] | Parameterization | None = None,
    optimizer: OptimizerLike = None,
    transforms: TransformLike = "standard",
    thresholds: Sequence[int] = (512,),
    verbose: bool = True,
    relu_gradient_override: bool = True,
    seed: int = 0,
) -> list[np.ndarray]:
    """Lucid's `render_vis` (lucid/optvis/render.py), on top of `optimize`.

    A threshold of 512 means 512 updates; Lucid makes one more.

    Args:
      model: a `Network` or a Keras model.
      objective_f: the objective, as `obj` in `optimize`.
      param_f: a parameterization, or a function without arguments that returns one. Defaults to that of `optimize`.
      optimizer: as in `optimize`. Defaults to Adam(0.05).
      transforms: a list of transforms; [] or None for none. Defaults to "standard", Lucid's set.
      thresholds: numbers of updates after which to return the images, at least one, each >= 1. Defaults to (512,).
      verbose: whether to show a progress bar. Defaults to True.
      relu_gradient_override: whether gradients are redirected through dead rectifiers in the first 16 steps; Keras optimizers
        only. Defaults to True.
      seed: int from 0 to 2**31 - 1. Defaults to 0.

    Returns:
      A list with an array [1, H, W, C] in [0, 1] for each threshold that was reached.

    Raises:
      ValueError, TypeError: if an argument is out of range, before any work.

    Example:
      >>> import samplevis
      >>> from samplevis import modelzoo, param
      >>> images = samplevis.render_vis(
      ...     modelzoo.Shapes(), "logits:4", lambda: param.fourier(32), thresholds=(8, 16), verbose=False
      ... )
      >>> [image.shape for image in images]
      [(1, 32, 32, 3), (1, 32, 32, 3)]
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
        smooth=None,
        seed=seed,
        progress=verbose,
    )
    return [result.snapshots[t] for t in sorted(thresholds) if t in result.snapshots]


def _network_and_objective(
    model: Network | keras.Model | Callable,
    obj: Objective | str | Callable | None,
    param: Parameterization | None,
    im_size: int | tuple[int, ...] | None,
    optimizer: Method | keras.optimizers.Optimizer | None,
) -> tuple[Network, Objective | str | Callable]:
    """The network and the objective; without `obj`, those that wrap a function from images to scores."""
    if obj is not None:
        return as_network(model), obj
    if isinstance(model, (Network, keras.Model)) or not callable(model):
        raise TypeError("obj: expected an objective, a string 'layer:channel' or a function of T. Received: None")
    if not isinstance(optimizer, Method) or optimizer.needs_gradient:
        raise ValueError(
            "optimizer: a function as model has no gradient; expected 'cma' or 'genetic', or settings of these. "
            f"Received: {optimizer!r}"
        )
    param = parameterizations.fourier(im_size or DEFAULT_SIDES[2]) if param is None else param
    return as_network_of(model, param.image_shape), _scores


def _warn_silent(result: Optimized, silent: np.ndarray, activation: Activation, start: tf.Tensor) -> None:
    """Warns of images that show nothing of the unit: without a gradient, or with a score that no step changed."""
    resting = unmoved(result.latents, start)
    for images, words in (
        (resting, "had no gradient in any step for image {images} of {batch}, which has not changed"),
        (
            silent & ~resting,
            "did not respond in any step to image {images} of {batch}, which shows nothing of it: {score}",
        ),
    ):
        if images.any():
            score = f"its score stayed at {result.history[-1][images][0]:g}"
            numbers = ", ".join(map(str, np.flatnonzero(images)))
            text = words.format(images=numbers, batch=len(images), score=score)
            warnings.warn(f"obj: {activation.objective} {text}. {NO_GRADIENT_ADVICE}", stacklevel=3)


def _scores(T: Callable[[str], tf.Tensor]) -> tf.Tensor:  # noqa: N803 - Lucid's name for the accessor.
    return T("scores")
