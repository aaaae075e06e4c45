"""Caricatures: an image as a layer represents it, exaggerated."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from samplevis import export, transform
from samplevis import param as parameterizations
from samplevis.export.grid_mixin import ColumnsGridMixin
from samplevis.network import Network, as_network
from samplevis.objectives import dot_compare
from samplevis.recipes.picture import check_seen
from samplevis.runs.optimization import optimize
from samplevis.runtime.checks import check_known, check_names, keywords
from samplevis.runtime.progress import Progress
from samplevis.transform import as_transform

# Arguments of `optimize` that are passed on.
PASSED_ON = keywords(optimize, "im_size")
# Shifts are smaller than a cell of most layers, so that positions still correspond to those of the reference.
TRANSFORMS = (transform.affine(shift=4, scale=0.05, rotate=4),)


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Caricature(ColumnsGridMixin):
    """The result of `caricature`: an image as layers represent it.

    Attributes:
      reference: float32 [H, W, C] in [0, 1], the original image.
      layers: names of the layers.
      images: float32 [layers, H, W, C] in [0, 1].
      cosine: float32 [layers], the cosine similarity of the layer's activations for image and reference, without transforms.

    Example:
      >>> recipes.caricature(model, photograph, ["fire3", "fire9"]).save_grid("caricature.png")
    """

    reference: np.ndarray
    layers: tuple[str, ...]
    images: np.ndarray
    cosine: np.ndarray

    def __repr__(self) -> str:
        return f"<Caricature by {', '.join(self.layers)}>"

    def grid(self, columns: int | None = None, scale: int = 1) -> np.ndarray:
        """The reference, then one image per layer, labelled with its cosine.

        Args:
          columns: images per row, >= 1. Defaults to all.
          scale: whole-number enlargement, >= 1. Defaults to 1.

        Returns:
          uint8 [height, width, 3].
        """
        return export.grid(
            np.concatenate([self.reference[None], self.images]),
            columns or 1 + len(self.images),
            scale=scale,
            labels=["reference", *(f"{layer}, {cos:.2f}" for layer, cos in zip(self.layers, self.cosine, strict=True))],
        )


def caricature(
    model: Network | keras.Model,
    image: np.ndarray,
    layers: str | Sequence[str],
    cossim_pow: float = 0.0,
    *,
    progress: bool = True,
    **settings: Any,
) -> Caricature:
    """Shows what a layer sees in an image, exaggerated.

    Maximises `objectives.dot_compare`, for one layer after the other. Ctrl-C ends the run and keeps the images so far.

    Args:
      model: a `Network` or a Keras model.
      image: the reference, [H, W, C], floats in [0, 1].
      layers: a layer's name, or several.
      cossim_pow: power of the cosine, >= 0. With 0 the loudest parts are exaggerated; a high power keeps the layer's
        activations in proportion. Defaults to 0.
      progress: whether to show a progress bar.
      **settings: other arguments of `optimize`: `param`, `transforms`, `steps`, `optimizer`, `seed`. `param`
        defaults to `param.fourier((H, W))` and `transforms` to `affine(4, 0.05, 4)`: they must keep the size.

    Returns:
      A `Caricature`.

    Raises:
      ValueError, TypeError: if an argument is out of range, before any work.

    Example:
      >>> recipes.caricature(model, photo, ["fire3", "fire6", "fire9"]).save_grid("caricature.png")

    Source: lucid/recipes/caricature.py.
    """
    network = as_network(model)
    check_known(settings, PASSED_ON)
    layers = check_names("layers", layers)
    reference = check_seen(network, "image", image)
    height, width, channels = reference.shape
    settings = {
        "param": parameterizations.fourier((height, width), channels=channels),
        "transforms": TRANSFORMS,
        "smooth": None,
    } | settings
    _check_size(reference.shape, settings["param"], settings["transforms"])
    wanted = [dot_compare(layer, reference, cossim_pow) for layer in layers]
    targets = network.activations(reference[None], layers)

    images, cosines = [], []
    with Progress("caricature", len(layers), "layer", callbacks=progress) as bar:
        for layer, obj in zip(layers, wanted, strict=True):
            try:
                result = optimize(network, obj, progress=False, **settings)
            except KeyboardInterrupt:
                if bar.insisted or not images:
                    raise
                break
            if bar.interrupted and images:
                # Cut short: the layers before it are whole.
                break
            images.append(result.images[0])
            cosines.append(_cosine(network.activations(result.images, layer)[layer].numpy(), targets[layer].numpy()))
            bar.update(1, cosine=cosines[-1])
            if bar.interrupted:
                break
    done = len(images)
    return Caricature(np.float32(reference), layers[:done], np.stack(images), np.array(cosines, np.float32))


def feature_inversion(
    model: Network | keras.Model,
    image: np.ndarray,
    layers: str | Sequence[str],
    cossim_pow: float = 2.0,
    **settings: Any,
) -> Caricature:
    """Shows what a layer still knows of an image: `caricature`, kept close to the reference by a power of the cosine.

    Args:
      model, image, layers, **settings: as in `caricature`.
      cossim_pow: >= 0. Defaults to 2.

    Returns:
      A `Caricature`.

    Raises:
      ValueError, TypeError: as in `caricature`.

    Example:
      >>> recipes.feature_inversion(model, photograph, ["fire3", "fire9"]).save_grid("inversion.png")

    Source: lucid's notebook misc/feature_inversion_caricatures.
    """
    return caricature(model, image, layers, cossim_pow, **settings)


def _check_size(shape: tuple[int, ...], param: Any, transforms: Any) -> None:
    if isinstance(param, parameterizations.Parameterization) and param.image_shape != shape:
        raise ValueError(f"param: expected the shape of the image, {shape}. Received: {param.image_shape}")
    seen = as_transform(transforms).output_shape(shape)
    if seen != shape:
        raise ValueError(
            f"transforms: expected transforms that keep the size {shape}, such as transform.affine: positions are compared one by "
            f"one. Received: transforms to {seen}"
        )


def _cosine(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.vdot(a, b) / max(np.linalg.norm(a) * np.linalg.norm(b), 1e-12))
