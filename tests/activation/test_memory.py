"""Out of memory: which sizes to lower, and to what, wherever TensorFlow says so."""

from __future__ import annotations

import functools
import importlib
import math
import os

import keras
import pytest
import tensorflow as tf

import samplevis
from samplevis import Network
from samplevis.activation import make_activation
from samplevis.activation.memory import image_sizes
from samplevis.runtime import memory
from samplevis.runtime.seeds import root
from samplevis.sampling.level_scale import LevelScale
from samplevis.sampling.options import HMCOptions

QUICK = dict(transforms=None, smooth=None, progress=False)
OPTIONS = dict(num_chains=6, num_transforms=5)


def full(*arguments, **named):
    raise tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor with shape[6,128]\n in a long trace")


@pytest.mark.parametrize("stage", ["ascend", "measure_scale", "sample"])
def test_render(tiny_network, monkeypatch, stage):
    monkeypatch.setattr(importlib.import_module("samplevis.runs.batches"), stage, full)
    with pytest.raises(MemoryError) as caught:
        samplevis.render(tiny_network, "conv2:1", OPTIONS, im_size=(16, 20), optimize_steps=1, **QUICK)
    assert str(caught.value) == (
        "out of memory: lower batch_size from 4 to 2, or num_transforms from 5 to 2, or the images' size from (16, 20) to (8, 10). "
        "TensorFlow says: OOM when allocating tensor with shape[6,128]"
    )
    assert isinstance(caught.value.__cause__, tf.errors.ResourceExhaustedError)


def test_optimize(tiny_network, monkeypatch):
    monkeypatch.setattr(importlib.import_module("samplevis.runs.optimization"), "ascend_smoothly", full)
    with pytest.raises(MemoryError, match="lower batch from 8 to 4, or the images' size from 128 to 64. TensorFlow"):
        samplevis.optimize(tiny_network, "conv2:1", batch=8, progress=False)
    with pytest.raises(MemoryError, match="lower the images' size from 128 to 64. TensorFlow"):
        samplevis.optimize(tiny_network, "conv2:1", progress=False)


def test_surprisal(tiny_network, monkeypatch):
    monkeypatch.setattr(importlib.import_module("samplevis.runs.rare_events"), "_scout", full)
    with pytest.raises(
        MemoryError, match="lower population from 64 to 32, or num_transforms from 8 to 4, or the images'"
    ):
        samplevis.surprisal(tiny_network, "conv2:1", im_size=16, **QUICK)


def test_sample(tiny_network, monkeypatch):
    monkeypatch.setattr(importlib.import_module("samplevis.sampling.sampler"), "anneal", full)
    activation = make_activation(tiny_network, "conv2:1", samplevis.param.fourier(16), "robust")
    with pytest.raises(MemoryError) as caught:
        samplevis.sample(
            activation, tf.zeros((6, 16, 16, 3)), LevelScale(0.0, 1.0), HMCOptions(num_transforms=5), seed=root(0)
        )
    # The chains are those that the latents have.
    assert str(caught.value) == (
        "out of memory: lower num_chains from 6 to 3, or num_transforms from 5 to 2, or the images' size from 16 to 8. TensorFlow "
        "says: OOM when allocating tensor with shape[6,128]"
    )


# Of an image of 16 x 16 in colours, and of a draw: state, latents and image.
IMAGE = 4 * 16 * 16 * 3
DRAW = 3 * IMAGE


@pytest.mark.parametrize(
    ("options", "room", "message"),
    [
        # 7 draws of two chains have room, and not an eighth.
        (
            dict(num_results=8, num_chains=2),
            16 * DRAW - 1,
            "'num_results']: expected at most 7 with num_chains=2: the draws",
        ),
        (dict(num_results=8, num_chains=2), 16 * DRAW, None),
        (
            dict(num_results=2, num_chains=9),
            9 * DRAW,
            "'num_results']: expected at most 1 with num_chains=9: the draws have",
        ),
        (
            dict(num_results=1, num_chains=9),
            8 * DRAW,
            "'num_chains']: expected at most 8 with num_results=1: the draws have",
        ),
        (
            dict(num_results=3, num_chains=3),
            DRAW,
            ": the draws of num_results=3 and num_chains=3 take .* Lower each, or",
        ),
        # A transform of the robust set is four numbers.
        (dict(num_transforms=10**6), 16 * 10**6 - 1, "'num_transforms']: expected at most 999999: the transforms have"),
        (dict(num_transforms=10**6), 16 * 10**6, None),
    ],
)
def test_what_can_never_fit_is_refused_before_any_work(tiny_network, tmp_path, monkeypatch, options, room, message):
    def call(**settings):
        options_of_all = dict(num_results=1, num_transforms=1) | options
        samplevis.render(tiny_network, "conv2:1", options_of_all, im_size=16, smooth=None, progress=False, **settings)

    def stopped(*arguments, **named):
        raise KeyboardInterrupt("the work has begun")

    monkeypatch.setattr(importlib.import_module("samplevis.runs.batches"), "ascend", stopped)
    monkeypatch.setattr(memory, "of_machine", lambda: room)
    with pytest.raises(
        ValueError if message else KeyboardInterrupt, match=rf"hmc_opts\W*{message}" if message else "begun"
    ):
        call(checkpoint=tmp_path / "run")
    # Nothing of it is left for the next call to fall over.
    assert (tmp_path / "run").exists() == (message is None)


def test_a_run_without_transforms_has_no_bank_and_one_on_disk_no_draws(tiny_network, tmp_path, monkeypatch):
    def begun(*arguments, **named):
        raise KeyboardInterrupt("the work has begun")

    monkeypatch.setattr(importlib.import_module("samplevis.runs.batches"), "ascend", begun)
    monkeypatch.setattr(memory, "of_machine", lambda: 12 * DRAW)
    call = functools.partial(samplevis.render, tiny_network, "conv2:1", im_size=16, smooth=None, progress=False)
    with pytest.raises(KeyboardInterrupt):
        call(dict(num_results=1, num_transforms=10**12), transforms=None)
    with pytest.raises(ValueError, match="num_results.*have to fit in .* GB.* Or give checkpoint and storage='disk'."):
        call(dict(num_results=100, num_transforms=1))
    with pytest.raises(KeyboardInterrupt):
        call(dict(num_results=100, num_transforms=1), checkpoint=tmp_path / "run", storage="disk")
    # A folder that is not there yet has the room of the one that it comes into.
    with pytest.raises(
        OSError, match=r"checkpoint: 10+ draws of 12 chains take .* GB are free: \d+ fit. Give a folder"
    ):
        call(dict(num_results=10**12, num_transforms=1), checkpoint=tmp_path / "a" / "b", storage="disk")
    assert not (tmp_path / "a").exists()


def test_the_memory_of_the_machine(monkeypatch):
    assert 10**8 < memory.of_machine() < 10**15
    monkeypatch.delattr(os, "sysconf")
    assert memory.of_machine() == math.inf
    memory.check_fits({"num_results": 10**12}, 10**12, "the draws", "hmc_opts")


def test_what_cannot_be_lowered_is_left_out():
    fixed = Network(keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Conv2D(2, 3, name="conv")]))
    assert image_sizes(fixed, (8, 8, 3)) == {}
    with pytest.raises(MemoryError, match="everything is at its least; take a smaller network"):
        with memory.explain_oom({"batch": 1, "size": (4, 64)}):
            full()


def test_other_errors_pass():
    with pytest.raises(tf.errors.InvalidArgumentError):
        with memory.explain_oom({"batch": 8}):
            tf.reshape(tf.zeros(3), (2, 2))


@pytest.mark.slow
def test_the_command_tells_it_on_one_line(tmp_path, monkeypatch, capsys):
    from samplevis import cli

    monkeypatch.setattr(importlib.import_module("samplevis.runs.batches"), "ascend", full)
    assert cli.main(["demo", "--out", str(tmp_path), "--quiet", "--chains", "2", "--transforms", "2"]) == 1
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1 and lines[0].startswith("samplevis: out of memory: lower num_chains from 2 to 1, or ")
