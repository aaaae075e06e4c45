"""A program written for Lucid as an `Activation`: one latent is all of its variables, and its score is the objective's number."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Hashable, Iterator, Sequence
from typing import Any

import tensorflow as tf

from samplevis.activation import Activation
from samplevis.lucid.core import randomness
from samplevis.lucid.core.objective import Objective
from samplevis.lucid.core.variables import Latents
from samplevis.lucid.optvis.transform import crop_or_pad_to
from samplevis.network import Network
from samplevis.network.sources.base import show
from samplevis.objectives.base import make_accessor
from samplevis.objectives.schedule import END
from samplevis.param import Parameterization
from samplevis.runtime.checks import brief

ImageFunction = Callable[[tf.Tensor], tf.Tensor]
GLOBAL_STEP = tf.compat.v1.GraphKeys.GLOBAL_STEP


@dataclasses.dataclass(frozen=True)
class ParamFunction(Parameterization):
    """What `param_f` makes, from one latent: the variables of the whole batch. See `param_function`."""

    fingerprint: str
    image_shape: tuple[int, ...]
    latents: Latents = dataclasses.field(compare=False, repr=False)

    couples_images = True

    @property
    def latent_shape(self) -> tuple[int]:
        return self.latents.initial.shape[1:]

    def image(self, z: tf.Tensor) -> tf.Tensor:
        """The batch of images [batch, *image_shape] of one latent [1, size]."""
        return tf.cast(self.latents.read(z), tf.float32)

    def latent(self, images: tf.Tensor) -> tf.Tensor:
        raise ValueError(
            "param_f: a function of Lucid's has no inverse. Give the first values: pixel_image(init_val=...)"
        )


def param_function(param_f: Callable[[], tf.Tensor]) -> ParamFunction:
    """A function that makes variables and returns images, as a parameterization.

    Args:
      param_f: the function; it is called at once, and in each trace.

    Returns:
      A `ParamFunction`; `latents.initial` are the first values.

    Raises:
      TypeError: if it returns no images.
      ValueError: if it makes no variables.
    """
    latents = Latents(param_f)
    images = latents.result
    if not tf.is_tensor(images) or images.shape.rank != 4:
        raise TypeError(
            "param_f: expected a function that returns images [batch, height, width, channels], such as "
            f"lambda: param.image(128). Received: {brief(images)}"
        )
    if not latents.shapes:
        raise ValueError(
            "param_f: it makes no variable that can be optimised. Make them in it: lambda: param.image(128)"
        )
    return ParamFunction(latents.fingerprint(), tuple(images.shape[1:]), latents)


@dataclasses.dataclass(frozen=True)
class TransformFunction:
    """Functions of images, one after the other. Their random numbers are the stream's.

    Attributes:
      functions: the transforms, the first one first.
    """

    functions: tuple[ImageFunction, ...]

    def apply(self, images: tf.Tensor) -> tf.Tensor:
        """The transformed images."""
        for function in self.functions:
            images = function(images)
        return images


@dataclasses.dataclass(frozen=True, eq=False)
class Program(Activation):
    """What `render_vis` optimises.

    Attributes:
      layers: the layers that the objective reads.
    """

    objective: Objective
    transform: TransformFunction
    layers: tuple[str, ...] = ()

    @property
    def key(self) -> tuple[Hashable, ...]:
        return "lucid", self.objective.structure, self.param, self.transform, self.layers

    def sample_transforms(self, seed: tf.Tensor, num_transforms: int, strata: int = 1) -> dict[str, tf.Tensor]:
        """The seed of a step's random numbers; the batch shares them, as in Lucid."""
        return {"seed": seed[None]}

    def paired(
        self, z: tf.Tensor, transform_params: Any, parameters: Sequence | None = None, step: tf.Tensor | int = END
    ) -> tf.Tensor:
        """The objective's number, [1, 1]. A vector, which Lucid optimises as its sum, is summed.

        Args:
          z: [1, size].
          transform_params: what `sample_transforms` returned.
          parameters: parameters of the objective. Defaults to its own.
          step: number of updates so far. Defaults to the end of every schedule.
        """
        return tf.reduce_sum(self.value(z, transform_params, parameters, step))[None, None]

    def value(
        self, z: tf.Tensor, transform_params: Any, parameters: Sequence | None = None, step: tf.Tensor | int = END
    ) -> tf.Tensor:
        """What the objective returns: a number, or one for each image. The arguments are those of `paired`."""
        with randomness.stream(transform_params["seed"][0]), _global_step(step):
            images = self.param.image(z)
            seen = self.transform.apply(images)
            values = self.network.cut(self.layers)(seen) if self.layers else {}
            T = make_accessor(values.__getitem__, self.network, images, step=step)  # noqa: N806
            return tf.cast(self.objective.score(T, self._parameters(parameters)), tf.float32)

    def with_objective(self, objective: Objective) -> Program:
        """The same program with another objective.

        Raises:
          ValueError: if it reads a layer that there is not, or gives no number.
        """
        program = dataclasses.replace(self, objective=objective, layers=())
        key = "lucid", objective.structure, self.param, self.transform
        if key not in self.network.layers_read:
            self.network.layers_read[key] = program._layers_read()
        return dataclasses.replace(program, layers=self.network.layers_read[key])

    def _parameters(self, parameters: Sequence | None) -> Sequence:
        return self.objective.parameters if parameters is None else parameters

    def _layers_read(self) -> tuple[str, ...]:
        """The layers that the objective reads.

        A trace cuts the network once for each layer that it did not know. An objective may need several layers from one cut, as
        for gradients from one to the other, so that a trace that fails is made again as long as it finds new layers.
        """
        known: tuple[str, ...] = ()
        while True:
            layers = dict.fromkeys(known)
            try:
                self._trace(layers)
            except Exception:
                if len(layers) == len(known):
                    raise
                known = tuple(layers)
                continue
            return tuple(layers)

    def _trace(self, layers: dict[str, None]) -> None:
        """Traces the objective with one cut of the network at some layers; other ones that it reads are added."""

        def trace(z: tf.Tensor) -> tf.Tensor:
            with randomness.stream(tf.zeros([2], tf.int32)), _global_step(0):
                images = self.param.image(z)
                seen = self.transform.apply(images)
                values = self.network.cut(tuple(layers))(seen) if layers else {}

                def compute(name: str) -> tf.Tensor:
                    if name not in values:
                        values[name] = self.network.cut((name,))(seen)[name]
                        layers[name] = None
                    return values[name]

                return tf.convert_to_tensor(self.objective(make_accessor(compute, self.network, images)))

        spec = tf.TensorSpec((1, *self.param.latent_shape), tf.float32)
        value = tf.function(trace, autograph=False).get_concrete_function(spec).outputs[0]
        if not value.dtype.is_floating:
            raise ValueError(f"objective_f: expected a number to maximise. Received: {value.dtype.name} {value.shape}")


def make_program(
    network: Network, objective: Objective, param: ParamFunction, transforms: Sequence[ImageFunction]
) -> Program:
    """Puts the parts of a program together.

    Args:
      network: the network. If it takes one size only, images of that size are cropped or padded to it after the transforms.
      objective: what to maximise.
      param: of the images.
      transforms: functions of images.

    Returns:
      A `Program`.

    Raises:
      ValueError: if the network does not take such images, or the objective does not fit it.
    """
    *size, channels = param.image_shape
    fixed = None not in network.image_shape[:-1]
    if not network.takes(size):
        raise ValueError(
            f"param_f: {network.name!r} takes images of {show(network.image_shape[:-1])} (height, width). "
            f"Received: {tuple(size)}"
        )
    transform = TransformFunction((*transforms, *([crop_or_pad_to(*size)] if fixed and transforms else ())))
    return Program(network, objective, param, transform).with_objective(objective)


@contextlib.contextmanager
def _global_step(step: tf.Tensor | int) -> Iterator[None]:
    """In this block, `tf.compat.v1.train.get_or_create_global_step()` is the number of updates so far."""
    graph = tf.compat.v1.get_default_graph()
    collection = graph.get_collection_ref(GLOBAL_STEP)
    before, collection[:] = list(collection), [tf.cast(step, tf.int64)]
    try:
        yield
    finally:
        collection[:] = before
