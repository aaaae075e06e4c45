"""Decompositions of channels. Source: lucid/misc/channel_reducer.py."""

from __future__ import annotations

from typing import Any

import numpy as np

from samplevis import recipes


class ChannelReducer:
    """A scikit-learn decomposition along the last axis of arrays of any rank.

    Args:
      n_components: number of components, >= 1. Defaults to 3.
      reduction_alg: name of a class of `sklearn.decomposition`, or such a class. Defaults to "NMF".
      **kwargs: its other arguments.

    Attributes of the estimator that end in an underscore are there without it, such as `components`; other names are an
    AttributeError, where Lucid's are None.

    Example:
      >>> ChannelReducer(2)(np.random.default_rng(0).uniform(size=(3, 4, 4, 5))).shape
      (3, 4, 4, 2)
    """

    def __init__(self, n_components: int = 3, reduction_alg: str | type = "NMF", **kwargs: Any):
        self._reducer_ = recipes.ChannelReducer(n_components, reduction_alg, **kwargs)
        self.n_components, self._is_fit = n_components, False

    def fit(self, acts: np.ndarray) -> Any:
        """Finds the components of activations [..., channels]; returns the estimator."""
        self._reducer_.fit(acts)
        self._is_fit = True
        return self._reducer

    def fit_transform(self, acts: np.ndarray) -> np.ndarray:
        """`fit`, then `transform`."""
        self._is_fit = True
        return self._reducer_.fit_transform(acts)

    def transform(self, acts: np.ndarray) -> np.ndarray:
        """The components of activations [..., channels], [..., n_components]."""
        return self._reducer_.transform(acts)

    def __call__(self, acts: np.ndarray) -> np.ndarray:
        """The first call fits."""
        return self.transform(acts) if self._is_fit else self.fit_transform(acts)

    @property
    def _reducer(self) -> Any:
        """The estimator; notebooks use this private name."""
        return self._reducer_.estimator

    def __getattr__(self, name: str) -> Any:
        if not name.startswith("_") and hasattr(self._reducer, f"{name}_"):
            return getattr(self._reducer, f"{name}_")
        raise AttributeError(f"a ChannelReducer has no {name!r}")
