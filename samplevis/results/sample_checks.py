"""The arrays of samples: their names, and the shapes that must fit each other."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from samplevis.sampling.kernels.stats import TransitionStats

if TYPE_CHECKING:
    from samplevis.results.samples import Samples

ARRAYS = (
    "images",
    "latents",
    "activation",
    "fresh_activation",
    "network_levels",
    "strength",
    "optimized",
    "chain_means",
    "sd_images",
    "reached",
    "anneal_images",
    "features",
)
# Those that files of earlier versions do not have.
OPTIONAL = ("features",)
# Statistics of each transition: those that all chains share, and all of them.
SHARED = ("step_size", "num_gradient_evals")
STATS = TransitionStats._fields


def present_arrays(samples: Samples) -> list[str]:
    """Names of the arrays that the samples have: `ARRAYS`, without the optional ones that are None."""
    return [name for name in ARRAYS if name not in OPTIONAL or getattr(samples, name) is not None]


def check_samples(samples: Samples) -> None:
    """Raises ValueError unless arrays, statistics and scalars fit each other, and the optimum is above the prior."""
    _check_arrays(samples)
    _check_stats(samples)
    # Written so that nan fails.
    if not samples.optimum_activation > samples.prior_activation:
        raise ValueError(
            f"optimum_activation: expected more than the prior's {samples.prior_activation!r}. "
            f"Received: {samples.optimum_activation!r}"
        )


def _check_arrays(samples: Samples) -> None:
    if samples.images.ndim not in (4, 5, 6):
        raise ValueError(
            "images: expected shape [chain, draw, H, W, C], or [chain, draw, length, C] for signals, [chain, draw, depth, H, "
            f"W, C] for volumes. Received: {samples.images.shape}"
        )
    chain, draw, *image = samples.images.shape
    expected = dict.fromkeys(("activation", "fresh_activation", "network_levels", "strength"), (chain, draw))
    expected |= dict.fromkeys(("optimized", "chain_means", "sd_images"), (chain, *image))
    expected |= {"reached": (chain,), "anneal_images": (chain, *samples.anneal_images.shape[1:2], *image)}
    for name, shape in expected.items():
        if getattr(samples, name).shape != shape:
            raise ValueError(f"{name}: expected shape {shape}. Received: {getattr(samples, name).shape}")
    if samples.features is not None and (samples.features.ndim != 3 or samples.features.shape[:2] != (chain, draw)):
        raise ValueError(f"features: expected shape [{chain}, {draw}, F]. Received: {samples.features.shape}")
    if samples.latents.shape[:2] != (chain, draw):
        raise ValueError(f"latents: expected shape [{chain}, {draw}, ...]. Received: {samples.latents.shape}")


def _check_stats(samples: Samples) -> None:
    missing = [name for name in STATS if name not in samples.stats]
    if missing:
        raise ValueError(f"stats: expected {', '.join(STATS)}. Missing: {', '.join(missing)}")
    chains, transitions = len(samples.images), np.size(samples.stats["step_size"])
    for name in STATS:
        expected = (transitions,) if name in SHARED else (chains, transitions)
        if not transitions or np.shape(samples.stats[name]) != expected:
            raise ValueError(f"stats: expected {name!r} of shape {expected}. Received: {np.shape(samples.stats[name])}")
    for name, values in samples.scalars.items():
        if np.shape(values) != (chains, transitions):
            raise ValueError(
                f"scalars: expected {name!r} of shape {(chains, transitions)}. Received: {np.shape(values)}"
            )
    for name, values in samples.kernel_checks.items():
        if np.shape(values) != (chains,):
            raise ValueError(f"kernel_checks: expected {name!r} of shape {(chains,)}. Received: {np.shape(values)}")
