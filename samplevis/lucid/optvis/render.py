"""Lucid's renderer. Source: lucid/optvis/render.py."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from samplevis.activation.memory import image_sizes
from samplevis.lucid.core import graphs, overriding, variables
from samplevis.lucid.core.eager import outside
from samplevis.lucid.core.models import as_model
from samplevis.lucid.core.networks import imports_itself, network_of
from samplevis.lucid.core.objective import Accessor, Objective
from samplevis.lucid.core.optimizers import as_keras
from samplevis.lucid.core.program import Program, make_program, param_function
from samplevis.lucid.core.showing_stage import LATENTS, Thresholds
from samplevis.lucid.misc.io import show
from samplevis.lucid.optvis import objectives, param, transform
from samplevis.network import Network
from samplevis.optimizers.ascent import AscentOptions, ascend
from samplevis.runtime import memory, seeds
from samplevis.runtime.checks import brief, check_wholes

log = logging.getLogger(__name__)

# Lucid redirects gradients while its step, from 0, is at most 16.
REDIRECT_STEPS = 17
DEFAULT_SIZE = 128


def render_vis(
    model: Any,
    objective_f: Objective | str | Callable,
    param_f: Callable[[], tf.Tensor] | None = None,
    optimizer: Any = None,
    transforms: list[Callable] | None = None,
    thresholds: Sequence[int] = (512,),
    print_objectives: Sequence[Objective | str | Callable] | None = None,
    verbose: bool = True,
    relu_gradient_override: bool = True,
    use_fixed_seed: bool = False,
) -> list[np.ndarray]:
    """Images that maximise an objective.

    Args:
      model: a model of `modelzoo.vision_models`, a `samplevis.Network` or a Keras model.
      objective_f: "layer:channel", an objective, or a function of T that returns a number.
      param_f: a function without arguments that returns images of variables. Defaults to `param.image(128)`, or to the size
        of a network that takes one size only.
      optimizer: one of `tf.compat.v1.train` or of Keras, or a function without arguments that returns one. Defaults to Adam(0.05).
      transforms: functions of images; [] for none. Defaults to `transform.standard_transforms`.
      thresholds: steps at which to return the images. Step 512 is after 513 updates, as in Lucid. Defaults to (512,).
      print_objectives: objectives to print at each threshold. Defaults to none.
      verbose: whether to print the objective and show the images at each threshold. Defaults to True.
      relu_gradient_override: whether gradients are redirected through dead rectifiers in the first 17 updates. Defaults to True.
      use_fixed_seed: whether everything random follows from a fixed seed. If not, it follows from `numpy.random`. Defaults to
        False.

    Returns:
      An array [batch, height, width, channels] in [0, 1] for each threshold that was reached, in order.

    Raises:
      TypeError, ValueError: if an argument is out of range, before any work.
      FloatingPointError: if the objective or its gradient is not finite.

    Example:
      >>> import samplevis.lucid.optvis.render as render
      >>> from samplevis import modelzoo
      >>> images = render.render_vis(
      ...     modelzoo.Shapes(), "logits:4", lambda: param.image(32), thresholds=[8, 16], verbose=False
      ... )
      >>> [image.shape for image in images]
      [(1, 32, 32, 3), (1, 32, 32, 3)]
    """
    thresholds = check_wholes("thresholds", thresholds, 0)
    if not thresholds:
        raise ValueError("thresholds: expected at least one step. Received: none")
    fixed = variables.fixed_initial_values(0) if use_fixed_seed else contextlib.nullcontext()

    def run() -> list[np.ndarray]:
        if imports_itself(model):
            arguments = model, objective_f, param_f, optimizer, transforms, relu_gradient_override
            return _optimized_in_graph(lambda: make_vis_T(*arguments), thresholds, print_objectives, verbose)
        program = _program(model, objective_f, param_f, transforms)
        options = AscentOptions(
            max(thresholds) + 1,
            as_keras(optimizer),
            tuple(step + 1 for step in thresholds),
            REDIRECT_STEPS if relu_gradient_override else 0,
        )
        return _optimized(program, options, print_objectives or (), verbose)

    with fixed:
        return outside(run)


def _optimized(
    program: Program, options: AscentOptions, print_objectives: Sequence[Any], verbose: bool
) -> list[np.ndarray]:
    """The images after the updates that `options` names."""
    latents = program.param.latents
    seed = seeds.root(latents.seed)
    printed = [program.with_objective(_objective(each)) for each in print_objectives]

    def at_threshold(step: int, score: float, z: np.ndarray) -> None:
        if verbose:
            print(step, np.float32(score))
            _print_values(printed, z, seeds.fold(seed, "print", step), step)
            _show(program, z)

    stage = Thresholds(options.thresholds, at_threshold)
    sizes = {"batch": latents.result.shape[0]} | image_sizes(program.network, program.param.image_shape)
    with memory.explain_oom(sizes):
        result = ascend(program, tf.constant(latents.initial), options, seed, stage=stage)
    if stage.interrupted:
        log.warning("Interrupted at step %d.", int(stage.interrupted["done"]) - 1)
        _show(program, stage.interrupted[LATENTS])
    return [result.snapshots[updates] for updates in sorted(result.snapshots)]


def _optimized_in_graph(
    make: Callable[[], Accessor], thresholds: Sequence[int], print_objectives: Sequence[Any] | None, verbose: bool
) -> list[np.ndarray]:
    """The images at some steps, for models that import themselves: in a graph and a session of its own, as in Lucid."""
    images = []
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        tf.compat.v1.set_random_seed(variables.seed_beside())
        T = make()  # noqa: N806
        print_objective_func = make_print_objective_func(print_objectives, T)
        tf.compat.v1.global_variables_initializer().run()
        step = -1
        try:
            for step in range(max(thresholds) + 1):
                loss, _ = session.run([T("loss"), T("vis_op")])
                if not np.isfinite(loss).all():
                    raise FloatingPointError(f"objective_f: its value is not finite at step {step}.")
                if step in thresholds:
                    images.append(T("input").eval())
                    if verbose:
                        print(step, loss)
                        print_objective_func(session)
                        show(np.hstack(images[-1]))
        except KeyboardInterrupt:
            log.warning("Interrupted at step %d.", step)
            show(np.hstack(T("input").eval()))
    return images


def _show(program: Program, z: np.ndarray) -> None:
    """Shows the images side by side."""
    show(np.hstack(program.param.image(tf.constant(z)).numpy()))


def make_vis_T(  # noqa: N802 - Lucid's name.
    model: Any,
    objective_f: Objective | str | Callable,
    param_f: Callable[[], tf.Tensor] | tf.Tensor | None = None,
    optimizer: Any = None,
    transforms: list[Callable] | None = None,
    relu_gradient_override: bool = False,
) -> Accessor:
    """The graph of an optimisation, for a session of `tf.compat.v1`.

    Args:
      model, objective_f, transforms: as in `render_vis`.
      param_f: as in `render_vis`, or the images.
      optimizer: one of `tf.compat.v1.train`, or a function that returns one. Defaults to AdamOptimizer(0.05).
      relu_gradient_override: as in `render_vis`, but False by default.

    Returns:
      T: T("vis_op") makes a step, T("loss") is the objective, T("input") are the images, T(layer) activations.

    Raises:
      RuntimeError: outside a graph; the message shows how to write it.

    Example:
      >>> import tensorflow.compat.v1 as tf
      >>> from samplevis import modelzoo
      >>> model = modelzoo.Shapes()
      >>> with tf.Graph().as_default(), tf.Session() as sess:
      ...     T = make_vis_T(model, "logits:4", lambda: param.image(32))
      ...     tf.global_variables_initializer().run()
      ...     for _ in range(3):
      ...         loss, _ = sess.run([T("loss"), T("vis_op")])
      ...     T("input").eval().shape
      (1, 32, 32, 3)
    """
    graphs.check_graph("make_vis_T")
    t_image = make_t_image(_default_param(model) if param_f is None else param_f)
    global_step = tf.compat.v1.train.get_or_create_global_step()
    init_global_step = tf.compat.v1.variables_initializer([global_step])
    session = tf.compat.v1.get_default_session()
    if session is not None and session.graph is tf.compat.v1.get_default_graph():
        # Lucid does so: programs may initialise only what they have made themselves.
        session.run(init_global_step)
    transform_f = make_transform_f(transforms)
    with graphs.redirected() if relu_gradient_override else contextlib.nullcontext():
        T = import_model(model, transform_f(t_image), t_image)  # noqa: N806
    loss = objectives.as_objective(objective_f)(T)
    optimizer = make_optimizer(optimizer, [])
    vis_op = optimizer.minimize(-loss, global_step=global_step)
    # Lucid gives every local variable by its name; programs use these.
    parts = {
        **{"vis_op": vis_op, "loss": loss, "t_image": t_image, "global_step": global_step, "optimizer": optimizer},
        **{"objective_f": objective_f, "model": model, "transform_f": transform_f, "T": T},
        **{"init_global_step": init_global_step},
    }
    return lambda name: parts[name] if name in parts else T(name)


def make_print_objective_func(print_objectives: Sequence[Objective] | None, T: Accessor) -> Callable[[Any], None]:  # noqa: N803
    """A function of a session that prints the values of some objectives.

    Args:
      print_objectives: the objectives; None for none.
      T: what `make_vis_T` returned.

    Returns:
      A function of a `tf.compat.v1.Session`.
    """
    chosen = [_objective(each) for each in print_objectives or ()]
    values = [each(T) for each in chosen]

    def print_objective_func(sess: Any) -> None:
        for number, (objective, value) in enumerate(zip(chosen, sess.run(values), strict=True), start=1):
            _print_value(number, objective, value)

    return print_objective_func


def import_model(
    model: Any,
    t_image: tf.Tensor,
    t_image_raw: tf.Tensor | None = None,
    scope: str = "import",
    input_map: Mapping[str, tf.Tensor] | None = None,
) -> Accessor:
    """Adds a network to the graph, or outside a graph, computes its activations.

    Args:
      model: as in `render_vis`.
      t_image: the images that the network sees, [batch, height, width, channels] or one of them, in [0, 1].
      t_image_raw: T("input"). Defaults to `t_image`.
      scope: name of the network in the graph. Defaults to "import".
      input_map: tensors in the place of some in the network, in a graph, for models from a graph. Defaults to none.

    Returns:
      T: T(layer) are activations.
    """
    model = as_model(model)
    raw = t_image if t_image_raw is None else t_image_raw
    special = {"input": lambda: raw, "labels": lambda: model.labels}
    if tf.executing_eagerly() and not imports_itself(model):
        layers = _computed(model.network, t_image)
    else:
        layers = model.import_graph(t_image, scope=scope, forget_xy_shape=True, input_map=input_map)
    return lambda name: special[name]() if name in special else layers(name)


def _computed(network: Network, t_image: Any) -> Accessor:
    """The activations of a network outside a graph."""
    images = tf.convert_to_tensor(t_image, tf.float32)
    images = images[None] if images.shape.rank == 3 else images
    return lambda name: network.cut((name,))(images)[name]


def make_t_image(param_f: Callable[[], tf.Tensor] | tf.Tensor | None) -> tf.Tensor:
    """The images of a parameterization.

    Args:
      param_f: a function without arguments, the images, or None for `param.image(128)`.

    Returns:
      Tensor of images.

    Raises:
      TypeError: if it is none of these, or the images are not tensors.
    """
    images = param.image(DEFAULT_SIZE) if param_f is None else param_f() if callable(param_f) else param_f
    if not tf.is_tensor(images):
        raise TypeError(
            f"param_f: expected a function that returns images, such as lambda: param.image(128). Received: {brief(images)}"
        )
    return images


def make_transform_f(transforms: Iterable[Callable] | None) -> Callable[[tf.Tensor], tf.Tensor]:
    """Several transforms as one function.

    Args:
      transforms: functions of images; None for `transform.standard_transforms`. Lucid ignores a tuple.

    Returns:
      A function of images.
    """
    return transform.compose(_transforms(transforms))


def make_optimizer(optimizer: Any, args: Sequence[Any] = ()) -> Any:
    """An optimizer for a graph program.

    Args:
      optimizer: one of `tf.compat.v1.train`, a function that returns one, or None for AdamOptimizer(0.05).
      args: arguments of the function.

    Returns:
      An optimizer of `tf.compat.v1.train`.

    Raises:
      TypeError: if it is none of these.
    """
    if optimizer is None:
        return tf.compat.v1.train.AdamOptimizer(0.05)
    if isinstance(optimizer, tf.compat.v1.train.Optimizer):
        return optimizer
    if callable(optimizer):
        return optimizer(*args)
    raise TypeError(f"optimizer: expected one of tf.compat.v1.train in a graph program. Received: {brief(optimizer)}")


def _program(model: Any, objective_f: Any, param_f: Any, transforms: Any) -> Program:
    network = overriding.as_overridden(network_of(model))
    if param_f is not None and not callable(param_f):
        raise TypeError(f"param_f: expected a function, such as lambda: param.image(128). Received: {brief(param_f)}")
    images = param_function(param_f or _default_param(model))
    return make_program(network, _objective(objective_f), images, _transforms(transforms))


def _default_param(model: Any) -> Callable[[], tf.Tensor]:
    """Images of the size and the channels of a model, 128 x 128 x 3 where it takes any."""
    if imports_itself(model):
        return lambda: param.image(DEFAULT_SIZE)
    height, width, channels = network_of(model).image_shape
    other = None if channels == 3 else channels
    return lambda: param.image(width or DEFAULT_SIZE, height or DEFAULT_SIZE, channels=other)


def _objective(objective_f: Any) -> Objective:
    objective = objectives.as_objective(objective_f)
    if isinstance(objective, Objective):
        return objective
    name = getattr(objective, "__name__", type(objective).__name__)
    return Objective(objective, name, name)


def _transforms(transforms: Iterable[Callable] | None) -> tuple[Callable, ...]:
    return tuple(transform.standard_transforms if transforms is None else transforms)


def _print_values(programs: Sequence[Program], z: np.ndarray, seed: tf.Tensor, step: int) -> None:
    for number, program in enumerate(programs, start=1):
        value = program.value(tf.constant(z), program.sample_transforms(seed, 1), step=step)
        _print_value(number, program.objective, value.numpy())


def _print_value(number: int, objective: Objective, value: Any) -> None:
    print(f"{number:02d}: {objective.description}: {float(np.sum(value)):7.2f}")
