"""Sparse autoencoders: many directions of a layer, of which each activation uses few, and their features as objectives."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from samplevis import objectives
from samplevis.objectives import Objective
from samplevis.runtime.checks import brief, check_array, check_flag, check_whole
from samplevis.runtime.files import atomic_path, check_path, check_suffix
from samplevis.runtime.untrusted import parse_json

# Names of the arrays in files, as SAELens writes them: encoder [channels, features], decoder [features, channels].
ARRAYS = ("W_enc", "b_enc", "W_dec", "b_dec")
# How PyTorch names the same, transposed, where they are two linear layers.
LINEAR = {"encoder.weight": "W_enc", "encoder.bias": "b_enc", "decoder.weight": "W_dec", "decoder.bias": "b_dec"}


@dataclasses.dataclass(frozen=True, eq=False)
class SparseAutoencoder:
    """A dictionary of directions, and the encoder that says how much of each there is.

    The pre-activation of a feature is `encoder @ (x - bias) + encoder_bias`; features are its rectified values, of which only the
    `top_k` largest of each activation stay; activations are `features @ decoder + bias`.

    Attributes:
      layer: the layer's name.
      encoder: float32 [features, channels].
      encoder_bias: float32 [features].
      decoder: float32 [features, channels].
      bias: float32 [channels].
      top_k: how many features of an activation may differ from 0; None for any number.

    Source: Bricken et al. 2023, "Towards Monosemanticity"; Gao et al. 2024, "Scaling and evaluating sparse autoencoders",
    arXiv:2406.04093, for `top_k`.

    Example:
      >>> sae = recipes.SparseAutoencoder("conv2", np.eye(5), np.zeros(5), np.eye(5), np.zeros(5))
      >>> result = samplevis.optimize(model, sae.feature(3))
      >>> sae.encode(activations).shape     # [n, H, W, 5] -> [n, H, W, 5]
    """

    layer: str
    encoder: np.ndarray
    encoder_bias: np.ndarray
    decoder: np.ndarray
    bias: np.ndarray
    top_k: int | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.layer, str) or not self.layer:
            raise TypeError(f"layer: expected the name of a layer. Received: {brief(self.layer)}")
        for name in ("encoder", "encoder_bias", "decoder", "bias"):
            object.__setattr__(self, name, check_array(name, getattr(self, name)))
        features, channels = self.encoder.shape if self.encoder.ndim == 2 else (0, 0)
        wanted = {"encoder": (features, channels), "encoder_bias": (features,)}
        wanted |= {"decoder": (features, channels), "bias": (channels,)}
        for name, shape in wanted.items():
            values = getattr(self, name)
            if values.shape != shape or not features or not np.isfinite(values).all():
                raise ValueError(f"{name}: expected finite numbers {list(shape)}. Received shape: {values.shape}")
        if self.top_k is not None:
            check_whole("top_k", self.top_k, 1, features)

    @property
    def num_features(self) -> int:
        """Number of features."""
        return len(self.encoder)

    @property
    def directions(self) -> np.ndarray:
        """What each feature adds to the layer, at length 1: float32 [features, channels]. A set of directions of an atlas:
        `atlas.build(model, "folder", layers=[], directions={"features": (sae.layer, sae.directions)})`."""
        return self.decoder / np.maximum(np.linalg.norm(self.decoder, axis=1, keepdims=True), 1e-12)

    def pre_activations(self, activations: np.ndarray) -> np.ndarray:
        """The features before the rectifier, float32 [..., features], of activations [..., channels]."""
        return (self._checked(activations) - self.bias) @ self.encoder.T + self.encoder_bias

    def encode(self, activations: np.ndarray) -> np.ndarray:
        """The features, float32 [..., features], of activations [..., channels]."""
        return sparse(self.pre_activations(activations), self.top_k)

    def decode(self, features: np.ndarray) -> np.ndarray:
        """The activations [..., channels] that features [..., features] stand for."""
        return check_array("features", features) @ self.decoder + self.bias

    def feature(self, k: int) -> Objective:
        """The pre-activation of a feature, averaged over positions: what excites it also has a gradient where it is silent.

        Args:
          k: the feature's number, from 0.

        Returns:
          An objective.

        Raises:
          ValueError: if there is no such feature.
        """
        check_whole("k", k, 0, self.num_features - 1)
        constant = float(self.encoder_bias[k] - self.encoder[k] @ self.bias)
        score = objectives.direction(self.layer, self.encoder[k]) + constant
        return dataclasses.replace(score, description=f"feature({self.layer}, {k})")

    def figures(self, activations: np.ndarray) -> dict[str, float]:
        """How well, and with how few features, activations are reconstructed.

        Args:
          activations: array [..., channels], best those of images that were not trained on.

        Returns:
          "explained": 1 - the sum of squared errors over that of the mean, at most 1; "active": mean number of features that are
          not 0 (L0); "dead": share of features that are always 0.
        """
        rows = self._checked(activations).reshape(-1, len(self.bias))
        features = self.encode(rows)
        error = np.square(self.decode(features) - rows, dtype=np.float64).sum()
        spread = np.square(rows - rows.mean(0), dtype=np.float64).sum()
        return {
            "explained": float(1 - error / max(spread, 1e-30)),
            "active": float((features > 0).sum(1).mean()),
            "dead": float((~(features > 0).any(0)).mean()),
        }

    def save(self, path: str | os.PathLike) -> None:
        """Writes a `.safetensors` file, with the names of arrays that SAELens uses; equal autoencoders give equal bytes.

        Args:
          path: a name that ends in .safetensors.

        Raises:
          ImportError: without the extra `safetensors`.
          OSError: if the file cannot be written.
        """
        check_suffix(path, (".safetensors",))
        save_file = _safetensors().numpy.save_file
        arrays = {"W_enc": self.encoder.T, "b_enc": self.encoder_bias, "W_dec": self.decoder, "b_dec": self.bias}
        # One entry: the file's order of several is not fixed.
        note = {"samplevis": json.dumps({"layer": self.layer, "top_k": self.top_k})}
        with atomic_path(path) as temporary:
            save_file({name: np.ascontiguousarray(values) for name, values in arrays.items()}, temporary, metadata=note)

    @classmethod
    def load(
        cls,
        path: str | os.PathLike,
        *,
        layer: str | None = None,
        top_k: int | None = None,
        centred: bool | None = None,
    ) -> SparseAutoencoder:
        """Reads a `.safetensors` file that `save`, SAELens or a PyTorch module of two linear layers wrote.

        Args:
          path: the file. Its arrays are W_enc, b_enc, W_dec and b_dec, or encoder.weight, encoder.bias, decoder.weight and
            decoder.bias.
          layer: the layer's name. Defaults to what the file says, if `save` wrote it.
          top_k: as the attribute. Defaults to what the file says, or None.
          centred: whether the decoder's bias is subtracted before the encoder (SAELens: `apply_b_dec_to_input`). Defaults to True
            for W_enc and the like, to False for two linear layers.

        Returns:
          A `SparseAutoencoder`.

        Raises:
          ImportError: without the extra `safetensors`.
          OSError: if the file cannot be read.
          ValueError: if it has other arrays, such as the thresholds of another kind of autoencoder, or does not say the layer.
        """
        if centred is not None:
            check_flag("centred", centred)
        arrays, note, linear = _read(check_path(path))
        layer = layer or note.get("layer")
        if layer is None:
            raise ValueError(f"layer: {os.fspath(path)!r} does not say which layer it is of. Give its name.")
        centred = not linear if centred is None else centred
        shift = 0 if centred else arrays["W_enc"].T @ arrays["b_dec"]
        return cls(
            layer,
            arrays["W_enc"].T,
            arrays["b_enc"] + shift,
            arrays["W_dec"],
            arrays["b_dec"],
            note.get("top_k") if top_k is None else top_k,
        )

    def _checked(self, activations: np.ndarray) -> np.ndarray:
        values = check_array("activations", activations)
        if values.ndim < 1 or values.shape[-1] != len(self.bias):
            raise ValueError(f"activations: expected [..., {len(self.bias)}]. Received shape: {values.shape}")
        return values

    def __repr__(self) -> str:
        kind = "" if self.top_k is None else f", top {self.top_k}"
        return f"<SparseAutoencoder of {self.layer}: {len(self.bias)} channels, {self.num_features} features{kind}>"


def sparse(pre: np.ndarray, top_k: int | None) -> np.ndarray:
    """Rectified values [..., features], of which the `top_k` largest stay; all, if it is None."""
    rectified = np.maximum(pre, 0)
    if top_k is None or top_k >= pre.shape[-1]:
        return rectified
    least = -np.partition(-rectified, top_k - 1, axis=-1)[..., top_k - 1 : top_k]
    return np.where(rectified >= least, rectified, 0)


def _read(path: str) -> tuple[dict[str, np.ndarray], Mapping[str, Any], bool]:
    """Arrays, what `save` noted, and whether the file is that of two linear layers."""
    safetensors = _safetensors()
    check_suffix(path, (".safetensors",))
    try:
        with safetensors.safe_open(path, framework="numpy") as file:
            arrays: dict[str, Any] = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no dictionary
            note = parse_json((file.metadata() or {}).get("samplevis", "{}"))
    except OSError:
        raise
    except Exception as error:  # The reader raises many kinds for a bad file.
        raise ValueError(f"path: {path!r} is not a .safetensors file that can be read: {error}") from error
    if set(arrays) not in (set(ARRAYS), set(LINEAR)):
        raise ValueError(
            f"path: expected the arrays {', '.join(ARRAYS)}, or {', '.join(LINEAR)}, and no others: an autoencoder with "
            f"thresholds or gates computes something else. Received: {brief(sorted(arrays))}"
        )
    linear = set(arrays) == set(LINEAR)
    return {LINEAR[name]: arrays[name].T for name in LINEAR} if linear else arrays, note, linear


def _safetensors() -> Any:
    try:
        import safetensors
        import safetensors.numpy
    except ImportError as error:
        raise ImportError("path: .safetensors files need safetensors: pip install samplevis[safetensors]") from error
    return safetensors
