"""One line on units that are scored before a softmax or sigmoid, or that are random, where a run begins."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterable

from samplevis.activation.soundness import random_layer
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


def notify_random(network: Network, layers: Iterable[str]) -> None:
    """Warns if a network gives other values when the same images are passed again, unless that is meant.

    Args:
      network: the network.
      layers: names of the layers that the objectives of a run read.

    Example:
      >>> from samplevis import modelzoo
      >>> from samplevis.analysis.units_notice import notify_random
      >>> notify_random(modelzoo.Shapes(), ["logits"])
    """
    names = () if network.meant_random else tuple(dict.fromkeys(layers))
    random = random_layer(network, names) if names else None
    if random is not None:
        warnings.warn(
            f"{random!r} of {network.name!r} is random at inference: the same seed gives other images in every run. "
            "Give a model without that layer, such as a VAE's mean in place of its sample, or a unit in front of it.",
            UserWarning,
            stacklevel=3,
        )
