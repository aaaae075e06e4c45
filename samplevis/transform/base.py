"""What a transform is, and transforms one after the other."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable
from typing import Any

import tensorflow as tf

from samplevis.runtime import seeds
from samplevis.runtime.checks import brief, is_list
from samplevis.runtime.deprecation import renamed_property, warn_renamed

# (H, W, C) of an image, (L, C) of a signal, (D, H, W, C) of a volume.
Shape = tuple[int, ...]
Params = dict[str, tf.Tensor]


class Transform:
    """A random map from images to images, signals or volumes too. Its kinds are hashable, frozen dataclasses."""

    exact_gradient: bool = True
    """Whether the gradient of `apply` is its derivative. If not, optimisers may use it and samplers must not."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "draw" in vars(cls):
            warn_renamed(f"{cls.__name__}.draw", "sample_params")
            cls.sample_params = cls.draw

    draw = renamed_property("draw", "sample_params")

    def sample_params(self, seed: tf.Tensor, batch: int, image_shape: Shape) -> Any:
        """Draws the random parameters, independently for each image.

        Args:
          seed: int32 [2], stateless seed. Equal seeds give equal draws (XLA and the rest of TensorFlow have
            different generators).
          batch: int, number of images.
          image_shape: (H, W, C) of the images that `apply` will get.

        Returns:
          A nest of tensors with leading dimension [batch]; empty if nothing is random.
        """
        return ()

    def apply(self, params: Any, images: tf.Tensor) -> tf.Tensor:
        """Applies drawn parameters.

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
        """The shape (H', W', C) that images of shape (H, W, C) get.

        Args:
          image_shape: (H, W, C) of the images that `apply` will get.

        Returns:
          The shape of what it makes of them.

        Raises:
          ValueError: if images of this shape are too small for the transform.
        """
        return tuple(image_shape)

    def __call__(self, images: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        """Fresh parameters, applied: `apply(sample_params(seed, batch, (H, W, C)), images)`.

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
    """A plain function from images to images, which has nothing to draw. Made by `as_transform`."""

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
    """Made by `compose`."""

    transforms: tuple[Transform, ...]

    @property
    def exact_gradient(self) -> bool:
        return all(transform.exact_gradient for transform in self.transforms)

    def sample_params(self, seed: tf.Tensor, batch: int, image_shape: Shape) -> tuple[Any, ...]:
        params = []
        for number, transform in enumerate(self.transforms):
            params.append(transform.sample_params(seeds.fold(seed, number), batch, image_shape))
            image_shape = transform.output_shape(image_shape)
        return tuple(params)

    def apply(self, params: tuple[Any, ...], images: tf.Tensor) -> tf.Tensor:
        for transform, own in zip(self.transforms, params, strict=True):
            images = transform.apply(own, images)
        return images

    def output_shape(self, image_shape: Shape) -> Shape:
        for transform in self.transforms:
            image_shape = transform.output_shape(image_shape)
        return tuple(image_shape)


def compose(transforms: Iterable[Transform | Callable[[tf.Tensor], tf.Tensor]]) -> Transform:
    """Applies transforms one after the other, the first of the list first.

    Args:
      transforms: anything that `as_transform` takes. An empty list gives the identity.

    Returns:
      Transform. Its parameters: a tuple of the parameters of the parts, each from a seed of its own.

    Raises:
      TypeError: if an item is no transform.
    """
    if not is_list(transforms):
        raise TypeError(f"transforms: expected a list of transforms. Received: {brief(transforms)}")
    return Compose(tuple(as_transform(transform) for transform in transforms))


def as_transform(transforms: Any) -> Transform:
    """Makes one transform of whatever describes it.

    Args:
      transforms: a Transform, a function from images [batch, H, W, C] to images (the same function object
        each time, or compiled steps are not shared), a list or tuple of these, or None for the identity.

    Returns:
      Transform.

    Raises:
      TypeError: if it is none of these.
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
