"""The figures of a run: levels, cost, mixing, equilibrium, and how many pictures there are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from samplevis.results.chain_figures import VIRIALS, sampled_levels
from samplevis.results.families import by_population, most_independent
from samplevis.sampling import diagnostics
from samplevis.sampling.agreement import persistence_rhat
from samplevis.sampling.compositions import (
    effective_pictures,
    group_compositions,
    thumbnail_rhat,
    thumbnails,
    vendi_of_pictures,
    vendi_score,
)
from samplevis.sampling.effective_size import effective_bulk, effective_tail, error_of_mean

if TYPE_CHECKING:
    from samplevis.results.samples import Samples


def compute_figures(samples: Samples) -> dict[str, float]:
    """Computes the figures of a run.

    Args:
      samples: the run.

    Returns:
      Name -> value; nan where it cannot be computed, as R-hat of fewer than four draws.

    Example:
      >>> compute_figures(samples)["level_fresh"]
      0.71
    """
    parts = (_levels, _sampler, _mixing, _energies, _virials, _images, _compositions)
    return {name: float(value) for part in parts for name, value in part(samples).items()}


def worst_scalar(samples: Samples) -> tuple[str, float]:
    """The scalar on which the chains agree least.

    Args:
      samples: the run.

    Returns:
      Its name and R-hat; "" and nan if R-hat cannot be computed for any.
    """
    # Virials fluctuate by the force's noise: their means are judged, not how chains agree on them.
    judged = (name for name in samples.scalars if name not in VIRIALS)
    found = {name: diagnostics.rhat(by_population(samples, samples.scalars[name])) for name in judged}
    finite = {name: value for name, value in found.items() if np.isfinite(value)}
    return max(finite.items(), key=lambda item: item[1], default=("", np.nan))


def _levels(samples: Samples) -> dict[str, float]:
    fresh, bank = sampled_levels(samples)
    network = np.asarray(samples.levels, np.float64)
    activation = float(samples.fresh_activation.mean())
    return {
        "level_asked": np.nan if samples.level is None else samples.level,
        "level_fresh": network.mean(),
        "level_fresh_worst": _worst_level(network.mean(axis=1), samples.level),
        "level_sampled": fresh.mean(),
        "level_bank": bank.mean(),
        "fresh_over_bank": fresh.mean() / bank.mean() if bank.mean() > 0 else np.nan,
        "activation_fresh": activation,
        "activation_over_optimum": activation / samples.optimum_activation if samples.optimum_activation else np.nan,
    }


def _worst_level(of_chains: np.ndarray, asked: float | None) -> np.floating:
    """The chain's level that is furthest from the level asked for; the lowest, if none was."""
    return of_chains[np.argmax(-of_chains if asked is None else np.abs(of_chains - asked))]


def _sampler(samples: Samples) -> dict[str, float]:
    activation = by_population(samples, samples.activation)
    accept, bulk = samples.stats["acceptance_rate"], _at_most(samples, effective_bulk(activation))
    return {
        "acceptance": float(accept.mean()),
        "acceptance_worst": float(accept.mean(axis=1).min()),
        "temperature": float(samples.stats["temperature"].mean()),
        "step_size": float(samples.stats["step_size"][-1]),
        "gradients": float(samples.gradients),
        "gradients_per_effective_draw": float(samples.gradients * len(samples.activation) / bulk),
        "beta": samples.beta,
        "strength": float(samples.strength.mean()),
        "seconds": float(sum(samples.seconds.values())),
    }


def _mixing(samples: Samples) -> dict[str, float]:
    activation = by_population(samples, samples.activation)
    bulk = effective_bulk(activation)
    return {
        "rhat": diagnostics.rhat(activation),
        "rhat_worst": worst_scalar(samples)[1],
        "ess_bulk": _at_most(samples, bulk),
        "ess_tail": _at_most(samples, effective_tail(activation)),
        "mcse": error_of_mean(activation) * np.sqrt(np.maximum(bulk / most_independent(samples), 1.0)),
    }


def _at_most(samples: Samples, size: float) -> float:
    """An effective sample size, but not more than the draws, or their families: it has no other bound where draws are few."""
    return float(np.minimum(size, most_independent(samples)))


def _energies(samples: Samples) -> dict[str, float]:
    errors = samples.stats["energy_error"]
    sizes = np.where(np.isfinite(errors), np.abs(errors), np.inf)
    return {
        "bfmi_worst": float(np.min(diagnostics.ebfmi(samples.stats["energy"]))),
        "divergences": float(np.sum(diagnostics.diverging(errors))),
        "non_finite": float(samples.non_finite),
        "energy_error_95": float(np.quantile(sizes, 0.95, method="higher")),
    }


def _virials(samples: Samples) -> dict[str, float]:
    """Over all coordinates, and over thirds of the bands; runs of earlier versions have none."""
    return {name: samples.scalars[name].mean() if name in samples.scalars else np.nan for name in VIRIALS}


def _images(samples: Samples) -> dict[str, float]:
    return {
        "power_slope": diagnostics.power_slope(samples[:], samples.dimensions),
        "pixel_correlation": diagnostics.pixel_correlation(samples.images),
    }


def _compositions(samples: Samples) -> dict[str, float]:
    """Across the chains: the number of compositions, their log densities, and how different the pictures are."""
    small = thumbnails(samples.images)
    groups = group_compositions(small)
    chains = np.asarray(samples.stats["log_density"], np.float64).mean(axis=1)
    densities = [chains[groups == group].mean() for group in range(groups.max() + 1)]
    # The last draw of each chain stands for it.
    features = None if samples.features is None else samples.features[:, -1]
    related = by_population(samples, small)
    agreement = thumbnail_rhat(related)
    return {
        "compositions": groups.max() + 1,
        "log_density_range": np.ptp(densities),
        "vendi_pixels": vendi_of_pictures(samples.images[:, -1]),
        "vendi_features": np.nan if features is None else vendi_score(features),
        "rhat_thumbnails": agreement.rhat,
        "rhat_thumbnails_shuffled": agreement.control,
        "effective_pictures": _at_most(samples, effective_pictures(related)),
        "rhat_latents": persistence_rhat(samples.latents),
        "rhat_features": np.nan if samples.features is None else persistence_rhat(samples.features),
    }
