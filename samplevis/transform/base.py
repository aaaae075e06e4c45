"""The interface of a transform, and compositions of transforms."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Literal, TypeAlias

import tensorflow as tf

from samplevis.runtime import seeds
from samplevis.runtime.checks import brief, is_list
from samplevis.runtime.deprecation import renamed_property, warn_renamed

# (H, W, C) of an image, (L, C) of a signal, (D, H, W, C) of a volume.
Shape: TypeAlias = tuple[int, ...]
Params: TypeAlias = dict[str, tf.Tensor]
SetName: TypeAlias = Literal["standard", "robust"]


class Transform:
    """A random map from images to images (or signals, or volumes). Subclasses are frozen, hashable dataclasses.

    Example:
      >>> import dataclasses
      >>> import tensorflow as tf
      >>> from samplevis import transform
      >>> @dataclasses.dataclass(frozen=True)
      ... class Brightness(transform.Transform):
      ...     limit: float
      ...
      ...     def sample_params(self, seed, batch, image_shape):
      ...         return {"offset": tf.random.stateless_uniform([batch], seed, -self.limit, self.limit)}
      ...
      ...     def apply(self, params, images):
      ...         return images + params["offset"][:, None, None, None]
      >>> Brightness(0.1)(tf.zeros([2, 8, 8, 3]), seed=[0, 1]).shape
      TensorShape([2, 8, 8, 3])
    """

    exact_gradient: bool = True
    """Whether automatic differentiation of `apply` gives its true gradient. Samplers refuse transforms for which it does not."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "draw" in vars(cls):
            warn_renamed(f"{cls.__name__}.draw", "sample_params")
            cls.sample_params = cls.draw

    draw = renamed_property("draw", "sample_params")

    def sample_params(self, seed: tf.Tensor, batch: int, image_shape: Shape, strata: int = 1) -> Any:
        """Samples the random parameters.

        A subclass may leave the last argument out: then its parameters are always independent (`stratified_params`).

        Args:
          seed: int32 [2], stateless seed. Equal seeds give equal parameters (but code compiled by XLA has another random
            number generator than the rest of TensorFlow).
          batch: int, number of images.
          image_shape: (H, W, C) of the images that `apply` will get.
          strata: each group of so many transforms in sequence, >= 1, a divisor of the batch, has its uniform parameters in a
            Latin hypercube, which makes means over the group more exact; every transform by itself is distributed as
            without. Defaults to 1: the transforms are independent.

        Returns:
          A nest of tensors with leading dimension [batch]; empty if nothing is random.
        """
        return ()

    def apply(self, params: Any, images: tf.Tensor) -> tf.Tensor:
        """Applies the transform with given parameters.

        Args:
          params: what `sample_params` returned for this batch and image shape.
          images: [batch, H, W, C], float, static shape.

        Returns:
          [batch, H', W', C], where (H', W', C) = output_shape((H, W, C)).

        Raises:
          NotImplementedError: in this base class.
        """
        raise NotImplementedError

    def output_shape(self, image_shape: Shape) -> Shape:
        """The shape of the transformed images.

        Args:
          image_shape: (H, W, C) of the images that `apply` will get.

        Returns:
          (H', W', C), the shape of an image that `apply` returns.

        Raises:
          ValueError: if images of this shape are too small for the transform.
        """
        return tuple(image_shape)

    def __call__(self, images: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        """Samples parameters and applies them: `apply(sample_params(seed, batch, (H, W, C)), images)`.

        Args:
          images: [batch, H, W, C], float, static shape.
          seed: int32 [2], stateless seed.

        Returns:
          [batch, H', W', C].
        """
        batch, *image_shape = images.shape
        return self.apply(self.sample_params(seed, batch, tuple(image_shape)), images)


@dataclasses.dataclass(frozen=True)
class Function(Transform):
    """A plain function from images to images, without random parameters. See `as_transform`."""

    function: Callable[[tf.Tensor], tf.Tensor]

    def apply(self, params: Any, images: tf.Tensor) -> tf.Tensor:
        return self.function(images)

    def output_shape(self, image_shape: Shape) -> Shape:
        images = tf.TensorSpec([1, *image_shape], tf.float32)
        try:
            result = tf.function(self.function, autograph=False).get_concrete_function(images).structured_outputs
            shape = result.shape
        except Exception as error:  # Whatever the user's function raises.
            name = getattr(self.function, "__name__", repr(self.function))
            raise TypeError(
                f"transforms: {name} is no function from images {images.shape} to images: {error}"
            ) from error
        if len(shape) != len(images.shape):
            raise ValueError(f"transforms: expected images {images.shape} to become images. Received shape: {shape}")
        return tuple(shape[1:])


@dataclasses.dataclass(frozen=True)
class Compose(Transform):
    """See `compose`."""

    transforms: tuple[Transform, ...]

    @property
    def exact_gradient(self) -> bool:
        return all(transform.exact_gradient for transform in self.transforms)

    def sample_params(self, seed: tf.Tensor, batch: int, image_shape: Shape, strata: int = 1) -> tuple[Any, ...]:
        params = []
        for number, transform in enumerate(self.transforms):
            params.append(stratified_params(transform, seeds.fold(seed, number), batch, image_shape, strata))
            image_shape = transform.output_shape(image_shape)
        return tuple(params)

    def apply(self, params: tuple[Any, ...], images: tf.Tensor) -> tf.Tensor:
        for transform, transform_params in zip(self.transforms, params, strict=True):
            images = transform.apply(transform_params, images)
        return images

    def output_shape(self, image_shape: Shape) -> Shape:
        for transform in self.transforms:
            image_shape = transform.output_shape(image_shape)
        return tuple(image_shape)


def stratified_params(transform: Transform, seed: tf.Tensor, batch: int, image_shape: Shape, strata: int) -> Any:
    """What `Transform.sample_params` returns; independent parameters if the transform's own takes no `strata`.

    Args:
      transform: the transform.
      seed, batch, image_shape, strata: as in `Transform.sample_params`.

    Returns:
      A nest of tensors with leading dimension [batch].
    """
    if strata == 1 or "strata" not in inspect.signature(transform.sample_params).parameters:
        return transform.sample_params(seed, batch, image_shape)
    return transform.sample_params(seed, batch, image_shape, strata)


# What the `transforms` argument of `render`, `optimize` and others takes.
ImageFunction: TypeAlias = Callable[[tf.Tensor], tf.Tensor]
TransformLike: TypeAlias = Transform | ImageFunction | Sequence[Transform | ImageFunction] | SetName | None


def compose(transforms: Iterable[Transform | ImageFunction]) -> Transform:
    """Applies transforms in sequence, the first of the list first.

    Args:
      transforms: list of transforms, or of anything else that `as_transform` takes. An empty list gives the identity.

    Returns:
      Transform. Its parameters: a tuple with the parameters of each part, all from different seeds.

    Raises:
      TypeError: if an item is not a transform.

    Example:
      >>> from samplevis import transform
      >>> transform.compose([transform.pad(12), transform.jitter(8)]).output_shape((96, 96, 3))
      (112, 112, 3)
    """
    if not is_list(transforms):
        raise TypeError(f"transforms: expected a list of transforms. Received: {brief(transforms)}")
    return Compose(tuple(as_transform(transform) for transform in transforms))


def as_transform(transforms: Transform | ImageFunction | Sequence[Transform | ImageFunction] | None) -> Transform:
    """Converts a transform, a function, a list of these or None to one transform.

    Args:
      transforms: a Transform; a function from images [batch, H, W, C] to images (pass the same function object each time, so
        that compiled steps are reused); a list or tuple of these; or None for the identity.

    Returns:
      Transform.

    Raises:
      TypeError: if it is none of these.

    Example:
      >>> import tensorflow as tf
      >>> from samplevis import transform
      >>> crops = transform.as_transform([transform.jitter(8), tf.image.flip_left_right])
      >>> crops.output_shape((96, 96, 3))
      (88, 88, 3)
    """
    if isinstance(transforms, Transform):
        return transforms
    if transforms is None:
        return compose([])
    if isinstance(transforms, (list, tuple)):
        return compose(transforms)
    if callable(transforms):
        return Function(transforms)
    raise TypeError(
        "transforms: expected a Transform, a function from images to images, a list or tuple of them, "
        f"or None. Received: {brief(transforms)}"
    )
