"""The figures of a run: levels, cost, mixing, and two numbers about its images."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from samplevis.sampling import diagnostics

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
    return _levels(samples) | _sampler(samples) | _mixing(samples) | _energies(samples) | _images(samples)


def worst_scalar(samples: Samples) -> tuple[str, float]:
    """The scalar on which the chains agree least.

    Args:
      samples: the run.

    Returns:
      Its name and R-hat; "" and nan if R-hat cannot be computed for any.
    """
    found = {name: diagnostics.rhat(values) for name, values in samples.scalars.items()}
    finite = {name: value for name, value in found.items() if np.isfinite(value)}
    return max(finite.items(), key=lambda item: item[1], default=("", np.nan))


def _levels(samples: Samples) -> dict[str, float]:
    distance = samples.optimum_activation - samples.prior_activation
    fresh, bank = samples.levels, (samples.activation - samples.prior_activation) / distance
    activation = float(samples.fresh_activation.mean())
    return {
        "level_asked": np.nan if samples.level is None else samples.level,
        "level_fresh": float(fresh.mean()),
        "level_fresh_worst": float(_worst_level(fresh.mean(axis=1), samples.level)),
        "level_bank": float(bank.mean()),
        "level_network": float(samples.network_levels.mean()),
        "fresh_over_bank": float(fresh.mean() / bank.mean()) if bank.mean() > 0 else np.nan,
        "activation_fresh": activation,
        "activation_over_optimum": activation / samples.optimum_activation if samples.optimum_activation else np.nan,
    }


def _worst_level(of_chains: np.ndarray, asked: float | None) -> np.floating:
    """The chain's level that is furthest from the level asked for; the lowest, if none was."""
    return of_chains[np.argmax(-of_chains if asked is None else np.abs(of_chains - asked))]


def _sampler(samples: Samples) -> dict[str, float]:
    accept, bulk = samples.stats["acceptance_rate"], diagnostics.ess_bulk(samples.activation)
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
    return {
        "rhat": diagnostics.rhat(samples.activation),
        "rhat_worst": worst_scalar(samples)[1],
        "ess_bulk": diagnostics.ess_bulk(samples.activation),
        "ess_tail": diagnostics.ess_tail(samples.activation),
        "mcse": diagnostics.mcse_mean(samples.activation),
    }


def _energies(samples: Samples) -> dict[str, float]:
    errors = samples.stats["energy_error"]
    sizes = np.where(np.isfinite(errors), np.abs(errors), np.inf)
    return {
        "bfmi_worst": float(np.min(diagnostics.ebfmi(samples.stats["energy"]))),
        "divergences": float(np.sum(diagnostics.diverging(errors))),
        "non_finite": float(samples.non_finite),
        "energy_error_95": float(np.quantile(sizes, 0.95, method="higher")),
    }


def _images(samples: Samples) -> dict[str, float]:
    return {
        "power_slope": diagnostics.power_slope(samples[:], samples.dimensions),
        "pixel_correlation": diagnostics.pixel_correlation(samples.images),
    }
