"""Copies of a network in which some activation functions and poolings are replaced, compared with it when they are made."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable, Collection, Hashable, Iterator

import keras
import numpy as np
import tensorflow as tf

from samplevis import param
from samplevis.network import Network
from samplevis.network.sources import ReplaceActivation, ReplaceLayer, Source
from samplevis.network.sources.base import Function
from samplevis.network.sources.functional import FunctionalSource
from samplevis.network.sources.functions import Replacement
from samplevis.overrides.observed import observed
from samplevis.runtime import seeds
from samplevis.runtime.checks import brief

# Images on which a copy is compared with its original.
NUM_COMPARED = 2
# The least side of images of the prior.
MIN_SIDE = 4
# Differences up to this, relative to the largest value of a layer, are rounding.
ROUNDING = 1e-3

logger = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class Rules:
    """What is replaced in a copy.

    Attributes:
      activation: decides on activation functions. Defaults to leaving them all.
      layer: decides on the other layers. Defaults to leaving them all.
    """

    activation: ReplaceActivation = lambda path, kind, function: None
    layer: ReplaceLayer = lambda path, layer: None


def rebuild(network: Network, name: str, rules: Rules, exact: Rules | None = None) -> Network:
    """Copies a network, nested models too, and replaces some of its parts.

    The copy computes with the network's own layers. An activation function may be a layer (`keras.layers.ReLU`), an operation
    (`keras.ops.relu`), an argument of another layer (`activation="relu"`), any of these in an attribute of a layer of the user's,
    or a node of a graph (Relu).

    Every function is compared with the one that it replaces, on the values that reach that in a few images. One that gives other
    values is left out: the network's own stays in its place, and a warning names it.

    Args:
      network: the network; it stays as it is.
      name: the new network's name in messages.
      rules: what is replaced.
      exact: replacements of the same kind that give the network's values up to `ROUNDING`, to be compared with it. Defaults to
        `rules`.

    Returns:
      A network with layers of the same names and shapes, on the same weights: later training reaches both.

    Raises:
      ValueError: if the layers that nothing replaces give other values in the copy than in the network.
    """
    comparison = _Comparison(exact or rules)
    _check_values(network, network.source.replaced(comparison.activation, comparison.layer))
    for path, reason in comparison.wrong.items():
        logger.warning("%s: %r stays as it is, because %s", name, path, reason)

    def activation(path: str, kind: str, function: Function) -> Replacement | None:
        found = None if path in comparison.wrong else rules.activation(path, kind, function)
        # Marked, so that a copy of the copy knows it.
        return found if found is None or isinstance(found, Replacement) else Replacement(found)

    def layer(path: str, old: keras.layers.Layer) -> keras.layers.Layer | None:
        return None if path in comparison.wrong else rules.layer(path, old)

    return network.with_model(network.source.replaced(activation, layer), name)


def cached_clone(network: Network, key: Hashable, make: Callable[[Network], Network]) -> Network:
    """A copy of a network, made once and cached with it under a key."""
    if key not in network.compiled:
        network.compiled[key] = make(network)
    return network.compiled[key]


def activations(network: Network, kinds: Collection[str]) -> list[str]:
    """The paths of the activation functions of some kinds, those inside layers of the user's among them."""
    found = []

    def activation(path: str, kind: str, function: Function) -> None:
        if kind in kinds:
            found.append(path)

    network.source.replaced(activation, lambda path, layer: None)
    return found


def outermost(source: Source) -> tuple[str, ...]:
    """Layers that say what a whole model computes: all, but for those inside the nested models of Keras."""
    nested = isinstance(source, FunctionalSource)
    return tuple(name for name in source.layers if not (nested and "/" in name))


def prior_images(network: Network, count: int) -> np.ndarray:
    """Images of the prior, [count, *size, channels], on which a network is tried; noise where they are tiny."""
    size, channels = network.usual_size, network.image_shape[-1]
    if min(size) < MIN_SIDE:
        return np.random.default_rng(0).uniform(size=(count, *size, channels)).astype(np.float32)
    prior = param.fourier(size, channels=channels, dimensions=network.dimensions)
    return prior.image(prior.prior(seeds.root(0), count)).numpy()


class _Comparison:
    """Rules that replace nothing, and compare what stands in for each part with it, on the values that reach it.

    Args:
      rules: the replacements.

    Attributes:
      wrong: the paths of those that differ -> why they cannot be used.
    """

    def __init__(self, rules: Rules):
        self._rules = rules
        self.wrong: dict[str, str] = {}

    def activation(self, path: str, kind: str, function: Function) -> Function | None:
        """A function with the values of the first one, in the place of one that is replaced."""
        new = self._made(path, lambda: self._rules.activation(path, kind, function))
        if new is None:
            return None

        def compared(x: tf.Tensor) -> tf.Tensor:
            y = function(x)
            self._compare(path, new, x, y)
            return y

        return Replacement(compared, getattr(function, "__name__", kind))

    def layer(self, path: str, old: keras.layers.Layer) -> keras.layers.Layer | None:
        """The same for a layer."""
        new = self._made(path, lambda: self._rules.layer(path, old))
        return None if new is None else observed(old, lambda x, y: self._compare(path, new, x, y))

    def _made(self, path: str, make: Callable[[], Function | None]) -> Function | None:
        try:
            return make()
        except Exception as error:  # A caller's function may raise anything.
            self.wrong[path] = f"what would replace it cannot be made: {brief(str(error))}"
            return None

    def _compare(self, path: str, new: Function, x: tf.Tensor, y: tf.Tensor) -> None:
        # Inside a loop or a map, which Keras traces, there are no values.
        if tf.is_symbolic_tensor(x) or path in self.wrong:
            return
        try:
            values = new(x)
        except Exception as error:
            self.wrong[path] = f"what would replace it fails: {brief(str(error))}"
            return
        if not _are_close(values, y, float(tf.reduce_max(tf.abs(x)))):
            self.wrong[path] = "what would replace it gives other values"


def _check_values(network: Network, copy: Source) -> None:
    """Raises ValueError unless a copy of a network's source gives the same values on some images, layer by layer."""
    images = network.preprocess(tf.constant(prior_images(network, NUM_COMPARED)))
    names = outermost(network.source)
    expected = network.source.cut(names)(images)
    different = next(_differing(names, expected, copy.cut(names)(images)), None)
    # A layer that draws random numbers differs from itself.
    if different is None or different in _differing(names, expected, network.source.cut(names)(images)):
        return
    raise ValueError(
        f"model: the layer {different!r} ({network.source.kinds.get(different, 'a layer')}) of {network.name!r} gives other values "
        "when its graph is computed layer by layer than when the model is called, so no copy can be made of it. Its call may "
        "depend on the model around it. Use the network itself: smooth=None, redirect_steps=0."
    )


def _differing(names: tuple[str, ...], some: list[tf.Tensor], others: list[tf.Tensor]) -> Iterator[str]:
    for name, one, other in zip(names, some, others, strict=True):
        if not _are_close(other, one):
            yield name


def _are_close(values: tf.Tensor, expected: tf.Tensor, size: float = 0.0) -> bool:
    """Whether values are equal up to rounding, relative to the largest of them or to `size`."""
    values, expected = np.asarray(values, np.float64), np.asarray(expected, np.float64)
    if values.shape != expected.shape:
        return False
    size = np.max(np.abs(expected), initial=size, where=np.isfinite(expected))
    return bool(np.allclose(values, expected, rtol=0, atol=ROUNDING * size, equal_nan=True))
