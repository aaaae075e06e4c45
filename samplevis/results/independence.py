"""Whether the chains of a run are independent of each other: no copies, and no random numbers that they share."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from samplevis.results.issues import ERRORS, PICTURES, Issue, Run, name_chains

# Cosine of the moves of two chains above which they share something: in equilibrium it is 0 on average, and a momentum that two
# chains share makes it about a half and more.
MIN_SHARED = 0.3


def check_independence(run: Run) -> Iterator[Issue]:
    """Chains whose latents are copies of each other, or move in the same direction in every draw."""
    latents = run.samples.latents
    if len(latents) < 2:
        return
    copies, moves = _pairs(np.isclose(_cosines(latents), 1, rtol=0, atol=1e-5)), None
    if latents.shape[1] > 1:
        size = latents[0, 0].size
        error = 1 / np.sqrt(size * (latents.shape[1] - 1))
        moves = _pairs(_cosines(np.diff(latents, axis=1)) > max(MIN_SHARED, ERRORS * error))
    if copies.any():
        yield _issue(copies, "hold the same draws")
    elif moves is not None and moves.any():
        yield _issue(moves, "move in the same direction in every draw, as if they shared their random numbers")


def _issue(chains: np.ndarray, what: str) -> Issue:
    text = f"{name_chains(chains).capitalize()} {what}: they are not independent."
    return Issue("chains", text, PICTURES, tuple(int(i) for i in np.flatnonzero(chains)))


def _cosines(vectors: np.ndarray) -> np.ndarray:
    """Cosines of the vectors [chain, draw, ...] of two chains, averaged over draws, [chain, chain]; nan where one has none."""
    total = np.zeros((len(vectors), len(vectors)))
    for draw in range(vectors.shape[1]):
        flat = np.asarray(vectors[:, draw], np.float64).reshape(len(vectors), -1)
        with np.errstate(invalid="ignore", divide="ignore"):
            flat = flat / np.linalg.norm(flat, axis=1, keepdims=True)
            total += flat @ flat.T
    return total / vectors.shape[1]


def _pairs(alike: np.ndarray) -> np.ndarray:
    """Chains that are alike with another, bool [chain]."""
    return (alike & ~np.eye(len(alike), dtype=bool)).any(1)
