"""samplevis optimize, and what the commands that read a model have in common."""

from __future__ import annotations

import os
import subprocess
import sys

import keras
import numpy as np
import pytest
from PIL import Image

import samplevis
from samplevis import cli, export
from samplevis.cli.command import FIELDS
from samplevis.cli.wording import in_flags

QUICK = ["--chains", "1", "--draws", "2", "--warmup", "1", "--leapfrog-steps", "2", "--transforms", "2"]
QUICK += ["--optimize-steps", "4", "--anneal-steps", "2", "--quiet"]


@pytest.fixture
def model_file(tmp_path, tiny_network):
    path = tmp_path / "tiny.keras"
    tiny_network.model.save(path)
    return str(path)


@pytest.fixture
def bands_file(tmp_path):
    """A model of seven bands."""
    keras.utils.set_random_seed(0)
    layers = [keras.Input((16, 16, 7)), keras.layers.Conv2D(3, 3, activation="tanh", name="unit")]
    path = tmp_path / "bands.keras"
    keras.Sequential(layers).save(path)
    return str(path)


def _run(*arguments: object) -> int:
    return cli.main([str(argument) for argument in arguments])


def test_one_image_is_written_as_it_is_and_several_beside_each_other(model_file, tmp_path, capsys):
    settings = ["--value-range", 0, 1, "--size", 16, "--steps", 3, "--quiet"]
    one, several = tmp_path / "one.jpg", tmp_path / "several.png"
    assert _run("optimize", model_file, "conv2:1", "--out", one, *settings) == 0
    assert Image.open(one).size == (16, 16) and f"wrote {one}" in capsys.readouterr().out
    assert _run("optimize", model_file, "conv2:1", "--images", 4, "--out", several, *settings) == 0
    assert min(Image.open(several).size) > 150
    assert export.load_metadata(several)["Objective"] == "channel(conv2, 1)"


def test_labels_and_std_reach_the_network(model_file, tmp_path, capsys):
    names, out = tmp_path / "names.txt", tmp_path / "a.png"
    names.write_text("red panda\nyak\nzebra\n")
    settings = ["--size", 16, "--steps", 2, "--quiet", "--labels", names, "--mean", 0.4, "--std", 0.2, "--out", out]
    assert _run("optimize", model_file, "logits:yak", *settings) == 0
    assert "class_logit(logits, 'yak')" in capsys.readouterr().out
    assert _run("optimize", model_file, "logits:zebu", *settings) == 2
    assert "Did you mean 'zebra'" in capsys.readouterr().err
    names.write_text("\n")
    assert _run("optimize", model_file, "logits:yak", *settings) == 2
    assert "samplevis: --labels: expected names" in capsys.readouterr().err


def test_a_silent_unit_is_named(tmp_path, capsys):
    layer = keras.layers.Conv2D(2, 3, activation="relu", bias_initializer=keras.initializers.Constant(-99), name="unit")
    keras.Sequential([keras.Input((16, 16, 3)), layer]).save(tmp_path / "dead.keras")
    settings = ["--value-range", 0, 1, "--steps", 4, "--quiet", "--out", tmp_path / "a.png"]
    assert _run("optimize", tmp_path / "dead.keras", "unit:1", *settings) == 0
    assert "samplevis: warning: objective: channel(unit, 1) " in capsys.readouterr().err


def test_a_size_that_does_not_fit_names_its_own_flag(bands_file, tmp_path, capsys):
    for command in (["optimize"], ["render"], ["sweep"]):
        out = ["--out", tmp_path / ("a.png" if command == ["optimize"] else "out")]
        unit = "unit" if command == ["sweep"] else "unit:1"
        assert _run(*command, bands_file, unit, "--value-range", 0, 1, "--size", 100, "--quiet", *out) == 2
        error = capsys.readouterr().err
        assert error.startswith("samplevis: --size: ") and "(16, 16)" in error, error


@pytest.mark.slow
def test_a_model_of_seven_bands_is_rendered_in_false_colours(bands_file, tmp_path, capsys):
    out, settings = tmp_path / "out", ["--value-range", 0, 1, *QUICK]
    assert _run("render", bands_file, "unit:1", "--out", out, *settings) == 0
    printed = capsys.readouterr().out
    assert sorted(os.listdir(out)) == ["report.html", "samples.gif", "samples.npz", "samples.png"] and "Open" in printed
    assert samplevis.Samples.load(out / "samples.npz").images.shape[-1] == 7
    before = (out / "samples.png").read_bytes()
    assert _run("render", bands_file, "unit:1", "--out", out, "--bands", "4,2,1", *settings) == 0
    assert (out / "samples.png").read_bytes() != before
    assert _run("render", bands_file, "unit:1", "--out", tmp_path / "new", "--bands", "4,2,9", *settings) == 2
    assert "samplevis: --bands: expected three bands from 0 to 6" in capsys.readouterr().err
    assert not (tmp_path / "new").exists()


@pytest.mark.slow
def test_another_unit_does_not_replace_samples_unasked(bands_file, tmp_path, capsys):
    out, settings = tmp_path / "out", ["--value-range", 0, 1, *QUICK]
    assert _run("render", bands_file, "unit:1", "--out", out, *settings) == 0
    before = (out / "samples.npz").read_bytes()
    assert _run("render", bands_file, "unit:2", "--out", out, *settings) == 2
    error = capsys.readouterr().err
    assert "--out: " in error and "channel(unit, 1)" in error and "--overwrite" in error
    assert (out / "samples.npz").read_bytes() == before
    assert _run("render", bands_file, "unit:1", "--out", out, *settings) == 0
    assert _run("render", bands_file, "unit:2", "--out", out, "--overwrite", *settings) == 0
    assert samplevis.Samples.load(out / "samples.npz").objective == "channel(unit, 2)"


def test_python_runs_the_package():
    done = subprocess.run([sys.executable, "-m", "samplevis", "--version"], capture_output=True, text=True)
    assert done.returncode == 0 and done.stdout.strip() == f"samplevis {samplevis.__version__}"


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        ("weights: none. Give its path: MobileNetV2(weights=PATH).", "MobileNetV2 --weights PATH."),
        ("model: no. Name it: modelzoo.load('ResNet18', weights=PATH)", "ResNet18 --weights PATH"),
        ("x. Pass samplevis.Network(model, mean=(1, 2, 3), std=(4, 5, 6)).", "Pass --mean 1 2 3 --std 4 5 6."),
    ],
)
def test_advice_is_in_the_words_of_the_command(message: str, shown: str):
    assert in_flags(message, FIELDS).endswith(shown)
    assert np.char.count(in_flags(message, FIELDS), "(--") == 0
