"""param.around and recipes.accentuate."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT

from benchmarks import accentuation
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
    with pytest.raises(ValueError, match=r"photo: expected \[height, width, 3\]"):
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


@pytest.mark.long
def test_a_photograph_on_a_real_network(monkeypatch):
    """A zebra: variants are more of one the farther they may go, for another network, too, and random variants are less of one."""
    folder = Path(os.environ.get("SAMPLEVIS_TEST_PICTURES", ROOT / "../shared/pictures")) / "imagenet_one_per_class"
    models = ROOT / os.environ.get("SAMPLEVIS_TEST_DATA", "../shared/models")
    if not folder.is_dir() or not (models / "squeezenet").is_dir():
        pytest.skip(f"PHOTOGRAPHS OR SQUEEZENET NOT FOUND in {folder} and {models}")
    monkeypatch.setenv("SAMPLEVIS_TEST_PICTURES", str(folder.parent))
    try:
        accentuation.efficientnet()
    except ImportError as error:
        pytest.skip(f"WEIGHTS OF EfficientNetLite0 NOT INSTALLED: {error}")
    photo = accentuation.photographs(accentuation.SIZE)[340]
    rows = [accentuation.run(340, 1, noise, photo, None) for noise in (0.05, 0.3)]
    assert rows[0]["returned"] < 2e-3
    assert accentuation.correlation(rows)[1] > 0.5
    for row in rows:
        assert np.min(row["activations"]) > row["photo_activation"] + 1
        assert np.mean(row["random_activations"]) < row["photo_activation"] + 1, "the control must not excite the unit"
        # Gained with SqueezeNet, which was not asked, over variants at random.
        assert np.mean(row["other"]) > np.mean(row["other_random"])
    against = accentuation.run(340, -1, 0.3, photo, None)
    assert np.min(against["activations"]) > against["photo_activation"] + 5
