"""Models by name, each as a `Network` with its preprocessing.

Example:
  >>> network = modelzoo.Shapes()
  >>> network.layers["logits"]
  (18,)
"""

from __future__ import annotations

import difflib
import importlib
import inspect
from pathlib import Path
from typing import TYPE_CHECKING, Any

from samplevis.modelzoo.registry import MODELS, factory
from samplevis.runtime.files import check_path

if TYPE_CHECKING:
    from samplevis.network import Network

# Files of weights alone; `checkpoints.READERS` reads them.
STATE_DICTS = (".pth", ".pt", ".npz", ".safetensors")
#: Every model of the zoo by its name.
NAMES = tuple(MODELS)

__all__ = ["MODELS", "NAMES", "load", *NAMES]


def __getattr__(name: str) -> Any:
    """A model's function, or the module of the bundled networks: imported when it is first used."""
    if name in MODELS:
        return globals().setdefault(name, factory(name))
    if name == "shapes":
        return importlib.import_module("samplevis.modelzoo.shapes")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, "shapes"})


def load(model: str | Path, weights: str | Path | None = None, **options: Any) -> Network:
    """Loads a network by its name in the zoo or from a file.

    Args:
      model: one of `NAMES`, in any case; or the path of a `.keras` or `.h5` file, of a frozen graph (`.pb`, or Lucid's `.json`
        manifest of one), or of the folder of a SavedModel. See `samplevis.modelzoo.files.load_file`.
      weights: weights of a zoo model, such as PyTorch's `.pth` file for `"ResNet18"`. Defaults to the model's default.
      **options: for a zoo model, its arguments, such as `labels` or `image_size`; for a file, `value_range`, `bgr`, `mean`, `std`,
        `labels`, `aliases`, `fixed_inputs`, `image_shape` and `input` of `Network`.

    Returns:
      A `Network`.

    Raises:
      OSError: if a file is missing.
      ValueError: if the name is unknown (the message lists the nearest), the file cannot be read, or options do not go together.

    Example:
      >>> modelzoo.load("shapes").name
      'Shapes'
      >>> model.model.save("my_model.keras")
      >>> modelzoo.load("my_model.keras", value_range=(-1, 1), labels=["a", "b", "c"])
      <Network my_model: images (None, None, 3), range (-1, 1), 4 layers>
    """
    model = check_path(model, "model")
    if weights is not None:
        weights = check_path(weights, "weights")
    by_lower_case = {name.lower(): name for name in NAMES}
    if (name := by_lower_case.get(str(model).lower())) is not None:
        make = factory(name)
        known = inspect.signature(make).parameters
        if wrong := [option for option in options if option not in known]:
            raise ValueError(
                f"{', '.join(wrong)}: {model} knows its preprocessing; expected no options but {', '.join(known)}"
            )
        return make(**({} if weights is None else {"weights": weights}), **options)
    path = Path(model)
    from samplevis.modelzoo.files import ENDINGS, check_kind, load_file

    if path.suffix.lower() in STATE_DICTS:
        raise ValueError(
            f"model: {path.name} holds weights, and no network. Name the network: modelzoo.load('ResNet18', weights=PATH)"
        )
    check_kind(path)
    if path.suffix not in ENDINGS and not path.is_dir():
        near = difflib.get_close_matches(str(model), NAMES, n=5, cutoff=0.0)
        raise ValueError(
            f"model: expected a file ({', '.join(ENDINGS)}), the folder of a SavedModel or a name of the zoo, such as "
            f"{', '.join(near)} (all of them: modelzoo.NAMES). Received: {str(model)!r}"
        )
    if weights is not None:
        raise ValueError(f"weights: {path.name} holds its own weights")
    return load_file(path, **options)
