"""What a run allows to conclude, in one or two sentences: no more than its verdicts support."""

from __future__ import annotations

from typing import TYPE_CHECKING

from samplevis.results.summary import Summary
from samplevis.sampling.kernels.registry import INDEPENDENT, KERNELS

if TYPE_CHECKING:
    from samplevis.results.samples import Samples


def conclusion(samples: Samples, summary: Summary) -> str:
    """What the pictures of a run show, what they do not, and where they stand among the user's pictures.

    Args:
      samples: the run.
      summary: its summary.

    Returns:
      Sentences.

    Example:
      >>> conclusion(samples, samples.summary())
      'Each image makes the unit respond, at level ... Each chain explores one composition; ...'
    """
    return " ".join(filter(None, (_what_they_are(samples, summary), _among_examples(samples))))


def _what_they_are(samples: Samples, summary: Summary) -> str:
    level = f"{summary.figures['level_fresh']:.2f}"
    if summary.pictures.verdict == "invalid":
        return (
            f"These images are at level {level} on average, but the checks below failed: they are no draws from the density that "
            "was asked for, and what they have in common may come from the method."
        )
    if summary.pictures.verdict == "look again":
        return (
            f"The images of the chains that passed the checks make the unit respond, at level {level} on average; those named "
            "below may not be draws from the density that was asked for."
        )
    excites = f"Each image makes the unit respond, at level {level} on average under transforms that no chain has seen."
    draws = "draws" if samples.kernel in INDEPENDENT or KERNELS[samples.kernel].exact else "approximate draws"
    if summary.averages.verdict != "not usable":
        return f"{excites} They are {draws} from all images of the prior that do so, and shares of them can be counted."
    return (
        f"{excites} Within a chain they are {draws} of one composition; which compositions there are, and how often each occurs, "
        "the chains do not tell."
    )


def _among_examples(samples: Samples) -> str:
    options = samples.options
    if "num_examples" not in options:
        return ""
    if options["examples_percentile"] >= 100:
        return f"They are beyond every one of the {options['num_examples']} pictures given: no such picture need exist."
    return f"The median image is above {options['examples_percentile']:.0f} % of the {options['num_examples']} pictures given."
