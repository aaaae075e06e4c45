"""The figures of a run as a table, with plain words where they are bad."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from samplevis.runtime.deprecation import renamed_property
from samplevis.sampling import diagnostics
from samplevis.sampling.kernels.registry import KERNELS

if TYPE_CHECKING:
    from samplevis.results.samples import Samples

# Where figures turn bad. Acceptance: Beskos et al. 2013 put the optimum at .65; E-BFMI: Betancourt 2016; R-hat and effective
# draws: Vehtari et al. 2021 ask for 1.01 and 400 of a posterior, which few images of a short run can give.
ACCEPTANCE = (0.6, 0.95)
RHAT = 1.2
MAX_RHAT = 1000
ESS = 50
BFMI = 0.3
LEVEL_OFF = 0.1
KEPT = 0.9
HOT = 0.03
MIN_DRAWS = 4

# Rows of the table: name -> label, what it says, and when to worry.
ROWS = {
    "level": (
        "level asked; reached on fresh transforms",
        "whether the pictures excite the unit as much as asked, on 16 distortions that no chain has seen",
        f"they differ by more than {LEVEL_OFF:g}",
    ),
    "bank": (
        "level on the bank; fresh over bank",
        "how much of the activation is special to the distortions that the chain did see",
        f"below {KEPT:g}",
    ),
    "network": (
        "level on the network itself, unsmoothed",
        "what the pictures are worth to the network as it was trained",
        "far below the level asked",
    ),
    "activation": ("activation; prior; optimum", "the same in the unit's own scale, with its two ends", ""),
    "strength": (
        "strength (mean force; largest)",
        "the force that the density puts on the activation, and the most that it would",
        "",
    ),
    "acceptance": (
        "acceptance (worst chain)",
        "share of proposals that Metropolis accepts",
        f"outside {ACCEPTANCE[0]:g} - {ACCEPTANCE[1]:g}",
    ),
    "step": (
        "step size; kinetic temperature",
        "angle by which a step turns the latent, in radians; mean square of the velocities",
        f"the temperature is off 1 by more than {HOT:g}",
    ),
    "gradients": ("gradients a chain; per effective draw", "what the draws cost", ""),
    "rhat": (
        "R-hat of the activation; of the worst scalar",
        "whether the chains agree on the activation, and on the worst of 12 other numbers: power in three bands, length, "
        "random projections",
        f"above {RHAT:g}",
    ),
    "ess": (
        "effective draws (bulk; tail)",
        "how many independent draws these are worth, for averages and for extremes",
        f"below {ESS}",
    ),
    "bfmi": ("E-BFMI (worst chain)", "whether the momenta explore the energies", f"below {BFMI:g}"),
    "energy": (
        "energy error (95 % of proposals); divergences; not finite",
        "how exactly trajectories keep their energy; numerical trouble",
        "divergences or values that are not finite",
    ),
    "pictures": (
        "power slope; pixel correlation of chains",
        f"{diagnostics.PHOTOGRAPHS:g} is a photograph's, 0 is noise; 1 means that all chains show one picture",
        "",
    ),
    "time": ("time", "where it went", ""),
}
# What a doubt spoils: nothing but time, averages over the draws, or the pictures themselves; and what to think of such a run.
TIME, AVERAGES, PICTURES = range(3)
VERDICTS = (
    "Trust it: the pictures excite the unit as much as asked, and the chains agree.",
    "Look at the pictures, but do not trust averages over them or the share of chains that show a thing.",
    "Do not trust these pictures: they are not draws of what was asked for.",
)
# The same for captions.
WORDS = ("trust it", "trust pictures only", "do not trust it")


class Issue(NamedTuple):
    """Something wrong with a run.

    Attributes:
      row: name of the row that shows it, a key of `ROWS`.
      text: what is wrong, in words.
      spoils: TIME, AVERAGES or PICTURES.
    """

    row: str
    text: str
    spoils: int


@dataclasses.dataclass(frozen=True)
class Summary:
    """What `Samples.summary` returns; printing it shows the table.

    Attributes:
      title: what was sampled.
      figures: name -> value; nan where it cannot be told.
      rows: (label, text) of the table, in the order of `ROWS`.
      issues: what is wrong, where it shows and what it spoils; empty if nothing is.
      checked: names of the rows, keys of `ROWS`, that were checked.
    """

    title: str
    figures: dict[str, float]
    rows: list[tuple[str, str]]
    issues: list[Issue]
    checked: frozenset[str]

    doubts = renamed_property("doubts", "issues")
    judged = renamed_property("judged", "checked")

    @property
    def warnings(self) -> list[str]:
        """What is wrong, in words; empty if nothing is."""
        return [doubt.text for doubt in self.issues]

    @property
    def worst(self) -> int:
        """What is spoilt: TIME (nothing else), AVERAGES or PICTURES."""
        return max((doubt.spoils for doubt in self.issues), default=TIME)

    @property
    def verdict(self) -> str:
        """Whether to trust the run, in one sentence."""
        return VERDICTS[self.worst]

    @property
    def caption(self) -> str:
        """In three short lines: level, R-hat (of the activation or the worst scalar, whichever is larger) and verdict."""
        asked, reached, *rhats = (self.figures[name] for name in ("level_asked", "level_fresh", "rhat", "rhat_worst"))
        level = f"level {reached:.2f}" + ("" if np.isnan(asked) else f" of {asked:.2f}")
        return f"{level}\nR-hat {_rhat(np.fmax(*rhats))}\n{WORDS[self.worst]}"

    def judgement(self, row: str) -> str:
        """What is wrong with a row of `ROWS`, "fine", or nothing if it was not checked.

        Args:
          row: a key of `ROWS`.

        Returns:
          Sentences, "fine" or "".
        """
        return " ".join(doubt.text for doubt in self.issues if doubt.row == row) or (
            "fine" if row in self.checked else ""
        )

    def __str__(self) -> str:
        width = max(len(label) for label, _ in self.rows)
        lines = [self.title, *(f"  {label:<{width}}  {text}" for label, text in self.rows)]
        lines += [f"  ! {warning}" for warning in self.warnings] or ["  No warnings."]
        return "\n".join(lines)


def summarize(samples: Samples) -> Summary:
    """Computes the figures of `samples`."""
    lost = _lost(samples)
    healthy = samples.of_chains(~samples.nonfinite_chains) if lost else samples
    worst = _worst_scalar(healthy)
    figures = _figures(healthy) | {"rhat_worst": worst[1], "non_finite": float(samples.non_finite)}
    chains, draws = samples.activation.shape
    title = (
        f"{samples.objective} on {samples.model}: {chains} chains x {draws} draws, density {samples.density}, "
        f"init {samples.init}, {samples.kernel}, seed {samples.seed}"
    )
    rows, issues = _rows(samples, figures, worst[0]), lost + _issues(samples, figures, worst[0])
    return Summary(title, figures, rows, issues, _checked(samples, figures))


def _lost(samples: Samples) -> list[Issue]:
    """Names the chains that the figures leave out; if all are lost, the figures that cannot be told say so."""
    if samples.nonfinite_chains.all() or not samples.nonfinite_chains.any():
        return []
    chains = ", ".join(map(str, np.flatnonzero(samples.nonfinite_chains)))
    text = f"The activation of chain {chains} is not finite: the figures are those of the other chains."
    return [Issue("level", text, AVERAGES)]


def _figures(samples: Samples) -> dict[str, float]:
    distance = samples.optimum_activation - samples.prior_activation
    fresh = samples.levels
    bank = (samples.activation - samples.prior_activation) / distance
    activation = float(samples.fresh_activation.mean())
    worst = fresh.mean(axis=1)
    accept = samples.stats["acceptance_rate"]
    bulk = diagnostics.ess_bulk(samples.activation)
    asked = np.nan if samples.level is None else samples.level
    # The worst chain is the one furthest from the level asked for, or the lowest if none was.
    furthest = worst[np.argmax(np.abs(worst - asked) if samples.level is not None else -worst)]
    bfmi = diagnostics.ebfmi(samples.stats["energy"])
    errors = samples.stats["energy_error"]
    return {
        "level_asked": asked,
        "level_fresh": float(fresh.mean()),
        "level_fresh_worst": float(furthest),
        "level_bank": float(bank.mean()),
        "level_network": float(samples.network_levels.mean()),
        "fresh_over_bank": float(fresh.mean() / bank.mean()) if bank.mean() > 0 else np.nan,
        "activation_fresh": activation,
        "activation_over_optimum": activation / samples.optimum_activation if samples.optimum_activation else np.nan,
        "acceptance": float(accept.mean()),
        "acceptance_worst": float(accept.mean(axis=1).min()),
        "temperature": float(samples.stats["temperature"].mean()),
        "step_size": float(samples.stats["step_size"][-1]),
        "gradients": float(samples.gradients),
        "gradients_per_effective_draw": float(samples.gradients * len(samples.activation) / bulk),
        "beta": samples.beta,
        "strength": float(samples.strength.mean()),
        "rhat": diagnostics.rhat(samples.activation),
        "ess_bulk": bulk,
        "ess_tail": diagnostics.ess_tail(samples.activation),
        "mcse": diagnostics.mcse_mean(samples.activation),
        "bfmi_worst": float(np.min(bfmi)),
        "divergences": float(np.sum(diagnostics.diverging(errors))),
        "energy_error_95": float(
            np.quantile(np.where(np.isfinite(errors), np.abs(errors), np.inf), 0.95, method="higher")
        ),
        "power_slope": diagnostics.power_slope(samples[:], samples.dimensions),
        "pixel_correlation": diagnostics.pixel_correlation(samples.images),
        "seconds": float(sum(samples.seconds.values())),
    }


def _rows(samples: Samples, f: dict[str, float], worst: str) -> list[tuple[str, str]]:
    asked = "none" if samples.level is None else f"{f['level_asked']:.2f}"
    texts = [
        (
            "level",
            f"{asked}; {f['level_fresh']:.2f} (worst chain {f['level_fresh_worst']:.2f})",
        ),
        ("bank", f"{f['level_bank']:.2f}; {f['fresh_over_bank']:.2f}"),
        ("network", _number(f["level_network"], ".2f")),
        (
            "activation",
            f"{f['activation_fresh']:.4g}; {samples.prior_activation:.4g}; {samples.optimum_activation:.4g}",
        ),
        ("strength", f"{f['strength']:.3g}; {f['beta']:.3g} nats per unit"),
        ("acceptance", f"{f['acceptance']:.2f} ({f['acceptance_worst']:.2f})"),
        ("step", f"{f['step_size']:.3g}; {_number(f['temperature'], '.2f')}"),
        (
            "gradients",
            f"{f['gradients']:.0f}; {_number(f['gradients_per_effective_draw'], '.0f')}",
        ),
        (
            "rhat",
            f"{_rhat(f['rhat'])}; {_rhat(f['rhat_worst'])}{worst and f' ({worst})'}",
        ),
        ("ess", f"{_number(f['ess_bulk'], '.0f')}; {_number(f['ess_tail'], '.0f')}"),
        ("bfmi", _number(f["bfmi_worst"], ".2f")),
        (
            "energy",
            f"{_number(f['energy_error_95'], '.2g')} nats; {f['divergences']:.0f}; {f['non_finite']:.0f}",
        ),
        (
            "pictures",
            f"{_number(f['power_slope'], '.1f')}; {_number(f['pixel_correlation'], '.2f')}",
        ),
        ("time", ", ".join(f"{stage} {seconds:.0f} s" for stage, seconds in samples.seconds.items())),
    ]
    return [(ROWS[name][0], text) for name, text in texts]


def _checked(samples: Samples, f: dict[str, float]) -> frozenset[str]:
    """Rows on which silence is praise."""
    adapts = KERNELS[samples.kernel].adapts_step_size
    checked = {
        "level": samples.level is not None,
        "bank": np.isfinite(f["fresh_over_bank"]),
        "acceptance": adapts,
        "step": True,
        "rhat": np.isfinite(f["rhat"]),
        "ess": np.isfinite(f["ess_bulk"]),
        "bfmi": adapts and np.isfinite(f["bfmi_worst"]),
        "energy": True,
    }
    return frozenset(name for name, can in checked.items() if can)


def _issues(samples: Samples, f: dict[str, float], worst: str) -> list[Issue]:
    low, high = ACCEPTANCE
    found: list[Issue] = []

    def doubt(row: str, text: str, spoils: int) -> None:
        found.append(Issue(row, text, spoils))

    if not KERNELS[samples.kernel].exact:
        doubt(
            "rhat",
            f"{samples.kernel} is approximate: it draws its transforms anew and leaves no density invariant.",
            AVERAGES,
        )
    # 4 standard errors of a mean square, where latents are small.
    coordinates = samples.stats["temperature"].size * samples.latents[0, 0].size
    if abs(f["temperature"] - 1) > max(HOT, 4 * np.sqrt(2 / coordinates)):
        doubt(
            "step",
            f"The kinetic temperature is {f['temperature']:.2f} and should be 1: the chains are not in equilibrium.",
            PICTURES,
        )
    if not samples.reached.all():
        lost = ", ".join(str(i) for i in np.flatnonzero(~samples.reached))
        doubt(
            "level",
            f"Annealing did not bring chain {lost} to the level. Ask for a lower one or give more anneal_steps.",
            PICTURES,
        )
    if samples.level is not None and abs(f["level_fresh"] - samples.level) > LEVEL_OFF:
        doubt(
            "level", f"The level asked for was {samples.level:.2f}, the draws are at {f['level_fresh']:.2f}.", PICTURES
        )
    if f["fresh_over_bank"] < KEPT:
        excess = 1 - f["fresh_over_bank"]
        doubt("bank", f"The chains overfit their bank of transforms by {excess:.0%}. Raise num_transforms.", PICTURES)
    if f["acceptance_worst"] < low:
        doubt(
            "acceptance",
            f"A chain accepts only {f['acceptance_worst']:.0%} of its proposals. Give more num_burnin_steps.",
            AVERAGES,
        )
    adapts = KERNELS[samples.kernel].adapts_step_size
    if adapts and f["acceptance"] > high:
        doubt("acceptance", "Nearly every proposal is accepted: the steps are shorter than they could be.", TIME)
    if f["non_finite"]:
        lost = np.flatnonzero((~np.isfinite(samples.stats["energy_error"])).any(1))
        doubt(
            "energy",
            f"{f['non_finite']:.0f} proposals were not finite and were rejected, in chain {', '.join(map(str, lost))}.",
            AVERAGES,
        )
    chains, draws = samples.activation.shape
    if not np.isfinite([f["level_fresh"], f["level_bank"]]).all():
        # A comparison with nan is false: without this, the worst run of all would pass.
        doubt("level", "Some activations are not finite: the figures that need them cannot be told.", PICTURES)
    elif draws < MIN_DRAWS:
        doubt("rhat", f"Fewer than {MIN_DRAWS} draws a chain: too few to judge mixing.", AVERAGES)
    elif np.isnan(f["ess_bulk"]):
        doubt("ess", "The activation is the same in every draw: the chains are stuck.", PICTURES)
    else:
        if chains < 2:
            doubt("rhat", "One chain has no other to agree with. Give num_chains of 2 or more.", AVERAGES)
        if f["rhat"] > RHAT:
            doubt(
                "rhat",
                f"R-hat is {_rhat(f['rhat'])}: the chains disagree. They hold different pictures (modes), or are too short.",
                AVERAGES,
            )
        elif f["rhat_worst"] > RHAT:
            doubt(
                "rhat",
                f"R-hat of {worst} is {_rhat(f['rhat_worst'])}: the chains agree on the activation, but hold different pictures.",
                AVERAGES,
            )
        if f["ess_bulk"] < ESS:
            doubt(
                "ess",
                f"Only {f['ess_bulk']:.0f} effective draws: look at the pictures, do not trust averages over them.",
                AVERAGES,
            )
    if adapts and draws >= MIN_DRAWS and f["bfmi_worst"] < BFMI:
        doubt("bfmi", f"E-BFMI is {f['bfmi_worst']:.2f}: momenta explore the energies slowly.", AVERAGES)
    return found


def _worst_scalar(samples: Samples) -> tuple[str, float]:
    """Name and R-hat of the scalar on which the chains agree least; "" and nan if it can be told of none."""
    found = {name: diagnostics.rhat(values) for name, values in samples.scalars.items()}
    found = {name: value for name, value in found.items() if np.isfinite(value)}
    return max(found.items(), key=lambda item: item[1], default=("", np.nan))


def _number(value: float, form: str) -> str:
    return format(value, form) if np.isfinite(value) else "-"


def _rhat(value: float) -> str:
    """Chains that stand still have no end of it."""
    return _number(value, ".2f") if not value > MAX_RHAT else f"over {MAX_RHAT}"
