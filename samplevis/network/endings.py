"""What the units of an output are scored by: its values before a softmax, sigmoid or another saturating function."""

from __future__ import annotations

import functools
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from samplevis.network.cuts import Cuts
from samplevis.network.images import DEFAULT_SIDES, ImageInput
from samplevis.network.layer_names import LayerNames
from samplevis.network.sources import POST, Ending, Source

# Images to see by whether an output that hides its last function is a probability.
NUM_IMAGES = 4
# How far probabilities may be from a sum of 1.
MAX_ERROR = 1e-3
# Added to probabilities, so that the logarithm of one that has underflowed is finite.
TINY = 1e-37
# Layers and operations whose values are no probabilities.
_UNBOUNDED = ("dense", "conv", "matmul", "biasadd", "add", "linear", "mean", "pooling")


def softmax_log_odds(probabilities: tf.Tensor) -> tf.Tensor:
    """log p - log(1 - p), where 1 - p is the sum of the others, so that it is exact where p is nearly 1."""
    before = tf.cumsum(probabilities, -1, exclusive=True)
    after = tf.cumsum(probabilities, -1, exclusive=True, reverse=True)
    return tf.math.log(probabilities + TINY) - tf.math.log(before + after + TINY)


def sigmoid_log_odds(probabilities: tf.Tensor) -> tf.Tensor:
    """log p - log(1 - p); flat where float32 has rounded p to 0 or 1."""
    limit = np.finfo(np.float32).eps
    inside = tf.clip_by_value(probabilities, TINY, 1 - limit)
    return tf.math.log(inside) - tf.math.log1p(-inside)


#: Kind of an output -> what takes its values to scores, where the values before the function cannot be reached.
LOG_ODDS: dict[str, Callable[[tf.Tensor], tf.Tensor]] = {
    "softmax": softmax_log_odds,
    "logsoftmax": lambda values: softmax_log_odds(tf.exp(values)),
    "sigmoid": sigmoid_log_odds,
}


class Endings:
    """Finds the saturating functions that a network's outputs end in.

    Where the source cannot tell what an output ends in, some images do: values that are at least 0 and add up to 1 are
    probabilities.

    Args:
      source: the model.
      names: its layers' names.
      images: its preprocessing.
      cuts: computes its layers.
    """

    def __init__(self, source: Source, names: LayerNames, images: ImageInput, cuts: Cuts):
        self._source, self._names, self._images, self._cuts = source, names, images, cuts
        self._known = functools.cache(source.endings)
        self._tried: Callable[[str], Ending | None] = functools.cache(self._try)

    def find(self, layer: str) -> Ending | None:
        """What an output ends in; None for other layers, for values before and after the function, and for the images."""
        name = None if layer.endswith(POST) else self._names.find(layer)
        if name is None:
            return None
        ending = self._known().get(name)
        if ending is not None and ending.logits is not None:
            return ending
        is_last = name == list(self._source.layers)[-1]
        return self._tried(name) if ending is not None or is_last else None

    def _try(self, name: str) -> Ending | None:
        """What some images show of an output, so that logarithms are taken of nothing but probabilities."""
        kind = self._source.kinds.get(name, "").lower()
        known = self._known().get(name)
        if known is None and any(word in kind for word in _UNBOUNDED):
            return None
        *sides, channels = self._images.shape
        sides = [side or DEFAULT_SIDES[len(sides)] for side in sides]
        images = np.random.default_rng(0).uniform(size=(NUM_IMAGES, *sides, channels)).astype(np.float32)
        # Out of whatever is being traced.
        with tf.init_scope():
            values = self._cuts.cut((name,))(tf.constant(images))[name].numpy()
        candidates = ("softmax", "logsoftmax") if known is None else (known.kind,)
        return next((Ending(kind, None) for kind in candidates if _is_of_kind(kind, values)), None)


def _is_of_kind(kind: str, values: np.ndarray) -> bool:
    """Whether values can be what a function returns, of those whose inverse is known."""
    if kind == "sigmoid":
        return bool((values >= 0).all() and (values <= 1).all())
    probabilities = np.exp(values) if kind == "logsoftmax" else values
    if kind not in LOG_ODDS or values.shape[-1] < 2 or not (probabilities >= 0).all():
        return False
    return bool(np.abs(probabilities.sum(-1) - 1).max() < MAX_ERROR)
