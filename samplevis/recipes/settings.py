"""Settings that a recipe passes on to the call that does its work."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from samplevis.runs.optimization import optimize
from samplevis.runtime.checks import check_known, keywords

# Arguments of `optimize` that a recipe of many images passes on.
PASSED_ON = keywords(optimize, "batch", "init", "thresholds")


def check_settings(settings: Mapping[str, Any], *names: str, passed_on: Sequence[str] = PASSED_ON) -> None:
    """Raises TypeError with the nearest name unless every setting is one that is passed on.

    Args:
      settings: the keyword arguments beside the recipe's own.
      *names: names of the recipe's own arguments, which the caller may have meant.
      passed_on: names that are passed on. Defaults to those of `optimize`.
    """
    check_known(settings, (*names, *passed_on))
