"""What an objective is: a score per image, its algebra, and its check against a network."""

from __future__ import annotations

import dataclasses
import numbers
import operator
from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from samplevis.network import Network
from samplevis.network.endings import LOG_ODDS
from samplevis.runtime.checks import brief, is_list, is_whole
from samplevis.runtime.plain_text import printable

Accessor = Callable[[str], Any]
Score = Callable[[Accessor, Sequence[Any]], tf.Tensor]


class Context(NamedTuple):
    """What an objective is checked against.

    Attributes:
      network: the network.
      image_size: (height, width) in pixels at the network's input, after transforms; (length,) or (depth, height, width).
      input_shape: (*size, channels) of the images before transforms, `T("input")`.

    Example:
      >>> context = objectives.Context(model, (16, 16), (32, 32, 3))
      >>> context.shape("conv2"), context.shape("input")
      ((8, 8, 5), (32, 32, 3))
    """

    network: Network
    image_size: tuple[int, ...]
    input_shape: tuple[int, ...]

    def shape(self, layer: str) -> tuple[int | None, ...]:
        """The shape of a layer's activations, or of the images for "input", without the batch.

        Args:
          layer: name of a layer, or "input".

        Returns:
          The shape; None for a size that is not known.
        """
        return self.input_shape if layer == "input" else self.network.layer_shape(layer, self.image_size)

    def index(self, name: str, value: Any, layer: str, axis: int = -1) -> int:
        """Checks an index along one axis of a layer.

        Args:
          name: the argument's name, for the message.
          value: the index.
          layer: name of a layer, or "input".
          axis: of its shape without the batch. Defaults to the last.

        Returns:
          The index as an int, from 0.

        Raises:
          ValueError: if it is not a whole number in range; the message names the argument.
        """
        count = self.shape(layer)[axis]
        if not is_whole(value) or value < 0 or (count and value >= count):
            highest = "" if count is None else f" to {count - 1}"
            raise ValueError(
                f"{name}: expected a whole number from 0{highest} for layer {layer!r}. Received: {brief(value)}"
            )
        return int(value)


class UnitLayer(str):
    """The name of a layer, as an objective of its units asks `T` for it.

    Of an output that ends in a softmax, sigmoid or another saturating function, `T` then gives the values before it; for the plain
    name the output's own. To anything but `T`, both are the same name.
    """

    __slots__ = ()


# (context, parameters) -> parameters, checked and numeric.
Resolver = Callable[[Context, tuple], tuple]


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Objective:
    """A score per image. Made by the functions of this package; combine them with + - * / ** and unary minus.

    Attributes:
      function: (T, parameters) -> scores [batch].
      structure: identifies the computation, without its numbers: objectives of one structure share compiled code.
      parameters: the numbers (channel, position, direction, weight), in order.
      description: what `repr` shows.
      layers: the layers that it reads, known once it is resolved.
      resolver: checks the parameters against a network.
      unsaturated: the outputs whose units it scores before their saturating function, known once it is resolved.
      images: the smallest batch that it makes sense for. 1: each image is scored by itself. More: a score depends on the
        other images of the batch, or on the place among them.

    Example:
      >>> objective = objectives.channel("conv2", 1) - 0.5 * objectives.channel("conv1", 0)
      >>> objective.resolve(model).layers
      ('conv2', 'conv1')
    """

    function: Score
    structure: Hashable
    parameters: tuple
    description: str
    layers: tuple[str, ...] = ()
    resolver: Resolver = lambda context, parameters: parameters
    images: int = 1
    unsaturated: tuple[str, ...] = ()

    def __call__(self, T: Accessor) -> tf.Tensor:  # noqa: N803 - Lucid's name for the accessor.
        """Scores [batch] of the activations that `T` gives."""
        return self.function(T, self.parameters)

    def __repr__(self) -> str:
        return printable(self.description)

    def __add__(self, other: Objective | float) -> Objective:
        return _combine(operator.add, "+", self, other)

    def __radd__(self, other: float) -> Objective:
        # sum() starts from 0, which need not be printed.
        return self if _is_zero(other) else _combine(operator.add, "+", other, self)

    def __sub__(self, other: Objective | float) -> Objective:
        return _combine(operator.sub, "-", self, other)

    def __rsub__(self, other: float) -> Objective:
        return _combine(operator.sub, "-", other, self)

    def __mul__(self, other: Objective | float) -> Objective:
        return _combine(operator.mul, "*", self, other)

    def __rmul__(self, other: float) -> Objective:
        return _combine(operator.mul, "*", other, self)

    def __truediv__(self, other: Objective | float) -> Objective:
        return _combine(operator.truediv, "/", self, other)

    def __rtruediv__(self, other: float) -> Objective:
        return _combine(operator.truediv, "/", other, self)

    def __pow__(self, other: Objective | float) -> Objective:
        return _combine(operator.pow, "**", self, other)

    def __neg__(self) -> Objective:
        return dataclasses.replace(
            self,
            function=lambda T, parameters: -self.function(T, parameters),
            structure=("neg", self.structure),
            description=f"-{self.description}",
        )

    # Keeps NumPy scalars from taking the objective for an array of objects.
    __array_ufunc__ = None

    @staticmethod
    def sum(objectives: Iterable[Objective]) -> Objective:
        """The sum of several objectives.

        Args:
          objectives: at least one.

        Returns:
          An objective.

        Raises:
          ValueError: if there are none.
          TypeError: if one is not an objective.

        Example:
          >>> objectives.Objective.sum(objectives.channel("conv2", n) for n in (0, 3))
          (channel(conv2, 0) + channel(conv2, 3))
        """
        if not is_list(objectives):
            raise TypeError(f"objectives: expected a list of objectives. Received: {objectives!r}")
        objectives = list(objectives)
        for objective in objectives:
            if not isinstance(objective, Objective):
                raise TypeError(f"objectives: expected objectives. Received: {objective!r}")
        if not objectives:
            raise ValueError("objectives: expected at least one. Received: an empty list")
        return sum(objectives[1:], start=objectives[0])

    @property
    def coupled(self) -> bool:
        """Whether the score of an image depends on the other images of its batch, or on its place among them."""
        return self.images > 1

    def check_batch(self, batch: int) -> None:
        """Checks that a batch has enough images for this objective.

        Args:
          batch: number of images.

        Raises:
          ValueError: if there are too few.
        """
        if batch < self.images:
            raise ValueError(f"batch: expected at least {self.images} images for {self}. Received: {batch}")

    def resolve(
        self,
        network: Network,
        image_size: tuple[int, ...] | None = None,
        input_shape: tuple[int, ...] | None = None,
    ) -> Objective:
        """Checks the objective against a network and finds the layers that it reads.

        Args:
          network: the network that it will be used on.
          image_size: (height, width) in pixels at the network's input. Defaults to `network.usual_size`.
          input_shape: (height, width, channels) of the images before transforms. Defaults to those at the network's input.

        Returns:
          The objective with numeric parameters and `layers` filled in.

        Raises:
          ValueError: for an unknown layer or label, a channel or position out of range, or scores that are not [batch].

        Example:
          >>> objectives.class_logit("logits", "b").resolve(model).parameters
          (1,)
        """
        size = network.check_size(image_size or network.usual_size)
        channels = network.image_shape[-1]
        context = Context(network, size, tuple(input_shape or (*size, channels)))
        # Resolved again, for images of another size, it begins with the numbers that it was made with.
        known = dataclasses.replace(
            self,
            parameters=self.resolver(context, self.parameters),
            resolver=lambda context, _: self.resolver(context, self.parameters),
        )
        shapes = tuple(np.shape(number) for number in known.parameters)
        key = self.structure, self.images, shapes, size, context.input_shape
        if key not in network.layers_read:
            network.layers_read[key] = known._layers_read(context)
        layers, unsaturated = network.layers_read[key]
        return dataclasses.replace(known, layers=layers, unsaturated=unsaturated)

    def _layers_read(self, context: Context) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The layers that a trace of this objective meets, and the outputs of which it scores units before their end.

        Raises ValueError unless it gives one score per image.
        """
        network = context.network
        layers: dict[str, None] = {}
        unsaturated: dict[str, None] = {}

        def trace(images: tf.Tensor, inputs: tf.Tensor) -> tf.Tensor:
            def read(layer: str) -> tf.Tensor:
                layers[layer] = None
                return network.cut((layer,))(images)[layer]

            accessor = make_accessor(read, network, inputs)

            def recording(layer: str) -> Any:
                if layer == "input":
                    layers[layer] = None
                if isinstance(layer, UnitLayer) and network.endings.find(layer) is not None:
                    unsaturated[str(layer)] = None
                return accessor(layer)

            return tf.convert_to_tensor(self(recording))

        # Shapes flow through a trace, numbers do not. Two images tell a score per image from one for the batch.
        batch = max(2, self.images)
        seen = *context.image_size, network.image_shape[-1]
        specs = (tf.TensorSpec((batch, *shape), tf.float32) for shape in (seen, context.input_shape))
        try:
            scores = tf.function(trace, autograph=False).get_concrete_function(*specs).outputs[0]
        except NotImplementedError as error:
            raise TypeError(
                f"obj: {self} takes a tensor to NumPy, where it has no values yet and no gradient. Expected "
                "functions of TensorFlow, such as tf.reduce_mean for np.mean, or operators: + - * / **"
            ) from error
        if not scores.dtype.is_floating:
            raise ValueError(f"obj: expected scores that are floats. Received from {self}: {scores.dtype.name}")
        if scores.dtype != tf.float32:
            raise ValueError(
                f"obj: expected scores in float32, as activations are. Received from {self}: "
                f"{scores.dtype.name}. End with tf.cast(score, tf.float32)"
            )
        if scores.shape.rank != 1 or scores.shape[0] != batch:
            raise ValueError(
                f"obj: expected one score per image, shape [batch]. Received from {self}: shape {scores.shape} "
                f"for a batch of {batch}"
            )
        return tuple(layers), tuple(unsaturated)


def make_accessor(
    activations: Accessor, network: Network, images: tf.Tensor, num_transforms: int = 1, step: tf.Tensor | int = 0
) -> Accessor:
    """Makes the accessor `T`: activations by layer, and the values of the names in `RESERVED`.

    Args:
      activations: layer's name -> activations [batch, ...].
      network: the network, whose labels are loaded when they are used.
      images: the images before transforms, [batch, H, W, C].
      num_transforms: rows of `activations` for each image, one under each transform. Rows of image 0 come first. Defaults to 1.
      step: number of updates so far. Defaults to 0.

    Returns:
      A function of a name, or of a `UnitLayer`.
    """
    reserved = {
        "input": lambda: images,
        "labels": lambda: network.labels,
        "num_transforms": lambda: num_transforms,
        # The name in version 0.1.
        "members": lambda: num_transforms,
        "step": lambda: tf.convert_to_tensor(step, tf.int32),
    }

    def accessor(name: str) -> Any:
        # Units of a layer called "step" are the layer's.
        if name in reserved and (name == "input" or not isinstance(name, UnitLayer)):
            return reserved[name]()
        ending = network.endings.find(name) if isinstance(name, UnitLayer) else None
        if ending is None:
            # A plain string: a unit's layer is one that compares otherwise. What is no name is refused as it is.
            return activations(str(name) if isinstance(name, str) else name)
        return LOG_ODDS[ending.kind](activations(str(name))) if ending.logits is None else activations(ending.logits)

    return accessor


def _combine(operation: Callable, sign: str, left: Any, right: Any) -> Objective:
    """left (operation) right, where one of them may be a number."""
    left, right = _operand(left), _operand(right)
    if left is None or right is None:
        return NotImplemented
    split = len(left.parameters)

    def score(T: Accessor, parameters: Sequence[Any]) -> tf.Tensor:  # noqa: N803
        return operation(left.function(T, parameters[:split]), right.function(T, parameters[split:]))

    def check(context: Context, parameters: tuple) -> tuple:
        return left.resolver(context, parameters[:split]) + right.resolver(context, parameters[split:])

    return Objective(
        score,
        (sign, left.structure, right.structure),
        left.parameters + right.parameters,
        f"({left} {sign} {right})",
        resolver=check,
        images=max(left.images, right.images),
    )


def _operand(value: Any) -> Objective | None:
    if isinstance(value, Objective):
        return value
    if isinstance(value, numbers.Real) or (isinstance(value, np.ndarray) and value.ndim == 0):
        if not np.isfinite(value) or abs(value) > np.finfo(np.float32).max:
            raise ValueError(f"obj: expected numbers that float32 can carry beside objectives. Received: {value!r}")
        return Objective(
            lambda T, parameters: tf.cast(parameters[0], tf.float32), "number", (float(value),), f"{float(value):g}"
        )
    return None


def _is_zero(value: Any) -> bool:
    return isinstance(value, numbers.Real) and value == 0
