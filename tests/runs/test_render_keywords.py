"""Arguments that several calls have: options of the sampler as keywords, checkpoints, sizes, units by name."""

from __future__ import annotations

import os
import sys
import types

import keras
import pytest

import samplevis
from samplevis import Network, modelzoo, optimize, param, render, sweep, transform, two_ended
from samplevis.objectives import as_objective
from samplevis.recipes import compare
from samplevis.runs.rendering import render_keywords
from samplevis.sampling.options import HMCOptions, hmc_names, hmc_options

QUICK = {"im_size": 16, "optimize_steps": 2, "anneal_steps": 1, "num_burnin_steps": 1, "num_transforms": 2}
QUICK |= {"num_chains": 1, "num_results": 1, "num_leapfrog_steps": 1, "progress": False, "smooth": None}


def test_every_option_of_the_sampler_is_a_keyword():
    for name in hmc_names():
        value = getattr(HMCOptions(), name)
        assert getattr(hmc_options({"num_chains": 3}, {name: value}), name) == value
        assert name in render_keywords()
    assert hmc_options({"num_chains": 3}, {"num_chains": 2, "checkpoint": "run"}).num_chains == 2
    # The default step size follows the kernel, wherever it is given.
    assert hmc_options(None, {"kernel": "langevin"}) == hmc_options({"kernel": "langevin"})


def test_render_takes_options_of_the_sampler_as_keywords(tiny_network):
    with pytest.raises(TypeError, match="num_chain: .*Did you mean 'num_chains'"):
        render(tiny_network, "conv2:1", num_chain=2)
    with pytest.raises(ValueError, match=r"hmc_opts\['num_chains'\]: expected a whole number >= 1"):
        compare(tiny_network, "conv2:1", num_chains=0)


@pytest.mark.slow
def test_keywords_override_the_dictionary(tiny_network):
    samples = render(tiny_network, "conv2:1", {"num_results": 3}, **QUICK | {"num_chains": 2})
    assert samples.images.shape[:2] == (2, 1)


@pytest.mark.parametrize("given", [{"checkpoint": "run"}, {"run_opts": {"checkpoint": "run"}}, {}])
def test_each_end_gets_its_folder(monkeypatch, given):
    made = []

    def recorded(*arguments, **settings):
        made.append((settings["init"], settings["run_opts"].checkpoint))
        return types.SimpleNamespace(target_density=None)

    monkeypatch.setattr(sys.modules["samplevis.runs.both_ends"], "render", recorded)
    two_ended(None, "conv2:1", **given)
    folders = (os.path.join("run", "optimize"), os.path.join("run", "prior")) if given else (None, None)
    assert made == list(zip(("optimize", "prior"), folders, strict=True))


@pytest.mark.slow
@pytest.mark.parametrize("how", ["keyword", "run_opts"])
def test_two_ended_keeps_each_end_in_its_folder(tiny_network, tmp_path, how):
    folder = tmp_path / "run"
    given = {"checkpoint": folder} if how == "keyword" else {"run_opts": {"checkpoint": folder}}
    ends = two_ended(tiny_network, "conv2:1", **QUICK, **given)
    assert sorted(os.listdir(folder)) == ["optimize", "prior"]
    assert ends.optimized.init == "optimize" and ends.prior.init == "prior"


def _fixed(channels: int = 3) -> Network:
    layers = [keras.Input((16, 24, channels)), keras.layers.Conv2D(3, 3, name="unit")]
    return Network(keras.Sequential(layers), value_range=(0, 1))


@pytest.mark.parametrize("call", [optimize, sweep, render, samplevis.surprisal])
def test_a_size_that_does_not_fit_is_named(call):
    unit = "unit" if call is sweep else "unit:1"
    with pytest.raises(ValueError, match=r"^im_size: .* takes images of \(16, 24\) .*, the default. Received: 32"):
        call(_fixed(), unit, im_size=32, progress=False)


def test_a_size_that_transforms_make_fit_is_taken():
    found = optimize(
        _fixed(), "unit:1", im_size=32, transforms=transform.crop_or_pad_to(16, 24), steps=2, progress=False
    )
    assert found.images.shape == (1, 32, 32, 3)
    assert optimize(_fixed(), "unit:1", im_size=(16, 24), steps=1, progress=False).images.shape == (1, 16, 24, 3)


def test_opacity_without_a_background_says_what_to_add():
    with pytest.raises(ValueError, match="Received: 4 channels. If .* opacity.* transform.collapse_alpha_random"):
        optimize(_fixed(), "unit:1", param=param.with_alpha(param.fourier((16, 24))), progress=False)
    # Another number of channels is another mistake.
    with pytest.raises(ValueError, match="Received: 1 channels$"):
        optimize(_fixed(), "unit:1", param=param.fourier((16, 24), channels=1), progress=False)


def test_a_layer_without_a_channel_gets_examples_of_its_own_network(tiny_network):
    with pytest.raises(ValueError, match="'conv2' is a layer; expected one of its channels, such as 'conv2:0'"):
        as_objective("-conv2", tiny_network)
    with pytest.raises(ValueError, match="'logits:0' .layer:channel., 'logits:a' .layer:label."):
        optimize(tiny_network, "logits", progress=False)
    for wrong in ("", "nothing", "conv9"):
        with pytest.raises(ValueError, match="expected a string such as 'logits:0'.*'-logits:0'"):
            optimize(tiny_network, wrong, progress=False)
    with pytest.raises(ValueError, match="such as 'layer:0' "):
        as_objective("conv2")


@pytest.mark.parametrize("make", [modelzoo.Shapes, modelzoo.ShapesJudge])
def test_the_bundled_networks_are_made_inside_a_name_scope(make):
    with keras.name_scope("outer"), keras.name_scope("inner"):
        inside = make()
    for mine, other in zip(inside.model.weights, make().model.weights, strict=True):
        assert (mine.numpy() == other.numpy()).all()
