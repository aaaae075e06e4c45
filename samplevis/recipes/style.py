"""Style transfer: the things of one picture in the manner of another."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from samplevis import param as parameterizations
from samplevis.network import Network, as_network
from samplevis.objectives import Accessor, Objective
from samplevis.optimize import Optimized, optimize
from samplevis.param import Parameterization
from samplevis.recipes.picture import check_picture
from samplevis.transform import Transform

# A target is taken to be at least this large where distances are relative to it.
SILENT = 1e-6

# Two tensors [batch, ...] -> [batch]; the second may have a batch of 1.
Loss = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]


def gram_style(activations: tf.Tensor) -> tf.Tensor:
    """Gram matrix of the channels: which features occur together, wherever they are.

    Args:
      activations: float tensor [batch, ..., channels].

    Returns:
      Tensor [batch, channels, channels]: sum over positions of a_i a_j, divided by the number of positions.
      Source: lucid/optvis/style.py; Gatys, Ecker and Bethge 2015, "A neural algorithm of artistic style".
    """
    batch, *sizes, channels = activations.shape
    positions = int(np.prod(sizes))
    flat = tf.reshape(activations, (-1 if batch is None else batch, positions, channels))
    return tf.matmul(flat, flat, transpose_a=True) / positions


def mean_l1_loss(a: tf.Tensor, b: tf.Tensor) -> tf.Tensor:
    """Mean absolute difference of each image, [batch]. Source: lucid/optvis/style.py."""
    return _mean(tf.abs(a - b))


def mean_l2_loss(a: tf.Tensor, b: tf.Tensor) -> tf.Tensor:
    """Root mean square difference of each image, [batch]; its gradient at 0 is 0. Source: lucid/optvis/style.py."""
    square = _mean(tf.square(a - b))
    zero = square == 0
    return tf.where(zero, 0.0, tf.sqrt(tf.where(zero, 1.0, square)))


def content_distance(targets: Mapping[str, Any], loss: Loss = mean_l1_loss) -> Objective:
    """How far activations are from those of a picture, place by place, summed over layers; subtract it.

    Args:
      targets: layer -> activations [1, ...] of the picture, as `Network.activations` returns them. The picture must have the
        size of the images that are compared with it, after transforms.
      loss: `mean_l1_loss`, `mean_l2_loss`, or another function of two tensors [batch, ...] that returns [batch]; the second
        may have a batch of 1. Defaults to `mean_l1_loss`.

    Returns:
      An objective.

    Raises:
      ValueError: if there is no layer, or activations are not of one picture.

    Example:
      >>> targets = network.activations(photograph[None], "fire4")
      >>> samplevis.optimize(network, -content_distance(targets), param=param.fourier(photograph.shape[:2]), transforms=None)
    """
    targets = _check_targets("content_distance", targets)
    for layer, target in targets.items():
        if len(target) != 1:
            raise ValueError(f"content_distance: targets: expected one picture. Received {len(target)} for {layer!r}")

    def check(network: Network, size: tuple[int, int] | None, parameters: tuple) -> tuple:
        for layer, target in targets.items():
            expected = network.layer_shape(layer, size)
            if target.shape[1:] != expected:
                raise ValueError(
                    f"content_distance: targets: {layer!r} has the shape {expected} for images of {size}. "
                    f"Received: {target.shape[1:]}"
                )
        return parameters

    return _distance("content_distance", targets, lambda activations: activations, loss, check)


def style_distance(targets: Mapping[str, Any], loss: Loss = mean_l1_loss) -> Objective:
    """How far Gram matrices are from those of a picture, summed over layers; subtract it.

    Args:
      targets: layer -> activations [pictures, ..., channels], as `Network.activations` returns them. The picture may have any
        size; the Gram matrices of several are averaged.
      loss: as in `content_distance`. Defaults to `mean_l1_loss`.

    Returns:
      An objective. Source: lucid/optvis/style.py (`StyleLoss`, without its moving average, which has no place in a score that
      depends on the images alone).

    Raises:
      ValueError: if there is no layer, or activations are not [pictures, ..., channels].

    Example:
      >>> targets = network.activations(painting[None], ["fire2", "fire4", "fire6"])
      >>> samplevis.optimize(network, -style_distance(targets))
    """
    targets = _check_targets("style_distance", targets)
    grams = {layer: tf.reduce_mean(gram_style(target), 0, keepdims=True).numpy() for layer, target in targets.items()}

    def check(network: Network, size: tuple[int, int] | None, parameters: tuple) -> tuple:
        for layer, gram in grams.items():
            channels = network.layer_shape(layer, size)[-1]
            if gram.shape[-1] != channels:
                raise ValueError(
                    f"style_distance: targets: {layer!r} has {channels} channels. Received: {gram.shape[-1]}"
                )
        return parameters

    return _distance("style_distance", grams, gram_style, loss, check)


def style_transfer(
    model: Network | keras.Model,
    content: np.ndarray,
    style: np.ndarray,
    *,
    content_layers: str | Sequence[str],
    style_layers: str | Sequence[str],
    content_weight: float = 0.5,
    loss: Loss = mean_l1_loss,
    param: Parameterization | None = None,
    transforms: Transform | Sequence[Transform] | None = None,
    **settings: Any,
) -> Optimized:
    """Paints the things of one picture in the manner of another.

    Maximises -(content_weight * content + style). Both are relative distances: each layer's is divided by the mean magnitude
    of its target, and the layers are averaged, so that loud layers do not drown the others.

    Args:
      model: a `Network` or a Keras model.
      content: picture [H, W, C] in [0, 1] whose things are kept.
      style: picture [h, w, C] in [0, 1] whose manner is taken.
      content_layers: where things are compared: a middle layer, or several.
      style_layers: where the manner is compared: layers from low (grain) to high (figures).
      content_weight: weight of the content, >= 0: 1 keeps most of it, 0.3 half. Defaults to 0.5.
      loss: as in `content_distance`. Defaults to `mean_l1_loss`.
      param: parameterization of images [H, W, C]. Defaults to `param.fourier((H, W), channels=C)`.
      transforms: distortions that keep the size; they move the image against the content. Defaults to None.
      **settings: other arguments of `optimize`: steps, optimizer, init, seed, progress ... Pass `init=content[None]` to start
        from the picture rather than from faint noise.

    Returns:
      An `Optimized` with images [1, H, W, C].

    Raises:
      ValueError, TypeError: if an argument is out of range, before any work.

    Source: Gatys, Ecker and Bethge 2015; the parameterization as in Lucid's notebook on style transfer.

    Example:
      >>> result = style_transfer(network, photograph, painting, content_layers="fire4",
      ...     style_layers=["conv1", "fire2", "fire3", "fire5"], steps=256)
      >>> export.save_png(result.images[0], "transferred.png")
    """
    network = as_network(model)
    channels = network.image_shape[-1]
    content = check_picture("content", content, channels)
    style = check_picture("style", style, channels)
    if isinstance(content_weight, bool) or not 0 <= content_weight < np.inf:
        raise ValueError(f"content_weight: expected a finite number >= 0. Received: {content_weight!r}")
    things = network.activations(content[None], content_layers)
    manner = network.activations(style[None], style_layers)
    grams = {layer: gram_style(activations).numpy() for layer, activations in manner.items()}
    far = _relative(content_distance, things, things, loss)
    strange = _relative(style_distance, manner, grams, loss)
    objective = -(float(content_weight) * far + strange)
    param = param or parameterizations.fourier(content.shape[:2], channels=channels)
    return optimize(network, objective, param=param, transforms=transforms, **settings)


def _distance(
    name: str, targets: Mapping[str, np.ndarray], measure: Callable, loss: Loss, check: Callable
) -> Objective:
    """The sum over layers of the loss between what is measured there and its target."""

    def score(T: Accessor, parameters: Sequence[Any]) -> tf.Tensor:  # noqa: N803
        return tf.add_n([loss(measure(T(layer)), target) for layer, target in zip(targets, parameters, strict=True)])

    description = f"{name}({', '.join(targets)})"
    return Objective(score, (name, tuple(targets), loss), tuple(targets.values()), description, resolver=check)


def _relative(distance: Callable, targets: Mapping[str, Any], measured: Mapping[str, Any], loss: Loss) -> Objective:
    """The mean over layers of distances in units of the target's mean magnitude."""
    return Objective.sum(
        distance({layer: target}, loss) / (len(targets) * max(float(np.mean(np.abs(measured[layer]))), SILENT))
        for layer, target in targets.items()
    )


def _check_targets(name: str, targets: Mapping[str, Any]) -> dict[str, np.ndarray]:
    if not isinstance(targets, Mapping) or not targets:
        raise ValueError(
            f"{name}: targets: expected layer -> activations, as network.activations returns. Received: {targets!r:.80}"
        )
    arrays = {layer: np.asarray(target, np.float32) for layer, target in targets.items()}
    for layer, target in arrays.items():
        if target.ndim < 2 or not target.size or not np.isfinite(target).all():
            raise ValueError(
                f"{name}: targets: expected finite activations [pictures, ..., channels] for {layer!r}. "
                f"Received shape: {target.shape}"
            )
    return arrays


def _mean(x: tf.Tensor) -> tf.Tensor:
    """Mean over all but the batch."""
    return tf.reduce_mean(x, list(range(1, x.shape.rank)))
