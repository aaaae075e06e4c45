"""Matrix factorisation of activations: from channels to a few components."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np

from samplevis.runtime import seeds
from samplevis.runtime.checks import check_known, check_whole, did_you_mean

# Smooth rectifiers (SiLU, GELU) go slightly below 0. NMF ignores negative values up to this share of the sum of squares.
NEGATIVE_SHARE = 0.1


class ChannelReducer:
    """A scikit-learn decomposition along the last axis of arrays of any rank.

    With non-negative matrix factorisation, the default, every activation becomes a sum of a few directions with weights >= 0:
    the groups of neurons that fire together. Small negative values, as after a SiLU, are ignored.

    Args:
      n_components: number of groups, >= 1. Defaults to 3.
      algorithm: name of a class of `sklearn.decomposition`, such as "NMF", "PCA" or "FastICA", or such a class. Defaults to
        "NMF", for activations >= 0, or nearly so.
      seed: int from 0 to 2**31 - 1, for algorithms that draw random numbers.
      **options: further arguments of the class.

    Raises:
      ImportError: if scikit-learn is not installed.
      ValueError: for an unknown algorithm, or one that does not reduce to a number of components.

    Source: lucid/misc/channel_reducer.py; Olah et al., The Building Blocks of Interpretability (Distill, 2018).

    Example:
      >>> reducer = ChannelReducer(6)
      >>> groups = reducer.fit_transform(activations)     # [n, H, W, channels] -> [n, H, W, 6]
    """

    def __init__(self, n_components: int = 3, algorithm: str | type = "NMF", *, seed: int = 0, **options: Any):
        check_whole("n_components", n_components, 1)
        seeds.root(seed)
        kind = _kind(algorithm)
        known = inspect.signature(kind).parameters if hasattr(kind, "transform") else ()
        if "n_components" not in known:
            raise ValueError(f"algorithm: {kind.__name__} does not reduce to a number of components.")
        check_known(options, [name for name in known if name != "n_components"])
        if "random_state" in known:
            options = {"random_state": seed} | options
        self.n_components = int(n_components)
        self.estimator = kind(n_components=self.n_components, **options)

    @property
    def directions(self) -> np.ndarray:
        """The direction of each component, [n_components, channels]. Raises RuntimeError before `fit`."""
        return self._fitted().components_

    def fit(self, activations: np.ndarray) -> ChannelReducer:
        """Finds the components of activations [..., channels]; returns itself.

        Args:
          activations: array [..., channels].

        Returns:
          Itself.

        Raises:
          ValueError: if activations are negative and the method takes none.
        """
        self._check_sign(activations)
        self.estimator.fit(self._rows(activations))
        return self

    def fit_transform(self, activations: np.ndarray) -> np.ndarray:
        """Finds the components and returns their weights in the same activations.

        Args:
          activations: array [..., channels].

        Returns:
          Array [..., n_components].
        """
        self._check_sign(activations)
        return _shaped(self.estimator.fit_transform(self._rows(activations)), activations)

    def transform(self, activations: np.ndarray) -> np.ndarray:
        """The weights of the components, [..., n_components], in activations [..., channels].

        Args:
          activations: array [..., channels].

        Returns:
          Array [..., n_components].

        Raises:
          RuntimeError: before `fit`.
        """
        return _shaped(self._fitted().transform(self._rows(activations)), activations)

    def inverse_transform(self, weights: np.ndarray) -> np.ndarray:
        """The activations [..., channels] that weights [..., n_components] stand for.

        Args:
          weights: array [..., n_components].

        Returns:
          Array [..., channels].

        Raises:
          RuntimeError: before `fit`.
        """
        return _shaped(self._fitted().inverse_transform(_flat(weights)), weights)

    @property
    def _of_positive(self) -> bool:
        return type(self.estimator).__name__.endswith("NMF")

    def _check_sign(self, activations: np.ndarray) -> None:
        rows = _flat(activations)
        negative = np.square(np.minimum(rows, 0, dtype=np.float64)).sum()
        if self._of_positive and negative > NEGATIVE_SHARE * np.square(rows, dtype=np.float64).sum():
            raise ValueError(
                f"activations: NMF needs values >= 0, as after a rectifier. Received a minimum of {rows.min():g}. Take "
                "another layer, or algorithm='PCA'."
            )

    def _rows(self, activations: np.ndarray) -> np.ndarray:
        rows = _flat(activations)
        return np.maximum(rows, 0) if self._of_positive else rows

    def _fitted(self) -> Any:
        if not hasattr(self.estimator, "components_"):
            raise RuntimeError("ChannelReducer: call fit or fit_transform first.")
        return self.estimator


def _kind(algorithm: str | type) -> type:
    try:
        import sklearn.decomposition
    except ImportError as error:
        raise ImportError("ChannelReducer needs scikit-learn: pip install samplevis[reduce]") from error
    if isinstance(algorithm, type):
        return algorithm
    kinds = [name for name in sklearn.decomposition.__all__ if name[0].isupper()]
    if algorithm not in kinds:
        hint = did_you_mean(algorithm, kinds, cutoff=0.3)
        raise ValueError(f"algorithm: expected one of {', '.join(kinds)}, or a class. Received: {algorithm!r}.{hint}")
    return getattr(sklearn.decomposition, algorithm)


def _flat(values: np.ndarray) -> np.ndarray:
    values = np.asarray(values)
    if values.ndim < 1 or not values.size or not np.isfinite(values).all():
        raise ValueError(f"activations: expected finite numbers [..., channels]. Received shape: {values.shape}")
    return values.reshape(-1, values.shape[-1])


def _shaped(rows: np.ndarray, like: np.ndarray) -> np.ndarray:
    return rows.reshape(*np.shape(like)[:-1], rows.shape[-1])
