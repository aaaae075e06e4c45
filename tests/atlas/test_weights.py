"""The strongest weights of units: against a kernel set by hand, through the store and on the page."""

from __future__ import annotations

import json
import re
from pathlib import Path

import keras
import numpy as np
import pytest

pytest.importorskip("pyarrow", reason="ATLAS NOT TESTED: pip install samplevis[atlas]")

from samplevis import Network, atlas  # noqa: E402
from samplevis.atlas.weights import signed_norms, strongest_weights  # noqa: E402

SETTINGS = {"methods": ["optimize"], "size": 8}


def two_layers() -> Network:
    """b reads three channels of a with a kernel of 2 x 1 positions that is set by hand."""
    image = keras.Input((8, 8, 3))
    a = keras.layers.Conv2D(3, 1, activation="relu", name="a")(image)
    b = keras.layers.Conv2D(2, (2, 1), use_bias=False, name="b")(a)
    model = keras.Model(image, keras.layers.ReLU(name="c")(keras.layers.Conv2D(2, 1, name="d")(b)))
    kernel = np.zeros((2, 1, 3, 2), np.float32)
    # Channel 0 excites b:0 with norm 5, channel 1 inhibits it with 10, channel 2 not at all; b:1 reads a checkerboard.
    kernel[:, 0, 0, 0], kernel[:, 0, 1, 0], kernel[:, 0, 2, 1] = (3, 4), (-8, 6), (-1, 1)
    model.get_layer("b").kernel.assign(kernel)
    return Network(model, value_range=(0, 1), name="two")


def test_norms_with_signs():
    weights = signed_norms(two_layers(), ["a", "b"])
    np.testing.assert_allclose(weights["a", "b"], [[5, 0], [-10, 0], [0, np.sqrt(2)]], rtol=1e-6)
    found = strongest_weights(two_layers(), ["a", "b"], count=1)
    assert found["b:0"] == ([("a:1", pytest.approx(-10))], []) and found["a:0"] == ([], [("b:0", pytest.approx(5))])
    assert found["b:1"][0] == [("a:2", pytest.approx(np.sqrt(2)))]


def test_the_store_and_the_page_have_them(tmp_path, no_compute):
    network = two_layers()
    found = atlas.build(network, tmp_path, ["a", "b:0"], settings=SETTINGS, progress=False)
    assert [key for key, _ in found.strongest("b:0")] == ["a:1", "a:0"] and found.strongest("b:0", "outputs") == []
    assert found.strongest("a:2", "outputs") == [("b:1", pytest.approx(np.sqrt(2)))], "a channel that the atlas has not"
    files = sorted(path.name for path in tmp_path.glob("weights/*"))
    atlas.build(network, tmp_path, ["a"], settings=SETTINGS, progress=False)
    assert sorted(path.name for path in tmp_path.glob("weights/*")) == files, "the same layers are not done again"
    # With c, that which reads b is known, too.
    found = atlas.build(network, tmp_path, ["c"], settings=SETTINGS, progress=False)
    assert {key for key, _ in found.strongest("b:0", "outputs")} == {"c:0", "c:1"}
    assert [key for key, _ in found.strongest("b:0")] == ["a:1", "a:0"]
    page = Path(atlas.publish(tmp_path)).parent
    index = json.loads(re.fullmatch(r"atlas\.index\((.*)\);\n", (page / "data/index.js").read_text())[1])
    (number,) = [layer["id"] for layer in index["models"][0]["layers"] if layer["name"] == "b"]
    layer = json.loads(re.fullmatch(r"atlas\.layer\((.*)\);\n", (page / f"data/layer-{number}.js").read_text())[1])
    assert layer["linked"] == ["a", "c"]
    assert layer["units"][0]["weights"][0] == [[0, 1, -10.0], [0, 0, 5.0]]
    with pytest.raises(ValueError, match="end: "):
        found.strongest("b:0", "sideways")
    with pytest.raises(KeyError, match="no such unit"):
        found.strongest("b:7")


def test_networks_without_adjacent_layers_have_none(tmp_path, no_compute):
    found = atlas.build(two_layers(), tmp_path, ["a", "c"], settings=SETTINGS, progress=False)
    assert found.strongest("a:0") == [] and not list(tmp_path.glob("weights/*"))
