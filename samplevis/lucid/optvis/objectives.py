"""Lucid's objectives: functions of the accessor T to one number for the whole batch. Source: lucid/optvis/objectives.py.

A layer is a name such as "mixed4a_pre_relu". Objectives are maximised; those that are penalties by nature are subtracted:
`L1`, `L2`, `total_variation`, the blurs, `diversity` and `input_diff`. `alignment` and `penalize_boundary_complexity` are
negative already: add them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from samplevis.lucid.core.objective import Accessor, Objective, handle_batch, wrap_objective
from samplevis.lucid.optvis.objectives_util import _dot_cossim, _extract_act_pos, _tf_blur
from samplevis.network.labels import find_label
from samplevis.objectives.reduce import safe_sqrt
from samplevis.runtime.checks import brief

__all__ = [
    "L1",
    "L2",
    "Objective",
    "alignment",
    "as_objective",
    "blur_alpha_each_step",
    "blur_input_each_step",
    "channel",
    "channel_interpolate",
    "class_logit",
    "deepdream",
    "direction",
    "direction_cossim",
    "direction_neuron",
    "diversity",
    "handle_batch",
    "input_diff",
    "neuron",
    "penalize_boundary_complexity",
    "tensor_direction",
    "total_variation",
    "wrap_objective",
]

Score = Callable[[Accessor], tf.Tensor]


@wrap_objective(require_format="NHWC", shared=("channel_n", "x", "y"))
def neuron(
    layer_name: str, channel_n: int, x: int | None = None, y: int | None = None, batch: int | None = None
) -> Score:
    """One neuron: the mean over the batch of a channel at one position.

    Args:
      layer_name: the layer.
      channel_n: the channel.
      x: its row. Defaults to the middle, the lower one of an even number.
      y: its column. Defaults to the middle.
      batch: number of the only image that counts. Defaults to all.
    """
    return handle_batch(batch)(lambda T: tf.reduce_mean(_extract_act_pos(T(layer_name), x, y)[..., channel_n]))


@wrap_objective(require_format="NHWC", shared=("n_channel",))
def channel(layer: str, n_channel: int, batch: int | None = None) -> Score:
    """The mean of a channel.

    Args:
      layer: the layer.
      n_channel: the channel.
      batch: number of the only image that counts. Defaults to all.
    """
    return handle_batch(batch)(lambda T: tf.reduce_mean(T(layer)[..., n_channel]))


@wrap_objective(require_format="NHWC", shared=("vec",))
def direction(layer: str, vec: np.ndarray, cossim_pow: float = 0, batch: int | None = None) -> Score:
    """The mean inner product with a vector, times a power of the cosine.

    Args:
      layer: the layer.
      vec: [channels].
      cossim_pow: the power; the cosine counts as 0.1 at least. Defaults to 0.
      batch: number of the only image that counts. Defaults to all.
    """
    vec = _vector(vec)[None, None, None]
    return handle_batch(batch)(lambda T: _dot_cossim(T(layer), vec, cossim_pow))


direction_cossim = direction


@wrap_objective(require_format="NHWC", shared=("vec", "x", "y"))
def direction_neuron(
    layer_name: str,
    vec: np.ndarray,
    x: int | None = None,
    y: int | None = None,
    cossim_pow: float = 0,
    batch: int | None = None,
) -> Score:
    """`direction` at one position.

    Args:
      layer_name: the layer.
      vec: [channels].
      x, y: row and column. Default to the middle.
      cossim_pow: as in `direction`. Defaults to 0.
      batch: number of the only image that counts. Defaults to all.
    """
    vec = _vector(vec)[None, None, None]
    return handle_batch(batch)(lambda T: _dot_cossim(_extract_act_pos(T(layer_name), x, y), vec, cossim_pow))


@wrap_objective(require_format="NHWC", shared=("vec",))
def tensor_direction(layer: str, vec: np.ndarray, cossim_pow: float = 0, batch: int | None = None) -> Score:
    """`direction` with a vector for each position of the middle of the layer.

    Args:
      layer: the layer.
      vec: [height, width, channels] or [1, height, width, channels], at most the size of the layer.
      cossim_pow: as in `direction`. Defaults to 0.
      batch: number of the only image that counts. Defaults to all.
    """
    vec = _vector(vec)
    if len(vec.shape) not in (3, 4):
        raise ValueError(f"vec: expected shape [height, width, channels]. Received: {vec.shape}")
    vec = vec[None] if len(vec.shape) == 3 else vec

    def inner(T: Accessor) -> tf.Tensor:  # noqa: N803
        acts, (height, width) = T(layer), vec.shape[1:3]
        top, left = (tf.shape(acts)[1] - height) // 2, (tf.shape(acts)[2] - width) // 2
        return _dot_cossim(acts[:, top : top + height, left : left + width], vec, cossim_pow)

    return handle_batch(batch)(inner)


@wrap_objective()
def deepdream(layer: str) -> Score:
    """The mean of the squared activations of a layer.

    Args:
      layer: the layer.
    """
    return lambda T: tf.reduce_mean(T(layer) ** 2)


@wrap_objective()
def total_variation(layer: str = "input") -> Score:
    """The sum of absolute differences between neighbours; one number for each image, as in Lucid.

    Args:
      layer: a layer, or "input" (default) for the images before transforms.
    """
    return lambda T: tf.image.total_variation(T(layer))


@wrap_objective()
def L1(layer: str = "input", constant: float = 0) -> Score:  # noqa: N802 - Lucid's name.
    """The sum of |activation - constant|.

    Args:
      layer: a layer, or "input" (default) for the images before transforms.
      constant: what activations are compared with. Defaults to 0.
    """
    return lambda T: tf.reduce_sum(tf.abs(T(layer) - constant))


@wrap_objective()
def L2(layer: str = "input", constant: float = 0, epsilon: float = 1e-6) -> Score:  # noqa: N802 - Lucid's name.
    """sqrt(epsilon + sum of (activation - constant)^2).

    Args:
      layer: a layer, or "input" (default) for the images before transforms.
      constant: what activations are compared with. Defaults to 0.
      epsilon: defaults to 1e-6.
    """
    return lambda T: tf.sqrt(epsilon + tf.reduce_sum((T(layer) - constant) ** 2))


@wrap_objective()
def blur_input_each_step() -> Score:
    """Half the squared difference of the images from their blur, which counts as a constant."""
    return lambda T: _unlike_blur(T("input"))


@wrap_objective()
def blur_alpha_each_step() -> Score:
    """`blur_input_each_step` of the fourth channel."""
    return lambda T: _unlike_blur(T("input")[..., 3:4])


@wrap_objective(shared=("n_channel1", "n_channel2"))
def channel_interpolate(layer1: str, n_channel1: int, layer2: str, n_channel2: int) -> Score:
    """From one channel in the first image of the batch to another in the last.

    Args:
      layer1, n_channel1: layer and channel of the first image.
      layer2, n_channel2: of the last.
    """

    def inner(T: Accessor) -> tf.Tensor:  # noqa: N803
        first, last = T(layer1)[..., n_channel1], T(layer2)[..., n_channel2]
        place = tf.range(tf.shape(first)[0])
        weights = tf.math.divide_no_nan(tf.cast(place, tf.float32), tf.cast(place[-1], tf.float32))
        return tf.reduce_sum((1 - weights) * _of_each(first) + weights * _of_each(last))

    return inner


@wrap_objective()
def penalize_boundary_complexity(
    shp: Sequence[int],
    w: int = 20,
    mask: np.ndarray | None = None,
    C: float = 0.5,  # noqa: N803 - Lucid's name.
) -> Score:
    """Minus the detail and the difference from a colour along the border; add it.

    Args:
      shp: shape of the images.
      w: width of the border in pixels. Defaults to 20.
      mask: weights of the pixels instead of a border. Defaults to none.
      C: the colour. Defaults to 0.5, grey.
    """
    if mask is None:
        mask = np.ones(shp, np.float32)
        mask[:, w:-w, w:-w] = 0

    def inner(T: Accessor) -> tf.Tensor:  # noqa: N803
        images = T("input")
        detail = (_tf_blur(images, 5) - images) ** 2 + 0.8 * (images - C) ** 2
        return -tf.reduce_sum(detail * mask)

    return inner


@wrap_objective()
def alignment(layer: str, decay_ratio: float = 2) -> Score:
    """Minus the mean squared difference of each image from the next four, weighted by decay_ratio^-distance; add it.

    Args:
      layer: the layer.
      decay_ratio: how much less a step further counts. Defaults to 2.
    """

    def inner(T: Accessor) -> tf.Tensor:  # noqa: N803
        acts = T(layer)
        near = (tf.reduce_sum(_of_each((acts[:-d] - acts[d:]) ** 2)) / decay_ratio**d for d in (1, 2, 3, 4))
        return -tf.add_n(list(near))

    return inner


@wrap_objective()
def diversity(layer: str) -> Score:
    """How similar the correlations of channels are from image to image; subtract it.

    Args:
      layer: the layer.
    """

    def inner(T: Accessor) -> tf.Tensor:  # noqa: N803
        acts = T(layer)
        positions = tf.reshape(acts, [acts.shape[0], -1, acts.shape[-1]])
        grams = tf.matmul(positions, positions, transpose_a=True)
        grams = tf.reshape(tf.nn.l2_normalize(grams, [1, 2], 1e-10), [acts.shape[0], -1])
        similar = tf.matmul(grams, grams, transpose_b=True)
        return (tf.reduce_sum(similar) - tf.linalg.trace(similar)) / acts.shape[0]

    return inner


@wrap_objective()
def input_diff(orig_img: np.ndarray) -> Score:
    """The root mean squared difference of the images from one.

    Args:
      orig_img: the image.
    """
    return lambda T: safe_sqrt(tf.reduce_mean((T("input") - orig_img) ** 2))


@wrap_objective(require_format="NHWC", shared=("label",))
def class_logit(layer: str, label: int | str, batch: int | None = None) -> Score:
    """The sum over the batch of one class.

    Args:
      layer: a dense layer.
      label: number of the class, or its label.
      batch: number of the only image that counts. Defaults to all.
    """

    def inner(T: Accessor) -> tf.Tensor:  # noqa: N803
        number = _number_of(T("labels"), label) if isinstance(label, str) else label
        return tf.reduce_sum(T(layer)[..., number])

    return handle_batch(batch)(inner)


def as_objective(obj: Objective | str | Callable) -> Objective | Callable:
    """Turns a string into an objective.

    Args:
      obj: "layer:channel", an objective, or a function of T.

    Returns:
      An objective; a function is returned as it is.

    Raises:
      ValueError: for a string of another form.
      TypeError: for anything else.

    Example:
      >>> as_objective("mixed4a:476").description
      'Channel [mixed4a, 476]'
    """
    if isinstance(obj, str):
        layer, _, number = obj.rpartition(":")
        if not layer or not number.strip().isdecimal():
            raise ValueError(f"objective_f: expected a string such as 'mixed4a:476'. Received: {obj!r}")
        return channel(layer.strip(), int(number))
    if callable(obj):
        return obj
    raise TypeError(f"objective_f: expected 'layer:channel', an objective or a function of T. Received: {brief(obj)}")


def _vector(vec: Any) -> Any:
    """float32. Arrays stay arrays: an eager tensor could not enter the graph of a session."""
    if tf.is_tensor(vec) and not hasattr(vec, "numpy"):
        return tf.cast(vec, tf.float32)
    return np.asarray(vec, np.float32)


def _unlike_blur(images: tf.Tensor) -> tf.Tensor:
    return 0.5 * tf.reduce_sum((images - tf.stop_gradient(_tf_blur(images))) ** 2)


def _of_each(x: tf.Tensor) -> tf.Tensor:
    """The mean of each image, [batch]."""
    return tf.reduce_mean(x, list(range(1, x.shape.rank)))


def _number_of(labels: Sequence[str], label: str) -> int:
    return list(labels).index(label) if label in labels else find_label(labels, label)
