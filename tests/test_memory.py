"""Out of memory: which sizes to lower, and to what, wherever TensorFlow says so."""

from __future__ import annotations

import sys

import keras
import pytest
import tensorflow as tf

import samplevis
from samplevis import Network, memory

QUICK = dict(transforms=None, smooth=None, progress=False)
OPTIONS = dict(num_chains=6, num_transforms=5)


def full(*arguments, **named):
    raise tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor with shape[6,128]\n in a long trace")


@pytest.mark.parametrize("stage", ["ascend", "measure_scale", "sample"])
def test_render(tiny_network, monkeypatch, stage):
    monkeypatch.setattr(sys.modules["samplevis.render"], stage, full)
    with pytest.raises(MemoryError) as caught:
        samplevis.render(tiny_network, "conv2:1", OPTIONS, im_size=(16, 20), optimize_steps=1, **QUICK)
    assert str(caught.value) == (
        "out of memory: lower num_chains from 6 to 3, or num_transforms from 5 to 2, or the images' size from (16, 20) to (8, 10). "
        "TensorFlow says: OOM when allocating tensor with shape[6,128]"
    )
    assert isinstance(caught.value.__cause__, tf.errors.ResourceExhaustedError)


def test_optimize(tiny_network, monkeypatch):
    monkeypatch.setattr(sys.modules["samplevis.optimize"], "ascend", full)
    with pytest.raises(MemoryError, match="lower batch from 8 to 4, or the images' size from 128 to 64. TensorFlow"):
        samplevis.optimize(tiny_network, "conv2:1", batch=8, progress=False)
    with pytest.raises(MemoryError, match="lower the images' size from 128 to 64. TensorFlow"):
        samplevis.optimize(tiny_network, "conv2:1", progress=False)


def test_surprisal(tiny_network, monkeypatch):
    monkeypatch.setattr(sys.modules["samplevis.surprisal"], "_scout", full)
    with pytest.raises(
        MemoryError, match="lower population from 64 to 32, or num_transforms from 8 to 4, or the images'"
    ):
        samplevis.surprisal(tiny_network, "conv2:1", im_size=16, **QUICK)


def test_what_cannot_be_lowered_is_left_out():
    fixed = Network(keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Conv2D(2, 3, name="conv")]))
    assert memory.sides(fixed, (8, 8, 3)) == {}
    with pytest.raises(MemoryError, match="everything is at its least; take a smaller network"):
        with memory.told({"batch": 1, "size": (4, 64)}):
            full()


def test_other_errors_pass():
    with pytest.raises(tf.errors.InvalidArgumentError):
        with memory.told({"batch": 8}):
            tf.reshape(tf.zeros(3), (2, 2))


def test_the_command_tells_it_on_one_line(tmp_path, monkeypatch, capsys):
    from samplevis import cli

    monkeypatch.setattr(sys.modules["samplevis.render"], "ascend", full)
    assert cli.main(["demo", "--out", str(tmp_path), "--quiet", "--chains", "2", "--transforms", "2"]) == 1
    told = capsys.readouterr().err.strip().splitlines()
    assert len(told) == 1 and told[0].startswith("samplevis: out of memory: lower num_chains from 2 to 1, or ")
