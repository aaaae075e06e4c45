"""The result of an evaluation: a row for each measure, with its interval, its control, and what it can say."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

from samplevis.runtime.plain_text import as_html, printable


class Measure(NamedTuple):
    """What a measure is.

    Attributes:
      label: its name in tables.
      tells: what its figure says.
      limits: what it cannot say.
      control: pictures that must do worse, in words.
      source: where it comes from.
      better: whether "high" or "low" values are good.
    """

    label: str
    tells: str
    limits: str
    control: str
    source: str
    better: Literal["high", "low"] = "high"


@dataclasses.dataclass(frozen=True)
class Metric:
    """What a measure found.

    Attributes:
      measure: what was measured.
      value: of the pictures; nan if it could not be computed.
      low: lower end of its interval; nan if there are too few independent pictures for one.
      high: upper end.
      control: the value of the control, which must be worse.
      control_ends: the interval of the control, (low, high); nan if it has none.
      examples: the value of the unit's best dataset examples.
      text: the value in words.
      by_layer: layer -> (value, low, high), for a measure that looks at several. Defaults to none.
    """

    measure: Measure
    value: float
    low: float
    high: float
    control: float
    control_ends: tuple[float, float]
    examples: float
    text: str
    by_layer: Mapping[str, tuple[float, float, float]] = dataclasses.field(default_factory=dict)

    @property
    def distinct(self) -> bool:
        """Whether the whole interval is better than that of the control: if not, the figure does not speak for the pictures."""
        low, high = self.control_ends
        return bool(high < self.low if self.measure.better == "high" else low > self.high)


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """What `evaluate` returns; printing it shows the table.

    Attributes:
      title: what was evaluated.
      metrics: name of the measure -> what it found.
      skipped: name of a measure that was left out -> why.
      warnings: what speaks against the pictures, in words; empty if nothing does.
      coverage: of the intervals.

    Example:
      >>> evaluation = samplevis.evaluate("pictures", model, "logits:star", examples="photos", judge=other_model)
      >>> evaluation["forced_choice"].value, evaluation.warnings
      (0.93, ())
    """

    title: str
    metrics: Mapping[str, Metric]
    skipped: Mapping[str, str]
    warnings: tuple[str, ...]
    coverage: float

    def __getitem__(self, name: str) -> Metric:
        """The metric of that name."""
        return self.metrics[name]

    def to_dict(self) -> dict[str, Any]:
        """The evaluation as plain values, for JSON: what is not finite is None."""
        return {
            "title": self.title,
            "coverage": self.coverage,
            "metrics": {name: _plain(metric) for name, metric in self.metrics.items()},
            "skipped": dict(self.skipped),
            "warnings": list(self.warnings),
        }

    def __str__(self) -> str:
        cells = [("", "value", "interval", "control", "best examples"), *map(_cells, self.metrics.values())]
        widths = [max(len(row[column]) for row in cells) for column in range(5)]
        lines = [self.title]
        for row, text in zip(cells, ["", *(metric.text for metric in self.metrics.values())], strict=True):
            padded = [row[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(row[1:], widths[1:], strict=True))]
            lines.append(f"  {'  '.join(padded)}  {text}".rstrip())
        lines.append(
            f"{self.coverage:.0%} intervals. ? marks a value whose interval is not better than that of its control."
        )
        lines += [f"  - {name} was left out: {why}" for name, why in self.skipped.items()]
        lines += [f"! {warning}" for warning in self.warnings] or ["No warnings."]
        return printable("\n".join(lines), lines=True)

    def _repr_html_(self) -> str:
        """The table with what each figure can and cannot say."""
        head = ("measure", "value", "interval", "control", "best examples", "in words", "says", "cannot say", "source")
        rows = "".join(_html_row(metric) for metric in self.metrics.values())
        notes = [f"{name} was left out: {why}" for name, why in self.skipped.items()]
        notes += self.warnings or ("No warnings.",)
        return (
            f"<table><caption>{as_html(self.title)}; {self.coverage:.0%} intervals</caption><thead><tr>"
            f"{''.join(f'<th>{name}</th>' for name in head)}</tr></thead><tbody>{rows}</tbody></table>"
            f"<ul>{''.join(f'<li>{as_html(note)}</li>' for note in notes)}</ul>"
        )


def number(value: float) -> str:
    """A value with three digits; "-" if there is none."""
    return f"{value:.3g}" if math.isfinite(value) else "-"


def _cells(metric: Metric) -> tuple[str, str, str, str, str]:
    mark = "" if metric.distinct else " ?"
    interval = f"{number(metric.low)} to {number(metric.high)}"
    value = f"{number(metric.value)}{mark}"
    return metric.measure.label, value, interval, number(metric.control), number(metric.examples)


def _html_row(metric: Metric) -> str:
    measure = metric.measure
    control = f" ({measure.control})"
    label, value, interval, beside, examples = _cells(metric)
    texts = (label, value, interval, beside + control, examples, metric.text, measure.tells, measure.limits)
    return f"<tr>{''.join(f'<td>{as_html(text)}</td>' for text in (*texts, measure.source))}</tr>"


def _plain(metric: Metric) -> dict[str, Any]:
    measure = metric.measure
    figures = {name: _finite(getattr(metric, name)) for name in ("value", "low", "high", "control", "examples")}
    layers = {layer: [_finite(value) for value in found] for layer, found in metric.by_layer.items()}
    words = {"text": metric.text, **measure._asdict()} | {"control_pictures": measure.control}
    words.pop("control")
    figures["control_ends"] = [_finite(value) for value in metric.control_ends]
    return figures | words | {"distinct": metric.distinct} | ({"by_layer": layers} if layers else {})


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
