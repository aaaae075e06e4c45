"""Whether the populations of SMC agree, and how many independent draws their families are worth."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from samplevis.results.families import MAX_LOG_Z_SPREAD, family_sizes, log_z_spread, most_independent, num_populations
from samplevis.results.issues import AVERAGES, MAX_RHAT, MIN_ESS, Issue, Run
from samplevis.sampling.diagnostics import MIN_DRAWS
from samplevis.sampling.populations import MIN_POPULATION, NUM_POPULATIONS
from samplevis.sampling.stationarity import rhat_limit


def check_populations(run: Run) -> Iterator[Issue]:
    """Populations that disagree on what they show or on how rare it is, and draws that are few families."""
    if num_populations(run.samples) < 2:
        fewest = NUM_POPULATIONS * MIN_POPULATION
        text = f"One population has no other to agree with. Ask for {fewest} draws or more, in all chains together."
        yield Issue("rhat", text, AVERAGES)
    else:
        yield from _check_agreement(run)
    families = family_sizes(run.samples.stats["ancestor"])
    size = np.fmin(run["ess_bulk"], run["effective_pictures"])
    if size < MIN_ESS:
        text = (
            f"The {families.sum()} draws descend from {len(families)} draws of the prior, and are worth {size:.0f} independent "
            "ones: look at the pictures, but do not trust averages over them."
        )
        yield Issue("ess", text, AVERAGES)


def _check_agreement(run: Run) -> Iterator[Issue]:
    number = num_populations(run.samples)
    # Relatives are not independent: few families scatter widely.
    limit = rhat_limit(number, max(MIN_DRAWS, int(most_independent(run.samples) / number)), MAX_RHAT)
    found = {
        "the activation": run["rhat"],
        run.worst_scalar: run["rhat_worst"],
        "thumbnails": run["rhat_thumbnails"],
    }
    name, value = max(found.items(), key=lambda item: np.nan_to_num(item[1]))
    if value > limit:
        text = (
            f"R-hat of {name} is {min(value, 1000):.2f}: the populations disagree, and show different pictures (modes)."
        )
        yield Issue("rhat", text, AVERAGES)
    nats, spread = log_z_spread(run.samples)
    if spread > MAX_LOG_Z_SPREAD:
        text = (
            f"The populations disagree by {nats:.1f} nats on how rare their pictures are: some have missed what others found. "
            "Ask for more draws."
        )
        yield Issue("rhat", text, AVERAGES)
