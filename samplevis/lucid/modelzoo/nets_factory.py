"""Models by name. Source: lucid/modelzoo/nets_factory.py."""

from __future__ import annotations

from samplevis.lucid.core.facts import MODELS
from samplevis.lucid.modelzoo import vision_models
from samplevis.lucid.modelzoo.vision_base import Model
from samplevis.runtime.checks import did_you_mean

models_map: dict[str, type[Model]] = {name: getattr(vision_models, name) for name in MODELS}


def get_model(name: str) -> Model:
    """A model by its name.

    Args:
      name: Lucid's name of it.

    Returns:
      A `Model`.

    Raises:
      ValueError: if there is none; the message has the nearest names.
    """
    if name not in models_map:
        longer = [known for known in models_map if name in known]
        near = f" Did you mean {', '.join(longer)}?" if longer else did_you_mean(name, models_map)
        raise ValueError(f"name: there is no model {name!r}.{near}")
    return models_map[name]()
