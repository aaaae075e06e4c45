"""Weights in other programs' formats: TensorFlow 1 checkpoints, and state dicts in .npz, .safetensors, .pt or .pth."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from samplevis.modelzoo.torch_files import read_torch_file
from samplevis.runtime.checks import did_you_mean
from samplevis.runtime.untrusted import arrays_in

Arrays = dict[str, np.ndarray]
#: The axes of a kernel in a state dict in the order that Keras has them.
CONVOLUTION_AXES, DEPTHWISE_AXES, DENSE_AXES = (2, 3, 1, 0), (2, 3, 0, 1), (1, 0)


def read_tf_checkpoint(path: str | Path, names: Iterable[str]) -> Arrays:
    """Reads variables from a TensorFlow 1 or 2 checkpoint.

    Args:
      path: a checkpoint of a single file; the common prefix of one of several (`model.ckpt` for
        `model.ckpt.index` and `model.ckpt.data-00000-of-00001`); or a folder, for the latest in it.
      names: the variables' names. Other variables in the checkpoint are ignored.

    Returns:
      Arrays by name.

    Raises:
      OSError: if there is no such file.
      ValueError: if it is not a checkpoint, or lacks a variable.
    """
    path = Path(path)
    if not (path.exists() or path.with_name(f"{path.name}.index").is_file()):
        raise FileNotFoundError(f"weights: there is no checkpoint {str(path)!r}")
    try:
        reader = tf.train.load_checkpoint(path)
        known = reader.get_variable_to_shape_map()
    except Exception as error:  # TensorFlow raises many kinds here.
        raise ValueError(f"weights: {str(path)!r} cannot be read as a TensorFlow checkpoint: {error}") from error
    names = list(names)
    _check_names(path, [name for name in names if name not in known], known)
    try:
        return {name: reader.get_tensor(name) for name in names}
    except Exception as error:
        raise ValueError(f"weights: {str(path)!r} is damaged: {error}") from error


def read_state_dict(path: str | Path) -> Arrays:
    """Reads a state dict: arrays by name, as in `torch.nn.Module.state_dict()`.

    Args:
      path: PyTorch's `.pt` or `.pth` file, which is read without PyTorch and without running what is in it; an `.npz` file; or a
        `.safetensors` file, which needs the extra `safetensors`.

    Returns:
      Arrays by name.

    Raises:
      OSError: if there is no such file.
      ValueError: if it is of another kind, cannot be read, or holds anything but a state dict.
      ImportError: if `safetensors` is needed and missing.
    """
    path = Path(path)
    read = READERS.get(path.suffix.lower())
    if read is None:
        raise ValueError(f"weights: expected a state dict ({', '.join(READERS)}). Received: {str(path)!r}")
    if not path.is_file():
        raise FileNotFoundError(f"weights: there is no file {str(path)!r}")
    try:
        return read(path)
    except ImportError:
        raise
    except OSError as error:
        raise OSError(error.errno, f"weights: {str(path)!r} cannot be read: {error.strerror or error}") from error
    except Exception as error:  # Readers raise many kinds for a bad file.
        reason = str(error) or type(error).__name__
        raise ValueError(f"weights: {str(path)!r} cannot be read as {path.suffix}: {reason}") from error


def load_state_dict(
    model: keras.Model, arrays: Arrays, path: str | Path, modules: Mapping[str, str] | None = None
) -> None:
    """Loads the weights of a PyTorch model into a Keras one.

    Args:
      model: a model of `Conv2D`, `DepthwiseConv2D`, `Dense` and `BatchNormalization` layers, and others without weights.
      arrays: a state dict, see `read_state_dict`.
      path: where it comes from, for messages.
      modules: the PyTorch module of each Keras layer, {layer: module}. By default both have one name: `layer1.0.conv1` takes
        `layer1.0.conv1.weight`.

    Raises:
      ValueError: if an array is missing or unexpected, has the wrong shape or a value that is not finite.
    """
    wanted: dict[str, tuple[keras.Variable, tuple[int, ...] | None]] = {}
    for layer in model.layers:
        module = modules.get(layer.name, layer.name) if modules else layer.name
        for name, variable in _torch_names(layer).items():
            wanted[f"{module}.{name}"] = variable
    # A count of training batches, which nothing reads later.
    arrays = {name: a for name, a in arrays.items() if not name.endswith(".num_batches_tracked")}
    _check_names(path, [name for name in wanted if name not in arrays], arrays)
    extra = [name for name in arrays if name not in wanted]
    if extra:
        raise ValueError(f"weights: {str(path)!r} is for another network: {model.name} has no {_few(extra)}")
    turned = {name: a if (axes := wanted[name][1]) is None else _turn(a, axes) for name, a in arrays.items()}
    assign({name: variable for name, (variable, _) in wanted.items()}, turned, path)


def assign(variables: Mapping[str, keras.Variable], arrays: Mapping[str, np.ndarray], path: str | Path) -> None:
    """Assigns values to variables: to all or, after an error, to none.

    Args:
      variables: variables by name.
      arrays: their values, under the same names.
      path: where they come from, for messages.

    Raises:
      ValueError: if an array has the wrong shape or a value that is not finite.
    """
    for name, variable in variables.items():
        if arrays[name].shape != tuple(variable.shape):
            raise ValueError(
                f"weights: {str(path)!r}: {name!r} should have the shape {tuple(variable.shape)}, in Keras's order of axes. "
                f"Received: {arrays[name].shape}"
            )
        if not (np.issubdtype(arrays[name].dtype, np.number) and np.isfinite(arrays[name]).all()):
            raise ValueError(f"weights: {str(path)!r}: {name!r} has values that are no finite numbers")
    for name, variable in variables.items():
        variable.assign(arrays[name])


def _torch_names(layer: keras.layers.Layer) -> dict[str, tuple[keras.Variable, tuple[int, ...] | None]]:
    """PyTorch's names of a layer's weights, each with its variable and the permutation of its axes."""
    if isinstance(layer, keras.layers.BatchNormalization):
        found = {"weight": layer.gamma, "bias": layer.beta}
        found |= {"running_mean": layer.moving_mean, "running_var": layer.moving_variance}
        return {name: (variable, None) for name, variable in found.items()}
    if not layer.weights:
        return {}
    axes = {keras.layers.Dense: DENSE_AXES, keras.layers.DepthwiseConv2D: DEPTHWISE_AXES}
    found = {"weight": (layer.kernel, axes.get(type(layer), CONVOLUTION_AXES))}
    return found | ({"bias": (layer.bias, None)} if layer.use_bias else {})


def _turn(array: np.ndarray, axes: tuple[int, ...]) -> np.ndarray:
    # An array of the wrong rank is left as it is: `assign` tells its shape.
    return array.transpose(axes) if array.ndim == len(axes) else array


def _read_npz(path: Path) -> Arrays:
    with path.open("rb") as file:
        return arrays_in(file)


def _read_safetensors(path: Path) -> Arrays:
    try:
        from safetensors import SafetensorError
        from safetensors.numpy import load_file
    except ImportError as error:
        raise ImportError("weights: .safetensors files need safetensors: pip install samplevis[safetensors]") from error
    try:
        return load_file(path)
    except SafetensorError as error:
        raise ValueError(str(error)) from error


#: The readers of state dicts, by the file's ending.
READERS: dict[str, Callable[[Path], Arrays]] = {
    ".pth": read_torch_file,
    ".pt": read_torch_file,
    ".npz": _read_npz,
    ".safetensors": _read_safetensors,
}


def _check_names(path: str | Path, missing: list[str], known: Iterable[str]) -> None:
    if missing:
        hint = did_you_mean(missing[0], known)
        raise ValueError(f"weights: {str(path)!r} is for another network: it has no {_few(missing)}.{hint}")


def _few(names: list[str]) -> str:
    return ", ".join(map(repr, names[:3])) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
