"""A model as a description that another process can load: a name or a path, never the model itself."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from samplevis.network import Network


@dataclasses.dataclass(frozen=True)
class ModelSpec:
    """What `modelzoo.load` needs to load a network.

    Attributes:
      model: name from the zoo, or the path of a file or folder that every worker can read.
      weights: path of the weights of a zoo model. Defaults to the model's own.
      value_range: (low, high), pixel values of black and white that a model from a file expects. Defaults to what is inferred.
      bgr: whether a model from a file expects blue first. Defaults to False.
      mean: subtracted from each channel. Defaults to none.

    Example:
      >>> ModelSpec("Shapes").load().name
      'Shapes'
    """

    model: str
    weights: str | None = None
    value_range: tuple[float, float] | None = None
    bgr: bool = False
    mean: tuple[float, ...] | None = None

    @property
    def options(self) -> dict[str, Any]:
        """Arguments of `modelzoo.load` that differ from its defaults."""
        options = {"value_range": self.value_range, "bgr": self.bgr or None, "mean": self.mean}
        return {name: value for name, value in options.items() if value is not None}

    def load(self) -> Network:
        """Loads the network, once in a process.

        Returns:
          A `Network`.

        Raises:
          OSError, ValueError: as `modelzoo.load` does.
        """
        return _load(self)


def make_spec(model: Any, **options: Any) -> ModelSpec | None:
    """The spec of a name or path; None for a model that is in memory, which only this process has."""
    if isinstance(model, ModelSpec):
        return model
    if not isinstance(model, str):
        return None
    return ModelSpec(model, **{name: _frozen(value) for name, value in options.items()})


def _frozen(value: Any) -> Any:
    is_list = isinstance(value, Sequence) and not isinstance(value, str)
    return tuple(value) if is_list else value


@functools.lru_cache(maxsize=1)
def _load(spec: ModelSpec) -> Network:
    from samplevis import modelzoo

    return modelzoo.load(spec.model, weights=spec.weights, **spec.options)
