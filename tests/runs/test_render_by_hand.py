"""`render` made by hand from public parts gives the same bytes, as docs/howto/render_by_hand.md says."""

from __future__ import annotations

import numpy as np
import pytest

import samplevis
from samplevis import overrides, param, transform
from samplevis.activation import make_activation
from samplevis.runtime import seeds
from samplevis.sampling import HMCOptions, LevelScale, measure_scale, sample

# Given, so that `render` does not weaken them.
TRANSFORMS = (transform.affine(1, 0.1, 8),)
UNIT, STEPS = "conv2:1", dict(optimize_steps=8, anneal_steps=25)
OPTIONS = HMCOptions(num_results=2, num_chains=2, num_burnin_steps=2, num_leapfrog_steps=2, num_transforms=2)


@pytest.fixture(scope="module")
def rendered(tiny_network):
    return samplevis.render(
        tiny_network, UNIT, OPTIONS, im_size=12, transforms=TRANSFORMS, seed=3, progress=False, **STEPS
    )


def by_hand(network, seed):
    prior = param.fourier(12)
    activation = make_activation(network, UNIT, prior, TRANSFORMS)
    optimized = samplevis.optimize(
        network, UNIT, param=prior, transforms=TRANSFORMS, batch=2, steps=8, seed=seed, progress=False
    )
    scale = measure_scale(activation, optimized.latents, seed)
    return sample(activation, optimized.latents, scale, OPTIONS, level=0.7, anneal_steps=25, seed=seed)


def test_the_draws_are_those_of_render(tiny_network, rendered):
    # The tiny network has no kinks: smoothing leaves it as it is.
    result = by_hand(overrides.smooth(tiny_network, 0.3), 3)
    assert result.latents.tobytes() == rendered.latents.tobytes()
    np.testing.assert_array_equal(result.fresh_activation, rendered.fresh_activation)
    assert result.density.target == rendered.target_density.target
    # The control: another seed gives other draws.
    assert by_hand(tiny_network, 4).latents.tobytes() != rendered.latents.tobytes()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"level": 1.5}, "level: expected a number from 0 to 1. Received: 1.5"),
        ({"anneal_steps": 0}, "anneal_steps: .*Received: 0"),
        (
            {"latents": np.zeros((2, 5, 5, 3))},
            r"latents: expected shape \[chain, 12, 12, 3\]. Received: \(2, 5, 5, 3\)",
        ),
        ({"options": {"kernal": "malt"}}, "hmc_opts: unknown name 'kernal'"),
        ({"beta": 1e9}, "beta: expected at most"),
        ({"seed": -1}, "seed: expected an integer from 0"),
    ],
)
def test_bad_arguments_are_refused_before_any_work(tiny_network, changes, message):
    prior = param.fourier(12)
    arguments = {"latents": prior.prior(seeds.root(0), 2), "scale": LevelScale(0.0, 1.0)} | changes
    activation = make_activation(tiny_network, UNIT, prior, None)
    with pytest.raises(ValueError, match=message):
        sample(activation, **arguments)
