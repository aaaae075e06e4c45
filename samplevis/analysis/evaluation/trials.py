"""The forced choice for people: its trials as a page, and the share of their answers that is right."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from string import Template
from typing import Any, NamedTuple

import numpy as np

from samplevis.analysis.evaluation import forced_choice
from samplevis.analysis.evaluation.result import Metric
from samplevis.export.bands import false_colors
from samplevis.export.data_url import png_url
from samplevis.export.pixels import to_uint8
from samplevis.results.shares import wilson
from samplevis.runtime.files import atomic_path
from samplevis.runtime.plain_text import as_html
from samplevis.runtime.untrusted import read_json

MEASURE = forced_choice.MEASURE._replace(
    label="two-alternative forced choice of people",
    limits="what other people would answer, of other pictures of the unit",
    control="guessing",
    source="Borowski et al. 2021, arXiv:2010.12606",
)


class Trials(NamedTuple):
    """Trials of one unit.

    Attributes:
      shown: the pictures that people see first, [N, H, W, C] in [0, 1].
      queries: pairs of real pictures, [trial, 2, H, W, C]; one of them excites the unit more.
      answers: which of each pair does, 0 or 1, [trial].
    """

    shown: np.ndarray
    queries: np.ndarray
    answers: tuple[int, ...]


def make_trials(
    shown: np.ndarray, strong: np.ndarray, weak: np.ndarray, count: int, rng: np.random.Generator
) -> Trials:
    """Pairs real pictures that excite a unit with others, in random order.

    Args:
      shown: the pictures that explain the unit, [N, H, W, C].
      strong: real pictures that excite it, [S, H, W, C].
      weak: real pictures that do not, [W, H, W, C].
      count: of trials, at most S and at most W: a picture that comes again would tell which one is right.
      rng: pairs them.

    Returns:
      `Trials`.
    """
    chosen = [rng.permutation(len(images))[:count] for images in (strong, weak)]
    answers = rng.integers(0, 2, count)
    pairs = np.stack([strong[chosen[0]], weak[chosen[1]]], axis=1)
    pairs[answers == 1] = pairs[answers == 1, ::-1]
    return Trials(shown, pairs, tuple(map(int, answers)))


def write_page(path: str | os.PathLike, trials: Trials, title: str) -> str:
    """Writes the page and, beside it, the key with the right answers, which the page does not hold.

    Args:
      path: of the page, .html; the key gets the suffix .key.json.
      trials: what to ask.
      title: of the page, escaped. It should not name the unit.

    Returns:
      Path of the key.
    """
    path = Path(path)
    shown = "".join(_image(image, "shown picture") for image in trials.shown)
    sections = "".join(_section(shown, pair) for pair in trials.queries)
    identity = hashlib.sha256(sections.encode()).hexdigest()[:16]
    template = Template(resources.files(__package__).joinpath("trials.html").read_text(encoding="utf-8"))
    page = template.substitute(title=as_html(title), trials=sections, identity=identity)
    key = path.with_suffix(".key.json")
    for file, text in ((key, json.dumps({"trials": identity, "answers": trials.answers}) + "\n"), (path, page)):
        with atomic_path(file) as temporary:
            Path(temporary).write_text(text, encoding="utf-8")
    return str(key)


def score_trials(
    answers: str | os.PathLike | Sequence[str | os.PathLike], key: str | os.PathLike, coverage: float = 0.9
) -> Metric:
    """Scores the answers of people to the trials of `write_trials`.

    Args:
      answers: the file that the page saved, or several, one for each person.
      key: the file that `write_trials` wrote beside the page.
      coverage: of the interval, in (0, 1): Wilson's, for as many answers as these are worth where those of one person, and those
        to one pair, are alike (Cameron, Gelbach & Miller 2011, two-way clusters). Defaults to 0.9.

    Returns:
      A `Metric`: the share that is right, beside guessing.

    Raises:
      ValueError: if a file is no such file, belongs to another page, or is not complete.
      OSError: if a file cannot be read.

    Example:
      >>> samplevis.score_trials(["anna.json", "ben.json"], "trials.key.json").value
      0.9
    """
    files = [answers] if isinstance(answers, (str, os.PathLike)) else list(answers)
    right = _read("key", key)
    found = []
    for file in files:
        given = _read("answers", file)
        if given["trials"] != right["trials"] or len(given["answers"]) != len(right["answers"]):
            raise ValueError(f"answers: {os.fspath(file)!r} does not answer all trials of {os.fspath(key)!r}")
        found.append(np.equal(given["answers"], right["answers"]))
    if not found or not right["answers"]:
        raise ValueError("answers: expected at least one file, of at least one trial")
    answered = np.array(found)
    share = float(answered.mean())
    low, high = wilson(np.float64(share), independent_answers(answered), coverage)
    people = f"{len(files)} {'person' if len(files) == 1 else 'people'}"
    text = f"{answered.sum()} of {answered.size} answers of {people} are right"
    return Metric(MEASURE, share, float(low), float(high), 0.5, (0.5, 0.5), np.nan, text)


def independent_answers(right: np.ndarray) -> float:
    """How many independent answers are worth as much as those of several people to the same trials.

    Args:
      right: whether each answer is, bool [person, trial].

    Returns:
      The number that gives the variance of two-way clusters; at most that of the answers. That of the trials if there is one person
      or all answers are alike.

    Example:
      >>> independent_answers(np.array([[True, True, False, False]] * 3))
      4.0
    """
    people, trials = right.shape
    variance = right.mean() * (1 - right.mean())
    if people < 2 or trials < 2 or not variance:
        return float(trials)
    by_person, by_trial = (np.var(right.mean(axis), ddof=1) / right.shape[1 - axis] for axis in (1, 0))
    clustered = by_person + by_trial - variance / right.size
    return float(np.clip(variance / max(clustered, 1e-12), min(people, trials), right.size))


def _section(shown: str, pair: np.ndarray) -> str:
    buttons = "".join(
        f"<button class='choice' value='{number}'>{_image(image, f'choice {number + 1}')}</button>"
        for number, image in enumerate(pair)
    )
    asked = "<p>Which of these two pictures goes better with the pictures above?</p>"
    return f"<section><div class='shown'>{shown}</div>{asked}<div>{buttons}</div></section>"


def _image(image: np.ndarray, alt: str) -> str:
    return f"<img src='{png_url(to_uint8(false_colors(image)))}' alt='{alt}'>"


def _read(name: str, file: str | os.PathLike) -> dict[str, Any]:
    try:
        found = read_json(file)
        if not (isinstance(found["trials"], str) and all(answer in (0, 1) for answer in found["answers"])):
            raise ValueError("its entries are not those of answers")
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{name}: {os.fspath(file)!r} is no file of answers to trials") from error
    return found
