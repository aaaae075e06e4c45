"""The names of a network's classes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from samplevis.runtime.checks import brief, did_you_mean, is_list
from samplevis.runtime.plain_text import printable

# Labels are looked up before TensorFlow is loaded.
if TYPE_CHECKING:
    from samplevis.network.sources import Shape


def check_labels(labels: Sequence[str] | None, outputs: Sequence[Shape], fewer: bool = False) -> tuple[str, ...] | None:
    """The names as a tuple, or None for none.

    Args:
      labels: the classes' names.
      outputs: shapes of the model's outputs, channels last.
      fewer: whether the last channels may have no names, as in the files of some published models.
        Defaults to False.

    Raises:
      ValueError: unless they are strings, as many as the channels of some output.
    """
    if labels is None:
        return None
    names = tuple(labels) if is_list(labels) else ()
    if not names or not all(isinstance(name, str) for name in names):
        raise ValueError(f"labels: expected a sequence of strings, one for each class. Received: {brief(labels)}")
    _check_count(names, outputs, fewer)
    return tuple(map(printable, names))


def _check_count(labels: Sequence[str], outputs: Sequence[Shape], fewer: bool) -> None:
    """Raises ValueError unless there is a label for each channel of some output."""
    widths = [shape[-1] if shape else None for shape in outputs]
    count = len(labels)
    if None in widths or not widths or count in widths or (fewer and count < max(widths)):
        return
    known = " or ".join(str(width) for width in dict.fromkeys(widths))
    hint = ""
    if 1 in widths and count == 2:
        hint = " One output tells two classes apart: give the name of the class for which it is high."
    elif count + 1 in widths:
        hint = " Is the first class the background? Then its name is missing in front of the others."
    elif count - 1 in widths:
        hint = " Is there a heading, or the background, in front of the classes?"
    raise ValueError(
        f"labels: expected {known}, one for each output of the model in order. "
        f"Received: {count}, {brief(tuple(labels))}.{hint}"
    )


def find_label(labels: Sequence[str], label: str) -> int:
    """The index of a class by its whole label, its first name or any synonym, in that order; case does not matter.

    Args:
      labels: the classes' names in order, synonyms between commas.
      label: the name to find.

    Returns:
      The index, from 0.

    Raises:
      ValueError: if no class, or more than one, is called that.
    """
    wanted = _plain(label)
    names = [[_plain(name) for name in whole.split(",")] for whole in labels]
    tiers = (
        [i for i, whole in enumerate(labels) if _plain(whole) == wanted],
        [i for i, synonyms in enumerate(names) if synonyms[0] == wanted],
        [i for i, synonyms in enumerate(names) if wanted in synonyms],
    )
    found = next((tier for tier in tiers if tier), [])
    if len(found) == 1:
        return found[0]
    if found:
        choices = ", ".join(f"{i} ({labels[i]})" for i in found)
        raise ValueError(f"label: {label!r} names several classes: {choices}. Give the number.")
    hint = did_you_mean(wanted, {name for synonyms in names for name in synonyms}, limit=3, cutoff=0.5)
    raise ValueError(f"label: none of the {len(labels)} classes is called {label!r}.{hint}")


def find_class(labels: Sequence[str] | None, label: str, network: str) -> int:
    """The same for a network of a name, which may have no labels."""
    if not isinstance(label, str):
        raise TypeError(f"label: expected the name of a class. Received: {brief(label)}")
    if labels is None:
        raise ValueError(f"label: {network!r} has no labels, so {label!r} means nothing. Give the class's number.")
    return find_label(labels, label)


def _plain(label: str) -> str:
    return " ".join(label.replace("_", " ").split()).casefold()
