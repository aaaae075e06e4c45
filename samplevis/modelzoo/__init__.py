"""Models by name, each as a `Network` that knows its preprocessing."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from samplevis.modelzoo.files import ENDINGS, load_file
from samplevis.modelzoo.shapes import Shapes, ShapesJudge
from samplevis.modelzoo.squeezenet import SqueezeNet
from samplevis.network import Network

__all__ = ["NAMES", "Shapes", "ShapesJudge", "SqueezeNet", "load"]

#: Every model of the zoo by its name.
NAMES: dict[str, Callable[..., Network]] = {"Shapes": Shapes, "ShapesJudge": ShapesJudge, "SqueezeNet": SqueezeNet}


def load(model: str | Path, weights: str | Path | None = None, **preprocessing: Any) -> Network:
    """Loads a network by its name in the zoo or from a file.

    Args:
      model: one of `NAMES`, in any case; or the path of a `.keras` or `.h5` file, of a frozen graph (`.pb`, or Lucid's `.json`
        manifest of one), or of the folder of a SavedModel. See `samplevis.modelzoo.files.load_file`.
      weights: weights of a zoo model. Defaults to the model's own default.
      **preprocessing: `value_range`, `bgr`, `mean`, `labels`, `aliases`, `given`, `image_shape` and `input` of `Network`, for a
        file.

    Returns:
      A `Network`.

    Raises:
      OSError: if a file is missing.
      ValueError: if the name is unknown (the nearest comes first), the file cannot be read, or options do not go together.
    """
    named = {name.lower(): factory for name, factory in NAMES.items()}
    if str(model).lower() in named:
        if preprocessing:
            raise ValueError(
                f"{', '.join(preprocessing)}: {model} knows its preprocessing; this is for models from files"
            )
        return named[str(model).lower()](**({} if weights is None else {"weights": weights}))
    path = Path(model)
    if path.suffix not in ENDINGS and not path.is_dir():
        near = difflib.get_close_matches(str(model), NAMES, n=len(NAMES), cutoff=0.0)
        raise ValueError(
            f"model: expected a file ({', '.join(ENDINGS)}), the folder of a SavedModel or one of {', '.join(near)}. "
            f"Received: {str(model)!r}"
        )
    if weights is not None:
        raise ValueError(f"weights: {path.name} holds its own weights")
    return load_file(path, **preprocessing)
