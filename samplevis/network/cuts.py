"""Parts of a network as functions: cut at layers, or with one layer's activations replaced."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence

import tensorflow as tf

from samplevis.network.images import ImageInput
from samplevis.network.layer_names import LayerNames
from samplevis.network.prepared import Changes, Prepared
from samplevis.network.sources import Shape, Source

# A network of free size may not take images of the usual one.
TRIED_SCALES = (1, 2, 4)

Activations = dict[str, tf.Tensor]
Cut = Callable[[tf.Tensor], Activations]
Substitution = Callable[[tf.Tensor, tf.Tensor], Activations]


class Cuts:
    """Functions of images in [0, 1] to the activations of some layers; the same layers give the same function.

    Args:
      source: the model.
      names: its layers' names; every name that comes here has been checked.
      images: its preprocessing.
    """

    def __init__(self, source: Source, names: LayerNames, images: ImageInput):
        self._source, self._names, self._images = source, names, images
        # Cached on the instance, so that the caches go when the network goes.
        self.cut: Callable[[tuple[str, ...]], Cut] = functools.lru_cache(maxsize=64)(self._build_cut)
        self.substitute: Callable[[str, tuple[str, ...]], Substitution] = functools.lru_cache(maxsize=64)(
            self._build_substitution
        )
        self.layer_shape: Callable[[str, tuple[int, ...]], Shape] = functools.lru_cache(maxsize=256)(self._infer_shape)

    def _build_cut(self, layer_names: tuple[str, ...]) -> Cut:
        part = self._source.cut(tuple(map(self._names.find, layer_names)))
        return lambda images: _by_name(layer_names, part(self._images.preprocess(images)))

    def _build_substitution(self, layer: str, layer_names: tuple[str, ...]) -> Substitution:
        if layer == "input":
            return lambda images, values: self.cut(layer_names)(values)
        part = self._source.substitute(self._names.find(layer), tuple(map(self._names.find, layer_names)))

        def run(images: tf.Tensor, values: tf.Tensor) -> Activations:
            values = tf.cast(values, tf.float32)
            return _by_name(layer_names, part(self._images.preprocess(images), values))

        return run

    def _infer_shape(self, layer: str, size: tuple[int, ...]) -> Shape:
        spec = tf.TensorSpec([1, *size, self._images.shape[-1]], tf.float32)
        run = self.cut((layer,))
        try:
            # A trace computes no values: only shapes flow.
            traced = tf.function(lambda images: run(images)[layer], autograph=False).get_concrete_function(spec)
        except (ValueError, tf.errors.InvalidArgumentError) as error:
            raise ValueError(
                f"image size: {self._images.network!r} cannot take images of {size} up to {layer!r}: {error}"
            ) from error
        return tuple(traced.output_shapes[1:])


class PreparedCuts:
    """The same functions as `Network.cut`, rewritten for fast gradients: what `optimize`, `sweep` and the sampler compute with.

    Batch normalization and constant preprocessing are folded into the convolutions and dense layers beside them, and what does
    nothing at inference is left out. Values agree with those of `Network.cut` to about 1e-6 of their size. The model stays as it
    is, and the values of layers that are asked for are never folded away. A rewriting that gives other values on two images is not
    used. Models that are not functional or Sequential Keras
    models in float32 are used as they are.

    Folded weights are copies. Eager calls and traces read the model's weights; code that is compiled reads those of the last
    `refresh`.

    Args:
      source, names, images: as in `Cuts`.

    Example:
      >>> np.allclose(model.prepared.cut(["conv2"])(images)["conv2"], model.cut(["conv2"])(images)["conv2"], atol=1e-5)
      True
    """

    def __init__(self, source: Source, names: LayerNames, images: ImageInput):
        self._source, self._names, self._images = source, names, images
        self._prepared = Prepared(source, [functools.partial(images.noise, scale) for scale in TRIED_SCALES])
        self._cached: Callable[[tuple[str, ...]], Cut] = functools.lru_cache(maxsize=64)(self._build_cut)

    def cut(self, layer_names: Sequence[str]) -> Cut:
        """The network as far as the deepest of some layers, as `Network.cut`."""
        return self._cached(self._names.check_all(layer_names))

    def changes(self, layer_names: Sequence[str]) -> Changes:
        """What the rewriting of `cut(layer_names)` does."""
        return self._prepared.changes(self._found(self._names.check_all(layer_names)))

    def hidden_bytes(self, layer_names: Sequence[str], size: tuple[int, ...]) -> int:
        """Bytes that some layers and their gradient take for an image of a size, outside TensorFlow's graph."""
        return self._source.hidden_bytes(self._found(self._names.check_all(layer_names)), size) if layer_names else 0

    def hidden_half(self, layer_names: Sequence[str], size: tuple[int, ...]) -> tuple[str, str] | None:
        """The first part that computes in half precision outside TensorFlow's graph, up to some layers, and its precision."""
        return self._source.hidden_half(self._found(self._names.check_all(layer_names)), size)

    def refresh(self) -> None:
        """Reads the model's weights again, for compiled code that calls these functions."""
        self._prepared.refresh()

    def _build_cut(self, layer_names: tuple[str, ...]) -> Cut:
        part = self._prepared.cut(self._found(layer_names))
        return lambda images: _by_name(layer_names, part(self._images.preprocess(images)))

    def _found(self, layer_names: tuple[str, ...]) -> tuple[str | None, ...]:
        return tuple(map(self._names.find, layer_names))


def _by_name(names: Sequence[str], values: Sequence[tf.Tensor]) -> Activations:
    return {name: tf.cast(value, tf.float32) for name, value in zip(names, values, strict=True)}
