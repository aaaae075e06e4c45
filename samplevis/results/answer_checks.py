"""Whether the network itself names what was asked for in the draws."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from samplevis.results.issues import Issue, Run, issue_of_chains, name_chains

# Share of the draws that the network must name as the class, and the level below which that is not asked of it.
MIN_NAMED, LEVEL_OF_ANSWERS = 0.95, 0.5

# Of a run of log-odds. They are a difference of logits, whose changes by smoothing do not cancel, and half their optimum is sure.
SETTINGS = "level=0.5, smooth=None"


def judges_answers(run: Run) -> bool:
    """Whether the network's answers count: it ends in a softmax, so that one class is right, and the level is high."""
    level, options = run.samples.level, run.samples.options
    high = level is None or level >= LEVEL_OF_ANSWERS
    # A selection of chains keeps the answers to all of them.
    return high and bool(options.get("exclusive")) and len(options["named"]) == len(run.samples.activation)


def check_answers(run: Run) -> Iterator[Issue]:
    """Chains with draws that the network gives another class, if it does so to more than a few draws."""
    if not judges_answers(run):
        return
    options, draws = run.samples.options, run.samples.activation.shape[1]
    named = np.array(options["named"])
    if named.sum() >= MIN_NAMED * named.size * draws:
        return
    bad = named < draws
    text = (
        f"The network names {named.sum()} of {named.size * draws} draws {options['class']!r}, and most of the others "
        f"{options['named_else']!r} ({name_chains(bad)}): the pictures excite both classes. {_advice(options)}"
    )
    yield issue_of_chains("answers", bad, text)


def _advice(options: Mapping[str, Any]) -> str:
    """What to run for draws that the network names as the class."""
    log_odds = options.get("log_odds")
    if not log_odds:
        return "Ask for a higher level."
    return f"Score the class against all others: samplevis.render(model, samplevis.{log_odds}, {SETTINGS})."
