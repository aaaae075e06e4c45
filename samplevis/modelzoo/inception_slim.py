"""GoogLeNet with batch normalisation, as TF-slim defined it, and its checkpoint."""

from __future__ import annotations

import os
from pathlib import Path

import keras

from samplevis.modelzoo.checkpoints import assign, read_tf_checkpoint
from samplevis.modelzoo.fetch import fetch
from samplevis.modelzoo.imagenet import imagenet_labels
from samplevis.network import Network

ARCHIVE = "inception_v1_2016_08_28.tar.gz"
URL = f"http://download.tensorflow.org/models/{ARCHIVE}"
# As published in Open Model Zoo, models/public/googlenet-v1-tf/model.yml.
SHA256 = "7a620c430fcaba8f8f716241f5148c4c47c035cce4e49ef02cfbe6cd1adf96a6"
CHECKPOINT = "inception_v1.ckpt"
CLASSES = 1001

#: Channels of each Inception block: 1x1; squeezed and 3x3; squeezed and second 3x3; after pooling.
BLOCKS = {
    "Mixed_3b": (64, (96, 128), (16, 32), 32),
    "Mixed_3c": (128, (128, 192), (32, 96), 64),
    "Mixed_4b": (192, (96, 208), (16, 48), 64),
    "Mixed_4c": (160, (112, 224), (24, 64), 64),
    "Mixed_4d": (128, (128, 256), (24, 64), 64),
    "Mixed_4e": (112, (144, 288), (32, 64), 64),
    "Mixed_4f": (256, (160, 320), (32, 128), 128),
    "Mixed_5b": (256, (160, 320), (32, 128), 128),
    "Mixed_5c": (384, (192, 384), (48, 128), 128),
}
POOL_BEFORE = {"Mixed_3b": ("MaxPool_3a_3x3", 3), "Mixed_4b": ("MaxPool_4a_3x3", 3), "Mixed_5b": ("MaxPool_5a_2x2", 2)}


def InceptionV1_slim(  # noqa: N802 - Lucid's name.
    weights: str | os.PathLike | None = "imagenet", *, labels: str | os.PathLike | None = None
) -> Network:
    """GoogLeNet (Szegedy et al., 2014, arXiv:1409.4842) with batch normalisation as in TF-slim, for images of any size.

    Layers have their names in TF-slim's graph, `InceptionV1/InceptionV1/Mixed_5b/concat`, or those of TF-slim's end points,
    `Conv2d_1a_7x7`, `Mixed_5b` ... `Logits`, `Predictions`. There are 1,001 classes: the first is the background.

    Args:
      weights: "imagenet" (the default) fetches TF-slim's archive of 2016 once into Keras's cache; a path reads a
        TensorFlow checkpoint with TF-slim's names; None means random weights.
      labels: path of a text file with 1,000 lines, a class on each, without the background. Defaults to an
        `imagenet_labels.txt` beside the checkpoint or in the folder above, else Keras's list, fetched.

    Returns:
      A Network for RGB images [batch, height, width, 3] in [0, 1].

    Raises:
      OSError: if a file is missing or cannot be fetched.
      ValueError: if the checkpoint is not of this network.

    Example:
      >>> network = modelzoo.InceptionV1_slim(weights=None)
      >>> network.layer_shape("InceptionV1/InceptionV1/Mixed_5b/concat", (224, 224))
      (7, 7, 832)
    """
    model = architecture()
    path = fetch_checkpoint() if weights == "imagenet" else weights
    if path is not None:
        variables = checkpoint_names(model)
        assign(variables, read_tf_checkpoint(path, variables), path)
    return Network(
        model,
        value_range=(-1.0, 1.0),
        labels=imagenet_labels(labels, weights, background=True),
        name="InceptionV1_slim",
        aliases=graph_names(model),
    )


def architecture() -> keras.Model:
    """The network without weights, as a functional model of [batch, height, width, 3] to probabilities [batch, 1001].

    Its layers have the names of TF-slim's end points and scopes, with a dot for each slash.
    """
    image = x = keras.Input((None, None, 3), name="image")
    x = _unit(x, 64, 7, "Conv2d_1a_7x7", strides=2)
    x = _pool(x, 3, 2, "MaxPool_2a_3x3")
    x = _unit(x, 64, 1, "Conv2d_2b_1x1")
    x = _unit(x, 192, 3, "Conv2d_2c_3x3")
    for block, channels in BLOCKS.items():
        if block in POOL_BEFORE:
            name, size = POOL_BEFORE[block]
            x = _pool(x, size, 2, name)
        x = _block(x, block, *channels)
    # At 224 pixels this is TF-slim's mean over 7 x 7 positions. Dropout stood behind it in training.
    x = keras.layers.GlobalAveragePooling2D(keepdims=True, name="Logits.AvgPool_0a_7x7")(x)
    x = keras.layers.Conv2D(CLASSES, 1, name="Logits.Conv2d_0c_1x1")(x)
    x = keras.layers.Reshape((CLASSES,), name="Logits")(x)
    return keras.Model(image, keras.layers.Softmax(name="Predictions")(x), name="InceptionV1_slim")


def checkpoint_names(model: keras.Model) -> dict[str, keras.Variable]:
    """The model's variables by their names in the checkpoint."""
    found = {}
    for layer in model.layers:
        scope = f"InceptionV1/{layer.name.replace('.', '/')}"
        if isinstance(layer, keras.layers.BatchNormalization):
            found |= {f"{scope}/{name}": getattr(layer, name) for name in ("beta", "moving_mean", "moving_variance")}
        elif isinstance(layer, keras.layers.Conv2D):
            scope = scope.removesuffix("/Conv2D")
            found[f"{scope}/weights"] = layer.kernel
            found |= {f"{scope}/biases": layer.bias} if layer.use_bias else {}
    return found


def graph_names(model: keras.Model) -> dict[str, str]:
    """The model's layers by the names of their tensors in TF-slim's graph: alias -> layer."""
    found = {
        "InceptionV1/Logits/AvgPool_0a_7x7/AvgPool": "Logits.AvgPool_0a_7x7",
        "InceptionV1/Logits/Conv2d_0c_1x1/BiasAdd": "Logits.Conv2d_0c_1x1",
        "InceptionV1/Logits/SpatialSqueeze": "Logits",
        "InceptionV1/Logits/Predictions/Softmax": "Predictions",
    }
    tensors = {keras.layers.ReLU: "Relu", keras.layers.MaxPooling2D: "MaxPool", keras.layers.Concatenate: "concat"}
    for layer in model.layers:
        if tensor := tensors.get(type(layer)):
            found[f"InceptionV1/InceptionV1/{layer.name.replace('.', '/')}/{tensor}"] = layer.name
    return found


def fetch_checkpoint() -> Path:
    """Fetches TF-slim's checkpoint into Keras's cache, once, and checks it; OSError says what to do without a network."""
    instead = "give the path of the checkpoint in it: InceptionV1_slim(weights=PATH)"
    return fetch(ARCHIVE, URL, SHA256, instead, "weights", extract=True) / CHECKPOINT


def _unit(x: keras.KerasTensor, filters: int, size: int, name: str, strides: int = 1) -> keras.KerasTensor:
    x = keras.layers.Conv2D(filters, size, strides, "same", use_bias=False, name=f"{name}.Conv2D")(x)
    x = keras.layers.BatchNormalization(epsilon=1e-3, scale=False, name=f"{name}.BatchNorm")(x)
    return keras.layers.ReLU(name=name)(x)


def _pool(x: keras.KerasTensor, size: int, strides: int, name: str) -> keras.KerasTensor:
    return keras.layers.MaxPooling2D(size, strides, "same", name=name)(x)


def _block(
    x: keras.KerasTensor, name: str, plain: int, narrow: tuple[int, int], wide: tuple[int, int], pooled: int
) -> keras.KerasTensor:
    # A slip in TF-slim, which its checkpoint carries on.
    second = "0a" if name == "Mixed_5b" else "0b"
    squeezed = [
        _unit(x, channels[0], 1, f"{name}.Branch_{i}.Conv2d_0a_1x1") for i, channels in ((1, narrow), (2, wide))
    ]
    branches = [
        _unit(x, plain, 1, f"{name}.Branch_0.Conv2d_0a_1x1"),
        _unit(squeezed[0], narrow[1], 3, f"{name}.Branch_1.Conv2d_0b_3x3"),
        _unit(squeezed[1], wide[1], 3, f"{name}.Branch_2.Conv2d_{second}_3x3"),
        _unit(_pool(x, 3, 1, f"{name}.Branch_3.MaxPool_0a_3x3"), pooled, 1, f"{name}.Branch_3.Conv2d_0b_1x1"),
    ]
    return keras.layers.Concatenate(name=name)(branches)
