"""Feature accentuation: variants of a photograph that excite a unit more."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from samplevis import export
from samplevis import param as parameterizations
from samplevis.activation import make_activation
from samplevis.export.grid_mixin import ColumnsGridMixin
from samplevis.network import Network, as_network
from samplevis.objectives import Objective
from samplevis.param import Parameterization
from samplevis.recipes.picture import check_seen
from samplevis.results.samples import Samples
from samplevis.runs.rendering import render, render_keywords
from samplevis.runtime import seeds
from samplevis.runtime.checks import check_known

# Chains and draws where no setting says otherwise.
DEFAULT_HMC = {"num_chains": 4, "num_results": 4}


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Accentuation(ColumnsGridMixin):
    """The result of `accentuate`: a photograph, and samples around it.

    Attributes:
      photo: float32 [H, W, C] in [0, 1].
      samples: the draws, as `render` returns them.
      photo_activation: activation of the photograph itself, without transforms.
      activations: of the draws, without transforms, [chain, draw].
      distances: rms difference of each draw from the photograph, per pixel, [chain, draw].

    Example:
      >>> recipes.accentuate(model, "logits:zebra", photo).save_grid("more_zebra.png")
    """

    photo: np.ndarray
    samples: Samples
    photo_activation: float
    activations: np.ndarray
    distances: np.ndarray

    def __repr__(self) -> str:
        return (
            f"<Accentuation of {self.samples.objective}: {self.photo_activation:.3g} -> {self.activations.mean():.3g}>"
        )

    def grid(self, columns: int | None = None, scale: int = 1) -> np.ndarray:
        """The photograph, then one draw of each chain, labelled with their activations.

        Args:
          columns: images per row, >= 1. Defaults to all.
          scale: whole-number enlargement, >= 1. Defaults to 1.

        Returns:
          uint8 [height, width, 3].
        """
        last = self.samples.images[:, -1]
        return export.grid(
            np.concatenate([self.photo[None], last]),
            columns or 1 + len(last),
            scale=scale,
            labels=[f"photo, {self.photo_activation:.3g}", *(f"{value:.3g}" for value in self.activations[:, -1])],
        )


def accentuate(
    model: Network | keras.Model,
    obj: Objective | str | Callable,
    photo: np.ndarray,
    noise: float = 0.3,
    *,
    param: Parameterization | None = None,
    **settings: Any,
) -> Accentuation:
    """Samples variants of a photograph in which a unit is more active: what it sees there, or would have to see.

    Draws come from the prior around the photograph (`param.around`), given that the activation reaches the level: 0 is the mean of
    variants at random, 1 the best optimised one. The distance from the photograph grows with the noise and the level. The
    unit `-obj` gives counterfactuals: variants without what excites it.

    Args:
      model: a `Network` or a Keras model.
      obj: as in `render`.
      photo: [H, W, C] in [0, 1].
      noise: from 0 (the photograph) to 1 (the whole prior). Defaults to 0.3.
      param: the prior, one with an inverse and of the photograph's size. Defaults to `param.fourier((H, W))`.
      **settings: other arguments of `render`: `hmc_opts`, `level`, `transforms`, `seed` and others. There are 4 chains of 4 draws
        by default.

    Returns:
      An `Accentuation`.

    Raises:
      ValueError, TypeError: as `render` and `param.around`.

    Example:
      >>> found = recipes.accentuate(modelzoo.Shapes(), "logits:star", drawing, noise=0.4, level=0.5)
      >>> found.save_grid("more_star.png")

    Source: Hamblin et al. 2024, "Feature Accentuation: Revealing 'What' Features Respond to in Natural Images", arXiv:2402.10039.
    """
    network = as_network(model)
    photo = check_seen(network, "photo", photo)
    check_known(settings, ("hmc_opts", *(name for name in render_keywords() if name not in ("param", "im_size"))))
    if param is None:
        param = parameterizations.fourier(photo.shape[:2], channels=photo.shape[2])
    near = parameterizations.around(param, photo, noise)
    if not noise:
        raise ValueError("noise: expected more than 0: without noise there is the photograph alone. Received: 0")
    hmc_opts = settings.pop("hmc_opts", None)
    hmc_opts = DEFAULT_HMC | hmc_opts if isinstance(hmc_opts, dict) else hmc_opts or DEFAULT_HMC
    samples = render(network, obj, hmc_opts, param=near, **settings)
    exact = make_activation(network, obj, near, None)

    def score(images: np.ndarray) -> np.ndarray:
        return exact.of_images(images, exact.sample_transforms(seeds.root(0), len(images))).numpy()

    chains, draws = samples.images.shape[:2]
    gaps = np.square(samples.images - photo)
    return Accentuation(
        photo=photo,
        samples=samples,
        photo_activation=float(score(photo[None])[0]),
        activations=np.stack([score(images) for images in samples.images]).reshape(chains, draws),
        distances=np.sqrt(gaps.mean(tuple(range(2, gaps.ndim)))),
    )
