"""write_trials(): the forced choice as a page for people."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from samplevis.activation import make_activation
from samplevis.activation.image_scores import image_scores
from samplevis.analysis.evaluation.pictures import best_examples, read_evaluated
from samplevis.analysis.evaluation.trials import make_trials, write_page
from samplevis.network import Network, as_network
from samplevis.objectives import Objective
from samplevis.param import pixel
from samplevis.runs.evaluation import read_real
from samplevis.runtime import files
from samplevis.runtime.checks import check_whole

MOST_TRIALS = 20
TITLE = "Which picture goes with these?"


def write_trials(
    path: str | os.PathLike,
    images: Any,
    model: Network | keras.Model,
    unit: Objective | str | Callable,
    *,
    examples: Any,
    trials: int | None = None,
    shown: int = 9,
    title: str = TITLE,
    image_size: tuple[int, int] | None = None,
    seed: int = 0,
) -> str:
    """Writes a page that asks people which of two real pictures excites a unit more, after they have seen visualizations of it.

    The page is one static file that opens from disk. At the end it saves the answers as a file, which `score_trials` scores with
    the key. The right answers are in the key alone: give people the page only.

    Args:
      path: of the page, .html. The key is written beside it, with the suffix .key.json.
      images: the visualizations, as in `evaluate`.
      model: the network that has the unit.
      unit: an objective, a string such as "fire9:10", or a function of the layer accessor `T`.
      examples: real pictures, at least 64, as in `evaluate`. The best twentieth are paired with others of the lower half; no
        picture comes twice.
      trials: number of pairs, from 1 to that of the best examples: a twentieth, at least 8. Defaults to as many, at most 20.
      shown: visualizations that are shown, >= 1, evenly spaced among those given. Defaults to 9.
      title: of the page. Defaults to one that does not name the unit.
      image_size: (height, width) to which files are center-cropped and resized. Defaults to the network's own size, or that of
        the files.
      seed: of the pairs, int >= 0. Defaults to 0.

    Returns:
      Path of the key.

    Raises:
      ValueError, TypeError: if an argument does not fit.
      OSError: if a file cannot be read or written.

    Example:
      >>> key = samplevis.write_trials("trials.html", samples, model, "fire9:10", examples="photos")
      >>> samplevis.score_trials("answers.json", key)
    """
    files.check_suffix(path, (".html", ".htm"))
    files.check_writable(path)
    for name, value, lowest in (("trials", 1 if trials is None else trials, 1), ("shown", shown, 1), ("seed", seed, 0)):
        check_whole(name, value, lowest)
    network = as_network(model)
    pictures = read_evaluated(network, images, image_size).images
    real = read_real(network, examples, pictures)
    most = best_examples(len(real))
    if trials is not None and trials > most:
        raise ValueError(
            f"trials: expected at most {most}, as many as are the best of {len(real)} examples; a picture that came twice would "
            f"give the answer away. Received: {trials}"
        )
    scores = image_scores(
        make_activation(network, unit, pixel(pictures.shape[1:-1], channels=real.shape[-1]), None), real
    )
    order, rng = np.argsort(-scores, kind="stable"), np.random.default_rng(seed)
    chosen = np.unique(np.linspace(0, len(pictures) - 1, min(shown, len(pictures))).round().astype(int))
    strong, weak = real[order[:most]], real[order[len(real) // 2 :]]
    count = min(most, MOST_TRIALS) if trials is None else trials
    return write_page(path, make_trials(pictures[chosen], strong, weak, count, rng), title)
