"""Trials for people: the page holds no answers, and answers are scored."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest

import samplevis
from samplevis import modelzoo
from samplevis.analysis.evaluation.trials import independent_answers, make_trials, score_trials, write_page


@pytest.fixture
def trials():
    """Strong pictures are light, weak ones are dark."""
    strong, weak = (np.full((12, 8, 8, 3), value, np.float32) for value in (0.9, 0.1))
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


def test_answers_to_one_pair_are_alike():
    """Two-way clusters, against the variance of simulated studies; the control takes all answers for independent."""
    rng, shares, counts = np.random.default_rng(0), [], []
    for _ in range(400):
        ease = rng.uniform(0.4, 1.0, 15)
        right = rng.uniform(size=(10, 15)) < ease
        shares.append(right.mean())
        counts.append(independent_answers(right))
    worth = np.mean(shares) * (1 - np.mean(shares)) / np.var(shares)
    assert np.median(counts) == pytest.approx(worth, rel=4 * np.sqrt(2 / 400))
    assert worth < 0.8 * 150
    assert independent_answers(right[:1]) == independent_answers(np.ones((3, 15), bool)) == 15


def test_no_picture_comes_twice(tmp_path):
    """Who has seen one before would know the answer."""
    drawings, _ = modelzoo.shapes.draw(80, seed=0, size=32)
    page = tmp_path / "trials.html"
    key = samplevis.write_trials(page, drawings[:3], modelzoo.Shapes(), "logits:star", examples=drawings)
    shown = re.findall(r"<button class='choice' value='.'><img src='([^']+)'", page.read_text())
    assert len(shown) == len(set(shown)) == 2 * len(json.loads(open(key).read())["answers"]) == 16
    with pytest.raises(ValueError, match="trials: expected at most 8"):
        samplevis.write_trials(page, drawings[:3], modelzoo.Shapes(), "logits:star", examples=drawings, trials=9)


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
