"""What commands load: networks, priors and saved runs."""

from __future__ import annotations

import argparse
import inspect
import os
import re
from typing import TYPE_CHECKING, Literal, get_args

from samplevis.runtime.quiet_start import load_tensorflow

if TYPE_CHECKING:
    from samplevis.network import Network
    from samplevis.param import Parameterization
    from samplevis.results.samples import Samples

# What a picture's file may end in: the keys of `export.image.FORMATS`, which would load TensorFlow.
PICTURES = (".png", ".jpg", ".jpeg", ".webp")
# The parameterizations of `samplevis.param` that need nothing but a size.
PriorName = Literal["fourier", "pyramid", "laplacian_pyramid", "cppn", "pixel", "uniform"]


def check_prior(name: str | None) -> None:
    """Raises ValueError, nearest spelling first, unless a name is that of a prior, a file of one, or None."""
    from samplevis.runtime.checks import check_choice

    if is_prior_file(name):
        if not os.path.isfile(name):
            raise FileNotFoundError(f"prior: there is no file {name}")
    elif name is not None:
        check_choice("prior", name, get_args(PriorName))


def check_picture_path(path: str, name: str) -> None:
    """Raises ValueError or OSError unless a picture can be written to a path.

    Args:
      path: as the user typed it.
      name: of the flag, for the message.
    """
    from samplevis.runtime import files

    files.check_suffix(path, PICTURES, name)
    files.check_writable(path)


def is_prior_file(name: str | None) -> bool:
    """Whether a prior is a file, as `samplevis fit-prior` writes it."""
    return name is not None and name.endswith(".keras")


def check_model(model: str, name: str = "model") -> None:
    """Raises ValueError or FileNotFoundError, before TensorFlow is loaded, unless a model is in the zoo or on disk.

    Args:
      model: as the user typed it.
      name: of the argument, for the message. Defaults to "model".
    """
    from samplevis.modelzoo.registry import MODELS
    from samplevis.runtime.checks import did_you_mean

    if model.lower() in {known.lower() for known in MODELS} or os.path.exists(model):
        return
    if os.path.splitext(model)[1]:
        raise FileNotFoundError(f"{name}: there is no file {model}")
    raise ValueError(
        f"{name}: expected a name from the zoo (see samplevis models), a .keras, .h5 or frozen .pb file, or the folder of a "
        f"SavedModel.{did_you_mean(model, MODELS)} Received: {model!r}"
    )


def check_label(model: str, objective: str, weights: str | None = None, labels: str | None = None) -> None:
    """Raises ValueError, before TensorFlow is loaded, for a label that a model of the zoo does not have.

    Args:
      model: as in the zoo.
      objective: as the user typed it; only a single layer:label is looked up.
      weights: path of the weights, beside which the labels may be.
      labels: the user's own file of labels, which is looked into when the network is loaded. Defaults to none.
    """
    from samplevis.modelzoo.imagenet import local_labels
    from samplevis.modelzoo.registry import MODELS
    from samplevis.modelzoo.shapes.labels import JUDGE_LABELS, LABELS
    from samplevis.network.labels import find_label

    name = next((name for name in MODELS if name.lower() == model.lower()), None)
    label = objective.rpartition(":")[2]
    # Lucid's GoogLeNets have labels of their own.
    if labels is not None or name is None or name.startswith("InceptionV1") or not is_label(objective):
        return
    own = {"Shapes": LABELS, "ShapesJudge": JUDGE_LABELS}
    labels = own[name] if name in own else local_labels(weights)
    if labels is not None:
        find_label(labels, label)


def is_label(objective: str) -> bool:
    """Whether the unit has a name for readers: logits:goldfish, but not fire9:10 or a sum."""
    return bool(re.fullmatch(r"\s*[^-+*:]+:[^:]*[^\W\d][^:]*", objective))


def load_network(options: argparse.Namespace) -> Network:
    """The network of a command's model arguments."""
    check_model(options.model)
    load_tensorflow()
    from samplevis import modelzoo

    declared = {
        "value_range": tuple(options.value_range) if options.value_range else None,
        "bgr": options.bgr or None,
        "mean": _one_or_all(options.mean),
        "std": _one_or_all(options.std),
        "labels": read_labels(options),
    }
    return modelzoo.load(
        options.model, weights=options.weights, **{name: value for name, value in declared.items() if value is not None}
    )


def _one_or_all(numbers: list[float] | None) -> float | list[float] | None:
    """A single number is for all channels."""
    return numbers[0] if numbers and len(numbers) == 1 else numbers


def read_labels(options: argparse.Namespace) -> str | list[str] | None:
    """The names of the classes: for a model of the zoo the file, which it reads itself; for others the lines of the file."""
    from samplevis.modelzoo.registry import MODELS

    path = options.labels
    if path is None or options.model.lower() in {known.lower() for known in MODELS}:
        return path
    if not os.path.isfile(path):
        raise FileNotFoundError(f"labels: there is no file {path}")
    try:
        with open(path, encoding="utf-8") as file:
            labels = [line.strip() for line in file if line.strip()]
    except UnicodeDecodeError as error:
        raise ValueError(f"labels: expected a text file in UTF-8. Received: {path} ({error})") from error
    if not labels:
        raise ValueError(f"labels: expected names, one on each line. Received: none in {path}")
    return labels


def make_prior(name: str, network: Network, size: int | None) -> Parameterization:
    """A parameterization for a network.

    Args:
      name: one of `PriorName`, or a file of `samplevis fit-prior`, whose images have their own size.
      network: the network, whose channels and dimensions it gets.
      size: side in pixels. Defaults to that of the network.

    Returns:
      The parameterization.

    Raises:
      ValueError: if there is none of that name, or none for signals or volumes, which the network takes.
    """
    from samplevis import param
    from samplevis.activation import sized_param

    check_prior(name)
    if is_prior_file(name):
        return param.flow(name)
    make = getattr(param, name)
    if "dimensions" in inspect.signature(make).parameters:
        return sized_param(network, size, None, make, "size")
    if network.dimensions != 2:
        raise ValueError(f"prior: {name!r} makes images of 2 dimensions, and the network takes {network.dimensions}")
    return sized_param(network, size, None, lambda size, channels, dimensions: make(size, channels=channels), "size")


def load_samples(run: str) -> Samples:
    """The samples of a file, or of the folder of a run."""
    load_tensorflow()
    from samplevis.results.samples import Samples

    return Samples.load(os.path.join(run, "samples.npz") if os.path.isdir(run) else run)
