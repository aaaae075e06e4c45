"""What a run says in three plain lines: what the network sees, what the pictures share, and what not to conclude."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from samplevis.results.families import family_sizes, has_families, most_independent
from samplevis.results.verdicts import Verdict
from samplevis.sampling.kernels.registry import INDEPENDENT, KERNELS

if TYPE_CHECKING:
    from samplevis.results.samples import Samples


def plain_lines(
    samples: Samples, figures: Mapping[str, float], pictures: Verdict, averages: Verdict
) -> tuple[str, str, str]:
    """What the network itself says of the draws, what the draws share, and what not to conclude from them.

    Args:
      samples: the run.
      figures: its figures.
      pictures: the verdict on its pictures.
      averages: the verdict on averages over them.

    Returns:
      Three lines.

    Example:
      >>> samples.summary().lines[0]
      'EfficientNetLite0 names 15 of 16 draws volcano.'
    """
    return (
        network_line(samples, figures),
        _shared_line(samples, figures, pictures),
        _caution_line(samples, pictures, averages),
    )


def network_line(samples: Samples, figures: Mapping[str, float]) -> str:
    """What the network itself says of the draws: the class that it names, the unit's value, or its level."""
    options, model = samples.options, samples.model.removeprefix("smooth ")
    if "class" in options:
        return _class_line(model, samples.activation.shape[1], options)
    if "values" not in options:
        return (
            f"{model} itself puts the draws at level {figures['level_fresh']:.2f}: 0 is noise, 1 the optimised image."
        )
    values = {name: f"{value:.3g}" for name, value in options["values"].items()}
    line = f"{samples.objective} of {model} itself is {values['draws']} on the median draw"
    if "best example" in values:
        line += f", and {values['best example']} on the best of {options['num_examples']} pictures"
    return f"{line}; it is {values['noise']} on noise and {values['optimised']} on optimised images."


def _class_line(model: str, draws: int, options: Mapping) -> str:
    named, count = sum(options["named"]), len(options["named"]) * draws
    line = f"{model} names {named} of {count} draws {options['class']}"
    if named < count and options["named_else"]:
        line += f", and most of the others {options['named_else']}"
    return f"{line}."


def _shared_line(samples: Samples, figures: Mapping[str, float], pictures: Verdict) -> str:
    if pictures.verdict == "invalid":
        return "Checks failed, see below: what the pictures share may come from the method."
    only = "" if pictures.verdict == "valid" else "Some chains failed checks, see below. Of the others: "
    chains, number = len(samples.activation), figures["compositions"]
    if samples.kernel in INDEPENDENT:
        line = f"{only}{_kinship(samples)}; what all of them share may be what the unit needs."
        return line[0].upper() + line[1:]
    if chains == 1 or not np.isfinite(number):
        return f"{only}each chain keeps one composition, and only grain and colour change.".capitalize()
    if number == 1:
        line = f"the {chains} chains show one composition; what all pictures share may be what the unit needs."
    else:
        line = (
            f"the {chains} chains hold {number:.0f} compositions; what all of them share may be what the unit needs, and what "
            "differs it can do without."
        )
    return only + line if only else line[0].upper() + line[1:]


def _kinship(samples: Samples) -> str:
    """How independent the draws of a kernel without chains are."""
    if not has_families(samples):
        return "each draw is independent of the others"
    families, worth = family_sizes(samples.stats["ancestor"]), most_independent(samples)
    return (
        f"the {samples.activation.size} draws descend from {len(families)} draws of the prior and are worth {worth:.0f} "
        "independent ones"
    )


def _caution_line(samples: Samples, pictures: Verdict, averages: Verdict) -> str:
    options, lines = samples.options, []
    approximate = "" if samples.kernel in INDEPENDENT or KERNELS[samples.kernel].exact else "approximate "
    if pictures.verdict == "invalid":
        lines.append("Do not conclude anything about the unit from these pictures.")
    elif averages.verdict == "not usable":
        lines.append(
            "Do not count: the draws cannot show which compositions exist, or how often something appears in them."
        )
    elif has_families(samples):
        lines.append(
            "They are draws of the compositions that all populations found; shares among these can be counted. Do not conclude "
            "that there is no other."
        )
    elif samples.kernel in INDEPENDENT:
        lines.append(
            "They are independent draws of the prior that excite the unit so much; shares of them can be counted, with the error "
            f"of {samples.activation.size} draws."
        )
    else:
        lines.append(
            f"They are {approximate}draws of the composition that all chains found. Do not conclude that there is no other."
        )
    if options.get("examples_percentile", 0) >= 100:
        count = options["num_examples"]
        lines.append(f"They are beyond every one of the {count} pictures given: no such picture need exist.")
    elif "num_examples" in options:
        share, count = options["examples_percentile"], options["num_examples"]
        lines.append(f"The median image is above {share:.0f} % of the {count} pictures given.")
    return " ".join(lines)
