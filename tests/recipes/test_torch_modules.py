"""Recipes, dataset examples, runs that resume and atlases of a PyTorch module, against PyTorch itself."""

from __future__ import annotations

import os
import signal

import numpy as np
import pytest

import samplevis
from samplevis import Network, atlas, param, recipes
from samplevis.atlas import building

torch = pytest.importorskip("torch", reason="PYTORCH NOT FOUND: pip install 'samplevis[torch]'")
nn = torch.nn

SIZE = 16


@pytest.fixture(scope="module")
def module():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 6, 3, stride=2, padding=1), nn.GELU(), nn.Conv2d(6, 5, 3), nn.Tanh(), nn.Flatten(2)
    ).eval()


@pytest.fixture(scope="module")
def network(module):
    return Network(module, value_range=(0, 1))


@pytest.fixture(scope="module")
def pictures():
    return np.random.default_rng(0).uniform(size=(24, SIZE, SIZE, 3)).astype(np.float32)


def channels_first(images):
    return torch.tensor(np.moveaxis(images, -1, 1))


def test_attribution_is_pytorchs_gradient_times_activation(module, network, pictures):
    hidden = module[1](module[0](channels_first(pictures[:3]))).detach().requires_grad_()
    (slope,) = torch.autograd.grad(module[3](module[2](hidden))[:, 2].mean((1, 2)).sum(), hidden)
    expected = np.moveaxis((hidden * slope).detach().numpy(), 1, -1)
    found = recipes.attribution(network, "3:2", "1", pictures[:3])
    np.testing.assert_allclose(found, expected, atol=1e-5 * np.abs(expected).max())
    by_channel = recipes.channel_attribution(network, "3:2", "1", pictures[:3])
    np.testing.assert_allclose(by_channel, expected.sum((1, 2)), atol=1e-5 * np.abs(expected).sum((1, 2)).max())
    # The control: another unit's.
    assert np.abs(recipes.attribution(network, "3:1", "1", pictures[:3]) - expected).max() > 0.1 * expected.max()


def test_integrated_gradients_add_up_to_the_score(module, network, pictures):
    def score(hidden):
        return module[3](module[2](hidden))[:, 2].mean((1, 2)).detach().numpy()

    hidden = module[1](module[0](channels_first(pictures[:3])))
    expected = score(hidden) - score(torch.zeros_like(hidden))
    found = recipes.attribution(network, "3:2", "1", pictures[:3], path="straight", steps=32).sum((1, 2, 3))
    np.testing.assert_allclose(found, expected, rtol=0.01, atol=1e-4)


def test_dataset_examples_are_in_pytorchs_order(module, network, pictures):
    scores = module[:4](channels_first(pictures))[:, 4].mean((1, 2)).detach().numpy()
    found = samplevis.collect(network, "3:4", pictures, top=5, bottom=5)
    np.testing.assert_array_equal(found.top_images, pictures[np.argsort(-scores)[:5]])
    np.testing.assert_array_equal(found.bottom_images, pictures[np.argsort(scores)[:5]])
    np.testing.assert_allclose(found.activations, scores, atol=1e-5)


class Stop(samplevis.Callback):
    """Presses Ctrl-C at the start of the second batch of chains."""

    def __init__(self):
        self.left = 2

    def on_stage_begin(self, stage, done, total, unit):
        self.left -= stage == "anneal"
        if stage == "anneal" and self.left == 0:
            os.kill(os.getpid(), signal.SIGINT)


@pytest.mark.slow
def test_a_stopped_run_resumes_to_the_same_bytes(network, tmp_path):
    def render(callbacks=(), **run):
        options = dict(num_results=1, num_burnin_steps=1, num_leapfrog_steps=1, num_transforms=1, adapt_mass=False)
        settings = dict(param=param.fourier(SIZE), optimize_steps=4, anneal_steps=25, seed=3, progress=False)
        options |= dict(num_chains=2, batch_size=1)
        return samplevis.render(network, "3:1", options, callbacks=callbacks, **settings, **run)

    whole = render()
    some = render([Stop()], checkpoint=tmp_path)
    assert (len(some.images), len(whole.images)) == (1, 2)
    np.testing.assert_array_equal(render(checkpoint=tmp_path).latents, whole.latents)


@pytest.mark.slow
def test_an_atlas_goes_on_where_it_was_stopped(module, network, pictures, tmp_path, monkeypatch):
    settings = dict(
        methods=("optimize", "examples"), size=SIZE, batch_size=2, units_per_part=2, optimize_steps=4, top=3
    )
    run_task, done = building.run_task, []

    def noted(network, task, folder, progress):
        if task.units[0] == 2 and 2 not in done:
            done.append(2)
            raise KeyboardInterrupt
        done.append(task.units[0])
        return run_task(network, task, folder, progress)

    def build(network):
        return atlas.build(network, tmp_path, ["3:0-4"], images=pictures, settings=settings, progress=False)

    monkeypatch.setattr(building, "run_task", noted)
    with pytest.raises(KeyboardInterrupt):
        build(network)
    found = build(network)
    assert len(found) == 5 and done == [0, 2, 2, 4], "what is finished is not done again"
    scores = module[:4](channels_first(pictures))[:, 4].mean((1, 2)).detach().numpy()
    assert [int(name) for name in found["3:4"].examples["top"]] == np.argsort(-scores)[:3].tolist()
    other = Network(nn.Sequential(nn.Conv2d(3, 6, 3), nn.GELU(), nn.Conv2d(6, 5, 3), nn.Tanh()), value_range=(0, 1))
    with pytest.raises(ValueError, match="another"):
        build(other)
