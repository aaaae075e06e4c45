"""Layers as Lucid lists them. Source: lucid/modelzoo/vision_base.py."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from samplevis.lucid.core.facts import dropped_error


class Layer:
    """A layer of a model.

    Args:
      model_instance: the model, or its class.
      name: its name, for T.
      depth: number of channels.
      tags: "conv", "dense" or "pre_relu".

    Attributes:
      width, height, shape: None, as in Lucid.
    """

    width = height = shape = None

    def __init__(self, model_instance: Any, name: str, depth: int, tags: Sequence[str]):
        self.model_class = model_instance if isinstance(model_instance, type) else type(model_instance)
        self.model_name = self.model_class.model_name or self.model_class.__name__
        if not isinstance(model_instance, type):
            self.model_name = model_instance.name
        self.name, self.depth, self.tags = name, depth, set(tags)

    def __getitem__(self, name: str) -> Any:
        if name == "type":
            return next(iter(self.tags))
        if name not in vars(self):
            raise AttributeError(f"a layer has no {name!r}")
        return vars(self)[name]

    @property
    def size(self) -> int:
        """`depth`, in old programs."""
        return self.depth

    @property
    def activations(self) -> np.ndarray:
        """Activations of ImageNet's pictures; their files are gone."""
        raise dropped_error("modelzoo.aligned_activations")

    def __repr__(self) -> str:
        return f"Layer (belonging to {self.model_name}) <{self.name}: {self.depth}> ([{self.tags}])"

    def to_json(self) -> str:
        """Its name."""
        return self.name


def _layers_from_list_of_dicts(model_instance: Any, list_of_dicts: Sequence[Mapping[str, Any]]) -> tuple[Layer, ...]:
    return tuple(
        Layer(model_instance, each["name"], each.get("depth", each.get("size")), each.get("tags", [each.get("type")]))
        for each in list_of_dicts
    )


class LayersOfNetwork:
    """The layers of a model that lists none: those of its network, and none of its class."""

    def __get__(self, model: Any, owner: type) -> tuple[Layer, ...]:
        if model is None:
            return ()
        shapes = model.network.layers.items()
        named = [(name, shape) for name, shape in shapes if len(shape) in (1, 3) and shape[-1]]
        return tuple(Layer(model, name, shape[-1], ["conv" if len(shape) == 3 else "dense"]) for name, shape in named)
