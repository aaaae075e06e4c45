"""level="examples": the activation that real pictures reach."""

from __future__ import annotations

import numpy as np
import pytest

import samplevis
from samplevis import export
from samplevis.activation import make_activation
from samplevis.activation.image_scores import image_scores
from samplevis.runs.example_level import NUM_EXTREMES, level_of_examples, measure_level
from samplevis.runtime import seeds
from samplevis.sampling import LevelScale
from samplevis.sampling.level_scale import Gauge

FAST = dict(im_size=12, optimize_steps=24, anneal_steps=100, transforms=None, progress=False)
OPTIONS = dict(num_results=3, num_chains=2, num_burnin_steps=4, num_leapfrog_steps=4, num_transforms=2)
UNIT = "conv2:1"


@pytest.fixture(scope="module")
def pictures(tiny_network):
    """Pictures from faint to strong: blends of grey and an optimised image."""
    settings = dict(param=samplevis.param.fourier(12), transforms=None, steps=24, progress=False)
    best = samplevis.optimize(tiny_network, UNIT, **settings).images[0]
    shares = np.linspace(0.1, 0.6, 20)[:, None, None, None]
    return (shares * best + (1 - shares) * 0.5).astype(np.float32)


@pytest.fixture
def activation(tiny_network):
    return make_activation(tiny_network, UNIT, samplevis.param.fourier(12), None)


def test_the_level_is_the_picture_of_that_rank(activation, tiny_network, pictures):
    scale = LevelScale(-1.5, 0.0)
    maps = np.asarray(tiny_network.activations(pictures, ["conv2"])["conv2"])
    values = np.sort(maps[..., 1].mean((1, 2)))
    for quantile, expected in ((1.0, values[-1]), (0.9, values[-3])):
        found = level_of_examples(activation, pictures, quantile)
        level = measure_level(Gauge(activation, scale), found, seeds.root(0))
        np.testing.assert_allclose(level, (expected + 1.5) / 1.5, rtol=1e-5)


def test_a_quantile_far_from_the_top_is_found(activation, pictures):
    """More pictures are above it than are held ready at first."""
    many = np.concatenate([pictures * share for share in np.linspace(0.9, 1, 6, dtype=np.float32)])
    found = level_of_examples(activation, many, 0.25)
    scores = np.sort(image_scores(activation, many))
    rank = int(0.75 * len(many))
    assert rank > NUM_EXTREMES and len(many) == 120
    np.testing.assert_allclose(image_scores(activation, found.image.numpy()), scores[-1 - rank], rtol=1e-5)


def test_samples_come_to_the_level_of_the_pictures(tiny_network, pictures, tmp_path):
    for number, picture in enumerate(pictures):
        export.save_png(picture, str(tmp_path / f"{number:02}.png"))
    samples = samplevis.render(tiny_network, UNIT, OPTIONS, level="examples", examples=tmp_path, **FAST)
    assert 0.02 < samples.level < 0.95
    # The best picture's level is asked for: the samples stand at the top end of the pictures.
    assert samples.options["num_examples"] == 20 and samples.options["examples_percentile"] > 80
    lower = samplevis.render(
        tiny_network, UNIT, OPTIONS, level="examples", examples=tmp_path, examples_quantile=0.5, **FAST
    )
    assert lower.level < samples.level


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (dict(examples=None), "examples: level='examples' needs them"),
        (dict(level="example"), "level: expected a number from 0 to 1, or 'examples'. Received: 'example'"),
        (dict(examples_quantile=1.5), "examples_quantile: expected a number from 0 to 1"),
    ],
)
def test_bad_arguments_are_refused(tiny_network, pictures, changes, message):
    settings = dict(level="examples", examples=pictures) | changes
    with pytest.raises(ValueError, match=message):
        samplevis.render(tiny_network, UNIT, OPTIONS, **settings, **FAST)


def test_pictures_without_the_unit_set_no_level(tiny_network, activation, pictures):
    grey = np.full((3, 12, 12, 3), 0.5, np.float32)
    found = level_of_examples(activation, grey, 1.0)
    with pytest.raises(ValueError, match="no more than noise"):
        measure_level(Gauge(activation, LevelScale(10.0, 20.0)), found, seeds.root(0))


def test_examples_of_another_unit_are_refused(tiny_network, activation, pictures):
    with pytest.raises(ValueError, match="expected those of channel"):
        level_of_examples(activation, samplevis.collect(tiny_network, "conv1:0", pictures), 1.0)
