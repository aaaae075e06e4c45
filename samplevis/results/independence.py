"""Whether the chains of a run are independent of each other: no copies, and no random numbers that they share."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator

import numpy as np

from samplevis.results.issues import ERRORS, PICTURES, Issue, Run, issue_of_chains, name_chains

# Cosine of the moves of two chains above which they share something: in equilibrium it is 0 on average, and a momentum that two
# chains share makes it about a half and more.
MIN_SHARED = 0.3


def check_independence(run: Run) -> Iterator[Issue]:
    """Chains whose latents are copies of each other, or move in the same direction in every draw."""
    latents = run.samples.latents
    if len(latents) < 2:
        return
    draws = [latents[:, draw] for draw in range(latents.shape[1])]
    copies, moves = _pairs(np.isclose(_cosines(draws), 1, rtol=0, atol=1e-5)), None
    if len(draws) > 1:
        # One at a time: draws may be larger than the memory.
        steps = (after - before for before, after in itertools.pairwise(draws))
        error = 1 / np.sqrt(latents[0, 0].size * (len(draws) - 1))
        moves = _pairs(_cosines(steps) > max(MIN_SHARED, ERRORS * error))
    if copies.any():
        yield _issue(copies, "hold the same draws")
    elif moves is not None and moves.any():
        yield _issue(moves, "move in the same direction in every draw, as if they shared their random numbers")


def _issue(chains: np.ndarray, what: str) -> Issue:
    text = f"{name_chains(chains).capitalize()} {what}: they are not independent."
    return issue_of_chains("chains", chains, text, PICTURES)


def _cosines(draws: Iterable[np.ndarray]) -> np.ndarray:
    """Cosines of the vectors of two chains, averaged over draws [chain, ...], [chain, chain]; nan where one vector is 0."""
    cosines = []
    for vectors in draws:
        flat = np.asarray(vectors, np.float64).reshape(len(vectors), -1)
        with np.errstate(invalid="ignore", divide="ignore"):
            flat = flat / np.linalg.norm(flat, axis=1, keepdims=True)
            cosines.append(flat @ flat.T)
    return np.mean(cosines, axis=0)


def _pairs(alike: np.ndarray) -> np.ndarray:
    """Chains that are alike with another, bool [chain]."""
    return (alike & ~np.eye(len(alike), dtype=bool)).any(1)
