"""Compiled gradient ascent on the activation: Lucid's renderer."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from samplevis import param as parameterizations
from samplevis.activation import default_param, make_activation
from samplevis.activation.activation import DEFAULT_SIDES
from samplevis.activation.memory import sides
from samplevis.network import Network, as_network
from samplevis.objectives import Objective
from samplevis.optimizers import Method, as_method, as_network_of
from samplevis.optimizers.ascent import ascend, first_latents, unmoved
from samplevis.optimizers.keras_stepper import settings_of
from samplevis.param import Parameterization
from samplevis.results.optimized import Optimized
from samplevis.runtime import memory, seeds
from samplevis.runtime.callbacks import Callback, as_callbacks
from samplevis.runtime.checks import check_whole, check_wholes
from samplevis.transform import Transform

# Steps for which Lucid redirects gradient through dead rectifiers (lucid/misc/redirected_relu_grad.py).
LUCID_REDIRECT_STEPS = 16
SILENT = (
    f"A unit that is silent behind a ReLU starts with redirect_steps={LUCID_REDIRECT_STEPS}, or as 'layer/pre:channel'"
)


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
    network, obj = _subject(
        model, obj, parameterizations.fourier(DEFAULT_SIDES[2]) if param is None else param, optimizer
    )
    param = default_param(network) if param is None else param
    activation = make_activation(network, obj, param, transforms)
    activation.objective.check_batch(batch)
    settings_of(as_method(optimizer))
    watching = as_callbacks(progress, callbacks)
    root, sizes = seeds.root(seed), {"batch": batch} | sides(network, param.image_shape)
    with memory.explain_oom(sizes):
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
