"""The figures of each chain: every chain is one composition, and is judged by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from samplevis.sampling.compositions import group_compositions, thumbnails
from samplevis.sampling.kernels.registry import INDEPENDENT
from samplevis.sampling.stationarity import frozen, half_change, mean_error, split_rhat

if TYPE_CHECKING:
    from samplevis.results.samples import Samples

#: Mean of z_i dU/dz_i over all coordinates, and over thirds of the bands: 1 in equilibrium.
VIRIALS = ("virial", "virial_low", "virial_middle", "virial_high")
#: The mean square of the same coordinates: the sizes of the two pulls that the virial is the difference of.
SIZES = {"virial": "radius"} | {f"virial_{band}": f"power_{band}" for band in ("low", "middle", "high")}
#: Scalars that must not drift, with the level.
POWERS = ("radius", "power_low", "power_middle", "power_high")


def chain_figures(samples: Samples) -> dict[str, np.ndarray]:
    """Computes the figures of each chain.

    Args:
      samples: the run.

    Returns:
      Name -> float64 [chain], nan in chains with an activation that is not finite: "level" (mean over the draws, on the network
      itself), "level_miss" (root mean square of its draws' distance from the level asked for), "level_sampled" and "level_bank"
      (means on the network that is sampled), "overfit" and "overfit_error" (level on the bank less that on fresh transforms, with
      its standard error), "acceptance", "temperature", "log_density" (mean, in nats), "log_density_change" (last half less first
      half), "rhat_log_density" (split R-hat of the chain by itself), "frozen" (1 or 0), "composition" (number of its group),
      and the means of the virials, if the run has them.

    Example:
      >>> chain_figures(samples)["level"].round(2)
      array([ 0.71,  0.69, -0.02,  0.7 ])
    """
    finite = ~samples.nonfinite_chains
    if not finite.any() or finite.all():
        return _of_finite(samples)
    found = _of_finite(samples.of_chains(finite))
    whole = {name: np.full(len(finite), np.nan) for name in found}
    for name, values in found.items():
        whole[name][finite] = values
    return whole


def sampled_levels(samples: Samples) -> tuple[np.ndarray, np.ndarray]:
    """Levels of the draws where they are sampled, on fresh transforms and on the bank, [chain, draw] each, in float64."""
    fresh, bank = (np.asarray(a, np.float64) for a in (samples.fresh_activation, samples.activation))
    return samples.scale.levels(fresh), samples.scale.levels(bank)


def level_misses(samples: Samples) -> np.ndarray:
    """How far the draws are from the level asked for, on the network itself, [chain, draw] in float64; nan if none was asked.

    Independent draws are asked to be at the level or above: only what they are below it counts.
    """
    miss = np.asarray(samples.levels, np.float64) - (np.nan if samples.level is None else samples.level)
    return np.minimum(miss, 0.0) if samples.kernel in INDEPENDENT else miss


def virial_excess(samples: Samples, name: str) -> np.ndarray:
    """How far the pulls of the prior and of the unit on a band are from balance, relative to their size: 0 in equilibrium.

    The virial is |z|^2 less what the unit's force does, and a unit that asks for a band 30 times as strong as the prior has both
    30 times as large. Their difference of 1 is then hidden in the noise of 30, and a slow change of a few per cent of them adds
    more than 1 to it, which nobody sees.

    Args:
      samples: the run, with the scalar.
      name: one of `VIRIALS`.

    Returns:
      (virial - 1) / max(mean square, 1), float64 [chain, transition].
    """
    values = np.asarray(samples.scalars[name], np.float64)
    sizes = np.asarray(samples.scalars.get(SIZES[name], np.ones_like(values)), np.float64)
    return (values - 1) / np.maximum(sizes.mean(axis=1, keepdims=True), 1.0)


def _of_finite(samples: Samples) -> dict[str, np.ndarray]:
    fresh, bank = sampled_levels(samples)
    overfit, overfit_error = mean_error(bank - fresh)
    log_density = np.asarray(samples.stats["log_density"], np.float64)
    found = {
        "level": np.mean(samples.levels, axis=1, dtype=np.float64),
        "level_miss": np.sqrt(np.mean(np.square(level_misses(samples)), axis=1)),
        "level_sampled": fresh.mean(axis=1),
        "level_bank": bank.mean(axis=1),
        "overfit": overfit,
        "overfit_error": overfit_error,
        "acceptance": samples.stats["acceptance_rate"].mean(axis=1),
        "temperature": samples.stats["temperature"].mean(axis=1),
        "log_density": log_density.mean(axis=1),
        "log_density_change": half_change(log_density),
        "rhat_log_density": split_rhat(log_density),
        "frozen": frozen(samples.latents) | _same(log_density),
        "composition": group_compositions(thumbnails(samples.images)),
    }
    found |= {name: samples.scalars[name].mean(axis=1) for name in VIRIALS if name in samples.scalars}
    return {name: np.asarray(values, np.float64) for name, values in found.items()}


def _same(x: np.ndarray) -> np.ndarray:
    """Chains whose value is the same after each of several transitions: no proposal was accepted."""
    return np.full(len(x), x.shape[1] > 1) & (np.ptp(x, axis=1) == 0)
