"""The rows of the summary: what each shows, what it means, and when to worry.

A new diagnostic is a function in `sampling`, a figure of it in `figures.py` or `chain_figures.py`, a check in `checks.py` or
`chain_checks.py`, and an entry here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from samplevis.results.answer_checks import LEVEL_OF_ANSWERS, MIN_NAMED, judges_answers
from samplevis.results.chain_checks import MAX_TEMPERATURE_ERROR, MAX_VIRIAL_ERROR, MIN_FRESH_OVER_BANK
from samplevis.results.checks import MAX_RHAT, MIN_ACCEPTANCE, MIN_BFMI, MIN_ESS, OFF_PATH, format_rhat
from samplevis.results.issues import Run
from samplevis.results.level_checks import MAX_DRAW_ERROR, MAX_LEVEL_ERROR, MAX_RUN_ERROR
from samplevis.sampling import diagnostics

# What a row shows where there is nothing to show.
NOTHING = ("", "-", "none", "as given", "the network itself is sampled")


class Row(NamedTuple):
    """A row of the summary.

    Attributes:
      label: its name in the table.
      meaning: what it says.
      worry: when to worry; "" for a row that is only information.
      text: what it shows of a run.
      was_checked: whether a run was checked for it, so that no issue means that it is fine. Defaults to never.
    """

    label: str
    meaning: str
    worry: str
    text: Callable[[Run], str]
    was_checked: Callable[[Run], bool] = lambda run: False


def table(run: Run) -> dict[str, tuple[str, str]]:
    """(label, text) of every row that shows something, by its key in `ROWS`."""
    rows = {name: (row.label, row.text(run)) for name, row in ROWS.items()}
    return {name: (label, text) for name, (label, text) in rows.items() if not _shows_nothing(text)}


def _shows_nothing(text: str) -> bool:
    """Whether no part of a row's text is a figure."""
    parts = (part.strip(" ()") for part in text.replace("(", ";").replace(",", ";").split(";"))
    return all(part in NOTHING for part in parts)


def checked_rows(run: Run) -> frozenset[str]:
    """Rows that were checked, so that they are fine unless an issue names them."""
    return frozenset(name for name, row in ROWS.items() if row.was_checked(run))


def _number(value: float, form: str) -> str:
    return format(value, form) if np.isfinite(value) else "-"


def _short(value: float, digits: int = 3) -> str:
    """A figure of so many digits, written out: 1,230, not 1.23e+03."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.{digits}g}"


def _asked(run: Run) -> str:
    return "none" if run.samples.level is None else f"{run['level_asked']:.2f}"


def _is_copy(run: Run) -> bool:
    """Whether a copy of the user's network is sampled, which is shown by levels that differ."""
    return not np.array_equal(run.samples.levels, run.samples.sampled_levels)


def _in_brackets(name: str) -> str:
    return f" ({name})" if name else ""


def _moving(run: Run) -> str:
    still, change = run.chains["frozen"] == 1, run.chains["log_density_change"]
    finite = np.isfinite(change)
    largest = change[finite][np.argmax(np.abs(change[finite]))] if finite.any() else np.nan
    return f"{len(still) - still.sum()} of {len(still)}; {_number(largest, '+,.0f')} nats"


def _transforms(run: Run) -> str:
    shares = run.samples.options.get("retained")
    return f"{0.5 ** (len(shares) - 1):g}; {shares[-1]:.2f}" if shares else "as given; -"


def _examples(run: Run) -> str:
    options = run.samples.options
    if "num_examples" not in options:
        return "none"
    beyond = ": beyond every one" if options["examples_percentile"] >= 100 else ""
    return f"above {options['examples_percentile']:.0f} % of {options['num_examples']}{beyond}"


def _answers(run: Run) -> str:
    options = run.samples.options
    if "class" not in options:
        return "-"
    count = len(options["named"]) * run.samples.activation.shape[1]
    other = f" (most of the others: {options['named_else']})" if options["named_else"] else ""
    return f"{sum(options['named'])} of {count}{other}"


def _path(run: Run) -> str:
    found = run.samples.options.get("path_similarity")
    return "-" if found is None else f"{found[0]:.2f} ({found[1]:.2f} to {found[2]:.2f})"


ROWS: dict[str, Row] = {
    "level": Row(
        "level asked for; reached on the network itself",
        "whether the pictures excite the unit as much as asked, on the network as it was trained and on transforms that no chain "
        "has seen",
        f"the run differs by more than {MAX_RUN_ERROR:g}, a chain by {MAX_LEVEL_ERROR:g} or a draw by {MAX_DRAW_ERROR:g}",
        lambda run: f"{_asked(run)}; {run['level_fresh']:.2f} (worst chain {run['level_fresh_worst']:.2f})",
        lambda run: run.samples.level is not None,
    ),
    "network": Row(
        "level on the copy that is sampled",
        "the level of the same pictures on the smoothed copy of the network, on fresh transforms: the target was moved so that "
        "the network itself is at the level asked for",
        "far from the level on the network itself",
        lambda run: _number(run["level_sampled"], ".2f") if _is_copy(run) else "the network itself is sampled",
        _is_copy,
    ),
    "answers": Row(
        "draws that the network itself names as the class",
        "whether the network gives the class as its answer to the pictures, without transforms, and what it answers to most of the "
        "others",
        f"below {MIN_NAMED:.0%} of the draws, where the network ends in a softmax and the level is {LEVEL_OF_ANSWERS:g} or more",
        _answers,
        judges_answers,
    ),
    "bank": Row(
        "level on the bank; fresh over bank, where it is sampled",
        "how much of the activation is specific to the transforms that the chains did see",
        f"below {MIN_FRESH_OVER_BANK:g}",
        lambda run: f"{run['level_bank']:.2f}; {run['fresh_over_bank']:.2f}",
        lambda run: np.isfinite(run["fresh_over_bank"]),
    ),
    "transforms": Row(
        "amplitude of the default transforms; activation retained",
        "how far the default transforms were weakened for a unit that does not tolerate them, and the share of its activation that "
        "it keeps under them",
        "weakened: the pictures are those of a unit that knows where its picture is",
        _transforms,
    ),
    "examples": Row(
        "among the examples",
        "the percentile of the user's pictures at which the median draw stands, on the network itself and without transforms",
        "",
        _examples,
    ),
    "path": Row(
        "path similarity to the examples",
        "whether the network processes the draws as those of the user's pictures that excite the unit most (1), or as those that "
        "excite it least (0), with the 90 % interval",
        f"its interval is below {OFF_PATH:g}",
        _path,
        lambda run: "path_similarity" in run.samples.options,
    ),
    "preprocessing": Row(
        "images as the model gets them",
        "what becomes of pixels in [0, 1] before the model, and who says so",
        "it is not what the model was trained on",
        lambda run: run.samples.options.get("preprocessing", "-"),
    ),
    "prior": Row(
        "the prior, by check_prior",
        "whether draws of a prior that was learned from pictures are like them",
        "they are not",
        lambda run: run.samples.options.get("prior", "-"),
    ),
    "activation": Row(
        "activation; prior; optimum, where it is sampled",
        "the same in units of the activation, with both ends of the scale, on the network that is sampled",
        "",
        lambda run: (
            f"{_short(run['activation_fresh'], 4)}; {_short(run.samples.prior_activation, 4)}; "
            f"{_short(run.samples.optimum_activation, 4)}"
        ),
    ),
    "strength": Row(
        "strength (mean force; largest)",
        "the force that the density puts on the activation, and its maximum",
        "",
        lambda run: f"{_short(run['strength'])}; {_short(run['beta'])} nats per unit",
    ),
    "acceptance": Row(
        "acceptance (worst chain)",
        "share of proposals that Metropolis accepts",
        f"below {MIN_ACCEPTANCE:g}",
        lambda run: f"{run['acceptance']:.2f} ({run['acceptance_worst']:.2f})",
        lambda run: run.adapts,
    ),
    "step": Row(
        "step size; kinetic temperature",
        "angle by which a step turns the latent, in radians; mean square of the velocities",
        f"the temperature differs from 1 by more than {MAX_TEMPERATURE_ERROR:g}",
        lambda run: f"{_number(run['step_size'], '.3g')}; {_number(run['temperature'], '.2f')}",
        lambda run: True,
    ),
    "virial": Row(
        "virial; low, middle, high bands",
        "mean of z_i dU/dz_i over the coordinates, 1 in equilibrium: above 1, the chains are too hot there",
        f"it differs from 1 by more than {MAX_VIRIAL_ERROR:g} and 4 standard errors, in the run or in a chain",
        lambda run: (
            f"{_number(run['virial'], '.2f')}; "
            + ", ".join(_number(run[f"virial_{band}"], ".2f") for band in ("low", "middle", "high"))
        ),
        lambda run: np.isfinite(run["virial"]),
    ),
    "chains": Row(
        "chains that move; largest change of the log density",
        "whether draws are new pictures, and whether the last half of each chain is like its first",
        "draws are copies of each other, or a chain drifts",
        _moving,
        lambda run: run.samples.activation.shape[1] > 1,
    ),
    "compositions": Row(
        "compositions; nats between them; R-hat of thumbnails",
        "how many different pictures the chains hold, how far their log densities are apart, and whether chains show the same "
        "large shapes: beside the R-hat, that of the same draws shuffled among the chains",
        "more than one composition, if you average over them",
        lambda run: (
            f"{run['compositions']:.0f} of {len(run.samples.activation)}; {run['log_density_range']:.0f}; "
            f"{format_rhat(run['rhat_thumbnails'])} ({format_rhat(run['rhat_thumbnails_shuffled'])})"
        ),
        lambda run: run["compositions"] == 1 and np.isfinite(run["rhat_thumbnails"]),
    ),
    "vendi": Row(
        "Vendi score of one draw per chain: pixels; features",
        "effective number of different pictures, by their pixels and by what the network sees in them",
        "",
        lambda run: f"{_number(run['vendi_pixels'], '.1f')}; {_number(run['vendi_features'], '.1f')}",
    ),
    "gradients": Row(
        "gradients per chain; per effective draw",
        "what the draws cost",
        "",
        lambda run: f"{run['gradients']:,.0f}; {_number(run['gradients_per_effective_draw'], ',.0f')}",
    ),
    "rhat": Row(
        "R-hat of the activation; of the worst scalar; of latents",
        "whether the chains agree on the activation, and on the worst of 12 other scalars: power in three bands, length, "
        "random projections; and whether each keeps details of its own, such as the direction of fine stripes",
        f"above {MAX_RHAT:g}",
        lambda run: (
            f"{format_rhat(run['rhat'])}; {format_rhat(run['rhat_worst'])}{_in_brackets(run.worst_scalar)}; "
            f"{format_rhat(run['rhat_latents'])}"
        ),
        lambda run: np.isfinite(run["rhat"]),
    ),
    "ess": Row(
        "effective sample size (bulk; tail; pictures)",
        "how many independent draws the chains are worth: for averages and extremes of the activation, and for their large shapes",
        f"below {MIN_ESS}",
        lambda run: "; ".join(_number(run[name], ".0f") for name in ("ess_bulk", "ess_tail", "effective_pictures")),
        lambda run: np.isfinite(run["ess_bulk"]),
    ),
    "bfmi": Row(
        "E-BFMI (worst chain)",
        "whether the momenta explore the distribution of energies",
        f"below {MIN_BFMI:g}",
        lambda run: _number(run["bfmi_worst"], ".2f"),
        lambda run: run.adapts and np.isfinite(run["bfmi_worst"]),
    ),
    "energy": Row(
        "energy error (95 % of proposals); divergences; not finite",
        "how well trajectories conserve energy; numerical trouble",
        "divergences or values that are not finite",
        lambda run: f"{_number(run['energy_error_95'], '.2g')} nats; {run['divergences']:.0f}; {run['non_finite']:.0f}",
        lambda run: True,
    ),
    "pictures": Row(
        "power slope; pixel correlation of chains",
        f"{diagnostics.PHOTOGRAPHS:g} is typical of photographs, 0 of noise; 1 means that all chains show the same picture",
        "",
        lambda run: f"{_number(run['power_slope'], '.1f')}; {_number(run['pixel_correlation'], '.2f')}",
    ),
    "time": Row(
        "time",
        "seconds in each stage",
        "",
        lambda run: ", ".join(f"{stage} {seconds:.0f} s" for stage, seconds in run.samples.seconds.items()),
    ),
}
