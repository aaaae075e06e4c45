"""Objectives that compare activations with those of a reference picture: caricature, inversion, content and style."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

import tensorflow as tf

from samplevis.objectives.base import Accessor, Context, Objective
from samplevis.objectives.directions import check_power, show_power
from samplevis.objectives.reduce import crop_centre, mean, safe_sqrt, total
from samplevis.runtime.checks import brief, check_array, check_choice, check_names


def dot_compare(layer: str, image: Any, cossim_pow: float = 0.0) -> Objective:
    """The dot product of a layer's activations with those of a picture: a caricature of the picture.

    dot * max(0.1, cosine)^cossim_pow, both between all activations of the layer and the picture's, position by position. 0
    exaggerates the strongest parts; a high power keeps the layer's activations in proportion.

    Args:
      layer: a layer's name.
      image: array [H, W, C] in [0, 1]; the network sees it once, without transforms. If its activations have more or fewer
        positions than those of the images that are optimised, the centres are compared.
      cossim_pow: power, >= 0. Defaults to 0.

    Returns:
      An objective. Source: lucid/recipes/caricature.py, where the picture shares the batch and its transforms, and where the
      "cosine" is not divided by the norm of the image's own activations, so that the power changes the size of gradients but not
      their direction. Here it is the cosine.

    Example:
      >>> objectives.dot_compare("conv2", photo, cossim_pow=2)
      dot_compare(conv2, image, cossim_pow=2)
    """
    power = check_power("dot_compare", cossim_pow)

    def compare(x: tf.Tensor, reference: tf.Tensor) -> tf.Tensor:
        x, reference = _common(x, reference)
        dot = total(x * reference)
        if power:
            norms = safe_sqrt(total(tf.square(x))) * safe_sqrt(total(tf.square(reference)))
            # Lucid's: 1e-6 for silent layers, 0.1 for a gradient where the cosine is negative.
            dot = dot * tf.maximum(0.1, dot / (1e-6 + norms)) ** power
        return dot

    return _with_reference(
        (layer,), image, compare, ("dot_compare", power), f"dot_compare({layer}, image{show_power(power)})"
    )


Norm = Literal["l1", "l2"]
# Differences [batch, ...] -> sizes [batch].
NORMS: dict[Norm, Callable[[tf.Tensor], tf.Tensor]] = {
    "l1": lambda x: mean(tf.abs(x)),
    "l2": lambda x: safe_sqrt(mean(tf.square(x))),
}


def activation_difference(
    layers: str | Sequence[str],
    image: Any,
    features: Callable[[tf.Tensor], tf.Tensor] | None = None,
    norm: Norm = "l1",
) -> Objective:
    """The distance of activations from those of a picture, summed over layers; subtract it.

    Activations themselves compare content; their Gram matrices (`gram`) compare style.

    Args:
      layers: names of layers.
      image: array [H, W, C] in [0, 1]; the network sees it once, without transforms.
      features: function from activations [batch, ...] to what is compared, [batch, ...]. Defaults to the activations, whose
        centres are compared if sizes differ.
      norm: "l1", the mean absolute difference, or "l2", the root mean square. Defaults to "l1".

    Returns:
      An objective. Source: Lucid's notebook differentiable-parameterizations/style_transfer_2d; lucid/optvis/style.py.

    Raises:
      ValueError: if there are no layers, or the norm is unknown; when resolved, if the image does not fit the network.

    Example:
      >>> content = objectives.activation_difference("conv2", photo)
      >>> style = objectives.activation_difference(["conv1", "conv2"], 1 - photo, objectives.gram)
      >>> result = samplevis.optimize(model, -100 * content - style, param=param.fourier(16))
    """
    names = check_names("layers", layers)
    check_choice("norm", norm, NORMS)
    if features is not None and not callable(features):
        raise TypeError(f"features: expected a function of activations. Received: {brief(features)}")

    def compare(x: tf.Tensor, reference: tf.Tensor) -> tf.Tensor:
        x, reference = (features(x), features(reference)) if features else _common(x, reference)
        return NORMS[norm](x - reference)

    shown = f", {getattr(features, '__name__', 'features')}" if features else ""
    shown += "" if norm == "l1" else f", norm={norm!r}"
    return _with_reference(
        names,
        image,
        compare,
        ("difference", features, norm),
        f"activation_difference({', '.join(names)}, image{shown})",
    )


def gram(activations: tf.Tensor) -> tf.Tensor:
    """Gram matrices: the mean product of every pair of channels over positions.

    Args:
      activations: [batch, ..., channels].

    Returns:
      [batch, channels, channels]. Source: lucid/optvis/style.py.

    Raises:
      ValueError: if `activations` has fewer than two dimensions.

    Example:
      >>> objectives.gram(model(images, "conv2")["conv2"]).shape
      TensorShape([2, 5, 5])
    """
    activations = activations if tf.is_tensor(activations) else tf.constant(check_array("activations", activations))
    if activations.shape.rank < 2:
        raise ValueError(f"activations: expected [batch, ..., channels]. Received shape: {activations.shape}")
    x = tf.reshape(activations, (activations.shape[0], -1, activations.shape[-1]))
    return tf.matmul(x, x, transpose_a=True) / x.shape[1]


def _with_reference(
    layers: tuple[str, ...], image: Any, compare: Callable, structure: tuple, description: str
) -> Objective:
    """The sum over layers of compare(activations [batch, ...], those of the image [1, ...])."""
    image = check_array("image", image)
    if image.ndim != 3:
        raise ValueError(f"image: expected [height, width, channels]. Received shape: {image.shape}")

    def score(T: Accessor, parameters: Sequence[Any]) -> tf.Tensor:  # noqa: N803
        references = (tf.cast(reference, tf.float32) for reference in parameters)
        return tf.add_n([compare(T(layer), reference) for layer, reference in zip(layers, references, strict=True)])

    def check(context: Context, parameters: tuple) -> tuple:
        activations = context.network.activations(image[None], layers)
        return tuple(activations[layer].numpy() for layer in layers)

    return Objective(score, (structure, layers, image.shape), (None,) * len(layers), description, resolver=check)


def _common(x: tf.Tensor, reference: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Both, cut to the middle positions that both have."""
    if x.shape.rank != 4:
        return x, reference
    height, width = (min(x.shape[axis], reference.shape[axis]) for axis in (1, 2))
    return crop_centre(x, height, width), crop_centre(reference, height, width)
