"""Pictures of many directions of a layer, all from one start, so that like directions give like pictures."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from samplevis import objectives
from samplevis.activation import make_activation
from samplevis.network import Network
from samplevis.param import fourier
from samplevis.recipes.batches import optimize_each
from samplevis.runtime import seeds
from samplevis.runtime.checks import check_whole
from samplevis.transform import Transform


def check_rendering(
    network: Network,
    layer: str,
    size: int,
    transforms: Transform | Sequence[Transform] | None,
    steps: int,
    batch_size: int,
    seed: int,
) -> None:
    """Raises ValueError or TypeError, before long work, for what `render_directions` could not do."""
    network.check_layer(layer)
    check_whole("steps", steps, 1)
    check_whole("batch_size", batch_size, 1)
    seeds.root(seed)
    obj = objectives.direction(layer, np.ones(network.layer_shape(layer)[-1]))
    make_activation(network, obj, fourier(size, channels=network.image_shape[-1]), transforms)


def render_directions(
    network: Network,
    layer: str,
    vectors: np.ndarray,
    *,
    size: int,
    steps: int,
    transforms: Transform | Sequence[Transform] | None,
    batch_size: int,
    seed: int,
    progress: bool,
    cossim_pow: float = 0.0,
    centre: bool = False,
) -> np.ndarray:
    """The feature visualisation of each of many directions, from one trace.

    Args:
      vectors: array [n, channels], n >= 1.
      size: pixels of the square images.
      cossim_pow: as in `objectives.direction`.
      centre: whether to look only at row H // 2, column W // 2.

    Returns:
      float32 images [n, size, size, C] in [0, 1].

    Raises:
      KeyboardInterrupt: after Ctrl-C; half of the pictures would be of no use.
    """
    check_rendering(network, layer, size, transforms, steps, batch_size, seed)
    vectors, channels = np.asarray(vectors, np.float32), network.layer_shape(layer)[-1]
    if vectors.ndim != 2 or vectors.shape[1] != channels or not np.isfinite(vectors).all():
        raise ValueError(f"directions: expected finite numbers [n, {channels}]. Received shape: {vectors.shape}")
    # A direction says where to go, not how far: equal lengths give equal scores to all.
    vectors = vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-12)
    unit = objectives.direction_neuron if centre else objectives.direction
    param = fourier(size, channels=network.image_shape[-1])
    found = optimize_each(
        network,
        [unit(layer, vector, cossim_pow=cossim_pow) for vector in vectors],
        batch_size,
        start=param.image(param.start(seeds.fold(seeds.root(seed), "directions"), 1))[0].numpy(),
        param=param,
        transforms=transforms,
        steps=steps,
        seed=seed,
        progress=progress,
    )
    if not found.complete:
        raise KeyboardInterrupt
    return found.images
