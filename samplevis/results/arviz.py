"""Draws for ArviZ."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from samplevis.sampling.diagnostics import diverging

if TYPE_CHECKING:
    from samplevis.results.samples import Samples

# What ArviZ calls a statistic, where it is not our name.
NAMES = {"log_density": "lp"}


def to_arviz(samples: Samples) -> Any:
    """The draws for ArviZ: activations and named scalars as the posterior, sampler statistics of these draws.

    Latents and images stay here: a summary over every pixel says nothing.

    Args:
      samples: the run.

    Returns:
      A DataTree (ArviZ 1.x) or InferenceData (0.x).

    Raises:
      ImportError: if ArviZ is not installed.

    Example:
      >>> az.summary(samples.to_arviz())
    """
    posterior = {name: getattr(samples, name) for name in ("activation", "fresh_activation", "strength")}
    posterior |= {name: _of_draws(samples, values) for name, values in samples.scalars.items()}
    groups = {"posterior": posterior, "sample_stats": _statistics(samples)}
    try:
        from arviz_base import from_dict
    except ImportError:
        try:
            from arviz import from_dict
        except ImportError as error:
            raise ImportError("to_arviz needs ArviZ: pip install samplevis[arviz]") from error
        return from_dict(**groups)
    return from_dict(groups)


def _of_draws(samples: Samples, values: np.ndarray) -> np.ndarray:
    """Of [chain, transition], those of the collected draws, [chain, draw]."""
    every = max(values.shape[1] // samples.images.shape[1], 1)
    return values[:, every - 1 :: every]


def _statistics(samples: Samples) -> dict[str, np.ndarray]:
    shape = samples.activation.shape[:1] + samples.stats["step_size"].shape
    found = {
        NAMES.get(name, name): _of_draws(samples, np.broadcast_to(array, shape))
        for name, array in samples.stats.items()
    }
    return found | {"diverging": diverging(found["energy_error"])}
