"""The text that tells one objective from another in a stored run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from samplevis.network import code_identity, fingerprint
from samplevis.objectives.base import Objective


def identity(objective: Objective) -> str:
    """Return what an objective prints, with digests of what is not printed: its arrays and the code of the user's functions.

    Args:
      objective: an objective.

    Returns:
      A text that is the same in another process.

    Example:
      >>> identity(objectives.channel("conv2", 1))
      'channel(conv2, 1)'
      >>> first, second = (objectives.as_objective(lambda T, n=n: T("logits")[:, n]) for n in (0, 1))
      >>> str(first) == str(second), identity(first) == identity(second)
      (True, False)
    """
    arrays = [np.ravel(number) for number in objective.parameters if np.ndim(number)]
    of_arrays = f" {fingerprint.array(np.concatenate(arrays))[:8]}" if arrays else ""
    of_code = "".join(f" code {code_identity.digest(function)}" for function in _functions(objective.structure))
    return fingerprint.text(objective) + of_arrays + of_code


def _functions(structure: Any) -> Iterator[Callable]:
    """The user's functions in the structure of an objective."""
    if isinstance(structure, tuple):
        for part in structure:
            yield from _functions(part)
    elif callable(structure):
        yield structure
