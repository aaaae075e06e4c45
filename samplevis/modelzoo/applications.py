"""The classifiers of `keras.applications`, each with the preprocessing that it was trained with."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import keras

from samplevis.modelzoo.imagenet import imagenet_labels, normalize
from samplevis.network import Network
from samplevis.network.preprocessing import MODES
from samplevis.runtime.checks import check_whole

#: Side of the images, in pixels, by default if they are normalised first.
DEFAULT_SIZE = 224


def application(name: str, images: str) -> Callable[..., Network]:
    """Makes the function of one of Keras's applications.

    Args:
      name: its name in `keras.applications`.
      images: what it expects: a key of `preprocessing.MODES`.

    Returns:
      A function of `weights`, `image_size` and `labels` to a `Network`.

    Example:
      >>> network = modelzoo.MobileNetV2(weights=None, image_size=64)
      >>> network.layers["predictions"], network.value_range
      ((1000,), (-1.0, 1.0))
    """

    def make(
        weights: str | os.PathLike | None = "imagenet",
        *,
        image_size: int | tuple[int, int] | None = None,
        labels: str | os.PathLike | None = None,
    ) -> Network:
        model = _model(name, images, weights, _check_size(image_size))
        # Mean and standard deviations of "torch" are a layer in front of the model.
        mode = MODES["unit" if images == "torch" else images]
        return Network(model, **mode.options, labels=imagenet_labels(labels, weights), name=name)

    make.__name__ = make.__qualname__ = name
    make.__doc__ = f"""`keras.applications.{name}` with its preprocessing. Its last layer gives classes before softmax.

    Args:
      weights: "imagenet" (the default) lets Keras fetch its weights once into its cache and check them; a path reads an
        `.h5` or `.weights.h5` file of them; None means random weights.
      image_size: pixels that the model takes, one int for a square or (height, width). Defaults to Keras's own.
      labels: path of a text file with 1,000 lines, a class on each, synonyms separated by commas. Defaults to an
        `imagenet_labels.txt` beside the weights file or in the folder above, else Keras's list, fetched.

    Returns:
      A Network for RGB images [batch, height, width, 3] in [0, 1].

    Raises:
      OSError: if a file is missing or cannot be fetched.
      ValueError: if the weights file is not for this model, or the model cannot take images of that size.
    """
    return make


def _model(name: str, images: str, weights: str | os.PathLike | None, size: tuple[int, int] | None) -> keras.Model:
    fetched = weights == "imagenet"
    if not (fetched or weights is None or Path(weights).is_file()):
        raise FileNotFoundError(f"weights: there is no file {str(weights)!r}")
    make = getattr(keras.applications, name)
    tensor = None
    if size is not None or images == "torch":
        tensor = keras.Input((*(size or (DEFAULT_SIZE, DEFAULT_SIZE)), 3), name="image")
    if images == "torch":
        tensor = normalize(tensor)
    try:
        model = make(weights="imagenet" if fetched else None, input_tensor=tensor, classifier_activation=None)
    except Exception as error:  # Keras raises bare Exceptions when it cannot fetch.
        if "URL fetch failure" in str(error):
            raise OSError(
                f"weights: {error}. Fetch that file where there is a network and give its path: {name}(weights=PATH)."
            ) from error
        raise
    if weights is not None and not fetched:
        try:
            model.load_weights(weights)
        except Exception as error:  # Keras raises many kinds for a file that does not fit.
            raise ValueError(f"weights: {str(weights)!r} cannot be read as weights of {name}: {error}") from error
    return model


def _check_size(size: int | tuple[int, int] | None) -> tuple[int, int] | None:
    if size is None:
        return None
    sides = tuple(size) if isinstance(size, (tuple, list)) else (size, size)
    if len(sides) != 2:
        raise ValueError(f"image_size: expected a whole number or (height, width). Received: {size!r}")
    for side in sides:
        check_whole("image_size", side, 1)
    return sides
