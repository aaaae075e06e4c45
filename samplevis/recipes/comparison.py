"""One unit by several methods, side by side."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Mapping
from typing import Any

import keras
import numpy as np

from samplevis import export
from samplevis import param as parameterizations
from samplevis.network import Network
from samplevis.objectives import Objective
from samplevis.render import render
from samplevis.samples import Samples
from samplevis.sampling.options import HMCOptions


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Comparison:
    """What `compare` returns.

    Attributes:
      samples: the samples, with their optimised images.
      panels: name -> images [n, H, W, C] in [0, 1], in the order of the figure.
    """

    samples: Samples
    panels: dict[str, np.ndarray]

    def __repr__(self) -> str:
        return f"<Comparison of {self.samples.objective}: {', '.join(self.panels)}>"

    def grid(self, scale: int = 1) -> np.ndarray:
        """One row for each panel, white where it has fewer images than another: uint8 [height, width, 3]."""
        columns = max(map(len, self.panels.values()))
        rows = [
            np.concatenate([images, np.ones((columns - len(images), *images.shape[1:]), images.dtype)])
            for images in self.panels.values()
        ]
        return export.grid(
            np.stack(rows),
            row_labels=list(self.panels),
            scale=scale,
            title=f"{self.samples.objective}, {self.samples.model}",
        )

    def save_grid(self, path: str | os.PathLike, scale: int = 1) -> None:
        """Writes `grid(scale)` as a PNG file."""
        export.save_png(self.grid(scale), path)


# TODO merge: panels of the diverse and the deep-dream images by default
def compare(
    model: Network | keras.Model,
    obj: Objective | str | Callable,
    panels: Mapping[str, np.ndarray] | None = None,
    hmc_opts: Mapping[str, Any] | HMCOptions | None = None,
    **settings: Any,
) -> Comparison:
    """The same unit by optimisation, by sampling, and by whatever else is given.

    Args:
      model, obj, hmc_opts, **settings: as in `render`. One optimised image and one sample is shown of each chain.
      panels: name -> images [n, H, W, C] in [0, 1] of another method, of the size that is rendered; shown between the
        optimised images and the samples. Defaults to none.

    Returns:
      A `Comparison`.

    Raises:
      ValueError, TypeError: if an argument is out of range, before any work.

    Example:
      >>> dreams = samplevis.optimize(model, objectives.deepdream("fire5"), param=param.fourier(96), batch=4).images
      >>> recipes.compare(model, "fire5:7", {"deep dream": dreams}, im_size=96).save_grid("methods.png")
    """
    given = {name: np.asarray(images) for name, images in (panels or {}).items()}
    shape = (settings.get("param") or parameterizations.fourier(settings.get("im_size", 128))).image_shape
    for name, images in given.items():
        if images.ndim != 4 or images.shape[1:] != shape:
            raise ValueError(
                f"panels: expected images [n, {', '.join(map(str, shape))}] for {name!r}. Received: {images.shape}"
            )
        try:
            export.grid(images)
        except ValueError as error:
            raise ValueError(f"panels: {name!r} cannot be shown: {error}") from error
    samples = render(model, obj, hmc_opts, **settings)
    drawn = f"sampled, level {samples.level:g}" if samples.level is not None else "sampled"
    return Comparison(samples, {"optimised": samples.optimized, **given, drawn: samples.images[:, -1]})
