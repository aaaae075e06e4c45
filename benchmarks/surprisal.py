"""Bias and coverage of `surprisal` on linear activations: `python -m benchmarks.surprisal` prints a table, `--json FILE` writes it.

The activation is <w, z> with |w| = 1, so that P(A >= t) is the tail of a normal distribution. Each row is 60 studies with all
defaults: a pilot population and its repeats. `old` is the control: two adaptive populations that end in the soft density at the
level, one reweighting from there to the event, the mean of their surprisals and their range. About 20 minutes on 2 cores.
"""

from __future__ import annotations

import argparse
import inspect
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
from scipy.optimize import brentq
from scipy.stats import norm

import samplevis
from benchmarks.rows import write
from samplevis.runtime import seeds
from samplevis.sampling.density import Conditioned
from samplevis.sampling.smc import log_mean_exp, sequential_monte_carlo, weight_ess
from samplevis.sampling.tail import NUM_MOVES, Tail, log_probability_interval

NATS, STUDIES, DIMENSIONS, LEVEL = (35.0, 132.0, 234.0), 60, 20, 0.7
DEFAULTS = {
    name: inspect.signature(samplevis.surprisal).parameters[name].default
    for name in ("population", "repeats", "num_leapfrog_steps")
}
DIRECTION = tf.math.l2_normalize(tf.random.stateless_normal((DIMENSIONS,), (0, 1)))


class Study(NamedTuple):
    """One estimate of the surprisal: its error and its interval less the truth, effective states, and gradients of a chain."""

    error: float
    low: float
    high: float
    effective: float
    gradients: float


def linear(state: tf.Tensor) -> tf.Tensor:
    """A ~ N(0, 1) under the prior."""
    return tf.linalg.matvec(state, DIRECTION)


def density_at(nats: float) -> Conditioned:
    """The density that annealing makes for an optimum at level 1: the strength at the target is the target."""
    target = brentq(lambda t: -norm.logsf(t) - nats, 0, 60)
    return Conditioned(target, 0.02 * target / LEVEL, 4 * target)


def prior(*path: int) -> tf.Tensor:
    """A population of prior draws."""
    return tf.random.stateless_normal((DEFAULTS["population"], DIMENSIONS), seeds.fold(seeds.root(0), *path))


def current(nats: float, tail: Tail, number: int) -> Study:
    """What `surprisal` does, without a network."""
    steps, seed = DEFAULTS["num_leapfrog_steps"], seeds.fold(seeds.root(1), number)
    pilot = tail.climb(prior(number, 0), seeds.fold(seed, 0))
    events = [
        tail.climb(prior(number, i), seeds.fold(seed, i), pilot.schedule) for i in range(1, DEFAULTS["repeats"] + 1)
    ]
    logs = np.array([event.log_probability for event in events])
    low, high = log_probability_interval(logs)
    gradients = (1 + DEFAULTS["repeats"]) * pilot.temperature_steps * (NUM_MOVES * steps + 1)
    effective = min(event.effective_states for event in events)
    return Study(-log_mean_exp(logs) - nats, -high - nats, -low - nats, effective, gradients)


def old(nats: float, density: Conditioned, number: int, repeats: int = 2) -> Study:
    """The control: one last reweighting from the soft density."""
    found, effective, gradients = [], [], 0

    def path(activation: tf.Tensor, temperature: Any) -> tf.Tensor:
        return temperature * density.tilt(activation)

    for i in range(repeats):
        end = sequential_monte_carlo(
            linear, path, prior(number, i), DEFAULTS["num_leapfrog_steps"], seeds.fold(seeds.root(2), number, i)
        )
        values = linear(tf.constant(end.state))
        log_weights = np.where(values >= density.target, -density.tilt(values), -np.inf)
        found.append(-end.log_z - log_mean_exp(log_weights) - nats)
        effective.append(weight_ess(log_weights))
        gradients += (len(end.schedule) - 1) * 2 * (DEFAULTS["num_leapfrog_steps"] + 1)
    return Study(float(np.mean(found)), min(found), max(found), min(effective), gradients)


def row(name: str, nats: float, studies: list[Study]) -> dict[str, Any]:
    """The figures of many studies."""
    error, low, high, effective, gradients = np.array(studies).T
    return {
        "method": name,
        "nats": nats,
        "bias": float(error.mean()),
        "standard_error": float(error.std(ddof=1) / np.sqrt(len(error))),
        "spread": float(error.std(ddof=1)),
        "coverage": float(np.mean((low <= 0) & (high >= 0))),
        "width": float(np.median(high - low)),
        "effective_states": float(np.median(effective)),
        "gradients_per_chain": float(gradients.mean()),
    }


def rows_at(nats: float, studies: int) -> list[dict[str, Any]]:
    """A row for `surprisal` and one for the control."""
    density = density_at(nats)
    tail = Tail(linear, density, DEFAULTS["num_leapfrog_steps"])
    return [
        row("surprisal", nats, [current(nats, tail, i) for i in range(studies)]),
        row("old", nats, [old(nats, density, i) for i in range(studies)]),
    ]


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nats", nargs="+", type=float, default=NATS)
    parser.add_argument("--studies", type=int, default=STUDIES)
    parser.add_argument("--json", type=Path, help="file for the results")
    options = parser.parse_args()
    rows: list[dict[str, Any]] = []
    for nats in options.nats:
        for found in rows_at(nats, options.studies):
            rows.append(found)
            print(
                "  ".join(f"{k} {v:.2f}" if isinstance(v, float) else f"{v:<9}" for k, v in found.items()), flush=True
            )
            write(rows, options.json)


if __name__ == "__main__":
    main()
