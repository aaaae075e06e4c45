"""Icons: one image for each of many directions of a layer, all from one start, so that similar directions look similar."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np

from samplevis import objectives
from samplevis.activation import make_activation
from samplevis.network import Network
from samplevis.objectives import Objective
from samplevis.param import Parameterization, fourier
from samplevis.runs.sweeping import sweep
from samplevis.runtime import seeds
from samplevis.runtime.checks import check_whole
from samplevis.transform.base import TransformLike

# Makes an objective of a layer and a direction [channels], such as `objectives.direction`.
Unit = Callable[[str, np.ndarray], Objective]


@dataclasses.dataclass(frozen=True)
class IconRenderer:
    """Renders directions of a layer as icons, with one trace of the compiled step.

    Attributes:
      network: the network.
      layer: a name from `Network.layers`.
      size: (height, width) of each icon in pixels.
      transforms: distortions, new ones in every step and the same for all icons; None for none.
      steps: number of updates, >= 1.
      batch_size: icons to optimise at a time, >= 1.
      seed: int from 0 to 2**31 - 1.
      progress: whether to show a progress bar.
    """

    network: Network
    layer: str
    size: tuple[int, int]
    transforms: TransformLike
    steps: int
    batch_size: int
    seed: int
    progress: bool

    @property
    def channels(self) -> int:
        """Channels of the layer."""
        return self.network.layer_shape(self.layer)[-1]

    @property
    def param(self) -> Parameterization:
        """The parameterization of the icons."""
        return fourier(self.size, channels=self.network.image_shape[-1])

    def check(self) -> None:
        """Raises ValueError or TypeError, before long work, if `render` could not run."""
        self.network.check_layer(self.layer)
        check_whole("steps", self.steps, 1)
        check_whole("batch_size", self.batch_size, 1)
        seeds.root(self.seed)
        unit = objectives.direction(self.layer, np.ones(self.channels))
        make_activation(self.network, unit, self.param, self.transforms)

    def render(self, directions: np.ndarray, unit: Unit = objectives.direction) -> np.ndarray:
        """Optimises one icon for each direction. An icon does not depend on the others, nor on `batch_size`.

        Args:
          directions: array [n, channels], n >= 1.
          unit: makes the objective of a direction. Defaults to `objectives.direction`.

        Returns:
          float32 [n, height, width, C] in [0, 1].

        Raises:
          ValueError: if the directions do not fit the layer, and as `check`.
          KeyboardInterrupt: after Ctrl-C: a part of the icons would be of no use.
        """
        self.check()
        vectors = np.asarray(directions, np.float32)
        if vectors.ndim != 2 or vectors.shape[1] != self.channels or not np.isfinite(vectors).all():
            raise ValueError(
                f"directions: expected finite numbers [n, {self.channels}]. Received shape: {vectors.shape}"
            )
        # Only the direction counts, not its length: at equal lengths, all scores are on one scale.
        vectors = vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-12)
        start = self.param.start(seeds.fold(seeds.root(self.seed), "directions"), 1)
        found = sweep(
            self.network,
            [unit(self.layer, vector) for vector in vectors],
            param=self.param,
            transforms=self.transforms,
            steps=self.steps,
            init=self.param.image(start)[0].numpy(),
            redirect_steps=0,
            smooth=None,
            batch_size=self.batch_size,
            seed=self.seed,
            progress=self.progress,
        )
        if not found.complete:
            raise KeyboardInterrupt
        return found.images
