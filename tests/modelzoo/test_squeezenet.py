"""SqueezeNet: the compressed file, the architecture, and errors for files that are not it."""

from __future__ import annotations

import numpy as np
import pytest

import samplevis
from samplevis import modelzoo, objectives
from samplevis.modelzoo import squeezenet as module


def test_layers_and_sizes():
    network = modelzoo.SqueezeNet(weights=None)
    assert sum(np.prod(w.shape) for w in network.model.weights) == 1_248_424
    expected = {"conv1": 96, "fire2": 128, "fire3": 128, "fire4": 256, "fire5": 256, "fire6": 384, "fire7": 384}
    expected |= {"fire8": 512, "fire9": 512, "conv10": 1000, "logits": 1000}
    assert {name: network.layers[name][-1] for name in expected} == expected
    # 227 pixels: the sizes of the published Caffe network.
    sizes = {name: network.layer_shape(name, (227, 227))[0] for name in ("conv1", "fire2", "fire5", "fire9")}
    assert sizes == {"conv1": 111, "fire2": 55, "fire5": 27, "fire9": 13}


def test_rectified_layers_have_their_pre_activation(squeezenet):
    images = np.random.default_rng(0).uniform(size=(1, 64, 64, 3)).astype(np.float32)
    for layer in ("conv1", "fire5", "conv10"):
        found = squeezenet.activations(images, (layer, f"{layer}_pre_relu"))
        np.testing.assert_array_equal(found[layer], np.maximum(found[f"{layer}_pre_relu"], 0))
        assert np.min(found[f"{layer}_pre_relu"]) < 0
    found = squeezenet.activations(images, ("conv10", "logits"))
    np.testing.assert_allclose(found["logits"], np.mean(found["conv10"], (1, 2)), rtol=1e-5)


def test_labels(squeezenet):
    assert len(squeezenet.labels) == 1000
    assert squeezenet.class_index("goldfish") == 1 and squeezenet.class_index("Egyptian cat") == 285
    with pytest.raises(ValueError, match="goldfish"):
        objectives.class_logit("logits", "goldfishh").resolve(squeezenet, (64, 64))


@pytest.mark.parametrize("change", ["short", "long", "noise", "counts", "empty"])
def test_a_wrong_file_is_refused(squeezenet_folder, tmp_path, change):
    content = bytearray((squeezenet_folder / "compressed_SqueezeNet.net").read_bytes())
    if change == "short":
        content = content[:-100]
    elif change == "long":
        content += b"\0" * 7
    elif change == "noise":
        content = np.random.default_rng(0).bytes(len(content))
    elif change == "counts":
        content[0] ^= 255
    else:
        content = b""
    path = tmp_path / "weights.net"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="weights"):
        modelzoo.SqueezeNet(path)


def test_a_missing_file_and_no_network(tmp_path, monkeypatch):
    with pytest.raises(OSError, match="nowhere"):
        modelzoo.SqueezeNet(tmp_path / "nowhere.net")

    def offline(*_, **__):
        raise OSError("no route to host")

    monkeypatch.setattr(module.keras.utils, "get_file", offline)
    with pytest.raises(OSError) as error:
        modelzoo.SqueezeNet("imagenet")
    assert "weights" in str(error.value) and "compressed_SqueezeNet.net" in str(error.value)


@pytest.mark.long
def test_the_level_is_reached_on_a_real_unit(squeezenet):
    samples = samplevis.render(squeezenet, "logits:1", im_size=96, progress=False)
    figures = samples.summary().figures
    print(samples.summary())
    assert abs(figures["level_fresh"] - 0.7) < 0.08 and abs(figures["level_fresh_worst"] - 0.7) < 0.15
