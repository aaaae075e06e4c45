"""Many chains, a batch at a time: the first batch tunes, the others start from what it found."""

from __future__ import annotations

import os
import signal

import numpy as np
import pytest

import samplevis
from samplevis import param
from samplevis.activation import make_activation
from samplevis.runtime import seeds
from samplevis.sampling import HMCOptions, measure_scale, sample

SMALL = dict(num_results=2, num_burnin_steps=4, num_leapfrog_steps=2, num_transforms=2, batch_size=2)
STEPS = dict(im_size=12, optimize_steps=8, anneal_steps=25, seed=3, progress=False)


def render(network, chains, callbacks=(), **run_opts):
    options = SMALL | {"num_chains": chains}
    return samplevis.render(network, "conv2:1", options, callbacks=callbacks, **STEPS, **run_opts)


@pytest.fixture(scope="module")
def five(tiny_network):
    return render(tiny_network, 5)


def test_level_one_is_the_best_image_of_all_batches(tiny_network, five):
    activation = make_activation(tiny_network, "conv2:1", param.fourier(12), "robust")
    bank = activation.sample_bank(seeds.root(9), 256)
    scores = [activation.of_images(image[None], bank, 256).numpy().mean() for image in five.optimized]
    assert five.optimum_activation == pytest.approx(max(scores), rel=0.05)
    # The control: it is not the best of the first batch.
    assert five.optimum_activation > 1.1 * max(scores[:2])


def test_every_array_has_all_chains(five):
    assert len(five) == 5 * 2 and five.images.shape[:2] == (5, 2)
    assert five.stats["acceptance_rate"].shape == (5, 2) and five.stats["step_size"].shape == (2,)
    assert five.scalars["radius"].shape == (5, 2) and five.reached.shape == (5,)
    assert len(np.unique(five.stats["step_size"])) == 1


def test_further_chains_cost_less(tiny_network, five):
    # Without mass and calibration, and with a quarter of the warm-up.
    assert five.gradients < render(tiny_network, 2).gradients


def test_batches_by_hand(tiny_network):
    prior = param.fourier(12)
    activation = make_activation(tiny_network, "conv2:1", prior, "robust")
    settings = {"param": prior, "transforms": "robust", "batch": 4, "steps": 8, "seed": 3, "progress": False}
    latents = samplevis.optimize(tiny_network, "conv2:1", **settings).latents
    scale, options = measure_scale(activation, latents, 3), HMCOptions(**SMALL)
    first = sample(activation, latents[:2], scale, options, anneal_steps=25, seed=3)
    second = sample(activation, latents[2:], scale, options, anneal_steps=25, tuning=first.tuning, seed=4)
    assert second.density is first.density and second.tuning is first.tuning
    assert (second.stats["step_size"] == np.float32(first.tuning.step_size)).all()
    assert second.gradients < first.gradients


def test_on_disk_the_draws_are_the_same(tiny_network, five, tmp_path):
    stored = render(tiny_network, 5, checkpoint=tmp_path / "run", storage="disk")
    assert isinstance(stored.images, np.memmap)
    np.testing.assert_array_equal(stored.images, five.images)
    np.testing.assert_array_equal(stored.latents, five.latents)


class Stop(samplevis.Callback):
    """Presses Ctrl-C at the first stage of this name in the second batch, which begins after the draws of the first."""

    def __init__(self, stage):
        self.stages = [stage, "sample"]

    def on_stage_begin(self, stage, done, total, unit):
        if self.stages and stage == self.stages[-1] and total > 1:
            self.stages.pop()
            if not self.stages:
                os.kill(os.getpid(), signal.SIGINT)


def test_ctrl_c_returns_the_batches_that_are_done(tiny_network, five):
    some = render(tiny_network, 5, [Stop("anneal")])
    np.testing.assert_array_equal(some.latents, five.latents[:2])


def test_ctrl_c_before_the_draws_of_the_first_batch_ends_the_run(tiny_network):
    class StopOptimising(samplevis.Callback):
        def __init__(self):
            self.left = 2

        def on_stage_begin(self, stage, done, total, unit):
            self.left -= stage == "optimise"
            if stage == "optimise" and not self.left:
                os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        render(tiny_network, 5, [StopOptimising()])


def test_a_stopped_run_resumes_to_the_same_bytes(tiny_network, five, tmp_path):
    some = render(tiny_network, 5, [Stop("anneal")], checkpoint=tmp_path)
    assert len(some.images) == 2
    whole = render(tiny_network, 5, checkpoint=tmp_path)
    np.testing.assert_array_equal(whole.latents, five.latents)
    longer = whole.extend(1)
    np.testing.assert_array_equal(longer.latents[:, :2], five.latents)
    assert longer.images.shape[:2] == (5, 3)
