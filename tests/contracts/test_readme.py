"""The README: its Python and its commands run, and its links lead to files."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import keras
import numpy as np
import pytest

import samplevis
from samplevis import cli, export, modelzoo

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
SMALL = dict(optimize_steps=8, anneal_steps=25, progress=False)
FEW = dict(num_results=2, num_chains=2, num_burnin_steps=2, num_leapfrog_steps=2, num_transforms=2)
QUICK = "--chains 2 --draws 2 --warmup 2 --leapfrog-steps 2 --transforms 2 --optimize-steps 8 --quiet"


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def some_model() -> keras.Model:
    """A model such as a reader may have."""
    keras.utils.set_random_seed(0)
    layers = [keras.Input((None, None, 3)), keras.layers.Conv2D(16, 3, name="block_6_expand")]
    layers += [keras.layers.Conv2D(16, 3, name="conv5"), keras.layers.GlobalAveragePooling2D()]
    return keras.Sequential([*layers, keras.layers.Dense(3)], name="my_model")


@pytest.mark.slow
def test_the_python_runs(squeezenet, tmp_path, monkeypatch, capsys):
    """The README's own lines, with fewer steps and the weights from a file."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(modelzoo, "SqueezeNet", lambda: squeezenet)
    render = samplevis.render
    monkeypatch.setattr(
        samplevis, "render", lambda *names, **options: render(*names, **options | SMALL | {"hmc_opts": FEW})
    )
    first, second, sweeping = blocks("python")
    names = {}
    exec(first, names)
    assert (tmp_path / "goldfish.gif").stat().st_size > 0 and "R-hat" in capsys.readouterr().out
    assert names["image"].shape == (96, 96, 3)
    monkeypatch.setattr(
        samplevis, "render", lambda *names, **options: render(*names, FEW, **options | SMALL, im_size=32)
    )
    sweep = samplevis.sweep
    monkeypatch.setattr(
        samplevis,
        "sweep",
        lambda model, layer, **options: sweep(model, [f"{layer}:7"], **options, steps=1, progress=False),
    )
    exec(sweeping, names)
    assert names["found"].images.shape == (1, 64, 64, 3) and (tmp_path / "fire9" / "0-channel-fire9-7.png").is_file()
    exec(second, {"my_model": some_model(), "my_labels": ("a", "b", "c"), "samplevis": samplevis})


def test_the_first_example_runs_on_a_small_model(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    small = samplevis.Network(some_model(), labels=("goldfish", "b", "c"))
    logits = small.model.layers[-1].name
    monkeypatch.setattr(modelzoo, "SqueezeNet", lambda: small)
    render = samplevis.render
    few = {"hmc_opts": FEW, "im_size": 32}
    monkeypatch.setattr(samplevis, "render", lambda *names, **options: render(*names, **options | SMALL | few))
    names = {}
    exec(blocks("python")[0].replace('"logits"', repr(logits)), names)
    assert names["image"].shape == (32, 32, 3) and "R-hat" in capsys.readouterr().out
    assert (tmp_path / "goldfish.gif").stat().st_size > 0


def test_the_expressions_run(squeezenet):
    from samplevis import objectives

    expressions = [
        text for text in re.findall(r"`([^`\n]+)`", README) if text.startswith(("objectives.", "samplevis.optimize("))
    ]
    assert len(expressions) == 2
    optimised, penalised = expressions
    assert str(eval(penalised, {"objectives": objectives})) == "(channel(fire8, 50) - (0.5 * channel(fire8, 7)))"
    call = optimised.replace("steps=256", "steps=2, param=samplevis.param.fourier(32), progress=False")
    images = eval(call, {"samplevis": samplevis, "model": squeezenet})
    assert images.shape[1:] == (32, 32, 3) and np.ptp(images) > 0


@pytest.mark.slow
def test_the_commands_run(squeezenet_folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    some_model().save("my_model.keras")
    (tmp_path / "photos").mkdir()
    for name in ("a", "b"):
        export.save_image(np.random.default_rng(0).uniform(size=(32, 32, 3)), tmp_path / "photos" / f"{name}.png")
    weights = f"--weights {shlex.quote(str(squeezenet_folder / 'compressed_SqueezeNet.net'))}"
    commands = [
        line.split("#")[0] for block in blocks("bash") for line in block.splitlines() if line.startswith("samplevis")
    ]
    assert len(commands) == 6
    for command in commands:
        if "SqueezeNet" in command:
            command += f" {weights}"
        if "sweep" in command:
            command += " --steps 1 --quiet"
        if "render" in command:
            command += f" {QUICK}"
        assert cli.main(shlex.split(command)[1:]) == 0, command
    assert (tmp_path / "goldfish" / "samples.gif").stat().st_size > 0


def test_its_links_lead_to_files():
    links = [link for link in re.findall(r"\]\(([^)#]+)", README) if "://" not in link]
    assert len(links) >= 20
    assert [link for link in links if not (ROOT / link).is_file()] == []
