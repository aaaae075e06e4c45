"""Lucid's own network: the GoogLeNet of 2014, a frozen TensorFlow graph."""

from __future__ import annotations

import os
from pathlib import Path

from samplevis.modelzoo.fetch import fetch
from samplevis.modelzoo.files import load_file
from samplevis.network import Network

ARCHIVE = "inception5h.zip"
URL = f"https://storage.googleapis.com/download.tensorflow.org/models/{ARCHIVE}"
# As published in TensorFlow 1's WORKSPACE.
SHA256 = "d13569f6a98159de37e92e9c8ec4dae8f674fbf475f69fe6199b514f756d4364"
GRAPH, LABELS = "tensorflow_inception_graph.pb", "imagenet_comp_graph_label_strings.txt"


def InceptionV1(  # noqa: N802 - Lucid's name.
    weights: str | os.PathLike = "imagenet", *, labels: str | os.PathLike | None = None
) -> Network:
    """GoogLeNet (Szegedy et al., 2014, arXiv:1409.4842) as Google published it in 2015 and Lucid used it.

    Layers have the names of the graph: `conv2d0`, `mixed3a` ... `mixed5b`, `head0_bottleneck`, `softmax2`. There are 1,008
    outputs; the 1,000 classes begin at number 1.

    Args:
      weights: "imagenet" (the default) fetches `inception5h.zip` once into Keras's cache; a path reads a graph `.pb`.
        The graph contains the weights, so None is refused.
      labels: path of a text file, a class on each line, the first for number 0. Defaults to the file
        `imagenet_comp_graph_label_strings.txt` beside the graph, if there is one.

    Returns:
      A Network for RGB images [batch, height, width, 3] in [0, 1].

    Raises:
      OSError: if a file is missing or cannot be fetched.
      ValueError: if it is not a frozen graph.

    Source: lucid/modelzoo/other_models/InceptionV1.py, for the value range.

    Example:
      >>> network = modelzoo.InceptionV1()
      >>> result = samplevis.optimize(network, "mixed4a_pre_relu:476")
    """
    if weights is None:
        raise ValueError("weights: the graph of InceptionV1 holds its weights. Expected 'imagenet' or a path.")
    path = fetch_graph() if weights == "imagenet" else Path(weights)
    if labels is None and (path.parent / LABELS).is_file():
        labels = path.parent / LABELS
    names = None if labels is None else lambda: Path(labels).read_text(encoding="utf-8").splitlines()
    size = (None, None, 3)
    return load_file(
        path, value_range=(-117.0, 138.0), labels=names, image_shape=size, input="input", name="InceptionV1"
    )


def fetch_graph() -> Path:
    """Fetches Google's graph into Keras's cache, once, and checks it; OSError says what to do without a network."""
    instead = "give the path of the graph in it: InceptionV1(weights=PATH)"
    return fetch(ARCHIVE, URL, SHA256, instead, "weights", extract=True) / GRAPH
