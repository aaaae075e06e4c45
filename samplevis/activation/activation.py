"""The activation A(z): the objective's score of the image of latent `z`, averaged over random transforms."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Callable, Hashable, Sequence
from typing import Any

import keras
import tensorflow as tf

from samplevis import param as parameterizations
from samplevis.activation.chunked import chunked_mean
from samplevis.activation.devices import per_device
from samplevis.activation.soundness import check_values
from samplevis.network import Network, as_network
from samplevis.network.sources.base import show, sizes
from samplevis.objectives import Objective, as_objective
from samplevis.objectives.base import make_accessor
from samplevis.objectives.schedule import END
from samplevis.param import Parameterization
from samplevis.runtime import compiled
from samplevis.runtime.checks import brief
from samplevis.transform import Transform, as_named, as_transform, compose, crop_or_pad_to
from samplevis.transform.base import TransformLike, stratified_params

# Sides of the signals, images and volumes to make for networks that take any size. `Network.usual_size` is for trying one out.
DEFAULT_SIDES = {1: 1024, 2: 128, 3: 32}


@dataclasses.dataclass(frozen=True, eq=False)
class Activation:
    """The function that is optimised and sampled: latents in, one score for each latent and transform out.

    Attributes:
      network: the network.
      objective: a resolved objective (`Objective.resolve`).
      param: the map from latents to images.
      transform: the random distortion of images in front of the network.
      devices: names of the devices that share the latents; each latent is computed separately. Defaults to none: all latents
        in one batch, on the device that TensorFlow chooses.
      chunk_size: maximum number of transforms of a bank that `mean` computes at a time, >= 1. Defaults to all.

    Example:
      >>> from samplevis import activation, modelzoo, param, transform
      >>> from samplevis.runtime import seeds
      >>> a = activation.make_activation(modelzoo.Shapes(), "logits:4", param.fourier(32), transform.jitter(4))
      >>> z = a.param.prior(seeds.root(0), 2)
      >>> bank = a.sample_bank(seeds.root(1), 8)
      >>> a.scores(z, bank).shape, a.mean(z, bank).shape
      (TensorShape([2, 8]), TensorShape([2]))
    """

    network: Network
    objective: Objective
    param: Parameterization
    transform: Transform
    devices: tuple[str, ...] = ()
    chunk_size: int | None = None

    @property
    def key(self) -> tuple:
        """The cache key of compiled code: everything but the network and the objective's parameters, which are tensors."""
        return self.objective.structure, self.param, self.transform, self.devices, self.chunk_size

    @property
    def parameters(self) -> list[tf.Tensor]:
        """The objective's parameters, as tensors to pass into compiled code."""
        return [tf.convert_to_tensor(number) for number in self.objective.parameters]

    def compiler(self, *kind: Hashable) -> compiled.Compile:
        """Compiles functions of this activation once, and caches them with the network for activations of the same `key`.

        Args:
          *kind: what else their graphs depend on.

        Returns:
          (name, function) -> the compiled function. The function may use everything in this activation but the objective's
          parameters, which must be arguments.
        """
        # Compiled code has copies of weights, which may have changed.
        self.network.prepared.refresh()
        return compiled.cached(self.network.compiled, self.key, *kind)

    def check_gradient(self, user: str) -> None:
        """Checks that automatic differentiation gives the true gradient of the activation.

        Args:
          user: what needs the true gradient, for the message.

        Raises:
          ValueError: if the transforms or the network override the gradient.
        """
        if not self.transform.exact_gradient:
            raise ValueError(
                f"transforms: {user} needs the true gradient, and normalize_gradient gives another. Leave it out."
            )
        if not self.network.exact_gradient:
            raise ValueError(
                f"model: {user} needs the true gradient, and this {self.network.name!r} has an overridden one. "
                "Give the network itself, or overrides.smooth of it."
            )

    def check_independent(self, user: str) -> None:
        """Checks that each image and its score are independent of the rest of the batch.

        Args:
          user: what needs independent images, for the message.

        Raises:
          ValueError: if the objective or the parameterization couples the images of a batch.
        """
        if self.objective.coupled:
            raise ValueError(
                f"obj: {user} needs a score of each image by itself, and {self.objective} scores it by its batch (the other "
                "images, or its place among them). Leave that part out, or use samplevis.optimize with a Keras optimizer."
            )
        if self.param.couples_images:
            raise ValueError(
                f"param: {user} needs images that do not depend on each other, and those of {self.param!r} share latents. Use "
                "samplevis.optimize with a Keras optimizer."
            )

    def check_sampled(self) -> None:
        """Raises ValueError unless a sampler can use the activation: independent images, the true gradient, the same values again,
        in float32."""
        self.check_independent("a sampler")
        self.check_gradient("a sampler")
        check_values(self.network, self.layers)

    @property
    def layers(self) -> tuple[str, ...]:
        """The layers that the objective reads; the images are not one."""
        return tuple(name for name in self.objective.layers if name != "input")

    def sample_transforms(self, seed: tf.Tensor, num_transforms: int, strata: int = 1) -> Any:
        """Samples the parameters of transforms.

        Args:
          seed: int32 tensor of shape [2].
          num_transforms: number of transforms, >= 1.
          strata: how many in sequence make a Latin hypercube (`Transform.sample_params`), >= 1, a divisor of their number: those
            whose scores are averaged, such as the transforms of one latent in `paired`. Defaults to 1: all are independent.

        Returns:
          Nest of tensors with leading dimension `num_transforms`.
        """
        return stratified_params(self.transform, seed, num_transforms, self.param.image_shape, strata)

    def sample_bank(self, seed: tf.Tensor, num_transforms: int) -> Any:
        """Samples the parameters of transforms that are averaged, as in `mean`: one Latin hypercube.

        Args:
          seed: int32 tensor of shape [2].
          num_transforms: number of transforms, >= 1.

        Returns:
          Nest of tensors with leading dimension `num_transforms`.
        """
        return self.sample_transforms(seed, num_transforms, strata=num_transforms)

    def scores(self, z: tf.Tensor, transform_params: Any, parameters: Sequence | None = None) -> tf.Tensor:
        """Scores latents under K transforms that all latents share.

        Args:
          z: latents of shape [N, *latent_shape].
          transform_params: parameters of K transforms (`sample_transforms`).
          parameters: parameters of the objective. Defaults to `objective.parameters`.

        Returns:
          float32 tensor of shape [N, K].
        """
        count = z.shape[0]
        tiled = tf.nest.map_structure(lambda t: tf.tile(t, [count] + [1] * (t.shape.rank - 1)), transform_params)
        return self.paired(z, tiled, parameters)

    def mean(self, z: tf.Tensor, transform_params: Any, parameters: Sequence | None = None) -> tf.Tensor:
        """Mean scores over K transforms that all latents share.

        Args:
          z: latents of shape [N, *latent_shape].
          transform_params: parameters of K transforms (`sample_transforms`).
          parameters: parameters of the objective. Defaults to `objective.parameters`.

        Returns:
          float32 tensor of shape [N].
        """
        leaves = tf.nest.flatten(transform_params)
        if leaves and self.chunk_size and self.chunk_size < leaves[0].shape[0]:
            return chunked_mean(
                lambda z, chunk: self.scores(z, chunk, parameters), z, transform_params, self.chunk_size
            )
        return tf.reduce_mean(self.scores(z, transform_params, parameters), axis=1)

    def paired(
        self, z: tf.Tensor, transform_params: Any, parameters: Sequence | None = None, step: tf.Tensor | int = END
    ) -> tf.Tensor:
        """Scores latents under K transforms each.

        Args:
          z: latents of shape [N, *latent_shape].
          transform_params: parameters of N * K transforms; the first K are those of latent 0.
          parameters: parameters of the objective. Defaults to `objective.parameters`.
          step: number of updates so far, for scheduled weights. Defaults to the end of every schedule.

        Returns:
          float32 tensor of shape [N, K].
        """
        leaves = tf.nest.flatten(transform_params)
        num_transforms = leaves[0].shape[0] // z.shape[0] if leaves else 1

        def scores(z: tf.Tensor, transform_params: Any) -> tf.Tensor:
            flat = self.of_images(self.param.image(z), transform_params, num_transforms, parameters, step)
            return tf.reshape(flat, (z.shape[0], num_transforms))

        return per_device(scores, z, transform_params, self.devices) if self.devices else scores(z, transform_params)

    def of_images(
        self,
        images: tf.Tensor,
        transform_params: Any,
        num_transforms: int = 1,
        parameters: Sequence | None = None,
        step: tf.Tensor | int = END,
    ) -> tf.Tensor:
        """Scores images under `num_transforms` transforms each.

        Args:
          images: float32 [N, *image_shape] in [0, 1].
          transform_params: parameters of N * num_transforms transforms; the first `num_transforms` are those of image 0.
          num_transforms: transforms per image, >= 1. Defaults to 1.
          parameters: parameters of the objective. Defaults to `objective.parameters`.
          step: number of updates so far, for scheduled weights. Defaults to the end of every schedule.

        Returns:
          float32 tensor of shape [N * num_transforms].
        """
        images = tf.repeat(images, num_transforms, axis=0)
        layers = self.layers
        values = self.network.prepared.cut(layers)(self.transform.apply(transform_params, images)) if layers else {}
        # Penalties on the image itself act on the clean image, as in Lucid.
        accessor = make_accessor(values.__getitem__, self.network, images, num_transforms, step)
        return self.objective.function(accessor, self.objective.parameters if parameters is None else parameters)


# A parameterization of opacity needs a transform that uses it up.
OPACITY_ADVICE = (
    "If the last one is opacity, as of param.with_alpha, let the first transform be transform.collapse_alpha_random()"
)


def default_param(
    network: Network,
    size: int | Sequence[int] | None = None,
    make: Callable[..., Parameterization] = parameterizations.fourier,
) -> Parameterization:
    """Makes a parameterization of the images, signals or volumes that a network takes.

    Args:
      network: the network.
      size: pixels, one int for all sides or one for each. Defaults to the network's own size, and to `DEFAULT_SIDES` where it
        takes any.
      make: the function that makes it. Defaults to `param.fourier`.

    Returns:
      A parameterization with the network's number of dimensions and channels.

    Example:
      >>> from samplevis import activation, modelzoo
      >>> activation.default_param(modelzoo.Shapes(), 32).image_shape
      (32, 32, 3)
    """
    *sides, channels = network.image_shape
    if size is None:
        size = tuple(side or DEFAULT_SIDES[network.dimensions] for side in sides)
    return make(size, channels=channels, dimensions=network.dimensions)


def sized_param(
    network: Network,
    size: int | Sequence[int] | None,
    transforms: TransformLike,
    make: Callable[..., Parameterization] = parameterizations.fourier,
    name: str = "im_size",
) -> Parameterization:
    """Makes a parameterization as `default_param`, and checks the size that was asked for.

    Args:
      network: the network.
      size: as in `default_param`.
      transforms: as in `make_activation`; they may change the size to one that the network takes.
      make: as in `default_param`.
      name: the argument's name, for messages. Defaults to "im_size".

    Returns:
      The parameterization.

    Raises:
      ValueError: if the network takes images of a fixed size, and these are not, before and after the transforms.

    Example:
      >>> from samplevis import activation, modelzoo
      >>> activation.sized_param(modelzoo.Shapes(), 32, "robust").image_shape
      (32, 32, 3)
    """
    param = default_param(network, size, make)
    sides = param.image_shape[:-1]
    if size is None or network.takes(sides):
        return param
    named = as_named(transforms, network.dimensions, min(sides))
    if not network.takes(as_transform(named).output_shape(param.image_shape)[:-1]):
        raise ValueError(
            f"{name}: {network.name!r} takes images of {show(network.image_shape[:-1])} ({sizes(network.dimensions)}; None is "
            f"any), the default. Received: {brief(size)}"
        )
    return param


def make_activation(
    model: Network | keras.Model,
    obj: Objective | str | Callable,
    param: Parameterization,
    transforms: TransformLike,
) -> Activation:
    """Builds an `Activation` from a user's arguments, and checks that they fit together.

    Args:
      model: a `Network` or a Keras model.
      obj: an objective, a string such as "fire9:10", or a function of the layer accessor `T`.
      param: a parameterization.
      transforms: a transform, a list of them, "standard" or "robust" for a default set, or None for none. If they change the
        size of the images and the network takes only the original size, `crop_or_pad_to` is appended.

    Returns:
      An `Activation` with a resolved objective.

    Raises:
      TypeError: if an argument has the wrong type.
      ValueError: if the network does not take images of that size, or the objective does not fit the network.

    Example:
      >>> from samplevis import activation, modelzoo, param
      >>> a = activation.make_activation(modelzoo.Shapes(), "logits:4", param.fourier(32), "robust")
      >>> str(a.objective)
      'channel(logits, 4)'
    """
    network = as_network(model)
    _notice_new_function(network, obj)
    if not isinstance(param, Parameterization):
        raise TypeError(f"param: expected a parameterization such as param.fourier(128). Received: {param!r}")
    if len(param.image_shape) != len(network.image_shape):
        raise ValueError(
            f"param: {network.name!r} takes ({sizes(network.dimensions)}, channels), {show(network.image_shape)}. Received a "
            f"parameterization of {show(param.image_shape)}; expected one such as param.fourier(size, "
            f"channels={network.image_shape[-1]}, dimensions={network.dimensions})"
        )
    named = as_named(transforms, network.dimensions, min(param.image_shape[:-1]))
    transform = _fitted(as_transform(named), param, network)
    *size, channels = transform.output_shape(param.image_shape)
    if channels != network.image_shape[-1]:
        opacity = param.image_shape[-1] == network.image_shape[-1] + 1
        hint = f". {OPACITY_ADVICE}" if opacity else ""
        raise ValueError(
            f"param: {network.name!r} takes images of {network.image_shape[-1]} channels. Received: {channels} channels{hint}"
        )
    objective = as_objective(obj, network).resolve(network, tuple(size), param.image_shape)
    return Activation(network, objective, param, transform)


def _notice_new_function(network: Network, obj: Objective | str | Callable) -> None:
    """Warns, once, of a function that is made anew in each call: code that was compiled for another object does not serve it."""
    code = getattr(obj, "__code__", None)
    if code is None or isinstance(obj, Objective):
        return
    seen = network.compiled.setdefault(("function", code), [obj])
    if len(seen) == 1 and seen[0] is not obj:
        seen.append(obj)
        warnings.warn(
            f"obj: {obj.__name__}(T) is another function object than in an earlier call, with the same code, and what computes "
            "it is compiled anew each time. Make the function once, or use an objective such as objectives.channel, whose "
            "numbers are not compiled",
            stacklevel=4,
        )


def _fitted(transform: Transform, param: Parameterization, network: Network) -> Transform:
    """The transform, followed by a central crop or pad if a network of fixed size needs one."""
    before, after = param.image_shape[:-1], transform.output_shape(param.image_shape)[:-1]
    if network.takes(after):
        return transform
    if network.takes(before):
        return compose([transform, crop_or_pad_to(*before)])
    # An image that never had the network's size is the caller's mistake; cropping or padding it would hide that.
    changed = "" if before == after else f", {after} after transforms"
    raise ValueError(
        f"param: {network.name!r} takes images of {show(network.image_shape[:-1])} ({sizes(network.dimensions)}; None is any). "
        f"Received: {before}{changed}. Give a parameterization of its size, or end the transforms with crop_or_pad_to."
    )
