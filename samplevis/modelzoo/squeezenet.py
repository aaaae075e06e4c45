"""SqueezeNet v1.0 with its 660 KB of compressed ImageNet weights."""

from __future__ import annotations

import os
from pathlib import Path

import keras
import numpy as np

from samplevis.modelzoo.fetch import fetch
from samplevis.modelzoo.imagenet import CLASSES, imagenet_labels
from samplevis.network import Network

WEIGHTS_URL = "https://raw.githubusercontent.com/songhan/SqueezeNet-Deep-Compression/master/compressed_SqueezeNet.net"
WEIGHTS_SHA256 = "e4ab6960ae8cd81505e1c2136921201507e930966c53deaf15862a395b3a3261"

#: Squeeze, 1x1 expansion and 3x3 expansion channels of fire2 ... fire9.
FIRES = (
    (16, 64, 64),
    (16, 64, 64),
    (32, 128, 128),
    (32, 128, 128),
    (48, 192, 192),
    (48, 192, 192),
    (64, 256, 256),
    (64, 256, 256),
)
POOL_AFTER = ("conv1", "fire4", "fire8")


def SqueezeNet(  # noqa: N802 - Lucid's and Keras's models are named like classes.
    weights: str | os.PathLike | None = "imagenet", *, labels: str | os.PathLike | None = None
) -> Network:
    """SqueezeNet v1.0 (Iandola et al., 2016, arXiv:1602.07360), a small ImageNet classifier for images of any size.

    Its layers are `conv1`, `fire2` ... `fire9` (the concatenations), `conv10` (class maps) and `logits` (their mean
    over positions, before softmax). The first three kinds are rectified; their values before that are
    `conv1_pre_relu`, `fire2_pre_relu` ... `conv10_pre_relu`. Images need at least 21 pixels a side; use 128 or more.

    The weights are those of Han et al., Deep Compression (2016, arXiv:1510.00149).

    Args:
      weights: `"imagenet"` (the default) fetches the compressed file once into Keras's cache; a path reads that file;
        None means random weights.
      labels: path of a text file with 1,000 lines, a class on each, synonyms separated by commas. Defaults to an
        `imagenet_labels.txt` beside the weights file or in the folder above, else Keras's list, fetched.

    Returns:
      A Network for RGB images [batch, height, width, 3] in [0, 1].

    Raises:
      OSError: if a file is missing or cannot be fetched.
      ValueError: if the weights file is not the expected one.

    Example:
      >>> network = modelzoo.SqueezeNet(weights=None)
      >>> network.layers["logits"], network.layer_shape("fire9", (128, 128))
      ((1000,), (7, 7, 512))
    """
    path = None if weights is None else fetch_weights() if weights == "imagenet" else Path(weights)
    model = architecture()
    if path is not None:
        for name, kernel, bias in decode(path):
            model.get_layer(name).set_weights([kernel, bias])
    return Network(
        model,
        value_range=(0.0, 255.0),
        bgr=True,
        mean=(104.0, 117.0, 123.0),
        labels=imagenet_labels(labels, path),
        name="SqueezeNet",
    )


def architecture() -> keras.Model:
    """SqueezeNet v1.0 without weights, as a functional model of [batch, height, width, 3] to logits [batch, 1000]."""
    layers = keras.layers
    image = keras.Input((None, None, 3), name="image")
    x = _pool(_relu("conv1", layers.Conv2D(96, 7, strides=2, name="conv1_pre_relu")(image)))
    for number, (squeeze, narrow, wide) in enumerate(FIRES, start=2):
        name = f"fire{number}"
        x = layers.Conv2D(squeeze, 1, activation="relu", name=f"{name}_squeeze1x1")(x)
        expanded = [
            layers.Conv2D(narrow, 1, name=f"{name}_expand1x1")(x),
            layers.Conv2D(wide, 3, padding="same", name=f"{name}_expand3x3")(x),
        ]
        x = _relu(name, layers.Concatenate(name=f"{name}_pre_relu")(expanded))
        x = _pool(x) if name in POOL_AFTER else x
    # Dropout stood here in training.
    x = _relu("conv10", layers.Conv2D(CLASSES, 1, name="conv10_pre_relu")(x))
    return keras.Model(image, layers.GlobalAveragePooling2D(name="logits")(x), name="SqueezeNet")


def _relu(name: str, x: keras.KerasTensor) -> keras.KerasTensor:
    return keras.layers.ReLU(name=name)(x)


def _pool(x: keras.KerasTensor) -> keras.KerasTensor:
    # Caffe rounds the pooled size up. A row and a column of zeros at the end do the same to rectified values at any size.
    name = x._keras_history.operation.name
    x = keras.layers.ZeroPadding2D(((0, 1), (0, 1)), name=f"{name}_pad")(x)
    return keras.layers.MaxPooling2D(3, strides=2, name=f"{name}_pool")(x)


def convolutions() -> list[tuple[str, tuple[int, int, int, int]]]:
    """Every convolution in the file's order: its layer's name and its kernel's shape (out, in, height, width)."""
    found = [("conv1_pre_relu", (96, 3, 7, 7))]
    channels = 96
    for number, (squeeze, narrow, wide) in enumerate(FIRES, start=2):
        found += [
            (f"fire{number}_squeeze1x1", (squeeze, channels, 1, 1)),
            (f"fire{number}_expand1x1", (narrow, squeeze, 1, 1)),
            (f"fire{number}_expand3x3", (wide, squeeze, 3, 3)),
        ]
        channels = narrow + wide
    return [*found, ("conv10_pre_relu", (CLASSES, channels, 1, 1))]


def decode(path: Path) -> list[tuple[str, np.ndarray, np.ndarray]]:
    """Reads the compressed weights file.

    Little-endian: 26 uint32 counts of stored weights; then for each convolution a codebook of 256 float32, the float32
    biases, `count` uint8 codebook indices, and `count` 4-bit gaps between positions in the flattened (out, in, height,
    width) kernel, low nibble first. A weight that is not stored is codebook entry 0, which is zero.

    Args:
      path: the file.

    Returns:
      For each convolution: layer name, kernel [height, width, in, out], bias [out].

    Raises:
      OSError: if the file cannot be read.
      ValueError: if it is not in this format.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise OSError(
            f"weights: cannot read {str(path)!r} ({error.strerror}). Expected compressed_SqueezeNet.net from {WEIGHTS_URL}, "
            "or weights='imagenet' to fetch it."
        ) from error
    table = convolutions()
    header = 4 * len(table)
    if len(data) < header:
        raise _altered(path, f"expected a header of {header} bytes, found {len(data)} bytes in all")
    counts = np.frombuffer(data, "<u4", len(table)).astype(np.int64)
    for count, (name, shape) in zip(counts, table, strict=True):
        if count > np.prod(shape):
            raise _altered(path, f"{name} says it stores {count} weights, but has only {np.prod(shape)}")
    size = header + sum(_block_size(count, shape) for count, (_, shape) in zip(counts, table, strict=True))
    if len(data) != size:
        raise _altered(path, f"its header asks for {size} bytes, found {len(data)}")
    blocks, start = [], header
    for count, (name, shape) in zip(counts, table, strict=True):
        stop = start + _block_size(count, shape)
        blocks.append((name, *_decode_block(path, name, data[start:stop], int(count), shape)))
        start = stop
    return blocks


def _block_size(count: int, shape: tuple[int, ...]) -> int:
    return int(4 * 256 + 4 * shape[0] + count + (count + 1) // 2)


def _decode_block(
    path: Path, name: str, data: bytes, count: int, shape: tuple[int, int, int, int]
) -> tuple[np.ndarray, np.ndarray]:
    codebook = np.frombuffer(data, "<f4", 256)
    bias = np.frombuffer(data, "<f4", shape[0], offset=1024)
    indices = np.frombuffer(data, np.uint8, count, offset=1024 + 4 * shape[0])
    packed = np.frombuffer(data, np.uint8, offset=1024 + 4 * shape[0] + count)
    if not (np.isfinite(codebook).all() and np.isfinite(bias).all()):
        raise _altered(path, f"{name} has weights that are not finite")
    if codebook[0] != 0:
        raise _altered(path, f"{name}: expected 0 as first entry of the codebook, found {codebook[0]:g}")
    gaps = np.stack([packed & 15, packed >> 4], axis=1).reshape(-1)[:count].astype(np.int64)
    positions = np.cumsum(gaps + 1) - 1
    if count and positions[-1] >= np.prod(shape):
        raise _altered(path, f"{name}: position {positions[-1]} is outside its {np.prod(shape)} weights")
    kernel = np.zeros(int(np.prod(shape)), np.float32)
    kernel[positions] = codebook[indices]
    return kernel.reshape(shape).transpose(2, 3, 1, 0), bias


def _altered(path: Path, found: str) -> ValueError:
    return ValueError(f"weights: {str(path)!r} is not compressed_SqueezeNet.net as published: {found}.")


def fetch_weights() -> Path:
    """Fetches the weights file into Keras's cache, once, and checks it; OSError says what to do without a network."""
    return fetch(
        "compressed_SqueezeNet.net", WEIGHTS_URL, WEIGHTS_SHA256, "give its path: SqueezeNet(weights=PATH)", "weights"
    )
