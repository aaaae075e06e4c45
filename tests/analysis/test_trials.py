"""Trials for people: the page holds no answers, and answers are scored."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest

import samplevis
from samplevis import modelzoo
from samplevis.analysis.evaluation.trials import make_trials, score_trials, write_page


@pytest.fixture
def trials():
    """Strong pictures are light, weak ones are dark."""
    strong, weak = (np.full((5, 8, 8, 3), value, np.float32) for value in (0.9, 0.1))
    return make_trials(np.full((3, 8, 8, 3), 0.5), strong, weak, 12, np.random.default_rng(0))


def answer(path, identity, answers):
    path.write_text(json.dumps({"trials": identity, "answers": answers}))
    return path


def test_the_right_answers_are_the_strong_pictures(trials):
    light = trials.queries.mean((2, 3, 4)).argmax(1)
    assert light.tolist() == list(trials.answers) and 0 < sum(trials.answers) < 12


def test_the_page_opens_alone_and_has_no_answers(trials, tmp_path):
    key = write_page(tmp_path / "trials.html", trials, "<b>which?</b>")
    page = (tmp_path / "trials.html").read_text()
    assert page.count("class='choice'") == 24 and page.count("alt='shown picture'") == 36
    assert "<b>which" not in page and "&lt;b&gt;which" in page
    assert not re.findall(r"(?:src|href)=[\"'](?!data:)", page), "it loads nothing"
    assert "$" not in page.replace("${", ""), "nothing is left to fill in"
    right = json.loads(open(key).read())
    assert right["trials"] in page and json.dumps(right["answers"]) not in page


def test_answers_are_scored(trials, tmp_path):
    key = write_page(tmp_path / "trials.html", trials, "which?")
    identity = json.loads(open(key).read())["trials"]
    right = answer(tmp_path / "a.json", identity, list(trials.answers))
    wrong = answer(tmp_path / "b.json", identity, [1 - each for each in trials.answers])
    assert score_trials(right, key).value == 1 and score_trials(right, key).distinct
    both = score_trials([right, wrong], key)
    assert both.value == 0.5 and not both.distinct and "24 answers of 2 people" in both.text
    for bad in (answer(tmp_path / "c.json", "another", [0] * 12), answer(tmp_path / "d.json", identity, [0])):
        with pytest.raises(ValueError, match="answers: .* does not answer all"):
            score_trials(bad, key)
    with pytest.raises(ValueError, match="answers: .* is no file"):
        score_trials(answer(tmp_path / "e.json", identity, [2] * 12), key)


def test_trials_of_a_network(tmp_path):
    drawings, _ = modelzoo.shapes.draw(80, seed=0, size=32)
    network = modelzoo.Shapes()
    key = samplevis.write_trials(
        tmp_path / "trials.html", drawings[:3], network, "logits:star", examples=drawings, trials=5
    )
    again = samplevis.write_trials(
        tmp_path / "again.html", drawings[:3], network, "logits:star", examples=drawings, trials=5
    )
    assert open(key).read() == open(again).read() and len(json.loads(open(key).read())["answers"]) == 5
