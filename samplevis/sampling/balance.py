"""Exact signs of a broken kernel: forces that do not balance, coordinates that stand still, gradients of another state."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from samplevis.sampling.scalars import thirds

# Share of the coordinates that may be equal in all draws by chance, of float32 numbers.
BY_CHANCE = 0.001


def shared_forces(forces: np.ndarray, bands: np.ndarray) -> dict[str, np.ndarray]:
    """How far the mean forces of the chains point in one direction, in each third of the bands.

    In equilibrium the expectation of dU/dz is 0 in every coordinate, whatever the density (integrate by parts). The product of a
    chain's mean force with the mean of the others is then 0 on average, too, because chains are independent; and otherwise the
    square of what they share. It needs no direction to be named beforehand, and adds up over coordinates.

    Args:
      forces: mean gradient of the log density of each chain, [chain, *latent_shape].
      bands: int, of one latent: the label of the band of each coordinate, coarse bands first.

    Returns:
      "force", and "force_low", "force_middle" and "force_high" if there are at least three bands: products per coordinate,
      float64 [chain]; nan in chains whose force is not finite, and if fewer than 2 are.

    Example:
      >>> noise = np.random.default_rng(0).normal(size=(12, 108))
      >>> shared_forces(noise + 1, np.zeros(108, int))["force"].mean().round(1)
      np.float64(1.0)
    """
    flat = np.asarray(forces, np.float64).reshape(len(forces), -1)
    finite = np.isfinite(flat).all(axis=1)
    masks = {"force": np.ones(flat.shape[1], bool)}
    masks |= {f"force_{name}": mask for name, mask in thirds(bands).items()}
    found = {name: np.full(len(flat), np.nan) for name in masks}
    if finite.sum() > 1:
        for name, mask in masks.items():
            part = flat[finite][:, mask]
            others = (part.sum(axis=0) - part) / (len(part) - 1)
            found[name][finite] = np.mean(part * others, axis=1)
    return found


def still_share(states: Sequence[np.ndarray]) -> np.ndarray:
    """Share of the coordinates of each chain that are equal in all draws.

    Args:
      states: [chain, ...] of each draw, in the coordinates that the kernel moves.

    Returns:
      float64 [chain]: 0 of a kernel that moves all coordinates, 1 of a chain that does not move; nan for one draw.

    Example:
      >>> still_share(np.array([[[1.0, 2.0]], [[1.0, 3.0]], [[1.0, 2.0]]]))
      array([0.5])
    """
    first = np.asarray(states[0])
    if len(states) < 2:
        return np.full(len(first), np.nan)
    same = np.ones(first.shape, bool)
    for state in states[1:]:
        same &= np.asarray(state) == first
    return same.reshape(len(first), -1).mean(axis=1)
