"""One line on outputs whose units are scored before their softmax or sigmoid, where a run begins."""

from __future__ import annotations

import sys
from collections.abc import Iterable

from samplevis.network import Network

# What users call the kinds of functions whose value is a probability.
PROBABILITIES = ("softmax", "sigmoid", "hardsigmoid")


def notify_unsaturated(network: Network, layers: Iterable[str], progress: bool) -> None:
    """Tells which outputs are scored before the function that they end in, and how to score the output itself.

    Args:
      network: the network.
      layers: `Objective.unsaturated` of the objectives of a run.
      progress: whether to print the lines.

    Example:
      >>> from samplevis import modelzoo
      >>> from samplevis.analysis.units_notice import notify_unsaturated
      >>> notify_unsaturated(modelzoo.Shapes(), (), progress=True)
    """
    if not progress:
        return
    for layer in dict.fromkeys(layers):
        ending = network.endings.find(layer)
        value = "probability" if ending.kind in PROBABILITIES else "output itself"
        how = "" if ending.logits is not None else ", by log-odds, since the values before it cannot be read"
        print(
            f"samplevis: units of {layer!r} are scored before its {ending.kind}{how}; the {value} is '{layer}/post:UNIT'",
            file=sys.stderr,
        )
