"""Files that hold no network to explore: what they are, and what to do instead."""

from __future__ import annotations

import keras
import pytest
import tensorflow as tf

from samplevis import Network, modelzoo
from samplevis.modelzoo.files import OTHERS


@pytest.mark.parametrize("ending", OTHERS)
@pytest.mark.parametrize("there", [True, False])
def test_the_name_says_what_it_is_and_what_to_do(ending: str, there: bool, tmp_path):
    path = tmp_path / f"my.model{ending.upper()}"
    if there:
        path.write_bytes(b"anything")
    with pytest.raises(ValueError) as caught:
        modelzoo.load(path)
    message = str(caught.value)
    assert message.startswith(f"model: {path} ") and "PATH" not in message
    assert "holds weights" in message or "convert" in message.lower() or "graph" in message


def test_a_graph_as_text_is_told_from_a_binary_one(tmp_path):
    graph = tf.Graph()
    with graph.as_default():
        images = tf.compat.v1.placeholder(tf.float32, (None, 8, 8, 3), name="images")
        tf.identity(2 * images, name="twice")
    for name, as_text in (("text.pb", True), ("binary.pb", False)):
        tf.io.write_graph(graph.as_graph_def(), str(tmp_path), name, as_text=as_text)
    with pytest.raises(ValueError, match="is a graph as text.*as_text=False"):
        modelzoo.load(tmp_path / "text.pb")
    assert isinstance(modelzoo.load(tmp_path / "binary.pb", value_range=(0, 1)), Network)


@pytest.mark.parametrize("ending", [".keras", ".h5"])
def test_code_in_a_file_is_not_run_and_the_advice_works(ending: str, tmp_path):
    path = tmp_path / f"code{ending}"
    layers = [keras.Input((8, 8, 3)), keras.layers.Lambda(lambda x: 2 * x), keras.layers.Conv2D(2, 3, name="unit")]
    keras.Sequential(layers).save(path)
    with pytest.raises(ValueError, match="contains Python code") as caught:
        modelzoo.load(path, value_range=(0, 1))
    advice = str(caught.value).partition("pass ")[2].removesuffix(".")
    network = eval(advice, {"keras": keras, "samplevis": __import__("samplevis")})
    assert "unit" in network.layers
