"""The two verdicts on a run: its pictures, each by itself, and averages over them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

from samplevis.results.issues import AVERAGES, CHAINS, PICTURES, Issue, Run

PicturesGrade = Literal["valid", "look again", "invalid"]
AveragesGrade = Literal["usable", "approximate", "not usable"]

# The sentence of each grade, the best first.
PICTURES_TEXTS: dict[str, str] = {
    "valid": "Pictures valid: each is a draw of its composition.",
    "look again": "Look again at the pictures, for the reasons below.",
    "invalid": "Pictures invalid: they are not what was asked for.",
}
# The first of them for a kernel that leaves no density invariant.
APPROXIMATE_PICTURES = "Pictures valid: each is approximately a draw of its composition."
AVERAGES_TEXTS: dict[str, str] = {
    "usable": "Averages usable, over what all chains found: they agree, on the pictures as on the activation.",
    "approximate": "Averages approximate, over what all chains found: they agree, but the kernel is not exact.",
    "not usable": "Averages over the pictures, and how often something appears in them, are not usable",
}


class Verdict(NamedTuple):
    """A verdict; printing it shows its sentence.

    Attributes:
      verdict: of pictures "valid", "look again" or "invalid"; of averages "usable", "approximate" or "not usable".
      text: the sentence.
      issues: what led to it; empty for the best verdict.

    Example:
      >>> samples.summary().pictures.verdict
      'valid'
    """

    verdict: PicturesGrade | AveragesGrade
    text: str
    issues: list[Issue]

    def __str__(self) -> str:
        return self.text


def judge_pictures(issues: Sequence[Issue], is_exact: bool = True) -> Verdict:
    """Whether each picture is a draw of its composition, at the level if one was asked for.

    Args:
      issues: what is wrong with the run.
      is_exact: whether the kernel leaves the density invariant. Defaults to True.

    Returns:
      The `Verdict`.

    Example:
      >>> judge_pictures([]).verdict
      'valid'
    """
    found = [issue for issue in issues if issue.spoils >= CHAINS]
    worst = max((issue.spoils for issue in found), default=None)
    grade: PicturesGrade = {None: "valid", CHAINS: "look again", PICTURES: "invalid"}[worst]
    text = PICTURES_TEXTS[grade] if is_exact or grade != "valid" else APPROXIMATE_PICTURES
    return Verdict(grade, text, found)


def judge_averages(run: Run, issues: Sequence[Issue], limits: Sequence[Issue]) -> Verdict:
    """Whether averages over the draws, and shares of them, say something about the density.

    Args:
      run: the run.
      issues: what is wrong with it.
      limits: why averages are not usable even if nothing is wrong.

    Returns:
      The `Verdict`. That of chains which hold different compositions is "not usable", which is no fault of theirs.
    """
    spoilt = [issue for issue in issues if issue.spoils >= AVERAGES]
    found = [*limits, *spoilt]
    if not found:
        return Verdict("usable", AVERAGES_TEXTS["usable"], [])
    if not run.is_exact and len(found) == 1:
        return Verdict("approximate", AVERAGES_TEXTS["approximate"], found)
    reason = f": {limits[0].text}." if limits else "; see below." if spoilt else "."
    return Verdict("not usable", AVERAGES_TEXTS["not usable"] + reason, found)
