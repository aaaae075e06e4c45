"""The judge of an evaluation: whether it can take the pictures, and what it should see in them."""

from __future__ import annotations

from typing import Any

import numpy as np

from samplevis.analysis.evaluation.pictures import resized
from samplevis.network import Network
from samplevis.network.labels import find_label
from samplevis.results.shares import Judge


def unit_label(network: Network, unit: Any) -> str | None:
    """What a unit stands for, if it is a class with a name: the label of "logits:star" or "logits:4"."""
    layer, _, channel = unit.strip().rpartition(":") if isinstance(unit, str) else ("", "", "")
    if not layer or layer != list(network.layers)[-1]:
        return None
    labels = available_labels(network)
    return channel if not channel.isdigit() else None if labels is None else labels[int(channel)]


def available_labels(network: Network) -> tuple[str, ...] | None:
    """The labels of a network; None if it has none, or they are elsewhere and cannot be fetched."""
    try:
        return network.labels
    except OSError:
        return None


def expected_labels(label: str | None, judge: Judge | None) -> frozenset[str]:
    """The judge's labels for what a unit stands for.

    Args:
      label: names separated by "|", each with any of its synonyms; None for a unit without a name.
      judge: a network or a function.

    Returns:
      Its labels; none if there is no judge, no name, or the judge is a network without labels.

    Raises:
      ValueError: if a judge with labels has none of that name.
    """
    if label is None or judge is None:
        return frozenset()
    names = [name.strip() for name in label.split("|")]
    if not isinstance(judge, Network):
        # A function may answer with the whole label or with its first name.
        return frozenset(found for name in names for found in (name, name.split(",")[0].strip()))
    labels = available_labels(judge)
    return frozenset() if labels is None else frozenset(found for name in names for found in _labels_of(labels, name))


def _labels_of(labels: tuple[str, ...], name: str) -> list[str]:
    """The labels that a name stands for: the label itself, those that have its first name, or the one that `find_label` finds."""
    if name in labels:
        return [name]
    first = name.split(",")[0].strip()
    found = [label for label in labels if label.split(",")[0].strip().lower() == first.lower()]
    return found or [labels[find_label(labels, first)]]


def check_judge(judge: Judge | None, image_shape: tuple[int, ...]) -> None:
    """Refuses a judge that cannot take the pictures."""
    if not isinstance(judge, Network):
        return
    *size, channels = image_shape
    if judge.image_shape[-1] != channels or len(judge.image_shape) != len(image_shape):
        raise ValueError(f"judge: {judge.name!r} takes images of shape {judge.image_shape}. Received: {image_shape}")
    if len(size) != 2 and not judge.takes(size):
        raise ValueError(f"judge: {judge.name!r} does not take the size of the pictures, {tuple(size)}")


def fitting(judge: Judge, images: np.ndarray) -> np.ndarray:
    """Images of a size that a network takes."""
    if isinstance(judge, Network) and not judge.takes(images.shape[1:-1]):
        return resized(images, judge.usual_size)
    return images
