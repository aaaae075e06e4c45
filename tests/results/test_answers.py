"""What the network itself answers: a class that it does not name is no sound picture of it."""

from __future__ import annotations

import dataclasses

import pytest
from conftest import made_samples

CHAINS, DRAWS = 4, 40


LOG_ODDS = "objectives.class_log_odds('out', 4)"


def answered(named, exclusive=True, log_odds=LOG_ODDS, **changes):
    samples = made_samples(CHAINS, DRAWS, **changes)
    answers = {
        "class": "star",
        "named": list(named),
        "named_else": "heart",
        "exclusive": exclusive,
        "log_odds": log_odds,
    }
    return dataclasses.replace(samples, options=samples.options | answers).summary()


def test_a_class_that_the_network_names_is_valid():
    for named in ([DRAWS] * 4, [DRAWS, DRAWS, DRAWS, DRAWS - 5]):
        assert answered(named).pictures.verdict == "valid" and answered(named).judgement("answers") == "fine"


@pytest.mark.parametrize(
    ("named", "verdict", "chains"),
    [([0] * 4, "invalid", [0, 1, 2, 3]), ([DRAWS, DRAWS, 0, DRAWS], "look again", [2])],
)
def test_a_class_that_the_network_does_not_name_is_not(named, verdict, chains):
    summary = answered(named)
    assert summary.pictures.verdict == verdict and summary.bad_chains == chains
    assert "most of the others 'heart'" in summary.judgement("answers") and "heart" in summary.lines[0]


def test_the_advice_is_code_that_scores_the_class_against_the_others():
    advice = answered([0] * 4).judgement("answers")
    assert f"samplevis.render(model, samplevis.{LOG_ODDS}, level=0.5, smooth=None)" in advice
    # Of draws of these log-odds, more are named at a higher level.
    for log_odds in ("", None):
        advice = answered([0] * 4, log_odds=log_odds).judgement("answers")
        assert "a higher level" in advice and "log_odds" not in advice


def test_low_levels_and_classes_that_exclude_no_other_are_not_judged():
    assert answered([0] * 4, exclusive=False).pictures.verdict == "valid"
    low = answered([0] * 4, level=0.4, network_levels=made_samples().network_levels - 0.3)
    assert low.judgement("answers") == ""
    # A selection of chains keeps the answers to all of them.
    assert answered([0] * 5).judgement("answers") == ""
