"""param.around and recipes.accentuate."""

from __future__ import annotations

import numpy as np
import pytest

from samplevis import modelzoo, param, recipes
from samplevis.runtime import seeds


@pytest.fixture(scope="module")
def photo():
    return modelzoo.shapes.draw(4, seed=0, size=32)[0][0]


def test_without_noise_there_is_the_photograph(photo):
    gaps = []
    for noise in (0.0, 0.01, 0.3):
        p = param.around(param.fourier(32), photo, noise)
        gaps.append(np.abs(p.image(p.prior(seeds.root(0), 4)) - photo).mean())
    assert gaps[0] < 1e-3 and gaps[0] < gaps[1] < 0.1 * gaps[2]


def test_the_whole_noise_is_the_whole_prior(photo):
    base = param.fourier(32)
    p = param.around(base, photo, 1.0)
    z = p.prior(seeds.root(0), 2)
    np.testing.assert_allclose(p.image(z), base.image(z), atol=1e-6)
    q = param.around(base, photo, 0.5)
    np.testing.assert_allclose(q.latent(q.image(z)), z, atol=0.02)


@pytest.mark.parametrize("noise, message", [(1.5, "noise: expected"), (0, "noise: expected more than 0")])
def test_bad_noise_is_refused(photo, noise, message):
    with pytest.raises(ValueError, match=message):
        recipes.accentuate(modelzoo.Shapes(), "logits:star", photo, noise)


def test_a_photograph_of_another_size_is_refused(photo):
    with pytest.raises(ValueError, match="image: expected values"):
        recipes.accentuate(modelzoo.Shapes(), "logits:star", photo, param=param.fourier(64))
    with pytest.raises(ValueError, match="photo: expected shape"):
        recipes.accentuate(modelzoo.Shapes(), "logits:star", photo[0])


@pytest.mark.slow
def test_activation_and_distance_grow_together(photo, tmp_path):
    hmc = dict(num_chains=2, num_results=2)
    found = [
        recipes.accentuate(modelzoo.Shapes(), "logits:star", photo, noise, hmc_opts=hmc, progress=False)
        for noise in (0.1, 0.5)
    ]
    assert found[0].photo_activation < found[0].activations.mean() < found[1].activations.mean()
    assert 0 < found[0].distances.mean() < found[1].distances.mean()
    found[0].save_grid(tmp_path / "grid.png")
    against = recipes.accentuate(modelzoo.Shapes(), "-logits:star", photo, 0.5, hmc_opts=hmc, progress=False)
    assert against.activations.mean() > against.photo_activation
